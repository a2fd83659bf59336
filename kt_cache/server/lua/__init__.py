"""Scripts: Lua files whose functions clients call by play_script.

They run in Lua 5.1 by the package lupa, which is loaded when a function is called, or the server
was given a script of its user's, and not before. What they may do is written in Lua, in the files
beside this one; what stands behind that is written in Python, and no Python object is within their
reach.
"""

from kt_cache.server.lua.host import ScriptHost, ScriptLimits, load_scripts
from kt_cache.server.lua.outcome import Outcome, ReturnCode
from kt_cache.server.lua.state import has_lua

__all__ = ["Outcome", "ReturnCode", "ScriptHost", "ScriptLimits", "has_lua", "load_scripts"]
