"""What must hold of any firm's money, asked of entries, bills and payments themselves by plain SQL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

_ITEM = """
    SELECT id, client_id, engagement_id, job_id, worked_on, currency, billable, deleted_at, state, value, written,
           billed, open_value FROM time_entry
    UNION ALL
    SELECT id, client_id, engagement_id, job_id, worked_on, currency, billable, deleted_at, state, value, written,
           billed, open_value FROM expense
"""
_WIP = f"""
    SELECT client_id, engagement_id, currency, worked_on AS day, sum(open_value) AS amount FROM ({_ITEM}) item
    GROUP BY 1, 2, 3, 4
"""
_OWED = """
    SELECT payer_id AS client_id, currency, due_on AS day, sum(
        gross - coalesce((SELECT sum(a.amount) FROM allocation a
                          WHERE a.invoice_id = i.id AND a.reversed_at IS NULL), 0)) AS amount
    FROM invoice i WHERE number IS NOT NULL AND kind = 'invoice' AND state <> 'void' GROUP BY 1, 2, 3
"""
_LEFT = """
    SELECT client_id, currency, received_on AS day, -sum(
        amount - coalesce((SELECT sum(a.amount) FROM allocation a
                           WHERE a.payment_id = p.id AND a.reversed_at IS NULL), 0)) AS amount
    FROM payment p WHERE reversed_at IS NULL GROUP BY 1, 2, 3
"""


def _differs(mine: str, theirs: str, *keys: str) -> str:
    """Rows of which the one sum is not the other."""
    named = ", ".join(keys)
    return f"""
        SELECT {named}, coalesce(a.amount, 0) AS mine, coalesce(b.amount, 0) AS theirs
        FROM ({mine}) a FULL JOIN ({theirs}) b USING ({named}) WHERE coalesce(a.amount, 0) <> coalesce(b.amount, 0)
    """


def _kept(account: str, *keys: str) -> str:
    named = ", ".join("aged_on AS day" if key == "day" else key for key in keys)
    groups = ", ".join("aged_on" if key == "day" else key for key in keys)
    return f"SELECT {named}, sum(amount) AS amount FROM balance WHERE account = '{account}' GROUP BY {groups}"


def _posted(account: str, *keys: str) -> str:
    return _kept(account, *keys).replace("FROM balance", "FROM posting")


def _level(key: str, posted: str = "") -> str:
    """Of each job, client or entity: what was recorded, written and billed against what was posted of its items."""
    at = f"coalesce({key}, '00000000-0000-0000-0000-000000000000') AS key"
    return _differs(
        f"""SELECT {at}, item.currency, sum(value + written - billed) AS amount FROM ({_ITEM}) item
            JOIN engagement e ON e.id = item.engagement_id WHERE billable AND deleted_at IS NULL GROUP BY 1, 2""",
        f"""SELECT {at.replace(key, posted or key)}, p.currency, sum(p.amount) AS amount
            FROM posting p JOIN ({_ITEM}) item ON item.id = p.item_id
            JOIN engagement e ON e.id = item.engagement_id WHERE p.account = 'wip' GROUP BY 1, 2""",
        "key", "currency",
    )  # fmt: skip


def _month(day: str) -> str:
    return f"date_trunc('month', CAST({day} AS date)) AS month"


def _posted_in(accounts: str, sign: str = "", condition: str = "true") -> str:
    return f"""
        SELECT p.entity_id, p.currency, {_month("t.posted_on")}, {sign}sum(p.amount) AS amount FROM posting p
        JOIN ledger_transaction t ON t.id = p.transaction_id WHERE p.account IN ({accounts}) AND {condition}
        GROUP BY 1, 2, 3
    """


def _in_months(mine: str, theirs: str) -> str:
    """Of each entity, currency and month."""
    added = f"SELECT entity_id, currency, month, sum(amount) AS amount FROM ({mine}) each GROUP BY 1, 2, 3"
    return _differs(added, theirs, "entity_id", "currency", "month")


_ISSUED = f"""
    SELECT entity_id, currency, {_month("issued_on")},
           CASE kind WHEN 'invoice' THEN gross ELSE -abs(gross) END AS amount
    FROM invoice WHERE number IS NOT NULL
"""
_PUT_ON_BILLS = f"""
    SELECT i.entity_id, i.currency, {_month("a.allocated_on")}, a.amount
    FROM allocation a JOIN invoice i ON i.id = a.invoice_id
    UNION ALL
    SELECT i.entity_id, i.currency, {_month("a.reversed_at")}, -a.amount
    FROM allocation a JOIN invoice i ON i.id = a.invoice_id WHERE a.reversed_at IS NOT NULL
