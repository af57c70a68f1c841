"""Postings by entity, book and day of age, and receivables by engagement; kept balances by day.

Postings are append-only. Here, once, their new columns are filled, and the engagement of a receivable whose bill
covers one alone; what they said before is hashed before and after, and the event `ledger.postings.redated` keeps that
hash: SHA-256 over one line a posting, by transaction and line, of PostgreSQL's text of the row
(transaction_id, line, account, amount, currency, base_amount, base_rate, client_id, engagement_id, invoice_id,
payment_id, item_id, age_month), where the engagement of receivables was null.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

BEFORE = ("wip", "wip_memo", "receivable", "revenue", "recovered", "tax", "bank", "credit", "expense")
SINCE = (*BEFORE, "gain_loss", "client_bank", "client_ledger")
HAVE_ACCOUNTS = ("posting", "balance", "client_balance", "account_balance")

_SAID = """
    SELECT ROW(transaction_id, line, account, amount, currency, base_amount, base_rate, client_id,
               CASE account WHEN 'receivable' THEN NULL ELSE engagement_id END, invoice_id, payment_id, item_id,
               age_month)::text
    FROM posting ORDER BY transaction_id, line
"""
# A transaction is one entity's: its bill's, its payment's, else its engagement's.
_OWNERS = """
    CREATE TEMPORARY TABLE owner_of ON COMMIT DROP AS
    SELECT t.id,
           coalesce(i.entity_id, y.entity_id, w.entity_id, (SELECT id FROM entity ORDER BY id LIMIT 1)) AS entity_id,
           coalesce(i.entity_id, y.entity_id, w.entity_id) IS NULL AS guessed
    FROM ledger_transaction t
    LEFT JOIN invoice i ON t.source_kind = 'invoice' AND i.id = t.source_id
    LEFT JOIN payment y ON t.source_kind = 'payment' AND y.id = t.source_id
    LEFT JOIN (SELECT DISTINCT ON (p.transaction_id) p.transaction_id, e.entity_id
               FROM posting p JOIN engagement e ON e.id = p.engagement_id ORDER BY p.transaction_id, p.line) w
      ON w.transaction_id = t.id
"""
_FILL = """
    WITH item AS (SELECT id, worked_on FROM time_entry UNION ALL SELECT id, worked_on FROM expense),
    sole AS (
        SELECT invoice_id, (array_agg(DISTINCT engagement_id))[1] AS engagement_id FROM invoice_line
        WHERE net <> 0 OR tax <> 0 GROUP BY invoice_id
        HAVING count(DISTINCT engagement_id) = 1 AND count(*) = count(engagement_id)
    ), found AS (
        SELECT p.transaction_id, p.line, o.entity_id,
               CASE WHEN p.account = 'receivable' THEN sole.engagement_id END AS engagement_id,
               CASE WHEN p.account IN ('wip', 'wip_memo') THEN item.worked_on
                    WHEN p.account = 'receivable' THEN i.due_on
                    WHEN p.account IN ('bank', 'credit') THEN y.received_on
                    ELSE t.happened_on END AS day,
               coalesce(p.age_month, date_trunc('month', t.happened_on)::date) AS month
        FROM posting p
        JOIN ledger_transaction t ON t.id = p.transaction_id
        JOIN owner_of o ON o.id = p.transaction_id
        LEFT JOIN item ON item.id = p.item_id
        LEFT JOIN invoice i ON i.id = p.invoice_id
        LEFT JOIN payment y ON y.id = p.payment_id
        LEFT JOIN sole ON sole.invoice_id = p.invoice_id
    )
    UPDATE posting p
    SET entity_id = f.entity_id,
        engagement_id = coalesce(p.engagement_id, f.engagement_id),
        aged_on = CASE WHEN date_trunc('month', f.day) = f.month THEN f.day
                       ELSE (f.month + interval '1 month - 1 day')::date END
    FROM found f WHERE f.transaction_id = p.transaction_id AND f.line = p.line
