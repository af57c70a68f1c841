"""Proofs that WIP, bills and payments say what their postings say."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from app.activity.covers import differences
from app.core.proofs import Finding, proof
from app.ledger.proofs import MENDED_BY, asked

# Recorded ± repriced ± transferred + written on − written off − billed + reversed = open: the movements of an item
# are its WIP postings by kind, so their sum is the equation's left side; what the item says is its right side.
_ITEMS = sa.text("""
    WITH moved AS (SELECT item_id, sum(amount) AS amount FROM posting
                   WHERE account = 'wip' AND item_id IS NOT NULL GROUP BY item_id),
    item AS (SELECT id, open_value, currency FROM time_entry WHERE open_value <> 0 OR value <> 0
             UNION ALL SELECT id, open_value, currency FROM expense WHERE open_value <> 0 OR value <> 0)
    SELECT coalesce(i.id, m.item_id) AS id, coalesce(i.open_value, 0) AS open, coalesce(m.amount, 0) AS moved
    FROM moved m FULL JOIN item i ON i.id = m.item_id
    WHERE coalesce(i.open_value, 0) <> coalesce(m.amount, 0) LIMIT 100
""")
# The state says what the figures say. Billed at nothing is known by the bill that names it.
_STATES = sa.text("""
    SELECT i.id, i.state, i.open_value FROM (
        SELECT id, state, open_value, written, billed, billable AND deleted_at IS NULL AS counts FROM time_entry
        UNION ALL
        SELECT id, state, open_value, written, billed, billable AND deleted_at IS NULL FROM expense
    ) i
    WHERE i.open_value <> 0 AND (i.state IN ('billed', 'written_off') OR NOT i.counts)
       OR i.state = 'written_off' AND (i.written >= 0 OR NOT i.counts)
       OR i.state = 'billed' AND i.billed = 0
          AND NOT EXISTS (SELECT FROM invoice_item x WHERE x.item_id = i.id AND x.live AND x.treatment <> 'later')
       OR i.state IN ('open', 'held') AND i.counts AND i.open_value = 0 AND (i.billed <> 0 OR i.written < 0)
    LIMIT 100
""")
# The figures of an item apart: what was written on or off it, in its own currency, and what standing bills took of it.
_WRITTEN = sa.text("""
    WITH posted AS (SELECT p.item_id, p.currency, sum(p.amount) AS amount
                    FROM ledger_transaction t JOIN posting p ON p.transaction_id = t.id
                    WHERE t.kind IN ('written_on', 'written_off') AND p.account = 'wip' AND p.item_id IS NOT NULL
                    GROUP BY 1, 2 HAVING sum(p.amount) <> 0),
    item AS (SELECT id, currency, written FROM time_entry WHERE written <> 0
             UNION ALL SELECT id, currency, written FROM expense WHERE written <> 0)
    SELECT coalesce(i.id, p.item_id) AS id, coalesce(i.written, 0) AS kept, coalesce(p.amount, 0) AS posted
    FROM posted p FULL JOIN item i ON (i.id, i.currency) = (p.item_id, p.currency)
    WHERE coalesce(i.written, 0) <> coalesce(p.amount, 0) LIMIT 100
""")
_BILLED = sa.text("""
    WITH taken AS (SELECT x.item_id, sum(x.billed) AS amount
                   FROM invoice_item x JOIN invoice i ON i.id = x.invoice_id
                   WHERE x.live AND x.treatment <> 'later' AND i.number IS NOT NULL AND i.kind = 'invoice'
                   GROUP BY 1 HAVING sum(x.billed) <> 0),
    item AS (SELECT id, billed FROM time_entry WHERE billed <> 0
             UNION ALL SELECT id, billed FROM expense WHERE billed <> 0)
    SELECT coalesce(i.id, t.item_id) AS id, coalesce(i.billed, 0) AS kept, coalesce(t.amount, 0) AS taken
    FROM taken t FULL JOIN item i ON i.id = t.item_id
    WHERE coalesce(i.billed, 0) <> coalesce(t.amount, 0) LIMIT 100
