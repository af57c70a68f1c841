"""Time recorded after a draft was made joins it where its like stands: with its fee, its engagement or its job."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.billing.commands.adding import add_new_items
from app.billing.commands.drafts import DraftFacts, create_draft
from app.billing.commands.issue import approve_invoice
from app.billing.commands.lines import LineChange, change_line
from app.billing.commands.totals import lines_of
from app.billing.models import Invoice
from app.core import clock
from app.core.errors import NotAllowed, Refused
from app.core.ids import new_id
from app.core.wording import full_day
from app.firm.commands.tax import change_rate
from app.firm.models import Grouping
from app.jobs.models import Job
from app.timekeeping.commands.entries import EntryFacts, record_entry
from tests.approvals.make_approvals import found_by
from tests.billing.make_billing import make_draft, make_entry, make_rate
from tests.jobs.make_jobs import make_job
from tests.make import Cast, make_engagement, sign_in


@pytest.fixture
def priced(session: Session, cast: Cast) -> Cast:
    make_rate("100")
    return cast


def work(cast: Cast, job: Job | None, hours: str = "1", narrative: str = "Work") -> None:
    facts = EntryFacts(
        engagement_id=cast.acme_work.id, job_id=job.id if job else None, worked_on=clock.today(),
        recorded=dt.timedelta(hours=float(hours)), narrative=narrative,
    )  # fmt: skip
    record_entry(new_id(), facts, by=cast.actor(cast.sam))


def drafted(cast: Cast, grouping: Grouping) -> Invoice:
    facts = DraftFacts(
        client_id=cast.acme.id, engagement_ids=(cast.acme_work.id,), until=clock.today(), grouping=grouping
    )
    return create_draft(new_id(), facts, by=cast.actor(cast.bea))


def read(bill: Invoice) -> list[tuple[str, Decimal]]:
    return [(line.description, line.net) for line in lines_of(bill)]


def test_by_job_it_joins_the_line_of_its_own_job_and_a_new_job_gets_its_line(priced: Cast) -> None:
    books, vat, payroll = (make_job(priced.acme_work, title) for title in ("Bookkeeping", "VAT return", "Payroll"))
    for job in (books, vat):
        work(priced, job)
    bill, bea = drafted(priced, Grouping.JOB), priced.actor(priced.bea)
    assert sorted(read(bill)) == [("Bookkeeping", 100), ("VAT return", 100)]
    for job, hours in ((vat, "2"), (payroll, "3"), (payroll, "1"), (None, "5")):
        work(priced, job, hours)
    assert add_new_items(bill, clock.today(), by=bea) == 4
    days = "General advice: professional services, "
    said = {("…" if words.startswith(days) else words): net for words, net in read(bill)}
    assert said == {"Bookkeeping": 100, "VAT return": 300, "Payroll": 400, "…": 500}
    work(priced, None, "1")
    assert add_new_items(bill, clock.today(), by=bea) == 1
    assert len(read(bill)) == 4 and bill.net == 1400
    assert add_new_items(bill, clock.today(), by=bea) == 0  # a second time there is nothing
    approve_invoice(bill, by=bea)
    assert found_by("billing", "ledger", "approvals") == []


def test_by_engagement_it_joins_its_line_and_by_entry_it_stands_alone(priced: Cast) -> None:
    work(priced, None, narrative="Call")
    one = drafted(priced, Grouping.ENGAGEMENT)
    work(priced, None, "2", narrative="Letter")
    add_new_items(one, clock.today(), by=priced.actor(priced.bea))
    assert [net for _, net in read(one)] == [300]
    work(priced, None, narrative="Call again")
    each = drafted(priced, Grouping.ENTRY)
    work(priced, None, "2", narrative="Second letter")
    add_new_items(each, clock.today(), by=priced.actor(priced.bea))
    assert read(each) == [("Call again", 100), ("Second letter", 200)]


def test_a_line_that_nobody_has_worded_names_the_days_of_what_joins_it(priced: Cast) -> None:
    make_entry(priced, on=clock.today() - dt.timedelta(days=9))
    bill, bea = drafted(priced, Grouping.ENGAGEMENT), priced.actor(priced.bea)
    [(before, _)] = read(bill)
    work(priced, None, "2")
    add_new_items(bill, clock.today(), by=bea)
    [(after, net)] = read(bill)
    assert (after, net) == (f"{before} to {full_day(clock.today())}", 300)


def test_what_was_written_on_the_line_that_it_joins_stays(priced: Cast) -> None:
    books = make_job(priced.acme_work, "Bookkeeping")
    work(priced, books)
    bill, bea = drafted(priced, Grouping.JOB), priced.actor(priced.bea)
    [line] = lines_of(bill)
    change_line(bill, line.id, LineChange(description="Books, as agreed"), by=bea)
    work(priced, books, "2")
    add_new_items(bill, clock.today(), by=bea)
    assert read(bill) == [("Books, as agreed", 300)]


def test_it_joins_a_line_of_its_own_tax_and_no_other_line_changes(priced: Cast) -> None:
    days = [clock.today() - dt.timedelta(days=count) for count in (2, 10, 12)]
    make_entry(priced, on=days[0])
    change_rate(priced.vat, Decimal(25), clock.today() - dt.timedelta(days=5), by=priced.actor(priced.pat))
    bill, bea = drafted(priced, Grouping.ENGAGEMENT), priced.actor(priced.bea)
    [before] = [(line.id, line.description) for line in lines_of(bill)]
    make_entry(priced, "2", on=days[1])
    add_new_items(bill, clock.today(), by=bea)
    late, early = lines_of(bill)
    assert ((late.id, late.description), late.net, late.tax_percent) == (before, 100, 25)
    assert (early.net, early.tax_percent) == (200, 20) and early.description.endswith(f", {full_day(days[1])}")
    make_entry(priced, "4", on=days[2])
    make_entry(priced, on=clock.today())
    add_new_items(bill, clock.today(), by=bea)
    assert [(line.net, line.tax_percent) for line in lines_of(bill)] == [(200, 25), (600, 20)]
    approve_invoice(bill, by=bea)
    assert found_by("billing", "ledger", "approvals") == []


def test_time_is_added_by_whoever_may_draft_and_to_no_issued_bill(priced: Cast) -> None:
    make_entry(priced)
    bill, bea = make_draft(priced), priced.actor(priced.bea)
    make_entry(priced)
    walled = replace(bea, walled_clients=frozenset({priced.acme.id}))
    for actor in (priced.actor(priced.sam), priced.contact(priced.otto), walled):
        with pytest.raises(NotAllowed):
            add_new_items(bill, clock.today(), by=actor)
    approve_invoice(bill, by=bea)
    with pytest.raises(Refused, match="is issued and never changes"):
        add_new_items(bill, clock.today(), by=bea)


def test_a_refused_draft_says_so_where_the_work_is_chosen_and_keeps_what_was_ticked(
    client: FlaskClient, priced: Cast
) -> None:
    abroad = make_engagement(priced.acme, priced.entity, "Abroad", currency="EUR")
    make_entry(priced)
    bea = sign_in(client, priced.bea)
    address = f"/billing/clients/{priced.acme.id}/draft"
    both = [str(priced.acme_work.id), str(abroad.id)]
    form = {"id": str(new_id()), "until": clock.today().isoformat(), "grouping": "entry"}
    for chosen, said in ((both, "One bill has one currency"), ([], "Choose what is billed"), (["x"], "Choose what is")):
        answer = bea.post(address, data={**form, "engagement": chosen})
        page = answer.get_data(as_text=True)
        assert answer.status_code == 422 and page.count(said) == 2
        assert 'href="#engagement"' in page and page.index('id="engagement-error"') < page.rindex(said)
        ticked = f'value="{priced.acme_work.id}" checked'
        assert (ticked in page) == (chosen == both)
    early = bea.post(address, data={**form, "until": "2001-01-01", "engagement": both[:1]}).get_data(as_text=True)
    assert early.count("There is nothing to bill here up to that day") == 2
