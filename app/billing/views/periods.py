"""The months of the books: what moved in them, and closing them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from flask import Blueprint, render_template, url_for

from app.core import clock
from app.core.errors import NotAllowed, NotFound
from app.core.permissions import Permission
from app.core.web import Answer, me, redirect_to
from app.desk.guard import guard
from app.firm.settings_menu import Setting, add_setting
from app.ledger.commands import close_period
from app.ledger.periods import list_months, movements_of
from app.ledger.policy import can_see_books
from app.people.queries import list_people

blueprint = guard(Blueprint("books", __name__, url_prefix="/settings"))
add_setting(
    Setting(
        "Money", "Books", "Months, what moved in them, closing", "/settings/books", "ledger", Permission.PERIOD_CLOSE
    )
)


def _need(allowed: bool) -> None:
    if not allowed:
        raise NotAllowed("Only a partner closes the books.")


@blueprint.get("/books")
def index() -> Answer:
    _need(can_see_books(me()))
    names = {person.id: person.name for person in list_people(seen_by=me(), everyone=True)}
    return render_template("ledger/books.html", months=list_months(seen_by=me()), names=names)


def _month(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(f"{text}-01")
    except ValueError:
        raise NotFound() from None


@blueprint.get("/books/<month>")
def show(month: str) -> Answer:
    """What moved in a month, by account; it ties out when every currency comes to nothing."""
    _need(can_see_books(me()))
    first = _month(month)
    moved = movements_of(first, seen_by=me())
    off: dict[str, Decimal] = {}
    for movement in moved:
        off[movement.currency] = off.get(movement.currency, Decimal(0)) + movement.net
    found = next((each for each in list_months(seen_by=me()) if each.starts_on == first), None)
    if found is None:
        raise NotFound()
    return render_template("ledger/month.html", month=found, movements=moved, off=off, as_of=clock.now())


@blueprint.post("/books/<month>/closure")
def close(month: str) -> Answer:
    first = _month(month)
    close_period(first, by=me())
    return redirect_to(url_for("books.index"), f"{first:%B %Y} is closed")
