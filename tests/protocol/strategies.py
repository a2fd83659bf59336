"""Hypothesis strategies for the parts of messages."""

from __future__ import annotations

from hypothesis import strategies as st

databases = st.integers(0, 0xFFFF)
keys = st.binary(max_size=40)
values = st.binary(max_size=80)
given_times = st.integers(-(2**63), 2**63 - 1)
sizes = st.lists(st.integers(1, 40), max_size=30)
"""Sizes of the pieces in which bytes arrive; what they leave over comes in one more."""

key_items = st.lists(st.tuples(databases, keys), max_size=8)
records = st.lists(st.tuples(databases, keys, values, given_times), max_size=8)
pairs = st.dictionaries(keys, values, max_size=8).map(lambda found: list(found.items()))
script_names = st.binary(max_size=20).filter(lambda name: b"\0" not in name)

maps = st.dictionaries(st.binary(max_size=12), st.binary(max_size=40), max_size=6)
"""Maps of any bytes."""
