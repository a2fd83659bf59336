-- Functions for the Lua of a Kyoto Tycoon server: load this file with `-scr`.
--
-- Hashes, sets and lists are kept in one record each, as mapdump and arraydump write them; queues,
-- schedules and the graph are kept in a record per item. Every write keeps the record's time to
-- live, and no change can come between another's reading and writing.
--
-- The comment above a function names its inputs (those in brackets may be left out) and, after
-- the arrow, its outputs. Each takes `db`, a database's index, besides; 0 if it is left out.
-- Only what `procedure` defines is global: the server lets anyone call what is global.

local kt = __kyototycoon__
local dbs = kt.dbs
local NOP, REMOVE = kt.Visitor.NOP, kt.Visitor.REMOVE
local NOT_HERE, INVALID, LOGIC, INTERNAL = kt.RVENOIMPL, kt.RVEINVALID, kt.RVELOGIC, kt.RVEINTERNAL

local VERSION = 2 -- rises when a function is added or answers otherwise
local OLDEST = 2 -- the lowest version whose callers get what they expect
local NEVER = 1099511627775 -- the time of a record that does not expire

---------------------------------------------------------------- the ground

-- A visitor that returns a time as it got it would add it to the present: relative times are
-- positive, absolute ones negative.
local function keep(xt)
  return -(xt or NEVER)
end

local function number(text)
  local found = tonumber(text)
  if found and found > -math.huge and found < math.huge then return found end -- nor "nan"
end

local function integer(text)
  local found = number(text)
  return found and math.floor(found)
end

-- A time as given on the wire, within what a double carries exactly.
local function given_time(text)
  local found = tonumber(text)
  if found and found >= -NEVER and found <= NEVER and found % 1 == 0 then return found end
  if found and found == found then
    return math.max(-NEVER, math.min(math.floor(found), NEVER))
  end
end

-- Defines a global function. `inputs` lists the names that must be there, and gives those that are
-- not text the function that reads them. `action(db, inmap, outmap)` returns nothing on success.
-- `elsewhere(outmap)` answers for a database that is not there, if that is no failure.
local function procedure(name, inputs, action, elsewhere)
  local function refuse(why)
    kt.log("error", name .. ": " .. why)
    return INVALID
  end
  local needed, read_as, readers = #inputs, {}, 0
  for input, read in pairs(inputs) do
    if type(input) == "string" then
      readers = readers + 1
      read_as[readers], read_as[input] = input, read
    end
  end
  _G[name] = function(inmap, outmap)
    local db = dbs[1]
    if inmap.db then
      db = dbs[(tonumber(inmap.db) or -1) + 1]
      inmap.db = nil
    end
    if not db and elsewhere then return elsewhere(outmap) end
    if not db then return refuse("there is no such database") end
    for index = 1, needed do
      if not inmap[inputs[index]] then return refuse(inputs[index] .. " is missing") end
    end
    for index = 1, readers do
      local input = read_as[index]
      local text = inmap[input]
      if text then
        local value = read_as[input](text)
        if not value then return refuse(input .. " is not a number") end
        inmap[input] = value
      end
    end
    return action(db, inmap, outmap)
  end
end

-- Calls visit(key, value) for the records from `start` on, until it returns false.
local function scan(db, start, visit)
  local cursor = db:cursor()
  local placed
  if start then placed = cursor:jump(start) else placed = cursor:jump() end
  while placed do
    local key, value = cursor:get(true)
    placed = key and visit(key, value) ~= false
  end
  cursor:disable()
end

