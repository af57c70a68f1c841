"""What an event vouches for: columns that are written out, versions that stay, and every version still proven."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest
from flask import Flask, current_app

from app.activity import covers
from app.activity.baseline import posted_differences, record_baseline
from app.activity.covers import LEDGER, Cover, cover, differences, kinds, newest, table_of, versions
from app.billing.commands.credit import credit_invoice
from app.billing.commands.issue import approve_invoice
from app.billing.models import Invoice
from app.core.db import Base, db, transaction
from app.core.ids import new_id
from tests.billing.make_billing import make_draft, make_entry, make_rate
from tests.make import Cast, make_cast
from tests.plumbing import as_owner

# The beginning of the SHA-256 of each version's SQL. A version that was written never changes; a new one is added here.
WRITTEN = {
    "approval 1": "78737f25dc82ae75",
    "approval_limit 1": "0c3da1595d16eeb1",
    "bill 1": "ce5d863151dfb641",
    "bill_life 1": "05fb0a39cfa24d9d",
    "billed_work 1": "2b8104533e6cc222",
    "closing 1": "c374584bb9dabf4d",
    "document 1": "c08da0a1f14d9a09",
    "exchange_rate 1": "4870192ed59a193e",
    "ledger 1": "7e2e9fd19d756f9a",
    "payment 1": "84682f3b8e9c2c32",
    "rate_file 1": "34f14556567394e1",
    "write_off 1": "c9623b0c149bd819",
}


def test_a_version_that_was_written_is_never_changed() -> None:
    found = {
        f"{kind} {number}": hashlib.sha256(one.digest().encode()).hexdigest()[:16]
        for kind in kinds() for number, one in versions(kind).items()
    }
    assert found == WRITTEN, "Leave a version as it is and put a new one beside it: old digests were made by it."


def covered(kind: str) -> Iterator[tuple[type[Base], tuple[str, ...], Mapping[str, str]]]:
    one = newest(kind)
    if one.columns != ("id",):  # else the row only holds its parts together
        yield one.model, one.columns, one.left_out
    for part in one.parts:
        yield part.model, part.columns, part.left_out


def test_every_column_is_vouched_for_or_left_out_with_its_reason() -> None:
    for kind in kinds():
        for model, columns, left_out in covered(kind):
            there = {column.name for column in table_of(model).columns}
            where = f"{kind}, {model.__name__}"
            assert there - set(columns) - set(left_out) == set(), f"{where}: in a new version, or left out because?"
            assert set(left_out) - there == set() and set(left_out) & set(columns) == set(), where
            assert all(left_out.values()), where


@pytest.fixture
def of_two_versions() -> Iterator[None]:
    """Registers what a later release would: forget it afterwards."""
    kept = {kind: dict(some) for kind, some in covers._covers.items()}
    yield
    covers._covers.clear()
    covers._covers.update(kept)


def next_version(kind: str, *more: str) -> Cover:
    one = newest(kind)
    return cover(replace(one, version=one.version + 1, columns=(*reversed(one.columns), *more)))


def working_cast() -> Cast:
    with transaction():
        cast = make_cast()
        make_rate("100")
    return cast


def by_hand(statement: str, **values: object) -> None:
    db.session.remove()
    as_owner(current_app.config["SETTINGS"], "invoice", statement, **values)


def bill(cast: Cast) -> Invoice:
    make_entry(cast)
    return approve_invoice(make_draft(cast), by=cast.actor(cast.bea))


def told(kind: str) -> list[str]:
    return [f"{finding.subject} {finding.message}" for finding in differences(kind)]


@pytest.mark.real
def test_each_bill_is_proven_in_the_version_in_which_it_was_told(real_app: Flask, of_two_versions: None) -> None:
    with real_app.app_context():
        cast = working_cast()
        before = bill(cast)
        next_version("bill", "viewed_at")
        after = bill(cast)
        assert told("bill") == []
        by_hand("UPDATE invoice SET viewed_at = now()")
        assert [line.split(" when")[0] for line in told("bill")] == [f"bill {after.number} is not what it was"]
        by_hand("UPDATE invoice SET note = 'Paid in cash' WHERE id = :id", id=before.id)
        assert any(line.startswith(f"bill {before.number} is not what it was") for line in told("bill"))


@pytest.mark.real
def test_a_baseline_is_proven_in_the_version_in_which_it_was_told(real_app: Flask, of_two_versions: None) -> None:
    with real_app.app_context():
        bill(working_cast())
        with transaction() as session:
            record_baseline(session.connection())
        next_version(LEDGER)
        assert list(posted_differences()) == []
        db.session.remove()
        as_owner(real_app.config["SETTINGS"], "ledger_transaction", "UPDATE ledger_transaction SET reason = 'Else'")
        assert list(posted_differences()) != []


@pytest.mark.real
def test_what_stands_again_though_an_event_says_that_it_does_not_is_named(real_app: Flask) -> None:
    with real_app.app_context():
        cast = working_cast()
        one = bill(cast)
        credit_invoice(one, new_id(), "Wrong rate", by=cast.actor(cast.bea))
        assert told("billed_work") == []
        by_hand("UPDATE invoice SET state = 'sent' WHERE id = :id", id=one.id)
        [line] = told("billed_work")
        assert line.startswith(f"work behind bill {one.number} stands, though event")
