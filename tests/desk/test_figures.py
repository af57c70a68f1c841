"""Every figure opens exactly its rows: as many, and of the same sum, over all pages and for whoever looks."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from html.parser import HTMLParser

import pytest
from flask.testing import FlaskClient

from app.billing.commands.issue import approve_invoice
from app.clients.models import Client, Engagement
from app.core.clock import now, today
from app.core.db import db
from app.core.ids import new_id
from app.core.permissions import Role
from app.jobs.models import Deadline, DeadlineState, JobStatus
from app.notifications.models import Notice
from app.people.models import Person
from app.requests.models import ClientRequest, ItemState, RequestState
from app.timekeeping.commands.expenses import ExpenseFacts, record_expense
from tests.billing.make_billing import make_draft, make_entry, make_rate
from tests.jobs.make_jobs import make_job, make_service, make_task
from tests.make import Cast, keep, make_client, make_engagement, sign_in
from tests.requests.make_requests import make_request

Sums = dict[str, Decimal]
VOID = ("area", "br", "col", "hr", "img", "input", "link", "meta", "path", "rect", "circle", "line", "use", "wbr")


def summed(text: str) -> Sums:
    """`GBP:12.50 s:3600` as amounts by unit; what is nothing says nothing."""
    found = (part.split(":") for part in text.split())
    return {unit: Decimal(amount) for unit, amount in found if Decimal(amount)}


@dataclass(frozen=True)
class Figure:
    name: str
    target: str
    count: int | None
    sums: Sums | None


@dataclass
class Page(HTMLParser):
    """The figures of a page, and the lists that it holds: what they say of themselves and what stands in them."""

    html: str
    figures: list[Figure] = field(default_factory=list)
    total: int | None = None
    sums: Sums = field(default_factory=dict)
    rows: int = 0
    amounts: Sums = field(default_factory=dict)
    after: str = ""
    around: list[tuple[str, bool]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if "data-figure" in said:
            count, amount = said.get("data-count"), said.get("data-sum")
            self.figures.append(Figure(
                said["data-figure"], said["href"], None if count is None else int(count),
                None if amount is None else summed(amount),
            ))
        elif "data-total" in said or "data-sum" in said:
            self.total = (self.total or 0) + int(said.get("data-total", 0))
            self.sums = added(self.sums, summed(said.get("data-sum", "")))
        if "data-row" in said and any(listed for _tag, listed in self.around):
            self.rows += 1
            self.amounts = added(self.amounts, summed(said.get("data-amount", "")))
        if said.get("rel") == "next":
            self.after = said["href"]
        if tag not in VOID:
            self.around.append((tag, "data-figure" not in said and ("data-total" in said or "data-sum" in said)))

    def handle_endtag(self, tag: str) -> None:
        while tag in (open_tag for open_tag, _listed in self.around) and self.around.pop()[0] != tag:
            pass


def added(one: Sums, other: Sums) -> Sums:
    return {unit: one.get(unit, Decimal(0)) + other.get(unit, Decimal(0)) for unit in (*one, *other)}


def read(client: FlaskClient, address: str) -> Page:
    answer = client.get(address, headers={"HX-Request": "true"} if address.endswith("/panel") else {})
    assert answer.status_code == 200, (address, answer.status_code)
    return Page(answer.text)


def whole(client: FlaskClient, address: str) -> tuple[Page, int, Sums]:
    """The first page of a list, and how many rows of which sum all its pages hold."""
    first = page = read(client, address)
    rows, amounts = page.rows, page.amounts
    while page.after:
        page = read(client, page.after)
        assert (page.total, page.sums) == (first.total, first.sums), f"{address}: another total on another page"
        rows, amounts = rows + page.rows, added(amounts, page.amounts)
    return first, rows, amounts


def walk(client: FlaskClient, pages: list[str]) -> Counter[str]:
    """Open every figure of these pages and hold it against its list; how often each was met."""
    met: Counter[str] = Counter()
    known: dict[str, tuple[Page, int, Sums]] = {}
    for address in pages:
        for figure in read(client, address).figures:
            met[figure.name] += 1
            if figure.target not in known:
                known[figure.target] = whole(client, figure.target)
            page, rows, amounts = known[figure.target]
            where = f"{figure.name} of {address} opens {figure.target}"
            if figure.count is not None:
                assert figure.count == (page.total or 0) == rows, (where, figure.count, page.total, rows)
            for unit, amount in (figure.sums or {}).items():
                assert amount == page.sums.get(unit) == amounts.get(unit), (where, figure.sums, page.sums, amounts)
    return met


def sums_of(client: FlaskClient, address: str, name: str) -> Sums:
    return next(figure.sums or {} for figure in read(client, address).figures if figure.name == name)


def pages_of(*clients: Client, jobs: tuple[str, ...] = ()) -> list[str]:
    return [
        "/dashboard", "/work", "/work?tab=week", "/work?tab=waiting", "/board", "/board?view=week",
        "/board?view=owner", "/requests", "/billing", "/inbox", "/deadlines", "/billing/receivables",
        "/billing/wip/finished",
        *(f"/clients/{client.id}{part}" for client in clients for part in ("", "/panel", "?section=requests")),
        *jobs,
    ]


def fill(cast: Cast, client: Client, work: Engagement, owner: Person) -> str:
    """One client with everything that a figure counts, more of it than a page holds; returns a job's page."""
    days = dt.timedelta(days=1)
    service, bills = make_service(), make_engagement(client, cast.entity, "Billed monthly")
    for number in range(56):
        make_job(work, f"Late {number}", due_on=today() - 3 * days, service_id=service.id, owner_id=cast.pat.id)
    make_job(work, "At risk", at_risk_because="Too few hours free", owner_id=owner.id)
    make_job(work, "Held", status=JobStatus.ON_HOLD, due_on=today() - days)
    job = make_job(work, "Waiting", waiting_items=2, waiting_total=3)
    for number in range(45):
        due = today() + (number % 3 - 1) * days
        make_task(job, f"Step {number}", assignee_id=owner.id, due_on=due)
    make_task(job, "Put off", assignee_id=owner.id, snoozed_until=today() + 5 * days)
    requests = [make_request(cast, client=client, name=f"Request {number}") for number in range(53)]
    changed = {0: RequestState.SUBMITTED, 1: RequestState.IN_PROGRESS, 2: RequestState.RETURNED}
    for number, state in changed.items():
        set_state(requests[number], state)
    for number in (0, 1):
        requests[number].items[0].state = ItemState.ANSWERED
    for request in requests[3:7]:
        request.due_on = today() - days
    requests[8].closed_at, requests[8].state = now(), RequestState.CANCELLED
    make_request(cast, client=client, name="A draft", sent=False)
    db.session.flush()
    for number in range(62):
        entry = make_entry(cast, "0.5", engagement=work, person=cast.sam, on=today() - (number % 3) * days)
        entry.job_id = job.id
    record_expense(new_id(), ExpenseFacts(
        engagement_id=work.id, spent_on=today(), net=Decimal("12.34"), narrative="Filing fee",
    ), by=cast.actor(cast.bea))
    make_draft(cast, work)
    make_entry(cast, "3", engagement=bills, person=cast.sam)
    approve_invoice(make_draft(cast, bills), by=cast.actor(cast.bea))
    make_entry(cast, "2", engagement=work, person=cast.sam)
    paid = make_engagement(client, cast.entity, "Paid by the parent", payer_id=make_client("Parent", cast.office).id)
    make_entry(cast, "4", engagement=paid, person=cast.sam)
    approve_invoice(make_draft(cast, paid), by=cast.actor(cast.bea))
    done = make_job(work, "Finished", status=JobStatus.COMPLETED, completed_at=now(), owner_id=cast.pat.id)
    make_entry(cast, "1", engagement=work, person=cast.sam).job_id = done.id
    for number, state in enumerate([DeadlineState.OPEN] * 3):
        day = today() + (2 * number - 1) * days
        keep(Deadline(
            job_id=job.id, client_id=client.id, engagement_id=work.id, code=f"d{number}", name="Return",
            statutory_on=day, effective_on=day, state=state,
        ))
    for number in range(52):
        keep(Notice(event_id=10**9 + number, person_id=owner.id, kind="jobs.task.assigned", subject_kind="job",
                    subject_id=job.id, client_id=client.id, engagement_id=work.id, created_at=now(), data={}))
    return f"/jobs/{job.id}?section=wip"


