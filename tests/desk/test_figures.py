"""Every figure opens exactly its rows: as many, and of the same sum, over all pages and for whoever looks.

Every page of the firm's door is opened, its tabs too, and every number that a figure, a tab, the foot of a table or the
head of a section shows is held against the rows that it counts or sums. What shows one without rows fails, but for what
BARE names with its reason.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from html.parser import HTMLParser

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.billing.commands.issue import approve_invoice
from app.catalogue.models import WorkRole
from app.clients.models import Client, Engagement
from app.core.clock import now, today, travel_to
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
from tests.journeys.world import World, make_world
from tests.make import Cast, keep, make_client, make_engagement, sign_in
from tests.requests.make_requests import make_request
from tests.test_architecture import ROOT, rules

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
class Element:
    tag: str
    said: dict[str, str]
    inside: Element | None
    text: str = ""  # outside of figures
    rows: int = 0
    counted: int | None = None  # by the head of this section

    def within(self) -> Iterator[Element]:
        yield self
        if self.inside:
            yield from self.inside.within()

    def is_a(self, *classes: str) -> bool:
        return any(each in self.said.get("class", "").split() for each in classes)

    @property
    def is_row(self) -> bool:
        """What the head of a section counts: a row of a list or a table, a comment."""
        of_table = self.tag == "tr" and self.inside is not None and self.inside.tag == "tbody"
        of_comments = self.tag == "li" and self.inside is not None and self.inside.is_a("timeline")
        of_list = self.is_a("row") and not self.is_a("small")  # a small one belongs to the row above it
        return "data-row" in self.said or of_list or of_comments or (of_table and not self.is_a("group"))

    @property
    def is_list(self) -> bool:
        return "data-figure" not in self.said and ("data-total" in self.said or "data-sum" in self.said)


def which_macro_drew(element: Element) -> str:
    """Which of the macros that show numbers drew this element, if one did."""
    around = list(element.within())
    if element.is_a("stat-value"):
        return "stat"
    if element.is_a("count") and any(each.is_a("tabs", "segments") for each in around):
        return "tab"
    if element.tag in ("td", "th") and any(each.tag == "tfoot" for each in around):
        return "foot"
    return ""


@dataclass
class Page(HTMLParser):
    """The figures of a page, and the lists that it holds: what they say of themselves and what stands in them."""

    html: str
    figures: list[Figure] = field(default_factory=list)
    bare: list[tuple[str, str]] = field(default_factory=list)
    miscounted: list[str] = field(default_factory=list)
    has_foot: bool = False
    links: list[str] = field(default_factory=list)
    total: int | None = None
    sums: Sums = field(default_factory=dict)
    rows: int = 0
    amounts: Sums = field(default_factory=dict)
    after: str = ""
    at: Element | None = None

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        element = Element(tag, said, self.at)
        around = list(element.within())
        if "data-figure" in said:
            count, amount = said.get("data-count"), said.get("data-sum")
            self.figures.append(Figure(
                said["data-figure"], said["href"], None if count is None else int(count),
                None if amount is None else summed(amount),
            ))
        elif element.is_list:
            self.total = (self.total or 0) + int(said.get("data-total", 0))
            self.sums = added(self.sums, summed(said.get("data-sum", "")))
        if element.is_row and not any(each.is_row for each in around[1:]):
            for each in around:
                each.rows += 1
        if "data-row" in said and any(each.is_list for each in around):
            self.rows += 1
            self.amounts = added(self.amounts, summed(said.get("data-amount", "")))
        if said.get("rel") == "next":
            self.after = said["href"]
        if tag == "a" and any(each.is_a("tabs", "segments") for each in around):
            self.links.append(said["href"])
        if tag not in VOID:
            self.at = element

    def handle_data(self, data: str) -> None:
        around = list(self.at.within()) if self.at else []
        if not any("data-figure" in each.said for each in around):
            for each in around:
                each.text += data

    def handle_endtag(self, tag: str) -> None:
        while self.at and tag in (each.tag for each in self.at.within()):
            element, self.at = self.at, self.at.inside
            self.look_at(element)
            if element.tag == tag:
                return

    def look_at(self, element: Element) -> None:
        """A number is a figure or stands in the list that says it; the head of a section counts the rows below it."""
        drawn, text = which_macro_drew(element), " ".join(element.text.split())
        if drawn == "foot" and any(each.is_list for each in element.within()):
            self.has_foot = True
        elif drawn and re.search("[1-9]", text):
            self.bare.append((drawn, text))
        if element.is_a("count") and text.isdecimal() and any(each.is_a("section-head") for each in element.within()):
            next(each for each in element.within() if each.tag == "section").counted = int(text)
        if element.counted is not None and element.counted != element.rows:
            self.miscounted.append(f"“{text[:40]}” has {element.counted}, and {element.rows} rows below it")


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


@dataclass
class Walk:
    """One person's way through pages: what was met, and everything that does not agree."""

    client: FlaskClient
    met: Counter[str] = field(default_factory=Counter)
    bare: set[tuple[str, str, str]] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)
    known: dict[str, tuple[Page, int, Sums]] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)

    def look(self, rule: str, address: str, deeper: int = 1) -> None:
        """Open a page if this person may, hold its figures against their lists, and do the same in its tabs."""
        if address in self.seen:
            return
        self.seen.add(address)
        answer = self.client.get(address)
        if answer.status_code != 200 or not answer.content_type.startswith("text/html"):
            return
        page = Page(answer.text)
        self.faults += [f"{address}: {fault}" for fault in page.miscounted]
        self.bare |= {(rule, drawn, text) for drawn, text in page.bare}
        if page.has_foot:
            self.foot(address)
        for figure in page.figures:
            self.hold(figure, address)
        for link in page.links if deeper else ():
            self.look(rule, link, deeper - 1)

    def foot(self, address: str) -> None:
        """The last row of a list tells its own count and sums, which are those of its rows over all pages."""
        page, rows, amounts = self.list_at(address)
        amounts = {unit: amount for unit, amount in amounts.items() if amount}
        if page.total not in (None, 0, rows) or page.sums != amounts:
            self.faults.append(f"{address} says {page.total}, {page.sums}, and has {rows} rows, {amounts}")

    def list_at(self, address: str) -> tuple[Page, int, Sums]:
        if address not in self.known:
            self.known[address] = whole(self.client, address)
        return self.known[address]

    def hold(self, figure: Figure, address: str) -> None:
        self.met[figure.name] += 1
        page, rows, amounts = self.list_at(figure.target)
        where = f"{figure.name} of {address} opens {figure.target}"
        if figure.count is not None and not figure.count == (page.total or 0) == rows:
            self.faults.append(f"{where}: {figure.count}, the list says {page.total} and has {rows} rows")
        for unit, amount in (figure.sums or {}).items():
            if not amount == page.sums.get(unit) == amounts.get(unit):
                self.faults.append(f"{where}: {figure.sums}, the list says {page.sums} and sums to {amounts}")


