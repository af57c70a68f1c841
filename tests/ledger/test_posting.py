"""The ledger balances, stays, and keeps its balances true."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.activity.commands import record
from app.billing.queries.wip import WipFilter, wip_by_client
from app.clients.models import Engagement
from app.core.actors import SYSTEM
from app.core.clock import today
from app.core.db import db, transaction
from app.core.errors import NotAllowed, Refused
from app.core.proofs import Finding
from app.ledger import commands
from app.ledger.books import Books
from app.ledger.commands import Leg, close_period, gather_account_balances, post, reverse
from app.ledger.models import Account, AccountBalance, ClientBalance, LedgerTransaction, TransactionKind
from app.ledger.proofs import prove_sums
from app.ledger.queries import aged_total, balance_of, sum_on
from tests.make import Cast, count


def record_wip(
    cast: Cast, amount: str, on: dt.date = dt.date(2026, 3, 10), work: Engagement | None = None, **values: object
) -> int:
    work = work or cast.acme_work
    key = {"client_id": work.client_id, "engagement_id": work.id, "aged_on": on}
    legs = [
        Leg(account=Account.WIP, amount=Decimal(amount), **key),
        Leg(account=Account.WIP_MEMO, amount=-Decimal(amount), **key),
    ]
    with transaction():
        made = post(
            TransactionKind.RECORDED,
            legs,
            by=cast.actor(cast.sam),
            currency="GBP",
            books=Books(cast.entity.id, "GBP"),
            source=work,
            happened_on=on,
            **values,
        )  # type: ignore[arg-type]
        record("timekeeping.entry.record", work, by=SYSTEM)
    assert made is not None
    return made


def test_a_posting_moves_the_kept_balance_and_the_exact_sum_alike(session: Session, cast: Cast) -> None:
    record_wip(cast, "100.50")
    record_wip(cast, "20.25", dt.date(2026, 4, 1))
    pat = cast.actor(cast.pat)
    assert balance_of(Account.WIP, seen_by=pat, client_id=cast.acme.id) == {"GBP": Decimal("120.75")}
    assert sum_on(Account.WIP, dt.date(2026, 3, 31), seen_by=pat) == {"GBP": Decimal("100.50")}


def test_legs_that_do_not_sum_to_zero_are_refused_before_they_reach_the_database(session: Session, cast: Cast) -> None:
    with pytest.raises(ValueError, match="do not sum to zero"):
        post(
            TransactionKind.RECORDED,
            [Leg(account=Account.WIP, amount=Decimal(1), client_id=cast.acme.id)],
            by=cast.actor(cast.sam),
            currency="GBP",
            books=Books(cast.entity.id, "GBP"),
            source=cast.acme_work,
            happened_on=dt.date(2026, 1, 1),
        )


def test_what_is_posted_is_told_in_the_same_transaction_or_not_at_all(session: Session, cast: Cast) -> None:
    legs = [Leg(account=Account.WIP, amount=Decimal(1), client_id=cast.acme.id)]
    legs.append(Leg(account=Account.WIP_MEMO, amount=Decimal(-1), client_id=cast.acme.id))
    with pytest.raises(RuntimeError, match="is told by an event of the same transaction"), transaction():
        post(
            TransactionKind.RECORDED,
            legs,
            by=cast.actor(cast.sam),
            currency="GBP",
            books=Books(cast.entity.id, "GBP"),
            source=cast.acme_work,
            happened_on=dt.date(2026, 1, 1),
        )
    assert count(LedgerTransaction) == 0


def test_the_database_refuses_an_unbalanced_transaction_at_commit(session: Session, cast: Cast) -> None:
    with pytest.raises(DBAPIError, match="out of balance"), transaction():
        made = db.session.scalar(
            sa.text(
                "INSERT INTO ledger_transaction (kind, posted_on, happened_on, source_kind, source_id, reason) "
                "VALUES ('recorded', '2026-01-01', '2026-01-01', 'engagement', :id, '') RETURNING id"
            ),
            {"id": cast.acme_work.id},
        )
        db.session.execute(
            sa.text(
                "INSERT INTO posting (transaction_id, line, entity_id, account, amount, currency, base_amount, "
                "base_rate, aged_on) VALUES (:t, 1, :entity, 'bank', 5, 'GBP', 5, 1, '2026-01-01')"
            ),
            {"t": made, "entity": cast.entity.id},
        )
        db.session.execute(sa.text("SET CONSTRAINTS ALL IMMEDIATE"))


@pytest.mark.parametrize(
    "change", ["UPDATE posting SET amount = 1", "DELETE FROM posting", "DELETE FROM ledger_transaction"]
)
def test_nobody_changes_what_was_posted(session: Session, cast: Cast, change: str) -> None:
    record_wip(cast, "10")
    with pytest.raises(DBAPIError, match="permission denied|append-only"), transaction():
        db.session.execute(sa.text(change))


def test_a_reversal_brings_the_balance_back_and_happens_once(session: Session, cast: Cast) -> None:
    made = record_wip(cast, "75")
    with transaction():
        reverse(made, by=cast.actor(cast.pat), source=cast.acme_work, reason="Wrong client")
        record("timekeeping.entry.delete", cast.acme_work, by=SYSTEM)
    assert balance_of(Account.WIP, seen_by=cast.actor(cast.pat), client_id=cast.acme.id) == {}
    with pytest.raises(DBAPIError, match="uq_ledger_transaction_reverses_id"), transaction():
        reverse(made, by=cast.actor(cast.pat), source=cast.acme_work, reason="Again")


def test_a_closed_period_takes_nothing_and_a_late_correction_lands_in_the_open_one(
    session: Session, cast: Cast
) -> None:
    close_period(dt.date(2026, 3, 1), by=cast.actor(cast.pat))
    made = record_wip(cast, "10", dt.date(2026, 3, 10))
    assert session.get_one(LedgerTransaction, made).posted_on == dt.date(2026, 4, 1)
    with pytest.raises(DBAPIError, match="is closed"), transaction():
        late = db.session.scalar(
            sa.text(
                "INSERT INTO ledger_transaction (kind, posted_on, happened_on, source_kind, source_id, reason) "
                "VALUES ('recorded', '2026-03-05', '2026-03-05', 'engagement', :id, '') RETURNING id"
            ),
            {"id": cast.acme_work.id},
        )
        db.session.execute(
            sa.text(
                "INSERT INTO posting (transaction_id, line, entity_id, account, amount, currency, base_amount, "
                "base_rate, aged_on) VALUES (:t, 1, :entity, 'bank', 5, 'GBP', 5, 1, '2026-03-05')"
            ),
            {"t": late, "entity": cast.entity.id},
        )


def test_only_a_partner_closes_a_month_and_only_one_that_is_over(session: Session, cast: Cast) -> None:
    with pytest.raises(NotAllowed):
        close_period(dt.date(2026, 3, 1), by=cast.actor(cast.sam))
    with pytest.raises(Refused, match="once it is over"):
        close_period(dt.date(2999, 1, 1), by=cast.actor(cast.pat))


def test_a_wall_takes_its_clients_out_of_every_total(session: Session, cast: Cast) -> None:
    record_wip(cast, "50", work=cast.rival_work)
    on = dt.date(2026, 3, 31)
    assert [a.total for a in aged_total(Account.WIP, on, seen_by=cast.actor(cast.sam))] == [Decimal(50)]
    assert aged_total(Account.WIP, on, seen_by=cast.actor(cast.wes)) == []


def test_the_kept_sums_tell_what_the_balances_tell_and_gathering_changes_nothing(
    session: Session, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_wip(cast, "100.50")
    record_wip(cast, "20.25", dt.date(2026, 1, 31))
    record_wip(cast, "-20.25", dt.date(2026, 1, 31))
    pat = cast.actor(cast.pat)
    page, [total] = wip_by_client(WipFilter(), seen_by=pat).rows, aged_total(Account.WIP, today(), seen_by=pat)
    assert [(row.name, row.total, sum(row.ages)) for row in page] == [
        (cast.acme.name, Decimal("100.5"), Decimal("100.5"))
    ]
    assert total.total == Decimal("100.5") and findings() == []
    monkeypatch.setattr(commands, "GATHER_FROM", 2)
    assert gather_account_balances(by=SYSTEM)
    assert session.scalar(sa.select(sa.func.count()).select_from(AccountBalance)) == 1
    assert aged_total(Account.WIP, today(), seen_by=pat) == [total] and findings() == []
    session.execute(sa.update(AccountBalance).values(amount=1))
    session.execute(sa.update(ClientBalance).values(amount=2))
    assert len(findings()) == 2


def findings() -> list[Finding]:
    return list(prove_sums())


def test_a_foreign_currency_needs_a_rate_and_names_the_way_to_add_it(session: Session, cast: Cast) -> None:
    legs = [
        Leg(account=Account.WIP, amount=Decimal(10), client_id=cast.acme.id),
        Leg(account=Account.WIP_MEMO, amount=Decimal(-10), client_id=cast.acme.id),
    ]
    with pytest.raises(Refused, match="no exchange rate from EUR to GBP"):
        post(
            TransactionKind.RECORDED,
            legs,
            by=cast.actor(cast.pat),
            currency="EUR",
            books=Books(cast.entity.id, "GBP"),
            source=cast.acme_work,
            happened_on=dt.date(2026, 1, 1),
        )
