"""Tax by code: a new percentage is a new rate of the code from a date on, the old one stays readable."""

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
from app.core.db import check_version, db, transaction
from app.core.errors import Refused
from app.core.locking import take_turn
from app.core.once import digest_of, made_before
from app.core.permissions import authorize
from app.firm.commands.firm import check_name
from app.firm.countries import UsualRate
from app.firm.models import TaxCode, TaxRate, TaxTreatment, percent_words
from app.firm.policy import can_edit_settings


@dataclass(frozen=True, kw_only=True)
class RateFacts:
    """A code with its first rate."""

    code: str
    name: str
    treatment: TaxTreatment
    percent: Decimal = Decimal(0)
    legend: str = ""
    from_on: dt.date = dt.date(2000, 1, 1)


def create_rate(rate_id: UUID, facts: RateFacts, *, by: Actor) -> TaxRate:
    """A new code with what it charges."""
    authorize(by, can_edit_settings)
    code = _checked(facts)
    take_turn(f"firm.tax_rate {code}")
    said = digest_of(facts)
    existing = made_before(TaxRate, rate_id, said)
    if existing is not None:
        return existing
    known = db.session.get(TaxCode, code)
    if known is not None and known.archived_at is None:
        raise Refused(f"There is a rate {code} already; change its percentage from a date on.", field="code")
    if known is not None:
        raise Refused(f"{code} is archived; take it back into use, or give this one another code.", field="code")
    with transaction():
        rate = _add(rate_id, code, facts, is_default=not _has_default())
        rate.made_from = said
        record("firm.tax_rate.create", rate, by=by, name=rate.name, percent=rate.percent)
    return rate


def _add(rate_id: UUID | None, code: str, facts: RateFacts | UsualRate, *, is_default: bool) -> TaxRate:
    of = TaxCode(code=code, treatment=facts.treatment, is_default=is_default)
    rate = TaxRate(
        code=code, name=check_name(facts.name), treatment=facts.treatment, percent=facts.percent,
        legend=facts.legend.strip()[:300], of=of, **({"id": rate_id} if rate_id else {}),
        **({"from_on": facts.from_on} if isinstance(facts, RateFacts) else {}),
    )
    db.session.add_all([of, rate])
    db.session.flush()
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
    """A new percentage from a date on: the present rate ends on that date, a new one of the same code begins."""
    authorize(by, can_edit_settings)
    _check_percent(percent)
    with transaction() as session:
        _lock(rate)
        if rate.treatment is not TaxTreatment.STANDARD:
            raise Refused("Only a rate that charges tax has a percentage.", field="percent")
        if rate.to_on is not None or rate.archived_at is not None or rate.of.archived_at is not None:
            raise Refused("This rate has ended already; change the one that follows it.")
        if from_on <= rate.from_on:
            raise Refused("The new percentage must begin after the present one did.", field="from_on")
        rate.to_on = from_on
        rate.version += 1
        session.flush()
        following = TaxRate(
            code=rate.code, name=check_name(name or _renamed(rate, percent)), treatment=rate.treatment,
            percent=percent, legend=rate.legend, from_on=from_on, of=rate.of,
        )
        session.add(following)
        session.flush()
        record("firm.tax_rate.change", following, by=by, name=following.name, former=rate.id, from_on=from_on,
               changes={"percent": [rate.percent, percent]})
    return following


def withdraw_rate(rate: TaxRate, *, by: Actor) -> TaxRate:
    """Take a mistaken percentage back: the one before it holds on, as if it had never ended. Returns that one.

    What was issued meanwhile keeps what it says.
    """
    authorize(by, can_edit_settings)
    with transaction() as session:
        _lock(rate)
        before = session.scalar(sa.select(TaxRate).where(
            TaxRate.code == rate.code, TaxRate.to_on == rate.from_on, TaxRate.archived_at.is_(None)
        ))
        if rate.archived_at is not None or before is None:
            raise Refused("Only a percentage that followed another one can be taken back.")
        if rate.to_on is not None:
            raise Refused("Another percentage follows this one; take that back first.")
        rate.archived_at, rate.version = now(), rate.version + 1
        session.flush()
        before.to_on, before.version = rate.to_on, before.version + 1
        session.flush()
        record("firm.tax_rate.withdraw", before, by=by, name=rate.name, former=rate.id, from_on=rate.from_on)
        return before


def make_default(rate: TaxRate, *, by: Actor) -> None:
    """What is taxed with this code unless something says otherwise."""
    authorize(by, can_edit_settings)
    if rate.archived_at is not None or rate.of.archived_at is not None:
        raise Refused("This rate has ended.")
    with transaction() as session:
        if rate.of.is_default:
            return
        take_turn("firm.tax_code default")
        session.execute(sa.update(TaxCode).where(TaxCode.is_default).values(is_default=False))
        rate.of.is_default = True
        record("firm.tax_rate.choose", rate, by=by, name=rate.name)


def archive_rate(rate: TaxRate, *, by: Actor) -> None:
    """The code is no longer offered; what was issued keeps it, and what refers to it is told to choose another."""
    authorize(by, can_edit_settings)
    if rate.of.is_default:
        raise Refused("This is the usual rate. Make another one the usual one first.")
    with transaction():
        if rate.of.archived_at is None:
            rate.of.archived_at = now()
            record("firm.tax_rate.archive", rate, by=by, name=rate.name)


def restore_rate(rate: TaxRate, *, by: Actor) -> None:
    """The code is offered again, with the rates it had."""
    authorize(by, can_edit_settings)
    with transaction():
        if rate.of.archived_at is not None:
            rate.of.archived_at = None
            record("firm.tax_rate.restore", rate, by=by, name=rate.name)


def create_usual_rates(rates: list[UsualRate], *, by: Actor) -> list[TaxRate]:
    """The rates that setup begins with; the first is the usual one."""
    authorize(by, can_edit_settings)
    with transaction():
        made = [_add(None, usual.code, usual, is_default=number == 0) for number, usual in enumerate(rates)]
        for rate in made:
            record("firm.tax_rate.create", rate, by=by, name=rate.name, percent=rate.percent)
    return made


def _lock(rate: TaxRate) -> None:
    """Whoever changes a code's rates waits for whoever else does."""
    take_turn(f"firm.tax_rate {rate.code}")
    db.session().refresh(rate)


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
    """EN 16931, BR-S-05: what charges tax charges more than nothing; an empty field is not read as nothing."""
    if not percent:
        raise Refused("Give the percentage. What is taxed at nothing is of the kind zero-rated.", field="percent")
    if not 0 < percent < 100 or percent != round(percent, 4):
        raise Refused("Between 0 and 100, with at most four decimals.", field="percent")


def _renamed(rate: TaxRate, percent: Decimal) -> str:
    return rate.name.replace(percent_words(rate.percent), percent_words(percent))


def _has_default() -> bool:
    return bool(db.session.scalar(sa.select(sa.exists().where(TaxCode.is_default))))
