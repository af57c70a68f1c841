"""Finding bills by their number as people say it: INV-465 for INV-00465."""

from __future__ import annotations

import re

import sqlalchemy as sa

from app.billing.models import Invoice
from app.clients.queries import escape_like
from app.firm.models import Entity, NumberSeries

_ENDS_IN_DIGITS = re.compile(r"(.*?)0*([0-9]{1,12})", re.DOTALL)


def number_found(text: str) -> sa.ColumnElement[bool]:
    """Bills whose number begins with the text, or is it but for noughts, spaces and signs."""
    typed = " ".join(text.upper().split())
    if not typed:
        return sa.false()
    # By entity, since numbers are unique there: each half finds its bills on that index.
    begins = sa.select(Invoice.id).join(Entity, Entity.id == Invoice.entity_id).where(
        Invoice.number.like(escape_like(typed) + "%")
    )
    parts = _ENDS_IN_DIGITS.fullmatch(typed)
    if not parts:
        return Invoice.id.in_(begins)
    prefix, digits = "".join(filter(str.isalnum, parts[1])), parts[2]
    plain = sa.func.regexp_replace(sa.func.upper(NumberSeries.prefix), "[^[:alnum:]]", "", "g")
    padded = sa.func.lpad(digits, sa.func.greatest(NumberSeries.padding, len(digits)), "0")
    whole = sa.select(Invoice.id).join(NumberSeries, sa.and_(
        NumberSeries.entity_id == Invoice.entity_id, NumberSeries.prefix + padded == Invoice.number
    )).where(plain == prefix if prefix else sa.true())
    return Invoice.id.in_(sa.union(begins, whole))
