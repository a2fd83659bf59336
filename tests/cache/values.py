"""Values that each serializer gives back as they were."""

from __future__ import annotations

from hypothesis import strategies as st

from kt_cache.serializers import KT_BINARY, KT_JSON, KT_MSGPACK, KT_NONE, KT_PICKLE

SERIALIZERS = [KT_BINARY, KT_JSON, KT_MSGPACK, KT_NONE, KT_PICKLE]
SMALL_INTS = st.integers(-(2**63), 2**64 - 1)


def nested(leaves, keys):
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
        max_leaves=12,
    )


floats = st.floats(allow_nan=False)
plain = st.none() | st.booleans() | st.integers() | floats | st.text()
packable = st.none() | st.booleans() | SMALL_INTS | floats | st.text() | st.binary()
picklable = plain | st.binary() | st.complex_numbers(allow_nan=False) | st.datetimes()
picklable |= st.text(st.characters(codec=None)) | st.frozensets(st.integers()) | st.timedeltas()
VALUES = {
    KT_BINARY: st.integers() | st.text() | st.binary(),
    KT_NONE: st.integers() | st.binary(),
    KT_JSON: nested(plain, st.text()),
    KT_MSGPACK: nested(packable, st.text() | st.binary() | SMALL_INTS) | st.integers(),
    KT_PICKLE: nested(picklable, st.text() | st.integers() | st.tuples(st.text(), st.booleans())),
}


def same(one, other):
    """Whether two values are equal and of the same types, at every depth."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return same(list(one.items()), list(other.items()))
    return repr(one) == repr(other) if isinstance(one, float) else one == other
