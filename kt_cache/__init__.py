"""A fast, persistent cache and session store for Django and Flask."""
