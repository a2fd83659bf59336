"""``manage.py prepare``: everything the site needs before its first start."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Create the user database and the user demo with the password demo."

    def handle(self, *_args: Any, **options: Any) -> None:
        call_command("migrate", interactive=False, verbosity=options["verbosity"])
        users = get_user_model().objects
        if users.filter(username="demo").exists():
            return
        users.create_user("demo", password="demo")
        self.stdout.write("Created the user demo with the password demo.")
