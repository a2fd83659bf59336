-- What the host calls: to load scripts, to start a call of one of their functions, to wake it from
-- sleep, and to fetch its output. No function here uses a global; see threads.lua.

local threads, texts, environment, limits = ...

local next, pairs, rawget, select, type = next, pairs, rawget, select, type
local loadstring, setfenv, tonumber, tostring, unpack = loadstring, setfenv, tonumber, tostring, unpack
local resume, yield = coroutine.resume, coroutine.yield
local ceil, floor = math.ceil, math.floor
setfenv(1, {})

local calls = {}
local output_text = texts.output

local CHUNK = 200 -- values handed to the host at once
local ROW = 128 -- bytes that a row of output takes up besides its name and value
local DONE = {} -- what a worker yields when its call is over

local sleeping = {} -- calls, by number
local idle = {} -- workers
local library = {} -- functions that are not the scripts' own

-------------------------------------------------------------------- workers

local function work(f, inmap, outmap)
  setfenv(0, environment)
  while true do
    f, inmap, outmap = yield(DONE, (f(inmap, outmap)))
  end
end

local function failure(message)
  if type(message) == "table" then return "failed", "(the error is a table)" end
  return "failed", tostring(message)
end

local function return_code(value)
  local code = tonumber(value) or 0
  if code ~= code then return -1 end
  return code < 0 and ceil(code) or floor(code)
end

local function list_output(outmap)
  local items, count, size = {}, 0, 0
  for key, value in next, outmap do
    if type(key) ~= "string" or type(value) ~= "string" then
      key, value = output_text(key), output_text(value)
    end
    if key and value then
      items[count + 1], items[count + 2] = key, value
      count = count + 2
      size = size + #key + #value + ROW
    end
  end
  if size > limits.output then return nil end
  return items, count
end

local rest, rest_at -- output that the host has yet to fetch

-- Returns how a call goes on: "failed", message; "sleeping", seconds; or "done", code, how many
-- values of output are to be fetched, and the first of the output.
local function after(call, ok, kind, ...)
  if not ok then
    threads.finish()
    return failure(kind)
  end
  if kind == threads.SLEEP then
    threads.pause()
    sleeping[call.number] = call
    return "sleeping", ...
  end
  threads.finish()
  idle[#idle + 1] = call.worker
  local items, count = list_output(call.outmap)
  if not items then return "failed", "the script's output is too large" end
  local code = return_code((...))
  if count <= CHUNK then return "done", code, 0, unpack(items, 1, count) end
  rest, rest_at = items, CHUNK
  return "done", code, count - CHUNK, unpack(items, 1, CHUNK)
end

-------------------------------------------------------------------- calls

local input -- of the call to come

-- Takes in names and values in turn.
function calls.add_input(...)
  input = input or {}
  local items = {...}
  for index = 1, #items, 2 do input[items[index]] = items[index + 1] end
end

function calls.start(number, name, ...)
  local inmap = input or {}
  input = nil
  local f = rawget(environment, name)
  if type(f) ~= "function" or library[f] then return "missing" end
  local items = {...}
  for index = 1, #items, 2 do inmap[items[index]] = items[index + 1] end
  local call = {number = number, time_left = limits.time, outmap = {}}
  call.worker = idle[#idle] or threads.new_worker(work)
  idle[#idle] = nil
  threads.switch_to(call)
  return after(call, resume(call.worker, f, inmap, call.outmap))
end

function calls.wake(number)
  local call = sleeping[number]
  sleeping[number] = nil
  threads.switch_to(call)
  return after(call, resume(call.worker))
end

function calls.abandon(number)
  sleeping[number] = nil
end

function calls.more_output()
  local items, first = rest, rest_at + 1
  rest_at = rest_at + CHUNK
  if rest_at < #items then return unpack(items, first, rest_at) end
  rest = nil
  return unpack(items, first, #items)
end

-------------------------------------------------------------------- loading

-- Runs a script's code once; returns what went wrong.
function calls.load(source, name)
  local chunk, message = loadstring(source, name)
  if not chunk then return message end
  setfenv(chunk, environment)
  local worker = threads.new_worker(work)
  threads.switch_to({time_left = limits.time})
  threads.stay_awake(1)
  local ok, result = resume(worker, chunk)
  threads.finish()
  if not ok then return (select(2, failure(result))) end
  idle[#idle + 1] = worker
end

-- Clients may call the functions that scripts define, not those that are there without any.
local function note_library(functions)
  for _, value in pairs(functions) do
    if type(value) == "function" then library[value] = true end
  end
end

note_library(environment)

return calls
