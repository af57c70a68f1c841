"""Reading the firm: its facts on every page, its entities, offices, rates and calendars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from app.core.db import db
from app.firm.models import Entity, Firm, Office, TaxRate


@dataclass(frozen=True)
class FirmFacts:
    """What every page of both doors shows of the firm."""

    id: UUID
    name: str
    zone: str
    accent: str
    logo_key: str | None
    require_totp: bool
    version: int


def get_firm_facts() -> FirmFacts | None:
    """The firm, or None while it has not been set up."""
    row = db.session.execute(
        sa.select(Firm.id, Firm.name, Firm.zone, Firm.accent, Firm.logo_key, Firm.require_totp, Firm.version)
        .where(Firm.set_up_at.is_not(None))
    ).one_or_none()
    return FirmFacts(*row) if row else None


def get_firm() -> Firm | None:
    return db.session.scalar(sa.select(Firm))


def list_entities() -> Sequence[Entity]:
    return db.session.scalars(sa.select(Entity).where(Entity.archived_at.is_(None)).order_by(Entity.name)).all()


def list_offices() -> Sequence[Office]:
    return db.session.scalars(sa.select(Office).where(Office.archived_at.is_(None)).order_by(Office.name)).all()


def list_tax_rates() -> Sequence[TaxRate]:
    return db.session.scalars(
        sa.select(TaxRate).where(TaxRate.archived_at.is_(None)).order_by(TaxRate.percent.desc(), TaxRate.name)
    ).all()
