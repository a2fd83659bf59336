-- Evaluates the code it is given and shows what comes of it, so that servers can be compared.

kt = __kyototycoon__
db = kt.db
other = kt.dbs[2]

function hex(text)
  if type(text) ~= "string" then return text end
  return (string.gsub(text, ".", function(byte) return string.format("%02x", string.byte(byte)) end))
end

local function show(value, depth)
  local kind = type(value)
  if kind == "string" then return string.format("%q", value) end
  if kind == "number" then return string.format("%.17g", value) end
  if kind == "boolean" or kind == "nil" then return tostring(value) end
  if kind ~= "table" or depth > 3 then return "<" .. kind .. ">" end
  local keys, parts = {}, {}
  for key in pairs(value) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b) return show(a, 9) < show(b, 9) end)
  for _, key in ipairs(keys) do
    parts[#parts + 1] = "[" .. show(key, 9) .. "]=" .. show(value[key], depth + 1)
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

local function show_all(...)
  local parts = {}
  for index = 1, select("#", ...) do parts[index] = show((select(index, ...)), 0) end
  return table.concat(parts, " ")
end

-- Shows the results of each piece of code, "1", "2" and so on, behind true or false.
function evaluate(inmap, outmap)
  local number = 1
  while inmap[tostring(number)] do
    local chunk, message = loadstring(inmap[tostring(number)], "=line")
    outmap[tostring(number)] = chunk and show_all(pcall(chunk)) or message
    number = number + 1
  end
end
