"""Posting, reversing, closing: the only writers of the ledger and of its kept balances."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from dateutil.relativedelta import relativedelta

from app.activity.commands import keep_posted, record
from app.core.actors import Actor
from app.core.clock import now, today
from app.core.db import db, transaction
from app.core.errors import Refused
from app.core.locking import takes
from app.core.money import round_amount
from app.core.permissions import authorize
from app.core.wording import full_day
from app.firm.models import Entity
from app.ledger.ageing import TOLD_APART, month_of
from app.ledger.books import Books, books_of_entity
from app.ledger.covers import POSTED
from app.ledger.models import LONG_AGO, Account, Book, Closing, LedgerTransaction, Posting, TransactionKind
from app.ledger.periods import closed_through
from app.ledger.policy import can_close_period, can_gather, can_post
from app.ledger.queries import Exchange, rate_on

NO_ENGAGEMENT = UUID(int=0)
KEPT = frozenset({Account.WIP, Account.RECEIVABLE, Account.CREDIT})


@dataclass(frozen=True, kw_only=True)
class Leg:
    """One side of a transaction: debit positive, credit negative, in the transaction's currency.

    `aged_on` is the day that the amount ages from: the work date for WIP, the due date for receivables. Without
    `base_amount` the transaction's exchange rate gives it; an amount in base may stand without one in the currency.
    """

    account: Account
    amount: Decimal
    client_id: UUID | None = None
    engagement_id: UUID | None = None
    invoice_id: UUID | None = None
    payment_id: UUID | None = None
    item_id: UUID | None = None
    aged_on: dt.date | None = None
    base_amount: Decimal | None = None


_POST = sa.text(f"""
    WITH legs AS MATERIALIZED (
        SELECT * FROM unnest(
            CAST(:account AS text[]), CAST(:amount AS numeric[]), CAST(:base_amount AS numeric[]),
            CAST(:client_id AS uuid[]), CAST(:engagement_id AS uuid[]), CAST(:invoice_id AS uuid[]),
            CAST(:payment_id AS uuid[]), CAST(:item_id AS uuid[]), CAST(:aged_on AS date[]), CAST(:book AS text[])
        ) WITH ORDINALITY AS leg (account, amount, base_amount, client_id, engagement_id, invoice_id, payment_id,
                                  item_id, aged_on, book, line)
    ), made AS (
        INSERT INTO ledger_transaction (kind, posted_on, happened_on, source_kind, source_id, reason, by_id,
                                        reverses_id, exchange_rate_id)
        SELECT :kind, greatest(CAST(:dated AS date), hold_open(CAST(:entity_id AS uuid)) + 1),
               CAST(:happened_on AS date), :source_kind, CAST(:source_id AS uuid), :reason, CAST(:by_id AS uuid),
               CAST(:reverses_id AS bigint), CAST(:exchange_rate_id AS uuid)
        RETURNING *
    ), posted AS (
        INSERT INTO posting (transaction_id, line, entity_id, book, account, amount, currency, base_amount, base_rate,
                             client_id, engagement_id, invoice_id, payment_id, item_id, aged_on)
        SELECT made.id, leg.line, CAST(:entity_id AS uuid), leg.book, leg.account, leg.amount, :currency,
               leg.base_amount, CAST(:base_rate AS numeric), leg.client_id, leg.engagement_id, leg.invoice_id,
               leg.payment_id, leg.item_id, leg.aged_on
        FROM made, legs AS leg
        RETURNING *
    ), clients AS (
        INSERT INTO client_balance (account, client_id, currency, amount)
        SELECT account, client_id, :currency, sum(amount)
        FROM legs WHERE account = ANY (CAST(:kept AS text[]))
        GROUP BY 1, 2 ORDER BY 2, 1
        ON CONFLICT (account, client_id, currency)
        DO UPDATE SET amount = client_balance.amount + excluded.amount
        RETURNING 1
    ), days AS (
        INSERT INTO account_balance (account, currency, aged_on, amount)
        SELECT account, :currency, aged_on, sum(amount)
        FROM legs WHERE account = ANY (CAST(:kept AS text[]))
        GROUP BY 1, 3 HAVING sum(amount) <> 0
    ), kept AS (
        INSERT INTO balance (client_id, engagement_id, account, currency, aged_on, amount)
        SELECT client_id, coalesce(engagement_id, CAST(:no_engagement AS uuid)), account, :currency, aged_on,
               sum(amount)
        FROM legs WHERE account = ANY (CAST(:kept AS text[]))
          AND (SELECT count(*) FROM clients) > 0  -- whoever posts for a client takes turns at the client's row
        GROUP BY 1, 2, 3, 5 ORDER BY 1, 2, 3, 5
        ON CONFLICT (client_id, engagement_id, account, currency, aged_on)
        DO UPDATE SET amount = balance.amount + excluded.amount
    )
    SELECT made.id, {POSTED.digest("made", ["FROM posted p"])} AS digest FROM made
