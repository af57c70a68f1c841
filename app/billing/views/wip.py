"""WIP by client with its ageing, the entries behind it, and what is done to them before they are billed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

from flask import Blueprint, Flask, g, render_template, request, url_for

from app.billing.commands.wip import (
    hold_items,
    release_items,
    take_back,
    transfer_items,
    write_off_items,
    write_on_items,
)
from app.billing.commands.write_offs import WrittenOff
from app.billing.policy import can_draft, can_record_payment, can_see_wip, can_write_off
from app.billing.queries.aged import PER_PAGE, WipFilter
from app.billing.queries.around import Around, around_lists, counts_of_pending
from app.billing.queries.items import PER_PAGE as ITEMS_PER_PAGE
from app.billing.queries.items import list_wip_items, unbilled_though_finished
from app.billing.queries.wip import find_engagement, wip_by_client, wip_by_engagement
from app.clients.queries import get_client
from app.core import clock
from app.core.errors import Refused
from app.core.ids import parse_id, parse_whole
from app.core.money import parse_number
from app.core.permissions import Permission
from app.core.web import Answer, arg, id_arg, me, page_number, redirect_to
from app.core.wording import number_format
from app.desk.guard import guard, safe_next
from app.jobs.queries.jobs import get_job
from app.ledger.ageing import ages_of
from app.ledger.models import Account
from app.people.filters import PersonAsked, people_asked
from app.timekeeping.policy import can_edit_rates
from app.timekeeping.waiting import count_waiting
from app.timekeeping.written import asked_write_offs

blueprint = guard(Blueprint("wip", __name__))
MOST_SELECTED = 1000


def init_app(app: Flask) -> None:
    ages = {"wip_ages": ages_of(Account.WIP), "owed_ages": ages_of(Account.RECEIVABLE)}
    app.jinja_env.globals.update(billing_tabs=billing_tabs, **ages)


def billing_tabs() -> list[tuple[str, str, str, int | None]]:
    """The tabs of billing that this person may open."""
    actor = me()
    found: Around | None = g.get("around")
    pending, to_decide = (found.pending, found.to_decide) if found else counts_of_pending(seen_by=actor)
    tabs: list[tuple[str, str, str, int | None]] = []
    if can_see_wip(actor):
        tabs.append(("wip", "WIP", url_for("wip.index"), None))
    tabs.append(("drafts", "Drafts", url_for("drafts.index"), pending or None))
    if can_see_wip(actor):
        tabs.append(("approvals", "Approvals", url_for("approvals.index"), to_decide or None))
    tabs.append(("invoices", "Invoices", url_for("invoices.index"), None))
    tabs.append(("payments", "Payments", url_for("payments.index"), None))
    tabs.append(("receivables", "Receivables", url_for("receivables.index"), None))
    return tabs


def date_arg(name: str) -> dt.date | None:
    """A day of the address, None where it says none. Raises Refused for what is no day: sums of another day than the
    one asked for would look like its own."""
    try:
        return dt.date.fromisoformat(arg(name)) if arg(name) else None
    except ValueError:
        raise Refused(f"“{arg(name)[:40]}” is no date. Write it as year, month and day: 2026-10-31.") from None


def _people() -> dict[str, PersonAsked]:
    """Whom the filters ask for; asked once a request, though the rows and the form both need it."""
    if "people_asked" not in g:
        g.people_asked = people_asked("partner", "manager", "person")
    return cast(dict[str, PersonAsked], g.people_asked)


def wip_filter() -> WipFilter:
    on, people = date_arg("on"), _people()
    return WipFilter(
        text=arg("q"),
        partner_id=people["partner"].id,
        manager_id=people["manager"].id,
        office_id=id_arg("office"),
        person_id=people["person"].id,
        on=on if on and on < clock.today() else None,
        **column_asked(),
    )


def column_asked() -> dict[str, Any]:
    """Which column of an ageing the address asks for: the currency and the number of the age."""
    return {"currency": arg("currency")[:3].upper(), "age": parse_whole(arg("age"))}


def around() -> Around:
    """What stands around a list; asked once a request, for its tabs, filters and notes."""
    if "around" not in g:
        g.around = around_lists(seen_by=me())
    return cast(Around, g.around)


def choices() -> dict[str, Any]:
    """What the filters offer, and those whom they ask for."""
    return {"people": _people(), "offices": around().offices}


@blueprint.get("/billing")
def index() -> Answer:
    found = wip_filter()
    return render_template(
        "billing/wip/index.html",
        found=found,
        wip=wip_by_client(found, seen_by=me(), page=page_number()),
        per_page=PER_PAGE,
        waiting=around().waiting,
        may_set_rates=can_edit_rates(me()),
        may_draft=can_draft(me()),
        may_export=me().may(Permission.EXPORT),
        as_of=clock.now(),
        **choices(),
    )


@blueprint.get("/billing/wip/finished")
def finished() -> Answer:
    jobs, more = unbilled_though_finished(seen_by=me(), page=page_number())
    return render_template("billing/wip/finished.html", jobs=jobs, more=more, may_draft=can_draft(me()))


def _written_off() -> bool:
    return arg("show") == "written-off"


def _items_of_client(client_id: UUID) -> dict[str, Any]:
    """Today, or as the past day of the address ended: then there is nothing to be done to them."""
    asked = date_arg("on")
    on = asked if asked and asked < clock.today() else None
    items = list_wip_items(
        client_id,
        seen_by=me(),
        engagement_id=id_arg("engagement"),
        job_id=id_arg("job"),
        person_id=id_arg("person"),
        on=on,
        written_off=_written_off(),
        page=page_number(),
        **column_asked(),
    )
    return {
        "on": on,
        "column": WipFilter(**column_asked()),
        "engagements": wip_by_engagement(client_id, seen_by=me(), on=on),
        "items": items,
        "asked": {} if on else asked_write_offs([item.id for item in items.rows], seen_by=me()),
        "waiting": count_waiting(seen_by=me(), client_id=client_id),
        "may_set_rates": can_edit_rates(me()),
        "written_off": not on and _written_off(),
        "per_page": ITEMS_PER_PAGE,
        "may_draft": not on and can_draft(me()),
        "may_write_off": not on and can_write_off(me()),
        "may_pay": can_record_payment(me()),
    }


@blueprint.get("/billing/wip/clients/<uuid:client_id>")
def client(client_id: UUID) -> Answer:
    """A client's engagements and the entries behind their amounts."""
    row = get_client(client_id, seen_by=me())
    return render_template("billing/wip/client.html", client=row, back=request.full_path, **_items_of_client(row.id))


