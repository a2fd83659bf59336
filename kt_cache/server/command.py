"""The command that runs the included server: its options, its signals, its log.

Options come in two spellings, ``--port`` and ktserver's ``-port``, so that either server can be
started with the same words.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

from kt_cache.errors import ConfigError, KTError, NotSupported
from kt_cache.protocol.framing import Limits
from kt_cache.server.options import ServerOptions
from kt_cache.server.server import Server

__all__ = ["add_arguments", "run_server"]

_log = logging.getLogger(__name__)

_DEFAULTS = ServerOptions()
_NO_LOG = logging.CRITICAL + 10
_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "none": _NO_LOG,
}
_STOP_SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the server's arguments to a parser."""
    add = parser.add_argument
    add(
        "databases",
        metavar="DB",
        nargs="*",
        help="'*' or ':' (hash in memory), '%%' (ordered tree in memory) or a file NAME.sqlite; "
        "numbered from 0 (default: ':')",
    )
    add("--host", "-host", default=_DEFAULTS.host, help="address (default: %(default)s)")
    add(
        "--port",
        "-port",
        type=int,
        default=_DEFAULTS.port,
        help="TCP port, 0 for any free one (default: %(default)s)",
    )
    add(
        "--timeout",
        "-tout",
        type=float,
        default=_DEFAULTS.read_timeout,
        metavar="SECONDS",
        help="for a client to go on with a request or to read a reply (default: %(default)g)",
    )
    add(
        "--request-timeout",
        type=float,
        default=_DEFAULTS.request_timeout,
        metavar="SECONDS",
        help="for a request to arrive as a whole (default: %(default)g)",
    )
    add(
        "--idle-timeout",
        type=float,
        default=_DEFAULTS.idle_timeout,
        metavar="SECONDS",
        help="for a connection without requests (default: %(default)g)",
    )
    add("--max-connections", type=int, default=_DEFAULTS.max_connections, metavar="N")
    add(
        "--max-waiting",
        type=int,
        default=_DEFAULTS.max_waiting,
        metavar="N",
        help="calls that wait for a signal at a time (default: %(default)s)",
    )
    add(
        "--max-wait",
        type=float,
        default=_DEFAULTS.max_wait,
        metavar="SECONDS",
        help="the longest time that a call waits for a signal (default: %(default)g)",
    )
    for name, what in (("key", "a key"), ("value", "a value"), ("body", "an HTTP body")):
        add(
            f"--max-{name}",
            type=int,
            default=getattr(_DEFAULTS.limits, name),
            metavar="BYTES",
            help=f"the largest size of {what} (default: %(default)s)",
        )
    _add_script_arguments(parser)
    _add_log_arguments(parser)
    add("--quiet", action="store_true", help="do not say where the server listens")
    add(
        "--loop",
        choices=("auto", "asyncio", "uvloop"),
        default="auto",
        help="the event loop to run on: uvloop is faster, and taken if it is installed",
    )
    add(
        "--exit-with-stdin",
        action="store_true",
        help="stop when standard input ends, so that a child never outlives its parent",
    )
    add("-th", dest="threads", metavar="N", help="accepted and ignored: there is one thread")


def _add_script_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--no-cache-script",
        dest="cache_script",
        action="store_false",
        help="do not offer the functions that caches and containers use",
    )
    add(
        "--script",
        "-scr",
        action="append",
        default=[],
        metavar="FILE",
        help="a Lua file whose functions clients may call; may be given several times",
    )
    add(
        "--script-timeout",
        type=float,
        default=_DEFAULTS.script_timeout,
        metavar="SECONDS",
        help="for one call of a script, sleep not counted (default: %(default)g)",
    )
    add(
        "--script-sleep",
        type=float,
        default=_DEFAULTS.script_sleep,
        metavar="SECONDS",
        help="that one call of a script may sleep altogether (default: %(default)g)",
    )
    add(
        "--script-memory",
        type=int,
        default=_DEFAULTS.script_memory,
        metavar="BYTES",
        help="that all scripts may keep (default: %(default)s)",
    )
    add("--script-io", action="store_true", help="let scripts use Lua's io and os libraries")


