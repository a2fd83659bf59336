-- Replaces what it can reach.

local kt = __kyototycoon__

function fine(inmap, outmap)
  outmap.fine = "yes"
end

function loops()
  while true do end
end

function fails()
  error(setmetatable({}, {__tostring = function() while true do end end}))
end

function breaks()
  kt.db:set(kt)
end

setmetatable(_G, {
  __index = function(_, name) error("undeclared: " .. name) end,
  __newindex = function(_, name) error("undeclared: " .. name) end,
})
getmetatable("").__index = function() error("no strings") end
for name in pairs(kt) do kt[name] = nil end
for _, library in ipairs({string, table, math, os, coroutine, debug}) do
  for name in pairs(library) do library[name] = nil end
end
for _, name in ipairs({
  "pcall", "error", "type", "tostring", "select", "next", "pairs", "setmetatable", "unpack", "debug",
}) do
  rawset(_G, name, nil)
end
