-- Makes the globals that scripts see: Lua's own without what reaches files, other programs, compiled
-- code or the inside of functions, and without what could run for ever beyond the reach of a hook.

local threads, texts, host, limits = ...

local error, getmetatable, ipairs, pairs = error, getmetatable, ipairs, pairs
local select, tonumber, tostring, type = select, tonumber, tostring, type
local collectgarbage, loadstring = collectgarbage, loadstring
local byte, rep, concat, insert = string.byte, string.rep, table.concat, table.insert
local io, os, globals = io, os, _G
setfenv(1, {})

local LONGEST_PATTERN = 5000 -- bytes
local LOWEST = 1000000 -- places before the first of a table

local environment = {}

local function copy(names)
  local copied = {}
  for name, value in pairs(names) do copied[name] = value end
  return copied
end

for _, name in ipairs({
  "_VERSION", "assert", "error", "gcinfo", "getfenv", "getmetatable", "ipairs", "next", "pairs",
  "rawequal", "rawget", "rawset", "select", "setfenv", "setmetatable", "tonumber", "tostring", "type",
  "unpack",
}) do
  environment[name] = globals[name]
end
for _, name in ipairs({"math", "string", "table"}) do environment[name] = copy(globals[name]) end

environment._G = environment
environment.pcall = threads.pcall
environment.xpcall = threads.xpcall
environment.coroutine = threads.coroutine
environment.debug = {traceback = threads.traceback}
environment.os = {clock = os.clock, date = os.date, difftime = os.difftime, time = os.time}

-------------------------------------------------------------------- strings

environment.string.dump = nil

-- The original counts to any number, however short the string.
function environment.string.rep(text, count)
  text, count = texts.argument(text), tonumber(count)
  if not (text and count) then error("bad argument to 'rep' (string and number expected)", 2) end
  local size = #text * count
  if size <= 0 then return "" end
  if size > limits.memory then error("not enough memory", 0) end
  return rep(text, count)
end

-- Matching recurses with the length of the pattern, and the stack it does so on is the process's.
for _, name in ipairs({"find", "match", "gmatch", "gsub"}) do
  local original = environment.string[name]
  environment.string[name] = function(text, pattern, third, plain, ...)
    if type(pattern) == "string" and #pattern > LONGEST_PATTERN and not (name == "find" and plain) then
      error("pattern too long", 2)
    end
    return original(text, pattern, third, plain, ...)
  end
end
environment.string.gfind = environment.string.gmatch

getmetatable("").__index = environment.string

-------------------------------------------------------------------- tables

-- The original moves what lies between a position and the end, and be it nothing at all, in one step.
function environment.table.insert(list, ...)
  local position = tonumber((...))
  if select("#", ...) > 1 and position and not (position > -LOWEST and position < 2 ^ 31) then
    error("bad argument #2 to 'insert' (position out of bounds)", 2)
  end
  return insert(list, ...)
end

-------------------------------------------------------------------- code

-- Compiled code could do anything, to the process too.
local function compile(source, name)
  if byte(source, 1) == 27 then return nil, "compiled code is not loaded" end
  return loadstring(source, name)
end

function environment.loadstring(source, name)
  if type(source) ~= "string" then
    error("bad argument #1 to 'loadstring' (string expected, got " .. type(source) .. ")", 2)
  end
  return compile(source, name or source)
end

function environment.load(read, name)
  local pieces = {}
  while true do
    local piece = read()
    if piece == nil or piece == "" then break end
    if type(piece) ~= "string" then return nil, "reader function must return a string" end
    pieces[#pieces + 1] = piece
  end
  return compile(concat(pieces), name or "=(load)")
end

-------------------------------------------------------------------- the rest

function environment.collectgarbage(what, ...)
  if what == nil or what == "collect" or what == "count" or what == "step" then
    return collectgarbage(what, ...)
  end
  return 0 -- how garbage is collected is not the scripts' to change
end

function environment.print(...)
  local words = {}
  for index = 1, select("#", ...) do words[index] = tostring((select(index, ...))) end
  threads.enter_host()
  host.log("info", concat(words, "\t"))
end

if limits.io then
  environment.io, environment.os = io, os

  local function read_file(path)
    local file = path and io.open(path, "rb")
    if path and not file then return nil, "cannot open " .. path end
    local source = (file or io.stdin):read("*a")
    if file then file:close() end
    return (source:gsub("^#[^\n]*", ""))
  end

  function environment.loadfile(path)
    local source, message = read_file(path)
    if not source then return nil, message end
    return compile(source, "@" .. (path or "stdin"))
  end

  function environment.dofile(path)
    local chunk, message = environment.loadfile(path)
    if not chunk then error(message, 0) end
    return chunk()
  end
end

return environment
