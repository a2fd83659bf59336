"""``manage.py kt_sessions``: list a user's sessions and end them; tidy up or restore the lists."""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentParser
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured, ObjectDoesNotExist, ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from django.utils import timezone

from kt_cache.django.user_sessions import site_users, user_id_of
from kt_cache.errors import KTError
from kt_cache.sessions.user_table import end, lines_of, restored, swept

__all__ = ["Command"]


class Command(BaseCommand):
    """The command."""

    help = "List a user's sessions, or end them. The user's next request is anonymous then."

    def add_arguments(self, parser: CommandParser) -> None:
        """Describe what can be typed."""
        actions = parser.add_subparsers(
            title="actions", dest="action", metavar="{list,kill,sweep,restore}", required=True
        )
        listing = actions.add_parser("list", help="show when each session began and was last seen")
        killing = actions.add_parser("kill", help="end all sessions of a user, or some")
        sweeping = actions.add_parser("sweep", help="forget sessions that are over, of all users")
        restoring = actions.add_parser(
            "restore", help="put back what the server has lost and the database has"
        )
        for action in (listing, killing, sweeping, restoring):
            _add_usual_options(action)
        for action in (listing, killing):
            action.add_argument("user", help="a username; or the primary key, if there is no such")
            action.add_argument(
                "--pk",
                action="store_true",
                help="USER is a primary key, perhaps of a user who is deleted by now",
            )
        which = killing.add_mutually_exclusive_group()
        which.add_argument(
            "--except",
            dest="spared",
            metavar="SESSION",
            action="append",
            default=[],
            help="spare this session, as it is called in the list; may be repeated",
        )
        which.add_argument("--only", metavar="SESSION", help="end this session and no other")

    def handle(self, *_args: Any, action: str, **options: Any) -> None:
        """Do it.

        :raises CommandError: if there is no such user or session, or the server or the database
            fails.
        """
        try:
            if action == "sweep":
                self._sweep()
            elif action == "restore":
                self._restore()
            elif action == "list":
                self._list(options["user"], self._id_of(**options))
            else:
                user, user_id = options["user"], self._id_of(**options)
                said = end(site_users(), user_id, user, options["spared"], options["only"])
                self.stdout.write(said)
        except (KTError, LookupError, ImproperlyConfigured, DatabaseError) as error:
            raise CommandError(str(error)) from error

    def _sweep(self) -> None:
        self.stdout.write(swept(site_users().sweep()))

    def _restore(self) -> None:
        kind = import_module(settings.SESSION_ENGINE).SessionStore
        if not hasattr(kind, "restore"):
            raise ImproperlyConfigured(
                "only sessions that the database keeps, too, can be put back: those of "
                "'kt_cache.django.sessions_cached_db', but SESSION_ENGINE is "
                f"{settings.SESSION_ENGINE!r}"
            )
        self.stdout.write(restored(kind.restore()))

    def _list(self, name: str, user_id: str) -> None:
        sessions = site_users().sessions_of(user_id)
        if not sessions:
            self.stdout.write(f"{name} has no sessions.")
            return
        for line in lines_of(sessions, timezone.get_current_timezone()):
            self.stdout.write(line)

    def _id_of(self, user: str, pk: bool, **_: Any) -> str:
        if pk:
            return user
        model: Any = get_user_model()
        for field in (model.USERNAME_FIELD, "pk"):
            try:
                found = model._default_manager.get(**{field: user})  # noqa: SLF001 - documented
            except (ObjectDoesNotExist, ValueError, ValidationError):
                continue
            return user_id_of(found) or ""
        raise CommandError(
            f"there is no user {user!r}; if the account is deleted, give its primary key and --pk"
        )


def _add_usual_options(action: ArgumentParser) -> None:
    """Let the options that all of Django's commands have stand behind the action, too.

    Without a default of their own, they leave alone what stands before it.
    """
    options = action.add_argument_group("as for every command", argument_default=SUPPRESS)
    for name in ("--traceback", "--no-color", "--force-color", "--skip-checks"):
        options.add_argument(name, action="store_true", default=SUPPRESS)
    for name in ("--settings", "--pythonpath"):
        options.add_argument(name)
    options.add_argument("-v", "--verbosity", type=int, choices=range(4))
