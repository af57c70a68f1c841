"""When somebody is away: one's own, and a colleague's."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, render_template, url_for

from app.core.ids import new_id
from app.core.web import Answer, me, redirect_to, submit
from app.desk.guard import guard
from app.people.commands.leave import add_leave, cancel_leave
from app.people.forms import LeaveForm
from app.people.models import Person
from app.people.policy import can_edit_leave
from app.people.queries import get_leave, get_person, list_leave

blueprint = guard(Blueprint("leave", __name__))


@blueprint.get("/leave")
def mine() -> Answer:
    """One's own."""
    person_id = me().person_id
    assert person_id is not None
    return _page(get_person(person_id, seen_by=me()))


@blueprint.get("/people/<uuid:person_id>/leave")
def index(person_id: UUID) -> Answer:
    return _page(get_person(person_id, seen_by=me()))


@blueprint.post("/people/<uuid:person_id>/leave")
def create(person_id: UUID) -> Answer:
    person, form = get_person(person_id, seen_by=me()), LeaveForm()
    if submit(form, lambda: add_leave(person, form.values(), by=me())):
        return redirect_to(url_for("leave.index", person_id=person.id), "Added")
    return _page(person, form), 422


@blueprint.post("/leave/<uuid:leave_id>/cancellation")
def create_cancellation(leave_id: UUID) -> Answer:
    leave = get_leave(leave_id, seen_by=me())
    cancel_leave(leave, by=me())
    return redirect_to(url_for("leave.index", person_id=leave.person_id), "Taken back")


def _page(person: Person, form: LeaveForm | None = None) -> str:
    return render_template(
        "people/leave.html", person=person, rows=list_leave(person, seen_by=me()), is_mine=person.id == me().person_id,
        form=form or LeaveForm(formdata=None, data={"id": new_id()}), may_edit=can_edit_leave(me(), person),
    )
