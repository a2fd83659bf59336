-- Visitors: functions and tables of functions that are shown records and say what becomes of them.

local threads, texts = ...

local type, tonumber = type, tonumber
setfenv(1, {})

local visitors = {}

local NOP, REMOVE = {}, {}

-- The class. Its tables are the scripts' own to fill.
visitors.class = {NOP = NOP, REMOVE = REMOVE}

function visitors.class.new()
  return {
    visit_full = function() return NOP end,
    visit_empty = function() return NOP end,
  }
end

visitors.REMOVE = REMOVE

function visitors.is_visitor(value)
  return type(value) == "function" or type(value) == "table"
end

local function look_up(visitor, name)
  return visitor[name]
end

-- Calls a method of a visitor if it has it. An error leaves the record alone.
local function call(visitor, name, ...)
  local found, method = threads.pcall_awake(look_up, visitor, name)
  if not found or type(method) ~= "function" then return nil end
  local ok, value, xt = threads.pcall_awake(method, visitor, ...)
  if ok then return value, xt end
end

-- Shows a record (value and xt are nil if there is none). Returns what it is to become: a string,
-- REMOVE, or nil for no change; and the expiration time that was asked for, if one was.
function visitors.show(visitor, key, value, xt)
  local answer, new_xt
  if type(visitor) == "function" then
    local ok, first, second = threads.pcall_awake(visitor, key, value, xt)
    if ok then answer, new_xt = first, second end
  elseif value then
    answer, new_xt = call(visitor, "visit_full", key, value, xt)
  else
    answer, new_xt = call(visitor, "visit_empty", key)
  end
  if answer == REMOVE then return REMOVE end
  return texts.argument(answer), tonumber(new_xt)
end

-- Tells a visitor that a walk over several records begins or has ended.
function visitors.tell(visitor, name)
  if type(visitor) == "table" then call(visitor, name) end
end

return visitors
