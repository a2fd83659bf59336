"""The included server: both Kyoto Tycoon protocols on one port, by one thread.

It stands on the protocol floor, the storage engines and the ground, and never on the clients.
"""

from kt_cache.server.options import ServerOptions
from kt_cache.server.server import Server

__all__ = ["Server", "ServerOptions"]
