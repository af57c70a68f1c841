"""The product's own figures, read by plain SQL."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.core.db import db

ZERO = Fraction(0)
_ITEMS = """
    SELECT id, 'time_entry' AS kind, client_id, engagement_id, job_id, worked_on, billable, state,
           deleted_at IS NOT NULL AS deleted, value, written, billed, open_value,
           recorded AS seconds, charged, rate, currency
    FROM time_entry
    UNION ALL
    SELECT id, 'expense', client_id, engagement_id, job_id, worked_on, billable, state,
           deleted_at IS NOT NULL, value, written, billed, open_value, 0, 0, 0, currency
    FROM expense
"""
_POSTED = """
    SELECT p.account, t.kind, t.posted_on, p.currency, p.client_id, p.engagement_id, p.item_id, p.invoice_id,
           p.payment_id, p.aged_on, p.entity_id, sum(p.amount) AS amount
    FROM posting p JOIN ledger_transaction t ON t.id = p.transaction_id
    WHERE t.id > :after
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
"""
_BALANCED = """
    SELECT transaction_id, currency FROM posting GROUP BY 1, 2 HAVING sum(amount) <> 0
    UNION ALL SELECT transaction_id, '' FROM posting GROUP BY 1 HAVING sum(base_amount) <> 0
"""
_KEPT = """
    SELECT 'balance' AS kept, account, currency, client_id, sum(amount) AS amount FROM balance GROUP BY 1, 2, 3, 4
    UNION ALL
    SELECT 'client', account, currency, client_id, sum(amount) FROM client_balance GROUP BY 1, 2, 3, 4
    UNION ALL
    SELECT 'account', account, currency, CAST(NULL AS uuid), sum(amount) FROM account_balance GROUP BY 1, 2, 3, 4
"""
_HASH = """
    SELECT md5(string_agg(concat_ws('|', t.id, t.kind, t.posted_on, t.happened_on, p.line, p.account, p.amount,
                                    p.currency, p.base_amount, p.client_id, p.engagement_id, p.invoice_id,
                                    p.payment_id, p.item_id),
                          ',' ORDER BY t.id, p.line))
    FROM ledger_transaction t JOIN posting p ON p.transaction_id = t.id
"""
WIP, AGED = ("wip", "wip_memo"), ("receivable", "credit")
OTHERS = ("receivable", "revenue", "recovered", "tax", "bank", "credit")


@dataclass
class Figures:
    """Everything that the book has a figure for."""

    items: dict[UUID, Any]
    journal: dict[tuple[Any, ...], Fraction]
    bills: dict[UUID, Any]
    lines: dict[UUID, list[Any]]
    rows: dict[UUID, dict[UUID, Any]]
    payments: dict[UUID, Any]
    parts: dict[tuple[UUID, UUID], Fraction]
    kept: dict[tuple[str, str, str], dict[UUID | None, Fraction]]
    unbalanced: list[Any]


spelled = lru_cache(maxsize=None)(sa.text)


def asked(statement: str, **values: Any) -> list[Any]:
    return list(db.session.connection().execute(spelled(statement), values).all())


def read_items() -> dict[UUID, Any]:
    return {row.id: row for row in asked(_ITEMS)}


def fraction(amount: Decimal | int | None) -> Fraction:
    return Fraction(amount or 0)


def standing_writes(item: UUID, engagement: UUID, day: Any, amount: Decimal) -> list[Any]:
    """What was written on or off an item by hand, so much, where it stood then, and not taken back."""
    return asked(
        """
        SELECT t.id FROM ledger_transaction t JOIN posting p ON p.transaction_id = t.id AND p.account = 'wip'
        WHERE p.item_id = :item AND t.kind IN ('written_on', 'written_off') AND t.source_kind <> 'invoice'
          AND p.engagement_id = :engagement AND p.aged_on = :day AND p.amount = :amount AND t.reverses_id IS NULL
          AND NOT EXISTS (SELECT FROM ledger_transaction r WHERE r.reverses_id = t.id)
        ORDER BY t.id
        """,
        item=item, engagement=engagement, day=day, amount=amount,
    )  # fmt: skip


def read(after: int = 0) -> Figures:
    """Read it all; postings of transactions after a given one."""
    db.session.flush()
    journal: dict[tuple[Any, ...], Fraction] = defaultdict(lambda: ZERO)
    for p in asked(_POSTED, after=after):
        if p.account in WIP:
            key: tuple[Any, ...] = (
                p.account,
                p.kind,
                p.posted_on,
                p.currency,
                p.client_id,
                p.engagement_id,
                p.item_id,
                p.entity_id,
                p.aged_on,
            )
        else:
            aged_on = p.aged_on if p.account in AGED else None
            key = p.account, p.posted_on, p.currency, p.client_id, p.invoice_id, p.payment_id, aged_on
        journal[key] += fraction(p.amount)
    lines: dict[UUID, list[Any]] = defaultdict(list)
    for line in asked("SELECT * FROM invoice_line ORDER BY invoice_id, position, id"):
        lines[line.invoice_id].append(line)
    rows: dict[UUID, dict[UUID, Any]] = defaultdict(dict)
    for row in asked("SELECT * FROM invoice_item"):
        rows[row.invoice_id][row.item_id] = row
    parts: dict[tuple[UUID, UUID], Fraction] = defaultdict(lambda: ZERO)
    for part in asked("SELECT payment_id, invoice_id, amount FROM allocation WHERE reversed_at IS NULL"):
        parts[part.payment_id, part.invoice_id] += fraction(part.amount)
    kept: dict[tuple[str, str, str], dict[UUID | None, Fraction]] = defaultdict(dict)
    for row in asked(_KEPT):
        if row.amount:
            kept[row.kept, row.account, row.currency][row.client_id] = fraction(row.amount)
    return Figures(
        read_items(),
        journal,
        {row.id: row for row in asked("SELECT * FROM invoice")},
        lines, rows,
        {row.id: row for row in asked("SELECT * FROM payment")},
        parts, kept, asked(_BALANCED),
    )  # fmt: skip


def closed_hash(entity: UUID, through: Any) -> str:
    """One hash over every posting of an entity dated up to a day."""
    return str(
        asked(_HASH + " WHERE p.entity_id = :entity AND t.posted_on <= :through", entity=entity, through=through)[0][0]
    )
