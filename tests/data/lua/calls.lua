-- Functions for calls of every kind.

kt = __kyototycoon__

local calls = 0

function count(inmap, outmap)
  calls = calls + 1
  outmap.count = calls
end

-- Counts in the database: a real server has one set of variables per thread.
function bump(inmap, outmap)
  outmap.count = kt.db:increment("count", 1)
end

function echo(inmap, outmap)
  for key, value in pairs(inmap) do outmap[key] = value end
end

function logs(inmap)
  for _, kind in ipairs({"debug", "info", "system", "error", "nonsense"}) do
    kt.log(kind, kind .. " text")
  end
  print("printed", 1, nil)
end

function fails(inmap)
  error("told to the log alone")
end

function returns(inmap, outmap)
  outmap.lost = "?"
  return loadstring("return " .. inmap.code)()
end

-- A function of Lua's may be replaced by one that clients may call.
function unpack(inmap, outmap)
  outmap.own = "yes"
end
