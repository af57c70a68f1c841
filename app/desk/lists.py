"""What the lists that have no file of their own write out: a header and rows, of what the person may see."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from app.activity.queries import EventFilter
from app.billing.models import Payment
from app.billing.queries.invoices import InvoiceFilter, every_invoice
from app.billing.queries.items import list_wip_items, unbilled_though_finished
from app.billing.queries.payments import PaymentFilter, list_payments, open_currencies, open_invoices
from app.catalogue.queries import list_services
from app.clients.policy import can_edit_walls
from app.clients.queries import contacts_of, engagements_of, get_client, list_walls
from app.core import clock
from app.core.actors import Actor
from app.core.csv_out import moneys
from app.core.durations import format_hours
from app.core.errors import NotFound
from app.core.ids import parse_id
from app.core.permissions import authorize
from app.desk.activity.tell import tell
from app.documents.models import Document
from app.documents.queries import DocumentFilters, list_documents
from app.firm.queries import (
    list_all_tax_rates,
    list_closures,
    list_entities,
    list_number_series,
    list_offices,
)
from app.jobs.queries.jobs import get_job, list_jobs_of, list_tasks
from app.ledger.periods import list_months, movements_of
from app.ledger.rates import list_exchange_rates
from app.notifications.queries import list_notices
from app.planning.cadences import WORDS
from app.planning.queries import get_series, list_occurrences, list_series
from app.requests.queries import documents_of_job
from app.runs.queries import get_run, items_of, list_runs
from app.timekeeping.queries import list_rates
from app.timekeeping.waiting import list_waiting

Asked = Mapping[str, str]
Rows = Iterable[list[Any]]
MOST = 100_000


@dataclass(frozen=True)
class ListFile:
    """A list as a file. `keeps` are the parts of its page's address that the file's address needs too."""

    header: tuple[str, ...]
    rows: Callable[[Asked, Actor], Rows]
    keeps: tuple[str, ...] = field(default=())


def _id(asked: Asked, name: str) -> UUID:
    found = parse_id(asked.get(name))
    if found is None:
        raise NotFound()
    return found


def _pages(page_of: Callable[[int], tuple[Iterable[Any], bool]]) -> Iterable[Any]:
    """Every row of a list that is read by pages."""
    for number in range(1, MOST):
        rows, more = page_of(number)
        yield from rows
        if not more:
            return


def _services(asked: Asked, actor: Actor) -> Rows:
    for row in list_services(seen_by=actor, archived=asked.get("show") == "archived"):
        yield [row.service.code, row.service.name, row.service.practice_area, row.service.cadence, row.published,
               row.draft, row.steps]


def _series(asked: Asked, actor: Actor) -> Rows:
    ended, service = asked.get("show") == "ended", parse_id(asked.get("service"))
    client = get_client(_id(asked, "client_id"), seen_by=actor).id if asked.get("client_id") else None

    def page_of(number: int) -> tuple[Iterable[Any], bool]:
        return list_series(seen_by=actor, client_id=client, service_id=service, ended=ended, page=number)

    for row in _pages(page_of):
        made = row.series
        yield [made.client.code, made.client.name, made.service.name, WORDS[made.cadence], made.state,
               row.next_on, row.next_title, made.ends_on]


def _wip_items(asked: Asked, actor: Actor) -> Rows:
    client, engagement = _id(asked, "client_id"), parse_id(asked.get("engagement"))
    get_client(client, seen_by=actor)

    def page_of(number: int) -> tuple[Iterable[Any], bool]:
        off = asked.get("show") == "written-off"
        page = list_wip_items(client, seen_by=actor, engagement_id=engagement, written_off=off, page=number)
        return page.rows, page.has_next

    for item in _pages(page_of):
        yield [item.engagement, item.job, item.worked_on, item.person, item.narrative,
               format_hours(item.charged) if item.charged is not None else "",
               *moneys(item.currency, item.value, item.written, item.open_value),
               item.currency, item.state, item.hold_reason]


def _waiting(_asked: Asked, actor: Actor) -> Rows:
    for row in _pages(lambda page: list_waiting(seen_by=actor, page=page)):
        yield [row.worked_on, row.person, row.narrative, row.client, row.engagement,
               format_hours(row.recorded) if row.recorded is not None else "", row.currency, row.why or "exchange rate"]


def _finished(asked: Asked, actor: Actor) -> Rows:
    for job in _pages(lambda page: unbilled_though_finished(seen_by=actor, page=page)):
        yield [job.title, job.client, job.completed_at, *moneys(job.currency, job.amount), job.currency]


def _rates(asked: Asked, actor: Actor) -> Rows:
    for row in list_rates(seen_by=actor, everything=asked.get("show") == "all"):
        rate = row.rate
        yield [row.engagement, row.client, row.person, rate.grade, rate.work_role, rate.activity, rate.amount,
               rate.currency, rate.from_on, rate.to_on]


def _tax_rates(asked: Asked, actor: Actor) -> Rows:
    for rate in list_all_tax_rates():
        yield [rate.code, rate.name, rate.treatment, rate.percent, rate.from_on, rate.last_on, rate.legend]


def _exchange_rates(asked: Asked, actor: Actor) -> Rows:
    return ([rate.currency, rate.base, rate.rate, rate.from_on, rate.said_by, rate.withdrawn_at] for rate in
            list_exchange_rates(seen_by=actor, limit=MOST))


def _offices(asked: Asked, actor: Actor) -> Rows:
    return ([each.name, each.entity.name, each.zone, each.calendar] for each in list_offices())


def _entities(asked: Asked, actor: Actor) -> Rows:
    return ([each.name, each.country, each.currency, each.tax_number, each.registration_number, each.address]
            for each in list_entities())


def _closures(asked: Asked, actor: Actor) -> Rows:
    offices = {office.id: office.name for office in list_offices()}
    return ([each.closed_on, each.name, offices.get(each.office_id, "Everywhere") if each.office_id else "Everywhere"]
            for each in list_closures())


def _numbers(asked: Asked, actor: Actor) -> Rows:
    entities = {entity.id: entity.name for entity in list_entities()}
    return ([each.kind, entities.get(each.entity_id, "") if each.entity_id else "", each.prefix, each.next_value,
             each.padding] for each in list_number_series())


def _movements(asked: Asked, actor: Actor) -> Rows:
    try:
        month = dt.date.fromisoformat(f"{asked.get('month', '')}-01")
    except ValueError:
        raise NotFound() from None
    for moved in movements_of(month, seen_by=actor):
        yield [moved.account, moved.kind, "yes" if moved.is_reversal else "no",
               *moneys(moved.currency, moved.debit, moved.credit, moved.net), moved.currency,
               *moneys(moved.base_currency, moved.base), moved.base_currency]


def _months(asked: Asked, actor: Actor) -> Rows:
    return ([month.starts_on, "yes" if month.is_over else "no", month.closed_at] for month in
            list_months(seen_by=actor))


def _occurrences(asked: Asked, actor: Actor) -> Rows:
    for each in list_occurrences(get_series(_id(asked, "series_id"), seen_by=actor), seen_by=actor):
        yield [each.period_start, each.title, each.state, each.create_on, each.due_on]


def _runs(asked: Asked, actor: Actor) -> Rows:
    return ([run.title, run.kind, run.state, run.total, run.created_at, run.finished_at] for run in
            list_runs(seen_by=actor, limit=MOST))


def _run_items(asked: Asked, actor: Actor) -> Rows:
    run = get_run(_id(asked, "run_id"), seen_by=actor)
    return ([item.position + 1, item.label, item.state, item.message] for item in
            items_of(run, seen_by=actor, limit=MOST))


def _steps(asked: Asked, actor: Actor) -> Rows:
    for step in list_tasks(get_job(_id(asked, "job_id"), seen_by=actor)):
        yield [step.name, step.kind, step.state, step.assignee, step.due_on, step.latest_start_on,
               format_hours(step.estimate) if step.estimate else "", format_hours(step.spent),
               "yes" if step.is_critical else "no"]


def _documents(asked: Asked, actor: Actor) -> Rows:
    client = get_client(_id(asked, "client_id"), seen_by=actor)
    which = DocumentFilters(client.id, asked.get("q", ""), asked.get("from") == "client")
    for each in _pages(lambda page: list_documents(which, seen_by=actor, page=page)):
        yield _document(each)


def _job_documents(asked: Asked, actor: Actor) -> Rows:
    job = get_job(_id(asked, "job_id"), seen_by=actor)
    return [_document(each) for each in documents_of_job(job, seen_by=actor, limit=MOST)]


def _document(each: Document) -> list[Any]:
    return [each.name, each.size, each.media_type, each.state, "yes" if each.client_sees else "no", each.added_kind,
            each.created_at]


def _jobs(asked: Asked, actor: Actor) -> Rows:
    client = get_client(_id(asked, "client_id"), seen_by=actor)
    for closed in (False, True):
        for job in list_jobs_of(client.id, seen_by=actor, closed=closed, limit=MOST):
            yield [job.number, job.title, job.status, job.due_on, job.tasks_done, job.tasks_total, job.completed_at]


def _contacts(asked: Asked, actor: Actor) -> Rows:
    for each in contacts_of(_id(asked, "client_id"), seen_by=actor):
        addresses = ", ".join(address.value for address in each.contact.addresses)
        yield [each.contact.name, each.role, addresses, "yes" if each.portal_access else "no",
               "yes" if each.is_primary else "no"]


def _engagements(asked: Asked, actor: Actor) -> Rows:
    for each in engagements_of(_id(asked, "client_id"), seen_by=actor):
        billed = each.billed_on(clock.today()).kind
        yield [each.number, each.name, each.practice_area, billed, each.currency, each.status, each.starts_on,
               each.ends_on]


def _balance(asked: Asked, actor: Actor) -> Rows:
    """What is owed, the oldest due first, then what was credited, then what was paid."""
    client = get_client(_id(asked, "client_id"), seen_by=actor)

    def page_of(number: int) -> tuple[Iterable[Any], bool]:
        page = list_payments(PaymentFilter(client_id=client.id), seen_by=actor, page=number)
        return page.rows, page.has_next

    paid: list[tuple[Payment, Any]] = list(_pages(page_of))
    for currency in open_currencies(client.id, seen_by=actor):
        for bill in open_invoices(client.id, currency, seen_by=actor):
            yield ["Bill", bill.number, bill.issued_on, bill.due_on,
                   *moneys(bill.currency, bill.gross, bill.open_amount), bill.currency, ""]
    for note in every_invoice(InvoiceFilter(client_id=client.id, standing="credit"), seen_by=actor):
        yield ["Credit note", note.number, note.issued_on, None, *moneys(note.currency, note.gross, None),
               note.currency, note.reason]
    for payment, left in paid:
        yield ["Payment", payment.reference, payment.received_on, None,
               *moneys(payment.currency, payment.amount, left), payment.currency,
               payment.reversed_reason]


def _timeline(asked: Asked, actor: Actor) -> Rows:
    if asked.get("job_id"):
        found = EventFilter(job_id=get_job(_id(asked, "job_id"), seen_by=actor).id)
    else:
        found = EventFilter(client_id=get_client(_id(asked, "client_id"), seen_by=actor).id)
    for line in tell(found, seen_by=actor, limit=MOST):
        changes = "; ".join(f"{name}: {before} → {after}" for name, before, after in line.changes)
        yield [line.at, line.actor, line.words, line.quote, changes]


def _walls(asked: Asked, actor: Actor) -> Rows:
    client = get_client(_id(asked, "client_id"), seen_by=actor)
    authorize(actor, can_edit_walls)
    for wall, person, engagement in list_walls(client.id, seen_by=actor):
        yield [person, engagement or "The whole client", wall.reason, wall.created_at]


def _inbox(asked: Asked, actor: Actor) -> Rows:
    unread = asked.get("show") == "new"
    for line in _pages(lambda page: list_notices(seen_by=actor, unread=unread, page=page)):
        yield [line.at, line.actor, line.words, line.client, "yes" if line.is_new else "no"]


CLIENT = ("client_id",)
DOCUMENTS = ("Name", "Bytes", "Type", "State", "Client sees it", "From", "Arrived")
FILES = {
    "services": ListFile(
        ("Code", "Service", "Practice area", "How often", "Version in use", "Draft", "Steps"), _services, ("show",)),
    "recurring-work": ListFile(
        ("Client code", "Client", "Service", "Recurs", "State", "Next created on", "Next job", "Ends on"), _series,
        ("show", "service", "client_id")),
    "unbilled-entries": ListFile(
        ("Engagement", "Job", "Day", "Person", "Narrative", "Charged, hours", "Value", "Written on or off", "Open",
         "Currency", "State", "Held because"), _wip_items, ("client_id", "engagement", "show")),
    "finished-not-billed": ListFile(("Job", "Client", "Finished", "Unbilled", "Currency"), _finished),
    "waiting-for-a-rate": ListFile(
        ("Day", "Person", "What for", "Client", "Engagement", "Hours", "Currency", "Waits because"), _waiting),
    "rates": ListFile(
        ("Engagement", "Client", "Person", "Grade", "Work role", "Activity", "An hour", "Currency", "From", "Until"),
        _rates, ("show",)),
    "tax-rates": ListFile(("Code", "Name", "Kind", "Percent", "From", "Until", "Legend"), _tax_rates),
    "exchange-rates": ListFile(
        ("One", "In", "Is worth", "From", "Who says so", "Withdrawn"), _exchange_rates),
    "offices": ListFile(("Office", "Entity", "Zone", "Holidays of"), _offices),
    "entities": ListFile(("Entity", "Country", "Currency", "Tax number", "Company number", "Address"), _entities),
    "closures": ListFile(("Day", "What for", "Office"), _closures),
    "numbers": ListFile(("Kind", "Entity", "Prefix", "Next", "Digits"), _numbers),
    "movements": ListFile(
        ("Account", "Movement", "Reversal", "Debit", "Credit", "Net", "Currency", "Net in books", "Currency of books"),
        _movements, ("month",)),
    "months": ListFile(("Month", "Over", "Closed"), _months),
    "periods": ListFile(("Period begins", "Job", "State", "Created on", "Due"), _occurrences, ("series_id",)),
    "runs": ListFile(("Run", "Kind", "State", "Items", "Started", "Finished"), _runs),
    "run": ListFile(("No.", "What", "State", "Message"), _run_items, ("run_id",)),
    "steps": ListFile(
        ("Step", "Kind", "State", "Who", "Due", "Latest start", "Estimate, hours", "Spent, hours", "Critical"), _steps,
        ("job_id",)),
    "documents": ListFile(DOCUMENTS, _documents, ("client_id", "q", "from")),
    "job-documents": ListFile(DOCUMENTS, _job_documents, ("job_id",)),
    "jobs": ListFile(("Number", "Job", "Status", "Due", "Steps done", "Steps", "Finished"), _jobs, CLIENT),
    "contacts": ListFile(("Name", "Role", "Addresses", "Portal", "First contact"), _contacts, CLIENT),
    "engagements": ListFile(
        ("Number", "Engagement", "Practice area", "Billed", "Currency", "Status", "From", "Until"), _engagements,
        CLIENT),
    "balance": ListFile(
        ("What", "Number or reference", "Day", "Due", "Amount", "Open or credit left", "Currency", "Because"),
        _balance, CLIENT),
    "timeline": ListFile(("When", "Who", "What", "In their words", "Changed"), _timeline, ("client_id", "job_id")),
    "walls": ListFile(("Who", "From what", "Reason", "Since"), _walls, CLIENT),
    "inbox": ListFile(("When", "Who", "What", "Client", "New"), _inbox, ("show",)),
}
# Which file a page offers: by its endpoint, on the pages of a client and a job with the section.
PAGES = {
    "services.index": "services", "series.index": "recurring-work", "wip.client": "unbilled-entries",
    "wip.finished": "finished-not-billed", "rates.index": "rates", "money.tax_rates": "tax-rates",
    "exchange_rates.index": "exchange-rates", "places.offices": "offices", "places.entities": "entities",
    "places.closures": "closures", "money.series": "numbers", "books.show": "movements", "runs.show": "run",
    "books.index": "months", "series.show": "periods", "runs.index": "runs",
    "jobs.show": "steps", "clients.show documents": "documents", "clients.show jobs": "jobs",
    "clients.show contacts": "contacts", "clients.show engagements": "engagements",
    "clients.show wip": "unbilled-entries", "clients.show recurring": "recurring-work",
    "clients.show balance": "balance", "clients.show timeline": "timeline", "walls.index": "walls",
    "jobs.show documents": "job-documents", "jobs.show timeline": "timeline", "inbox.index": "inbox",
}
