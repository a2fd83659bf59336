-- The class Error, and the last error of each database.

local setmetatable = setmetatable
setfenv(1, {})

local NAMES = {
  [0] = "success", "not implemented", "invalid operation", "no repository", "no permission",
  "broken file", "record duplication", "no record", "logical inconsistency", "system error",
}

local Error = {
  SUCCESS = 0, NOIMPL = 1, INVALID = 2, NOREPOS = 3, NOPERM = 4, BROKEN = 5, DUPREC = 6, NOREC = 7,
  LOGIC = 8, SYSTEM = 9, MISC = 15,
}

local methods = {}
local meta = {__index = methods, __metatable = "Error"}

function methods:set(code, message)
  self.code_, self.message_ = code, message
end

function methods:code()
  return self.code_
end

function methods:name()
  return NAMES[self.code_] or "miscellaneous error"
end

function methods:message()
  return self.message_
end

function meta:__tostring()
  return methods.name(self) .. ": " .. self.message_
end

local function new(code, message)
  return setmetatable({code_ = code or Error.SUCCESS, message_ = message or "error"}, meta)
end

function Error.new(_, code, message)
  return new(code, message)
end

local last = setmetatable({}, {__mode = "k"}) -- by the database's handle

local errors = {class = Error}

-- Notes why an operation failed.
function errors.note(handle, code, message)
  last[handle] = {code, message or NAMES[code] or "error"}
end

function errors.last(handle)
  local noted = last[handle]
  if noted then return new(noted[1], noted[2]) end
  return new(Error.SUCCESS, "no error")
end

return errors