def walk(client: FlaskClient, pages: list[str]) -> Counter[str]:
    """Open every figure of these pages and hold it against its list; how often each was met."""
    found = Walk(client)
    for address in pages:
        found.look(address, address, deeper=0)
    assert found.faults == []
    return found.met


def sums_of(client: FlaskClient, address: str, name: str) -> Sums:
    return next(figure.sums or {} for figure in read(client, address).figures if figure.name == name)


def pages_of(*clients: Client, jobs: tuple[str, ...] = ()) -> list[str]:
    return [
        "/dashboard", "/work", "/work?tab=week", "/work?tab=waiting", "/board", "/board?view=week",
        "/board?view=owner", "/requests", "/billing", "/inbox", "/deadlines", "/billing/receivables",
        "/billing/wip/finished",
        *(f"/clients/{client.id}{part}" for client in clients for part in ("", "/panel")),
        *(f"/clients/{client.id}?section={section}" for client in clients for section in ("requests", "wip")),
        *(f"/billing/clients/{client.id}/statement" for client in clients),
        *jobs,
    ]


def bill_long_ago(cast: Cast, *clients: Client) -> None:
    """Bills of every age, the oldest first, as their numbers want it."""
    for age in (150, 120, 90, 40, 1):
        with travel_to(now() - dt.timedelta(days=age)):
            for client in clients:
                old = make_engagement(client, cast.entity, f"Billed {age} days ago")
                make_entry(cast, "1.5", engagement=old, person=cast.sam)
                approve_invoice(make_draft(cast, old), by=cast.actor(cast.bea))


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
    for number, role in enumerate((None, *WorkRole)):
        make_task(job, f"Of a role {number}", work_role=role, estimate=dt.timedelta(hours=number))
        make_task(job, f"Later {number}", work_role=role, due_on=today() + 30 * days)
        make_task(job, f"Some day {number}", work_role=role, assignee_id=owner.id if number % 2 else None).due_on = None
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
    for age in (20, 31, 60, 90, 91, 120, 200):
        make_entry(cast, "0.75", engagement=work, person=cast.mel, on=today() - age * days)
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
    bill_long_ago(cast, cast.acme, cast.rival)
    abroad = make_engagement(cast.acme, cast.entity, "Abroad", currency="EUR")
    make_entry(cast, "1", engagement=abroad)
    jobs = (fill(cast, cast.acme, cast.acme_work, cast.wes), fill(cast, cast.rival, cast.rival_work, cast.pat))
    return list(jobs)