"""
_COUNTS = """
    SELECT count(*) AS postings,
           count(*) FILTER (WHERE p.account IN ('wip', 'wip_memo') AND p.aged_on = item.worked_on) AS by_day_of_work,
           count(*) FILTER (WHERE p.account = 'receivable' AND p.aged_on = i.due_on) AS by_day_due,
           count(*) FILTER (WHERE p.account IN ('bank', 'credit') AND p.aged_on = y.received_on) AS by_day_received,
           count(*) FILTER (WHERE p.account = 'receivable' AND p.engagement_id IS NULL) AS receivables_of_several,
           count(*) FILTER (WHERE o.guessed) AS by_the_first_entity
    FROM posting p JOIN owner_of o ON o.id = p.transaction_id
    LEFT JOIN (SELECT id, worked_on FROM time_entry UNION ALL SELECT id, worked_on FROM expense) item
      ON item.id = p.item_id
    LEFT JOIN invoice i ON i.id = p.invoice_id LEFT JOIN payment y ON y.id = p.payment_id
"""
_OTHERS = """
    SELECT count(*) FILTER (WHERE p.aged_on = t.happened_on) AS by_day_it_happened,
           count(*) FILTER (WHERE p.aged_on <> t.happened_on) AS by_end_of_month
    FROM posting p JOIN ledger_transaction t ON t.id = p.transaction_id
    LEFT JOIN (SELECT id, worked_on FROM time_entry UNION ALL SELECT id, worked_on FROM expense) item
      ON item.id = p.item_id
    LEFT JOIN invoice i ON i.id = p.invoice_id LEFT JOIN payment y ON y.id = p.payment_id
    WHERE NOT coalesce(CASE WHEN p.account IN ('wip', 'wip_memo') THEN p.aged_on = item.worked_on
                            WHEN p.account = 'receivable' THEN p.aged_on = i.due_on
                            WHEN p.account IN ('bank', 'credit') THEN p.aged_on = y.received_on END, false)
"""
_KEPT = """
    INSERT INTO balance (client_id, engagement_id, account, currency, {day}, amount)
    SELECT client_id, coalesce(engagement_id, '00000000-0000-0000-0000-000000000000'), account, currency, {day},
           sum(amount)
    FROM posting WHERE account IN ('wip', 'receivable', 'credit') GROUP BY 1, 2, 3, 4, 5 HAVING sum(amount) <> 0
"""
_SUMS = """
    INSERT INTO account_balance (account, currency, {day}, amount)
    SELECT account, currency, {day}, sum(amount) FROM balance GROUP BY 1, 2, 3 HAVING sum(amount) <> 0
"""

# What `migrations/sql` said before there were entities and books: an older migration may post while it is redone.
_OLDER_CHECK = """
    CREATE OR REPLACE FUNCTION check_balanced() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (SELECT FROM posting WHERE transaction_id = NEW.id GROUP BY currency
                   HAVING sum(amount) <> 0 OR sum(base_amount) <> 0) THEN
            RAISE EXCEPTION 'transaction % is out of balance', NEW.id
                USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_balanced';
        END IF;
        RETURN NULL;
    END $$
