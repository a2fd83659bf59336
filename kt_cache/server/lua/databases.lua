-- The class DB. A database is a table with the methods in it, as in the reference server; what stands
-- behind it is a handle of the host, kept where scripts do not reach.

local threads, texts, errors, visitors, host = ...

local error, next, pairs = error, next, pairs
local select, setmetatable, tonumber, type, unpack = select, setmetatable, tonumber, type, unpack
setfenv(1, {})

local CHUNK = 200 -- values handed to or from the host at once
local argument, enter_host = texts.argument, threads.enter_host

local databases = {}
local methods = {}
local handles = setmetatable({}, {__mode = "k"})

local function invalid(name)
  error(name .. ": invalid arguments", 0)
end

-- Returns a database's handle, ready to give to the host; surplus arguments are an error.
local function open(name, self, most, ...)
  local handle = self ~= nil and handles[self]
  if not handle or select("#", ...) > most then invalid(name) end
  enter_host()
  return handle
end

-- Takes the host's answer apart: 0 and the results, the code of an error, or -1 and a message.
local function answer(handle, failure, code, ...)
  if code == 0 then return ... end
  if code < 0 then error((...), 0) end
  errors.note(handle, code, (...))
  return failure
end

databases.answer = answer

-- An expiration time: nil for never, 0 for what is no number.
local function expiry(value)
  if value == nil then return nil end
  return tonumber(value) or 0
end

databases.expiry = expiry

-------------------------------------------------------------------- single records

local function define_writer(name, function_name, operation)
  methods[name] = function(self, key, value, xt, ...)
    local handle = open(function_name, self, 0, ...)
    key, value = argument(key), argument(value)
    if not (key and value) then invalid(function_name) end
    return answer(handle, false, operation(handle, key, value, expiry(xt)))
  end
end

define_writer("set", "db_set", host.set)
define_writer("add", "db_add", host.add)
define_writer("replace", "db_replace", host.replace)
define_writer("append", "db_append", host.append)

function methods:get(key, ...)
  local handle = open("db_get", self, 0, ...)
  return answer(handle, nil, host.get(handle, argument(key) or invalid("db_get")))
end

function methods:check(key, ...)
  local handle = open("db_check", self, 0, ...)
  return answer(handle, -1, host.check(handle, argument(key) or invalid("db_check")))
end

function methods:seize(key, ...)
  local handle = open("db_seize", self, 0, ...)
  return answer(handle, nil, host.seize(handle, argument(key) or invalid("db_seize")))
end

function methods:remove(key, ...)
  local handle = open("db_remove", self, 0, ...)
  return answer(handle, false, host.remove(handle, argument(key) or invalid("db_remove")))
end

function methods:cas(key, ...)
  local handle = open("db_cas", self, 3, ...)
  key = argument(key)
  if not key or select("#", ...) < 2 then invalid("db_cas") end
  local old, new, xt = ...
  return answer(handle, false, host.cas(handle, key, argument(old), argument(new), expiry(xt)))
end

function methods:increment(key, amount, origin, xt, ...)
  local handle = open("db_increment", self, 0, ...)
  key = argument(key) or invalid("db_increment")
  amount, origin = tonumber(amount) or 0, tonumber(origin) or 0
  return answer(handle, nil, host.increment(handle, key, amount, origin, expiry(xt)))
end

function methods:increment_double(key, amount, origin, xt, ...)
  local handle = open("db_increment_double", self, 0, ...)
  key = argument(key) or invalid("db_increment_double")
  amount, origin = tonumber(amount) or 0, tonumber(origin) or 0
  return answer(handle, nil, host.increment_double(handle, key, amount, origin, expiry(xt)))
end

-------------------------------------------------------------------- many records

-- Hands the elements of an array of texts to a function of the host, in chunks.
local function in_chunks(name, array, convert, take)
  if type(array) ~= "table" then invalid(name) end
  local chunk, count = {}, 0
  for index = 1, #array do
    local value = convert(array[index])
    if value then
      count = count + 1
      chunk[count] = value
      if count == CHUNK then
        take(unpack(chunk, 1, count))
        count = 0
      end
    end
  end
  if count > 0 then take(unpack(chunk, 1, count)) end
