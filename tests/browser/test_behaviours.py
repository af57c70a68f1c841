"""The behaviours of the pages, each tried in Chromium on a page made of the real layouts, under the real policy."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, redirect, render_template, request
from flask_babel import Babel
from jinja2 import ChoiceLoader, DictLoader, FileSystemLoader
from markupsafe import Markup
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright
from werkzeug.serving import make_server

from app.core import assets, drawing, wording
from app.core.colour import brand_css

NAME = '<input name="a" aria-label="Name">'
ROOT = Path(assets.__file__).resolve().parents[2]
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
pytestmark = pytest.mark.browser

ANSWERED = """{% extends "layouts/portal.html" %}{% block title %}Answered{% endblock %}{% block content %}
<h1>Answered</h1><form data-autosave autocomplete="off" method="post" action="/answer">
<textarea name="text" aria-label="Long">&#10;Two vans&#13;&#10;one lorry</textarea>
<input name="line" aria-label="Line" value="one&#10;two">
<input type="date" name="day" aria-label="Day" value="31.12.2026">
<input type="radio" name="yes" value="1" aria-label="Yes" checked>
<output data-saved class="saved"></output></form>{% endblock %}"""
STAFF = """{% extends "layouts/staff.html" %}{% set section = "work" %}{% block title %}Work{% endblock %}
{% block content %}{{ ui.page_head("My work") }}
<nav class="tabs" aria-label="Parts">{% for n in range(30) %}
<a href="/work"{{ ' aria-current="page"'|safe if n == 29 }}>Part {{ n }}</a>
{% endfor %}</nav><ul class="rows" role="list">{% for n in (1, 2, 3) %}<li class="row" data-row id="row-{{ n }}">
<input type="checkbox" data-select aria-label="Select {{ n }}">
<div class="main"><a class="name row-link" href="/thing/{{ n }}" hx-get="/thing/{{ n }}" hx-target="#panel"
 hx-push-url="true">Thing {{ n }}</a></div>
