-- Puts the parts together and leaves the state without globals: what remains of them is in the
-- scripts' environment. Called once by the host, with its functions, the limits and the parts' code.

local host, limits, sources = ...

local function part(name, ...)
  return assert(loadstring(sources[name], "=" .. name .. ".lua"))(...)
end

collectgarbage("setpause", 120) -- there is a limit, and no collection when it is reached

local threads = part("threads", limits)
local texts = part("texts")
local transfer = part("transfer", threads, host, limits)
local errors = part("errors")
local visitors = part("visitors", threads, texts)
local databases = part("databases", threads, texts, errors)
part("records", threads, texts, transfer, databases, host)
part("visits", threads, texts, errors, visitors, databases, host)
local classes = {
  DB = part("whole", threads, texts, transfer, errors, databases, host),
  Cursor = part("cursors", threads, texts, errors, databases, visitors, host),
}
local environment = part("sandbox", threads, texts, host, limits)
environment.__kyototycoon__ =
  part("module", threads, texts, transfer, errors, visitors, databases, classes, host, limits)
local calls = part("calls", threads, texts, environment, limits)

local globals = _G
for name in pairs(globals) do globals[name] = nil end

return calls
