"""Keys of one's own for the tests: a KEY_FUNCTION, and a backend with a ``make_key``."""

from __future__ import annotations

from kt_cache.django import KyotoTycoonCache


def own_key(key, prefix, version):
    return f"own-{prefix}-{version}-{key}"


class OwnKeys(KyotoTycoonCache):
    """A backend that makes its keys itself."""

    def make_key(self, key, version=None):
        return f"own/{self.key_prefix}/{self.version if version is None else version}/{key}"
