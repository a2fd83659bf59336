"""The ``kt-cache`` command."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from kt_cache._version import __version__
from kt_cache.server.command import add_arguments, run_server

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status.

    :param argv: the words behind the command's name; those of the process unless given.
    """
    parser = argparse.ArgumentParser(
        prog="kt-cache", description="A cache and its server.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"kt-cache {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_serve(commands)
    arguments = parser.parse_args(argv)
    status: int = arguments.run(arguments)
    return status


def _add_serve(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("serve", help="run the included server", allow_abbrev=False)
    add_arguments(parser)
    parser.set_defaults(run=run_server)
