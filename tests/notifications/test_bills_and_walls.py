"""Nobody is told of a bill that a wall hides from them: before its client, its payer or one of its engagements."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy.orm import Session

from app.activity.commands import record
from app.billing.commands.drafts import DraftFacts, create_draft
from app.billing.commands.issue import approve_invoice
from app.billing.models import Invoice
from app.clients.models import Wall
from app.core import clock
from app.core.actors import SYSTEM
from app.core.clock import now
from app.core.db import transaction
from app.core.ids import new_id
from app.notifications.queries import count_notices, list_notices
from app.runs.models import Run
from tests.billing.make_billing import make_entry, make_rate
from tests.make import Cast, keep, make_client
from tests.notifications.test_inbox import kinds, read_all

SIDES = ("client", "payer", "engagement")


def walls(cast: Cast, bill: Invoice) -> dict[str, dict[str, object]]:
    return {
        "client": {"client_id": bill.client_id}, "payer": {"client_id": bill.payer_id},
        "engagement": {"engagement_id": cast.rival_work.id},
    }  # fmt: skip


def issued(cast: Cast, *, behind: str = "") -> Invoice:
    """A bill of Rival's, whose partner is Pat, that Parent pays; Pat may be behind a wall."""
    with transaction():
        make_rate("100")
        parent = make_client("Parent plc", cast.office)
        cast.rival.partner_id = cast.pat.id
    make_entry(cast, engagement=cast.rival_work)
    bea = cast.actor(cast.bea)
    facts = DraftFacts(
        client_id=cast.rival.id, engagement_ids=(cast.rival_work.id,), until=clock.today(), payer_id=parent.id
    )
    bill = create_draft(new_id(), facts, by=bea)
    if behind:
        keep(Wall(person_id=cast.pat.id, reason="Acts against them", created_at=now(), **walls(cast, bill)[behind]))
    approve_invoice(bill, by=bea)
    read_all()
    return bill


def test_the_clients_partner_is_told_of_an_issued_bill(session: Session, cast: Cast) -> None:
    issued(cast)
    assert kinds(cast.pat) == ["billing.invoice.approve"]


@pytest.mark.parametrize("side", SIDES)
def test_behind_a_wall_the_partner_is_told_nothing(session: Session, cast: Cast, side: str) -> None:
    issued(cast, behind=side)
    assert kinds(cast.pat) == []


def test_behind_a_wall_before_somebody_else_the_partner_is_told(session: Session, cast: Cast) -> None:
    """Neither news of no engagement nor news of no client is what a wall before another one hides."""
    keep(Wall(person_id=cast.pat.id, client_id=cast.acme.id, reason="Family", created_at=now()))
    keep(Wall(person_id=cast.pat.id, engagement_id=cast.acme_work.id, reason="Family", created_at=now()))
    issued(cast)
    run = keep(Run(kind="billing.draft", title="Bill run", started_by=cast.pat.id, created_at=now()))
    with transaction():
        record("runs.run.finish", run, by=SYSTEM)
    read_all()
    assert kinds(cast.pat) == ["billing.invoice.approve", "runs.run.finish"]


@pytest.mark.parametrize("side", SIDES)
def test_what_they_were_told_before_goes_when_a_wall_is_put_up(session: Session, cast: Cast, side: str) -> None:
    bill = issued(cast)
    pat, wall = cast.actor(cast.pat), walls(cast, bill)[side]
    assert count_notices(seen_by=pat) == 1
    hidden = {f"walled_{name.removesuffix('_id')}s": frozenset({value}) for name, value in wall.items()}
    walled = replace(pat, **hidden)
    assert count_notices(seen_by=walled) == 0 and list_notices(seen_by=walled) == ([], False)
