"""Proofs that the ledger balances and that what is kept of it equals its postings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from app.activity.baseline import posted_differences
from app.activity.covers import differences
from app.core.clock import today
from app.core.copies import Copy, keeps
from app.core.db import db
from app.core.proofs import Finding, proof
from app.ledger.ageing import TOLD_APART
from app.ledger.models import LONG_AGO

_BALANCED = sa.text("""
    SELECT transaction_id, currency, entity_id, book, sum(amount) AS off, sum(base_amount) AS base_off
    FROM posting GROUP BY transaction_id, currency, entity_id, book
    HAVING sum(amount) <> 0 OR sum(base_amount) <> 0
    ORDER BY transaction_id LIMIT 100
""")
_EMPTY = sa.text("""
    SELECT t.id FROM ledger_transaction t
    WHERE NOT EXISTS (SELECT FROM posting p WHERE p.transaction_id = t.id) ORDER BY t.id LIMIT 100
""")
_BALANCES = sa.text("""
    WITH posted AS (
        SELECT client_id, coalesce(engagement_id, '00000000-0000-0000-0000-000000000000'::uuid) AS engagement_id,
               account, currency, aged_on, sum(amount) AS amount
        FROM posting WHERE account IN ('wip', 'receivable', 'credit')
        GROUP BY 1, 2, 3, 4, 5
    )
    SELECT coalesce(p.client_id, b.client_id) AS client_id, coalesce(p.account, b.account) AS account,
           coalesce(p.currency, b.currency) AS currency, coalesce(p.aged_on, b.aged_on) AS aged_on,
           coalesce(p.amount, 0) AS posted, coalesce(b.amount, 0) AS kept
    FROM posted p FULL JOIN balance b
      ON (b.client_id, b.engagement_id, b.account, b.currency, b.aged_on)
       = (p.client_id, p.engagement_id, p.account, p.currency, p.aged_on)
    WHERE coalesce(p.amount, 0) <> coalesce(b.amount, 0)
    ORDER BY 1, 2, 3, 4 LIMIT 100
""")
_CLIENTS = sa.text("""
    WITH summed AS (SELECT account, client_id, currency, sum(amount) AS amount FROM balance GROUP BY 1, 2, 3)
    SELECT coalesce(s.account, c.account) AS account, coalesce(s.client_id, c.client_id) AS client_id,
           coalesce(s.currency, c.currency) AS currency, coalesce(s.amount, 0) AS summed, coalesce(c.amount, 0) AS kept
    FROM summed s FULL JOIN client_balance c USING (account, client_id, currency)
    WHERE coalesce(s.amount, 0) <> coalesce(c.amount, 0)
    ORDER BY 1, 2 LIMIT 100
""")
_ELSEWHERE = sa.text("""
    SELECT p.engagement_id, p.entity_id, p.account, p.currency, sum(p.amount) AS amount FROM posting p
    JOIN engagement e ON e.id = p.engagement_id
    WHERE p.account IN ('wip', 'wip_memo') AND p.entity_id <> e.entity_id
    GROUP BY 1, 2, 3, 4 HAVING sum(p.amount) <> 0 ORDER BY 1, 2, 3 LIMIT 100
""")
_RESTS = sa.text("""
    SELECT item_id, engagement_id, entity_id, currency, sum(base_amount) AS base FROM posting
    WHERE account = 'wip' GROUP BY 1, 2, 3, 4 HAVING sum(amount) = 0 AND sum(base_amount) <> 0
    ORDER BY 1, 2, 3 LIMIT 100
""")
# Days that no page tells apart are compared as one: the kept sums of them may be gathered into one row.
_DAYS = sa.text("""
    WITH summed AS (
        SELECT account, currency, CASE WHEN aged_on < :apart THEN CAST(:long_ago AS date) ELSE aged_on END AS day,
               sum(amount) AS amount FROM balance GROUP BY 1, 2, 3
    ), kept AS (
        SELECT account, currency, CASE WHEN aged_on < :apart THEN CAST(:long_ago AS date) ELSE aged_on END AS day,
               sum(amount) AS amount FROM account_balance GROUP BY 1, 2, 3
    )
    SELECT account, currency, day, coalesce(s.amount, 0) AS summed, coalesce(k.amount, 0) AS kept
    FROM summed s FULL JOIN kept k USING (account, currency, day)
    WHERE coalesce(s.amount, 0) <> coalesce(k.amount, 0)
    ORDER BY 1, 2, 3 LIMIT 100
""")
_MEMO = sa.text("""
    SELECT currency, sum(amount) AS off FROM posting WHERE account IN ('wip', 'wip_memo')
    GROUP BY currency HAVING sum(amount) <> 0
""")
_CLOSED = sa.text("""
    SELECT DISTINCT t.id, t.posted_on FROM ledger_transaction t
    JOIN posting p ON p.transaction_id = t.id
    JOIN closing c ON c.entity_id = p.entity_id AND c.closed_through >= t.posted_on AND t.made_at > c.closed_at
    ORDER BY t.id LIMIT 100
""")
_DATED = sa.text("""
    SELECT 'bill ' || i.number AS name, i.issued_on AS day FROM invoice i
    JOIN closing c ON c.entity_id = i.entity_id AND c.closed_through >= i.issued_on AND i.approved_at > c.closed_at
    UNION SELECT 'payment ' || y.id, y.received_on FROM payment y
    JOIN closing c ON c.entity_id = y.entity_id AND c.closed_through >= y.received_on AND y.created_at > c.closed_at
    ORDER BY 1 LIMIT 100
