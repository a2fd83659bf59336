"""The request to follow a server's update log: ``B1 flags:u32 ts:u64 sid:u16``."""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

__all__ = ["REPLICATION", "REPLICATION_HEAD", "Replication"]

REPLICATION = 0xB1
REPLICATION_HEAD = Struct(">BIQH")  # magic, flags, time stamp, server id


class Replication(NamedTuple):
    """A complete replication request.

    :param after: the time stamp behind which to begin.
    :param sid: the follower's server id.
    """

    flags: int
    after: int
    sid: int