def _add_log_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--log", "-log", metavar="FILE", help="log here, not to standard error")
    levels = parser.add_mutually_exclusive_group()
    levels.add_argument("--log-level", choices=_LEVELS, default="info", help="default: %(default)s")
    for flag, level in (("-li", "info"), ("-ls", "warning"), ("-le", "error"), ("-lz", "none")):
        levels.add_argument(
            flag,
            action="store_const",
            const=level,
            dest="log_level",
            help=f"same as --log-level {level}",
        )


def run_server(arguments: argparse.Namespace) -> int:
    """Run a server until it is told to stop; return the exit status."""
    try:
        _start_log(arguments)
        if arguments.threads is not None:
            _log.info("-th is ignored: one thread serves all connections")
        options = _read_options(arguments)
        loop = _new_event_loop(arguments.loop)
        try:
            loop.run_until_complete(_serve(options, arguments))
        finally:
            loop.close()
    except KTError as error:
        print(f"error: {error.message}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _start_log(arguments: argparse.Namespace) -> None:
    try:
        handler = logging.FileHandler(arguments.log) if arguments.log else logging.StreamHandler()
    except OSError as error:
        raise ConfigError(f"cannot log to {arguments.log!r}: {error.strerror}") from error
    logging.basicConfig(
        format="%(asctime)s %(levelname)s %(message)s",
        level=_LEVELS[arguments.log_level],
        handlers=[handler],
    )


def _read_options(arguments: argparse.Namespace) -> ServerOptions:
    return ServerOptions(
        host=arguments.host,
        port=arguments.port,
        databases=tuple(arguments.databases) or _DEFAULTS.databases,
        limits=Limits(key=arguments.max_key, value=arguments.max_value, body=arguments.max_body),
        max_connections=arguments.max_connections,
        cache_script=arguments.cache_script,
        scripts=tuple(arguments.script),
        script_timeout=arguments.script_timeout,
        script_sleep=arguments.script_sleep,
        script_memory=arguments.script_memory,
        script_io=arguments.script_io,
        max_waiting=arguments.max_waiting,
        max_wait=arguments.max_wait,
        idle_timeout=arguments.idle_timeout,
        read_timeout=arguments.timeout,
        request_timeout=arguments.request_timeout,
    )


def _new_event_loop(kind: str) -> asyncio.AbstractEventLoop:
    if kind == "asyncio":
        return asyncio.new_event_loop()
    try:
        from uvloop import new_event_loop  # noqa: PLC0415 - an optional dependency
    except ImportError as error:
        if kind == "auto":
            return asyncio.new_event_loop()
        raise NotSupported(
            "--loop uvloop needs the package uvloop: install kt-cache with the extra [server]"
        ) from error
    return new_event_loop()


async def _serve(options: ServerOptions, arguments: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    server = Server(options)
    numbers = [getattr(signal, name) for name in _STOP_SIGNALS if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers if not _is_shielded(number)}
    # Before it starts: opening a database may take a while, and is to be ended cleanly too.
    for number in before:
        loop.add_signal_handler(number, stop.set)
    try:
        await server.start()
        if arguments.exit_with_stdin:
            _call_at_end_of_stdin(lambda: loop.call_soon_threadsafe(stop.set))
        _log.info("serving %s on %s", ", ".join(options.databases), server.address)
        if not arguments.quiet:
            print(f"listening on {server.address}", flush=True)  # noqa: T201
        await stop.wait()
        await server.stop()
    finally:  # what was there before: not every loop puts it back
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _is_shielded(number: int) -> bool:
    """Tell whether ``nohup`` or the like started us so that the end of a terminal is not ours."""
    return number == getattr(signal, "SIGHUP", None) and signal.getsignal(number) is signal.SIG_IGN


def _call_at_end_of_stdin(callback: Callable[[], object]) -> None:
    def wait() -> None:
        with suppress(OSError):  # there is no standard input at all
            while os.read(0, 4096):
                pass
        with suppress(RuntimeError):  # the loop has stopped by itself
            callback()

    # A daemon: it is still waiting when the server stops for another reason.
    threading.Thread(target=wait, name="stdin", daemon=True).start()