<div class="end">{{ ui.post_button("/done/" ~ n, "Done", key="d", target="#row-" ~ n) }}</div></li>{% endfor %}</ul>
{{ ui.post_button("/void", "Void", "danger", confirm="Void it?", verb="Void it", target="#fate", swap="innerHTML") }}
{{ ui.post_button("/fails", "Fail", target="#fate", swap="innerHTML") }}<p id="fate">kept</p>
<form method="post" action="/slow"><button>Save once</button></form>
<form method="get" action="/work">{{ ui.combobox("client", "Client", "/lookup") }}</form>
<p id="live" data-live="job:1" hx-get="/live-part" hx-trigger="live">old</p>
<div id="bar" data-live="job:2" hx-get="/bar" hx-trigger="live">
{{ ui.post_button("/void", "Stop", target="#fate", swap="innerHTML") }}</div>
<span id="clock" data-elapsed="5039">1:23</span>
<a href="/new" hx-get="/new" hx-target="#dialog">New thing</a>{% endblock %}"""
LIST = """{% extends "layouts/staff.html" %}{% set section = "work" %}{% block title %}Notices{% endblock %}
{% block content %}{{ ui.page_head("Notices") }}{% if rows %}<ul class="rows" role="list"><li class="row">One</li></ul>
{% else %}{{ ui.empty("Nothing new") }}{% endif %}{% endblock %}"""
SUBJECT = "11111111-2222-3333-4444-555555555555"
NOTES = """{% extends "layouts/staff.html" %}{% set section = "work" %}{% block title %}Notes{% endblock %}
{% block content %}<div id="comments">
<form method="post" action="/comments/{{ subject }}" hx-post="/comments/{{ subject }}" hx-target="#comments">
{{ ui.textarea("body", "Comment", id="comment") }}<button>Add</button></form></div>
<form method="post" action="/notes/{{ subject }}">
{{ ui.textarea("notes", "Notes", notes) }}<button>Save notes</button></form>
<form method="post" action="/off-with-all">{{ ui.textarea("reason", "Reason") }}</form>
{% endblock %}"""
PORTAL = """{% extends "layouts/portal.html" %}{% block title %}Ask{% endblock %}{% block content %}
<h1>Ask</h1><form data-autosave autocomplete="off" method="post" action="/answer">
{{ ui.textarea("text", "Your answer") }}
<output data-saved class="saved"></output><button class="no-js">Save</button></form>{% endblock %}"""


def small_app(cache: Path) -> Flask:
    """A firm of one page for each door, whose counters tell what really arrived."""
    app = Flask("behaviours", static_folder=None)
    app.secret_key = "only here"
    pages = {"work.html": STAFF, "list.html": LIST, "ask.html": PORTAL, "answered.html": ANSWERED,
             "notes.html": NOTES}
    app.jinja_loader = ChoiceLoader([FileSystemLoader(ROOT / "templates"), DictLoader(pages)])
    Babel(app)
    assets.init_app(app, cache)
    wording.init_app(app)
    drawing.init_app(app)
    app.jinja_env.globals["csrf_token"] = lambda: "token"
    seen: dict[str, Any] = {
        "saves": 0,
        "person": "sam",
        "notes": "Old notes",
        "notes_fail": 0,
        "voids": 0,
        "answers": [],
        "failing": 0,
        "streams": 0,
        "tell": False,
        "over": False,
    }
    app.extensions["seen"] = seen
    ui = app.jinja_env.get_template("components/ui.html")

    @app.context_processor
    def frame() -> dict[str, Any]:
        nav = [{"key": "work", "label": "My work", "url": "/work", "icon": "work"}]
        me = {"name": "Sam", "id": seen["person"]}
        return {"firm": {"name": "Hartwell"}, "me": me, "nav_items": nav, "live_url": "/stream"}

    @app.after_request
    def policy(answer: Response) -> Response:
        answer.headers["Content-Security-Policy"] = POLICY
        return answer

    @app.get("/stream")
    def stream() -> Response:
        seen["streams"] += 1

        def told() -> Iterator[str]:
            yield ": here\n\n"
            while not (seen["tell"] or seen["over"]):
                time.sleep(0.02)
            yield f"data: {json.dumps(['job:1'])}\n\n"
            while not seen["over"]:
                time.sleep(0.02)

        return Response(told(), mimetype="text/event-stream")

    @app.post("/answer")
    def answer() -> tuple[str, int]:
        if seen["failing"]:
            seen["failing"] -= 1
            return "", 503
        seen["answers"].append(request.form["text"])
        return ("Please write it out.", 422) if request.form["text"] == "?" else ("Saved 10:42", 200)

    @app.post("/slow")
    def slow() -> str:
        seen["saves"] += 1
        time.sleep(0.4)
        return "saved"

    @app.get("/notes/<subject>")
    def notes(subject: str) -> str:
        return render_template("notes.html", subject=subject, notes=seen["notes"])

    @app.post("/notes/<subject>")
    def save_notes(subject: str) -> Any:
        if seen["notes_fail"]:
            return "broken", seen["notes_fail"]
        seen["notes"] = request.form["notes"]
        return redirect(f"/notes/{subject}", 303)

    @app.post("/comments/<subject>")
    def comment(subject: str) -> tuple[str, int]:
        return ("too long", 422) if request.form["body"] == "?" else ("<p>Added</p>", 200)

    @app.post("/sign-out")
    def sign_out() -> str:
        return "gone"

    @app.post("/void")
    def void() -> str:
        seen["voids"] += 1
        return f"voided with {request.headers['X-CSRFToken']}"

    def done(n: int) -> tuple[str, dict[str, str]]:
        told = {"HX-Trigger": json.dumps({"toast": {"text": "Thing done", "meaning": "done"}})}
        return f'<li id="row-{n}">done {n}</li>', told

    def thing(n: int) -> str:
        return str(ui.module.panel(f"Thing {n}", close_url="/work", caller=lambda: "body"))  # type: ignore[attr-defined]

    def body(title: str) -> str:
        return str(ui.module.dialog_body(title, caller=lambda: Markup(NAME)))  # type: ignore[attr-defined]

    app.add_url_rule("/work", view_func=lambda: render_template("work.html"), endpoint="work")
    app.add_url_rule("/answered", view_func=lambda: render_template("answered.html"), endpoint="answered")
    filed = lambda: render_template("list.html", rows=request.args, file_of_page=lambda: "/a.csv")  # noqa: E731
    app.add_url_rule("/list", view_func=filed, endpoint="list")
    app.add_url_rule("/ask", view_func=lambda: render_template("ask.html"), endpoint="ask")
    app.add_url_rule("/done/<int:n>", view_func=done, methods=["POST"])
    app.add_url_rule("/thing/<int:n>", view_func=thing)
    app.add_url_rule("/new", view_func=lambda: body("New thing"), endpoint="new")
    app.add_url_rule("/fails", view_func=lambda: ("broken", 500), endpoint="fails", methods=["POST"])
    app.add_url_rule("/bar", view_func=lambda: "drawn anew", endpoint="bar")
    app.add_url_rule("/live-part", view_func=lambda: "new", endpoint="live_part")
    options = '<li role="option" data-value="7" data-text="Acme Ltd">Acme Ltd</li>'
    app.add_url_rule("/lookup", view_func=lambda: options, endpoint="lookup")
    found = '<a role="option" href="/ask">Ask</a>'
    app.add_url_rule("/palette", view_func=lambda: found, endpoint="palette")
    sheet = lambda: Response(brand_css(), mimetype="text/css")  # noqa: E731
    app.add_url_rule("/brand.css", view_func=sheet, endpoint="brand")
    return app


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    return small_app(tmp_path_factory.mktemp("var"))


@pytest.fixture(scope="module")
def address(app: Flask) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    server.daemon_threads = True  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    app.extensions["seen"]["over"] = True
    server.shutdown()
    server.socket.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=arguments)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A page on the staff door; whatever the policy blocks or a script throws fails the test."""
    context = browser.new_context(base_url=address)
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if "Content Security" in said.text else None)
    page.goto("/work")
    yield page
    context.close()
    assert wrong == []


