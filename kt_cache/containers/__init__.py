"""Floor 3: hashes, lists, sets, queues and schedules on a Kyoto Tycoon server.

They stand on the Lua functions of ``kt_cache/lua/kt.lua``, which the server must have loaded.
"""

from kt_cache.containers.aio_hash import AsyncHash
from kt_cache.containers.aio_list import AsyncList
from kt_cache.containers.aio_queue import AsyncQueue
from kt_cache.containers.aio_schedule import AsyncSchedule
from kt_cache.containers.aio_set import AsyncSet
from kt_cache.containers.aio_signal_queue import AsyncSignalQueue
from kt_cache.containers.hash import Hash
from kt_cache.containers.list import List
from kt_cache.containers.queue import Queue
from kt_cache.containers.schedule import Schedule
from kt_cache.containers.set import Set
from kt_cache.containers.signal_queue import SignalQueue

__all__ = [
    "AsyncHash",
    "AsyncList",
    "AsyncQueue",
    "AsyncSchedule",
    "AsyncSet",
    "AsyncSignalQueue",
    "Hash",
    "List",
    "Queue",
    "Schedule",
    "Set",
    "SignalQueue",
]
