"""The months of the books: what moved in them, and closing them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from dateutil.relativedelta import relativedelta
from flask import Blueprint, render_template, url_for

from app.billing.queries.closing import comes_late
from app.core import clock
from app.core.errors import NotAllowed, NotFound
from app.core.permissions import Permission
from app.core.web import Answer, arg, id_arg, me, redirect_to
from app.desk.guard import guard
from app.firm.models import Entity
from app.firm.policy import can_edit_settings
from app.firm.queries import list_entities
from app.firm.settings_menu import Setting, add_setting
from app.ledger.commands import close_period
from app.ledger.periods import list_closings, list_months, movements_of
from app.ledger.policy import can_see_books

blueprint = guard(Blueprint("books", __name__, url_prefix="/settings"))
add_setting(
    Setting(
        "Money", "Books", "Months, what moved in them, closing", "/settings/books", "ledger", Permission.PERIOD_CLOSE
    )
)


def _need(allowed: bool) -> None:
    if not allowed:
        raise NotAllowed("Only a partner closes the books.")


@blueprint.get("/books")
def index() -> Answer:
    _need(can_see_books(me()))
    entities, entity = _entities()
    return render_template(
        "ledger/books.html", may_change=can_edit_settings(me()), entities=entities, entity=entity,
        whose=_whose(entities, entity), months=list_months(seen_by=me(), entity_id=entity.id),
        closings=list_closings(seen_by=me(), entity_id=entity.id),
    )


def _entities() -> tuple[Sequence[Entity], Entity]:
    """The firm's entities, and the one whose books are looked at: as the address says, else the first."""
    entities, named = list_entities(), id_arg("entity")
    if not named and not arg("entity"):
        return entities, entities[0]
    found = next((each for each in entities if each.id == named), None)
    if found is None:
        raise NotFound()
    return entities, found


def _whose(entities: Sequence[Entity], entity: Entity) -> UUID | None:
    """What an address names the entity by; nothing where there is only one."""
    return entity.id if len(entities) > 1 else None


def _month(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(f"{text}-01")
    except ValueError:
        raise NotFound() from None


@blueprint.get("/books/<month>")
def show(month: str) -> Answer:
    """What moved in a month, by account; it ties out when every currency comes to nothing."""
    _need(can_see_books(me()))
    first = _month(month)
    entities, entity = _entities()
    moved = movements_of(first, seen_by=me(), entity_id=entity.id)
    off: dict[str, tuple[Decimal, Decimal]] = {}
    for movement in moved:
        net, base = off.get(movement.currency, (Decimal(0), Decimal(0)))
        off[movement.currency] = net + movement.net, base + movement.base
    months = list_months(seen_by=me(), entity_id=entity.id)
    found = next((each for each in months if each.starts_on == first), None)
    if found is None:
        raise NotFound()
    through = first + relativedelta(months=1, days=-1)
    late = comes_late(through, seen_by=me(), entity_id=entity.id) if found.is_over and not found.closed_at else None
    return render_template(
        "ledger/month.html", month=found, movements=moved, off=off, as_of=clock.now(), late=late, through=through,
        entity=entity, whose=_whose(entities, entity),
    )


@blueprint.post("/books/<month>/closure")
def close(month: str) -> Answer:
    first = _month(month)
    entities, entity = _entities()
    if len(entities) > 1 and not arg("entity"):
        raise NotFound()
    close_period(first, by=me(), entity_id=entity.id)
    whose = _whose(entities, entity)
    said = f"{first:%B %Y} is closed" + (f" for {entity.name}" if whose else "")
    return redirect_to(url_for("books.index", entity=whose), said)
