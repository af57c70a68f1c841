"""What an issued bill says, fixed on the day: the PDF is made from this alone."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import joinedload

from app.billing.amounts import TaxedLine, tax_summary
from app.billing.commands.taxes import behind_lines
from app.billing.models import Invoice, InvoiceLine
from app.clients.models import Client, Engagement
from app.core.db import db
from app.firm.models import Entity
from app.ledger.models import ExchangeRate
from app.ledger.queries import Exchange

ADJUSTED = ("allowance", "allowance_reason", "charge", "charge_reason")
TOLD = ("supplied_from", "entry", "disbursement")


def facts_of(invoice: Invoice, lines: Sequence[InvoiceLine], payer: Client, entity: Entity) -> dict[str, Any]:
    """Everything that the invoice prints."""
    taxed = [TaxedLine(line.net, line.tax_treatment, line.tax_percent) for line in lines]
    sums = tax_summary(taxed, [line.tax for line in lines])
    behind = _behind(invoice, lines)
    return {
        "kind": invoice.kind.value,
        "number": invoice.number,
        "currency": invoice.currency,
        "issued_on": str(invoice.issued_on),
        "due_on": str(invoice.due_on),
        "note": invoice.note,
        "grouping": invoice.grouping.value,
        "engagements": _engagements(lines),
        **{name: str(getattr(invoice, name)) for name in (*ADJUSTED, "prepaid")},
        "seller": {
            "name": entity.name,
            "address": entity.address,
            "country": entity.country,
            "tax_number": entity.tax_number,
            "registration_number": entity.registration_number,
            "bank": {
                "name": entity.bank_name,
                "iban": entity.iban,
                "bic": entity.bic,
                "account_number": entity.account_number,
                "sort_code": entity.sort_code,
            },
        },
        "buyer": {
            "name": payer.legal_name or payer.name,
            "code": payer.code,
            "address": payer.address,
            "country": payer.country or "",
            "tax_number": payer.tax_number,
            "language": payer.language,
        },
        **_for_whom(invoice, payer),
        "lines": [
            {
                "kind": line.kind.value,
                "engagement": str(line.engagement_id or ""),
                "description": line.description,
                "supplied_on": str(line.supplied_on),
                **behind.get(line.id, {}),
                "quantity": format(line.quantity.normalize(), "f"),
                "unit": line.unit.value,
                "unit_price": str(line.unit_price),
                "net": str(line.net),
                **{name: str(getattr(line, name)) for name in ADJUSTED},
                "tax_code": line.tax_code,
                "tax_category": line.tax_category,
                "tax_percent": format(line.tax_percent.normalize(), "f"),
                "tax_treatment": line.tax_treatment.value,
                "tax_legend": line.tax_legend,
                "tax": str(line.tax),
            }
            for line in lines
        ],
        "taxes": [
            {
                "treatment": s.treatment.value,
                "percent": format(s.percent.normalize(), "f"),
                "net": str(s.net),
                "tax": str(s.tax),
            }
            for s in sums
        ],
        "legends": sorted({line.tax_legend for line in lines if line.tax_legend}),
        "net": str(invoice.net),
        "tax": str(invoice.tax),
        "gross": str(invoice.gross),
    }


def _for_whom(invoice: Invoice, payer: Client) -> dict[str, Any]:
    """The client that the work was for, where somebody else pays."""
    if invoice.client_id == payer.id:
        return {}
    client = db.session.get_one(Client, invoice.client_id)
    return {"for": {"name": client.legal_name or client.name, "code": client.code}}


def _engagements(lines: Sequence[InvoiceLine]) -> list[dict[str, str]]:
    """What is billed, in the order of the lines."""
    wanted = list(dict.fromkeys(line.engagement_id for line in lines if line.engagement_id))
    rows = {row.id: row for row in db.session.scalars(sa.select(Engagement).where(Engagement.id.in_(wanted)))}
    return [{"id": str(row.id), "number": row.number, "name": row.name} for row in map(rows.__getitem__, wanted)]


def _behind(invoice: Invoice, lines: Sequence[InvoiceLine]) -> dict[UUID, dict[str, Any]]:
    """From when on each line's work was done; and of a line of one entry who worked when, and how long.

    A credit note says of its lines what their bill said.
    """
    if invoice.credits_id is not None:
        bill = db.session.get_one(Invoice, invoice.credits_id)
        told = (bill.facts or {}).get("lines", [])
        credited = db.session.scalars(
            sa.select(InvoiceLine.id)
            .where(InvoiceLine.invoice_id == bill.id)
            .order_by(InvoiceLine.position, InvoiceLine.id)
        ).all()
        said = dict(zip(credited, told, strict=False))
        return {
            line.id: {name: said[line.credited_line_id][name] for name in TOLD if name in said[line.credited_line_id]}
            for line in lines
            if line.credited_line_id in said
        }
    found: dict[UUID, dict[str, Any]] = {}
    for line_id, taken in behind_lines(invoice).items():
        items = [item for item in taken if item.billed or not item.carried]  # what is only carried is no part of it
        if not items:
            continue
        found[line_id] = {"supplied_from": str(items[0].worked_on)}
        if any(item.is_disbursement for item in items):
            found[line_id]["disbursement"] = True
        if len(items) == 1:
            only = items[0]
            hours = only.charged and str(round(Decimal(int(only.charged.total_seconds())) / 3600, 6))
            found[line_id]["entry"] = {"on": str(only.worked_on), "person": only.person, "hours": hours or ""}
    return found


def exchange_facts(entity: Entity, exchange: Exchange) -> dict[str, Any]:
    """What one unit of the bill's currency was worth in the entity's own, from when, and who says so."""
    if exchange.rate_id is None:
        return {"exchange": None}
    rate = db.session.get_one(ExchangeRate, exchange.rate_id, options=[joinedload(ExchangeRate.person)])
    return {
        "exchange": {
            "rate": format(rate.rate.normalize(), "f"),
            "base": entity.currency,
            "from_on": str(rate.from_on),
            "source": rate.said_by,
        }
    }
