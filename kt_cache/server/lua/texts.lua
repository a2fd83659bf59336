-- Values as strings, in the ways the reference server turns them into strings.

local next, tostring, type = next, tostring, type
local floor, format = math.floor, string.format
setfenv(1, {})

local texts = {}

local SMALLEST = "-9223372036854775808" -- stands for every number that 64 bits do not hold

local function number_text(number)
  if floor(number) ~= number then return format("%f", number) end
  if number >= 2 ^ 63 or number < -2 ^ 63 then return SMALLEST end
  return format("%d", number)
end

-- A name or value in a map: a string, or nil for what is neither a string nor a number.
function texts.map(value)
  local kind = type(value)
  if kind == "string" then return value end
  if kind == "number" then return number_text(value) end
end

-- A name or value of a call's output: the same, and true and false.
function texts.output(value)
  local kind = type(value)
  if kind == "string" then return value end
  if kind == "number" then return number_text(value) end
  if kind == "boolean" then return tostring(value) end
end

-- The names and values of a map, in turn, and how many they are together.
function texts.list_pairs(map)
  local items, count = {}, 0
  for name, value in next, map do
    name, value = texts.map(name), texts.map(value)
    if name and value then
      items[count + 1], items[count + 2] = name, value
      count = count + 2
    end
  end
  return items, count
end

-- A key or value given to a function: as Lua itself writes numbers.
function texts.argument(value)
  local kind = type(value)
  if kind == "string" then return value end
  if kind == "number" then return value .. "" end
  return nil
end

return texts
