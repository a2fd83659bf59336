"""A bare dict behind the binary protocol: what any Python server has to do, and no more.

Uses the package's own decoder and encoders. There is one database, nothing ever expires, and only
requests of one record are understood. ``python -m benchmarks.bare_server`` prints its port and
ends with its standard input.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from importlib.util import find_spec
from typing import cast

from kt_cache.protocol.binary import (
    SET_BULK,
    Keys,
    Records,
    Request,
    RequestDecoder,
    encode_count_reply,
    encode_get_reply,
)

__all__ = ["BareConnection", "serve"]

Dict = dict[bytes, tuple[bytes, int]]

_incoming = memoryview(bytearray(2**18))


class BareConnection(asyncio.BufferedProtocol):
    """One client's connection to the dict."""

    def __init__(self, records: Dict) -> None:
        self._records = records
        self._decoder = RequestDecoder()
        self._pending = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        """Return where to receive, for all connections; see the included server's."""
        return _incoming

    def buffer_updated(self, nbytes: int) -> None:
        """Answer all requests that are complete with one write."""
        data = _incoming[:nbytes].tobytes()
        if self._pending:
            data = self._pending + data
        replies: list[bytes] = []
        position, end = 0, len(data)
        while position < end:
            request, position = self._decoder.decode(data, position, end)
            if request is None:
                break
            replies.append(self._answer(request))
        self._pending = data[position:]
        if replies:
            self._transport.write(replies[0] if len(replies) == 1 else b"".join(replies))

    def _answer(self, request: Request) -> bytes:
        if type(request) is Keys:
            ((db, key),) = request.keys
            found = self._records.get(key)
            return encode_get_reply([] if found is None else [(db, key, *found)])
        if type(request) is Records:
            ((_, key, value, xt),) = request.records
            self._records[key] = (value, xt)
            return encode_count_reply(SET_BULK, 1)
        raise NotImplementedError(request)


async def serve() -> None:
    """Serve a new dict until standard input ends."""
    loop = asyncio.get_running_loop()
    records: Dict = {}
    server = await loop.create_server(lambda: BareConnection(records), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    # On the loop that the included server would take.
    loop = importlib.import_module("uvloop" if find_spec("uvloop") else "asyncio").new_event_loop()
    loop.run_until_complete(serve())
    loop.close()
