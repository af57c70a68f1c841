"""The people room: who works here, with which role, grade and hours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from flask import Blueprint, g, render_template, request, url_for

from app.core.clock import today
from app.core.errors import NotAllowed
from app.core.ids import new_id, parse_id
from app.core.web import Answer, Form, arg, form_id, me, redirect_to, submit, unprocessable, version_of
from app.core.wording import counted
from app.delivery.queries import list_mails_about
from app.desk.guard import confirm_with, guard, needs_confirmation, once_confirmed
from app.firm.exports import can_export, hand_out
from app.firm.queries import list_offices
from app.people.commands import people
from app.people.commands.handing import Handed, NeedsAnother
from app.people.forms import DAYS, ROLE_WORDS, HoursForm, LeavingForm, PersonForm, hours_as_typed
from app.people.holdings import Holding, held_by, told_to
from app.people.models import Person, PersonState
from app.people.policy import can_edit_people, can_edit_person
from app.people.queries import get_person, list_grades, list_hours, list_people

blueprint = guard(Blueprint("people", __name__, url_prefix="/people"))
exports = guard(Blueprint("people_csv", __name__))


@blueprint.get("")
def index() -> Answer:
    everyone = arg("show") == "all"
    rows = list_people(seen_by=me(), everyone=True)
    return render_template(
        "people/index.html", people=rows if everyone else [p for p in rows if p.state is not PersonState.DEACTIVATED],
        gone=sum(p.state is PersonState.DEACTIVATED for p in rows), everyone=everyone, may_edit=can_edit_people(me()),
        may_export=can_export(me()), role_words=ROLE_WORDS,
    )


@exports.get("/people.csv")
def export() -> Answer:
    actor = me()
    header = ("Name", "E-mail", "Role", "Grade", "Office", "State", "Last signed in")
    return hand_out("people", "people.csv", header, lambda: (
        (p.name, p.email, p.role.value, p.grade, p.office.name, p.state.value, p.signed_in_at)
        for p in list_people(seen_by=actor, everyone=True)
    ), by=actor)


@blueprint.get("/new")
def new() -> Answer:
    _need_editor()
    form = _with_offices(PersonForm(id=new_id()))
    return render_template("people/new.html", **_around(form))


@blueprint.post("/new")
def create() -> Answer:
    _need_editor()
    form = _with_offices(PersonForm())

    def invite() -> None:
        confirm_with(form)
        people.invite_person(form_id(form), form.details(), by=me())

    if submit(form, invite):
        return redirect_to(url_for("people.index"), f"{form.name.data} is invited")
    return unprocessable("people/new.html", **_around(form))


@blueprint.get("/<uuid:person_id>")
def show(person_id: UUID) -> Answer:
    person = get_person(person_id, seen_by=me())
    return render_template("people/show.html", **_shown(person))


@blueprint.get("/<uuid:person_id>/edit")
def edit(person_id: UUID) -> Answer:
    person = _editable(person_id)
    form = _with_offices(PersonForm(obj=person, data={"role": person.role.value}))
    form.role.data = person.role.value
    return render_template("people/edit.html", person=person, **_around(form))


@blueprint.post("/<uuid:person_id>/edit")
def update(person_id: UUID) -> Answer:
    person = _editable(person_id)
    form = _with_offices(PersonForm())
    def change() -> None:
        if form.role.data != person.role.value or (form.email.data or "").casefold() != person.email.casefold():
            confirm_with(form)
        people.edit_person(person, form.details(), by=me(), version=version_of(form))

    if submit(form, change):
        return redirect_to(url_for("people.show", person_id=person.id), "Saved")
    return unprocessable("people/edit.html", person=person, **_around(form))


@blueprint.post("/<uuid:person_id>/hours")
def update_hours(person_id: UUID) -> Answer:
    person = _editable(person_id)
    form = HoursForm()
    if submit(form, lambda: people.set_hours(person, form.from_on.data or today(), form.minutes(), by=me())):
        return redirect_to(url_for("people.show", person_id=person.id), "Hours saved")
    return unprocessable("people/show.html", **_shown(person, hours_form=form))


@blueprint.get("/<uuid:person_id>/deactivation")
def leaving(person_id: UUID) -> Answer:
    person = _editable(person_id)
    return _leaving(person, _with_colleagues(LeavingForm(), person))


def _leaving(person: Person, form: LeavingForm, unsaid: Sequence[Holding] = ()) -> str:
    """`unsaid` is what a wall keeps from the colleague chosen: somebody else has to take it, client by client."""
    told = told_to(g.person, unsaid)
    apart = [
        (client_id, [shown for each, shown in zip(unsaid, told, strict=True) if each.client_id == client_id])
        for client_id in dict.fromkeys(each.client_id for each in unsaid)
    ]
    return render_template(
        "people/leaving.html", person=person, form=form, ask_password=needs_confirmation(), apart=apart,
        held=told_to(g.person, held_by(person)), chosen=request.form,
        colleagues=[(each.id, each.name) for each in list_people(seen_by=me()) if each.id != person.id],
    )


@blueprint.post("/<uuid:person_id>/deactivation")
def deactivate(person_id: UUID) -> Answer:
    person = _editable(person_id)
    form = _with_colleagues(LeavingForm(), person)
    unsaid: list[Holding] = []
    handed = Handed()

    def leave() -> None:
        nonlocal handed
        confirm_with(form)
        successor = get_person(form.to.data, seen_by=me()) if form.to.data else None
        try:
            handed = people.deactivate_person(person, by=me(), to=successor, instead=_instead())
        except NeedsAnother as refusal:
            unsaid.extend(refusal.held)
            raise

    if submit(form, leave):
        return redirect_to(url_for("people.show", person_id=person.id), _gone(person, handed))
    return _leaving(person, form, unsaid), 422


def _instead() -> dict[UUID, Person | None]:
    """Who takes what the colleague chosen must not see, by client; `nobody` is an answer, an empty choice none."""
    chosen = {parse_id(name.removeprefix("instead-")): value for name, value in request.form.items()
              if name.startswith("instead-") and value}
    return {
        client_id: None if value == "nobody" else get_person(parse_id(value) or client_id, seen_by=me())
        for client_id, value in chosen.items() if client_id
    }


def _gone(person: Person, handed: Handed) -> str:
    """Says that they are out of everything only where nothing of theirs is left to nobody."""
    if not handed.left:
        return f"{person.name} is out of everything"
    given = f"{counted(handed.given, 'thing')} handed over, " if handed.given else ""
    return f"{person.name} is signed out everywhere; {given}{counted(handed.left, 'thing')} left to nobody: see My work"


@blueprint.post("/<uuid:person_id>/reactivation")
def reactivate(person_id: UUID) -> Answer:
    person = _editable(person_id)
    return once_confirmed(
        lambda: _done(person, people.reactivate_person, "Back in"),
        what=f"Bring {person.name} back", verb="Bring back", back=url_for("people.show", person_id=person.id),
    )


@blueprint.post("/<uuid:person_id>/invitation")
def invite_again(person_id: UUID) -> Answer:
    return _done(_editable(person_id), people.resend_invitation, "The invitation was sent again")


@blueprint.post("/<uuid:person_id>/second-factor/reset")
def reset_second_factor(person_id: UUID) -> Answer:
    person = _editable(person_id)
    return once_confirmed(
        lambda: _done(person, people.reset_second_factor, "The second factor is off; they are told by mail"),
        what=f"Reset the second factor of {person.name}", verb="Reset",
        back=url_for("people.show", person_id=person.id),
    )


def _done(person: Person, command: Callable[..., None], message: str) -> Answer:
    command(person, by=me())
    return redirect_to(url_for("people.show", person_id=person.id), message)


def _need_editor() -> None:
    if not can_edit_people(me()):
        raise NotAllowed("Only a partner or an administrator changes who works here.")


def _editable(person_id: UUID) -> Person:
    person = get_person(person_id, seen_by=me())
    if not can_edit_person(me(), person):
        raise NotAllowed("Only a partner or an administrator changes this; a partner only another partner.")
    return person


def _with_offices(form: PersonForm) -> PersonForm:
    form.office_id.offer((office.id, office.name) for office in list_offices())
    return form


def _with_colleagues(form: LeavingForm, person: Person) -> LeavingForm:
    others = [(p.id, p.name) for p in list_people(seen_by=me()) if p.id != person.id]
    form.to.offer(others, empty="Nobody: it stays unassigned")
    return form


def _around(form: Form) -> dict[str, Any]:
    return {
        "form": form, "grades": list_grades(seen_by=me()), "role_words": ROLE_WORDS,
        "ask_password": needs_confirmation(),
    }


def _shown(person: Person, hours_form: HoursForm | None = None) -> dict[str, Any]:
    patterns = list_hours(person, seen_by=me())
    current = next((p for p in patterns if p.from_on <= today()), patterns[0] if patterns else None)
    form = hours_form or HoursForm(from_on=today(), days=hours_as_typed(current.minutes if current else [0] * 7))
    return {
        "mails": list_mails_about("person", person.id, seen_by=me(), limit=5),
        "person_shown": person, "patterns": patterns, "current": current, "form": form, "days": DAYS,
        "may_edit": can_edit_person(me(), person), "is_me": person.id == g.person.id, "role_words": ROLE_WORDS,
        "refused": request.method == "POST",
    }