local function begins(text, prefix)
  return string.sub(text, 1, #prefix) == prefix
end

---------------------------------------------------------------- containers in one record

local MAP = { load = kt.mapload, dump = kt.mapdump, sizes = 2 }
local ARRAY = { load = kt.arrayload, dump = kt.arraydump, sizes = 1 }

-- Tells whether a record is a dump from beginning to end. The server's own functions take what they
-- can of any other record, which would then be overwritten, and never return from some.
local function is_whole(stored, sizes)
  local position, length = 1, #stored
  while position <= length do
    local together = 0
    for _ = 1, sizes do
      local size, byte = 0, 128
      while byte >= 128 do
        byte = string.byte(stored, position)
        if not byte then return false end
        size = size * 128 + byte % 128
        position = position + 1
      end
      together = together + size
    end
    position = position + together
  end
  return position == length + 1
end

-- Returns a container, or nothing if the record is something else. A missing one is empty.
local function load(format, stored)
  if not stored then return {} end
  if is_whole(stored, format.sizes) then return format.load(stored) end
  kt.log("error", "the record is no container of this kind")
end

-- Lets `change(items)` alter a container; it returns whether to store it, and a status if it
-- refuses. An error in it is only logged by the server, hence the status to begin with.
local function alter(db, key, format, change)
  local status = INTERNAL
  local function visit(_, stored, xt)
    local items = load(format, stored)
    if not items then
      status = LOGIC
      return NOP
    end
    local changed
    changed, status = change(items)
    if changed then return format.dump(items), keep(xt) end
    return NOP
  end
  if not db:accept(key, visit) then return INTERNAL end
  return status
end

local function replace(db, key, format, items)
  return alter(db, key, format, function(old)
    for name in pairs(old) do old[name] = nil end
    for name, value in pairs(items) do old[name] = value end
    return true
  end)
end

-- Returns what defines the functions of one kind of container: those that read it, those that
-- change it, and those that need its database too. They do not get the container's key as input.
local function kind(format, key_input)
  local function beside(name, inputs, action)
    table.insert(inputs, key_input)
    procedure(name, inputs, function(db, inmap, outmap)
      local key = inmap[key_input]
      inmap[key_input] = nil
      return action(db, key, inmap, outmap)
    end)
  end
  local function reads(name, inputs, read)
    beside(name, inputs, function(db, key, inmap, outmap)
      local items = load(format, db:get(key))
      if not items then return LOGIC end
      return read(items, inmap, outmap, db, key)
    end)
  end
  local function changes(name, inputs, change)
    beside(name, inputs, function(db, key, inmap, outmap)
      return alter(db, key, format, function(items) return change(items, inmap, outmap) end)
    end)
  end
  return reads, changes, beside
end

local function count(items, _, outmap)
  local found = 0
  for _ in pairs(items) do found = found + 1 end
  outmap.num = found
end

local function copy(items, _, outmap)
  for name, value in pairs(items) do outmap[name] = value end
end

-- Appends the values of records from `start` up to, but without, `stop`, at most `count`; calls
-- add(key, value) for each and returns how many.
local function gather(db, inmap, add)
  local found, most = 0, inmap.count or math.huge
  scan(db, inmap.start, function(key, value)
    if found >= most or inmap.stop and key >= inmap.stop then return false end
    add(key, value)
    found = found + 1
  end)
  return found
end

---------------------------------------------------------------- hashes

local reads_hash, changes_hash, beside_hash = kind(MAP, "table_key")

-- table_key, name = value ... -> num, how many were set
changes_hash("hmset", {}, function(hash, inmap, outmap)
  copy(inmap, nil, hash)
  count(inmap, nil, outmap)
  return next(inmap) ~= nil
end)

-- table_key, name = "" ... -> name = value ..., without the missing ones
reads_hash("hmget", {}, function(hash, inmap, outmap)
  for name in pairs(inmap) do outmap[name] = hash[name] end
end)

-- table_key, name = "" ... -> num, how many there were
changes_hash("hmdel", {}, function(hash, inmap, outmap)
  local removed = 0
  for name in pairs(inmap) do
    if hash[name] then removed = removed + 1 end
    hash[name] = nil
  end
  outmap.num = removed
  return removed > 0
end)

-- table_key -> name = value ...
reads_hash("hgetall", {}, copy)

-- table_key, key, value -> num = 1
changes_hash("hset", { "key", "value" }, function(hash, inmap, outmap)
  hash[inmap.key] = inmap.value
  outmap.num = 1
  return true
end)

-- table_key, key, value -> num, 0 if there was a value already
changes_hash("hsetnx", { "key", "value" }, function(hash, inmap, outmap)
  local free = not hash[inmap.key]
  if free then hash[inmap.key] = inmap.value end
  outmap.num = free and 1 or 0
  return free
end)

-- table_key, key -> value, if there is one
reads_hash("hget", { "key" }, function(hash, inmap, outmap)
  outmap.value = hash[inmap.key]
end)

-- table_key, key -> num, how many there were
changes_hash("hdel", { "key" }, function(hash, inmap, outmap)
  local there = hash[inmap.key] ~= nil
  hash[inmap.key] = nil
  outmap.num = there and 1 or 0
  return there
end)

-- table_key -> num
reads_hash("hlen", {}, count)

-- table_key, key -> num, 1 or 0
reads_hash("hcontains", { "key" }, function(hash, inmap, outmap)
  outmap.num = hash[inmap.key] and 1 or 0
end)

-- Stores each value in a record of its own, named `prefix` (or "KEY:") and its name.
-- table_key, [prefix] -> num
reads_hash("hunpack", {}, function(hash, inmap, outmap, db, key)
  local records = {}
  for name, value in pairs(hash) do records[(inmap.prefix or key .. ":") .. name] = value end
  if not db:set_bulk(records) then return INTERNAL end
  count(hash, nil, outmap)
end)

-- Adds records from `start` up to, but without, `stop`, at most `count`.
-- table_key, [start], [stop], [count] -> num
beside_hash("hpack", { count = integer }, function(db, key, inmap, outmap)
  local records = {}
  outmap.num = gather(db, inmap, function(name, value) records[name] = value end)
  return alter(db, key, MAP, function(hash)
    copy(records, nil, hash)
    return outmap.num > 0
  end)
end)

-- Stores the hash's names, or its values, as the list `key`, if there are any.
local function packs(name, pick)
  reads_hash(name, { "key" }, function(hash, inmap, outmap, db)
    local list = {}
    for field, value in pairs(hash) do table.insert(list, pick(field, value)) end
    outmap.num = #list
    if #list > 0 then return replace(db, inmap.key, ARRAY, list) end
  end)
end

-- table_key, key -> num
packs("hpackkeys", function(name) return name end)
packs("hpackvalues", function(_, value) return value end)

---------------------------------------------------------------- sets

-- A set is a map whose values are empty.
local reads_set, changes_set = kind(MAP, "key")

-- key, anything = member ... -> num, how many are new
changes_set("sadd", {}, function(set, inmap, outmap)
  local added = 0
  for _, member in pairs(inmap) do
    if not set[member] then added = added + 1 end
    set[member] = ""
  end
  outmap.num = added
  return added > 0
end)

-- key -> num
reads_set("scard", {}, count)

-- key, value -> num, 1 or 0
reads_set("sismember", { "value" }, function(set, inmap, outmap)
  outmap.num = set[inmap.value] and 1 or 0
end)

-- key -> 0 = member ...
reads_set("smembers", {}, function(set, _, outmap)
  local found = 0
  for member in pairs(set) do
    outmap[found] = member
    found = found + 1
  end
end)

-- Removes any one.
-- key -> num, 1 or 0; value
changes_set("spop", {}, function(set, _, outmap)
  local member = next(set)
  outmap.num, outmap.value = member and 1 or 0, member
  if member then set[member] = nil end
  return member ~= nil
end)

-- key, anything = member ... -> num, how many there were
changes_set("srem", {}, function(set, inmap, outmap)
  local removed = 0
  for _, member in pairs(inmap) do
    if set[member] then removed = removed + 1 end
    set[member] = nil
  end
  outmap.num = removed
  return removed > 0
end)

-- Defines a function of two sets; `choose(first, second, take)` calls take(member) for the result.
local function combines(name, choose)
  procedure(name, { "key", "key2" }, function(db, inmap, outmap)
    local sets, result, found = {}, {}, 0
    local function take(member)
      result[member], outmap[found] = "", member
      found = found + 1
    end
    local function visit(_, stored, xt)
      if #sets == 2 then return sets[1] and sets[2] and kt.mapdump(result) or NOP, keep(xt) end
      table.insert(sets, load(MAP, stored) or false)
      if #sets == 2 and sets[1] and sets[2] then choose(sets[1], sets[2], take) end
      return NOP
    end
    if not db:accept_bulk({ inmap.key, inmap.key2, inmap.dest }, visit, inmap.dest ~= nil) then
      return INTERNAL
    end
    if not (sets[1] and sets[2]) then return LOGIC end
  end)
end

-- The result is stored as the set `dest` if it is given.
-- key, key2, [dest] -> 0 = member ...
combines("sinter", function(first, second, take)
  for member in pairs(first) do
    if second[member] then take(member) end
  end
end)
combines("sunion", function(first, second, take)
  for member in pairs(first) do take(member) end
  for member in pairs(second) do
    if not first[member] then take(member) end
  end
end)
combines("sdiff", function(first, second, take)
  for member in pairs(first) do
    if not second[member] then take(member) end
  end
end)

---------------------------------------------------------------- lists

-- Indexes begin with 0, as they are given, or with -1 from the end. Ranges end before `stop`.
local reads_list, changes_list, beside_list = kind(ARRAY, "key")

-- Returns Lua's index, or nothing if there is no such item.
local function at(list, index)
  index = index or 0
  local found = index < 0 and #list + index + 1 or index + 1
  if found >= 1 and found <= #list then return found end
end

-- Returns Lua's first and last index of a range; one that starts before the list is empty.
local function bounds(list, inmap)
  local first, stop = inmap.start or 0, inmap.stop or #list
  if first < 0 then first = #list + first end
  if stop < 0 then stop = #list + stop end
  if first < 0 then return 1, 0 end
  return first + 1, math.min(stop, #list)
end

local function pushes(name, place)
  changes_list(name, { "value" }, function(list, inmap, outmap)
    place(list, inmap.value)
    outmap.length = #list
    return true
  end)
end

local function push_first(list, value) table.insert(list, 1, value) end
local function push_last(list, value) table.insert(list, value) end
local function pop_first(list) return table.remove(list, 1) end
local function pop_last(list) return table.remove(list) end

-- key, value -> length
pushes("llpush", push_first)
pushes("lrpush", push_last)

-- key, 0 = value ... -> length
changes_list("lextend", {}, function(list, inmap, outmap)
  local added = 0
  while inmap[tostring(added)] do
    table.insert(list, inmap[tostring(added)])
    added = added + 1
  end
  outmap.length = #list
  return added > 0
end)

-- key, [start], [stop] -> 0 = value ...
reads_list("lrange", { start = integer, stop = integer }, function(list, inmap, outmap)
  local first, last = bounds(list, inmap)
  for index = first, last do outmap[index - first] = list[index] end
end)

-- key, [index] -> value, if there is one
reads_list("lindex", { index = integer }, function(list, inmap, outmap)
  local index = at(list, inmap.index)
  outmap.value = index and list[index]
end)

-- Puts a value before the one at `index`. An empty list has the indexes 0 and -1.
-- key, index, value -> length, unless there is no such index
changes_list("linsert", { "value", index = integer }, function(list, inmap, outmap)
  local index = at(list, inmap.index)
  if #list == 0 and (inmap.index == 0 or inmap.index == -1) then index = 1 end
  if not index then return false end
  table.insert(list, index, inmap.value)
  outmap.length = #list
  return true
end)

local function pops(name, take)
  changes_list(name, {}, function(list, _, outmap)
    outmap.value = take(list)
    return outmap.value ~= nil
  end)
end

-- key -> value, if there is one
pops("llpop", pop_first)
pops("lrpop", pop_last)

-- Moves a value from one list to another, or within one. The other one is looked at before a value is
-- taken, as it may be no list.
local function shifts(name, take, place)
  procedure(name, { "key", "dest" }, function(db, inmap, outmap)
    local same, visits, status = inmap.key == inmap.dest, 0, nil
    local function visit(_, stored, xt)
      local list = load(ARRAY, stored)
      if not list then status = LOGIC end
      visits = visits + 1
      if status or visits == 1 and not same then return NOP end
      if same or visits == 2 then outmap.value = take(list) end
      if not outmap.value then return NOP end
      if same or visits == 3 then place(list, outmap.value) end
      return kt.arraydump(list), keep(xt)
    end
    local lists = same and { inmap.key } or { inmap.dest, inmap.key, inmap.dest }
    if not db:accept_bulk(lists, visit) then return INTERNAL end
    return status
  end)
end

-- key, dest -> value, if there is one
shifts("lrpoplpush", pop_last, push_first)
shifts("llpoprpush", pop_first, push_last)

-- key, [index] -> value, if there is one
changes_list("lrem", { index = integer }, function(list, inmap, outmap)
  local index = at(list, inmap.index)
  outmap.value = index and table.remove(list, index)
  return index ~= nil
end)

-- Refuses a `start` that is no item's index and a `stop` that is neither that nor the length.
-- key, [start], [stop] -> length
changes_list("lremrange", { start = integer, stop = integer }, function(list, inmap, outmap)
  local stop = inmap.stop
  if inmap.start and not at(list, inmap.start) then return false, LOGIC end
  if stop and stop ~= #list and not at(list, stop) then return false, LOGIC end
  local first, last = bounds(list, inmap)
  for index = last, first, -1 do table.remove(list, index) end
  outmap.length = #list
  return first <= last
end)

-- key -> num
reads_list("llen", {}, count)

-- key, [index], value -> num = 1, unless there is no such index
changes_list("lset", { "value", index = integer }, function(list, inmap, outmap)
  local index = at(list, inmap.index)
  if not index then return false end
  list[index], outmap.num = inmap.value, 1
  return true
end)

local function finds(name, order)
  reads_list(name, { "value" }, function(list, inmap, outmap)
    outmap.index = -1
    for index in order(list) do
      if list[index] == inmap.value then
        outmap.index = index - 1
        return
      end
    end
  end)
end

-- key, value -> index, -1 if there is none
finds("lfind", ipairs)
finds("lrfind", function(list)
  local index = #list + 1
  return function()
    index = index - 1
    return index > 0 and index or nil
  end
end)

-- Stores each value in a record of its own, named `prefix` (or "KEY:") and its number in `format`.
-- key, [start], [stop], [prefix], [format] -> num
reads_list("lunpack", { start = integer, stop = integer }, function(list, inmap, outmap, db, key)
  local prefix, records = inmap.prefix or key .. ":", {}
  local first, last = bounds(list, inmap)
  for index = first, last do
    records[prefix .. string.format(inmap.format or "%04d", index - first)] = list[index]
  end
  if not db:set_bulk(records) then return INTERNAL end
  outmap.num = math.max(0, last - first + 1)
end)

-- Appends the values of records from `start` up to, but without, `stop`, at most `count`.
-- key, [start], [stop], [count] -> num
beside_list("lpack", { count = integer }, function(db, key, inmap, outmap)
  local values = {}
  outmap.num = gather(db, inmap, function(_, value) table.insert(values, value) end)
  return alter(db, key, ARRAY, function(list)
    for _, value in ipairs(values) do table.insert(list, value) end
    return #values > 0
  end)
end)

---------------------------------------------------------------- queues and schedules

-- An item's key is the queue's, a tab, a rank and an id, both of twelve digits: the database's
-- order is the queue's. The record under the queue's own key counts the ids.
local RANKS = 1000000000000
local QUEUE_MIDDLE = 500000000000 -- the rank of a queue's item without a score

local function rank_of(score)
  return math.floor(QUEUE_MIDDLE - score)
end

-- Adds an item and returns its id and key, or nothing if the counter's record is no counter.
local function enqueue(db, queue, rank, value, xt)
  local id = db:increment_double(queue, 1)
  local key = id and queue .. "\t" .. string.format("%012d%012d", rank, id)
  if key and db:add(key, value, keep(xt)) then return id, key end
end

-- Goes through the items in order and calls receive(place, item) for each; returns how many there
-- were, and a status as soon as `receive` returns one. Options:
--   most      how many at most; negative or absent for all
--   last      the highest rank wanted
--   backward  whether to begin at the end
--   remove    whether to take the items out, each in the same step in which it is found
--   matches   called with (value, rank): whether it is wanted
local function walk(db, queue, options, receive)
  local prefix = queue .. "\t"
  local last = options.last and math.min(options.last, RANKS - 1)
  local cursor = db:cursor()
  local placed
  if options.backward then
    placed = cursor:jump_back(prefix .. (last and string.format("%012d", last) or "") .. "\255")
  else
    placed = cursor:jump(prefix)
  end
  if not placed and not cursor:jump_back() and db:error():code() == kt.Error.NOIMPL then
    error("queues and schedules need an ordered database, such as %")
  end
  local found, item, status = 0, nil, nil
  local function visit(key, value, xt)
    placed, item = begins(key, prefix), nil
    local rank = tonumber(string.sub(key, #prefix + 1, #prefix + 12))
    if not placed or not rank then return NOP end
    placed = not last or rank <= last
    if not placed or options.matches and not options.matches(value, rank) then return NOP end
    item = { key = key, value = value, xt = xt, rank = rank }
    return options.remove and REMOVE or NOP
  end
  while placed and found ~= options.most and not status do
    if not cursor:accept(visit, options.remove == true, true) then break end
    if item then
      status = receive(found, item)
      found = found + 1
    end
  end
  cursor:disable()
  return found, status
end

-- Defines a function on a queue and its twin that begins at the end. `act` returns the options for
-- `walk` and what receives the items; num is returned for functions that only count.
local function walks(forward, backward, inputs, act)
  inputs.n, inputs.min_score = integer, number
  table.insert(inputs, "queue")
  for name, from_end in pairs({ [forward] = false, [backward] = true }) do
    procedure(name, inputs, function(db, inmap, outmap)
      local options, receive = act(inmap, outmap)
      options.backward = from_end
      options.last = inmap.min_score and rank_of(inmap.min_score)
      local found = walk(db, inmap.queue, options, receive)
      if options.matches then outmap.num = found end
    end)
  end
end

local function into(outmap)
  return function(place, item) outmap[place] = item.value end
end

local function nothing() end

-- Items come highest score first, then in the order in which they were added.
-- queue, data, [score] -> id
procedure("queue_add", { "queue", "data", score = number }, function(db, inmap, outmap)
  local rank = rank_of(inmap.score or 0)
  if rank < 0 or rank >= RANKS then return INVALID end
  outmap.id = enqueue(db, inmap.queue, rank, inmap.data)
  if not outmap.id then return LOGIC end
end)

-- queue, 0 = data ..., [score] -> num
procedure("queue_madd", { "queue", score = number }, function(db, inmap, outmap)
  local rank, added = rank_of(inmap.score or 0), 0
  if rank < 0 or rank >= RANKS then return INVALID end
  while inmap[tostring(added)] do
    if not enqueue(db, inmap.queue, rank, inmap[tostring(added)]) then return LOGIC end
    added = added + 1
  end
  outmap.num = added
end)

-- queue, [n = 1], [min_score] -> 0 = data ...
walks("queue_pop", "queue_rpop", {}, function(inmap, outmap)
  return { most = inmap.n or 1, remove = true }, into(outmap)
end)
walks("queue_peek", "queue_rpeek", {}, function(inmap, outmap)
  return { most = inmap.n or 1 }, into(outmap)
end)

-- Removes items with that data.
-- queue, data, [n], [min_score] -> num
walks("queue_remove", "queue_rremove", { "data" }, function(inmap)
  local function matches(value) return value == inmap.data end
  return { most = inmap.n, remove = true, matches = matches }, nothing
end)

-- Waits for an item, for ever without a timeout in seconds. It keeps one of the server's threads.
-- queue, [timeout], [min_score] -> 0 = data, nothing when the time is over
local bpop_inputs = { "queue", timeout = number, min_score = number }
procedure("queue_bpop", bpop_inputs, function(db, inmap, outmap)
  local options = { most = 1, remove = true }
  options.last = inmap.min_score and rank_of(inmap.min_score)
  local deadline = kt.time() + (inmap.timeout or math.huge)
  local pause = 0.01
  while walk(db, inmap.queue, options, into(outmap)) == 0 do
    local left = deadline - kt.time()
    if left <= 0 then return end
    kt.sleep(math.min(pause, left))
    pause = math.min(pause * 1.5, 0.1)
  end
end)

-- Moves items to the end of their score in another queue.
-- queue, dest, [n = 1] -> 0 = data ...
procedure("queue_transfer", { "queue", "dest", n = integer }, function(db, inmap, outmap)
  if inmap.queue == inmap.dest then return LOGIC end
  local function receive(place, item)
    if not enqueue(db, inmap.dest, item.rank, item.value, item.xt) then
      db:add(item.key, item.value, keep(item.xt))
      return LOGIC
    end
    outmap[place] = item.value
  end
  local options = { most = inmap.n or 1, remove = true }
  local _, status = walk(db, inmap.queue, options, receive)
  return status
end)

-- Gives items with that data another score; they keep their ids.
-- queue, data, score, [n] -> num, how many had another score before
local set_score_inputs = { "queue", "data", "score", score = number, n = integer }
procedure("queue_set_score", set_score_inputs, function(db, inmap, outmap)
  local new = rank_of(inmap.score)
  if new < 0 or new >= RANKS then return INVALID end
  local function matches(value, rank) return value == inmap.data and rank ~= new end
  local function receive(_, item)
    local id = string.sub(item.key, #inmap.queue + 14)
    db:set(inmap.queue .. "\t" .. string.format("%012d", new) .. id, item.value, keep(item.xt))
  end
  local options = { most = inmap.n, remove = true, matches = matches }
  outmap.num = walk(db, inmap.queue, options, receive)
end)

-- queue -> num
procedure("queue_size", { "queue" }, function(db, inmap, outmap)
  outmap.num = #db:match_prefix(inmap.queue .. "\t")
end)

-- queue -> num, how many items there were
procedure("queue_clear", { "queue" }, function(db, inmap, outmap)
  outmap.num = db:remove_bulk(db:match_prefix(inmap.queue .. "\t"))
  db:remove(inmap.queue)
end)

-- A schedule's items come lowest score first: the score is the rank.
-- key, value, [score = 0] -> key, the item's
procedure("schedule_add", { "key", "value", score = number }, function(db, inmap, outmap)
  local score = math.floor(inmap.score or 0)
  if score <= -RANKS / 10 or score >= RANKS then return INVALID end
  local _, key = enqueue(db, inmap.key, score, inmap.value)
  outmap.key = key
  if not key then return LOGIC end
end)

-- Takes out the items up to and with a score.
-- key, [score], [n] -> 0 = value ...
procedure("schedule_read", { "key", score = number, n = integer }, function(db, inmap, outmap)
  walk(db, inmap.key, { last = inmap.score, most = inmap.n, remove = true }, into(outmap))
end)

---------------------------------------------------------------- a graph of subject, predicate, object

-- Each fact has three keys, so that any part of it can lead to the rest.
local ORDERS = { { "s", "p", "o" }, { "p", "o", "s" }, { "o", "s", "p" } }

local function fact_keys(inmap)
  local keys = {}
  for _, order in ipairs(ORDERS) do
    local a, b, c = unpack(order)
    table.insert(keys, table.concat({ a .. b .. c, inmap[a], inmap[b], inmap[c] }, "::"))
  end
  return keys
end

-- s, p, o ->
procedure("hx_add", { "s", "p", "o" }, function(db, inmap)
  local records = {}
  for _, key in ipairs(fact_keys(inmap)) do records[key] = "" end
  if not db:set_bulk(records) then return INTERNAL end
end)

-- s, p, o ->
procedure("hx_remove", { "s", "p", "o" }, function(db, inmap)
  if not db:remove_bulk(fact_keys(inmap)) then return INTERNAL end
end)

-- Finds the facts with the parts given, at least one; a whole fact is answered by 0 = "".
-- [s], [p], [o] -> what was not given: s0, p0, o0, s1 ...
procedure("hx_query", {}, function(db, inmap, outmap)
  if inmap.s and inmap.p and inmap.o then
    outmap[0] = db:get(fact_keys(inmap)[1])
    return
  end
  for _, order in ipairs(ORDERS) do
    local a, b, c = unpack(order)
    -- The order in which what is given comes first.
    if inmap[a] and not inmap[c] then
      local known = { a .. b .. c, inmap[a] }
      if inmap[b] then table.insert(known, inmap[b]) end
      local prefix, found = table.concat(known, "::") .. "::", 0
      scan(db, prefix, function(key)
        if not begins(key, prefix) then return false end
        local rest = string.sub(key, #prefix + 1)
        if not inmap[b] then
          local stop = string.find(rest, "::", 1, true) or #rest + 1
          outmap[b .. found] = string.sub(rest, 1, stop - 1)
          rest = string.sub(rest, stop + 2)
        end
        outmap[c .. found] = rest
        found = found + 1
      end)
      return
    end
  end
  return INVALID
end)

---------------------------------------------------------------- records and their times

local function names(inmap)
  local found = {}
  for name in pairs(inmap) do table.insert(found, name) end
  return found
end

-- Gives records the time that `new_time(xt, input)` returns with what is to be answered.
local function touches(name, read, new_time)
  procedure(name, {}, function(db, inmap, outmap)
    for key, text in pairs(inmap) do
      inmap[key] = read(text)
      if not inmap[key] then return INVALID end
    end
    local function visit(key, value, xt)
      if not value then return NOP end
      local new
      new, outmap[key] = new_time(xt, inmap[key])
      return value, new
    end
    if next(inmap) and not db:accept_bulk(names(inmap), visit) then return INTERNAL end
  end)
end

-- key = time ... -> key = old time ...
touches("touch_bulk", given_time, function(xt, given) return given, xt end)

-- key = seconds more ... -> key = new time ...
touches("touch_bulk_relative", integer, function(xt, more)
  local new = math.max(1, xt + more)
  return -new, new
end)

-- key -> xt, if there is a record
procedure("expire_time", { "key" }, function(db, inmap, outmap)
  local _, xt = db:get(inmap.key)
  outmap.xt = xt
end)

-- Moves a record with its time; there must be one.
-- src, dest ->
procedure("move", { "src", "dest" }, function(db, inmap)
  local moved, moved_time
  local function visit(_, value, xt)
    if moved == nil then
      moved, moved_time = value or false, xt
      return REMOVE
    end
    if moved then return moved, keep(moved_time) end
    return NOP
  end
  if not db:accept_bulk({ inmap.src, inmap.dest }, visit) then return INTERNAL end
  if not moved then return LOGIC end
end)

-- -> key = value ..., all there are
procedure("list", {}, function(db, _, outmap)
  db:iterate(function(key, value)
    outmap[key] = value
    return NOP
  end, false)
end)

-- [start], [stop] -> key = value ..., those from `start` up to and with `stop`
procedure("get_range", {}, function(db, inmap, outmap)
  scan(db, inmap.start, function(key, value)
    if inmap.stop and key > inmap.stop then return false end
    outmap[key] = value
  end)
end)

-- key, [start = 0], [stop] -> value, the bytes from `start` up to, but without, `stop`
procedure("get_part", { "key", start = integer, stop = integer }, function(db, inmap, outmap)
  local value, start, stop = db:get(inmap.key), inmap.start or 0, inmap.stop
  if not value then return end
  if start >= 0 then start = start + 1 end
  if stop and stop < 0 then stop = stop - 1 end
  outmap.value = string.sub(value, start, stop or -1)
end)

-- text = "fnv" or "murmur" ... -> text = hash ...
procedure("hash", {}, function(_, inmap, outmap)
  for text, method in pairs(inmap) do
    outmap[text] = method == "fnv" and kt.hash_fnv(text) or kt.hash_murmur(text)
  end
end)

---------------------------------------------------------------- what this is, and errors

-- -> version; oldest, the lowest version whose callers get what they expect
procedure("ktcacheversion", {}, function(_, _, outmap)
  outmap.version, outmap.oldest = VERSION, OLDEST
end)

-- -> version, of LuaJIT
procedure("jit_version", {}, function(_, _, outmap)
  outmap.version = jit and jit.version or "<not present>"
end)

-- -> code, message: the last error on the thread that happens to answer
procedure("get_error", {}, function(db, _, outmap)
  outmap.code = db:error():code()
  for name, code in pairs(kt.Error) do
    if code == outmap.code then outmap.message = string.lower(name) end
  end
end)

-- Fails in a way of one's choice, to test a client.
-- flag ->
procedure("_error_code", { flag = integer }, function(_, inmap)
  local failures = {
    NOT_HERE, INVALID, LOGIC, INTERNAL, kt.Error.NOREPOS, kt.Error.NOPERM, kt.Error.BROKEN,
    kt.Error.DUPREC, kt.Error.NOREC, kt.Error.SYSTEM, kt.Error.MISC,
  }
  return failures[inmap.flag]
end)

---------------------------------------------------------------- the cache

-- Caches keep counters as decimal digits. Lua's numbers are exact up to 15 of them.
local MOST_DIGITS, TOO_GREAT = 14, 1e14
local byte, sub, reverse, find = string.byte, string.sub, string.reverse, string.find
local ENVELOPE, ENVELOPE_SIZE = "\1", 9 -- a mark and the exact deadline, before the payload
local MARK = byte(ENVELOPE)
local MINUS, ZERO, NINE = byte("-09", 1, 3)
local ENDLESS = ENVELOPE .. "\127\240\0\0\0\0\0\0" -- the deadline that never comes
local TOLERANCE = 2 -- seconds by which deadline, record and caller may disagree

-- Answers that nothing was done, and that the caller does it by compare-and-set, whose failures
-- say more.
local function use_cas(outmap) outmap.refused = "use cas" end

local function exact_integer(text)
  local most = byte(text) == MINUS and MOST_DIGITS + 1 or MOST_DIGITS
  return #text <= most and find(text, "^%-?%d+$") and tonumber(text)
end

-- Tells whether the caller's clock is before a record's deadline, if a look at the bytes can tell:
-- those of big-endian doubles are in the order of the numbers, if these are positive.
local function surely_before(now, record)
  local a, b, c, d, e, f, g, h = byte(now, 1, 8)
  local i, j, k, l, m, n, o, p = byte(record, 2, ENVELOPE_SIZE)
  if a > 127 or i > 127 then return false end
  if a ~= i then return a < i end
  if b ~= j then return b < j end
  if c ~= k then return c < k end
  if d ~= l then return d < l end
  if e ~= m then return e < m end
  if f ~= n then return f < n end
  if g ~= o then return g < o end
  return h < p
end

-- Returns where a record's payload begins; nothing if the record is past its deadline, which counts
-- only if it agrees with the record's own time and with the caller's clock.
local function live_payload_at(record, xt, now)
  if byte(record) ~= MARK or #record < ENVELOPE_SIZE then return 1 end
  if surely_before(now, record) then return ENVELOPE_SIZE + 1 end
  local times = kt.unpack("dd", reverse(now .. sub(record, 2, ENVELOPE_SIZE))) -- little-endian
  local deadline, present = times[1], times[2]
  local past = present >= deadline and math.abs(deadline - xt) <= TOLERANCE
  if not past or present > xt + TOLERANCE then return ENVELOPE_SIZE + 1 end
end

-- Reads the caller's clock: a big-endian double.
local function clock(text)
  if #text == 8 then return text end
end

-- Adds to a counter and keeps its time.
-- key, num -> num; nothing if there is no record; refused = "use cas" if this cannot do it exactly
procedure("ktcacheincr", { "key", "num" }, function(db, inmap, outmap)
  local function visit(_, value, xt)
    if not value then return NOP end
    local old, more = exact_integer(value), exact_integer(inmap.num)
    local sum = old and more and old + more
    if not sum or sum <= -TOO_GREAT or sum >= TOO_GREAT then
      use_cas(outmap)
      return NOP
    end
    local digits = string.format("%.0f", sum + 0) -- not "-0"
    outmap.num = digits
    return digits, keep(xt)
  end
  if not db:accept(inmap.key, visit) then return INTERNAL end
end, use_cas)

-- Gives a record a new time, and a new envelope (empty for none) unless it is a counter.
-- key, xt, envelope, now -> absent, 1 if there is no record within its time; usually nothing, as
-- each output takes the server a twentieth of the call
local touch_inputs = { "key", "xt", "envelope", "now", xt = given_time, now = clock }
procedure("ktcachetouch", touch_inputs, function(db, inmap, outmap)
  local touched
  local function visit(_, record, xt)
    local from = record and live_payload_at(record, xt, inmap.now)
    if not from then return NOP end
    touched = true
    local envelope, first = inmap.envelope, byte(record, from)
    if first == MINUS or first and first >= ZERO and first <= NINE then
      envelope = ""
    elseif envelope == "" and first == MARK then
      envelope = ENDLESS -- or else the payload's beginning would be taken for one
    end
    return envelope .. sub(record, from), inmap.xt
  end
  if not db:accept(inmap.key, visit) then return INTERNAL end
  if not touched then outmap.absent = 1 end
end, use_cas)

-- Stores a record unless there is one within its time.
-- key, value, xt, now -> num, 1 or 0 for whether it was stored
local add_inputs = { "key", "value", "xt", "now", xt = given_time, now = clock }
procedure("ktcacheadd", add_inputs, function(db, inmap, outmap)
  outmap.num = 0
  local function visit(_, record, xt)
    if record and live_payload_at(record, xt, inmap.now) then return NOP end
    outmap.num = 1
    return inmap.value, inmap.xt
  end
  if not db:accept(inmap.key, visit) then return INTERNAL end
end, use_cas)

---------------------------------------------------------------- servers built with msgpack

if cmsgpack then
  -- Stores each value of a packed table in a record of its own, packed, with the table's time.
  -- key -> num
  procedure("unpack_packed_key", { "key" }, function(db, inmap, outmap)
    local packed, xt = db:get(inmap.key)
    outmap.num = 0
    for name, value in pairs(packed and cmsgpack.unpack(packed) or {}) do
      if not db:set(name, cmsgpack.pack(value), keep(xt)) then return INTERNAL end
      outmap.num = outmap.num + 1
    end
  end)

  -- Packs the values of packed records into a table.
  -- key, name = "" ... -> num
  procedure("pack_unpacked_keys", { "key" }, function(db, inmap, outmap)
    local key, packed = inmap.key, {}
    inmap.key = nil
    for name, value in pairs(db:get_bulk(names(inmap))) do packed[name] = cmsgpack.unpack(value) end
    count(packed, nil, outmap)
    if not db:set(key, cmsgpack.pack(packed)) then return INTERNAL end
  end)
end