def set_state(request: ClientRequest, state: RequestState) -> None:
    request.state = state


@pytest.fixture
def filled(cast: Cast) -> list[str]:
    make_rate("100")
    make_rate("120", currency="EUR")
    abroad = make_engagement(cast.acme, cast.entity, "Abroad", currency="EUR")
    make_entry(cast, "1", engagement=abroad)
    jobs = (fill(cast, cast.acme, cast.acme_work, cast.wes), fill(cast, cast.rival, cast.rival_work, cast.pat))
    return list(jobs)


EVERYWHERE = {
    "on-track", "at-risk", "overdue", "waiting-jobs", "requests-out", "requests-late", "to-review", "wip", "hours",
    "today", "week", "waiting", "column-stage", "column-week", "column-owner", "submitted", "drafts", "open-jobs",
    "late-jobs", "client-waiting", "client-requests", "client-wip", "client-owed", "job-wip", "inbox", "to_meet",
    "wip-of-client", "owed-by-client", "finished-wip",
}


@pytest.mark.slow
def test_every_figure_opens_exactly_the_rows_that_it_counts_and_sums(
    client: FlaskClient, cast: Cast, filled: list[str]
) -> None:
    sign_in(client, cast.pat)
    met = walk(client, pages_of(cast.acme, cast.rival, jobs=tuple(filled)))
    assert sums_of(client, f"/clients/{cast.acme.id}", "client-owed") == {"GBP": Decimal(360)}
    assert set(met) >= EVERYWHERE, EVERYWHERE - set(met)


