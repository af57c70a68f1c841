"""Setting up to how much each role, or one person, decides alone."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, render_template, url_for

from app.approvals.commands import LimitFacts, set_limit, withdraw_limit
from app.approvals.forms import LimitForm
from app.approvals.models import LIMITED
from app.approvals.policy import NEEDED, can_edit_limits
from app.approvals.queries import get_limit, list_limits, unlimited_people
from app.core import clock
from app.core.errors import NotAllowed
from app.core.fields import offers
from app.core.permissions import ROLES, Permission
from app.core.web import Answer, form_id, me, redirect_to, submit
from app.desk.guard import confirm_with, guard, needs_confirmation, once_confirmed
from app.firm.queries import list_entities
from app.firm.settings_menu import Setting, add_setting
from app.people.forms import ROLE_WORDS
from app.people.queries import list_people

blueprint = guard(Blueprint("approval_limits", __name__, url_prefix="/settings/approval-limits"))
add_setting(
    Setting(
        "Money",
        "Limits of approval",
        "Up to how much a role or a person approves bills and writes off alone",
        "/settings/approval-limits",
        "review",
        Permission.SETTINGS_EDIT,
    )
)


def _need() -> None:
    if not can_edit_limits(me()):
        raise NotAllowed("Your role does not set limits of approval.")


def _offer(form: LimitForm) -> LimitForm:
    """The roles that approve or write off at all, and whoever has one of them."""
    roles = [role for role in ROLES if any(needed in ROLES[role] for needed in NEEDED.values())]
    people = [person for person in list_people(seen_by=me()) if person.role in roles]
    form.who.choices = offers(
        [*((role.value, f"Every {ROLE_WORDS[role][0].lower()}") for role in roles),
         *((person.id, person.name) for person in people)]
    )
    entities = list_entities()
    form.currencies = {entity.id: entity.currency for entity in entities}
    form.entity_id.offer([(entity.id, f"{entity.name}, {entity.currency}") for entity in entities])
    if len(entities) == 1:
        form.entity_id.data = entities[0].id
    return form


def _page(form: LimitForm | None = None, status: int = 200) -> Answer:
    if form is None:
        form = _offer(LimitForm(formdata=None, from_on=clock.today()))
        form.id.data = str(form_id(form))
    limits, entities = list_limits(seen_by=me()), list_entities()
    limited = sorted({(limit.kind, limit.entity_id) for limit in limits})
    page = render_template(
        "approvals/limits.html", form=form, limits=limits, kinds=LIMITED, entities=entities,
        role_words=ROLE_WORDS, ask_password=needs_confirmation(), now_on=clock.today(), in_force=_in_force(limits),
        stuck=[(kind.words, entity) for kind, entity in limited if not unlimited_people(kind, entity)],
    )
    return page, status


def _in_force(limits: object) -> set[UUID]:
    """Of each role and person the latest that has begun."""
    found: dict[object, UUID] = {}
    for limit in limits:  # type: ignore[attr-defined]
        if limit.from_on <= clock.today():
            found.setdefault((limit.kind, limit.entity_id, limit.role, limit.person_id), limit.id)
    return set(found.values())


@blueprint.get("")
def index() -> Answer:
    _need()
    return _page()


@blueprint.post("")
def create() -> Answer:
    _need()
    form = _offer(LimitForm())

    def save() -> None:
        confirm_with(form)
        assert form.from_on.data is not None and form.entity_id.data is not None
        facts = LimitFacts(
            entity_id=form.entity_id.data, kind=form.kind.data, amount=form.said, from_on=form.from_on.data,
            role=form.role, person_id=form.person_id,
        )
        set_limit(form_id(form), facts, by=me())

    if submit(form, save):
        return redirect_to(url_for("approval_limits.index"), "The limit is set")
    return _page(form, 422)


@blueprint.post("/<uuid:limit_id>/withdrawal")
def withdraw(limit_id: UUID) -> Answer:
    limit = get_limit(limit_id, seen_by=me())

    def act() -> Answer:
        withdraw_limit(limit, by=me())
        return redirect_to(url_for("approval_limits.index"), "Withdrawn; the one before it counts again")

    return once_confirmed(act, what="Withdraw a limit", verb="Withdraw", back=url_for("approval_limits.index"))
