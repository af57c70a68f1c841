"""The screens that are promised to be quick, each looked at for many clients, jobs and people in turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask import Flask

from app.billing.commands.drafts import DraftFacts, create_draft
from app.clients.access import actor_for
from app.clients.models import Engagement, Wall
from app.core.clock import now, today
from app.core.db import db
from app.core.ids import new_id
from app.people.models import Person
from tests.bench.browse import Load, Visitor, load_page, scalars, sign_in, sign_in_contact
from tests.bench.fill.firm import count_people
from tests.bench.fill.ids import Kind, bench_id

SUBJECTS = 10
WORDS = ("ashford", "bakery", "J-00", "studio", "harb", "INV-0001", "rowan", "quarry", "kes", "amara")


@dataclass
class Site:
    """One filled size as it is being measured: its server, who is signed in, what they look at."""

    size: int
    port: int
    app: Flask
    staff: list[Visitor] = field(default_factory=list)
    manager: Visitor = field(init=False)
    partner: Visitor = field(init=False)
    walled: Visitor = field(init=False)
    contacts: list[tuple[Visitor, UUID]] = field(default_factory=list)
    clients: list[UUID] = field(default_factory=list)
    jobs: list[UUID] = field(default_factory=list)
    drafts: list[UUID] = field(default_factory=list)
    kept: dict[str, list[str]] = field(default_factory=dict)


def open_site(app: Flask, size: int, port: int) -> Site:
    """Sign everybody in and choose what to look at, spread over the whole; in the application's context."""
    site = Site(size, port, app)
    partners, managers, staff = count_people(size)
    first = partners + managers
    site.staff = [sign_in(app, port, bench_id(Kind.PERSON, first + n)) for n in range(min(staff, 5))]
    site.manager = sign_in(app, port, bench_id(Kind.PERSON, partners))
    site.partner = sign_in(app, port, bench_id(Kind.PERSON, 0))
    site.walled = sign_in(app, port, _walled(bench_id(Kind.PERSON, partners + 1)))
    spread = [n * (size // SUBJECTS) + n for n in range(SUBJECTS)]
    site.clients = [bench_id(Kind.CLIENT, n) for n in spread]
    site.jobs = scalars("SELECT DISTINCT ON (client_id) id FROM job WHERE client_id = ANY(:ids) AND status = 'active' "
                        "ORDER BY client_id, due_on", ids=site.clients)
    asked = db.session.execute(sa.text("""
        SELECT r.id, rr.contact_id FROM client_request r JOIN request_recipient rr ON rr.request_id = r.id
        WHERE r.state IN ('sent', 'viewed', 'in_progress') ORDER BY r.id LIMIT :limit
    """), {"limit": SUBJECTS}).all()
    site.contacts = [(sign_in_contact(app, port, row.contact_id), row.id) for row in asked]
    site.drafts = _drafts(site)
    return site


def _walled(person_id: UUID) -> UUID:
    """Keep a person from one client and from an engagement of another."""
    for side in ({"client_id": bench_id(Kind.CLIENT, 3)}, {"engagement_id": bench_id(Kind.ENGAGEMENT, 15)}):
        db.session.add(Wall(id=new_id(), person_id=person_id, reason="Family", created_at=now(), **side))
    db.session.commit()
    return person_id


def _drafts(site: Site) -> list[UUID]:
    """Drafts of a hundred entries each, over both engagements of a client."""
    person = db.session.get_one(Person, bench_id(Kind.PERSON, 0))
    by, made = actor_for(person), []
    for client_id in site.clients[: SUBJECTS // 2]:
        engagements = tuple(db.session.scalars(sa.select(Engagement.id).where(Engagement.client_id == client_id)))
        invoice = create_draft(
            new_id(), DraftFacts(client_id=client_id, engagement_ids=engagements, until=today()), by=by
        )
        made.append(invoice.id)
        db.session.remove()
        db.session.rollback()
    return made


@dataclass(frozen=True)
class Page:
    """A screen: who asks for what, over its subjects in turn, in every round or in some.

    Its goal is `times` the read floor, or no more than `most_ms`; one `beside` another page is only compared with it.
    """

    name: str
    visit: Callable[[Site, int], tuple[Visitor, str]]
    times: float = 4.0
    fragment: bool = False
    beside: str = ""
    most_ms: float | None = None
    every: int = 1

    @property
    def grows(self) -> bool:
        """Whether it looks at every client's row, and so takes longer in a larger firm."""
        return bool(self.beside) or self.most_ms is not None

    def load(self, site: Site, turn: int) -> Load:
        visitor, path = self.visit(site, turn)
        return load_page(visitor, path, site.kept, fragment=self.fragment)


def _request_of(contact: tuple[Visitor, UUID]) -> tuple[Visitor, str]:
    return contact[0], f"/portal/requests/{contact[1]}"


def turn_of(things: Sequence[Any], turn: int) -> Any:
    return things[turn % len(things)]


PAGES = (
    Page("My work", lambda s, n: (turn_of(s.staff, n), "/work")),
    Page("board", lambda s, n: (s.manager, "/board")),
    Page("client page", lambda s, n: (s.manager, f"/clients/{turn_of(s.clients, n)}")),
    Page("job page", lambda s, n: (s.manager, f"/jobs/{turn_of(s.jobs, n)}")),
    Page("draft of 100 entries", lambda s, n: (s.partner, f"/billing/invoices/{turn_of(s.drafts, n)}")),
    Page("search", lambda s, n: (s.manager, f"/palette?q={turn_of(WORDS, n)}"), fragment=True),
    Page("portal home", lambda s, n: (turn_of(s.contacts, n)[0], "/portal/"), times=3.0),
    Page("portal request", lambda s, n: _request_of(turn_of(s.contacts, n)), times=3.0),
)  # fmt: skip


@dataclass
class Act:
    """Something done: each time to another thing, since it can be done to each only once."""

    name: str
    do: Callable[[Site, int], Any]


def acts_for(site: Site) -> list[Act]:
    """What is done, with enough things to do it to; in the application's context."""
    ready = cycle(scalars("""
        SELECT id FROM task WHERE state = 'ready' AND kind = 'work' ORDER BY id LIMIT 2000
    """))
    timed = cycle(scalars("SELECT id FROM task WHERE state IN ('ready', 'in_progress') ORDER BY id DESC LIMIT 200"))
    asked = cycle(db.session.execute(sa.text("""
        SELECT i.id, i.request_id, rr.contact_id FROM request_item i JOIN client_request r ON r.id = i.request_id
        JOIN request_recipient rr ON rr.request_id = r.id
        WHERE i.kind = 'text' AND i.state = 'open' AND r.state IN ('viewed', 'in_progress') ORDER BY i.id LIMIT 20
    """)).all())
    visitors: dict[UUID, Visitor] = {}

    def answer(site: Site, turn: int) -> Any:
        row = next(asked)
        if row.contact_id not in visitors:
            with site.app.app_context():
                visitors[row.contact_id] = sign_in_contact(site.app, site.port, row.contact_id)
        return visitors[row.contact_id].post(
            f"/portal/requests/{row.request_id}/items/{row.id}/answer", {"value": f"Bank number {turn}"}, X_Autosave="1"
        )

    return [
        Act("start timer", lambda s, n: turn_of(s.staff, n).post("/timers", {
            "timer_id": str(new_id()), "task_id": str(next(timed)),
        })),
        Act("complete a task", lambda s, n: s.manager.post(f"/tasks/{next(ready)}/completion", {"view": "work"})),
        Act("create an entry", lambda s, n: turn_of(s.staff, n).post("/time", {
            "id": str(new_id()), "work": f"task:{next(timed)}", "recorded": "1:24", "worked_on": today().isoformat(),
            "narrative": "Posting transactions", "billable": "y",
        })),
        Act("save an answer", answer),
    ]