""")

_RATES = sa.text("""
    SELECT DISTINCT t.id, p.currency, p.base_rate, r.rate, r.currency AS of_currency
    FROM posting p JOIN ledger_transaction t ON t.id = p.transaction_id
    LEFT JOIN exchange_rate r ON r.id = t.exchange_rate_id
    WHERE CASE WHEN r.id IS NULL THEN p.base_rate <> 1
               ELSE p.base_rate <> r.rate OR p.currency <> r.currency OR r.from_on > t.happened_on END
    ORDER BY t.id LIMIT 100
""")


_POSTED = (
    "time recorded", "time of a day changed", "time taken back", "time moved to another engagement",
    "an expense recorded", "time written off", "time written up", "a write-off taken back", "a bill issued",
    "a bill credited", "a payment received", "money taken off a bill", "a payment taken back",
)
BALANCES = keeps(Copy(
    "balance.amount", "what stands of a client, an engagement, an account and currency, by the day it ages from",
    _POSTED, "app.ledger.commands.post", "ledger.balances",
))
OF_CLIENTS = keeps(Copy(
    "client_balance.amount", "the sum of a client's balances of an account and currency", _POSTED,
    "app.ledger.commands.post", "ledger.sums",
))
OF_ACCOUNTS = keeps(Copy(
    "account_balance.amount", "the sum of everybody's balances of an account, currency and day", _POSTED,
    "app.ledger.commands.post", "ledger.sums",
))


MENDED_BY = "`firmament repair books` posts what is missing"


def asked(statement: sa.TextClause, **values: Any) -> sa.Result[Any]:
    """Run a proof's question with room to sort and hash in memory: it reads every posting there is."""
    db.session.execute(sa.text("SET LOCAL work_mem = '192MB'"))
    return db.session.execute(statement, values)


@proof("ledger.balanced")
def prove_balanced() -> Iterator[Finding]:
    """Every transaction has postings, and they sum to zero in their currency and in base, in each entity and book."""
    for row in asked(_BALANCED):
        yield Finding(
            f"transaction {row.transaction_id}", f"out of balance by {row.off} {row.currency}, {row.base_off} in base"
        )
    for row in asked(_EMPTY):
        yield Finding(f"transaction {row.id}", "has no postings")


@proof("ledger.balances")
def prove_balances() -> Iterator[Finding]:
    """Kept balances equal the sums of their postings."""
    for row in asked(_BALANCES):
        yield Finding(
            f"{row.account} of client {row.client_id}, {row.aged_on}",
            f"{row.kept} {row.currency} kept, {row.posted} posted",
        )


@proof("ledger.sums")
def prove_sums() -> Iterator[Finding]:
    """The kept sums of clients and of accounts by day equal the kept balances."""
    for row in asked(_CLIENTS):
        yield Finding(
            f"{row.account} of client {row.client_id}", f"{row.kept} {row.currency} kept, {row.summed} in its balances"
        )
    for row in asked(_DAYS, apart=today() - TOLD_APART, long_ago=LONG_AGO):
        when = f"{row.day}" if row.day > LONG_AGO else "long ago"
        yield Finding(
            f"{row.account} of {when}", f"{row.kept} {row.currency} kept, {row.summed} in its balances"
        )


@proof("ledger.memo")
def prove_memo() -> Iterator[Finding]:
    """WIP and its memo contra cancel out, so that WIP leaves the books in no export."""
    for row in asked(_MEMO):
        yield Finding(f"WIP in {row.currency}", f"differs from its contra by {row.off}")


@proof("ledger.own_books")
def prove_own_books() -> Iterator[Finding]:
    """WIP stands in the books of its engagement's entity, and nothing of it in another's."""
    for row in asked(_ELSEWHERE):
        yield Finding(
            f"{row.account} of engagement {row.engagement_id}",
            f"{row.amount} {row.currency} in the books of the entity {row.entity_id}, which is not the engagement's; "
            + MENDED_BY,
        )


@proof("ledger.wip_in_base")
def prove_wip_in_base() -> Iterator[Finding]:
    """The WIP of an entry or expense that is closed in its currency is closed in base, wherever it stood."""
    for row in asked(_RESTS):
        yield Finding(
            f"WIP of {row.item_id} at engagement {row.engagement_id}",
            f"0 {row.currency} stand at {row.base} in base; {MENDED_BY}",
        )


@proof("ledger.periods")
def prove_periods() -> Iterator[Finding]:
    """Nothing was posted, numbered or received into books after they were closed."""
    for row in asked(_CLOSED):
        yield Finding(f"transaction {row.id}", f"posted on {row.posted_on} after that month was closed")
    for row in asked(_DATED):
        yield Finding(str(row.name), f"dated {row.day} after that month was closed")


@proof("ledger.exchange_rates")
def prove_exchange_rates() -> Iterator[Finding]:
    """Whatever stands in base at another rate than 1 names the exchange rate it used, and has its number."""
    for row in asked(_RATES):
        named = f"names one of {row.rate} for {row.of_currency}" if row.rate else "names no exchange rate"
        yield Finding(f"transaction {row.id}", f"is in {row.currency} at {row.base_rate} and {named}")


@proof("ledger.told")
def prove_told() -> Iterator[Finding]:
    """Every transaction and posting is what the event of its act, or the baseline, says; no other is there."""
    yield from posted_differences()
    yield from differences("exchange_rate")
    yield from differences("rate_file")
    yield from differences("closing")
