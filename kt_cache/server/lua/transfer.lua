-- Lists of values on their way to the host and from it: in chunks, for the stack holds only so many.

local threads, host, limits = ...

local error, unpack = error, unpack
setfenv(1, {})

local CHUNK = limits.chunk -- values from the host at once
local ARGUMENTS = 50 -- values to the host at once: what a call costs grows with their square
local enter_host = threads.enter_host

local transfer = {}

local function checked(code, ...)
  if code ~= 0 then error((...), 0) end
  return ...
end

-- Returns the end of an array, to be given to a function of the host; the host has the rest by then.
function transfer.give(items, count)
  local first = 1
  while count - first >= ARGUMENTS do
    enter_host()
    checked(host.collect(unpack(items, first, first + ARGUMENTS - 1)))
    first = first + ARGUMENTS
  end
  return unpack(items, first, count)
end

-- Makes an array of the values that a function of the host returned, fetching those that remain.
function transfer.list(...)
  local list = {...}
  local count = #list
  local arrived = count
  while arrived == CHUNK do
    enter_host()
    local items = {checked(host.more())}
    arrived = #items
    for index = 1, arrived do list[count + index] = items[index] end
    count = count + arrived
  end
  return list
end

-- Makes a table of names and values that stand in an array in turn.
function transfer.pair_up(items)
  local map = {}
  for index = 1, #items, 2 do map[items[index]] = items[index + 1] end
  return map
end

return transfer
