"""The clients' door in Chromium: a phone, a link, two files and an answer, a lost line, and no script at all."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect, sync_playwright

from app.clients.commands.contact_access import make_sign_in_link
from app.config import Settings
from app.core.actors import SYSTEM
from app.core.db import db
from app.requests.commands.writing import ItemSpec
from app.requests.models import ItemKind, RequestRecipient, RequestState
from app.requests.queries import get_request
from tests.make import make_cast
from tests.requests.make_requests import FILES, NOTES, STATEMENTS, TURNOVER, link_in, mails, make_request
from tests.served import PHONE, made_for, serving

pytestmark = [pytest.mark.browser, pytest.mark.real, pytest.mark.slow]
CAR = ItemSpec(ItemKind.YES_NO, "Did you buy a car?", code="car")


@dataclass
class Place:
    """A running portal with one request sent to Cleo."""

    app: Flask
    url: str
    link: str
    request_id: Any

    def state(self) -> RequestState:
        with self.app.app_context():
            return get_request(self.request_id, seen_by=SYSTEM).state


@pytest.fixture
def place(real_database: Settings) -> Iterator[Place]:
    app, settings = made_for(real_database)
    with app.app_context():
        cast = make_cast()
        db.session.commit()
        request = make_request(cast, items=(STATEMENTS, TURNOVER, CAR, NOTES))
        link, request_id = link_in(mails("requests.request")[0]), request.id
        db.session.commit()
    with serving(app, settings.port):
        yield Place(app, settings.public_url, settings.public_url + link, request_id)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def opened(browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    made: list[BrowserContext] = []

    def open_context(**values: Any) -> BrowserContext:
        made.append(browser.new_context(viewport=PHONE, **values))
        return made[-1]

    yield open_context
    for context in made:
        context.close()


def come_in(page: Page, place: Place) -> None:
    page.goto(place.link)
    page.get_by_role("button", name="Show what is needed").click()
    expect(page.get_by_role("heading", name="VAT return Q3")).to_be_visible()


def test_two_files_and_answers_on_a_phone(place: Place, opened: Callable[..., BrowserContext]) -> None:
    page = opened().new_page()
    problems: list[str] = []
    page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    come_in(page, place)
    statements = page.locator("article", has=page.get_by_role("heading", name="Bank statements October"))
    statements.locator("[data-file-input]").first.set_input_files([
        FILES / "good" / "basicapi.pdf", FILES / "good" / "IMG_1034.heic",
    ])
    expect(statements.get_by_text("Arrived", exact=True)).to_have_count(2, timeout=30_000)
    page.get_by_role("textbox", name="Turnover of the quarter").fill("1,234.50")
    expect(page.get_by_text("Saved ").first).to_be_visible()
    page.locator("article", has_text="Did you buy a car?").get_by_text("No", exact=True).click()
    expect(page.get_by_role("button", name="Send everything")).to_be_visible()
    page.reload()
    expect(page.get_by_role("textbox", name="Turnover of the quarter")).to_have_value("1,234.50")
    assert violations(page) == ""
    page.get_by_role("button", name="Send everything").click()
    expect(page.get_by_text("that was everything")).to_be_visible()
    assert place.state() is RequestState.SUBMITTED
    assert not problems, problems


def test_what_is_chosen_and_answered_before_the_scripts_are_there_is_kept(
    place: Place, opened: Callable[..., BrowserContext]
) -> None:
    page = opened().new_page()
    held: list[Route] = []
    may_come: list[bool] = []
    page.goto(place.link)
    page.route(re.compile(r"/static/js/"), lambda route: route.continue_() if may_come else held.append(route))
    page.get_by_role("button", name="Show what is needed").click(no_wait_after=True)
    statements = page.locator("article", has=page.get_by_role("heading", name="Bank statements October"))
    statements.locator("[data-file-input]").first.set_input_files(FILES / "good" / "basicapi.pdf")
    page.get_by_role("textbox", name="Turnover of the quarter").fill("1,234.50")
    page.locator("article", has_text="Did you buy a car?").get_by_text("No", exact=True).click()
    assert held, "the scripts are still on their way"
    may_come.append(True)
    for route in held:
        route.continue_()
    expect(statements.get_by_text("Arrived", exact=True)).to_be_visible(timeout=20_000)
    expect(page.get_by_text("Saved ")).to_have_count(2)
    page.reload()
    expect(page.get_by_role("textbox", name="Turnover of the quarter")).to_have_value("1,234.50")
    expect(page.get_by_role("radio", name="No")).to_be_checked()


def test_a_file_that_arrives_while_the_list_is_being_fetched_is_shown(
    place: Place, opened: Callable[..., BrowserContext]
) -> None:
    page = opened().new_page()
    come_in(page, place)
    statements = page.locator("article", has=page.get_by_role("heading", name="Bank statements October"))

    shown = place.app.view_functions["portal.requests.show_files"]

    def slowly(**values: Any) -> Any:
        time.sleep(1)
        said = shown(**values)
        time.sleep(2)
        return said

    place.app.view_functions["portal.requests.show_files"] = slowly
    for name in ("basicapi.pdf", "form_two_pages.pdf"):
        statements.locator("[data-file-input]").first.set_input_files(FILES / "good" / name)
        page.wait_for_timeout(1500)
    expect(statements.get_by_text("Arrived", exact=True)).to_have_count(2, timeout=30_000)


def test_a_refused_file_says_why(place: Place, opened: Callable[..., BrowserContext]) -> None:
    page = opened().new_page()
    come_in(page, place)
    page.locator("[data-file-input]").first.set_input_files(FILES / "hostile" / "svg_script.svg")
    expect(page.get_by_text("can carry a program")).to_be_visible(timeout=20_000)


def test_an_upload_goes_on_after_a_lost_line_and_after_a_reload(
    place: Place, opened: Callable[..., BrowserContext], tmp_path: Path
) -> None:
    big = tmp_path / "big.pdf"
    big.write_bytes(b"%PDF-1.4\n" + bytes(20 << 20))
    page = opened().new_page()
    puts: list[str] = []
    page.on("request", lambda sent: puts.extend(re.findall(r"partNumber=(\d+)", sent.url)))
    second = re.compile(r"partNumber=2(&|$)")
    page.route(second, lambda route: route.abort())
    come_in(page, place)
    chooser = page.locator("[data-file-input]").first
    chooser.set_input_files(big)
    expect(page.get_by_text("The line is down")).to_be_visible(timeout=20_000)
    page.evaluate("window.onbeforeunload = null")
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    page.unroute(second)
    puts.clear()
    page.locator("[data-file-input]").first.set_input_files(big)
    expect(page.get_by_text("Arrived").first).to_be_visible(timeout=30_000)
    assert puts == ["2"], "what was there is not sent again"


def test_everything_works_without_script(place: Place, opened: Callable[..., BrowserContext]) -> None:
    page = opened(java_script_enabled=False).new_page()
    come_in(page, place)
    turnover = page.locator("article", has_text="Turnover of the quarter")
    turnover.locator("input[name=value]").fill("99")
    turnover.get_by_role("button", name="Save").first.click()
    expect(page.get_by_text("Saved").first).to_be_visible()
    page.get_by_role("button", name="Add a file").click()
    page.locator("input[type=file]").set_input_files(FILES / "good" / "basicapi.pdf")
    page.get_by_role("button", name="Send the file").click()
    page.get_by_role("button", name="Add it to my answers").click()
    arrived = page.get_by_text("Bank statements October.pdf").or_(page.get_by_text("we are checking it"))
    expect(arrived.first).to_be_visible()
    page.locator("article", has_text="Did you buy a car?").get_by_text("Yes", exact=True).click()
    page.locator("article", has_text="Did you buy a car?").get_by_role("button", name="Save").first.click()
    page.get_by_role("button", name="Send").last.click()
    assert place.state() is RequestState.SUBMITTED


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible_in_light_and_dark(place: Place, browser: Browser, scheme: Any) -> None:
    with place.app.app_context():
        contact_id = db.session.scalars(sa.select(RequestRecipient.contact_id)).one()
        link = make_sign_in_link(contact_id)
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.goto(place.url + "/portal/sign-in")
    assert violations(page) == ""
    page.goto(link)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Cleo")).to_be_visible()
    for path in ("", f"requests/{place.request_id}", "requests/", "documents/", "work/", "invoices/", "account/"):
        page.goto(f"{place.url}/portal/{path}")
        assert violations(page) == "", path
    context.close()


def violations(page: Page) -> str:
    found = Axe().run(page)
    return str(found.generate_report()) if found.violations_count else ""
