"""Numbers of variable length, as Kyoto Tycoon writes them in dumps and in its update log.

Base 128, most significant group first, the high bit set on all bytes but the last: 127 is ``7f``,
128 is ``81 00``, 16384 is ``81 80 00``.
"""

from __future__ import annotations

__all__ = ["decode_varint", "encode_varint"]

_MORE = 0x80
_GROUP = 0x7F
_LARGEST = 2**64 - 1
_ONE_BYTE = [bytes((number,)) for number in range(_MORE)]  # nearly all are that short


def encode_varint(number: int) -> bytes:
    """Return a number's bytes.

    :param number: 0 to 2**64 - 1.
    :raises ValueError: if it is outside that range.
    """
    if 0 <= number <= _GROUP:
        return _ONE_BYTE[number]
    if not 0 <= number <= _LARGEST:
        raise ValueError("a varint holds 0 to 2**64 - 1")
    groups = bytearray((number & _GROUP,))
    while number := number >> 7:
        groups.append(number & _GROUP | _MORE)
    groups.reverse()
    return bytes(groups)


def decode_varint(data: bytes, start: int = 0) -> tuple[int, int] | None:
    """Return a number and where it ends, or ``None`` if the data ends before it does.

    Groups beyond 64 bits push the first ones out, as in the reference server.

    :param start: where the number begins.
    """
    if start < len(data) and data[start] < _MORE:
        return data[start], start + 1
    number = 0
    for position in range(start, len(data)):
        byte = data[position]
        number = (number << 7 | byte & _GROUP) & _LARGEST
        if byte < _MORE:
            return number, position + 1
    return None
