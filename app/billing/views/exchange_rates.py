"""Exchange rates: what holds today and how old it is, adding one by hand, taking them from a file, withdrawing one."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import UUID

from flask import Blueprint, render_template, request, url_for

from app.billing.forms import ExchangeRateForm, RateFileForm
from app.core import clock
from app.core.errors import NotAllowed, Refused
from app.core.fields import offers
from app.core.permissions import Permission
from app.core.web import Answer, arg, form_id, me, page_number, redirect_to, submit
from app.core.wording import number
from app.desk.guard import guard
from app.firm.forms import currencies
from app.firm.settings_menu import Setting, add_setting
from app.ledger.models import RateFile
from app.ledger.policy import can_edit_exchange_rates
from app.ledger.rate_files import EURO
from app.ledger.rates import (
    PER_PAGE,
    STALE_AFTER,
    ExchangeRateFacts,
    Wanted,
    add_exchange_rate,
    bases,
    get_exchange_rate,
    get_rate_file,
    list_exchange_rates,
    list_rate_files,
    plan_rates,
    rates_in_use,
    send_rate_file,
    take_rates,
    usual_wish,
    withdraw_exchange_rate,
)

blueprint = guard(Blueprint("exchange_rates", __name__, url_prefix="/settings/exchange-rates"))
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
SHOWN = 50


def _need() -> None:
    if not can_edit_exchange_rates(me()):
        raise NotAllowed("Your role does not set exchange rates.")


def _fresh() -> ExchangeRateForm:
    form = ExchangeRateForm(formdata=None, from_on=clock.today())
    form.id.data = str(form_id(form))
    return form


def _fresh_file() -> RateFileForm:
    form = RateFileForm(formdata=None)
    form.id.data = str(form_id(form))
    return form


def _page(form: ExchangeRateForm | None = None, file_form: RateFileForm | None = None, status: int = 200) -> Answer:
    page = render_template(
        "ledger/rates.html",
        form=_offer(form or _fresh()),
        file_form=file_form or _fresh_file(),
        in_use=rates_in_use(seen_by=me()),
        files=list_rate_files(seen_by=me()),
        stale_days=STALE_AFTER.days,
        rate_example=number(Decimal("0.8512")),
    )
    return page, status


def _offer(form: ExchangeRateForm) -> ExchangeRateForm:
    own = bases()
    form.currency.choices = offers([pair for pair in currencies() if pair[0] not in own or len(own) > 1])
    form.base.choices = offers([(code, code) for code in own])
    return form


@blueprint.get("")
def index() -> Answer:
    _need()
    return _page()


@blueprint.post("")
def create() -> Answer:
    _need()
    form = _offer(ExchangeRateForm())
    rate_id = form_id(form)

    def save() -> None:
        assert form.from_on.data is not None
        facts = ExchangeRateFacts(
            currency=form.currency.data, base=form.base.data, rate=form.rate.data, from_on=form.from_on.data
        )
        add_exchange_rate(rate_id, facts, by=me())

    if submit(form, save):
        said = f"1 {form.currency.data} is {number(form.rate.data)} {form.base.data}"
        return redirect_to(url_for("exchange_rates.index"), said)
    return _page(form, status=422)


@blueprint.get("/history")
def history() -> Answer:
    """Every rate of one pair there ever was, the withdrawn ones too."""
    _need()
    pair = (arg("currency")[:3], arg("base")[:3])
    found = list_exchange_rates(seen_by=me(), pair=pair, limit=PER_PAGE + 1, page=page_number())
    return render_template("ledger/rate_history.html", rates=found[:PER_PAGE], pair=pair, page=page_number(),
                           has_next=len(found) > PER_PAGE)  # fmt: skip


@blueprint.post("/<uuid:rate_id>/withdrawal")
def withdraw(rate_id: UUID) -> Answer:
    rate = get_exchange_rate(rate_id, seen_by=me())
    withdraw_exchange_rate(rate, by=me())
    at = url_for("exchange_rates.history", currency=rate.currency, base=rate.base)
    return redirect_to(at, "Withdrawn; what was posted with it keeps it")


@blueprint.post("/files")
def create_file() -> Answer:
    _need()
    form = RateFileForm()
    file_id = form_id(form)

    def send() -> None:
        upload = form.file.data
        if not upload or not upload.filename:
            raise Refused("Choose a file.", field="file")
        send_rate_file(file_id, upload.filename, upload.read(), by=me())

    if submit(form, send):
        return redirect_to(url_for("exchange_rates.show_file", file_id=file_id))
    form.id.data = str(file_id)
    return _page(file_form=form, status=422)


@blueprint.get("/files/<uuid:file_id>")
def show_file(file_id: UUID) -> Answer:
    """What taking rates from this file would do; nothing is added before somebody says so."""
    sent = get_rate_file(file_id, seen_by=me())
    return _file_page(sent, _wish(request.args) if "choose" in request.args else None)


@blueprint.post("/files/<uuid:file_id>/rates")
def create_rates(file_id: UUID) -> Answer:
    sent, wish = get_rate_file(file_id, seen_by=me()), _wish(request.form)
    try:
        added = take_rates(sent, wish, by=me(), skip_problems="skip" in request.form)
    except Refused as refusal:
        return _file_page(sent, wish, refusal.message), 422
    return redirect_to(url_for("exchange_rates.index"), f"{added:,} {'rate' if added == 1 else 'rates'} added")


def _wish(said: Any) -> Wanted:
    try:
        day = dt.date.fromisoformat(said.get("from", ""))
    except ValueError:
        day = None
    return Wanted(frozenset(code[:3] for code in said.getlist("currency")), day)


def _file_page(sent: RateFile, wish: Wanted | None, problem: str = "") -> str:
    if sent.taken_at is not None:
        wish = Wanted.from_json(sent.wanted)
    plan = plan_rates(sent, wish)
    return render_template(
        "ledger/rate_file.html", sent=sent, plan=plan, problem=problem, shown=SHOWN,
        offered=sorted({*plan.table.currencies, EURO}), usual=usual_wish(plan.table).currencies,
    )  # fmt: skip
