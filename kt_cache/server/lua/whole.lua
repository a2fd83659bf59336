-- Methods of DB for transactions and for the whole database, and the class itself.

local threads, texts, transfer, errors, databases, host = ...

local error, ipairs, select, type = error, ipairs, select, type
setfenv(1, {})

local methods, open, answer = databases.methods, databases.open, databases.answer
local invalid, handles = databases.invalid, databases.handles
local argument, enter_host = texts.argument, threads.enter_host

-------------------------------------------------------------------- transactions

local function begin(handle)
  local done = answer(handle, false, host.begin(handle))
  if done then threads.stay_awake(1) end
  return done
end

local function finish(handle, commit)
  local done = answer(handle, false, host.finish(handle, commit))
  if done then threads.stay_awake(-1) end
  return done
end

function methods:begin_transaction(hard, ...)
  return begin(open("db_begin_transaction", self, ...))
end

function methods:end_transaction(commit, ...)
  return finish(open("db_end_transaction", self, ...), commit == nil or commit == true)
end

function methods:transaction(action, hard, ...)
  local handle = open("db_transaction", self, ...)
  if action == nil then invalid("db_transaction") end
  if not begin(handle) then return false end
  local ok, result = threads.pcall_awake(action)
  enter_host()
  local done = finish(handle, ok and result and true or false)
  if not ok then error(result, 0) end
  return done
end

-------------------------------------------------------------------- the whole database

local function define_reader(name, operation, failure)
  methods[name] = function(self, ...)
    local handle = open("db_" .. name, self, ...)
    return answer(handle, failure, operation(handle))
  end
end

define_reader("clear", host.clear, false)
define_reader("count", host.count, -1)
define_reader("size", host.size, -1)
define_reader("path", host.path, nil)

-- Makes an array of what the host answers, unless it is a failure.
local function collect(code, ...)
  if code ~= 0 then return code, ... end
  return code, transfer.list(...)
end

function methods:status(...)
  local handle = open("db_status", self, ...)
  local fields = answer(handle, nil, collect(host.status(handle)))
  return fields and transfer.pair_up(fields)
end

local function failing()
  return false
end

-- Calls a function, or a FileProcessor, that is shown the database's path, count and size.
local function process_file(handle, action, failure)
  local self
  if type(action) == "table" then action, self = action.process or failing, action end
  if type(action) ~= "function" then return true end
  local path = answer(handle, nil, host.path(handle))
  local count, size = answer(handle, -1, host.count(handle)), answer(handle, -1, host.size(handle))
  local ok, result
  if self then
    ok, result = threads.pcall_awake(action, self, path, count, size)
  else
    ok, result = threads.pcall_awake(action, path, count, size)
  end
  if ok and result then return true end
  errors.note(handle, errors.class.LOGIC, failure)
  return false
end

function methods:synchronize(hard, action, ...)
  local handle = open("db_synchronize", self, ...)
  if not answer(handle, false, host.synchronize(handle, hard and true or false)) then return false end
  threads.check_limits()
  return process_file(handle, action, "postprocessing failed")
end

function methods:occupy(writable, action, ...)
  return process_file(open("db_occupy", self, ...), action, "processing failed")
end

function methods:error(...)
  return errors.last(open("db_error", self, ...))
end

-- Scripts reach no files.
for _, name in ipairs({"copy", "dump_snapshot", "load_snapshot"}) do
  methods[name] = function(self, path, ...)
    local handle = open("db_" .. name, self, ...)
    if path == nil then invalid("db_" .. name) end
    errors.note(handle, errors.class.NOPERM, "scripts reach no files")
    return false
  end
end

-------------------------------------------------------------------- databases of the scripts' own

function methods:open(path, mode, ...)
  local handle = open("db_open", self, ...)
  local opened = answer(handle, nil, host.open(handle, argument(path) or ":"))
  if not opened then return false end
  handles[self] = opened
  return true
end

function methods:close(...)
  local handle = open("db_close", self, ...)
  local closed = answer(handle, nil, host.close(handle))
  if not closed then return false end
  handles[self] = closed
  return true
end

local class = {
  OREADER = 1, OWRITER = 2, OCREATE = 4, OTRUNCATE = 8, OAUTOTRAN = 16, OAUTOSYNC = 32, ONOLOCK = 64,
  OTRYLOCK = 128, ONOREPAIR = 256,
  MSET = 0, MADD = 1, MREPLACE = 2, MAPPEND = 3,
  XNOLOCK = 1, XNOCOMP = 256,
}

function class.new()
  enter_host()
  return databases.wrap(answer(nil, nil, host.no_database()))
end

-- Opens a database, calls a function with it, and closes it; returns an Error if it is not opened.
function class.process(_, action, path, mode, ...)
  if type(action) ~= "function" or path == nil or select("#", ...) > 0 then invalid("db_process") end
  local database = class.new()
  if not database:open(path, mode) then return database:error() end
  local ok, message = threads.pcall(action, database)
  database:close()
  if not ok then error(message, 0) end
end

return class
