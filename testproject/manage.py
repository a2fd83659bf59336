#!/usr/bin/env python3
"""Django's command line for the example site; runs from any directory."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main() -> None:
    # The first entry is this file's directory; the packages are found from the one above it.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "testproject.django_site.settings")

    from django.core.management import execute_from_command_line  # noqa: PLC0415

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
