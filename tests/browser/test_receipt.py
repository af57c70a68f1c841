"""A receipt photographed at a phone's width goes straight to storage and stands with its expense."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from playwright.sync_api import expect, sync_playwright

from app.config import Settings
from app.core import clock
from app.core.db import db
from app.core.ids import new_id
from app.documents.models import Document, DocumentState
from app.timekeeping.commands.expenses import ExpenseFacts, record_expense
from app.timekeeping.models import Expense
from app.welcome import link_for
from tests.make import make_cast
from tests.requests.make_requests import FILES
from tests.served import PHONE, made_for, serving

pytestmark = [pytest.mark.browser, pytest.mark.real, pytest.mark.slow]


@pytest.fixture
def desk(real_database: Settings) -> Iterator[tuple[Any, str, str]]:
    """(application, sign-in link, address of an expense of Sam's)."""
    app, settings = made_for(real_database)
    with app.app_context():
        cast = make_cast()
        db.session.commit()
        facts = ExpenseFacts(
            engagement_id=cast.acme_work.id, spent_on=clock.today(), net=Decimal("12.50"), narrative="Taxi"
        )
        expense = record_expense(new_id(), facts, by=cast.actor(cast.sam))
        link, at = link_for("staff"), f"{settings.public_url}/expenses/{expense.id}"
        db.session.commit()
    with serving(app, settings.port):
        yield app, link, at


def test_a_photographed_receipt_arrives_and_opens(desk: tuple[Any, str, str]) -> None:
    app, link, at = desk
    problems: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport=PHONE)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(link)
        page.get_by_role("button").first.click()
        page.goto(at)
        # The page fetches itself anew when the file has arrived; only then is it ours to reload.
        with page.expect_navigation(timeout=30_000):
            page.locator("[data-file-input]").set_input_files(FILES / "good" / "IMG_1034.heic")
        shown = page.get_by_role("link", name="IMG_1034.heic")
        expect(page.get_by_text("IMG_1034.heic").first).to_be_visible(timeout=30_000)
        for _ in range(20):
            if shown.count():
                break
            page.wait_for_timeout(500)
            page.reload()
        expect(shown).to_be_visible()
        browser.close()
    with app.app_context():
        document = db.session.scalars(sa.select(Document)).one()
        expense = db.session.scalars(sa.select(Expense)).one()
        assert (document.state, expense.document_id) == (DocumentState.AVAILABLE, document.id)
        assert document.sha256 is not None and not document.client_sees
    assert problems == []
