"""The time sheet: a week or a day of entries, adding, changing, splitting, deleting them."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from flask import Blueprint, g, render_template, request, url_for

from app.core.clock import today
from app.core.errors import NotAllowed
from app.core.ids import new_id, parse_id
from app.core.permissions import Permission, authorize
from app.core.rounding import RoundingRule
from app.core.web import Answer, arg, form_id, id_arg, is_htmx, me, page_number, redirect_to, submit, unprocessable
from app.core.wording import duration
from app.desk.guard import guard
from app.ledger.policy import can_edit_exchange_rates
from app.people.models import Person
from app.people.queries import get_person
from app.timekeeping.commands.entries import delete_entry, edit_entry, record_entry, restore_entry
from app.timekeeping.commands.splits import rejoin_entry, split_entry
from app.timekeeping.forms import EntryForm, SplitForm, day_or
from app.timekeeping.late import late_note
from app.timekeeping.lookup import find_work
from app.timekeeping.models import TimeEntry
from app.timekeeping.policy import (
    can_change_item,
    can_edit_rates,
    can_record_time,
    can_see_rates,
    can_see_time_of,
    can_take_back,
)
from app.timekeeping.queries import get_entry, list_entries
from app.timekeeping.rates import rate_of_entry
from app.timekeeping.too_much import day_note
from app.timekeeping.views.answers import changed, fragment, told
from app.timekeeping.waiting import count_waiting, list_waiting
from app.timekeeping.weeks import ZERO, week_of
from app.timekeeping.written import asked_write_offs, movements_of

blueprint = guard(Blueprint("time", __name__))
MOST = 300


def _whose(person_id: UUID | None) -> Person:
    """Whose sheet is open: one's own, or a colleague's for whom that is allowed."""
    actor = me()
    if not can_see_time_of(actor, person_id):
        raise NotAllowed("Your role does not show you the time of colleagues.")
    return g.person if person_id in (None, actor.id) else get_person(person_id, seen_by=actor)


def _sheet(person: Person, on: dt.date, *, one_day: bool) -> dict[str, Any]:
    """What the strip and the list show: four queries, however much there is."""
    week = week_of(person.id, on, seen_by=me())
    first, last = (on, on) if one_day else (week.first, week.last)
    entries = list_entries(seen_by=me(), person_id=person.id, first=first, last=last, per_page=MOST)[:MOST]
    days = [day for day in reversed(week.days) if first <= day.day <= last]
    groups = [(day, [entry for entry in entries if entry.worked_on == day.day]) for day in days]
    return {
        "person": person,
        "week": week,
        "on": on,
        "one_day": one_day,
        "zero": ZERO,
        "sees_rates": can_see_rates(me()),
        "one": dt.timedelta(days=1),
        "listed": int(sum((day.sums.recorded for day in days), ZERO).total_seconds()),
        "groups": [(day, rows) for day, rows in groups if rows or one_day],
        "theirs": person.id != me().id,
        "may_pick": me().may(Permission.TIME_EDIT_OTHERS),
        "may_export": me().may(Permission.EXPORT),
        "may_change": can_change_item,
        "new_id": new_id,
        "waiting": count_waiting(seen_by=me(), person_id=person.id),
        "may_set_rates": can_edit_rates(me()),
    }


def _fresh_form(person: Person, on: dt.date, used: EntryForm | None = None) -> EntryForm:
    form = (used or EntryForm(formdata=None)).empty(min(on, today())).prepare(me())
    form.id.data, form.person.data = str(new_id()), str(person.id)
    like = id_arg("like")
    if like:
        entry = get_entry(like, seen_by=me())
        form.work.show(entry)
        form.narrative.data, form.billable.data = entry.narrative, entry.billable
    return form


@blueprint.get("/time")
def index() -> Answer:
    person, on = _whose(id_arg("person")), day_or(arg("on"), today())
    sheet = _sheet(person, on, one_day=arg("view") == "day")
    if is_htmx():
        return render_template("timekeeping/_sheet.html", **sheet)
    undo = get_entry(deleted, seen_by=me(), deleted=True) if (deleted := id_arg("deleted")) else None
    form = _fresh_form(person, on if sheet["one_day"] else today())
    return render_template("timekeeping/index.html", form=form, undo=undo, **sheet)


@blueprint.post("/time")
def create() -> Answer:
    form = EntryForm().prepare(me())
    person = _whose(parse_id(form.person.data))
    # No turn is taken: whoever records the same id a second time waits in the database and finds what is there.
    entry_id = parse_id(form.id.data) or new_id()
    form.id.data = str(entry_id)

    late = ""

    def save() -> None:
        nonlocal late
        entry = record_entry(entry_id, form.facts(), by=me(), person_id=person.id)
        late = late_note(entry.engagement_id, entry.worked_on)

    if not submit(form, save):
        return _refused(form, person)
    said = f"{duration(form.recorded.data)} recorded" + (f". {late}" if late else "")
    on = form.worked_on.data or today()
    if not is_htmx():
        return redirect_to(_address(person.id, on), said)
    fresh = fragment("timekeeping/_add.html", form=_fresh_form(person, on, form), person=person, again=True)
    return told(fresh, said)


def _refused(form: EntryForm, person: Person) -> Answer:
    if is_htmx():
        return unprocessable("timekeeping/_add.html", form=form, person=person)
    sheet = _sheet(person, form.worked_on.data or today(), one_day=False)
    return unprocessable("timekeeping/index.html", form=form, **sheet)


def _address(person_id: UUID, on: dt.date, **more: Any) -> str:
    return url_for("time.index", on=on, person=person_id if person_id != me().id else None, **more)


@blueprint.get("/time/waiting")
def waiting() -> Answer:
    """What waits for a rate: everybody's for whoever may see it, else one's own."""
    authorize(me(), can_record_time)
    rows, more = list_waiting(seen_by=me(), page=page_number())
    return render_template(
        "timekeeping/waiting.html", rows=rows, more=more, page=page_number(), may_set=can_edit_rates(me()),
        may_exchange=can_edit_exchange_rates(me()), may_export=me().may(Permission.EXPORT),
    )


@blueprint.get("/time/<uuid:entry_id>")
def show(entry_id: UUID) -> Answer:
    entry = get_entry(entry_id, seen_by=me())
    form = EntryForm(formdata=None).prepare(me())
    form.show(entry)
    return _entry(entry, form)


def _entry(entry: TimeEntry, form: EntryForm, split: SplitForm | None = None, status: int = 200) -> Answer:
    split = split or SplitForm(formdata=None)
    split.id.data = split.id.data or str(new_id())
    form.apart("entry")
    split.apart("split")
    sees = can_see_rates(me())
    # Beside a list, or a page of its own: that one asks for itself again when something changed.
    in_panel = is_htmx() and arg("page") != "whole" and request.form.get("page") != "whole"
    page = render_template(
        "timekeeping/_entry_panel.html" if in_panel else "timekeeping/entry.html",
        in_panel=in_panel,
        entry=entry,
        form=form,
        split=split,
        may_change=can_change_item(me(), entry),
        sees_rates=sees,
        found=rate_of_entry(entry) if sees else None,
        may_set_rates=can_edit_rates(me()),
        movements=movements_of(entry, seen_by=me()),
        asked=asked_write_offs([entry.id], seen_by=me()).get(entry.id),
        may_take_back=can_take_back(me(), entry),
        rounding=RoundingRule.from_json(entry.rounding).describe() if entry.rounding else "",
        new_id=new_id,
        close_url=_address(entry.person_id, entry.worked_on),
    )
    return page, status


@blueprint.post("/time/<uuid:entry_id>")
def update(entry_id: UUID) -> Answer:
    entry = get_entry(entry_id, seen_by=me())
    form = EntryForm().prepare(me())

    def save() -> None:
        edit_entry(entry, form.facts(), by=me(), version=form.version.number)

    if submit(form, save):
        odd = day_note([entry], seen_by=me())
        return changed(f"Saved. {odd}" if odd else "Saved", to=_address(entry.person_id, entry.worked_on))
    entry = get_entry(entry_id, seen_by=me())
    form.version.data = str(entry.version)
    return _entry(entry, form, status=422)


@blueprint.post("/time/<uuid:entry_id>/split")
def split(entry_id: UUID) -> Answer:
    entry = get_entry(entry_id, seen_by=me())
    form = SplitForm()
    part_id = form_id(form)

    def save() -> None:
        split_entry(entry, part_id, form.taken.data, by=me(), narrative=form.part_narrative.data or "")

    if submit(form, save):
        undo = url_for("time.rejoin", entry_id=part_id)
        return changed(
            f"{duration(form.taken.data)} split off", to=_address(entry.person_id, entry.worked_on), undo=undo
        )
    kept = get_entry(entry_id, seen_by=me())
    fields = EntryForm(formdata=None).prepare(me())
    fields.show(kept)
    return _entry(kept, fields, form, 422)


@blueprint.post("/time/<uuid:entry_id>/rejoining")
def rejoin(entry_id: UUID) -> Answer:
    """Put a part back into the entry that it was split from."""
    part = get_entry(entry_id, seen_by=me(), deleted=True)
    whole = rejoin_entry(part, by=me())
    return changed(f"Put back; it is {duration(whole.recorded)} again", to=url_for("time.show", entry_id=whole.id))


@blueprint.post("/time/<uuid:entry_id>/deletion")
def delete(entry_id: UUID) -> Answer:
    entry = get_entry(entry_id, seen_by=me(), deleted=True)
    delete_entry(entry, by=me())
    if request.form.get("page") == "whole":
        return redirect_to(_address(entry.person_id, entry.worked_on, deleted=entry.id), "Deleted")
    to = _address(entry.person_id, entry.worked_on, deleted=entry.id)
    undo = url_for("time.restore", entry_id=entry.id)
    return changed(f"{duration(entry.recorded)} deleted", to=to, undo=undo)


@blueprint.post("/time/<uuid:entry_id>/restoration")
def restore(entry_id: UUID) -> Answer:
    entry = get_entry(entry_id, seen_by=me(), deleted=True)
    restore_entry(entry, by=me())
    return changed(
        f"{duration(entry.recorded)} is back", to=_address(entry.person_id, entry.worked_on), close_panel=False
    )


@blueprint.get("/lookup/work")
def lookup() -> Answer:
    authorize(me(), can_record_time)
    return render_template("timekeeping/_lookup.html", works=find_work(arg("q"), seen_by=me()))
