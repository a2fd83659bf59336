-- Methods of DB that show records to visitors, or to functions like them.

local threads, texts, errors, visitors, databases, host = ...

local error, ipairs, select, tonumber, type = error, ipairs, select, tonumber, type
local collectgarbage, insert, sort = collectgarbage, table.insert, table.sort
setfenv(1, {})

local methods, open, answer = databases.methods, databases.open, databases.answer
local invalid, handles = databases.invalid, databases.handles
local argument, enter_host = texts.argument, threads.enter_host
local LOGIC, NOREC = errors.class.LOGIC, errors.class.NOREC

-------------------------------------------------------------------- visitors

-- Shows a visitor a record and carries out what it answers; returns whether that was done.
local function visit(handle, visitor, writable, key, value, xt)
  local new, new_xt = visitors.show(visitor, key, value, xt)
  if not writable or new == nil then return true end
  enter_host()
  if new ~= visitors.REMOVE then
    return answer(handle, false, host.write(handle, key, new, new_xt, xt))
  end
  return not value or answer(handle, false, host.delete(handle, key))
end

databases.visit = visit

local function accept(handle, key, visitor, writable)
  local code, value, xt = host.get(handle, key)
  if code == NOREC then
    value, xt = nil, nil
  elseif code ~= 0 then
    return answer(handle, false, code, value)
  end
  return visit(handle, visitor, writable, key, value, xt)
end

local function is_writable(writable)
  return writable == nil or writable
end

function methods:accept(key, visitor, writable, ...)
  local handle = open("db_accept", self, ...)
  key = argument(key)
  if not key or not visitors.is_visitor(visitor) then invalid("db_accept") end
  return accept(handle, key, visitor, is_writable(writable))
end

function methods:accept_bulk(keys, visitor, writable, ...)
  local handle = open("db_accept_bulk", self, ...)
  if type(keys) ~= "table" or not visitors.is_visitor(visitor) then invalid("db_accept_bulk") end
  writable = is_writable(writable)
  visitors.tell(visitor, "visit_before")
  local done = true
  for index = 1, #keys do
    local key = argument(keys[index])
    if key then
      enter_host()
      done = accept(handle, key, visitor, writable) and done
    end
  end
  visitors.tell(visitor, "visit_after")
  return done
end

-- Returns a cursor of the host's. Those nobody refers to any longer count until they are collected:
-- first the script's, then the host's.
function databases.open_cursor(handle)
  local code, cursor = host.open_cursor(handle)
  if code == 0 then return cursor end
  collectgarbage()
  collectgarbage()
  return answer(handle, nil, host.open_cursor(handle))
end

-- Walks over the records of a database: each(key, value, xt), until it returns false. Returns whether
-- the walk came to the end.
local function walk(handle, each)
  local cursor = databases.open_cursor(handle)
  if not cursor then return false end
  host.jump(cursor) -- if there is a record
  threads.check_limits()
  local code, key, value, xt = host.read(cursor, true)
  while code == 0 and each(key, value, xt) do
    enter_host()
    code, key, value, xt = host.read(cursor, true)
  end
  host.close_cursor(cursor)
  return code == NOREC or code ~= 0 and answer(handle, false, code, key)
end

function methods:iterate(visitor, writable, ...)
  local handle = open("db_iterate", self, ...)
  if not visitors.is_visitor(visitor) then invalid("db_iterate") end
  writable = is_writable(writable)
  visitors.tell(visitor, "visit_before")
  local done = walk(handle, function(key, value, xt)
    return visit(handle, visitor, writable, key, value, xt)
  end)
  visitors.tell(visitor, "visit_after")
  return done
end

-------------------------------------------------------------------- merging

-- What becomes of a record: its value, or nil to leave the other database's as it is.
local merge_modes = {
  [0] = function(_, value) return value end, -- MSET
  function(old, value) return not old and value end, -- MADD
  function(old, value) return old and value end, -- MREPLACE
  function(old, value) return (old or "") .. value end, -- MAPPEND
}

function methods:merge(sources, mode, ...)
  local handle = open("db_merge", self, ...)
  if type(sources) ~= "table" then invalid("db_merge") end
  local choose = merge_modes[tonumber(mode) or 0] or merge_modes[0]
  local function take(key, value, xt)
    local code, old = host.get(handle, key)
    if code ~= 0 and code ~= NOREC then return answer(handle, false, code, old) end
    local new = choose(code == 0 and old or nil, value)
    return not new or answer(handle, false, host.write(handle, key, new, nil, xt))
  end
  for index = 1, #sources do
    local source = handles[sources[index]]
    if source and source ~= handle and not walk(source, take) then return false end
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
    mapped = walk(handle, function(key, value) return call(map, key, value, collection.emit) end)
    if not mapped then errors.note(handle, LOGIC, "checker failed") end
  end
  return mapped
    and call(process, collection.emit)
    and call(log, "reduce", "started")
    and collection.reduce(function(...) return call(reduce, ...) end)
    and call(process)
    and call(log, "clean", "finished")
end