""")
_ENGAGEMENTS = sa.text("""
    WITH moved AS (
        SELECT p.engagement_id, p.currency,
               sum(p.amount) FILTER (WHERE t.kind = 'recorded') AS recorded,
               sum(p.amount) FILTER (WHERE t.reverses_id IS NULL AND t.kind <> 'recorded') AS changed,
               sum(p.amount) FILTER (WHERE t.reverses_id IS NOT NULL) AS reversed
        FROM posting p JOIN ledger_transaction t ON t.id = p.transaction_id WHERE p.account = 'wip' GROUP BY 1, 2
    ), open AS (
        SELECT engagement_id, currency, sum(open_value) AS amount FROM (
            SELECT engagement_id, currency, open_value FROM time_entry WHERE open_value <> 0
            UNION ALL SELECT engagement_id, currency, open_value FROM expense WHERE open_value <> 0) item GROUP BY 1, 2
    )
    SELECT coalesce(m.engagement_id, o.engagement_id) AS id, coalesce(o.amount, 0) AS open,
           coalesce(m.recorded, 0) + coalesce(m.changed, 0) + coalesce(m.reversed, 0) AS moved
    FROM moved m FULL JOIN open o ON (o.engagement_id, o.currency) = (m.engagement_id, m.currency)
    WHERE coalesce(o.amount, 0) <> coalesce(m.recorded, 0) + coalesce(m.changed, 0) + coalesce(m.reversed, 0) LIMIT 100
""")
_KINDS = sa.text("""
    SELECT DISTINCT t.kind FROM posting p JOIN ledger_transaction t ON t.id = p.transaction_id
    WHERE p.account = 'wip'
      AND t.kind NOT IN ('recorded', 'repriced', 'transferred', 'written_on', 'written_off', 'billed')
""")
_OPEN = sa.text("""
    SELECT i.id, i.number, i.open_amount, coalesce(p.amount, 0) AS posted FROM invoice i
    LEFT JOIN (SELECT invoice_id, sum(amount) AS amount FROM posting WHERE account = 'receivable' GROUP BY 1) p
      ON p.invoice_id = i.id
    WHERE i.open_amount <> coalesce(p.amount, 0) ORDER BY i.number LIMIT 100
""")
_RECEIVABLE = sa.text("""
    SELECT coalesce(b.client_id, i.payer_id) AS id, coalesce(b.amount, 0) AS posted, coalesce(i.amount, 0) AS open
    FROM (SELECT client_id, currency, sum(amount) AS amount FROM posting WHERE account = 'receivable' GROUP BY 1, 2) b
    FULL JOIN (SELECT payer_id, currency, sum(open_amount) AS amount FROM invoice GROUP BY 1, 2) i
      ON (i.payer_id, i.currency) = (b.client_id, b.currency)
    WHERE coalesce(b.amount, 0) <> coalesce(i.amount, 0) LIMIT 100
""")
_ALLOCATED = sa.text("""
    SELECT coalesce(a.payment_id, p.payment_id) AS payment_id, coalesce(a.invoice_id, p.invoice_id) AS invoice_id,
           coalesce(a.amount, 0) AS allocated, coalesce(p.amount, 0) AS posted
    FROM (SELECT payment_id, invoice_id, sum(amount) AS amount FROM allocation WHERE reversed_at IS NULL
          GROUP BY 1, 2) a
    FULL JOIN (SELECT payment_id, invoice_id, -sum(amount) AS amount FROM posting
               WHERE account = 'receivable' AND payment_id IS NOT NULL GROUP BY 1, 2) p
      ON (p.payment_id, p.invoice_id) = (a.payment_id, a.invoice_id)
    WHERE coalesce(a.amount, 0) <> coalesce(p.amount, 0) LIMIT 100
""")
_CREDIT = sa.text("""
    SELECT y.id, y.amount, coalesce(c.amount, 0) AS credit, coalesce(a.amount, 0) AS allocated
    FROM payment y
    LEFT JOIN (SELECT payment_id, -sum(amount) AS amount FROM posting WHERE account = 'credit' GROUP BY 1) c
      ON c.payment_id = y.id
    LEFT JOIN (SELECT payment_id, sum(amount) AS amount FROM allocation WHERE reversed_at IS NULL GROUP BY 1) a
      ON a.payment_id = y.id
    WHERE coalesce(c.amount, 0) + coalesce(a.amount, 0) <> CASE WHEN y.reversed_at IS NULL THEN y.amount ELSE 0 END
    LIMIT 100
