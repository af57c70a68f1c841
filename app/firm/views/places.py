"""Entities, offices, closures."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint, render_template, request, url_for

from app.core.clock import today
from app.core.ids import new_id
from app.core.web import Answer, form_id, me, redirect_to, submit, unprocessable, version_of
from app.desk.guard import confirm_with, guard, needs_confirmation
from app.firm.calendars import calendar_for
from app.firm.checks import spaced_iban
from app.firm.commands import entities as commands
from app.firm.days_off import ClosureChange, digest_of_moved, moved_by
from app.firm.forms import ClosureForm, EntityForm, OfficeForm, zones
from app.firm.models import Office
from app.firm.queries import (
    closures_of,
    get_closure,
    get_entity,
    get_office,
    list_closures,
    list_entities,
    list_offices,
)
from app.firm.views.settings import need_settings

blueprint = guard(Blueprint("places", __name__, url_prefix="/settings"))
blueprint.before_request(need_settings)
MOST_SHOWN = 50
NOT_CARRIED = ("csrf_token", "dates", "seen")


@blueprint.get("/entities")
def entities() -> Answer:
    return render_template("firm/entities.html", entities=list_entities(), spaced_iban=spaced_iban)


@blueprint.get("/entities/new")
def new_entity() -> Answer:
    first = next(iter(list_entities()), None)
    start = {"country": first.country, "currency": first.currency} if first else {}
    form = EntityForm(id=new_id(), **start)
    return render_template("firm/entity.html", form=form, entity=None, ask_password=needs_confirmation())


@blueprint.post("/entities/new")
def create_entity() -> Answer:
    form = EntityForm()

    def create() -> None:
        confirm_with(form)
        commands.create_entity(form_id(form), form.facts(), by=me())

    if submit(form, create):
        return redirect_to(url_for("places.entities"), f"{form.name.data} is set up")
    return unprocessable("firm/entity.html", form=form, entity=None, ask_password=needs_confirmation())


@blueprint.get("/entities/<uuid:entity_id>")
def entity(entity_id: UUID) -> Answer:
    row = get_entity(entity_id)
    form = EntityForm(obj=row)
    form.iban.data = spaced_iban(row.iban)
    return render_template("firm/entity.html", form=form, entity=row, ask_password=needs_confirmation())


@blueprint.post("/entities/<uuid:entity_id>")
def update_entity(entity_id: UUID) -> Answer:
    row, form = get_entity(entity_id), EntityForm()

    def change() -> None:
        facts = form.facts()
        if commands.changes_bank(row, facts):
            confirm_with(form)
        commands.update_entity(row, facts, by=me(), version=version_of(form))

    if submit(form, change):
        return redirect_to(url_for("places.entities"), "Saved")
    return unprocessable("firm/entity.html", form=form, entity=row, ask_password=needs_confirmation())


@blueprint.get("/offices")
def offices() -> Answer:
    rows = list_offices()
    return render_template("firm/offices.html", offices=rows, next_holidays={o.id: _next_holiday(o) for o in rows})


@blueprint.get("/offices/new")
def new_office() -> Answer:
    first = next(iter(list_offices()), None)
    form = OfficeForm(id=new_id(), zone=first.zone if first else "", calendar=first.calendar if first else "NONE")
    return render_template("firm/office.html", **_office(form))


@blueprint.post("/offices/new")
def create_office() -> Answer:
    form = _with_entities(OfficeForm())
    if submit(form, lambda: commands.create_office(form_id(form), form.facts(), by=me())):
        return redirect_to(url_for("places.offices"), f"{form.name.data} is set up")
    return unprocessable("firm/office.html", **_office(form))


@blueprint.get("/offices/<uuid:office_id>")
def office(office_id: UUID) -> Answer:
    row = get_office(office_id)
    return render_template("firm/office.html", **_office(OfficeForm(obj=row), row))


@blueprint.post("/offices/<uuid:office_id>")
def update_office(office_id: UUID) -> Answer:
    row, form = get_office(office_id), _with_entities(OfficeForm())
    if submit(form, lambda: commands.update_office(row, form.facts(), by=me(), version=version_of(form))):
        return redirect_to(url_for("places.offices"), "Saved")
    return unprocessable("firm/office.html", **_office(form, row))


@blueprint.post("/offices/<uuid:office_id>/archive")
def archive_office(office_id: UUID) -> Answer:
    commands.archive_office(get_office(office_id), by=me())
    return redirect_to(url_for("places.offices"), "Archived")


@blueprint.get("/closures")
def closures() -> Answer:
    return render_template("firm/closures.html", **_closures(ClosureForm(id=new_id())))


@blueprint.post("/closures")
def add_closure() -> Answer:
    """Names the open jobs whose dates would move, before anything is saved."""
    form = ClosureForm()
    _with_offices(form)
    if form.validate() and form.closed_on.data and (asked := _question(
        ClosureChange(form.closed_on.data, form.office_id.data), url_for("places.add_closure")
    )):
        return asked
    if submit(form, lambda: commands.add_closure(
        form_id(form), by=me(), closed_on=form.closed_on.data or today(), name=form.name.data or "",
        office_id=form.office_id.data, seen=_seen(),
    )):
        if _seen() is not None:
            return redirect_to(url_for("runs.show", run_id=form_id(form)), "Closed on that day; dates are moving")
        return redirect_to(url_for("places.closures"), "Closed on that day; recurring work follows within minutes")
    return unprocessable("firm/closures.html", **_closures(form))


@blueprint.post("/closures/<uuid:closure_id>/removal")
def remove_closure(closure_id: UUID) -> Answer:
    closure = get_closure(closure_id)
    change = ClosureChange(closure.closed_on, closure.office_id, closed=False)
    if asked := _question(change, url_for("places.remove_closure", closure_id=closure_id)):
        return asked
    run_id = commands.remove_closure(closure, by=me(), seen=_seen())
    if run_id is not None:
        return redirect_to(url_for("runs.show", run_id=run_id), "Open on that day; dates are moving")
    return redirect_to(url_for("places.closures"), "Open on that day; recurring work follows within minutes")


def _question(change: ClosureChange, at: str) -> Answer | None:
    """Ask what becomes of the dates of open jobs; None where none would move, or once it is answered."""
    if request.form.get("dates") in ("apply", "keep"):
        return None
    moved = moved_by(change, seen_by=me())
    if not moved:
        return None
    carried = [(name, value) for name, value in request.form.items(multi=True) if name not in NOT_CARRIED]
    return render_template(
        "firm/closure_dates.html", change=change, moved=moved[:MOST_SHOWN], total=len(moved), at=at, carried=carried,
        seen=digest_of_moved(moved), staying=sum(bool(each.stays_because) for each in moved),
    )


def _seen() -> str | None:
    return request.form.get("seen", "") if request.form.get("dates") == "apply" else None


def _with_entities(form: OfficeForm) -> OfficeForm:
    form.entity_id.offer((entity.id, entity.name) for entity in list_entities())
    return form


def _with_offices(form: ClosureForm) -> None:
    form.office_id.offer(((office.id, office.name) for office in list_offices()), empty="The whole firm")


def _office(form: OfficeForm, row: Office | None = None) -> dict[str, Any]:
    return {"form": _with_entities(form), "office": row, "zones": zones()}


def _closures(form: ClosureForm) -> dict[str, Any]:
    _with_offices(form)
    names = {office.id: office.name for office in list_offices()}
    return {"form": form, "closures": list_closures(), "office_names": names}


def _next_holiday(office: Office) -> tuple[Any, str] | None:
    """The next public holiday or closure, to see at a glance that the calendar is the right one."""
    calendar = calendar_for(office.calendar, closures=closures_of(office.id))
    days = sorted({**calendar.holidays(today().year), **calendar.holidays(today().year + 1)}.items())
    return next(((day, name) for day, name in days if day >= today()), None)
