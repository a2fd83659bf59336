-- Functions that sleep, in various places.

kt = __kyototycoon__
db = kt.db

local function define(name, sleep_there)
  _G[name] = function(inmap, outmap)
    outmap.before = "1"
    local value = sleep_there(function(result)
      kt.sleep(tonumber(inmap.seconds))
      return result
    end)
    outmap.after = value
  end
end

define("sleep_in_pcall", function(sleep)
  local ok, value = pcall(sleep, 2)
  return ok and value
end)

define("sleep_in_xpcall", function(sleep)
  local ok, value = xpcall(function() return sleep(2) end, print)
  return ok and value
end)

define("sleep_in_pcall_in_pcall", function(sleep)
  local _, ok, value = pcall(pcall, sleep, 2)
  return ok and value
end)

define("sleep_in_coroutine", function(sleep)
  local ok, value = coroutine.resume(coroutine.create(sleep), 2)
  return ok and value
end)

define("sleep_in_wrap", function(sleep)
  local next_value = coroutine.wrap(function()
    coroutine.yield(sleep(1))
    return 1
  end)
  return next_value() + next_value()
end)

define("sleep_in_coroutine_in_pcall", function(sleep)
  local ok, _, value = pcall(coroutine.resume, coroutine.create(function()
    local inner_ok, inner = pcall(sleep, 2)
    return inner_ok and inner
  end))
  return ok and value
end)

define("sleep_twice", function(sleep)
  sleep(1)
  return sleep(2)
end)

define("sleep_in_cursor_process", function(sleep)
  local value
  db:cursor_process(function() value = sleep(2) end)
  return value
end)

function nothing()
end

function nap(inmap, outmap)
  kt.sleep(tonumber(inmap.seconds))
  outmap.rested = "yes"
end

function sleep_and_return(inmap, outmap)
  kt.sleep(tonumber(inmap.seconds))
  outmap.value = inmap.value
end

function sleep_and_set(inmap)
  kt.sleep(tonumber(inmap.seconds))
  db:set(inmap.key, inmap.value)
end

function sleep_for_ever()
  while true do kt.sleep(0.03) end
end

function leave_transaction_open()
  if not db:begin_transaction() then return kt.RVEINTERNAL end
  db:set("k", "within")
end

function yield_outside()
  coroutine.yield(1)
end

function sleep_once_for_long()
  kt.sleep(100)
end
