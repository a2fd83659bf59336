"""A KEY_FUNCTION for the tests."""

from __future__ import annotations


def own_key(key, prefix, version):
    return f"own-{prefix}-{version}-{key}"
