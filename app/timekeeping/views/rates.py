"""Rate cards by date, and trying which rate would apply."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint, render_template, request, url_for

from app.catalogue.models import WorkRole
from app.clients.queries import find_client, get_client, get_engagement
from app.core.clock import today
from app.core.errors import NotAllowed, NotFound
from app.core.ids import new_id
from app.core.permissions import Permission, authorize
from app.core.web import Answer, arg, form_id, id_arg, me, redirect_to, submit
from app.desk.guard import guard
from app.firm.queries import list_entities
from app.firm.settings_menu import Setting, add_setting
from app.people.queries import get_person, list_grades, list_people
from app.timekeeping.commands.rates import RateFacts, add_rate, archive_rate, restore_rate
from app.timekeeping.commands.waiting import AT_ONCE
from app.timekeeping.forms import RateForm, TryRateForm
from app.timekeeping.lookup import resolve_work
from app.timekeeping.policy import can_edit_rates, can_see_rates
from app.timekeeping.queries import get_rate, list_rates, rate_holes
from app.timekeeping.rates import find_rate
from app.timekeeping.waiting import count_waiting

blueprint = guard(Blueprint("rates", __name__))
add_setting(
    Setting(
        "Money",
        "Rates",
        "What an hour costs, by person, grade, client and date",
        "/settings/rates",
        "money",
        Permission.RATE_SEE,
    )
)


def _seen() -> None:
    if not can_see_rates(me()):
        raise NotAllowed("Your role does not show you rates.")


@blueprint.get("/settings/rates")
def index() -> Answer:
    _seen()
    return _page()


def _page(form: RateForm | None = None, status: int = 200) -> Answer:
    everything = arg("show") == "all"
    trying = _trying()
    page = render_template(
        "timekeeping/rates.html",
        rates=list_rates(seen_by=me(), everything=everything),
        everything=everything,
        form=form or _fresh(),
        may_edit=can_edit_rates(me()),
        trying=trying,
        found=_tried(trying),
        today=today,
        adding=form is not None,
        holes=rate_holes(seen_by=me()),
        undo=get_rate(archived, seen_by=me()) if (archived := id_arg("archived")) else None,
        waiting=count_waiting(seen_by=me()),
        grades=list_grades(seen_by=me()),
    )
    return page, status


def _fresh() -> RateForm:
    form = RateForm(formdata=None)
    entities = list_entities()
    form.currency.data, form.from_on.data = entities[0].currency if entities else "", today()
    form.id.data = str(new_id())
    return form


def _person_named(text: str) -> UUID | None:
    found = [person.id for person in list_people(seen_by=me()) if person.name.casefold() == text.casefold()]
    return found[0] if len(found) == 1 else None


def _client_named(text: str) -> UUID | None:
    client = find_client(text, seen_by=me())
    return client.id if client else None


def _engagement_named(text: str) -> UUID | None:
    target = resolve_work(text, seen_by=me())
    return target.engagement_id if target else None


@blueprint.post("/settings/rates")
def create() -> Answer:
    authorize(me(), can_edit_rates)
    form = RateForm()
    form.person.find, form.client.find, form.engagement.find = _person_named, _client_named, _engagement_named
    rate_id = form_id(form)
    before = count_waiting(seen_by=me()).entries
    if submit(form, lambda: add_rate(rate_id, _facts(form), by=me())):
        left = count_waiting(seen_by=me()).entries
        return redirect_to(url_for("rates.index"), _said(before - left, left))
    return _page(form, 422)


def _said(valued: int, left: int) -> str:
    """What became of the entries that had waited."""
    if valued <= 0:
        return "Rate added; recorded entries keep theirs"
    said = f"Rate added; {valued} waiting {'entry is' if valued == 1 else 'entries are'} valued by it"
    return said if valued < AT_ONCE or not left else f"{said}, the rest follow"


def _facts(form: RateForm) -> RateFacts:
    """What was picked must be there, and be visible to whoever sets a rate for it."""
    person, client, engagement = form.person.data, form.client.data, form.engagement.data
    if person:
        get_person(person, seen_by=me())
    if client:
        get_client(client, seen_by=me())
    if engagement:
        get_engagement(engagement, seen_by=me())
    assert form.from_on.data is not None and form.currency.data is not None
    return RateFacts(
        from_on=form.from_on.data,
        amount=form.amount.data,
        currency=form.currency.data.upper(),
        person_id=person,
        grade=form.grade.data or None,
        work_role=WorkRole(form.work_role.data) if form.work_role.data else None,
        activity=form.activity.data or None,
        client_id=client if not engagement else None,
        engagement_id=engagement,
    )


@blueprint.post("/settings/rates/<uuid:rate_id>/archive")
def archive(rate_id: UUID) -> Answer:
    archive_rate(get_rate(rate_id, seen_by=me()), by=me())
    return redirect_to(url_for("rates.index", archived=rate_id))


@blueprint.post("/settings/rates/<uuid:rate_id>/restoration")
def restore(rate_id: UUID) -> Answer:
    restore_rate(get_rate(rate_id, seen_by=me()), by=me())
    return redirect_to(url_for("rates.index"), "The rate is in use again")


def _trying() -> TryRateForm:
    asked = "engagement" in request.args
    form = TryRateForm(request.args if asked else None)
    form.person.find, form.engagement.find = _person_named, _engagement_named
    if not asked:
        form.on.data = today()
    return form


def _tried(form: TryRateForm) -> Any:
    """The rate that would apply, once person, engagement and day are given."""
    if "engagement" not in request.args or not form.validate():
        return None
    try:
        person = get_person(form.person.data, seen_by=me())
        engagement = get_engagement(form.engagement.data, seen_by=me())
    except NotFound:
        form.form_errors = ["There is no such person or engagement."]
        return None
    form.person.text, form.engagement.text = person.name, engagement.name
    role = WorkRole(form.work_role.data) if form.work_role.data else None
    assert form.on.data is not None
    return find_rate(engagement, person, form.on.data, work_role=role)
