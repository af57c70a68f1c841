"""Tax rates, number series, rounding."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from flask import Blueprint, render_template, url_for

from app.core.clock import today
from app.core.errors import NotFound, Refused
from app.core.ids import new_id, parse_id
from app.core.rounding import BadRounding, RoundingRule
from app.core.web import Answer, form_id, me, redirect_to, submit, unprocessable, version_of
from app.desk.guard import guard
from app.firm.commands import firm as firm_commands
from app.firm.commands import numbers, tax
from app.firm.forms import (
    NewPercentForm,
    RateForm,
    RateWordsForm,
    RoundingForm,
    SeriesForm,
    treatment_words,
)
from app.firm.models import NumberSeries, SeriesKind, TaxRate, percent_words
from app.firm.queries import (
    follows_another,
    get_tax_rate,
    list_all_tax_rates,
    list_entities,
    list_number_series,
    the_firm,
)
from app.firm.views.settings import need_settings
from app.firm.words import reader_country, words_of

blueprint = guard(Blueprint("money", __name__, url_prefix="/settings"))
blueprint.before_request(need_settings)
blueprint.add_app_template_global(percent_words, "percent_words")
blueprint.add_app_template_global(lambda country="": words_of(country or reader_country()), "country_words")
PER_ENTITY = (SeriesKind.INVOICE, SeriesKind.CREDIT_NOTE)
SERIES_WORDS = {
    SeriesKind.INVOICE: "Invoices", SeriesKind.CREDIT_NOTE: "Credit notes", SeriesKind.JOB: "Jobs",
    SeriesKind.CLIENT: "Clients", SeriesKind.ENGAGEMENT: "Engagements",
}


@blueprint.get("/tax-rates")
def tax_rates() -> Answer:
    treatments = treatment_words(reader_country())
    return render_template("firm/tax_rates.html", rates=list_all_tax_rates(), treatments=treatments)


@blueprint.get("/tax-rates/new")
def new_rate() -> Answer:
    return render_template("firm/new_rate.html", form=RateForm(id=new_id()))


@blueprint.post("/tax-rates/new")
def create_rate() -> Answer:
    form = RateForm()
    if submit(form, lambda: tax.create_rate(form_id(form), form.facts(), by=me())):
        return redirect_to(url_for("money.tax_rates"), f"{form.name.data} can be used")
    return unprocessable("firm/new_rate.html", form=form)


@blueprint.get("/tax-rates/<uuid:rate_id>")
def rate(rate_id: UUID) -> Answer:
    return render_template("firm/rate.html", **_rate(get_tax_rate(rate_id)))


@blueprint.post("/tax-rates/<uuid:rate_id>")
def update_rate(rate_id: UUID) -> Answer:
    row, form = get_tax_rate(rate_id), RateWordsForm()
    if submit(form, lambda: tax.update_rate(
        row, by=me(), name=form.name.data or "", legend=form.legend.data or "", version=version_of(form)
    )):
        return redirect_to(url_for("money.tax_rates"), "Saved")
    return unprocessable("firm/rate.html", **_rate(row, words=form))


@blueprint.post("/tax-rates/<uuid:rate_id>/percent")
def change_rate(rate_id: UUID) -> Answer:
    row, form = get_tax_rate(rate_id), NewPercentForm()
    if submit(form, lambda: tax.change_rate(
        row, form.percent.data or Decimal(0), form.from_on.data or today(), by=me(),
        name=form.new_name.data or "",
    )):
        return redirect_to(url_for("money.tax_rates"), "The new percentage holds from that date on")
    return unprocessable("firm/rate.html", **_rate(row, percent=form))


@blueprint.post("/tax-rates/<uuid:rate_id>/default")
def make_default(rate_id: UUID) -> Answer:
    tax.make_default(get_tax_rate(rate_id), by=me())
    return redirect_to(url_for("money.tax_rates"), "This is the usual rate now")


@blueprint.post("/tax-rates/<uuid:rate_id>/archive")
def archive_rate(rate_id: UUID) -> Answer:
    tax.archive_rate(get_tax_rate(rate_id), by=me())
    return redirect_to(url_for("money.tax_rates"), "Archived")


@blueprint.post("/tax-rates/<uuid:rate_id>/restoration")
def restore_rate(rate_id: UUID) -> Answer:
    tax.restore_rate(get_tax_rate(rate_id), by=me())
    return redirect_to(url_for("money.tax_rates"), "It can be used again")


@blueprint.post("/tax-rates/<uuid:rate_id>/withdrawal")
def withdraw_rate(rate_id: UUID) -> Answer:
    before = tax.withdraw_rate(get_tax_rate(rate_id), by=me())
    return redirect_to(url_for("money.rate", rate_id=before.id), f"{before.name} holds on as before")


@blueprint.get("/numbers")
def series() -> Answer:
    return render_template("firm/numbers.html", rows=_series(), spelled=numbers.spelled)


@blueprint.get("/numbers/<kind>/<entity>")
def one_series(kind: str, entity: str) -> Answer:
    label, row = _found_series(kind, entity)
    return render_template("firm/series.html", form=SeriesForm(obj=row), label=label)


@blueprint.post("/numbers/<kind>/<entity>")
def update_series(kind: str, entity: str) -> Answer:
    label, row = _found_series(kind, entity)
    form = SeriesForm()
    if submit(form, lambda: numbers.set_series(
        row.kind, row.entity_id, prefix=form.prefix.data or "", padding=form.padding.data or 0,
        next_value=form.next_value.data or 0, by=me(),
    )):
        return redirect_to(url_for("money.series"), "Saved")
    return unprocessable("firm/series.html", form=form, label=label)


@blueprint.get("/rounding")
def rounding() -> Answer:
    rule = _rule()
    form = RoundingForm(mode=rule.mode.value, increment=rule.increment, minimum=rule.minimum, per=rule.per.value)
    return render_template("firm/rounding.html", form=form, rule=rule)


@blueprint.post("/rounding")
def update_rounding() -> Answer:
    form = RoundingForm()

    def change() -> None:
        try:
            firm_commands.set_rounding(the_firm(), form.rule(), by=me())
        except BadRounding as error:
            raise Refused(str(error), field="increment") from error

    if submit(form, change):
        return redirect_to(url_for("money.rounding"), "Saved")
    return unprocessable("firm/rounding.html", form=form, rule=_rule())


def _rule() -> RoundingRule:
    stored = the_firm().rounding
    return RoundingRule.from_json(stored) if stored else RoundingRule()


def _rate(row: TaxRate, *, words: RateWordsForm | None = None, percent: NewPercentForm | None = None) -> dict[str, Any]:
    return {
        "rate": row, "words": words or RateWordsForm(formdata=None, obj=row),
        "treatments": treatment_words(reader_country()),
        "percent": percent or NewPercentForm(formdata=None), "can_withdraw": follows_another(row), "today": today(),
    }


def _series() -> list[tuple[str, NumberSeries]]:
    """Every series with its label, those that have not begun as they will."""
    known = {(row.kind, row.entity_id): row for row in list_number_series()}
    entities = list_entities()
    found: list[tuple[str, NumberSeries]] = []
    for kind, words in SERIES_WORDS.items():
        for entity in entities if kind in PER_ENTITY else [None]:
            entity_id = entity.id if entity else None
            fresh = NumberSeries(kind=kind, entity_id=entity_id, prefix=numbers.PREFIXES[kind], next_value=1, padding=5)
            label = f"{words} of {entity.name}" if entity and len(entities) > 1 else words
            found.append((label, known.get((kind, entity_id), fresh)))
    return found


def _found_series(kind: str, entity: str) -> tuple[str, NumberSeries]:
    entity_id = parse_id(entity)
    for label, row in _series():
        if row.kind == kind and row.entity_id == entity_id:
            return label, row
    raise NotFound()
