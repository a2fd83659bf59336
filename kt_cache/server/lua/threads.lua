-- The limits of a call, and the functions for coroutines and errors that keep to them.
--
-- Every call runs in a coroutine, a worker. One that sleeps yields SLEEP up to the host, through
-- whatever pcall and coroutine.resume lie between: that is why those are written here anew. Each
-- coroutine has a hook that stops the call once its time or its memory is used up; what stops a call
-- cannot be caught by the script.
--
-- Scripts can reach the environment of functions that call them, so no function here uses a global.

local limits = ...

local error, select, pcall, rawget, type = error, select, pcall, rawget, type
local getmetatable, setmetatable, tonumber = getmetatable, setmetatable, tonumber
local collectgarbage, clock = collectgarbage, os.clock
local create, resume, running = coroutine.create, coroutine.resume, coroutine.running
local status, yield = coroutine.status, coroutine.yield
local getinfo, sethook, traceback = debug.getinfo, debug.sethook, debug.traceback
setfenv(1, {})

local threads = {}

local INSTRUCTIONS = 2000 -- between two looks at the limits
local HOST_CALLS = 100 -- likewise, of calls of the host's functions
local OUT_OF_MEMORY = "not enough memory"
local SLEEP = {} -- what a sleeping worker yields, before the seconds

local memory = limits.memory / 1024
local present = {} -- the call that runs; the others sleep
local host_calls_left = HOST_CALLS
local unsleepable = 0 -- how many visitors, transactions and the like are under way

local workers = setmetatable({}, {__mode = "k"})
local owners = setmetatable({}, {__mode = "kv"}) -- whose pcall a coroutine is
local compiled = setmetatable({}, {__mode = "k"}) -- whether a function is written in C
local failed -- the coroutine that an xpcall's handler is about

threads.SLEEP = SLEEP

-------------------------------------------------------------------- limits

local function stop(reason)
  present.stopped = reason
  error(reason, 0)
end

local function check_limits()
  host_calls_left = HOST_CALLS
  if present.stopped then error(present.stopped, 0) end
  local now = clock()
  if not present.deadline then
    present.deadline = now + present.time_left
  elseif now >= present.deadline then
    stop("the script ran for longer than " .. limits.time .. " seconds")
  end
  if collectgarbage("count") > memory then
    collectgarbage()
    -- Lua 5.1 never collects because memory is short: without room to spare it would from now on.
    if collectgarbage("count") > 0.9 * memory then stop(OUT_OF_MEMORY) end
  end
end

-- To be called before a function of the host is: its result must not be what fills the memory, for
-- there an error would end the process.
function threads.enter_host()
  host_calls_left = host_calls_left - 1
  if host_calls_left < 0 or collectgarbage("count") > memory then check_limits() end
end

-- To be called after a function of the host that may take long.
threads.check_limits = check_limits

-- Raises again what a script must not catch.
local function rethrow(message)
  if present.stopped then error(present.stopped, 0) end
  if message == OUT_OF_MEMORY then stop(OUT_OF_MEMORY) end
  -- It would be an exception of the host's, which must not get to a script.
  if type(message) == "userdata" and not limits.io then stop("internal error") end
end

local function new_thread(f)
  local thread = create(f)
  sethook(thread, check_limits, "", INSTRUCTIONS)
  return thread
end

function threads.new_worker(f)
  local worker = new_thread(f)
  workers[worker] = true
  return worker
end

-- Makes a call the present one.
function threads.switch_to(call)
  present = call
  unsleepable = 0
  host_calls_left = HOST_CALLS
end

-- Notes how much time the present call has left when it falls asleep.
function threads.pause()
  if present.deadline then present.time_left = present.deadline - clock() end
  present.deadline = nil
end

-- Forgets the present call, so that what it holds is garbage.
function threads.finish()
  present = {}
end

-------------------------------------------------------------------- errors

local function enter(f, ...)
  return f(...)
end

local function owner_of(thread)
  return owners[thread] or thread
end

