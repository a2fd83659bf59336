-- Functions that never end, or take all memory there is.

kt = __kyototycoon__
db = kt.db

function fine(inmap, outmap)
  outmap.fine = "yes"
end

local function forever()
  while true do end
end

endless = {
  plainly = forever,
  in_pcall = function() while true do pcall(forever) end end,
  in_pcall_of_a_library_function = function() while true do pcall(error) end end,
  in_xpcall = function() while true do xpcall(forever, forever) end end,
  in_an_error_handler = function() while true do xpcall(error, forever) end end,
  in_coroutines = function()
    while true do coroutine.resume(coroutine.create(forever)) end
  end,
  in_wrapped_coroutines = function()
    while true do pcall(coroutine.wrap(forever)) end
  end,
  in_a_metamethod = function() return setmetatable({}, {__index = forever}).field end,
  in_tostring = function() print(setmetatable({}, {__tostring = forever})) end,
  in_a_visitor = function() while true do db:accept("k", forever) end end,
  in_a_visitor_method = function()
    local visitor = kt.Visitor:new()
    visitor.visit_before = forever
    while true do db:iterate(visitor) end
  end,
  in_a_transaction = function()
    while true do pcall(db.transaction, db, forever) end
  end,
  in_a_reader = function() while true do load(forever) end end,
  in_a_far_place = function()
    while true do pcall(table.insert, {}, -2 ^ 31 + 1, 1) end
  end,
  in_a_comparison = function()
    while true do pcall(table.sort, {1, 2, 3}, forever) end
  end,
  in_a_replacement = function()
    while true do pcall(string.gsub, "xxx", "x", forever) end
  end,
  in_calls_of_the_host = function() while true do db:get("k") end end,
  in_long_calls_of_the_host = function()
    for i = 1, 2000 do db:set("key" .. i, i) end
    while true do db:match_similar("key", 9) end
  end,
  in_generated_code = function() while true do pcall(loadstring("while true do end")) end end,
  after_sleep = function()
    kt.sleep(0.01)
    forever()
  end,
}

local function grow(make)
  return function()
    local kept = {}
    while true do kept[#kept + 1] = make(#kept) end
  end
end

greedy = {
  strings = grow(function(n) return ("x"):rep(10000) .. n end),
  tables = grow(function() return {} end),
  functions = grow(function(n) return function() return n end end),
  coroutines = grow(function() return coroutine.create(fine) end),
  caught = function()
    while true do pcall(grow(function(n) return ("x"):rep(10000) .. n end)) end
  end,
  doubling = function()
    local text = "x"
    while true do text = text .. text end
  end,
  at_once = function() return #("x"):rep(1e10) end,
  from_the_database = function()
    db:set("large", ("x"):rep(1e6))
    return grow(function(n) return db:get("large") .. n end)()
  end,
  from_a_codec = grow(function(n) return kt.codec("hex", ("x"):rep(1e6) .. n) end),
  unpacked = function()
    local packed = ("x"):rep(2e6)
    for i = 1, 5 do packed = kt.codec("gzip", packed) end
    return grow(function() return kt.codec("~gzip", kt.codec("gzip", ("x"):rep(9e6))) end)()
  end,
  global = function()
    hoard = {}
    while true do hoard[#hoard + 1] = ("x"):rep(10000) .. #hoard end
  end,
}

endlessly = forever

function run_endless(inmap) endless[inmap.which]() end

function run_greedy(inmap) greedy[inmap.which]() end

function hoarded(inmap, outmap) outmap.count = hoard and #hoard or 0 end

-- Much garbage, of which little is alive at a time.
function churn(inmap, outmap)
  local kilobyte = ("x"):rep(1000)
  for i = 1, 60 do local text = kilobyte:rep(1000) .. i end
  outmap.fine = "yes"
end

function large_output(inmap, outmap)
  for i = 1, tonumber(inmap.count) do outmap["key" .. i] = ("v"):rep(tonumber(inmap.size)) end
end

function echo(inmap, outmap)
  for key, value in pairs(inmap) do outmap[key] = value end
end

function open_cursors(inmap, outmap)
  local kept, opened = {}, 0
  for i = 1, 50 do
    local cursor = db:cursor()
    if cursor then opened = opened + 1 end
    if inmap.keep ~= "" then kept[i] = cursor end
  end
  outmap.opened = opened
  outmap.walked = db:iterate(function() end)
end
