-- Objects of the class DB. A database is a table with the methods in it, as in the reference server;
-- what stands behind it is a handle of the host, kept where scripts do not reach. The methods are in
-- records.lua, visits.lua, whole.lua and cursors.lua.

local threads, texts, errors = ...

local error, pairs, select, setmetatable, tonumber = error, pairs, select, setmetatable, tonumber
setfenv(1, {})

local databases = {}
local methods = {}
local handles = setmetatable({}, {__mode = "k"})

databases.methods = methods
databases.handles = handles

-------------------------------------------------------------------- what the methods are made with

local function invalid(name)
  error(name .. ": invalid arguments", 0)
end

databases.invalid = invalid

-- Returns a database's handle, ready to give to the host. Values behind self are surplus arguments.
function databases.open(name, self, ...)
  local handle = self ~= nil and handles[self]
  if not handle or select("#", ...) > 0 then invalid(name) end
  threads.enter_host()
  return handle
end

-- Takes the host's answer apart: 0 and the results, the code of an error and its message, or -1 and
-- the message of a Lua error.
function databases.answer(handle, failure, code, ...)
  if code == 0 then return ... end
  if code < 0 then error((...), 0) end
  errors.note(handle, code, (...))
  return failure
end

-- An expiration time: nil for never, 0 for what is no number.
function databases.expiry(value)
  if value == nil then return nil end
  return tonumber(value) or 0
end

-------------------------------------------------------------------- objects

local meta = {__metatable = "DB"}

function meta:__index(key)
  key = texts.argument(key) or invalid("db_index")
  return (methods.get(self, key))
end

function meta:__newindex(key, value)
  key = texts.argument(key) or invalid("db_newindex")
  value = texts.argument(value)
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

return databases
