"""Signatures of payloads: HMAC-SHA256, with keys that can be changed while the site runs.

A signed payload is ``91``, the signature, the payload. The signature covers the stored key and the
payload, format bytes included, so neither can be exchanged for another. It does not cover the time
at which the record ends, nor the place: an earlier value of the same key is still a signed one.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from hashlib import sha256

from kt_cache.errors import ConfigError, DecodeError

__all__ = ["SHORTEST_KEY", "Signer"]

SHORTEST_KEY = 16  # bytes

_MARK = b"\x91"
_END = len(_MARK) + sha256().digest_size
_KEY_LENGTH = 4  # bytes that tell a stored key's length, so that no other cut fits the signature
_PURPOSE = b"kt_cache: signatures of stored values"


class Signer:
    """Signs with the first of its keys and accepts signatures of all of them.

    :param keys: secrets of at least 16 bytes, ``str`` as UTF-8.
    :raises ConfigError: if there is none, or one is of another type or too short.
    """

    def __init__(self, keys: Sequence[str | bytes]) -> None:
        if not keys:
            raise ConfigError("there must be at least one signing key")
        # Each is copied for every signature, which costs less than starting from the secret.
        self._macs = [_keyed(secret) for secret in keys]

    def sign(self, payload: bytes, key: bytes) -> bytes:
        """Return the payload with its signature.

        :param key: the stored key.
        """
        return _MARK + _signature(self._macs[0], payload, key) + payload

    def verify(self, signed: bytes, key: bytes) -> bytes:
        """Return the payload in a signed one.

        :param key: the stored key it was found under.
        :raises DecodeError: if it is not signed, or not for this key, or with no key we have.
        """
        if signed[:1] != _MARK or len(signed) < _END:
            raise DecodeError("the value lacks the signature that is required")
        found, payload = signed[len(_MARK) : _END], signed[_END:]
        for mac in self._macs:
            if hmac.compare_digest(found, _signature(mac, payload, key)):
                return payload
        raise DecodeError("the value's signature fits none of the signing keys")


def _keyed(secret: str | bytes) -> hmac.HMAC:
    """Return the start of every signature by a secret.

    What is signed with is derived from it: the same secret may serve elsewhere for something else.
    """
    if not isinstance(secret, str | bytes):
        raise ConfigError(f"a signing key must be text or bytes, not {type(secret).__name__}")
    plain = secret.encode("utf-8", "surrogatepass") if isinstance(secret, str) else secret
    if len(plain) < SHORTEST_KEY:
        raise ConfigError(
            f"a signing key must have at least {SHORTEST_KEY} bytes, not {len(plain)}; "
            "secrets.token_urlsafe() makes a good one"
        )
    return hmac.new(hmac.digest(plain, _PURPOSE, "sha256"), digestmod=sha256)


def _signature(mac: hmac.HMAC, payload: bytes, key: bytes) -> bytes:
    mac = mac.copy()
    mac.update(len(key).to_bytes(_KEY_LENGTH, "big") + key)
    mac.update(payload)
    return mac.digest()
