"""``python -m kt_cache.server [options] DB...``."""

import argparse
import sys

from kt_cache.server.command import add_arguments, run_server

parser = argparse.ArgumentParser(
    prog="python -m kt_cache.server", description="Run the included server.", allow_abbrev=False
)
add_arguments(parser)
sys.exit(run_server(parser.parse_args()))
