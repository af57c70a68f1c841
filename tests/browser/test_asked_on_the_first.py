"""A service applied in November says whom it will ask on the 1st, and asks them on the 1st."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from playwright.sync_api import expect, sync_playwright

from app.config import Settings
from app.core import clock
from app.core.db import db
from app.core.queue import perform
from app.delivery.models import Delivery
from app.requests.models import ClientRequest, RequestState
from app.welcome import link_for
from tests.make import make_cast, make_client, make_contact
from tests.planning.make_planning import make_service
from tests.served import made_for, serving

pytestmark = [pytest.mark.browser, pytest.mark.real, pytest.mark.slow]


class Travelled:
    """Where the clock of every thread stands: the server's, the worker's and the test's."""

    def __init__(self) -> None:
        self.at = dt.datetime(2026, 11, 25, 14, tzinfo=dt.UTC)

    def get(self) -> dt.datetime:
        return self.at


@pytest.fixture
def travelled(monkeypatch: pytest.MonkeyPatch) -> Travelled:
    stands = Travelled()
    monkeypatch.setattr(clock, "_travelled", stands)
    return stands


@pytest.fixture
def desk(travelled: Travelled, real_database: Settings) -> Iterator[tuple[Any, str, str]]:
    """(application, sign-in link, address at which a service is applied to five clients, two of them without mail)."""
    app, settings = made_for(real_database)
    with app.app_context():
        cast = make_cast()
        service, _template = make_service()
        for n in range(5):
            client = make_client(f"Bakery {n}", cast.office)
            if n < 3:
                make_contact(f"Owner of {client.name}", client, is_primary=True)
        db.session.commit()
        link, at = link_for("manager"), f"{settings.public_url}/services/{service.id}/apply?q=Bakery"
        db.session.commit()
    with serving(app, settings.port):
        yield app, link, at


def sweep(app: Any) -> int:
    """What the minute's sweep does; returns how many mails have gone out by now."""
    with app.app_context():
        perform("requests.ask", {})
        return db.session.scalar(
            sa.select(sa.func.count()).select_from(Delivery).where(Delivery.kind == "requests.request")
        ) or 0


def test_what_is_asked_on_the_1st_is_asked_on_the_1st_of_those_who_have_an_address(
    desk: tuple[Any, str, str], travelled: Travelled
) -> None:
    app, link, at = desk
    problems: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(link)
        page.get_by_role("button").first.click()
        page.goto(at)
        page.get_by_label("For the period around").fill("2026-11-15")
        expect(page.get_by_label("Ask the clients when each request says so")).to_be_visible()
        page.get_by_label("Repeat it for every period").check()
        page.locator("#everyone").check()
        page.get_by_role("button", name="Look at the jobs").click()
        said = page.locator("#outlook")
        expect(said).to_contain_text("5 jobs")
        expect(said).to_contain_text("3 mails on Tue 1 Dec at 09:00")
        expect(said).to_contain_text("2 clients without an address")
        expect(said).to_contain_text("repeats monthly")
        page.get_by_role("button", name="Create 5 jobs").click()
        expect(page.get_by_text("3 clients are asked, 2 are not")).to_be_visible(timeout=30_000)
        assert sweep(app) == 0
        travelled.at = dt.datetime(2026, 12, 1, 8, 59, tzinfo=dt.UTC)
        assert sweep(app) == 0
        travelled.at = dt.datetime(2026, 12, 1, 9, 0, tzinfo=dt.UTC)
        assert sweep(app) == 3 and sweep(app) == 3
        browser.close()
    with app.app_context():
        states = db.session.execute(
            sa.select(ClientRequest.state, sa.func.count()).group_by(ClientRequest.state)
        ).all()
        assert dict(states) == {RequestState.SENT: 3, RequestState.SCHEDULED: 2}
    assert problems == []