@pytest.mark.slow
def test_behind_a_wall_every_figure_and_its_list_leave_out_the_same(
    client: FlaskClient, cast: Cast, filled: list[str]
) -> None:
    cast.wes.role = Role.MANAGER
    sign_in(client, cast.wes)
    met = walk(client, pages_of(cast.acme, jobs=(filled[0],)))
    assert set(met) >= EVERYWHERE, EVERYWHERE - set(met)
    assert "Rival" not in client.get("/board?view=table").text


def test_in_an_empty_firm_every_figure_opens_an_empty_list(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.pat)
    met = walk(client, pages_of(cast.acme))
    assert set(met) >= {"on-track", "requests-out", "to-review", "today", "column-week", "open-jobs", "client-wip"}


def test_the_board_by_week_and_by_person_shows_every_service_unless_one_is_asked_for(
    client: FlaskClient, cast: Cast
) -> None:
    first, second = make_service("Accounts"), make_service("Bookkeeping")
    for number in range(4):
        make_job(cast.acme_work, f"Late {number}", due_on=today() - dt.timedelta(days=2), service_id=second.id)
    sign_in(client, cast.pat)
    board = client.get("/board").text
    assert f"service={first.id}" not in board.split('class="segments"')[1].split("</nav>")[0]
    weeks = {figure.target: figure.count for figure in read(client, "/board?view=week").figures}
    assert [count for target, count in weeks.items() if "column=overdue" in target] == [4]
    assert client.get("/board?column=overdue&by=week").status_code == 200
    narrowed = read(client, f"/board?view=week&service={first.id}").figures
    assert [figure.count for figure in narrowed if "column=overdue" in figure.target] == [0]
