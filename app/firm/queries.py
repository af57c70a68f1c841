"""Reading the firm: its facts on every page, its entities, offices, rates and calendars."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import contains_eager

from app.core.clock import today
from app.core.db import db, get_or_404, rows_in_one
from app.core.errors import NotFound
from app.firm.models import Closure, Entity, Firm, NumberSeries, Office, TaxCode, TaxRate


@dataclass(frozen=True)
class FirmFacts:
    """What every page of both doors shows of the firm; `country` is that of its first entity."""

    id: UUID
    name: str
    zone: str
    accent: str
    logo_key: str | None
    require_totp: bool
    version: int
    country: str

    @property
    def logo_url(self) -> str:
        """Where the logo is served, or nothing; the address changes with the picture."""
        return f"/logo/{self.logo_key.removeprefix('kept/logo-')}" if self.logo_key else ""


_MAIN_COUNTRY = sa.select(Entity.country).order_by(Entity.created_at, Entity.id).limit(1)
FACTS = (
    Firm.id, Firm.name, Firm.zone, Firm.accent, Firm.logo_key, Firm.require_totp, Firm.version,
    sa.func.coalesce(_MAIN_COUNTRY.correlate(None).scalar_subquery(), "GB").label("main_country"),
)  # fmt: skip


def get_firm_facts() -> FirmFacts | None:
    """The firm, or None while it has not been set up."""
    row = db.session.execute(sa.select(*FACTS).where(Firm.set_up_at.is_not(None))).one_or_none()
    return FirmFacts(*row) if row else None


def get_firm() -> Firm | None:
    return db.session.scalar(sa.select(Firm))


def main_country() -> str:
    """The country (ISO 3166) of the firm's first entity."""
    return db.session.scalar(_MAIN_COUNTRY) or ""


def list_entities() -> Sequence[Entity]:
    return db.session.scalars(sa.select(Entity).where(Entity.archived_at.is_(None)).order_by(Entity.name)).all()


_OWN_CURRENCY = sa.select(Entity.currency).where(Entity.archived_at.is_(None)).order_by(Entity.name).limit(1)


def own_currency() -> str:
    """The currency of the firm's first entity: of what is priced before anybody says for whom."""
    return db.session.scalars(_OWN_CURRENCY).one()


def own_currency_value() -> sa.ScalarSelect[str]:
    """The same as one value of a larger question."""
    return _OWN_CURRENCY.scalar_subquery()


_OFFICES = sa.select(Office).where(Office.archived_at.is_(None)).order_by(Office.name)
_OFFICE_NAMES = sa.select(Office.id, Office.name).where(Office.archived_at.is_(None)).order_by(Office.name)


def list_offices() -> Sequence[Office]:
    return db.session.scalars(_OFFICES).all()


@dataclass(frozen=True)
class OfficeName:
    """An office to choose in a filter."""

    id: UUID
    name: str


def office_names() -> sa.ScalarSelect[list[dict[str, Any]]]:
    """The offices to choose from as one value of a larger question: `as_offices` reads it."""
    return rows_in_one(_OFFICE_NAMES)


def as_offices(rows: list[dict[str, Any]]) -> list[OfficeName]:
    return [OfficeName(UUID(row["id"]), row["name"]) for row in rows]


_TODAY = sa.bindparam("today", type_=sa.Date())
_OFFERED = (
    TaxRate.archived_at.is_(None), TaxCode.archived_at.is_(None), TaxRate.from_on <= _TODAY,
    sa.or_(TaxRate.to_on.is_(None), TaxRate.to_on > _TODAY),
)
_BY_PERCENT = (TaxRate.percent.desc(), TaxRate.name)
_TAX_RATES = (
    sa.select(TaxRate)
    .join(TaxCode, TaxCode.code == TaxRate.code)
    .where(*_OFFERED)
    .order_by(*_BY_PERCENT)
    .options(contains_eager(TaxRate.of))
)


def list_tax_rates() -> Sequence[TaxRate]:
    """The rates to choose from today, one of each code."""
    return db.session.scalars(_TAX_RATES, {"today": today()}).all()


_TAX_NAMES = (
    sa.select(TaxRate.code, TaxRate.name)
    .join(TaxCode, TaxCode.code == TaxRate.code)
    .where(*_OFFERED)
    .order_by(*_BY_PERCENT)
)


def tax_names() -> sa.ScalarSelect[list[dict[str, Any]]]:
    """The codes to choose from on a day, the parameter `today`, with their rates' names: one value of a larger
    question."""
    return rows_in_one(_TAX_NAMES)


def the_firm() -> Firm:
    """The firm's row, for changing it."""
    firm = get_firm()
    if firm is None:
        raise NotFound()
    return firm


def get_entity(entity_id: UUID) -> Entity:
    return get_or_404(sa.select(Entity).where(Entity.id == entity_id))


def get_office(office_id: UUID) -> Office:
    return get_or_404(sa.select(Office).where(Office.id == office_id))


def get_tax_rate(rate_id: UUID) -> TaxRate:
    return get_or_404(sa.select(TaxRate).where(TaxRate.id == rate_id))


def get_closure(closure_id: UUID) -> Closure:
    return get_or_404(sa.select(Closure).where(Closure.id == closure_id))


def list_all_tax_rates() -> Sequence[TaxRate]:
    """Every rate there ever was by code: those in use first, the usual one at their head, the newest of each first."""
    return db.session.scalars(
        sa.select(TaxRate)
        .join(TaxCode, TaxCode.code == TaxRate.code)
        .order_by(
            TaxCode.archived_at.is_not(None), TaxCode.is_default.desc(),
            sa.func.max(TaxRate.percent).over(partition_by=TaxRate.code).desc(), TaxRate.code,
            TaxRate.archived_at.is_not(None), TaxRate.from_on.desc(),
        )
        .options(contains_eager(TaxRate.of))
    ).all()


def follows_another(rate: TaxRate) -> bool:
    """Whether a rate is the last of its code and came after another: then it can be taken back."""
    if rate.to_on is not None or rate.archived_at is not None:
        return False
    before = sa.exists().where(
        TaxRate.code == rate.code, TaxRate.to_on == rate.from_on, TaxRate.archived_at.is_(None)
    )
    return bool(db.session.scalar(sa.select(before)))


def list_closures() -> Sequence[Closure]:
    return db.session.scalars(sa.select(Closure).order_by(Closure.closed_on.desc())).all()


def closures_of(office_id: UUID | None) -> list[dt.date]:
    """The days on which an office is closed beside the public holidays: its own and the whole firm's."""
    statement = sa.select(Closure.closed_on).where(
        sa.or_(Closure.office_id.is_(None), Closure.office_id == office_id)
    )
    return list(db.session.scalars(statement))


def list_number_series() -> Sequence[NumberSeries]:
    return db.session.scalars(sa.select(NumberSeries)).all()