end

function methods:set_bulk(records, xt, atomic, ...)
  local handle = open("db_set_bulk", self, 0, ...)
  if type(records) ~= "table" then invalid("db_set_bulk") end
  local items, count = {}, 0
  for key, value in next, records do
    key, value = texts.map(key), texts.map(value)
    if key and value then
      items[count + 1], items[count + 2] = key, value
      count = count + 2
    end
  end
  xt = expiry(xt)
  local stored = 0
  in_chunks("db_set_bulk", items, argument, function(...)
    enter_host()
    stored = stored + answer(handle, 0, host.set_bulk(handle, xt, ...))
  end)
  return stored
end

function methods:remove_bulk(keys, atomic, ...)
  local handle = open("db_remove_bulk", self, 0, ...)
  local removed = 0
  in_chunks("db_remove_bulk", keys, argument, function(...)
    enter_host()
    removed = removed + answer(handle, 0, host.remove_bulk(handle, ...))
  end)
  return removed
end

function methods:get_bulk(keys, atomic, ...)
  local handle = open("db_get_bulk", self, 0, ...)
  local found = {}
  local function note(...)
    local items = {...}
    for index = 1, #items, 2 do found[items[index]] = items[index + 1] end
  end
  in_chunks("db_get_bulk", keys, argument, function(...)
    enter_host()
    note(answer(handle, nil, host.get_bulk(handle, ...)))
  end)
  return found
end

-- Makes an array of what the host has found; it is fetched in chunks.
local function fetch_found(handle, code, ...)
  if code ~= 0 then return answer(handle, nil, code, ...) end
  threads.check_limits()
  local found, count = {}, 0
  local function note(...)
    local items = {...}
    for index = 1, #items do found[count + index] = items[index] end
    count = count + #items
    return #items > 0
  end
  note(...)
  if count == CHUNK then
    repeat enter_host() until not note(host.more())
  end
  return found
end

function methods:match_prefix(prefix, most, ...)
  local handle = open("db_match_prefix", self, 0, ...)
  prefix = argument(prefix) or invalid("db_match_prefix")
  return fetch_found(handle, host.match_prefix(handle, prefix, tonumber(most) or -1))
end

function methods:match_regex(pattern, most, ...)
  local handle = open("db_match_regex", self, 0, ...)
  pattern = argument(pattern) or invalid("db_match_regex")
  return fetch_found(handle, host.match_regex(handle, pattern, tonumber(most) or -1))
end

function methods:match_similar(origin, range, characters, most, ...)
  local handle = open("db_match_similar", self, 0, ...)
  origin = argument(origin) or invalid("db_match_similar")
  range, most = tonumber(range) or -1, tonumber(most) or -1
  return fetch_found(handle, host.match_similar(handle, origin, range, characters and true, most))
end

-------------------------------------------------------------------- visitors

-- Shows a visitor a record and carries out what it answers.
local function visit(handle, visitor, writable, key, value, xt)
  local new, new_xt = visitors.show(visitor, key, value, xt)
  if not writable or new == nil then return end
  enter_host()
  if new == visitors.REMOVE then
    if value then return answer(handle, nil, host.delete(handle, key)) end
    return
  end
  return answer(handle, nil, host.write(handle, key, new, new_xt, xt))
end

databases.visit = visit

local function accept(handle, key, visitor, writable)
  local code, value, xt = host.get(handle, key)
  if code < 0 then error(value, 0) end
  visit(handle, visitor, writable, key, code == 0 and value or nil, code == 0 and xt or nil)
end

local function is_writable(writable)
  return writable == nil or writable
end

function methods:accept(key, visitor, writable, ...)
  local handle = open("db_accept", self, 0, ...)
  key = argument(key)
  if not key or not visitors.is_visitor(visitor) then invalid("db_accept") end
  accept(handle, key, visitor, is_writable(writable))
  return true
end

