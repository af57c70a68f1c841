"""What every kind of approval is made of: a matter is asked for, approved or closed, once and by whoever may."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.activity.models import Event
from app.approvals.commands import (
    Matter,
    Outdated,
    approve_matter,
    ask_for_approval,
    close_pending,
    pending_for,
)
from app.approvals.limits import Judged, judge
from app.approvals.models import Approval, Decision
from app.core import clock
from app.core.db import db
from app.core.errors import NotAllowed, Refused
from app.core.ids import new_id
from app.core.permissions import Role
from app.people.models import Person
from tests.approvals.make_approvals import BILL, limit
from tests.make import Cast, count

DIGEST, OTHER = b"1" * 32, b"2" * 32


@pytest.fixture
def matter(session: Session, cast: Cast) -> Matter:
    """A bill of 1,000, where billing decides up to 300 alone."""
    limit(cast, Role.BILLING, "300")
    return Matter(
        kind=BILL, subject_id=new_id(), entity_id=cast.entity.id, client_id=cast.acme.id,
        client_ids=frozenset({cast.acme.id}), engagement_ids=frozenset({cast.acme_work.id}), currency="GBP",
        amount=Decimal(1000), digest=DIGEST, facts={"gross": "1000"},
    )  # fmt: skip


def judged(matter: Matter, cast: Cast, person: Person) -> Judged:
    return judge(BILL, matter.entity_id, matter.amount, matter.currency, clock.today(), by=cast.actor(person))


def asked(matter: Matter, cast: Cast, person: Person) -> Approval:
    return ask_for_approval(matter, judged(matter, cast, person), by=cast.actor(person))


def approved(matter: Matter, cast: Cast, person: Person) -> Approval:
    return approve_matter(matter, judged(matter, cast, person), by=cast.actor(person), asked_by=person.id)


def told() -> list[str]:
    kinds = sa.select(Event.kind).where(Event.kind.like("approvals.approval.%")).order_by(Event.id)
    return [kind.rpartition(".")[2] for kind in db.session.scalars(kinds)]


def test_what_is_asked_for_waits_and_is_told_once(matter: Matter, cast: Cast) -> None:
    one = asked(matter, cast, cast.bea)
    assert (one.decision, one.asked_by, one.limit_amount) == (Decision.PENDING, cast.bea.id, 300)
    assert one.second_person and one.facts == {"gross": "1000"}
    assert asked(matter, cast, cast.bea) is one and asked(matter, cast, cast.mel) is one
    assert (count(Approval), told()) == (1, ["asked"])


def test_what_has_changed_since_takes_the_place_of_what_was_asked(matter: Matter, cast: Cast) -> None:
    one = asked(matter, cast, cast.bea)
    two = asked(replace(matter, digest=OTHER), cast, cast.bea)
    assert (one.decision, one.word, two.decision) == (Decision.WITHDRAWN, "asked for anew", Decision.PENDING)
    assert told() == ["asked", "withdrawn", "asked"]


def test_whoever_may_decide_it_alone_needs_no_second_person(matter: Matter, cast: Cast) -> None:
    assert not asked(matter, cast, cast.pat).second_person
    assert approved(matter, cast, cast.pat).decision is Decision.APPROVED


def test_somebody_else_approves_within_their_limit(matter: Matter, cast: Cast) -> None:
    one = asked(matter, cast, cast.bea)
    with pytest.raises(Refused, match=r"It is 1,000\.00 GBP; your limit is 300\.00\. Somebody else has to"):
        approved(matter, cast, cast.bea)
    assert approved(matter, cast, cast.pat) is one
    assert (one.decision, one.decided_by, one.decided_on) == (Decision.APPROVED, cast.pat.id, clock.today())
    assert (one.asked_by, one.limit_amount) == (cast.bea.id, None)  # by whose limit it was decided
    assert told() == ["asked", "approved"] and pending_for(BILL, matter.subject_id) is None


def test_nobody_approves_what_they_asked_for_even_with_a_limit_raised_since(matter: Matter, cast: Cast) -> None:
    asked(matter, cast, cast.bea)
    limit(cast, Role.BILLING, None)
    with pytest.raises(Refused, match="You asked for this yourself"):
        approved(matter, cast, cast.bea)


def test_what_is_not_what_was_asked_for_is_not_approved(matter: Matter, cast: Cast) -> None:
    one = asked(matter, cast, cast.bea)
    with pytest.raises(Outdated, match="changed since"):
        approved(replace(matter, digest=OTHER), cast, cast.pat)
    assert one.decision is Decision.PENDING


def test_without_a_question_ones_own_decision_is_noted(matter: Matter, cast: Cast) -> None:
    one = approved(matter, cast, cast.pat)
    assert (one.decision, one.asked_by, one.decided_by) == (Decision.APPROVED, cast.pat.id, cast.pat.id)
    assert not one.second_person and told() == ["approved"]


def test_a_manager_decides_no_bill_whatever_their_limit(matter: Matter, cast: Cast) -> None:
    limit(cast, Role.MANAGER, None)
    with pytest.raises(Refused, match="Your role does not decide this"):
        approved(matter, cast, cast.mel)
    assert count(Approval) == 0


def test_what_is_closed_waits_no_more_and_says_why(matter: Matter, cast: Cast) -> None:
    bea, one = cast.actor(cast.bea), asked(matter, cast, cast.mel)
    close_pending(BILL, matter.subject_id, "Wrong client", by=bea, declined=True)
    assert (one.decision, one.word, one.decided_by) == (Decision.DECLINED, "Wrong client", cast.bea.id)
    close_pending(BILL, matter.subject_id, "Again", by=bea)  # a second time nothing happens
    assert (one.decision, one.word, told()) == (Decision.DECLINED, "Wrong client", ["asked", "declined"])
    again = asked(matter, cast, cast.mel)
    close_pending(BILL, matter.subject_id, "the draft was taken apart", by=bea)
    assert again.decision is Decision.WITHDRAWN and told()[-1] == "withdrawn"


def test_who_works_with_no_money_asks_approves_and_closes_nothing(matter: Matter, cast: Cast) -> None:
    by_bea = judged(matter, cast, cast.bea)
    asked(matter, cast, cast.bea)
    for actor in (cast.actor(cast.sam), cast.contact(cast.cleo)):
        for act in (
            lambda by: ask_for_approval(matter, by_bea, by=by),
            lambda by: approve_matter(matter, by_bea, by=by, asked_by=None),
            lambda by: close_pending(BILL, matter.subject_id, "", by=by),
        ):
            with pytest.raises(NotAllowed):
                act(actor)
    assert told() == ["asked"]
