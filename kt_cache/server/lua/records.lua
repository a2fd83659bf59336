-- Methods of DB for records and keys.

local threads, texts, transfer, databases, host = ...

local select, tonumber, type = select, tonumber, type
setfenv(1, {})

local methods, open, answer = databases.methods, databases.open, databases.answer
local expiry, invalid = databases.expiry, databases.invalid
local argument = texts.argument

-------------------------------------------------------------------- single records

local function define_writer(name, function_name, operation)
  methods[name] = function(self, key, value, xt, ...)
    local handle = open(function_name, self, ...)
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
  local handle = open("db_get", self, ...)
  return answer(handle, nil, host.get(handle, argument(key) or invalid("db_get")))
end

function methods:check(key, ...)
  local handle = open("db_check", self, ...)
  return answer(handle, -1, host.check(handle, argument(key) or invalid("db_check")))
end

function methods:seize(key, ...)
  local handle = open("db_seize", self, ...)
  return answer(handle, nil, host.seize(handle, argument(key) or invalid("db_seize")))
end

function methods:remove(key, ...)
  local handle = open("db_remove", self, ...)
  return answer(handle, false, host.remove(handle, argument(key) or invalid("db_remove")))
end

function methods:cas(key, ...)
  local handle = open("db_cas", self, select(4, ...))
  key = argument(key)
  if not key or select("#", ...) < 2 then invalid("db_cas") end
  local old, new, xt = ...
  return answer(handle, false, host.cas(handle, key, argument(old), argument(new), expiry(xt)))
end

function methods:increment(key, amount, origin, xt, ...)
  local handle = open("db_increment", self, ...)
  key = argument(key) or invalid("db_increment")
  amount, origin = tonumber(amount) or 0, tonumber(origin) or 0
  return answer(handle, nil, host.increment(handle, key, amount, origin, expiry(xt)))
end

function methods:increment_double(key, amount, origin, xt, ...)
  local handle = open("db_increment_double", self, ...)
  key = argument(key) or invalid("db_increment_double")
  amount, origin = tonumber(amount) or 0, tonumber(origin) or 0
  return answer(handle, nil, host.increment_double(handle, key, amount, origin, expiry(xt)))
end

-------------------------------------------------------------------- many records

-- Returns the strings of an array, and how many there are.
local function list_keys(name, array)
  if type(array) ~= "table" then invalid(name) end
  local keys, count = {}, 0
  for index = 1, #array do
    local key = argument(array[index])
    if key then
      count = count + 1
      keys[count] = key
    end
  end
  return keys, count
end

-- Everything is atomic here, so whether it is to be is not asked.
function methods:set_bulk(records, xt, _, ...)
  local handle = open("db_set_bulk", self, ...)
  if type(records) ~= "table" then invalid("db_set_bulk") end
  local items, count = texts.list_pairs(records)
  return answer(handle, -1, host.set_bulk(handle, expiry(xt), transfer.give(items, count)))
end

function methods:remove_bulk(keys, _, ...)
  local handle = open("db_remove_bulk", self, ...)
  local items, count = list_keys("db_remove_bulk", keys)
  return answer(handle, -1, host.remove_bulk(handle, transfer.give(items, count)))
end

-- Returns the list that the host found, or nil.
local function list_found(handle, code, ...)
  if code ~= 0 then return answer(handle, nil, code, ...) end
  threads.check_limits()
  return transfer.list(...)
end

function methods:get_bulk(keys, _, ...)
  local handle = open("db_get_bulk", self, ...)
  local items, count = list_keys("db_get_bulk", keys)
  local found = list_found(handle, host.get_bulk(handle, transfer.give(items, count)))
  return found and transfer.pair_up(found)
end

function methods:match_prefix(prefix, most, ...)
  local handle = open("db_match_prefix", self, ...)
  prefix = argument(prefix) or invalid("db_match_prefix")
  return list_found(handle, host.match_prefix(handle, prefix, tonumber(most) or -1))
end

function methods:match_regex(pattern, most, ...)
  local handle = open("db_match_regex", self, ...)
  pattern = argument(pattern) or invalid("db_match_regex")
  return list_found(handle, host.match_regex(handle, pattern, tonumber(most) or -1))
end

function methods:match_similar(origin, range, characters, most, ...)
  local handle = open("db_match_similar", self, ...)
  origin = argument(origin) or invalid("db_match_similar")
  range, most = tonumber(range) or -1, tonumber(most) or -1
  characters = characters and true or false
  return list_found(handle, host.match_similar(handle, origin, range, characters, most))
end