def test_a_row_opens_beside_the_list_and_escape_gives_the_list_back(page: Page, address: str) -> None:
    page.get_by_role("link", name="Thing 2").click()
    expect(page.locator("#panel h2")).to_have_text("Thing 2")
    assert page.url == f"{address}/thing/2"
    expect(page.locator("#row-2")).to_have_class("row is-open")
    page.keyboard.press("Escape")
    expect(page.locator("#panel")).to_be_empty()
    assert page.url == f"{address}/work"
    expect(page.get_by_role("link", name="Thing 2")).to_be_focused()


def test_keys_move_select_and_finish_a_row(page: Page) -> None:
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.get_by_label("Select 2")).to_be_checked()
    page.keyboard.press("d")
    expect(page.locator("#row-2")).to_have_text("done 2")
    expect(page.locator("#toasts")).to_contain_text("Thing done")


def test_the_open_tab_stands_in_sight(page: Page) -> None:
    expect(page.get_by_role("link", name="Part 29")).to_be_in_viewport()
    expect(page.get_by_role("link", name="Part 0", exact=True)).not_to_be_in_viewport()


def test_the_file_of_a_list_stands_there_only_when_the_list_has_rows(page: Page) -> None:
    page.goto("/list?rows=1")
    expect(page.get_by_role("link", name="CSV")).to_be_visible()
    page.goto("/list")
    expect(page.get_by_text("Nothing new")).to_be_visible()
    expect(page.get_by_role("link", name="CSV")).to_have_count(0)


def test_letters_typed_in_a_field_are_only_typed(page: Page) -> None:
    page.get_by_role("combobox", name="Client").press_sequentially("jd")
    expect(page.locator("#row-1")).to_contain_text("Thing 1")
    expect(page.locator("[data-row][aria-current=true]")).to_have_count(0)


def test_a_consequence_asks_first_and_happens_once(page: Page, app: Flask) -> None:
    seen = app.extensions["seen"]
    page.get_by_role("button", name="Void").click()
    page.locator("#confirm").get_by_role("button", name="Cancel").click()
    assert seen["voids"] == 0
    page.get_by_role("button", name="Void").click()
    page.locator("#confirm").get_by_role("button", name="Void it").click()
    expect(page.locator("#fate")).to_have_text("voided with token")
    assert seen["voids"] == 1


def test_a_double_click_sends_a_form_once(page: Page, app: Flask) -> None:
    page.get_by_role("button", name="Save once").dblclick()
    expect(page.locator("body")).to_have_text("saved")
    assert app.extensions["seen"]["saves"] == 1


def test_a_failure_keeps_the_page_and_says_so(page: Page) -> None:
    page.get_by_role("button", name="Fail").click()
    expect(page.locator("#toasts")).to_contain_text("nothing was changed")
    expect(page.locator("#fate")).to_have_text("kept")


def test_a_message_lies_over_an_open_dialog_and_a_refused_dialog_opens_again(page: Page) -> None:
    page.evaluate("""() => { document.body.insertAdjacentHTML("beforeend",
        "<dialog id=filled data-opened><div class=dialog-body><input value=typed aria-invalid=true></div></dialog>");
        document.dispatchEvent(new CustomEvent("htmx:after:swap")) }""")
    expect(page.locator("#filled input")).to_be_focused()
    page.evaluate("document.dispatchEvent(new CustomEvent('toast', { detail: { text: 'No date', meaning: 'late' } }))")
    said = page.get_by_text("No date")
    expect(said).to_be_visible()
    assert said.evaluate("""(one) => { const box = one.getBoundingClientRect();
        one.closest("#toasts").inert = false;
        return document.querySelector("#toasts:popover-open")?.contains(one) && box.bottom <= innerHeight }""")


