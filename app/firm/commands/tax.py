"""Rates of tax: each with the dates for which it holds; a new percentage is a new row, the old one stays readable."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

import sqlalchemy as sa

from app.activity.changes import apply_values
from app.activity.commands import record
from app.core.actors import Actor
from app.core.clock import now
from app.core.db import check_version, db, take_turn, transaction
from app.core.errors import Refused
from app.core.permissions import authorize
from app.firm.commands.firm import check_name
from app.firm.countries import UsualRate
from app.firm.models import TaxRate, TaxTreatment, percent_words
from app.firm.policy import can_edit_settings


@dataclass(frozen=True, kw_only=True)
class RateFacts:
    """What a line of an invoice takes over from a rate."""

    code: str
    name: str
    treatment: TaxTreatment
    percent: Decimal = Decimal(0)
    legend: str = ""
    from_on: dt.date = dt.date(2000, 1, 1)


def create_rate(rate_id: UUID, facts: RateFacts, *, by: Actor) -> TaxRate:
    authorize(by, can_edit_settings)
    code = _checked(facts)
    take_turn(f"firm.tax_rate {code}")
    existing = db.session.get(TaxRate, rate_id)
    if existing is not None:
        return existing
    if db.session.scalar(sa.select(sa.exists().where(TaxRate.code == code, TaxRate.archived_at.is_(None)))):
        raise Refused(f"There is a rate {code} already; change its percentage from a date on.", field="code")
    with transaction() as session:
        rate = TaxRate(
            id=rate_id, code=code, name=check_name(facts.name), treatment=facts.treatment, percent=facts.percent,
            legend=facts.legend.strip()[:300], from_on=facts.from_on, is_default=not _has_default(),
        )
        session.add(rate)
        record("firm.tax_rate.create", rate, by=by, name=rate.name, percent=rate.percent)
    return rate


def update_rate(rate: TaxRate, *, by: Actor, name: str, legend: str, version: int | None = None) -> None:
    """Its words only; what it charges changes from a date on, by change_rate."""
    authorize(by, can_edit_settings)
    with transaction():
        check_version(rate, version)
        changes = apply_values(rate, name=check_name(name), legend=legend.strip()[:300])
        if changes:
            record("firm.tax_rate.update", rate, by=by, name=rate.name, changes=changes)


def change_rate(rate: TaxRate, percent: Decimal, from_on: dt.date, *, by: Actor, name: str = "") -> TaxRate:
    """A new percentage from a date on: the present row ends on that date, a new one of the same code begins."""
    authorize(by, can_edit_settings)
    if rate.treatment is not TaxTreatment.STANDARD:
        raise Refused("Only a rate that charges tax has a percentage.", field="percent")
    if rate.to_on is not None or rate.archived_at is not None:
        raise Refused("This rate has ended already; change the one that follows it.")
    if from_on <= rate.from_on:
        raise Refused("The new percentage must begin after the present one did.", field="from_on")
    _check_percent(percent)
    with transaction() as session:
        was_default, rate.is_default, rate.to_on = rate.is_default, False, from_on
        rate.version += 1
        session.flush()
        following = TaxRate(
            code=rate.code, name=check_name(name or _renamed(rate, percent)), treatment=rate.treatment,
            percent=percent, legend=rate.legend, from_on=from_on, is_default=was_default,
        )
        session.add(following)
        record("firm.tax_rate.change", following, by=by, name=following.name, former=rate.id, from_on=from_on,
               changes={"percent": [rate.percent, percent]})
    return following


def make_default(rate: TaxRate, *, by: Actor) -> None:
    """What a new engagement's lines are taxed with, unless it says otherwise."""
    authorize(by, can_edit_settings)
    if rate.archived_at is not None or rate.to_on is not None:
        raise Refused("This rate has ended.")
    with transaction() as session:
        if rate.is_default:
            return
        session.execute(sa.update(TaxRate).where(TaxRate.is_default).values(is_default=False))
        rate.is_default = True
        record("firm.tax_rate.choose", rate, by=by, name=rate.name)


def archive_rate(rate: TaxRate, *, by: Actor) -> None:
    """No longer offered; invoices that used it keep it."""
    authorize(by, can_edit_settings)
    if rate.is_default:
        raise Refused("This is the usual rate. Make another one the usual one first.")
    with transaction():
        if rate.archived_at is None:
            rate.archived_at = now()
            record("firm.tax_rate.archive", rate, by=by, name=rate.name)


def create_usual_rates(rates: list[UsualRate], *, by: Actor) -> list[TaxRate]:
    """The rates that setup begins with; the first is the usual one."""
    authorize(by, can_edit_settings)
    with transaction() as session:
        made = [
            TaxRate(code=r.code, name=r.name, treatment=r.treatment, percent=r.percent, legend=r.legend,
                    is_default=number == 0)
            for number, r in enumerate(rates)
        ]
        session.add_all(made)
        for rate in made:
            record("firm.tax_rate.create", rate, by=by, name=rate.name, percent=rate.percent)
    return made


def _checked(facts: RateFacts) -> str:
    code = facts.code.strip().upper()
    if not 1 <= len(code) <= 12 or not code.replace(".", "").replace("-", "").isalnum():
        raise Refused("A code has up to 12 letters and digits, such as S20.", field="code")
    if facts.treatment is TaxTreatment.STANDARD:
        _check_percent(facts.percent)
    elif facts.percent:
        raise Refused("Only a rate that charges tax has a percentage.", field="percent")
    return code


def _check_percent(percent: Decimal) -> None:
    if not 0 <= percent < 100 or percent != round(percent, 4):
        raise Refused("Between 0 and 100, with at most four decimals.", field="percent")


def _renamed(rate: TaxRate, percent: Decimal) -> str:
    return rate.name.replace(percent_words(rate.percent), percent_words(percent))


def _has_default() -> bool:
    return bool(db.session.scalar(sa.select(sa.exists().where(TaxRate.is_default))))