""")
_BASE = sa.text("""
    SELECT account, coalesce(invoice_id, payment_id) AS id, sum(base_amount) AS off FROM (
        SELECT account, CASE account WHEN 'receivable' THEN invoice_id END AS invoice_id,
               CASE account WHEN 'receivable' THEN NULL ELSE payment_id END AS payment_id, amount, base_amount
        FROM posting WHERE account IN ('receivable', 'credit', 'bank')) side
    GROUP BY account, invoice_id, payment_id HAVING sum(amount) = 0 AND sum(base_amount) <> 0 LIMIT 100
""")
_UNMADE = sa.text("""
    SELECT 'payment' AS what, id FROM payment WHERE transaction_id IS NULL
    UNION ALL SELECT 'allocation', id FROM allocation WHERE transaction_id IS NULL LIMIT 100
""")
_GAPS = sa.text("""
    WITH given AS (
        SELECT i.entity_id, s.kind, s.prefix, s.next_value, count(*) AS bills,
               min(substring(i.number FROM length(s.prefix) + 1)::bigint) AS first,
               max(substring(i.number FROM length(s.prefix) + 1)::bigint) AS last
        FROM invoice i JOIN number_series s ON s.entity_id = i.entity_id AND s.kind = i.kind
        WHERE i.number IS NOT NULL AND left(i.number, length(s.prefix)) = s.prefix
          AND substring(i.number FROM length(s.prefix) + 1) ~ '^[0-9]+$'
        GROUP BY i.entity_id, s.kind, s.prefix, s.next_value
    )
    SELECT * FROM given WHERE bills <> last - first + 1 OR last <> next_value - 1
""")
_UNNAMED = sa.text("""
    SELECT i.number FROM invoice i WHERE i.number IS NOT NULL AND NOT EXISTS (
        SELECT FROM number_series s WHERE s.entity_id = i.entity_id AND s.kind = i.kind) LIMIT 100
""")
_TOTALS = sa.text("""
    SELECT coalesce('bill ' || i.number, 'draft ' || i.id) AS bill, i.net, i.tax, i.gross,
        coalesce(l.net, 0) AS line_net, coalesce(l.tax, 0) AS line_tax
    FROM invoice i
    LEFT JOIN (SELECT invoice_id, sum(net) AS net, sum(tax) AS tax FROM invoice_line GROUP BY 1) l
      ON l.invoice_id = i.id
    WHERE i.net <> coalesce(l.net, 0) OR i.tax <> coalesce(l.tax, 0) OR i.gross <> i.net + i.tax LIMIT 100
""")
# What a bill says of an entry is what it posted of it, whether the bill still stands or not.
_POSTED = sa.text("""
    WITH posted AS (
        SELECT t.source_id AS invoice_id, p.item_id,
               coalesce(-sum(p.amount) FILTER (WHERE t.kind = 'billed'), 0) AS billed,
               coalesce(sum(p.amount) FILTER (WHERE t.kind <> 'billed'), 0) AS written
        FROM ledger_transaction t JOIN posting p ON p.transaction_id = t.id
        WHERE t.source_kind = 'invoice' AND t.reverses_id IS NULL AND p.account = 'wip' GROUP BY 1, 2
    ), said AS (SELECT invoice_id, item_id, billed, written FROM invoice_item WHERE issued)
    SELECT coalesce(s.item_id, p.item_id) AS id,
           (SELECT number FROM invoice WHERE id = coalesce(s.invoice_id, p.invoice_id)),
           coalesce(s.billed, 0) AS billed, coalesce(s.written, 0) AS written,
           coalesce(p.billed, 0) AS posted, coalesce(p.written, 0) AS posted_written
    FROM said s FULL JOIN posted p ON (p.invoice_id, p.item_id) = (s.invoice_id, s.item_id)
    WHERE (coalesce(s.billed, 0), coalesce(s.written, 0)) <> (coalesce(p.billed, 0), coalesce(p.written, 0)) LIMIT 100
