"""Time and expenses as CSV."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Blueprint

from app.core.csv_out import moneys
from app.core.durations import format_hours
from app.core.errors import NotAllowed
from app.core.permissions import Permission
from app.core.web import Answer, arg, id_arg, me
from app.desk.guard import guard
from app.firm.exports import hand_out
from app.people.filters import people_asked
from app.timekeeping.forms import day_or
from app.timekeeping.models import BillTax
from app.timekeeping.policy import can_see_all_time, can_see_rates, can_see_time_of
from app.timekeeping.queries import every_expense
from app.timekeeping.totals import EntryFilter, every_entry

blueprint = guard(Blueprint("time_csv", __name__))
HEADER = [
    "Day",
    "Person",
    "Client code",
    "Client",
    "Engagement number",
    "Engagement",
    "Job",
    "Step",
    "Narrative",
    "Recorded, hours",
    "Charged, hours",
    "Billable",
    "State",
]
MONEY = ["Rate", "Value", "Unbilled", "Currency"]
EXPENSES = [
    "Day",
    "Person",
    "Client code",
    "Client",
    "Engagement number",
    "Engagement",
    "Kind",
    "What for",
    "Net",
    "Tax",
    "Currency",
    "Billable",
    "State",
    "Tax on the bill",
    "Name on the receipt",
    "Why the client owed it",
]


def entries_asked() -> EntryFilter:
    """What the address asks for; without a client or job it is somebody's sheet or, with `show=all`, everybody's, which
    may take a permission."""
    client, job, person = id_arg("client"), id_arg("job"), people_asked("person")["person"].id
    if client is None and job is None:
        everyone = person is None and arg("show") == "all"
        if not (can_see_all_time(me()) if everyone else can_see_time_of(me(), person)):
            raise NotAllowed("Your role does not show you the time of colleagues.")
        person = person if everyone else person or me().id
    first, last = arg("first"), arg("last")
    return EntryFilter(
        person_id=person, client_id=client, job_id=job, first=day_or(first, None), last=day_or(last, None),
        billable=arg("billable") == "1",
    )


@blueprint.get("/time.csv")
def mine() -> Answer:
    """One person's, client's or job's time. Rates and values only for who may see them."""
    found, sees = entries_asked(), can_see_rates(me())
    actor = me()
    return hand_out(
        "time", "time.csv", HEADER + (MONEY if sees else []),
        lambda: _rows(every_entry(found, seen_by=actor), sees), by=actor,
    )


def _rows(entries: Iterator[Any], sees: bool) -> Iterator[list[Any]]:
    for entry, person, code, client, number, engagement, job, task in entries:
        row = [
            entry.worked_on,
            person,
            code,
            client,
            number,
            engagement,
            job,
            task,
            entry.narrative,
            format_hours(entry.recorded),
            format_hours(entry.charged),
            "yes" if entry.billable else "no",
            entry.state,
        ]
        money = [entry.rate, *moneys(entry.currency, entry.value, entry.open_value), entry.currency]
        yield row + (money if sees else [])


@blueprint.get("/expenses.csv")
def expenses() -> Answer:
    actor = me()
    everyone = arg("show") == "all" and actor.may(Permission.TIME_EDIT_OTHERS)
    sees = can_see_rates(actor)

    def rows() -> Iterator[list[Any]]:
        found = every_expense(seen_by=actor, person_id=None if everyone else actor.id)
        for item, person, code, client, number, engagement in found:
            row = [
                item.worked_on,
                person,
                code,
                client,
                number,
                engagement,
                item.category,
                item.narrative,
                *moneys(item.currency, item.net, item.tax),
                item.currency,
                "yes" if item.billable else "no",
                item.state,
                f"code {item.tax_code}" if item.bill_tax is BillTax.CODE else item.bill_tax.value,
                item.receipt_name,
                item.evidence,
            ]
            yield row + (moneys(item.currency, item.value) if sees else [])

    return hand_out("expenses", "expenses.csv", EXPENSES + (["Billed at"] if sees else []), rows, by=actor)