"""


def upgrade() -> None:
    connection = op.get_bind()
    op.add_column("posting", sa.Column("entity_id", sa.Uuid()))
    op.add_column("posting", sa.Column("aged_on", sa.Date()))
    op.add_column(
        "posting",
        sa.Column(
            "book",
            sa.Enum("office", "client_money", name="book", native_enum=False, length=40, create_constraint=True),
            nullable=False,
            server_default="office",
        ),
    )
    said = _digest(connection)
    op.execute(_OWNERS)
    op.execute("ALTER TABLE posting DISABLE TRIGGER USER")
    with _old_rows_as_they_were("posting"):
        op.execute(_FILL)
    op.execute("ALTER TABLE posting ENABLE TRIGGER USER")
    if _digest(connection) != said:
        raise RuntimeError("The postings do not say what they said before; nothing was changed.")
    counts = dict(connection.execute(sa.text(_COUNTS)).mappings().one())
    counts |= dict(connection.execute(sa.text(_OTHERS)).mappings().one())
    if counts["postings"]:
        _tell(connection, counts | {"sha256": said})
    op.drop_column("posting", "age_month")
    op.alter_column("posting", "entity_id", nullable=False)
    op.alter_column("posting", "aged_on", nullable=False)
    op.create_foreign_key(op.f("fk_posting_entity_id"), "posting", "entity", ["entity_id"], ["id"])
    op.drop_constraint("ck_posting_amount", "posting")
    op.create_check_constraint(op.f("ck_posting_amount"), "posting", "amount <> 0 OR base_amount <> 0")
    _accounts(SINCE)
    op.create_check_constraint(
        op.f("ck_posting_book_of_account"),
        "posting",
        "(account IN ('client_bank', 'client_ledger')) = (book = 'client_money')",
    )
    _keep_by("age_month", "aged_on")


@contextmanager
def _old_rows_as_they_were(table: str) -> Iterator[None]:
    """Inside: no rule that older rows may break, for filling a new column of theirs checks each row anew."""
    loose = op.get_bind().execute(
        sa.text("SELECT conname, pg_get_constraintdef(oid) AS rule FROM pg_constraint "
                "WHERE conrelid = CAST(:name AS regclass) AND NOT convalidated"),
        {"name": table},
    ).all()  # fmt: skip
    for row in loose:
        op.execute(f"ALTER TABLE {table} DROP CONSTRAINT {row.conname}")
    yield
    for row in loose:
        op.execute(f"ALTER TABLE {table} ADD CONSTRAINT {row.conname} {row.rule}")


def _digest(connection: sa.Connection) -> str:
    digest = hashlib.sha256()
    connection.exec_driver_sql("SET LOCAL datestyle = 'ISO'")
    for (said,) in connection.execute(sa.text(_SAID), execution_options={"yield_per": 5000}):
        digest.update(said.encode() + b"\n")
    return digest.hexdigest()


def _tell(connection: sa.Connection, data: dict[str, object]) -> None:
    salt, text = secrets.token_bytes(16), json.dumps(data, sort_keys=True, separators=(",", ":"))
    connection.execute(
        sa.text("""
            WITH next AS MATERIALIZED (SELECT nextval('event_id_seq') AS id), made AS (
                INSERT INTO event (id, kind, subject_kind, subject_id, actor_kind, at, request_id, address,
                                   payload_hash)
                SELECT id, 'ledger.postings.redated', 'posting', :subject, 'system', now(), '', '', :hash FROM next
            ), waiting AS (INSERT INTO outbox (event_id) SELECT id FROM next)
            INSERT INTO event_payload (event_id, salt, data) SELECT id, :salt, CAST(:data AS jsonb) FROM next
        """),
        {"subject": UUID(int=0), "hash": hashlib.sha256(salt + text.encode()).digest(), "salt": salt, "data": text},
    )


def _accounts(names: tuple[str, ...]) -> None:
    for table in HAVE_ACCOUNTS:
        op.drop_constraint(f"ck_{table}_account", table)
        listed = ", ".join(f"'{name}'" for name in names)
        op.create_check_constraint(op.f(f"ck_{table}_account"), table, f"account IN ({listed})")


def _keep_by(before: str, day: str) -> None:
    """Kept balances follow from the postings; they are made anew by another day."""
    for table in ("balance", "account_balance"):
        op.execute(f"DELETE FROM {table}")
        op.drop_column(table, before)
        op.add_column(table, sa.Column(day, sa.Date(), nullable=False))
    op.create_primary_key(
        op.f("pk_balance"), "balance", ["client_id", "engagement_id", "account", "currency", day]
    )
    op.execute(_KEPT.format(day=day))
    op.execute(_SUMS.format(day=day))


def downgrade() -> None:
    op.execute(_OLDER_CHECK)
    op.drop_constraint("ck_posting_book_of_account", "posting")
    _accounts(BEFORE)
    op.drop_constraint("ck_posting_amount", "posting")
    op.create_check_constraint(op.f("ck_posting_amount"), "posting", "amount <> 0")
    op.add_column("posting", sa.Column("age_month", sa.Date()))
    op.execute("ALTER TABLE posting DISABLE TRIGGER USER")
    op.execute("UPDATE posting SET age_month = date_trunc('month', aged_on)::date")
    op.execute("ALTER TABLE posting ENABLE TRIGGER USER")
    for name in ("entity_id", "aged_on", "book"):
        op.drop_column("posting", name)
    _keep_by("aged_on", "age_month")
