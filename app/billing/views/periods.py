"""Settings of money: the months of the books, and exchange rates."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from flask import Blueprint, render_template, url_for

from app.billing.forms import ExchangeRateForm
from app.core import clock
from app.core.errors import NotAllowed, NotFound
from app.core.fields import offers
from app.core.permissions import Permission
from app.core.web import Answer, form_id, me, redirect_to, submit, unprocessable
from app.desk.guard import guard
from app.firm.forms import currencies
from app.firm.queries import list_entities
from app.firm.settings_menu import Setting, add_setting
from app.ledger.commands import close_period
from app.ledger.periods import list_months, movements_of
from app.ledger.policy import can_edit_exchange_rates, can_see_books
from app.ledger.rates import ExchangeRateFacts, add_exchange_rate, list_exchange_rates
from app.people.queries import list_people

blueprint = guard(Blueprint("books", __name__, url_prefix="/settings"))
add_setting(
    Setting(
        "Money", "Books", "Months, what moved in them, closing", "/settings/books", "ledger", Permission.PERIOD_CLOSE
    )
)
add_setting(
    Setting(
        "Money",
        "Exchange rates",
        "What other currencies are worth, from a day on",
        "/settings/exchange-rates",
        "money",
        Permission.SETTINGS_EDIT,
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


@blueprint.get("/exchange-rates")
def rates() -> Answer:
    _need(can_edit_exchange_rates(me()))
    form = ExchangeRateForm(from_on=clock.today())
    form.id.data = str(form_id(form))
    return render_template("ledger/rates.html", **_offer(form))


def _offer(form: ExchangeRateForm) -> dict[str, Any]:
    bases = [entity.currency for entity in list_entities()]
    form.currency.choices = offers([pair for pair in currencies() if pair[0] not in set(bases) or len(set(bases)) > 1])
    form.base.choices = offers([(code, code) for code in dict.fromkeys(bases)])
    return {"form": form, "rates": list_exchange_rates(seen_by=me())}


@blueprint.post("/exchange-rates")
def create_rate() -> Answer:
    form = ExchangeRateForm()
    rate_id = form_id(form)
    offered = _offer(form)

    def save() -> None:
        assert form.from_on.data is not None
        facts = ExchangeRateFacts(
            currency=form.currency.data, base=form.base.data, rate=form.rate.data, from_on=form.from_on.data
        )
        add_exchange_rate(rate_id, facts, by=me())

    if submit(form, save):
        return redirect_to(url_for("books.rates"), f"1 {form.currency.data} is {form.rate.data} {form.base.data}")
    form.id.data = str(rate_id)
    return unprocessable("ledger/rates.html", **offered)