function methods:accept_bulk(keys, visitor, writable, ...)
  local handle = open("db_accept_bulk", self, 0, ...)
  if type(keys) ~= "table" or not visitors.is_visitor(visitor) then invalid("db_accept_bulk") end
  writable = is_writable(writable)
  visitors.tell(visitor, "visit_before")
  for index = 1, #keys do
    local key = argument(keys[index])
    if key then
      enter_host()
      accept(handle, key, visitor, writable)
    end
  end
  visitors.tell(visitor, "visit_after")
  return true
end

function methods:iterate(visitor, writable, ...)
  local handle = open("db_iterate", self, 0, ...)
  if not visitors.is_visitor(visitor) then invalid("db_iterate") end
  writable = is_writable(writable)
  visitors.tell(visitor, "visit_before")
  local cursor = answer(handle, nil, host.open_cursor(handle))
  local moved = host.jump(cursor) == 0 -- else the database is empty
  threads.check_limits()
  while moved do
    enter_host()
    local code, key, value, xt = host.read(cursor, true)
    if code ~= 0 then
      if code < 0 then error(key, 0) end
      break
    end
    visit(handle, visitor, writable, key, value, xt)
  end
  host.close_cursor(cursor)
  visitors.tell(visitor, "visit_after")
  return true
end

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
  return begin(open("db_begin_transaction", self, 0, ...))
end

function methods:end_transaction(commit, ...)
  return finish(open("db_end_transaction", self, 0, ...), commit == nil or commit == true)
end

function methods:transaction(action, hard, ...)
  local handle = open("db_transaction", self, 0, ...)
  if type(action) ~= "function" then invalid("db_transaction") end
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
    local handle = open("db_" .. name, self, 0, ...)
    return answer(handle, failure, operation(handle))
  end
end

define_reader("clear", host.clear, false)
define_reader("count", host.count, -1)
define_reader("size", host.size, -1)
define_reader("path", host.path, nil)

function methods:status(...)
  local handle = open("db_status", self, 0, ...)
  local items = {answer(handle, nil, host.status(handle))}
  local fields = {}
  for index = 1, #items, 2 do fields[items[index]] = items[index + 1] end
  return fields
end

local function process_file(handle, action, failure)
  if type(action) ~= "function" then return true end
  local ok, result = threads.pcall_awake(
    action, answer(handle, nil, host.path(handle)), answer(handle, nil, host.count(handle)),
    answer(handle, nil, host.size(handle))
  )
  if ok and result then return true end
  errors.note(handle, errors.class.LOGIC, failure)
  return false
end

function methods:synchronize(hard, action, ...)
  local handle = open("db_synchronize", self, 0, ...)
  if not answer(handle, false, host.synchronize(handle, hard and true or false)) then return false end
  threads.check_limits()
  return process_file(handle, action, "postprocessing failed")
end

function methods:occupy(writable, action, ...)
  return process_file(open("db_occupy", self, 0, ...), action, "processing failed")
end

function methods:error(...)
  return errors.last(open("db_error", self, 0, ...))
end

-------------------------------------------------------------------- objects

local meta = {__metatable = "DB"}

function meta:__index(key)
  key = argument(key) or invalid("db_index")
  return (methods.get(self, key))
end

function meta:__newindex(key, value)
  key = argument(key) or invalid("db_newindex")
  value = argument(value)
  if value then
    methods.set(self, key, value)
  else
    methods.remove(self, key)
  end
end

function meta:__tostring()
  local path = methods.path(self) or "(nil)"
  return path .. ": " .. methods.count(self) .. ": " .. methods.size(self)
end

-- Makes the object that scripts see of a handle.
function databases.wrap(handle)
  local database = {}
  for name, method in pairs(methods) do database[name] = method end
  handles[database] = handle
  return setmetatable(database, meta)
end

-------------------------------------------------------------------- databases of the scripts' own

function methods:open(path, mode, ...)
  local handle = open("db_open", self, 0, ...)
  local opened = answer(handle, nil, host.open(handle, argument(path) or ":"))
  if not opened then return false end
  handles[self] = opened
  return true
end

function methods:close(...)
  local handle = open("db_close", self, 0, ...)
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

databases.class = class
databases.methods = methods
databases.open = open

return databases
