"""Answering on a bad line and with a session that ends: nothing typed is lost, nothing goes to anybody else."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from playwright.sync_api import BrowserContext, Dialog, Page, expect

from app.clients.commands.contact_access import make_sign_in_link
from app.clients.models import Contact
from app.core.db import db
from app.requests.models import RequestState
from tests.portal.place import Place, come_in
from tests.requests.make_requests import FILES

pytestmark = [pytest.mark.browser, pytest.mark.real, pytest.mark.slow]


def end_sessions(place: Place) -> None:
    with place.app.app_context():
        db.session.execute(sa.text("UPDATE contact_session SET revoked_at = now()"))
        db.session.commit()


def sign_in(page: Page, place: Place, name: str) -> None:
    with place.app.app_context():
        link = make_sign_in_link(db.session.scalars(sa.select(Contact.id).where(Contact.name == name)).one())
    page.goto(link)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name=name)).to_be_visible()


def eventually(read: Callable[[], Any], wanted: Any) -> None:
    deadline = time.monotonic() + 20
    while read() != wanted and time.monotonic() < deadline:
        time.sleep(0.1)
    assert read() == wanted


def notes_of(place: Place) -> Any:
    return place.item("notes").answer


def kept(page: Page) -> list[str]:
    found: list[str] = page.evaluate("Object.keys(localStorage).filter((key) => /^(unsent|send) /.test(key))")
    return found


def test_what_is_typed_after_the_session_ended_is_said_kept_and_sent_once_the_same_contact_is_back(
    place: Place, opened: Callable[..., BrowserContext]
) -> None:
    page = opened().new_page()
    come_in(page, place)
    page.on("dialog", lambda dialog: dialog.accept())
    end_sessions(place)
    page.get_by_role("textbox", name="Anything we should know?").fill("We moved.")
    expect(page.get_by_text("You have been signed out. What you typed is kept here").first).to_be_visible()
    page.reload()
    expect(page).to_have_url(f"{place.url}/portal/sign-in")
    sign_in(page, place, "Otto")
    page.wait_for_timeout(500)
    assert notes_of(place) is None and len(kept(page)) == 1, "it is never sent for another contact"
    sign_in(page, place, "Cleo")
    eventually(lambda: notes_of(place), {"value": "We moved."})
    eventually(lambda: kept(page), [])


def test_what_was_kept_is_back_in_its_field_unless_something_newer_was_saved(
    place: Place, opened: Callable[..., BrowserContext]
) -> None:
    page = opened().new_page()
    come_in(page, place)
    page.on("dialog", lambda dialog: dialog.accept())
    page.route("**/answer", lambda route: route.abort())
    notes = page.get_by_role("textbox", name="Anything we should know?")
    notes.fill("We moved.")
    expect(page.get_by_text("Not saved yet")).to_be_visible()
    page.unroute("**/answer")
    page.reload()
    expect(notes).to_have_value("We moved.")
    eventually(lambda: notes_of(place), {"value": "We moved."})
    expect(page.get_by_text("Saved ").last).to_be_visible()
    page.route("**/answer", lambda route: route.abort())
    notes.fill("Old words.")
    expect(page.get_by_text("Not saved yet")).to_be_visible()
    with place.app.app_context():
        db.session.execute(sa.text("UPDATE request_item SET saved_at = now(), answer = '{\"value\": \"Newer.\"}' "
                                   "WHERE code = 'notes'"))
        db.session.commit()
    page.unroute("**/answer")
    page.reload()
    expect(page.get_by_text("answered elsewhere in the meantime")).to_contain_text("Old words.")
    expect(notes).to_have_value("Newer.")
    page.get_by_role("button", name="Send what I typed").click()
    eventually(lambda: notes_of(place), {"value": "Old words."})


def test_opening_ones_own_link_again_kills_the_old_token_and_the_open_page_goes_on(
    place: Place, opened: Callable[..., BrowserContext]
) -> None:
    context = opened()
    page = context.new_page()
    come_in(page, place)
    token = page.locator("input[name=csrf_token]").first.input_value()
    come_in(context.new_page(), place)
    page.get_by_role("textbox", name="Anything we should know?").fill("We moved.")
    eventually(lambda: notes_of(place), {"value": "We moved."})
    fresh = page.locator("input[name=csrf_token]").first.input_value()
    assert fresh != token
    dead = page.evaluate("""(token) => fetch(document.getElementById('answers').action, {method: 'POST',
        body: new URLSearchParams({csrf_token: token})}).then((answer) => answer.status)""", token)
    assert dead == 400
    page.locator("[data-file-input]").first.set_input_files(FILES / "good" / "basicapi.pdf")
    page.get_by_role("textbox", name="Turnover of the quarter").fill("12")
    page.locator("article", has_text="Did you buy a car?").get_by_text("No", exact=True).click()
    come_in(context.new_page(), place)
    page.get_by_role("button", name="Send").last.click()
    expect(page.get_by_text("that was everything")).to_be_visible(timeout=20_000)


def test_what_is_saved_is_not_saved_again_and_send_asks_nothing(
    place: Place, opened: Callable[..., BrowserContext]
) -> None:
    page = opened().new_page()
    asked: list[Dialog] = []
    posts: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog), dialog.accept()))
    come_in(page, place)
    page.on("request", lambda sent: posts.append(sent.url) if sent.method == "POST" else None)
    notes = page.get_by_role("textbox", name="Anything we should know?")
    notes.fill("We moved.")
    expect(page.get_by_text("Saved ").first).to_be_visible()
    page.get_by_role("button", name="Send 1 answer now").click()
    expect(page.get_by_text("1 sent. Still missing: 3")).to_be_visible()
    assert not asked
    assert [url.rsplit("/", 1)[-1] for url in posts] == ["answer", "submission"]


def test_send_waits_for_a_file_says_when_there_is_no_line_and_goes_by_itself_later(
    place: Place, opened: Callable[..., BrowserContext]
) -> None:
    context = opened()
    page = context.new_page()
    come_in(page, place)
    page.get_by_role("textbox", name="Turnover of the quarter").fill("12")
    page.locator("article", has_text="Did you buy a car?").get_by_text("No", exact=True).click()
    page.route("**/completion", lambda route: route.abort())
    page.locator("[data-file-input]").first.set_input_files(FILES / "good" / "basicapi.pdf")
    expect(page.get_by_text("The line is down")).to_be_visible()
    page.get_by_role("button", name="Send").last.click()
    expect(page.get_by_text("Waiting for what is under way")).to_be_visible()
    context.set_offline(True)
    page.unroute("**/completion")
    page.wait_for_timeout(300)
    assert place.state() is not RequestState.SUBMITTED
    context.set_offline(False)
    expect(page.get_by_text("that was everything")).to_be_visible(timeout=30_000)
    assert place.state() is RequestState.SUBMITTED


def test_send_without_a_line_is_said_and_sent_when_it_is_back(
    place: Place, opened: Callable[..., BrowserContext]
) -> None:
    context = opened()
    page = context.new_page()
    come_in(page, place)
    context.set_offline(True)
    page.get_by_role("textbox", name="Anything we should know?").fill("We moved.")
    page.get_by_role("button", name="Send").last.click()
    expect(page.get_by_text("There is no connection")).to_be_visible()
    context.set_offline(False)
    expect(page.get_by_text("1 sent. Still missing")).to_be_visible(timeout=20_000)


def test_what_another_tab_has_sent_meanwhile_is_shown_as_sent_in_this_one(
    place: Place, opened: Callable[..., BrowserContext]
) -> None:
    context = opened()
    page, other = context.new_page(), context.new_page()
    come_in(page, place)
    other.goto(f"{place.url}/portal/")
    other.get_by_text("Cleo", exact=True).first.click()
    other.get_by_role("button", name="Sign out").click()
    expect(other).to_have_url(f"{place.url}/portal/sign-in")
    page.get_by_role("textbox", name="Anything we should know?").fill("We moved.")
    page.get_by_role("button", name="Send").last.click()
    expect(page.get_by_text("Everything is kept here")).to_be_visible()
    come_in(other, place)
    for tab in (page, other):
        notes = tab.locator("article", has=tab.get_by_role("heading", name="Anything we should know?"))
        expect(notes.get_by_text("Sent", exact=True)).to_be_visible(timeout=20_000)
        expect(tab.get_by_text("nothing new to send")).to_have_count(0)


def test_signing_out_and_seven_days_forget_what_was_kept(
    place: Place, opened: Callable[..., BrowserContext]
) -> None:
    page = opened().new_page()
    come_in(page, place)
    page.on("dialog", lambda dialog: dialog.accept())
    page.route("**/answer", lambda route: route.abort())
    page.get_by_role("textbox", name="Anything we should know?").fill("We moved.")
    eventually(lambda: len(kept(page)), 1)
    page.get_by_text("Cleo", exact=True).first.click()
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(f"{place.url}/portal/sign-in")
    assert kept(page) == []
    page.unroute("**/answer")
    page.evaluate("""([contact, url]) => localStorage.setItem(`unsent ${contact} ${url}`,
        JSON.stringify({at: Date.now() - 8 * 86400e3, base: '', pairs: [['value', 'Old.']]}))""",
        [str(uuid_of(place)), f"/portal/requests/{place.request_id}/items/{place.item('notes').id}/answer"])
    sign_in(page, place, "Cleo")
    eventually(lambda: kept(page), [])
    assert notes_of(place) is None


def uuid_of(place: Place) -> Any:
    with place.app.app_context():
        return db.session.scalars(sa.select(Contact.id).where(Contact.name == "Cleo")).one()