""")


def post(
    kind: TransactionKind,
    legs: Sequence[Leg],
    *,
    by: Actor,
    currency: str,
    books: Books,
    source: Any,
    happened_on: dt.date,
    reason: str = "",
    reverses: int | None = None,
    rate: Exchange | None = None,
) -> int | None:
    """Append one balanced transaction and move the kept balances with it. Zero legs are left out.

    `books` are those of the entity whose act it is. It is posted on `happened_on`, or, when that month is closed, on
    the first day that is still open; time of tomorrow (where it is tomorrow already) today, so that what stands at the
    end of a day is what was posted through it. `rate` is the exchange rate of what is being taken back; else the day's
    own is looked up. Returns its id, None when nothing was left to post. Raises Refused without a rate.
    """
    authorize(by, can_post)
    legs = [leg for leg in legs if leg.amount or leg.base_amount]
    if not legs:
        return None
    if any(sum(leg.amount for leg in legs if leg.account.book is book) for book in Book):
        raise ValueError(f"{kind}: the legs do not sum to zero.")
    rate = rate if rate is not None else rate_on(currency, books.currency, happened_on)
    base_amounts = _in_base(legs, rate.rate, books.currency)
    columns: dict[str, list[Any]] = defaultdict(list)
    for leg, base_amount in zip(legs, base_amounts, strict=True):
        columns["account"].append(leg.account.value)
        columns["amount"].append(leg.amount)
        columns["base_amount"].append(base_amount)
        for name in ("client_id", "engagement_id", "invoice_id", "payment_id", "item_id"):
            columns[name].append(getattr(leg, name))
        columns["aged_on"].append(leg.aged_on or happened_on)
        columns["book"].append(leg.account.book.value)
    db.session.flush()
    takes("closing", [books.entity_id])
    takes("balance", {(leg.account.value, leg.client_id, currency) for leg in legs if leg.account in KEPT})
    made = db.session.connection().execute(
        _POST,
        {
            **columns,
            "kind": kind.value,
            "happened_on": happened_on,
            "dated": min(happened_on, today()),
            "source_kind": source.__tablename__,
            "source_id": source.id,
            "reason": reason,
            "by_id": by.person_id,
            "reverses_id": reverses,
            "entity_id": books.entity_id,
            "currency": currency,
            "base_rate": rate.rate,
            "exchange_rate_id": rate.rate_id,
            "no_engagement": NO_ENGAGEMENT,
            "kept": [account.value for account in KEPT],
        },
    ).one()
    keep_posted(made.id, made.digest)
    return int(made.id)


_HOLD = sa.text("""
    INSERT INTO client_balance (account, client_id, currency, amount)
    SELECT :account, client_id, currency, 0
    FROM unnest(CAST(:clients AS uuid[]), CAST(:currencies AS text[])) AS wanted (client_id, currency)
    ORDER BY client_id, currency
    ON CONFLICT (account, client_id, currency) DO UPDATE SET amount = client_balance.amount
""")


def hold_balances(account: Account, places: Iterable[tuple[UUID, UUID, str]]) -> None:
    """Hold the books of these entities open, and lock the balances of these clients and currencies, in one order.

    For whoever posts several transactions for several of them: each by itself would lock its own, in any order. Each
    place is an entity, a client and a currency; nothing is done while there is only one.
    """
    wanted = set(places)
    entities, balances = sorted({each[0] for each in wanted}), sorted({each[1:] for each in wanted})
    if len(wanted) < 2:
        return
    for entity_id in entities:
        hold_open(entity_id)
    takes("balance", [(account.value, *each) for each in balances])
    db.session.execute(
        _HOLD, {"account": account.value, "clients": [c for c, _ in balances], "currencies": [c for _, c in balances]}
    )


# One row a day, and one for all days that no page tells apart any more (`LONG_AGO`).
_GATHER = sa.text("""
    WITH dated AS MATERIALIZED (
        SELECT id, account, currency, aged_on, amount,
               CASE WHEN aged_on < :apart THEN CAST(:long_ago AS date) ELSE aged_on END AS day
        FROM account_balance
    ), many AS (
        SELECT account, currency, day FROM dated GROUP BY 1, 2, 3
        HAVING count(*) > 1 OR sum(amount) = 0 OR bool_or(aged_on <> day)
    ), gone AS (
        DELETE FROM account_balance WHERE id IN (
            SELECT id FROM account_balance WHERE id IN (SELECT id FROM dated JOIN many USING (account, currency, day))
            ORDER BY id FOR UPDATE SKIP LOCKED
        )
        RETURNING account, currency, CASE WHEN aged_on < :apart THEN CAST(:long_ago AS date) ELSE aged_on END AS day,
                  amount
    )
    INSERT INTO account_balance (account, currency, aged_on, amount)
    SELECT account, currency, day, sum(amount) FROM gone GROUP BY 1, 2, 3 HAVING sum(amount) <> 0 ORDER BY 1, 2, 3
""")
_EXCESS = sa.text("""
    SELECT count(*) - count(DISTINCT (account, currency, greatest(aged_on, CAST(:apart AS date) - 1)))
    FROM account_balance
""")
_EMPTIED = sa.text("SELECT EXISTS (SELECT FROM balance WHERE amount = 0)")
_SWEEP = sa.text("""
    DELETE FROM balance WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM balance WHERE amount = 0 LIMIT 10000 FOR UPDATE SKIP LOCKED))