@blueprint.get("/clients/<uuid:client_id>/wip")
def client_section(client_id: UUID) -> Answer:
    row = get_client(client_id, seen_by=me())
    back = url_for("clients.show", client_id=row.id, section="wip")
    return render_template("billing/wip/_client.html", client=row, back=back, **_items_of_client(row.id))


@blueprint.get("/jobs/<uuid:job_id>/wip")
def job_section(job_id: UUID) -> Answer:
    job = get_job(job_id, seen_by=me())
    if not can_see_wip(me()):
        return ""
    items = list_wip_items(seen_by=me(), job_id=job.id)
    return render_template("billing/wip/_job.html", job=job, items=items, may_draft=can_draft(me()))


@blueprint.post("/billing/wip/<any('hold', 'release', 'write-off', 'write-on', 'take-back', 'transfer'):what>")
def change(what: str) -> Answer:
    """The same change to every selected entry, in one transaction: all of them or none."""
    ids = [found for text in request.form.getlist("item") if (found := parse_id(text))][:MOST_SELECTED]
    if not ids:
        raise Refused("No entry is selected. Nothing was changed.")
    said = _change(what, ids, _text(f"{what}-reason"))
    return redirect_to(safe_next(request.form.get("back"), url_for("wip.index")), said)


def _change(what: str, ids: Sequence[UUID], reason: str) -> str:
    entries = "1 entry" if len(ids) == 1 else f"{len(ids)} entries"
    if what == "hold":
        hold_items(ids, reason, by=me())
        return f"{entries} held back"
    if what == "release":
        released = release_items(ids, by=me())
        return f"{released} released" if released else "None of these was held"
    if what == "transfer":
        transfer_items(ids, _engagement(), reason, by=me())
        return f"{entries} transferred"
    if what == "take-back":
        number = _text("transaction")
        transaction_id = int(number) if number.isdecimal() else None
        return f"{take_back(ids, reason, by=me(), transaction_id=transaction_id):,.2f} taken back"
    percent = _percent(f"{what}-percent")
    if what == "write-off":
        return _said(write_off_items(ids, reason, by=me(), percent=percent))
    return f"{write_on_items(ids, reason, by=me(), percent=percent):,.2f} written up"


def _said(written: WrittenOff) -> str:
    """What was done, and what waits for somebody else."""
    parts = [f"{written.done:,.2f} written off"] if written.done else []
    if written.asked:
        parts.append(f"{written.asked:,.2f} is not written off yet: its approval is asked for. {written.why}")
    return "; ".join(parts)


def _text(name: str) -> str:
    return request.form.get(name, "").strip()[:500]


def _percent(name: str) -> Decimal:
    text = _text(name)
    if not text:
        raise Refused("Say how much of it, in per cent. Nothing was changed.", field=name)
    return parse_number(text, 4, number_format(), unit="%", field=name)


def _engagement() -> UUID:
    picked = parse_id(request.form.get("engagement", "")) or find_engagement(_text("engagement_text"), seen_by=me())
    if picked is None:
        raise Refused("Pick the engagement that it goes to.", field="engagement")
    return picked
