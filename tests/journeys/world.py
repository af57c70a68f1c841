"""A firm with one of everything: what tests that walk the whole URL map put into the addresses."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.billing.commands.issue import approve_invoice
from app.billing.commands.payments import PaymentFacts, record_payment
from app.billing.commands.send import mark_sent
from app.catalogue.models import JobTemplate, Stage
from app.clients.models import Arrangement, ArrangementKind
from app.core import clock
from app.core.actors import SYSTEM
from app.core.db import db
from app.core.ids import new_id
from app.jobs.models import ChecklistItem, Deadline, Dependency, Job, Task
from app.ledger.ageing import month_of
from app.marks.models import Comment
from app.planning.commands.occurrences import create_occurrences, due_occurrences
from app.planning.models import Occurrence
from app.requests.commands.sending import send_request
from app.requests.models import ClientRequest, RequestItem
from app.runs.commands import start_run
from app.timekeeping.commands.expenses import ExpenseFacts, record_expense
from app.timekeeping.commands.timers import Target, start_timer
from tests.billing.make_billing import make_draft, make_entry, make_rate
from tests.make import Cast, keep
from tests.planning.make_planning import make_series, make_service
from tests.requests.make_requests import give_file

PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n"
    b"trailer<</Root 1 0 R>>\n%%EOF\n"
)


@dataclass
class World:
    """Ids by the name that the URL map gives them."""

    ids: dict[str, Any]

    def fill(self, rule: Any) -> str | None:
        """An address for a rule; None when the world lacks something that it names."""
        values = {}
        for name in rule.arguments:
            converter = rule._converters[name]
            if hasattr(converter, "items"):
                known = self.ids.get(name)
                values[name] = known if known in converter.items else sorted(converter.items)[0]
            elif name in self.ids:
                values[name] = self.ids[name]
            else:
                return None
        built = rule.build(values, append_unknown=False)
        return str(built[1]) if built else None


def make_world(cast: Cast, *, client: Any = None, engagement: Any = None, contact: Any = None) -> World:
    """One of everything, of Acme unless said otherwise."""
    client, engagement = client or cast.acme, engagement or cast.acme_work
    contact = contact or cast.cleo
    bea, mel = cast.actor(cast.bea), cast.actor(cast.mel)
    service, template = make_service(f"Bookkeeping {client.code}")
    series = make_series(client, service, clock.today() - dt.timedelta(days=70))
    create_occurrences([row.id for row in due_occurrences(5, by=SYSTEM)], by=SYSTEM)
    job = db.session.scalars(sa.select(Job).where(Job.client_id == client.id).order_by(Job.id)).first()
    assert job is not None
    task = db.session.scalars(sa.select(Task).where(Task.job_id == job.id).order_by(Task.position)).first()
    request = db.session.scalars(sa.select(ClientRequest).where(ClientRequest.job_id == job.id)).one()
    send_request(request, by=mel)
    item = db.session.scalars(
        sa.select(RequestItem).where(RequestItem.request_id == request.id).order_by(RequestItem.position)
    ).first()
    assert task is not None and item is not None
    make_rate("100")
    entry = make_entry(cast, engagement=engagement)
    billed = approve_invoice(make_draft(cast, engagement), by=bea)
    mark_sent(billed, by=bea)
    make_entry(cast, engagement=engagement)
    draft = make_draft(cast, engagement)
    payment = record_payment(
        new_id(),
        PaymentFacts(
            client_id=client.id,
            entity_id=cast.entity.id,
            received_on=clock.today(),
            amount=billed.gross,
            currency="GBP",
        ),
        by=bea,
    )
    expense = record_expense(
        new_id(),
        ExpenseFacts(engagement_id=engagement.id, spent_on=clock.today(), net=billed.net, narrative="Filing fee"),
        by=bea,
    )
    timer = start_timer(new_id(), Target(engagement_id=engagement.id), by=cast.actor(cast.pat))
    comment = keep(
        Comment(
            subject_kind="client",
            subject_id=client.id,
            client_id=client.id,
            author_id=cast.pat.id,
            body="A note",
            created_at=clock.now(),
        )
    )
    arrangement = keep(
        Arrangement(
            engagement_id=engagement.id, currency=engagement.currency, kind=ArrangementKind.FIXED,
            agreed_amount=Decimal(1000), from_on=clock.today() + dt.timedelta(days=30),
        )
    )
    run = start_run(new_id(), "billing.bill_run", "Bill run", [], by=mel)
    document = give_file(_with_request(item, request), "statement.pdf", PDF, by=cast.contact(contact), check=False)

    def first(table: Any, *where: Any) -> UUID | None:
        return db.session.scalars(sa.select(table.id).where(*where).order_by(table.id)).first()

    ids: dict[str, Any] = {
        "client_id": client.id,
        "contact_id": contact.id,
        "engagement_id": engagement.id,
        "arrangement_id": arrangement.id,
        "service_id": service.id,
        "template_id": template.id,
        "series_id": series.id,
        "job_id": job.id,
        "task_id": task.id,
        "request_id": request.id,
        "item_id": item.id,
        "entry_id": entry.id,
        "invoice_id": draft.id,
        "payment_id": payment.id,
        "expense_id": expense.id,
        "timer_id": timer.id,
        "comment_id": comment.id,
        "run_id": run.id,
        "document_id": document.id,
        "person_id": cast.sam.id,
        "office_id": cast.office.id,
        "entity_id": cast.entity.id,
        "rate_id": cast.vat.id,
        "subject_id": client.id,
        "subject_kind": "client",
        "stage_id": first(Stage, Stage.service_id == service.id),
        "deadline_id": first(Deadline, Deadline.job_id == job.id),
        "dependency_id": db.session.scalars(
            sa.select(Dependency.id).join(Task, Task.id == Dependency.task_id).where(Task.job_id == job.id)
        ).first(),
        "checklist_id": db.session.scalars(sa.select(ChecklistItem.id)).first(),
        "occurrence_id": first(Occurrence, Occurrence.series_id == series.id),
        "month": month_of(clock.today()).isoformat()[:7],
        "kind": "client",
        "issued_invoice_id": billed.id,
        "template": db.session.get_one(JobTemplate, template.id),
    }
    return World({name: value for name, value in ids.items() if value is not None})


def _with_request(item: RequestItem, request: ClientRequest) -> RequestItem:
    from app.requests.queries import get_item

    return get_item(item.id, seen_by=SYSTEM)
