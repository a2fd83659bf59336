"""Scripts: Lua files whose functions clients call by play_script.

They run in Lua 5.1 by the package lupa, which is loaded when a server is given a script and not
before. What they may do is written in Lua, in the files beside this one; what stands behind that is
written in Python, and no Python object is within their reach.
"""

from kt_cache.server.lua.host import ScriptHost, ScriptLimits, load_scripts
from kt_cache.server.lua.outcome import Outcome, ReturnCode

__all__ = ["Outcome", "ReturnCode", "ScriptHost", "ScriptLimits", "load_scripts"]