EVERYWHERE = {
    "on-track", "at-risk", "overdue", "waiting-jobs", "requests-out", "requests-late", "to-review", "wip", "hours",
    "today", "week", "waiting", "column-stage", "column-week", "column-owner", "submitted", "drafts", "open-jobs",
    "late-jobs", "client-waiting", "client-requests", "client-wip", "client-owed", "job-wip", "inbox", "to_meet",
    "wip-of-client", "owed-by-client", "finished-wip", "wip-age", "wip-of-client-age", "wip-all-age", "wip-all",
    "wip-all-clients", "owed-by-client-age", "owed-all-age", "owed-all", "charged", "capacity", "due-week", "due-later",
    "undated", "all-hours", "all-charged", "all-capacity", "guessed", "group", "active-jobs", "wip-of-engagement-age",
    "statement-age",
}


# Numbers that a macro shows and that open nothing: (rule, macro) and why.
BARE = {
    ("/billing/runs/new", "foot"): "a bill run shows its largest clients, and takes all of them",
    ("/billing/sitting", "stat"): "the amounts of the one draft that is on the page",
}
# Templates with such a macro that is no figure, and why.
NO_FIGURE = {
    "exchange/plan.html": "an import before it is made: what it would do stands below, row by row",
    "exchange/done.html": "the file against what became of it, as the tie-out of one import",
    "exchange/tamper_evidence.html": "how far events and files are proven",
    "ledger/rate_file.html": "one file of rates: what is new or differs stands below",
    "ledger/month.html": "debit less credit, which is nothing",
    "billing/drafts/sitting.html": "the amounts of the one draft that is on the page",
    "billing/runs/new.html": "a bill run shows its largest clients, and takes all of them",
    "portal/invoices/show.html": "the amounts of the one bill that is on the page",
}
CALL = re.compile(r"ui\.stat\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)")


def test_each_template_that_shows_a_figure_or_the_foot_of_a_table_says_which_figure_it_is() -> None:
    without = set()
    for path in (ROOT / "templates").rglob("*.html"):
        text, name = path.read_text(), str(path.relative_to(ROOT / "templates"))
        bare = [call[0] for call in CALL.finditer(text) if "figure=" not in call[0]]
        foot = "<tfoot" in text and not re.search(r"ui\.listed\(|pages\.opened\(|ui\.hours\(", text)
        if (bare or foot) and not name.startswith("components/"):
            without.add(name)
    assert without == set(NO_FIGURE)


def crawl(app: Flask, client: FlaskClient, world: World) -> Counter[str]:
    """Every page of the firm's door that this person may open, with its tabs."""
    found = Walk(client)
    for rule in sorted(rules(app), key=lambda rule: str(rule.rule)):
        address = world.fill(rule) if "GET" in rule.methods else None
        if address and not rule.rule.startswith("/portal"):
            found.look(rule.rule, address)
    bare = [f"{rule}: {drawn} {text} opens nothing" for rule, drawn, text in found.bare if (rule, drawn) not in BARE]
    wrong = sorted(bare + found.faults)
    assert wrong == [], "\n".join(wrong)
    return found.met


# Who may open most, and least, are asked in every run, the others by `make soak`.
OFTEN = (Role.PARTNER, Role.STAFF)


@pytest.mark.slow
@pytest.mark.parametrize("role", [r if r in OFTEN else pytest.param(r, marks=pytest.mark.soak) for r in Role])
def test_no_page_that_a_role_may_open_shows_a_number_that_does_not_open_its_rows(
    app: Flask, client: FlaskClient, cast: Cast, role: Role
) -> None:
    make_rate("100", person_id=cast.sam.id)
    bill_long_ago(cast, cast.acme)
    world = make_world(cast)
    fill(cast, cast.acme, cast.acme_work, cast.wes)
    sign_in(client, {Role.PARTNER: cast.pat, Role.MANAGER: cast.mel, Role.STAFF: cast.sam, Role.BILLING: cast.bea,
                     Role.ADMIN: cast.ada}[role])
    late = set() if role in (Role.STAFF, Role.ADMIN) else {"requests-late"}  # on the dashboard, which they do not open
    assert set(crawl(app, client, world)) >= {"today", "column-stage", "open-jobs", "to_meet"} | late


@pytest.mark.slow
def test_every_figure_opens_exactly_the_rows_that_it_counts_and_sums(
    client: FlaskClient, cast: Cast, filled: list[str]
) -> None:
    sign_in(client, cast.pat)
    yesterday = today() - dt.timedelta(days=1)
    met = walk(client, [
        *pages_of(cast.acme, cast.rival, jobs=tuple(filled)), f"/billing?person={cast.mel.id}",
        f"/billing?on={yesterday}", f"/billing/receivables?on={yesterday}",
    ])
    assert sums_of(client, f"/clients/{cast.acme.id}", "client-owed") == {"GBP": Decimal(1260)}
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
