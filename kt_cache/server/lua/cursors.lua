-- The class Cursor, and the methods of DB that make cursors.

local threads, texts, errors, databases, visitors, host = ...

local error, select, setmetatable, tonumber, type = error, select, setmetatable, tonumber, type
setfenv(1, {})

local answer, enter_host, argument = databases.answer, threads.enter_host, texts.argument
local methods = {}
local meta = {__index = methods, __metatable = "Cursor"}
local states = setmetatable({}, {__mode = "k"}) -- {host's cursor, database's handle, database}

local function invalid(name)
  error(name .. ": invalid arguments", 0)
end

-- Returns the host's cursor and its database's handle; surplus arguments are an error.
local function open(name, self, ...)
  local state = self ~= nil and states[self]
  if not state or select("#", ...) > 0 then invalid(name) end
  enter_host()
  return state[1], state[2]
end

local function make(database, handle)
  local cursor = databases.open_cursor(handle)
  if not cursor then return nil end
  local object = setmetatable({}, meta)
  states[object] = {cursor, handle, database}
  return object
end

-------------------------------------------------------------------- moving

function methods:jump(key, ...)
  local cursor, handle = open("cur_jump", self, ...)
  if key ~= nil then key = argument(key) or invalid("cur_jump") end
  return answer(handle, false, host.jump(cursor, key))
end

function methods:jump_back(key, ...)
  local cursor, handle = open("cur_jump_back", self, ...)
  if key ~= nil then key = argument(key) or invalid("cur_jump_back") end
  return answer(handle, false, host.jump_back(cursor, key))
end

function methods:step(...)
  local cursor, handle = open("cur_step", self, ...)
  return answer(handle, false, host.step(cursor))
end

function methods:step_back(...)
  local cursor, handle = open("cur_step_back", self, ...)
  return answer(handle, false, host.step_back(cursor))
end

-------------------------------------------------------------------- reading

function methods:get(step, ...)
  local cursor, handle = open("cur_get", self, ...)
  return answer(handle, nil, host.read(cursor, step and true))
end

function methods:get_key(step, ...)
  local cursor, handle = open("cur_get_key", self, ...)
  local key = answer(handle, nil, host.read(cursor, step and true))
  return key
end

function methods:get_value(step, ...)
  local cursor, handle = open("cur_get_value", self, ...)
  local _, value = answer(handle, nil, host.read(cursor, step and true))
  return value
end

-- In a for loop: for key, value in cursor do.
function meta:__call()
  local cursor, handle = open("cur_call", self)
  local key, value = answer(handle, nil, host.read(cursor, true))
  return key, value
end

-------------------------------------------------------------------- changing

function methods:seize(...)
  local cursor, handle = open("cur_seize", self, ...)
  return answer(handle, nil, host.take(cursor))
end

function methods:remove(...)
  local cursor, handle = open("cur_remove", self, ...)
  return (answer(handle, false, host.take(cursor))) and true or false
end

-- The reference server hands the last two arguments on in the wrong order, and scripts may rely on
-- what comes of it: the record lives for `step` seconds (none or one), and the cursor moves on unless
-- xt is 0.
function methods:set_value(value, xt, step, ...)
  local cursor, handle = open("cur_set_value", self, ...)
  value = argument(value)
  if not value or value == "" then invalid("cur_set_value") end
  local stays = xt ~= nil and (tonumber(xt) or 0) == 0
  return answer(handle, false, host.set_value(cursor, value, step and 1 or 0, not stays))
end

function methods:accept(visitor, writable, step, ...)
  local cursor, handle = open("cur_accept", self, ...)
  if not visitors.is_visitor(visitor) then invalid("cur_accept") end
  local key, value, xt = answer(handle, nil, host.read(cursor))
  if not key then return false end
  if step then host.read(cursor, true) end
  databases.visit(handle, visitor, writable == nil or writable, key, value, xt)
  return true
end

-------------------------------------------------------------------- the object

function methods:disable(...)
  local cursor = open("cur_disable", self, ...)
  host.close_cursor(cursor)
  states[self] = nil
end

function methods:db(...)
  open("cur_db", self, ...)
  return states[self][3]
end

function methods:error(...)
  local _, handle = open("cur_error", self, ...)
  return errors.last(handle)
end

function meta:__tostring()
  local state = states[self]
  if not state then return "(disabled)" end
  local code, key = host.read(state[1])
  return state[3]:path() .. ": " .. (code == 0 and key or "(nil)")
end

-------------------------------------------------------------------- of databases

function databases.methods:cursor(...)
  return make(self, databases.open("db_cursor", self, ...))
end

function databases.methods:cursor_process(action, ...)
  local handle = databases.open("db_cursor_process", self, ...)
  if type(action) ~= "function" then invalid("db_cursor_process") end
  local cursor = make(self, handle)
  action(cursor)
  if states[cursor] then methods.disable(cursor) end
end

function databases.methods:pairs(...)
  local cursor = make(self, databases.open("db_pairs", self, ...))
  methods.jump(cursor)
  return cursor, self, nil
end

return {
  new = function(_, database, ...)
    return make(database, databases.open("cur_new", database, ...))
  end,
}
