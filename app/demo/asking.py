"""The clients' side of the year: requests answered soon, late, in part, or not yet; and the firm's review."""

from __future__ import annotations

import datetime as dt
import random
from pathlib import Path
from uuid import UUID

import sqlalchemy as sa
import typst
from sqlalchemy.orm.attributes import set_committed_value

from app.clients.access import contact_actor
from app.core.actors import SYSTEM, Actor
from app.core.db import db
from app.core.ids import new_id
from app.core.storage import storage
from app.demo.cast import BETWEEN, NO_ADDRESS
from app.demo.founding import House
from app.documents.commands.checking import check_document
from app.documents.commands.uploads import complete_upload
from app.jobs.models import Job
from app.requests.commands.answering import (
    Typed,
    mark_viewed,
    save_answers,
    start_plain_item_upload,
    submit_answers,
)
from app.requests.commands.reminding import contacts_due, remind_contact
from app.requests.commands.reviewing import accept_all, return_item
from app.requests.commands.sending import send_request
from app.requests.commands.writing import ItemSpec, NewRequest, create_request
from app.requests.models import ANSWERABLE, ClientRequest, ItemKind, RequestItem, RequestState
from app.requests.queries import get_request

FILES_SINCE_DAYS, REMINDED_SINCE_DAYS, ASKED_SINCE_DAYS = 12, 45, 60
NO_PDF = b"MZ" + bytes(600)  # a program that calls itself a PDF
PAPER = Path(__file__).with_name("statement.typ")
FONTS = Path(__file__).parents[1] / "fonts"


class Asking:
    """What clients do with what they are asked. Files are real from the last weeks on; before, they came by post."""

    def __init__(self, house: House, last: dt.date, actors: dict[UUID, Actor], answer_on: dict[UUID, dt.date]) -> None:
        self.house = house
        self.dice = random.Random()
        self.actors = actors
        self.last = last
        self.answer_on = answer_on
        self._paper: bytes | None = None

    def receive(self, day: dt.date) -> None:
        """A day's answers, and the review of what came before."""
        requests = db.session.execute(
            sa.select(ClientRequest.id, ClientRequest.client_id, ClientRequest.state, ClientRequest.submitted_at)
            .where(ClientRequest.state.in_(ANSWERABLE), ClientRequest.sent_at.is_not(None))
            .order_by(ClientRequest.id)
        ).all()
        for row in requests:
            if row.id not in self.answer_on:
                self.answer_on[row.id] = day + dt.timedelta(days=self._answers_after())
            if row.state is RequestState.SUBMITTED:
                if row.submitted_at.date() < day and (day < self.last or self.dice.random() < 0.4):
                    self._review(row.id, day)
            elif day >= self.answer_on[row.id] and row.client_id in self.house.contacts:
                self._answer(row.id, row.client_id, day)

    def _answers_after(self) -> int:
        """Most within two weeks, some when they have been reminded, a few when it is nearly too late."""
        luck = self.dice.random()
        if luck < 0.6:
            return self.dice.randint(1, 14)
        return self.dice.randint(15, 26) if luck < 0.94 else self.dice.randint(30, 60)

    def ask_between(self, day: dt.date) -> None:
        """What comes up between the year's papers: a letter, a receipt, a passport that has run out."""
        if (self.last - day).days > ASKED_SINCE_DAYS:
            return
        for _ in range(self.dice.choice((0, 1, 1, 2))):
            client = self.dice.choice(self.house.clients)
            name, *labels = self.dice.choice(BETWEEN)
            if client.name in NO_ADDRESS:
                continue
            items = tuple(ItemSpec(ItemKind.UPLOAD, label) for label in labels)
            due = day + dt.timedelta(days=self.dice.randint(8, 16))
            by = self.actors[client.manager_id] if client.manager_id else SYSTEM
            request = create_request(NewRequest(new_id(), client.id, name, items, due_on=due), by=by)
            send_request(request, by=by)

    def remind(self, day: dt.date) -> None:
        """The product's own reminders; of those of long ago nobody would read any more."""
        if (self.last - day).days <= REMINDED_SINCE_DAYS:
            for due in contacts_due(by=SYSTEM):
                remind_contact(due.contact_id, due.today, by=SYSTEM)

    def _answer(self, request_id: UUID, client_id: UUID, day: dt.date) -> None:
        by = contact_actor(self.house.contacts[client_id])
        request = _whole(request_id, by)
        mark_viewed(request, by=by)
        recent = (self.last - day).days < FILES_SINCE_DAYS
        to_come, typed = [item for item in request.items if item.is_to_come], list[Typed]()
        for number, item in enumerate(to_come):
            if recent and number and self.dice.random() < 0.2:
                continue
            if item.kind is ItemKind.UPLOAD and (self.last - day).days <= FILES_SINCE_DAYS:
                self._upload(item, by)
            elif item.kind is ItemKind.UPLOAD:
                typed.append(Typed(item.id, (), "Handed in at the office on paper"))
            else:
                typed.append(Typed(item.id, (self._words(item, day),), ""))
        if refused := save_answers(request, typed, by=by):
            raise RuntimeError(f"The product takes no such answer: {refused}")
        submit_answers(request, by=by)
        if request.state is RequestState.SUBMITTED:
            del self.answer_on[request_id]
        else:
            self.answer_on[request_id] = day + dt.timedelta(days=self.dice.randint(2, 6))

    def _words(self, item: RequestItem, day: dt.date) -> str:
        match item.kind:
            case ItemKind.YES_NO:
                return self.dice.choice(("yes", "no", "no"))
            case ItemKind.CHOICE | ItemKind.CHOICES if item.options:
                return self.dice.choice(item.options)
            case ItemKind.DATE:
                return (day - dt.timedelta(days=self.dice.randint(3, 40))).isoformat()
            case ItemKind.AMOUNT | ItemKind.NUMBER:
                return str(self.dice.randint(1, 90) * 25)
            case ItemKind.CONFIRMATION:
                return "yes"
            case _:
                return self.dice.choice((
                    "Nothing unusual this time.", "See the note in the folder.", "One new employee from the first.",
                ))

    def _upload(self, item: RequestItem, by: Actor) -> None:
        """Through the product's own way in: a plain upload, arrived, checked, kept."""
        if self._paper is None:
            self._paper = bytes(typst.compile(str(PAPER), font_paths=[str(FONTS)], ignore_system_fonts=True))
        for content in (NO_PDF, self._paper) if self.dice.random() < 0.15 else (self._paper,):
            document = start_plain_item_upload(item, new_id(), by=by)
            storage().put(document.incoming_key or "", content, "application/pdf")
            complete_upload(document.id, by=by)
            check_document(document.id, by=SYSTEM)
        db.session.refresh(item)

    def _review(self, request_id: UUID, day: dt.date) -> None:
        request = _whole(request_id, SYSTEM)
        owner = db.session.scalar(sa.select(Job.owner_id).where(Job.id == request.job_id)) if request.job_id else None
        by = self.actors.get(owner) if owner else None
        if (self.last - day).days < 14 and self.dice.random() < 0.3:
            return_item(request.items[0], "The last page is missing; please send it again.", by=by or SYSTEM)
            self.answer_on[request_id] = day + dt.timedelta(days=self.dice.randint(2, 6))
            return
        accept_all(request, by=by or SYSTEM)


def _whole(request_id: UUID, by: Actor) -> ClientRequest:
    """A request with its items, each knowing its request though this session has met it before."""
    request = get_request(request_id, seen_by=by)
    for item in request.items:
        set_committed_value(item, "request", request)
    return request
