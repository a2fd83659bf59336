-- Puts __kyototycoon__ together: its classes, its databases and its functions.

local threads, texts, transfer, errors, visitors, databases, classes, host, limits = ...

local error, ipairs, select, tonumber, type = error, ipairs, select, tonumber, type
local huge = math.huge
setfenv(1, {})

local argument, enter_host = texts.argument, threads.enter_host
local kt = {
  RVSUCCESS = 0, RVENOIMPL = 1, RVEINVALID = 2, RVELOGIC = 3, RVEINTERNAL = 5,
  VERSION = limits.version, thid = 0,
  Error = errors.class, Visitor = visitors.class, Cursor = classes.Cursor, DB = classes.DB,
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

local function call_for_list(name, ...)
  enter_host()
  return transfer.list(results(host[name](...)))
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

define("bit", 2, huge, function(operation, first, second)
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
  return call("pack", form, transfer.give(numbers, count))
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
  return call("dump_array", transfer.give(items, count))
end

function kt.mapdump(map, ...)
  if type(map) ~= "table" or select("#", ...) > 0 then invalid("mapdump") end
  return call("dump_map", transfer.give(texts.list_pairs(map)))
end

define("arrayload", 1, 1, function(text)
  return call_for_list("load_array", argument(text) or invalid("arrayload"))
end)

define("mapload", 1, 1, function(text)
  return transfer.pair_up(call_for_list("load_map", argument(text) or invalid("mapload")))
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

kt.FileProcessor = {new = function() return {process = function() return false end} end}

kt.dbs = {}
for index = 1, limits.databases do
  local handle, name = results(host.database(index))
  local database = databases.wrap(handle)
  kt.dbs[index], kt.dbs[name] = database, database
end
kt.db = kt.dbs[1]

return kt
