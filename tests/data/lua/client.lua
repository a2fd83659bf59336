-- Functions for the tests of the clients' calls of scripts.

local kt = __kyototycoon__

function echo(inmap, outmap)
  for name, value in pairs(inmap) do outmap[name] = value end
end

function how_many(inmap, outmap)
  local found = 0
  for _ in pairs(inmap) do found = found + 1 end
  outmap.num = found
end

function store(inmap, outmap)
  for name, value in pairs(inmap) do kt.db:set(name, value) end
end

function refuse(inmap, outmap)
  return kt.RVELOGIC
end

function fail(inmap, outmap)
  error("on purpose")
end