def test_a_link_that_looks_like_a_button_is_as_wide_as_its_words_in_a_note(page: Page) -> None:
    wide, narrow = page.evaluate("""() => {
        document.querySelector("main").insertAdjacentHTML("beforeend",
            "<div class=note><div><p>Something is missing, and this is long.</p><a class=button>Add</a></div></div>");
        const note = document.querySelector(".note:last-child > div");
        return [note, note.querySelector("a")].map((one) => one.getBoundingClientRect().width) }""")
    assert narrow < wide / 2


def test_a_combobox_sends_the_id_of_what_was_picked(page: Page) -> None:
    field = page.get_by_role("combobox", name="Client")
    field.fill("ac")
    expect(page.get_by_role("option", name="Acme Ltd")).to_be_visible()
    field.press("Enter")
    expect(field).to_have_value("Acme Ltd")
    expect(page.locator("input[name=client]")).to_have_value("7")


def test_the_palette_jumps(page: Page, address: str) -> None:
    page.keyboard.press("Control+k")
    expect(page.get_by_role("option", name="Ask")).to_be_visible()
    page.keyboard.press("Enter")
    page.wait_for_url(f"{address}/ask")


def test_an_answer_into_the_shared_dialog_opens_it_on_its_first_field(page: Page) -> None:
    page.get_by_role("link", name="New thing").click()
    expect(page.locator("#dialog")).to_be_visible()
    expect(page.get_by_label("Name")).to_be_focused()
    page.get_by_label("Close").first.click()
    expect(page.locator("#dialog")).to_be_empty()


def test_a_running_clock_counts_on(page: Page) -> None:
    expect(page.locator("#clock")).to_have_text("1:24", timeout=4000)


def test_the_theme_is_kept_and_drawn_by_the_server(page: Page) -> None:
    page.get_by_label("You: Sam").click()
    page.get_by_role("button", name="Theme").click()
    page.reload()
    assert page.locator("html").get_attribute("data-theme") == "light"


def test_two_tabs_share_one_stream_and_both_hear(page: Page, app: Flask) -> None:
    seen = app.extensions["seen"]
    seen["tell"] = False
    other = page.context.new_page()
    other.goto("/work")
    page.wait_for_timeout(300)
    before = seen["streams"]
    page.bring_to_front()
    seen["tell"] = True
    expect(page.locator("#live")).to_have_text("new")
    other.bring_to_front()
    expect(other.locator("#live")).to_have_text("new")
    assert seen["streams"] == before


@pytest.mark.parametrize("asked", ["before", "after"])
def test_a_button_is_not_drawn_anew_between_its_pressing_and_its_release(page: Page, app: Flask, asked: str) -> None:
    """Neither by a refresh that is asked for meanwhile, nor by one whose answer comes meanwhile."""
    voids, waiting = app.extensions["seen"]["voids"], list[Route]()
    page.route("**/bar", lambda route: waiting.append(route))
    tell = lambda: page.locator("#bar").evaluate("_ => new BroadcastChannel('live').postMessage({told: ['job:2']})")  # noqa: E731
    page.get_by_role("button", name="Stop").hover()
    if asked == "before":
        with page.expect_request("**/bar"):
            tell()
    page.mouse.down()
    if asked == "after":
        tell()
        page.wait_for_timeout(250)
        assert waiting == []
    else:
        with page.expect_response("**/bar"):
            while not waiting:
                page.wait_for_timeout(10)
            waiting.pop().continue_()
    page.unroute("**/bar")
    page.mouse.up()
    expect(page.locator("#fate")).to_contain_text("voided")
    expect(page.locator("#bar")).to_have_text("drawn anew")
    assert app.extensions["seen"]["voids"] == voids + 1


def test_answers_that_nobody_touched_are_not_sent_again(page: Page) -> None:
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    page.goto("/answered")
    page.wait_for_timeout(1500)
    assert sent == []