"""

CHECKS: Mapping[str, str] = {
    "a transaction is out of balance": """
        SELECT transaction_id, currency, book, sum(amount), sum(base_amount) FROM posting
        GROUP BY transaction_id, currency, entity_id, book HAVING sum(amount) <> 0 OR sum(base_amount) <> 0
    """,
    "an item is not open by its figures": f"""
        SELECT * FROM ({_ITEM}) item WHERE open_value < 0 OR open_value <>
            CASE WHEN billable AND deleted_at IS NULL THEN value + written - billed ELSE 0 END
    """,
    "an item's movements are not what it has open": f"""
        SELECT i.id, i.open_value, p.amount FROM ({_ITEM}) i LEFT JOIN (
            SELECT item_id, currency, sum(amount) AS amount FROM posting WHERE account = 'wip' GROUP BY 1, 2
        ) p ON (p.item_id, p.currency) = (i.id, i.currency) WHERE i.open_value <> coalesce(p.amount, 0)
    """,
    "an item is not written on and off by what was posted as that": f"""
        SELECT i.id, i.written, p.amount FROM ({_ITEM}) i LEFT JOIN (
            SELECT p.item_id, sum(p.amount) AS amount FROM posting p
            JOIN ledger_transaction t ON t.id = p.transaction_id WHERE p.account = 'wip'
              AND t.kind IN ('written_on', 'written_off') GROUP BY 1
        ) p ON p.item_id = i.id WHERE i.billable AND i.deleted_at IS NULL AND i.written <> coalesce(p.amount, 0)
    """,
    "an item is not billed by what was posted as that": f"""
        SELECT i.id, i.billed, p.amount FROM ({_ITEM}) i LEFT JOIN (
            SELECT p.item_id, -sum(p.amount) AS amount FROM posting p
            JOIN ledger_transaction t ON t.id = p.transaction_id WHERE p.account = 'wip'
              AND t.kind = 'billed' GROUP BY 1
        ) p ON p.item_id = i.id WHERE i.billed <> coalesce(p.amount, 0)
    """,
    "the WIP of a job is not what was recorded, written and billed of its items": _level("job_id"),
    "the WIP of a client is not what was recorded, written and billed of its items": _level("item.client_id"),
    "the WIP of an entity is not what was recorded, written and billed of its items": _level(
        "e.entity_id", "p.entity_id"
    ),
    "what was billed in a month is not its bills and credit notes": _in_months(
        _ISSUED, _posted_in("'revenue', 'recovered', 'tax'", "-")
    ),
    "what was owed more or less after a month is not its bills, credit notes and payments": _in_months(
        f"{_ISSUED} UNION ALL SELECT entity_id, currency, month, -amount FROM ({_PUT_ON_BILLS}) put",
        _posted_in("'receivable'"),
    ),
    "what came in a month is not its payments": _in_months(
        f"""SELECT entity_id, currency, {_month("received_on")}, amount FROM payment UNION ALL
            SELECT entity_id, currency, {_month("reversed_at")}, -amount FROM payment WHERE reversed_at IS NOT NULL""",
        _posted_in("'bank'"),
    ),
    "the work that a month's bills took is not what was posted as that": _in_months(
        f"""SELECT i.entity_id, i.currency, {_month("i.issued_on")}, x.billed AS amount FROM invoice_item x
            JOIN invoice i ON i.id = x.invoice_id WHERE i.number IS NOT NULL""",
        _posted_in("'wip'", "-", "t.kind = 'billed' AND t.reverses_id IS NULL"),
    ),
    "kept WIP is not the open entries": _differs(
        _WIP,
        _kept("wip", "client_id", "engagement_id", "currency", "day"),
        "client_id",
        "engagement_id",
        "currency",
        "day",
    ),
    "posted WIP is not the open entries": _differs(
        _WIP,
        _posted("wip", "client_id", "engagement_id", "currency", "day"),
        "client_id",
        "engagement_id",
        "currency",
        "day",
    ),
    "kept receivables are not the open bills": _differs(
        _OWED, _kept("receivable", "client_id", "currency", "day"), "client_id", "currency", "day"
    ),
    "posted receivables are not the open bills": _differs(
        _OWED, _posted("receivable", "client_id", "currency", "day"), "client_id", "currency", "day"
    ),
    "kept credit is not what is left of payments": _differs(
        _LEFT, _kept("credit", "client_id", "currency", "day"), "client_id", "currency", "day"
    ),
    "a client's sum is not that of the balances": """
        SELECT account, client_id, currency, c.amount, sum(b.amount) FROM client_balance c
        FULL JOIN balance b USING (account, client_id, currency) GROUP BY 1, 2, 3, 4
        HAVING coalesce(c.amount, 0) <> coalesce(sum(b.amount), 0)
    """,
    "an account's sum is not that of the balances": _differs(
        "SELECT account, currency, greatest(aged_on, current_date - 120) AS day, sum(amount) AS amount"
        " FROM account_balance GROUP BY 1, 2, 3",
        "SELECT account, currency, greatest(aged_on, current_date - 120) AS day, sum(amount) AS amount"
        " FROM balance GROUP BY 1, 2, 3",
        "account",
        "currency",
        "day",
    ),
    "a bill does not have open what is not paid of it": """
        SELECT i.number, i.open_amount FROM invoice i WHERE i.open_amount <> CASE
            WHEN number IS NULL OR kind <> 'invoice' OR state = 'void' THEN 0
            ELSE gross - coalesce((SELECT sum(a.amount) FROM allocation a
                                   WHERE a.invoice_id = i.id AND a.reversed_at IS NULL), 0) END
    """,
    "a bill's lines do not add up": """
        SELECT i.id, i.number FROM invoice i LEFT JOIN invoice_line l ON l.invoice_id = i.id GROUP BY i.id
        HAVING (i.net, i.tax, i.gross) IS DISTINCT FROM
               (coalesce(sum(l.net), 0), coalesce(sum(l.tax), 0), coalesce(sum(l.net + l.tax), 0))
    """,
    "the paper does not say what the bill says": """
        SELECT i.number FROM invoice i WHERE i.number IS NOT NULL AND (
            ((i.facts ->> 'net')::numeric, (i.facts ->> 'tax')::numeric, (i.facts ->> 'gross')::numeric)
                IS DISTINCT FROM (i.net, i.tax, i.gross)
            OR i.net + i.tax <> (SELECT sum((l ->> 'net')::numeric + (l ->> 'tax')::numeric)
                                 FROM jsonb_array_elements(i.facts -> 'lines') l)
            OR i.tax <> (SELECT sum((t ->> 'tax')::numeric) FROM jsonb_array_elements(i.facts -> 'taxes') t))
    """,
    "a line is not what is billed of its entries": """
        SELECT l.id, l.net, sum(x.billed) FROM invoice_line l JOIN invoice i ON i.id = l.invoice_id
        LEFT JOIN invoice_item x ON x.line_id = l.id AND x.treatment = 'bill'
        WHERE i.state <> 'void' AND i.kind = 'invoice'
        GROUP BY l.id HAVING (count(x.item_id) > 0 OR l.kind IN ('fee', 'expense'))
                             AND l.net <> coalesce(sum(x.billed), 0)
    """,
    "somebody is billed for another's work": f"""
        SELECT x.invoice_id, x.item_id FROM invoice_item x JOIN invoice i ON i.id = x.invoice_id
        JOIN ({_ITEM}) item ON item.id = x.item_id LEFT JOIN invoice_line l ON l.id = x.line_id
        WHERE x.treatment = 'bill' AND i.state <> 'void'
          AND (item.client_id, item.currency, item.engagement_id) IS DISTINCT FROM
              (i.client_id, i.currency, l.engagement_id)
    """,
    "more of a payment lies on bills than was received": """
        SELECT p.id, p.amount, sum(a.amount) FROM payment p JOIN allocation a ON a.payment_id = p.id
        WHERE a.reversed_at IS NULL GROUP BY p.id HAVING sum(a.amount) > p.amount OR p.reversed_at IS NOT NULL
    """,
    "more of a fee is drawn than was agreed": """
        SELECT a.id, a.agreed_amount, sum(l.drawn) FROM arrangement a JOIN invoice_line l ON l.arrangement_id = a.id
        JOIN invoice i ON i.id = l.invoice_id WHERE i.state <> 'void' GROUP BY a.id
        HAVING sum(l.drawn) > a.agreed_amount
    """,
    "a drafted item is on no draft, or one on a draft is not drafted": f"""
        SELECT item.id, item.state FROM ({_ITEM}) item WHERE (item.state = 'drafted') <> EXISTS (
            SELECT FROM invoice_item x JOIN invoice i ON i.id = x.invoice_id
            WHERE x.item_id = item.id AND x.treatment <> 'later' AND i.number IS NULL)
    """,
    "what is closed in its currency is not closed in base": """
        SELECT account, coalesce(invoice_id, payment_id), currency, sum(base_amount) FROM posting
        WHERE account = 'receivable' GROUP BY 1, 2, 3 HAVING sum(amount) = 0 AND sum(base_amount) <> 0
        UNION ALL
        SELECT account, payment_id, currency, sum(base_amount) FROM posting
        WHERE account IN ('bank', 'credit') GROUP BY 1, 2, 3 HAVING sum(amount) = 0 AND sum(base_amount) <> 0
        UNION ALL
        SELECT account, item_id, currency, sum(base_amount) FROM posting
        WHERE account IN ('wip', 'wip_memo') GROUP BY account, item_id, engagement_id, entity_id, currency
        HAVING sum(amount) = 0 AND sum(base_amount) <> 0
    """,
    "numbers have a gap": """
        SELECT entity_id, kind, count(*), min(n), max(n) FROM (
            SELECT entity_id, kind, substring(number FROM '([0-9]+)$')::bigint AS n FROM invoice
            WHERE number IS NOT NULL
        ) given GROUP BY 1, 2 HAVING count(*) <> max(n) - min(n) + 1 OR count(*) <> count(DISTINCT n)
    """,
}


def broken(connection: sa.Connection | Any, only: set[str] | None = None) -> list[str]:
    """What does not hold, in words, with the first rows that show it."""
    found = []
    for words, statement in CHECKS.items():
        if only is None or words in only:
            rows = connection.execute(sa.text(f"SELECT * FROM ({statement}) wrong LIMIT 3")).all()
            if rows:
                found.append(f"{words}: {[tuple(map(str, row)) for row in rows]}")
    return found