""")
GATHER_FROM = 1000


def gather_account_balances(*, by: Actor) -> bool:
    """Make one row a day of an account's many changes, and drop balances that have come to nothing.

    Nobody who posts or reads waits; False while there is little to do.
    """
    authorize(by, can_gather)
    apart = today() - TOLD_APART
    many = (db.session.scalar(_EXCESS, {"apart": apart}) or 0) >= GATHER_FROM
    emptied = bool(db.session.scalar(_EMPTIED))
    if not many and not emptied:
        return False
    with transaction() as session:
        if emptied:
            session.execute(_SWEEP)
        if many:
            session.execute(_GATHER, {"apart": apart, "long_ago": LONG_AGO})
    return True


def _in_base(legs: Sequence[Leg], rate: Decimal, base: str) -> list[Decimal]:
    """The amounts in base currency; in each book the last converted one takes the rounding, so that they balance."""
    given = [leg.base_amount for leg in legs]
    converted = [round_amount(leg.amount * rate, base) if rate != 1 else leg.amount for leg in legs]
    amounts = [own if own is not None else found for own, found in zip(given, converted, strict=True)]
    for book in {leg.account.book for leg in legs}:
        own = [i for i, leg in enumerate(legs) if leg.account.book is book]
        free = [i for i in own if given[i] is None]
        if free:
            amounts[free[-1]] -= sum(amounts[i] for i in own)
    return amounts


def reverse(transaction_id: int, *, by: Actor, source: Any, reason: str, on: dt.date | None = None) -> int | None:
    """Append the opposite of a transaction in its books, to the last base unit, dated in the open period.

    The database refuses a second reversal of the same one.
    """
    authorize(by, can_post)
    original = db.session.get_one(LedgerTransaction, transaction_id)
    rows = db.session.scalars(
        sa.select(Posting).where(Posting.transaction_id == transaction_id).order_by(Posting.line)
    ).all()
    legs = [
        Leg(
            account=p.account,
            amount=-p.amount,
            client_id=p.client_id,
            engagement_id=p.engagement_id,
            invoice_id=p.invoice_id,
            payment_id=p.payment_id,
            item_id=p.item_id,
            aged_on=p.aged_on,
            base_amount=-p.base_amount,
        )
        for p in rows
    ]
    return post(
        original.kind,
        legs,
        by=by,
        currency=rows[0].currency,
        books=books_of_entity(rows[0].entity_id),
        source=source,
        happened_on=on or today(),
        reason=reason,
        reverses=transaction_id,
        rate=Exchange(rows[0].base_rate, original.exchange_rate_id),
    )


def close_period(month: dt.date, *, by: Actor, entity_id: UUID | None = None) -> None:
    """Close a month and, with it, all before it, of one entity or of all. It waits for whatever is being posted.

    Raises Refused for a month that is not over, and when it is closed already.
    """
    authorize(by, can_close_period)
    month = month_of(month)
    if month >= month_of(today()):
        raise Refused("A month can be closed once it is over.", field="month")
    through = month + relativedelta(months=1, days=-1)
    entities = sa.select(Entity.id).order_by(Entity.id)
    with transaction() as session:
        closed: list[UUID] = []
        for each in session.scalars(entities.where(Entity.id == entity_id) if entity_id else entities).all():
            takes("closing", [each])
            session.execute(_CLOSING_TURN, {"entity": each})
            if (closed_through(each) or dt.date.min) >= through:
                continue
            session.add(Closing(entity_id=each, closed_through=through, closed_at=now(), closed_by=by.person_id))
            closed.append(each)
        if not closed:
            raise Refused(f"{month:%B %Y} is closed already.", field="month")
        session.flush()
        record(
            "ledger.period.close", _Month(month), by=by, month=month, entity=entity_id,
            covers=[("closing", each) for each in closed],
        )


# Nobody posts into the books while they are being closed, and whoever has begun is waited for.
_CLOSING_TURN = sa.text("SELECT pg_advisory_xact_lock(7140, hashtext(CAST(:entity AS text)))")


def hold_open(entity_id: UUID) -> dt.date | None:
    """Keep an entity's books from being closed until the transaction ends; the day that they are closed through.

    Taken after all rows are locked, before numbers are given and anything is posted.
    """
    takes("closing", [entity_id])
    return db.session.scalar(sa.select(sa.func.hold_open(entity_id, type_=sa.Date)))


def refuse_closed(entity_id: UUID, day: dt.date, *, field: str, what: str) -> None:
    """Refuse to date something into closed books, naming the first day that is open; they stay open till the end."""
    closed = hold_open(entity_id)
    if closed is not None and day <= closed:
        first = closed + dt.timedelta(days=1)
        raise Refused(
            f"The books are closed through {full_day(closed)}; {what} is dated {full_day(first)} or later.", field=field
        )


class _Month:
    """The subject of a period's event; a month has no UUID of its own, so its number is made one."""

    __tablename__ = "ledger_period"

    def __init__(self, month: dt.date) -> None:
        self.id = UUID(int=int(f"{month:%Y%m}"))
