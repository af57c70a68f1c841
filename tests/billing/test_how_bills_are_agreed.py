"""What is agreed about a client's bills: how their time stands on them, and who pays them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.billing.commands import drafts
from app.billing.commands.drafts import DraftFacts, create_draft
from app.billing.commands.issue import approve_invoice
from app.billing.commands.lines import LineChange, add_line, change_line, treat_item
from app.billing.commands.payer import agreed_payer, change_payer, payer_for, usual_payer
from app.billing.commands.regroup import regroup_draft
from app.billing.commands.totals import lines_of
from app.billing.invoice_paper import invoice_data
from app.billing.models import Invoice, InvoiceItem, LineKind, Rest, Treatment
from app.billing.pdf import locale_of
from app.billing.queries.billable import list_billable
from app.billing.queries.payments import receivables_by_client
from app.billing.queries.wip import WipFilter
from app.clients.commands import EngagementFacts, create_client, create_engagement, update_client, update_engagement
from app.clients.commands.clients import facts_of
from app.clients.models import ArrangementKind, Client, Engagement
from app.core import clock
from app.core.db import db, transaction
from app.core.errors import NotAllowed, NotFound, Refused, Stale
from app.core.ids import new_id
from app.firm.models import Grouping, TaxTreatment
from tests.approvals.make_approvals import found_by
from tests.billing.make_billing import make_draft, make_entry, make_rate
from tests.billing.test_expense_tax import make_expense
from tests.clients.test_clients import facts
from tests.jobs.make_jobs import make_job
from tests.make import Cast, make_client, make_engagement, make_tax, sign_in
from tests.timekeeping.make_time import make_entry as make_time


@pytest.fixture
def parent(session: Session, cast: Cast) -> Client:
    with transaction():
        make_rate("100")
        return make_client("Parent plc", cast.office, terms_days=45, country="GB")


def descriptions(invoice: Invoice) -> list[str]:
    return [line.description for line in lines_of(invoice)]


def amounts(invoice: Invoice) -> list[Decimal]:
    return [line.net for line in lines_of(invoice)]


def test_time_stands_on_a_draft_as_agreed_with_engagement_client_or_entity(cast: Cast, parent: Client) -> None:
    second = make_engagement(cast.acme, cast.entity, "Litigation")

    def drafted(*engagements: Engagement) -> Grouping:
        for each in engagements:
            make_entry(cast, engagement=each)
        return make_draft(cast, *engagements).grouping

    assert drafted(cast.acme_work) is Grouping.ENGAGEMENT
    cast.entity.line_grouping = Grouping.JOB
    assert drafted(cast.acme_work) is Grouping.JOB
    cast.acme.line_grouping = Grouping.ENTRY
    assert drafted(cast.acme_work) is Grouping.ENTRY
    second.line_grouping = Grouping.ENGAGEMENT
    assert drafted(second) is Grouping.ENGAGEMENT
    assert drafted(cast.acme_work, second) is Grouping.ENTRY  # they differ: the client's
    cast.acme_work.line_grouping = Grouping.JOB
    assert drafted(cast.acme_work, second) is Grouping.ENTRY
    cast.acme_work.line_grouping = None
    make_entry(cast)
    chosen = DraftFacts(
        client_id=cast.acme.id, engagement_ids=(cast.acme_work.id,), until=clock.today(), grouping=Grouping.JOB
    )
    assert create_draft(new_id(), chosen, by=cast.actor(cast.bea)).grouping is Grouping.JOB


def test_a_draft_is_grouped_anew_and_every_entry_keeps_its_amount(cast: Cast, parent: Client) -> None:
    entries = [make_entry(cast, hours, narrative=words) for hours, words in (("1", "Call"), ("2", "Letter"))]
    later = make_entry(cast, "4", narrative="Not yet")
    draft, bea = make_draft(cast), cast.actor(cast.bea)
    treat_item(draft, later.id, Treatment.LATER, by=bea)
    treat_item(draft, entries[1].id, Treatment.BILL, by=bea, amount=Decimal(150))
    total = (draft.net, draft.tax, draft.gross)
    regroup_draft(draft, Grouping.ENTRY, by=bea)
    assert draft.grouping is Grouping.ENTRY
    assert sorted(zip(descriptions(draft), amounts(draft), strict=True)) == [
        ("Call", 100), ("Letter", 150), ("Not yet", 0)
    ]  # fmt: skip
    assert (draft.net, draft.tax, draft.gross) == total
    lines = [line.id for line in lines_of(draft)]
    regroup_draft(draft, Grouping.ENTRY, by=bea)
    assert [line.id for line in lines_of(draft)] == lines  # a second time nothing happens
    regroup_draft(draft, Grouping.ENGAGEMENT, by=bea)
    assert amounts(draft) == [250] and (draft.net, draft.tax, draft.gross) == total
    rows = {row.item_id: (row.billed, row.written) for row in db.session.query(InvoiceItem)}
    assert rows == {entries[0].id: (100, 0), entries[1].id: (150, -50), later.id: (0, 0)}
    approve_invoice(draft, by=bea, reason="Agreed")
    assert found_by("billing", "ledger", "approvals") == []
    with pytest.raises(Refused, match="issued"):
        regroup_draft(draft, Grouping.JOB, by=bea)


def test_what_no_entry_makes_up_stays_when_a_draft_is_grouped_anew(cast: Cast, parent: Client) -> None:
    other = make_engagement(cast.acme, cast.entity, "Litigation")
    make_entry(cast, "1", narrative="Call")
    make_entry(cast, "2", narrative="Court", engagement=other)
    draft, bea = make_draft(cast, cast.acme_work, other), cast.actor(cast.bea)
    add_line(draft, new_id(), "Agreed besides", Decimal(80), by=bea)
    regroup_draft(draft, Grouping.ENTRY, by=bea)
    assert descriptions(draft) == ["Call", "Court", "Agreed besides"]
    assert [line.engagement_id for line in lines_of(draft)][:2] == [cast.acme_work.id, other.id]


def test_lines_made_anew_stand_by_their_days_where_the_first_of_them_stood(cast: Cast, parent: Client) -> None:
    """Two jobs, of which one was worked on before and after the other."""
    bea = cast.actor(cast.bea)
    jobs = [make_job(cast.acme_work, title=title) for title in ("Lease", "Will")]
    cast.acme_work.line_grouping = Grouping.JOB
    for words, job, days in (("First", jobs[0], 9), ("Second", jobs[1], 6), ("Third", jobs[0], 3)):
        make_time(cast, narrative=words, job_id=job.id, worked_on=clock.today() - dt.timedelta(days=days))
    draft = make_draft(cast)
    add_line(draft, new_id(), "Agreed besides", Decimal(80), by=bea)
    assert descriptions(draft) == ["Lease", "Will", "Agreed besides"]
    regroup_draft(draft, Grouping.ENTRY, by=bea)
    assert descriptions(draft) == ["First", "Second", "Third", "Agreed besides"]


def test_time_that_is_taxed_or_left_otherwise_keeps_a_line_of_its_own(cast: Cast, parent: Client) -> None:
    with transaction():
        make_tax("R5", TaxTreatment.STANDARD, "5")
    cast.acme_work.line_grouping = Grouping.ENTRY
    for words, hours in (("Call", "1"), ("Letter", "2"), ("Report", "4"), ("Court", "8")):
        make_entry(cast, hours, narrative=words)
    draft, bea = make_draft(cast), cast.actor(cast.bea)
    named = {line.description: line for line in lines_of(draft)}
    change_line(draft, named["Letter"].id, LineChange(tax_code="R5"), by=bea)
    change_line(draft, named["Report"].id, LineChange(net=Decimal(300), rest=Rest.CARRY), by=bea)
    total = (draft.net, draft.tax, draft.gross)
    regroup_draft(draft, Grouping.ENGAGEMENT, by=bea)
    assert (draft.net, draft.tax, draft.gross) == total
    said = {(line.net, line.tax_code, line.rest) for line in lines_of(draft)}
    assert said == {(900, "S20", Rest.WRITE_OFF), (200, "R5", Rest.WRITE_OFF), (300, "S20", Rest.CARRY)}
    approve_invoice(draft, by=bea)
    assert found_by("billing", "ledger", "approvals") == []


def test_disbursements_and_fees_keep_their_lines_when_a_draft_is_grouped_anew(cast: Cast, parent: Client) -> None:
    fixed = make_engagement(cast.acme, cast.entity, "Accounts", kind=ArrangementKind.FIXED, fee=Decimal(500))
    make_entry(cast, "2", engagement=fixed)
    for words in ("Call", "Letter"):
        make_entry(cast, "1", narrative=words)
    make_expense(cast, "90")
    draft, bea = make_draft(cast, cast.acme_work, fixed), cast.actor(cast.bea)

    def others() -> list[tuple[object, ...]]:
        return [(line.id, line.kind, line.net) for line in lines_of(draft) if line.kind is not LineKind.FEE]

    before = others()
    assert {kind for _, kind, _ in before} == {LineKind.EXPENSE, LineKind.FIXED}
    for grouping, of_time in ((Grouping.ENTRY, 2), (Grouping.ENGAGEMENT, 1)):
        regroup_draft(draft, grouping, by=bea)
        assert sorted(others()) == sorted(before)
        assert [line.position for line in lines_of(draft)] == list(range(of_time + 2))


def test_a_draft_is_grouped_anew_by_whoever_may_draft_it(cast: Cast, parent: Client) -> None:
    make_entry(cast)
    draft, bea = make_draft(cast), cast.actor(cast.bea)
    for actor in (cast.actor(cast.sam), cast.contact(cast.otto)):
        with pytest.raises(NotAllowed):
            regroup_draft(draft, Grouping.ENTRY, by=actor)
    with pytest.raises(NotAllowed):
        regroup_draft(draft, Grouping.ENTRY, by=replace(bea, walled_clients=frozenset({cast.acme.id})))
    with pytest.raises(Stale):
        regroup_draft(draft, Grouping.ENTRY, by=bea, version=draft.version + 5)


def test_the_draft_offers_other_lines(client: FlaskClient, cast: Cast, parent: Client) -> None:
    for words in ("Call", "Letter"):
        make_entry(cast, narrative=words)
    draft, bea = make_draft(cast), sign_in(client, cast.bea)
    form = {"version": str(draft.version), "grouping": "entry"}
    assert bea.post(f"/billing/invoices/{draft.id}/grouping", data=form).status_code == 303
    db.session.expire_all()
    page = bea.get(f"/billing/invoices/{draft.id}").get_data(as_text=True)
    assert ">Call</textarea>" in page and '<option value="entry" selected>' in page.replace(" selected ", " selected")
    wrong = bea.post(f"/billing/invoices/{draft.id}/grouping", data={**form, "grouping": "page"})
    assert wrong.status_code == 422


def test_bills_go_to_the_payer_that_was_agreed(cast: Cast, parent: Client) -> None:
    bea = cast.actor(cast.bea)
    cast.rival.payer_id = parent.id
    cast.rival.legal_name = "Rival Holdings Limited"
    make_entry(cast, "3", engagement=cast.rival_work)
    draft = make_draft(cast, cast.rival_work)
    assert (draft.payer_id, draft.client_id, draft.terms_days) == (parent.id, cast.rival.id, 45)
    bill = approve_invoice(draft, by=bea)
    assert {row.id: row.total for row in receivables_by_client(WipFilter(), seen_by=bea).rows} == {parent.id: 360}
    assert bill.facts is not None and bill.facts["buyer"]["name"] == "Parent plc"
    head = {row[0]: row[1] for row in invoice_data(bill.facts, locale_of("en", "GB"))["head"]}
    assert head["For"] == f"Rival Holdings Limited ({cast.rival.code})" and "Client" not in head
    assert head["Engagement"] == f"General advice ({cast.rival_work.number})"
    assert found_by("billing", "ledger", "approvals") == []


def test_the_bill_of_a_client_who_pays_it_themselves_names_nobody_else(cast: Cast, parent: Client) -> None:
    make_entry(cast)
    bill = approve_invoice(make_draft(cast), by=cast.actor(cast.bea))
    assert bill.facts is not None and "for" not in bill.facts
    head = [row[0] for row in invoice_data(bill.facts, locale_of("en", "GB"))["head"]]
    assert "Client" in head and "For" not in head


def test_an_engagement_has_a_payer_of_its_own_and_a_draft_another(cast: Cast, parent: Client) -> None:
    insurer, bea = make_client("Insurer plc", cast.office), cast.actor(cast.bea)
    cast.rival.payer_id, cast.rival_work.payer_id = parent.id, insurer.id
    other = make_engagement(cast.rival, cast.entity, "Litigation")
    for engagement in (cast.rival_work, other):
        make_entry(cast, engagement=engagement)
    assert agreed_payer(cast.rival.id, [cast.rival_work.id]) == insurer.id
    assert agreed_payer(cast.rival.id, [other.id]) == parent.id
    with pytest.raises(Refused, match="draft a bill for each payer"):
        make_draft(cast, cast.rival_work, other)
    offered = {row.payer: row.engagement_ids for row in list_billable(clock.today(), seen_by=bea)}
    assert offered == {"Insurer plc": (cast.rival_work.id,), "Parent plc": (other.id,)}
    keys = [row.key for row in list_billable(clock.today(), seen_by=bea)]
    assert len(set(keys)) == 2  # what is not ticked for one payer is left out for them alone
    draft = make_draft(cast, cast.rival_work)
    assert draft.payer_id == insurer.id
    change_payer(draft, cast.rival.id, by=bea)
    assert draft.payer_id == cast.rival.id
    together = DraftFacts(
        client_id=cast.rival.id, engagement_ids=(other.id,), until=clock.today(), payer_id=cast.rival.id
    )
    assert create_draft(new_id(), together, by=bea).payer_id == cast.rival.id
    other.payer_id = cast.rival.id
    assert agreed_payer(cast.rival.id, [other.id]) == cast.rival.id  # itself, though its client has another


def test_an_archived_payer_is_said_before_anything_is_drafted(cast: Cast, parent: Client) -> None:
    cast.rival.payer_id, parent.archived_at = parent.id, clock.now()
    make_entry(cast, engagement=cast.rival_work)
    with pytest.raises(Refused, match="go to Parent plc, who is archived"):
        make_draft(cast, cast.rival_work)
    own = DraftFacts(
        client_id=cast.rival.id, engagement_ids=(cast.rival_work.id,), until=clock.today(), payer_id=cast.rival.id
    )
    assert create_draft(new_id(), own, by=cast.actor(cast.bea)).payer_id == cast.rival.id


def test_a_payer_who_changes_at_that_moment_is_said(
    cast: Cast, parent: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_entry(cast)

    def somebody_changes_it(*_clients: object) -> None:
        cast.acme.payer_id = parent.id
        db.session.flush()

    monkeypatch.setattr(drafts, "take_turns", somebody_changes_it)
    with pytest.raises(Refused, match="just changed who pays"):
        make_draft(cast)


def test_from_behind_a_wall_before_the_payer_nothing_is_drafted_for_them(cast: Cast, parent: Client) -> None:
    cast.rival.payer_id = parent.id
    make_entry(cast, engagement=cast.rival_work)
    bea = cast.actor(cast.bea)
    walled = replace(bea, walled_clients=frozenset({parent.id}))
    facts = DraftFacts(client_id=cast.rival.id, engagement_ids=(cast.rival_work.id,), until=clock.today())
    with pytest.raises(Refused, match="a client that you may not see"):
        create_draft(new_id(), facts, by=walled)
    assert not list_billable(clock.today(), seen_by=walled) and list_billable(clock.today(), seen_by=bea)
    with pytest.raises(Refused, match="may not see"):
        usual_payer(parent.id, cast.rival, by=walled)
    with pytest.raises(NotFound):
        payer_for(parent.id, cast.rival, by=walled)
    assert payer_for(parent.id, cast.rival, by=bea) == usual_payer(parent.id, cast.rival, by=bea) == parent


def bad_payers(cast: Cast, parent: Client) -> list[tuple[Client, str]]:
    with transaction():
        gone = make_client("Gone Ltd", cast.office, archived_at=clock.now())
        firm = make_client("Ourselves", cast.office, is_firm=True)
    return [(gone, "archived"), (firm, "does not bill itself"), (parent, "No client is meant")]


def of_client(cast: Cast, parent: Client) -> Callable[[Client], object]:
    by = replace(cast.actor(cast.mel), walled_clients=frozenset({parent.id}))
    return lambda payer: update_client(cast.acme, replace(facts_of(cast.acme), payer_id=payer.id), by=by)


def of_engagement(cast: Cast, parent: Client) -> Callable[[Client], object]:
    by = replace(cast.actor(cast.mel), walled_clients=frozenset({parent.id}))
    named = EngagementFacts(name="General advice")
    return lambda payer: update_engagement(cast.acme_work, replace(named, payer_id=payer.id), by=by)


@pytest.mark.parametrize("change", [of_client, of_engagement])
def test_who_cannot_pay_or_is_not_seen_is_refused_as_a_payer(
    cast: Cast, parent: Client, change: Callable[[Cast, Client], Callable[[Client], object]]
) -> None:
    for payer, words in bad_payers(cast, parent):
        with pytest.raises(Refused, match=words) as refusal:
            change(cast, parent)(payer)
        assert refusal.value.field == "payer_id"
    cast.acme.payer_id = cast.acme_work.payer_id = parent.id
    change(cast, parent)(parent)  # who pays already may stay, though they may not see them
    assert cast.acme.payer_id == cast.acme_work.payer_id == parent.id


def test_a_client_and_an_engagement_are_made_with_their_payer_and_lines(cast: Cast, parent: Client) -> None:
    mel = cast.actor(cast.mel)
    made = create_client(new_id(), facts(cast, payer_id=parent.id, line_grouping=Grouping.ENTRY), by=mel)
    assert (made.payer_id, made.line_grouping) == (parent.id, Grouping.ENTRY)
    named = EngagementFacts(name="Claim", payer_id=made.id, line_grouping=Grouping.JOB)
    work = create_engagement(new_id(), made, named, by=mel)
    assert (work.payer_id, work.line_grouping) == (made.id, Grouping.JOB)
    update_client(made, replace(facts_of(made), payer_id=made.id), by=mel)
    assert made.payer_id is None  # themselves: nobody else


def test_both_are_chosen_on_the_forms_of_client_and_engagement(
    client: FlaskClient, cast: Cast, parent: Client
) -> None:
    mel = sign_in(client, cast.mel)
    page = mel.get(f"/clients/{cast.acme.id}/edit").get_data(as_text=True)
    assert "Bills go to" in page and "As usual" in page
    sent = {
        "name": "Acme", "code": cast.acme.code, "kind": "organisation", "status": "active", "currency": "GBP",
        "office_id": str(cast.office.id), "line_grouping": "entry", "payer_id": "", "payer_id_text": "parent plc",
        "version": str(cast.acme.version),
    }  # fmt: skip
    assert mel.post(f"/clients/{cast.acme.id}", data=sent).status_code == 303
    acme = db.session.get_one(Client, cast.acme.id, populate_existing=True)
    assert (acme.payer_id, acme.line_grouping) == (parent.id, Grouping.ENTRY)
    assert 'value="Parent plc"' in mel.get(f"/clients/{cast.acme.id}/edit").get_data(as_text=True)
    refused = mel.post(f"/clients/{cast.acme.id}", data={**sent, "payer_id_text": "Nobody", "version": ""})
    assert refused.status_code == 422 and 'value="Nobody"' in refused.get_data(as_text=True)


def test_the_page_of_a_new_draft_says_who_pays_and_how_its_time_is_listed(
    client: FlaskClient, cast: Cast, parent: Client
) -> None:
    cast.rival.payer_id, cast.rival.line_grouping = parent.id, Grouping.ENTRY
    make_entry(cast, engagement=cast.rival_work)
    page = sign_in(client, cast.bea).get(f"/billing/clients/{cast.rival.id}/draft").get_data(as_text=True)
    assert "paid by" in page and "Parent plc" in page and "As agreed: one line per entry" in page
