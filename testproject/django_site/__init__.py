"""A small Django site whose cache and sessions live in kt_cache."""
