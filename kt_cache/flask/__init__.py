"""Floor 5: Flask's words for the cache and the sessions.

:class:`KTCache` and :class:`KTSession` are extensions of their own; :class:`KyotoTycoonCache` is a
cachelib backend, for Flask-Caching, Flask-Session and whatever else takes one.
"""

try:
    from kt_cache.flask.backend import KyotoTycoonCache
    from kt_cache.flask.extension import KTCache
    from kt_cache.flask.sessions import KTSession, KTSessionInterface
except ModuleNotFoundError as error:
    if error.name and error.name.startswith("kt_cache"):
        raise
    raise ModuleNotFoundError(
        f"kt_cache.flask needs {error.name}: install kt-cache with the extra [flask]",
        name=error.name,
    ) from error

__all__ = ["KTCache", "KTSession", "KTSessionInterface", "KyotoTycoonCache"]
