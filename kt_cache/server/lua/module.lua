-- Puts __kyototycoon__ together: its classes, its databases and its functions.

local threads, texts, errors, visitors, databases, cursors, host, limits = ...

local error, ipairs, next, select, tonumber, type = error, ipairs, next, select, tonumber, type
local setmetatable, unpack = setmetatable, unpack
local concat = table.concat
setfenv(1, {})

local CHUNK = 100 -- values handed to the host at once

local argument, enter_host = texts.argument, threads.enter_host
local kt = {
  RVSUCCESS = 0, RVENOIMPL = 1, RVEINVALID = 2, RVELOGIC = 3, RVEINTERNAL = 5,
  VERSION = limits.version, thid = 0,
  Error = errors.class, Visitor = visitors.class, Cursor = cursors,
}

local function invalid(name)
  error("kt_" .. name .. ": invalid arguments", 0)
end

-- Takes apart what the host returns: 0 and the results, or -1 and a message.
local function results(code, ...)
  if code ~= 0 then error((...), 0) end
  return ...
end

local function call(name, ...)
  enter_host()
  return results(host[name](...))
end

-- Calls a function of the host that returns a list, which comes in chunks.
local function call_for_list(name, ...)
  enter_host()
  local list, count = {}, 0
  local function note(...)
    local items = {...}
    for index = 1, #items do list[count + index] = items[index] end
    count = count + #items
    return #items
  end
  local more = note(results(host[name](...)))
  while more == limits.chunk do
    enter_host()
    more = note(host.more())
  end
  return list
end

-------------------------------------------------------------------- numbers and strings

-- Defines a function of one string. Without one it returns nothing.
local function define(name, least, most, body)
  kt[name] = function(...)
    local count = select("#", ...)
    if count < least or count > most then invalid(name) end
    return body(...)
  end
end

for _, name in ipairs({"atoi", "atoix", "atof", "hash_murmur", "hash_fnv"}) do
  define(name, 1, 1, function(text)
    text = argument(text)
    if text then return call(name, text) end
  end)
end

define("levdist", 2, 3, function(first, second, characters)
  first, second = argument(first), argument(second)
  if not (first and second) then invalid("levdist") end
  return call("levdist", first, second, characters and true or false)
end)

define("bit", 2, 3, function(operation, first, second)
  operation = argument(operation) or invalid("bit")
  return call("bit", operation, tonumber(first) or 0, tonumber(second) or 0)
end)

for _, name in ipairs({"strfwm", "strbwm"}) do
  define(name, 2, 2, function(text, part)
    text, part = argument(text), argument(part)
    if not (text and part) then invalid(name) end
    return call(name, text, part)
  end)
end

for _, name in ipairs({"strstr", "regex"}) do
  define(name, 2, 3, function(text, pattern, alternative)
    text, pattern = argument(text), argument(pattern)
    if not (text and pattern) then invalid(name) end
    alternative = argument(alternative)
    if alternative then return call(name .. "_replace", text, pattern, alternative) end
    return call(name, text, pattern)
  end)
end

define("split", 1, 2, function(text, delimiters)
  text = argument(text) or invalid("split")
  return call_for_list("split", text, argument(delimiters))
end)

define("codec", 2, 2, function(mode, text)
  mode, text = argument(mode), argument(text)
  if not (mode and text) then invalid("codec") end
  return call("codec", mode, text)
end)

-------------------------------------------------------------------- packing

local function in_chunks(items, count, size, take)
  for first = 1, count, size do
    take(unpack(items, first, first + size - 1 < count and first + size - 1 or count))
  end
end

function kt.pack(form, ...)
  form = argument(form) or invalid("pack")
  local numbers, count = {}, 0
  for index = 1, select("#", ...) do
    local value = (select(index, ...))
    if type(value) ~= "table" then value = {value == nil and 0 or value} end
    for position = 1, #value do
      count = count + 1
      numbers[count] = tonumber(value[position]) or 0
    end
  end
  in_chunks(numbers, count, CHUNK, function(...) call("add_numbers", ...) end)
  return call("pack", form)
end

define("unpack", 2, 2, function(form, text)
  form = argument(form) or invalid("unpack")
  text = argument(text)
  return text and call_for_list("unpack", form, text) or {}
end)

function kt.arraydump(array, ...)
  if type(array) ~= "table" or select("#", ...) > 0 then invalid("arraydump") end
  local items, count = {}, 0
  for index = 1, #array do
    local text = texts.map(array[index])
    if text then
      count = count + 1
      items[count] = text
    end
  end
  if count <= CHUNK then return call("dump_array", unpack(items, 1, count)) end
  local parts = {}
  in_chunks(items, count, CHUNK, function(...) parts[#parts + 1] = call("dump_array", ...) end)
  return concat(parts)
end

function kt.mapdump(map, ...)
  if type(map) ~= "table" or select("#", ...) > 0 then invalid("mapdump") end
  local items, count = {}, 0
  for key, value in next, map do
    key, value = texts.map(key), texts.map(value)
    if key and value then
      items[count + 1], items[count + 2] = key, value
      count = count + 2
    end
  end
  if count <= CHUNK then return call("dump_map", unpack(items, 1, count)) end
  local parts = {}
  in_chunks(items, count, CHUNK, function(...) parts[#parts + 1] = call("dump_map", ...) end)
  return concat(parts)
end

define("arrayload", 1, 1, function(text)
  return call_for_list("load_array", argument(text) or invalid("arrayload"))
end)

define("mapload", 1, 1, function(text)
  local items = call_for_list("load_map", argument(text) or invalid("mapload"))
  local map = {}
  for index = 1, #items, 2 do map[items[index]] = items[index + 1] end
  return map
end)

-------------------------------------------------------------------- the rest

function kt.log(...)
  if select("#", ...) ~= 2 then error("serv_log: invalid arguments", 0) end
  local kind, text = ...
  kind, text = argument(kind), argument(text)
  if kind and text then call("log", kind, text) end
end

define("time", 0, 0, function() return call("time") end)
define("sleep", 0, 1, threads.sleep)

kt.DB = databases.class

kt.dbs = {}
for index = 1, limits.databases do
  local handle, name = results(host.database(index))
  local database = databases.wrap(handle)
  kt.dbs[index], kt.dbs[name] = database, database
end
kt.db = kt.dbs[1]

return kt
