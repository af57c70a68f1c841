"""A limit for write-offs cannot be gone round by changing what somebody else recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest
from sqlalchemy.orm import Session

from app.billing.commands.wip import write_off_items
from app.clients.models import ArrangementKind
from app.core.db import db
from app.core.errors import Refused
from app.core.ids import new_id
from app.core.permissions import Role
from app.timekeeping.commands.entries import delete_entry, edit_entry
from app.timekeeping.commands.expenses import ExpenseFacts, delete_expense, edit_expense, record_expense
from app.timekeeping.commands.less import refuse_less
from app.timekeeping.commands.wip import place_of
from app.timekeeping.models import TimeEntry
from tests.approvals.make_approvals import WRITE_OFF, limit
from tests.make import Cast, make_engagement
from tests.timekeeping.make_time import make_entry, make_rate
from tests.timekeeping.test_figures import HOUR, facts_of

WHY = r"Your limit for write-offs is 50\.00 GBP, so what somebody else recorded is not made worth less by a change\."
Change = Callable[[TimeEntry, Cast], object]
WAYS: dict[str, Change] = {
    "less time": lambda entry, cast: edit_entry(entry, facts_of(entry, recorded=HOUR), by=cast.actor(cast.mel)),
    "not billable": lambda entry, cast: edit_entry(entry, facts_of(entry, billable=False), by=cast.actor(cast.mel)),
    "deleted": lambda entry, cast: delete_entry(entry, by=cast.actor(cast.mel)),
    "elsewhere, where it is not charged": lambda entry, cast: edit_entry(
        entry, facts_of(entry, engagement_id=make_engagement(
            cast.acme, cast.entity, "Goodwill", kind=ArrangementKind.NON_BILLABLE).id), by=cast.actor(cast.mel)),
}  # fmt: skip


@pytest.fixture
def entry(session: Session, cast: Cast) -> TimeEntry:
    """Two hours of Sam's, worth 200; Mel changes the time of others."""
    make_rate("100")
    return make_entry(cast, recorded=HOUR * 2)


@pytest.mark.parametrize("way", WAYS)
def test_whoever_has_a_limit_makes_no_others_time_worth_less(cast: Cast, entry: TimeEntry, way: str) -> None:
    limit(cast, Role.MANAGER, "50", WRITE_OFF)
    with pytest.raises(Refused, match=WHY), db.session.begin_nested():
        WAYS[way](entry, cast)
    db.session.refresh(entry)
    assert (entry.open_value, entry.deleted_at) == (200, None)


@pytest.mark.parametrize("way", WAYS)
def test_without_a_limit_it_is_put_right_by_whoever_may_change_it(cast: Cast, entry: TimeEntry, way: str) -> None:
    WAYS[way](entry, cast)
    assert entry.open_value < 200


def test_more_time_and_other_words_are_no_write_off(cast: Cast, entry: TimeEntry) -> None:
    limit(cast, Role.MANAGER, "50", WRITE_OFF)
    mel = cast.actor(cast.mel)
    edit_entry(entry, facts_of(entry, narrative="Reviewed"), by=mel)
    edit_entry(entry, facts_of(entry, recorded=HOUR * 3), by=mel)
    assert entry.open_value == 300


def test_what_goes_into_another_currency_is_less_only_when_nothing_is_left_of_it(cast: Cast, entry: TimeEntry) -> None:
    limit(cast, Role.MANAGER, "50", WRITE_OFF)
    before, mel = replace(place_of(entry), amount=Decimal(300), currency="EUR"), cast.actor(cast.mel)
    refuse_less(entry, before, by=mel)
    with db.session.no_autoflush:  # as it is while a command changes it
        entry.open_value = Decimal(0)
        with pytest.raises(Refused, match=WHY):
            refuse_less(entry, before, by=mel)
        db.session.expire(entry)


def test_ones_own_time_is_put_right_by_oneself(cast: Cast, entry: TimeEntry) -> None:
    limit(cast, Role.MANAGER, "50", WRITE_OFF)
    mel = cast.actor(cast.mel)
    own = make_entry(cast, person=cast.mel, recorded=HOUR * 2)
    edit_entry(own, facts_of(own, recorded=HOUR), by=mel)
    assert own.open_value == 100
    delete_entry(own, by=mel)
    assert own.open_value == 0


def test_an_expense_of_somebody_else_is_not_made_less_either(cast: Cast, entry: TimeEntry) -> None:
    limit(cast, Role.MANAGER, "50", WRITE_OFF)
    facts = ExpenseFacts(
        engagement_id=entry.engagement_id, spent_on=entry.worked_on, net=Decimal(80), narrative="Fee"
    )
    less = ExpenseFacts(engagement_id=entry.engagement_id, spent_on=entry.worked_on, net=Decimal(8), narrative="Fee")
    expense = record_expense(new_id(), facts, by=cast.actor(cast.sam))
    for act in (
        lambda: edit_expense(expense, less, by=cast.actor(cast.mel)),
        lambda: delete_expense(expense, by=cast.actor(cast.mel)),
    ):
        with pytest.raises(Refused, match=WHY), db.session.begin_nested():
            act()
        db.session.refresh(expense)
        assert (expense.open_value, expense.deleted_at) == (80, None)


def test_what_is_to_be_less_is_written_off_within_the_limit(cast: Cast, entry: TimeEntry) -> None:
    limit(cast, Role.PARTNER, "50", WRITE_OFF)
    written = write_off_items([entry.id], "Too slow", by=cast.actor(cast.pat), percent=Decimal(20))
    assert (written.done, written.asked) == (40, 0)
