"""What an issued bill says, fixed on the day: the PDF is made from this alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import joinedload

from app.billing.amounts import TaxedLine, tax_summary
from app.billing.models import Invoice, InvoiceLine
from app.clients.models import Client
from app.core.db import db
from app.firm.models import Entity
from app.ledger.models import ExchangeRate
from app.ledger.queries import Exchange


def facts_of(invoice: Invoice, lines: Sequence[InvoiceLine], payer: Client, entity: Entity) -> dict[str, Any]:
    """Everything that the invoice prints."""
    taxed = [TaxedLine(line.net, line.tax_treatment, line.tax_percent) for line in lines]
    sums = tax_summary(taxed, [line.tax for line in lines])
    return {
        "kind": invoice.kind.value,
        "number": invoice.number,
        "currency": invoice.currency,
        "issued_on": str(invoice.issued_on),
        "due_on": str(invoice.due_on),
        "note": invoice.note,
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
        "lines": [
            {
                "description": line.description,
                "quantity": format(line.quantity.normalize(), "f"),
                "unit_price": str(line.unit_price),
                "net": str(line.net),
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
