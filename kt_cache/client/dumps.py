"""Maps and lists as single values that the server's Lua can read, for both clients."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kt_cache.client.base import ClientBase, as_bytes
from kt_cache.protocol.lua_dump import dump_array, dump_map, load_array, load_map
from kt_cache.serializers import encode_key

__all__ = ["DumpMethods"]


class DumpMethods(ClientBase):
    """Values as the server's ``mapdump`` and ``arraydump`` write them. No call goes out."""

    def serialize_dict(self, d: Mapping[Any, Any], encode_values: bool = True) -> bytes:
        """Return a mapping's bytes, as a hash keeps it.

        :param d: key -> value.
        :param encode_values: whether to serialize the values; if not they must be bytes or text.
        :raises EncodeError: if the serializer cannot encode a value.
        """
        return dump_map(
            {encode_key(key): self._encoded(key, value, encode_values) for key, value in d.items()}
        )

    def deserialize_dict(self, data: bytes | str, decode_values: bool = True) -> dict[Any, Any]:
        """Return a mapping of its bytes.

        :param decode_values: whether to deserialize the values.
        :raises DecodeError: if they are cut short, or a value is not what the serializer writes.
        """
        pairs = load_map(as_bytes(data), strict=True).items()
        return self._decoded_pairs(pairs, decode_values)

    def serialize_list(self, l: Iterable[Any], encode_values: bool = True) -> bytes:  # noqa: E741
        """Return a list's bytes, as a list on the server keeps it; see :meth:`serialize_dict`."""
        return dump_array([self._encoded(b"", value, encode_values) for value in l])

    def deserialize_list(self, data: bytes | str, decode_values: bool = True) -> list[Any]:
        """Return a list of its bytes; see :meth:`deserialize_dict`."""
        items = load_array(as_bytes(data), strict=True)
        return [self._decoded(b"", item) for item in items] if decode_values else list(items)