def test_an_answer_saves_itself_and_goes_again_after_a_failure(page: Page, app: Flask) -> None:
    seen = app.extensions["seen"]
    page.goto("/ask")
    seen["failing"] = 1
    page.get_by_label("Your answer").fill("Two vans")
    expect(page.locator("[data-saved]")).to_contain_text("Not saved yet")
    expect(page.locator("[data-saved]")).to_have_text("Saved 10:42", timeout=6000)
    assert seen["answers"] == ["Two vans"]


def test_a_refused_answer_says_why_and_stays_in_the_field(page: Page) -> None:
    page.goto("/ask")
    page.get_by_label("Your answer").fill("?")
    expect(page.locator("[data-saved]")).to_have_text("Please write it out.")
    expect(page.get_by_label("Your answer")).to_have_value("?")
    expect(page.get_by_label("Your answer")).to_have_attribute("aria-invalid", "true")


def test_a_half_typed_comment_is_there_again_after_closing_and_gone_once_it_is_added(page: Page, app: Flask) -> None:
    page.goto(f"/notes/{SUBJECT}")
    page.get_by_label("Comment").fill("Half a thou")
    other = page.context.new_page()
    page.close()
    other.goto(f"/notes/{SUBJECT}")
    expect(other.get_by_label("Comment")).to_have_value("Half a thou")
    expect(other.get_by_text("Kept as you typed it")).to_be_visible()
    other.get_by_role("button", name="Add", exact=True).click()
    expect(other.get_by_text("Added")).to_be_visible()
    other.goto(f"/notes/{SUBJECT}")
    expect(other.get_by_label("Comment")).to_have_value("")


def test_a_refused_comment_is_kept(page: Page, app: Flask) -> None:
    page.goto(f"/notes/{SUBJECT}")
    page.get_by_label("Comment").fill("?")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("too long")).to_be_visible()
    page.goto(f"/notes/{SUBJECT}")
    expect(page.get_by_label("Comment")).to_have_value("?")


def test_half_typed_notes_are_kept_until_they_are_saved_also_through_a_failure(page: Page, app: Flask) -> None:
    seen = app.extensions["seen"]
    page.goto(f"/notes/{SUBJECT}")
    page.get_by_label("Notes").fill("New notes")
    seen["notes_fail"] = 503
    page.get_by_role("button", name="Save notes").click()
    expect(page.get_by_text("broken")).to_be_visible()
    seen["notes_fail"] = 0
    page.go_back()
    expect(page.get_by_label("Notes")).to_have_value("New notes")
    page.get_by_role("button", name="Save notes").click()
    expect(page.get_by_label("Notes")).to_have_value("New notes")
    expect(page.get_by_text("Kept as you typed it")).to_have_count(0)
    assert page.evaluate("Object.keys(localStorage).filter((key) => key.startsWith('draft '))") == []


def test_notes_that_were_changed_meanwhile_are_not_covered_and_the_draft_is_offered(page: Page, app: Flask) -> None:
    seen = app.extensions["seen"]
    seen["notes"] = "As it was"
    page.goto(f"/notes/{SUBJECT}")
    page.get_by_label("Notes").fill("What Sam typed")
    seen["notes"] = "What Mel saved"
    page.goto(f"/notes/{SUBJECT}")
    expect(page.get_by_label("Notes")).to_have_value("What Mel saved")
    page.get_by_role("button", name="Use it").click()
    expect(page.get_by_label("Notes")).to_have_value("What Sam typed")
    page.get_by_role("button", name="Discard").click()
    expect(page.get_by_label("Notes")).to_have_value("What Mel saved")
    page.reload()
    expect(page.get_by_text("What Sam typed")).to_have_count(0)


def test_a_draft_belongs_to_one_person_and_one_subject_and_is_gone_at_sign_out(page: Page, app: Flask) -> None:
    seen = app.extensions["seen"]
    page.goto(f"/notes/{SUBJECT}")
    page.get_by_label("Comment").fill("Sam's own")
    page.get_by_label("Reason").fill("of no subject")
    page.goto(f"/notes/{SUBJECT.replace('1', '9')}")
    expect(page.get_by_label("Comment")).to_have_value("")
    expect(page.get_by_label("Reason")).to_have_value("")
    seen["person"] = "mel"
    page.goto(f"/notes/{SUBJECT}")
    expect(page.get_by_label("Comment")).to_have_value("")
    seen["person"] = "sam"
    page.goto(f"/notes/{SUBJECT}")
    expect(page.get_by_label("Comment")).to_have_value("Sam's own")
    page.get_by_label("You: Sam").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("gone")).to_be_visible()
    page.goto(f"/notes/{SUBJECT}")
    expect(page.get_by_label("Comment")).to_have_value("")
