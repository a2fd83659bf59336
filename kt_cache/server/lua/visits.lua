-- Methods of DB that show records to visitors, or to functions like them.

local threads, texts, errors, visitors, databases, host = ...

local error, ipairs, select, tonumber, type = error, ipairs, select, tonumber, type
local insert, sort = table.insert, table.sort
setfenv(1, {})

local methods, open, answer = databases.methods, databases.open, databases.answer
local invalid, handles = databases.invalid, databases.handles
local argument, enter_host = texts.argument, threads.enter_host
local LOGIC = errors.class.LOGIC

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
  local handle = open("db_accept", self, ...)
  key = argument(key)
  if not key or not visitors.is_visitor(visitor) then invalid("db_accept") end
  accept(handle, key, visitor, is_writable(writable))
  return true
end

function methods:accept_bulk(keys, visitor, writable, ...)
  local handle = open("db_accept_bulk", self, ...)
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

-- Walks over the records of a database: each(key, value, xt) until it returns false.
local function walk(handle, each)
  local cursor = answer(handle, nil, host.open_cursor(handle))
  if not cursor then return end
  host.jump(cursor) -- if there is a record
  threads.check_limits()
  while true do
    local code, key, value, xt = host.read(cursor, true)
    if code < 0 then error(key, 0) end
    if code > 0 or each(key, value, xt) == false then break end
    enter_host()
  end
  host.close_cursor(cursor)
end

function methods:iterate(visitor, writable, ...)
  local handle = open("db_iterate", self, ...)
  if not visitors.is_visitor(visitor) then invalid("db_iterate") end
  writable = is_writable(writable)
  visitors.tell(visitor, "visit_before")
  walk(handle, function(key, value, xt)
    visit(handle, visitor, writable, key, value, xt)
  end)
  visitors.tell(visitor, "visit_after")
  return true
end

-------------------------------------------------------------------- merging

local merge_modes = {
  [0] = function() return true end, -- MSET
  function(exists) return not exists end, -- MADD
  function(exists) return exists end, -- MREPLACE
  function() return true end, -- MAPPEND
}

function methods:merge(sources, mode, ...)
  local handle = open("db_merge", self, ...)
  if type(sources) ~= "table" then invalid("db_merge") end
  mode = tonumber(mode) or 0
  local is_to_write = merge_modes[mode] or merge_modes[0]
  for index = 1, #sources do
    local source = handles[sources[index]]
    if source and source ~= handle then
      walk(source, function(key, value, xt)
        local code, old = host.get(handle, key)
        if code < 0 then error(old, 0) end
        if is_to_write(code == 0) then
          if mode == 3 and code == 0 then value = old .. value end
          answer(handle, nil, host.write(handle, key, value, nil, xt))
        end
      end)
    end
  end
  return true
end

-------------------------------------------------------------------- map and reduce

-- The values emitted under each key, in the order of the keys.
local function new_collection()
  local values, keys = {}, {}
  local collection = {}

  function collection.emit(key, value, ...)
    key, value = argument(key), argument(value)
    if not (key and value) or select("#", ...) > 0 then invalid("db_mapreduce_emit") end
    if not values[key] then
      values[key] = {}
      keys[#keys + 1] = key
    end
    insert(values[key], value)
    return true
  end

  function collection.reduce(reduce)
    sort(keys)
    for _, key in ipairs(keys) do
      local index, list = 0, values[key]
      local function iterate()
        index = index + 1
        return list[index]
      end
      if not reduce(key, iterate) then return false end
    end
    return true
  end

  return collection
end

-- The parameters that say where to keep what is emitted mean nothing here: it is kept in memory.
function methods:mapreduce(map, reduce, _, _, _, _, _, log, process, ...)
  local handle = open("db_mapreduce", self, ...)
  if type(map) ~= "function" or type(reduce) ~= "function" then invalid("db_mapreduce") end
  local function call(f, ...)
    if f == nil then return true end
    local ok, result = threads.pcall_awake(f, ...)
    return ok and result and true or false
  end

  local collection = new_collection()
  local mapped = call(log, "map", "started") and call(process, collection.emit)
  if mapped then
    walk(handle, function(key, value)
      mapped = call(map, key, value, collection.emit)
      return mapped
    end)
    if not mapped then errors.note(handle, LOGIC, "checker failed") end
  end
  return mapped
    and call(process, collection.emit)
    and call(log, "reduce", "started")
    and collection.reduce(function(...) return call(reduce, ...) end)
    and call(process)
    and call(log, "clean", "finished")
end
