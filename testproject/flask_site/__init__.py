"""A small Flask site whose cache and sessions live in kt_cache.

``flask --app testproject.flask_site run`` starts it. The environment variable ``KT_CACHE_URL``
names the cache server, ``kt://127.0.0.1:1978`` if not set.
"""

from __future__ import annotations

import os

from flask import Flask

from testproject.flask_site.extensions import cache, sessions
from testproject.flask_site.pages import pages
from testproject.flask_site.shop import shop
from testproject.flask_site.tally import Tally
from testproject.flask_site.visitors import visitors


def create_app() -> Flask:
    """Make the site."""
    app = Flask(__name__)
    app.config.update(
        KT_CACHE_URL=os.environ.get("KT_CACHE_URL") or "kt://127.0.0.1:1978",
        # The Django site's prefix: what one site stores, the other finds.
        KT_CACHE_KEY_PREFIX="example",
        SESSION_COOKIE_SAMESITE="Lax",
        KT_SESSION_USER_KEY="user",  # what log_in stores
        KT_SESSION_OPTIONS={"note_visitors": ["agent"]},
    )
    cache.init_app(app)
    sessions.init_app(app)
    app.extensions["tally"] = Tally(app)
    for blueprint in (pages, shop, visitors):
        app.register_blueprint(blueprint)
    return app
