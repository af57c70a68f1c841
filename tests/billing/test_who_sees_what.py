"""Otto, a contact of another client, and Wes, behind a wall, get nothing of what is not theirs from any query."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.billing.commands.issue import approve_invoice
from app.billing.models import Invoice
from app.billing.queries.behind import items_behind
from app.billing.queries.billable import list_billable
from app.billing.queries.invoices import InvoiceFilter, get_invoice, list_invoices, next_to_approve
from app.billing.queries.items import list_wip_items, unbilled_though_finished
from app.billing.queries.payments import list_payments, open_invoices, receivables_by_client
from app.billing.queries.statements import statement_of
from app.billing.queries.wip import WipFilter, wip_by_client, wip_by_engagement
from app.core import clock
from app.core.actors import Actor
from app.core.errors import FirmamentError, NotFound
from tests.billing.make_billing import make_draft, make_entry, make_rate
from tests.make import Cast

Ask = Callable[[Actor], Any]


@pytest.fixture
def rivals(session: Session, cast: Cast) -> Invoice:
    """A bill, a draft's worth of WIP and a receivable of Rival."""
    make_rate("100")
    make_entry(cast, engagement=cast.rival_work)
    invoice = approve_invoice(make_draft(cast, cast.rival_work), by=cast.actor(cast.bea))
    make_entry(cast, engagement=cast.rival_work)
    return invoice


def questions(cast: Cast, invoice: Invoice) -> dict[str, Ask]:
    today = clock.today()
    return {
        "WIP by client": lambda by: wip_by_client(WipFilter(), seen_by=by).rows,
        "WIP of a past day": lambda by: wip_by_client(WipFilter(on=today.replace(year=2021)), seen_by=by).rows,
        "WIP of a person": lambda by: wip_by_client(WipFilter(person_id=cast.sam.id), seen_by=by).rows,
        "WIP by engagement": lambda by: wip_by_engagement(cast.rival.id, seen_by=by),
        "entries": lambda by: list_wip_items(cast.rival.id, seen_by=by).rows,
        "finished": lambda by: unbilled_though_finished(seen_by=by)[0],
        "bills": lambda by: list_invoices(InvoiceFilter(), seen_by=by).rows,
        "one bill": lambda by: get_invoice(invoice.id, seen_by=by),
        "behind it": lambda by: items_behind(invoice, seen_by=by),
        "sitting": lambda by: next_to_approve(seen_by=by)[1],
        "payments": lambda by: list_payments(seen_by=by).rows,
        "open bills": lambda by: open_invoices(cast.rival.id, "GBP", seen_by=by),
        "receivables": lambda by: receivables_by_client(WipFilter(), seen_by=by).rows,
        "statement": lambda by: statement_of(cast.rival.id, "GBP", today, today, seen_by=by),
        "bill run": lambda by: list_billable(today, seen_by=by),
    }


def test_a_contact_gets_nothing_from_the_firms_queries(cast: Cast, rivals: Invoice) -> None:
    for name, ask in questions(cast, rivals).items():
        with pytest.raises(NotFound):
            pytest.fail(f"{name}: {ask(cast.contact(cast.otto))}")


def test_a_wall_hides_wip_bills_and_money_whatever_the_role(cast: Cast, rivals: Invoice) -> None:
    wes = replace(cast.actor(cast.wes), permissions=cast.actor(cast.pat).permissions)
    for name, ask in questions(cast, rivals).items():
        try:
            assert not ask(wes), name
        except FirmamentError as error:
            assert isinstance(error, NotFound), name


def test_a_wall_before_one_engagement_hides_every_bill_that_names_it(cast: Cast, rivals: Invoice) -> None:
    walled = replace(cast.actor(cast.pat), walled_engagements=frozenset({cast.rival_work.id}))
    assert not list_invoices(InvoiceFilter(), seen_by=walled).rows
    with pytest.raises(NotFound):
        get_invoice(rivals.id, seen_by=walled)
    assert list_invoices(InvoiceFilter(), seen_by=cast.actor(cast.pat)).rows
