"""The clients' door in Chromium: a phone, a link, two files and an answer, a lost line, and no script at all."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from app.clients.commands.contact_access import make_sign_in_link
from app.core.db import db
from app.requests.models import RequestRecipient, RequestState
from tests.portal.place import Place, come_in
from tests.requests.make_requests import FILES
from tests.served import PHONE

WIDE = {"width": 1440, "height": 900}
SMALL = """() => [...document.querySelectorAll("a, button, input, select, textarea, summary")]
    .filter((one) => one.checkVisibility() && !one.matches(".skip, .visually-hidden, [type=hidden]"))
    .map((one) => [one.getBoundingClientRect(), one])
    .filter(([box]) => box.width && (box.width < 24 || box.height < 24))
    .map(([box, one]) => `${one.outerHTML.slice(0, 80)} ${box.width} x ${box.height}`)"""

pytestmark = [pytest.mark.browser, pytest.mark.real, pytest.mark.slow]


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
    said = page.get_by_text("can carry a program")
    expect(said).to_be_visible(timeout=20_000)
    red = page.evaluate("""() => { const probe = document.body.appendChild(document.createElement("i"));
        probe.style.color = "var(--late)"; return getComputedStyle(probe).color }""")
    expect(said).to_have_css("color", red)


def test_an_empty_file_is_taken_away_again_not_tried_again(
    place: Place, opened: Callable[..., BrowserContext], tmp_path: Path
) -> None:
    (tmp_path / "empty.pdf").touch()
    page = opened().new_page()
    come_in(page, place)
    page.locator("[data-file-input]").first.set_input_files(tmp_path / "empty.pdf")
    expect(page.get_by_text("This file is empty.")).to_be_visible()
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("This file is empty.")).to_have_count(0)
    expect(page.locator("[data-file-input]").first).to_be_focused()


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


def test_what_was_cancelled_is_sent_anew_when_it_is_chosen_again(
    place: Place, opened: Callable[..., BrowserContext]
) -> None:
    page = opened().new_page()
    page.on("dialog", lambda dialog: dialog.accept())
    part = re.compile(r"partNumber=1(&|$)")
    page.route(part, lambda route: route.abort())
    come_in(page, place)
    page.locator("[data-file-input]").first.set_input_files(FILES / "good" / "basicapi.pdf")
    expect(page.get_by_text("The line is down")).to_be_visible(timeout=20_000)
    page.reload()
    page.unroute(part)
    page.get_by_role("button", name="Cancel basicapi.pdf").click()
    expect(page.get_by_text("Begun, and not here yet")).to_have_count(0)
    page.locator("[data-file-input]").first.set_input_files(FILES / "good" / "basicapi.pdf")
    expect(page.get_by_text("Arrived").first).to_be_visible(timeout=30_000)


def test_without_script_one_press_sends_everything_and_files_keep_their_names(
    place: Place, opened: Callable[..., BrowserContext]
) -> None:
    page = opened(java_script_enabled=False).new_page()
    come_in(page, place)
    page.get_by_role("textbox", name="Turnover of the quarter").fill("99")
    page.locator("input[type=file][name^=file]").set_input_files([
        FILES / "good" / "basicapi.pdf", FILES / "good" / "form_two_pages.pdf",
    ])
    page.locator("article", has_text="Did you buy a car?").get_by_text("Yes", exact=True).click()
    page.get_by_role("textbox", name="Anything we should know?").fill("We moved.")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_text("that was everything")).to_be_visible()
    assert place.state() is RequestState.SUBMITTED
    assert [place.item(code).answer for code in ("turnover", "car", "notes")] == [
        {"value": "99", "currency": "GBP"}, {"value": True}, {"value": "We moved."},
    ]
    assert [link.document.name for link in place.item("statements").files] == ["basicapi.pdf", "form_two_pages.pdf"]


def test_without_script_any_button_keeps_what_was_typed_and_a_large_file_has_its_own_page(
    place: Place, opened: Callable[..., BrowserContext]
) -> None:
    page = opened(java_script_enabled=False).new_page()
    come_in(page, place)
    turnover, notes = (page.get_by_role("textbox", name=name) for name in ("Turnover", "Anything we should know?"))
    turnover.fill("a lot")
    notes.fill("We moved.")
    page.get_by_role("button", name="Save").first.click()
    expect(turnover).to_have_value("a lot")
    expect(turnover).to_have_attribute("aria-invalid", "true")
    assert place.item("notes").answer == {"value": "We moved."}
    turnover.fill("100")
    page.get_by_role("button", name="Add a large file").click()
    assert place.item("turnover").answer == {"value": "100", "currency": "GBP"}
    page.locator("input[type=file]").set_input_files(FILES / "good" / "basicapi.pdf")
    page.get_by_role("button", name="Send the file").click()
    page.get_by_role("button", name="Add it to my answers").click()
    expect(page.get_by_text("we are checking it").or_(page.get_by_text("Arrived")).first).to_be_visible()


@pytest.mark.parametrize(("scheme", "size"), [("light", WIDE), ("dark", PHONE)])
def test_every_page_is_accessible_and_its_targets_are_large_enough(
    place: Place, browser: Browser, scheme: Any, size: Any
) -> None:
    with place.app.app_context():
        contact_id = db.session.scalars(sa.select(RequestRecipient.contact_id)).one()
        link = make_sign_in_link(contact_id)
    context = browser.new_context(viewport=size, color_scheme=scheme)
    page = context.new_page()
    page.goto(place.url + "/portal/sign-in")
    assert violations(page) == ""
    page.goto(link)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Cleo")).to_be_visible()
    for path in ("", f"requests/{place.request_id}", "requests/", "documents/", "work/", "invoices/", "account/"):
        page.goto(f"{place.url}/portal/{path}")
        assert violations(page) == "", path
        assert page.evaluate(SMALL) == [], path
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], path
    context.close()


def violations(page: Page) -> str:
    found = Axe().run(page)
    return str(found.generate_report()) if found.violations_count else ""
