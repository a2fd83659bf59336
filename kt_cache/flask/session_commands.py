"""``flask kt sessions``: list a user's sessions, end them, or forget those that are over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click
from flask import Flask
from flask.cli import AppGroup

from kt_cache.errors import KTError
from kt_cache.flask.user_sessions import advice_for_nobody, users_of_app
from kt_cache.sessions.user_table import end, ended, lines_of, swept

__all__ = ["add_commands"]

_sessions = AppGroup("sessions", help="List a user's sessions, or end them.")


def add_commands(app: Flask) -> None:
    """Give an app the commands ``flask kt sessions list`` and ``flask kt sessions kill``."""
    group = app.cli.commands.get("kt")
    if not isinstance(group, click.Group):
        group = AppGroup("kt", help="Look after what kt_cache keeps.")
        app.cli.add_command(group)
    group.add_command(_sessions)


@_sessions.command("list")
@click.argument("user")
def list_sessions(user: str) -> None:
    """Show when each session of USER began and was last seen.

    USER is the user's id, as it is in the session.
    """
    with _said_in_a_line():
        sessions = users_of_app().sessions_of(user)
    if not sessions:
        click.echo(f"{user} has no sessions.")
        _advise()
        return
    for line in lines_of(sessions):
        click.echo(line)


@_sessions.command("kill")
@click.argument("user")
@click.option(
    "--except",
    "spared",
    metavar="SESSION",
    multiple=True,
    help="Spare this session, as it is called in the list; may be repeated.",
)
@click.option("--only", metavar="SESSION", help="End this session and no other.")
def kill_sessions(user: str, spared: tuple[str, ...], only: str | None) -> None:
    """End all sessions of USER, or some.

    USER is the user's id, as it is in the session.
    """
    if spared and only is not None:
        raise click.UsageError("--except and --only cannot go together")
    with _said_in_a_line():
        said = end(users_of_app(), user, user, spared, only)
    click.echo(said)
    if said == ended(0, user) and not spared:
        _advise()


@_sessions.command("sweep")
def sweep_sessions() -> None:
    """Forget sessions that are over, of all users."""
    with _said_in_a_line():
        click.echo(swept(users_of_app().sweep()))


def _advise() -> None:
    advice = advice_for_nobody()
    if advice:
        click.echo(f"Note: {advice}.", err=True)


@contextmanager
def _said_in_a_line() -> Iterator[None]:
    try:
        yield
    except (KTError, LookupError, RuntimeError) as error:
        raise click.ClickException(str(error)) from error
