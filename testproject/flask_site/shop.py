"""Functions whose values are kept, made by one for all, and deleted when they are out of date."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug import Response

from testproject import slow
from testproject.flask_site.extensions import cache

ARTICLES = ("tea", "coffee", "cocoa")
MONEY = "money"

shop = Blueprint("shop", __name__)


@cache.memoize(slow.RESULT_TIMEOUT, tags=[MONEY])
def price_of(article: str) -> tuple[str, str]:
    """What an article costs, kept for each article."""
    return slow.price_of(article)


@shop.get("/prices/")
def prices() -> str:
    """Shows prices, each asked for when it is needed for the first time."""
    return render_template("prices.html", prices={name: price_of(name) for name in ARTICLES})


@shop.post("/prices/")
def ask_again() -> Response:
    """Forgets the price of one article, or all of them."""
    if "article" in request.form:
        cache.delete_memoized(price_of, request.form["article"])
    else:
        cache.delete_memoized(price_of)
    return redirect(url_for("shop.prices"))


@shop.get("/rates/")
def rates() -> str:
    """Shows what one visitor waits for the bank to say, however many ask at once."""
    values, made_at = cache.get_or_set(
        "rates", slow.exchange_rates, slow.RESULT_TIMEOUT, lock=True, tags=[MONEY]
    )
    return render_template("rates.html", rates=values, made_at=made_at)


@shop.post("/rates/")
def forget_money() -> Response:
    """Forgets the rates and all prices, in one round trip."""
    cache.delete_tag(MONEY)
    return redirect(url_for("shop.rates"))