""")
# The line of a draft or standing bill charges what is billed of its entries; a fee without time stands for itself.
_LINES = sa.text("""
    SELECT coalesce(i.number, 'a draft') AS bill, l.id, l.net, coalesce(sum(x.billed), 0) AS billed
    FROM invoice_line l JOIN invoice i ON i.id = l.invoice_id AND i.kind = 'invoice' AND i.state <> 'void'
    LEFT JOIN invoice_item x ON x.line_id = l.id AND x.treatment = 'bill'
    WHERE l.kind <> 'text' GROUP BY i.id, l.id
    HAVING (l.kind <> 'fixed' OR count(x.item_id) > 0) AND l.net <> coalesce(sum(x.billed), 0) LIMIT 100
""")
# An item is of its bill's and its entry's client, engagement and currency; it stands as its bill does.
_PLACES = sa.text("""
    WITH item AS (
        SELECT id, 'time_entry' AS kind, client_id, engagement_id, currency, state FROM time_entry
        WHERE state = 'drafted' OR id IN (SELECT item_id FROM invoice_item WHERE live)
        UNION ALL SELECT id, 'expense', client_id, engagement_id, currency, state FROM expense
        WHERE state = 'drafted' OR id IN (SELECT item_id FROM invoice_item WHERE live)
    )
    SELECT x.item_id AS id, i.number, 'is of another client, engagement or currency than its bill' AS said
    FROM invoice_item x JOIN invoice i ON i.id = x.invoice_id LEFT JOIN item e ON e.id = x.item_id
    WHERE x.live AND ((x.client_id, x.engagement_id, x.currency, x.item_kind)
                      IS DISTINCT FROM (e.client_id, e.engagement_id, e.currency, e.kind)
                      OR (x.client_id, x.currency) <> (i.client_id, i.currency))
    UNION ALL
    SELECT x.item_id, i.number, 'stands otherwise than its bill'
    FROM invoice_item x JOIN invoice i ON i.id = x.invoice_id
    WHERE x.issued <> (i.number IS NOT NULL) OR x.live <> (i.state <> 'void')
    UNION ALL
    SELECT e.id, NULL, 'is ' || e.state || ' and on ' || count(x.item_id) || ' drafts' FROM item e
    LEFT JOIN invoice_item x ON x.item_id = e.id AND x.live AND NOT x.issued AND x.treatment <> 'later'
    GROUP BY e.id, e.state HAVING count(x.item_id) <> (e.state = 'drafted')::int
    LIMIT 100
""")
_DUE = sa.text("""
    SELECT i.number, i.due_on, p.aged_on, sum(p.amount) AS amount
    FROM posting p JOIN invoice i ON i.id = p.invoice_id
    WHERE p.account = 'receivable' AND p.aged_on <> i.due_on
    GROUP BY i.id, p.engagement_id, p.aged_on HAVING sum(p.amount) <> 0 ORDER BY i.number LIMIT 100
""")
_FEES = sa.text("""
    SELECT a.id, e.name, a.drawn, a.agreed_amount, coalesce(t.taken, 0) AS taken
    FROM arrangement a JOIN engagement e ON e.id = a.engagement_id LEFT JOIN (
        SELECT l.arrangement_id, sum(l.drawn) AS taken FROM invoice_line l JOIN invoice i ON i.id = l.invoice_id
        WHERE l.arrangement_id IS NOT NULL AND i.state <> 'void' GROUP BY 1
    ) t ON t.arrangement_id = a.id
    WHERE a.drawn <> coalesce(t.taken, 0) OR a.drawn > coalesce(a.agreed_amount, 0) ORDER BY a.id LIMIT 100