local function finish(thread, ok, ...)
  if ok and status(thread) ~= "dead" then -- a yield, ours or the script's own
    return finish(thread, resume(thread, yield(...)))
  end
  if not ok then rethrow((...)) end
  return ok, ...
end

local function is_callable(f)
  if type(f) == "function" then return true end
  local meta = getmetatable(f)
  return type(meta) == "table" and rawget(meta, "__call") ~= nil
end

-- Tells whether a function is written in C: no coroutine can begin or be interrupted in one.
local function is_compiled(f)
  if type(f) ~= "function" then return false end
  local known = compiled[f]
  if known == nil then
    known = getinfo(f, "S").what == "C"
    compiled[f] = known
  end
  return known
end

local function finish_compiled(ok, ...)
  if not ok then rethrow((...)) end
  return ok, ...
end

-- As pcall, with the coroutine that f ran in as the first result.
local function protect(f, ...)
  if not is_callable(f) then return nil, false, "attempt to call a " .. type(f) .. " value" end
  if is_compiled(f) then return nil, finish_compiled(pcall(f, ...)) end
  local thread = new_thread(enter)
  owners[thread] = owner_of(running())
  return thread, finish(thread, resume(thread, f, ...))
end

function threads.pcall(...)
  if select("#", ...) == 0 then error("bad argument #1 to 'pcall' (value expected)", 2) end
  return select(2, protect(...))
end

local function handle(handler, thread, ok, ...)
  if ok then return true, ... end
  local outer = failed
  failed = thread
  local _, _, message = protect(handler, (...))
  failed = outer
  return false, message
end

function threads.xpcall(f, handler)
  return handle(handler, protect(f))
end

-- The handler of an xpcall runs after what failed, so it is shown the coroutine that did.
function threads.traceback(...)
  if failed and type((...)) ~= "thread" then return traceback(failed, ...) end
  return traceback(...)
end

local function finish_awake(ok, ...)
  unsleepable = unsleepable - 1
  if not ok then rethrow((...)) end
  return ok, ...
end

-- As pcall, for functions that must not sleep; it is faster.
function threads.pcall_awake(f, ...)
  unsleepable = unsleepable + 1
  return finish_awake(pcall(f, ...))
end

-------------------------------------------------------------------- sleep

function threads.sleep(seconds)
  seconds = tonumber(seconds) or 0
  if not (seconds > 0) then return end
  if unsleepable > 0 then
    error("sleep: not possible in a visitor, in a transaction or while a script is loaded", 0)
  end
  yield(SLEEP, seconds)
end

-- Begins (1) or ends (-1) a stretch in which the call must not sleep.
function threads.stay_awake(step)
  unsleepable = unsleepable + step
end

-------------------------------------------------------------------- coroutines

local coroutines = {}
threads.coroutine = coroutines

-- Hands the sleep of a script's coroutine on, and goes on when it is over.
local function pass_sleep(thread, ok, first, ...)
  if ok and first == SLEEP then
    return pass_sleep(thread, resume(thread, yield(SLEEP, ...)))
  end
  if not ok then rethrow(first) end
  return ok, first, ...
end

local function unwrap(ok, ...)
  if ok then return ... end
  local message = ...
  error(message, type(message) == "string" and 3 or 0)
end

function coroutines.create(f)
  if type(f) ~= "function" or is_compiled(f) then
    error("bad argument #1 to 'create' (Lua function expected)", 2)
  end
  return new_thread(f)
end

function coroutines.resume(thread, ...)
  if type(thread) ~= "thread" then
    error("bad argument #1 to 'resume' (coroutine expected)", 2)
  end
  return pass_sleep(thread, resume(thread, ...))
end

function coroutines.wrap(f)
  local thread = coroutines.create(f)
  return function(...)
    return unwrap(pass_sleep(thread, resume(thread, ...)))
  end
end

function coroutines.running()
  local thread = owner_of(running())
  return not workers[thread] and thread or nil
end

function coroutines.status(thread)
  if thread == owner_of(running()) then return "running" end
  return status(thread)
end

function coroutines.yield(...)
  if workers[owner_of(running())] then error("attempt to yield from outside a coroutine", 2) end
  return yield(...)
end

return threads
