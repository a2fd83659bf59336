"""Floor 1: bytes <-> messages, and nothing else.

No module here opens a socket, starts a thread or looks at a clock. Each wire format has its
encoders and decoders for both directions in one file, which the clients, the included server
and the tests share. The formats themselves are described in ``docs/reference/wire.md``.
"""