""")


@proof("billing.fees")
def prove_fees() -> Iterator[Finding]:
    """What is drawn of a fee is what drafts and standing bills take of it, and no more than was agreed."""
    for row in asked(_FEES):
        yield Finding(
            f"arrangement {row.id} of {row.name}",
            f"{row.drawn} drawn of {row.agreed_amount}, its bills take {row.taken}",
        )


@proof("billing.items_of_bills")
def prove_items_of_bills() -> Iterator[Finding]:
    """What a bill took and wrote of an entry is what it posted, and its line charges the sum; entry, line and bill are
    of one client and currency."""
    for row in asked(_POSTED):
        yield Finding(
            f"entry {row.id} on {row.number}",
            f"{row.billed} billed and {row.written} written, {row.posted} and {row.posted_written} posted",
        )
    for row in asked(_LINES):
        yield Finding(f"line {row.id} of {row.bill}", f"charges {row.net}, {row.billed} is billed of its entries")
    for row in asked(_PLACES):
        yield Finding(f"entry {row.id} on {row.number or 'a draft'}", row.said)


@proof("billing.wip_of_items")
def prove_items() -> Iterator[Finding]:
    """Recorded ± repriced ± transferred + written on − written off − billed + reversed = open, for each entry."""
    for row in asked(_ITEMS):
        yield Finding(f"entry {row.id}", f"{row.open} open, {row.moved} by its movements")
    for row in asked(_STATES):
        yield Finding(f"entry {row.id}", f"is {row.state} but worth {row.open_value}")


@proof("billing.figures_of_items")
def prove_figures() -> Iterator[Finding]:
    """What is written on or off an entry equals its postings of that kind; what is billed of it, what standing bills
    took."""
    for row in asked(_WRITTEN):
        yield Finding(f"entry {row.id}", f"{row.kept} kept as written on or off, {row.posted} posted")
    for row in asked(_BILLED):
        yield Finding(f"entry {row.id}", f"{row.kept} kept as billed, {row.taken} on bills")


@proof("billing.wip_equation")
def prove_equation() -> Iterator[Finding]:
    """The same for each engagement, and so for the firm; and no other kind of act moves WIP."""
    for row in asked(_ENGAGEMENTS):
        yield Finding(f"engagement {row.id}", f"{row.open} open, {row.moved} by its movements")
    for row in asked(_KINDS):
        yield Finding(f"transactions “{row.kind}”", "move WIP, though they are no movement of the equation")


@proof("billing.open_amounts")
def prove_open_amounts() -> Iterator[Finding]:
    """What a bill has open equals its postings; what clients owe equals their open bills."""
    for row in asked(_OPEN):
        yield Finding(f"bill {row.number or row.id}", f"{row.open_amount} kept open, {row.posted} posted")
    for row in asked(_RECEIVABLE):
        yield Finding(f"receivable of client {row.id}", f"{row.posted} posted, {row.open} on open bills")


@proof("billing.due_dates")
def prove_due_dates() -> Iterator[Finding]:
    """What a bill has open ages from the day that it is due."""
    for row in asked(_DUE):
        yield Finding(f"bill {row.number}", f"is due on {row.due_on}, and {row.amount} of it ages from {row.aged_on}")


@proof("billing.allocations")
def prove_allocations() -> Iterator[Finding]:
    """What is allocated equals what was posted; allocated and credit left make the payment."""
    for row in asked(_ALLOCATED):
        yield Finding(
            f"payment {row.payment_id} on bill {row.invoice_id}", f"{row.allocated} allocated, {row.posted} posted"
        )
    for row in asked(_CREDIT):
        yield Finding(
            f"payment {row.id}", f"of {row.amount}: {row.allocated} allocated and {row.credit} credit do not make it"
        )


@proof("billing.base")
def prove_base() -> Iterator[Finding]:
    """What is closed in its currency is closed in base: bills, credit and money of payments; each names its act."""
    for row in asked(_BASE):
        yield Finding(f"{row.account} of {row.id}", f"is closed, and {row.off} stands on it in base; {MENDED_BY}")
    for row in asked(_UNMADE):
        yield Finding(f"{row.what} {row.id}", "names no transaction of its own")


@proof("billing.numbers")
def prove_numbers() -> Iterator[Finding]:
    """Numbers have no gap, and the next one follows the last."""
    for row in asked(_GAPS):
        yield Finding(
            f"{row.kind} series {row.prefix}",
            f"{row.bills} numbers from {row.first} to {row.last}, next {row.next_value}",
        )
    for row in asked(_UNNAMED):
        yield Finding(f"bill {row.number}", "has a number of no series")


@proof("billing.totals")
def prove_totals() -> Iterator[Finding]:
    """The totals of bills and drafts are the sums of their lines."""
    for row in asked(_TOTALS):
        yield Finding(
            row.bill, f"{row.net} + {row.tax} = {row.gross}, its lines {row.line_net} + {row.line_tax}"
        )


@proof("billing.told")
def prove_told() -> Iterator[Finding]:
    """Every bill, the work behind it and every payment are what the events of their acts say; no other is there."""
    for kind in ("bill", "bill_life", "billed_work", "payment"):
        yield from differences(kind)
