"""A file that a browser shows comes from our own address, under headers that let nothing run, to who may see it."""

from __future__ import annotations

import time
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.activity.models import Event, EventPayload
from app.core import viewing
from app.core.clock import now
from app.core.db import db
from app.core.storage import StorageUnavailable, Stored, storage
from app.documents.commands.serving import PASS_SECONDS, show_document
from app.documents.models import Hold
from tests.documents.test_take_in_files import take_in
from tests.make import keep, sign_in
from tests.portal.make_portal import at_portal
from tests.requests.make_requests import FILES

PAPER = (FILES / "good" / "basicapi.pdf").read_bytes()
SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile Safari/604.1"


@pytest.fixture
def paper(cast: Any) -> Any:
    """Given by Cleo, of Acme."""
    return take_in(cast, "Zürich notes.pdf", PAPER)


def address(document: Any, *, door: str = "") -> str:
    return f"{door}/documents/{document.id}/file?inline=1"


def in_use(app: Flask) -> int:
    gate = storage()._gate
    assert gate is not None
    return int(gate._places._initial_value - gate._places._value)  # type: ignore[attr-defined]


def openings() -> list[bool]:
    """Of each opening that the log tells of: whether it was shown."""
    told = sa.select(EventPayload.data).join(Event, Event.id == EventPayload.event_id).order_by(Event.id)
    rows = db.session.scalars(told.where(Event.kind == "documents.document.opened"))
    return [row["shown"] for row in rows]


@pytest.mark.parametrize("door", ["", "/portal"])
def test_what_is_shown_comes_from_us_and_may_run_nothing(
    app: Flask, client: FlaskClient, cast: Any, paper: Any, door: str
) -> None:
    browser = at_portal(client, cast.cleo) if door else sign_in(client, cast.mel)
    sent = browser.get(address(paper, door=door))
    assert sent.status_code == 303 and sent.location.startswith(f"{door}/documents/{paper.id}/view/")
    shown = browser.get(sent.location)
    assert shown.status_code == 200 and shown.data == PAPER
    headers = shown.headers
    assert headers["Content-Type"] == "application/pdf" and headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"].startswith("default-src 'none';")
    assert headers["Content-Security-Policy"].endswith("; sandbox")
    assert "script-src" not in headers["Content-Security-Policy"] and "'self'" not in headers[
        "Content-Security-Policy"].replace("frame-ancestors 'self'", "")
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin" and headers["X-Frame-Options"] == "SAMEORIGIN"
    assert headers["Content-Disposition"] == (
        "inline; filename=\"Z_rich notes.pdf\"; filename*=UTF-8''Z%C3%BCrich%20notes.pdf"
    )
    assert headers["Cache-Control"] == "private, no-cache" and len(openings()) == 1
    assert in_use(app) == 0


def test_webkit_which_saves_a_pdf_in_a_sandbox_is_asked_to_show_it(client: FlaskClient, cast: Any, paper: Any) -> None:
    browser = sign_in(client, cast.mel)
    shown = browser.get(browser.get(address(paper)).location, headers={"User-Agent": SAFARI})
    assert "default-src 'none'" in shown.headers["Content-Security-Policy"]
    assert "sandbox" not in shown.headers["Content-Security-Policy"]
    picture = take_in(cast, "a.jpg", (FILES / "good" / "testJPEG_EXIF.jpg").read_bytes())
    drawn = browser.get(f"/documents/{picture.id}/preview", headers={"User-Agent": SAFARI})
    assert drawn.status_code == 200 and drawn.headers["Content-Security-Policy"].endswith("; sandbox")


def test_a_viewer_gets_the_parts_that_it_asks_for_and_the_opening_is_told_of_once(
    app: Flask, client: FlaskClient, cast: Any, paper: Any
) -> None:
    browser = sign_in(client, cast.mel)
    at = browser.get(address(paper)).location
    size = len(PAPER)
    assert browser.get(at).headers["Accept-Ranges"] == "bytes"
    for asked, begin, end in (("0-99", 0, 99), ("1000-", 1000, size - 1), ("-10", size - 10, size - 1)):
        part = browser.get(at, headers={"Range": f"bytes={asked}"})
        assert part.status_code == 206 and part.data == PAPER[begin : end + 1], asked
        assert part.headers["Content-Range"] == f"bytes {begin}-{end}/{size}"
    beyond = browser.get(at, headers={"Range": f"bytes={size}-"})
    assert beyond.status_code == 416 and beyond.headers["Content-Range"] == f"bytes */{size}"
    for odd in ("bytes=0-1,5-9", "lines=0-9", "bytes=nonsense"):
        assert browser.get(at, headers={"Range": odd}).data == PAPER, odd
    again = browser.get(at, headers={"If-None-Match": browser.get(at).headers["ETag"]})
    assert again.status_code == 304 and not again.data
    browser.head(at)
    assert openings() == [True] and in_use(app) == 0


def test_a_pass_is_its_holders_for_a_quarter_of_an_hour(
    client: FlaskClient, cast: Any, paper: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = sign_in(client, cast.mel).get(address(paper)).location
    other = take_in(cast, "other.pdf", PAPER + b"\n")
    mine = sign_in(client, cast.pat).get(address(paper)).location
    token = mine.rsplit("/", 1)[1]
    for wrong in (theirs, mine[:-2], f"/documents/{other.id}/view/{token}", f"/documents/{paper.id}/view/nonsense"):
        answer = client.get(wrong)
        assert answer.status_code == 303 and answer.location.endswith("/file?inline=1"), wrong
    assert client.get(mine).status_code == 200
    later = time.time() + PASS_SECONDS + 5
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: later)
    assert client.get(mine).location.endswith("/file?inline=1")


def test_walls_and_doors_are_asked_before_the_first_byte(
    client: FlaskClient, cast: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    paper = take_in(cast, "theirs.pdf", PAPER, client=cast.rival, contact=cast.otto)
    mine = show_document(paper, by=cast.actor(cast.pat))
    theirs = f"/portal/documents/{paper.id}/view/{show_document(paper, by=cast.contact(cast.otto))}"
    monkeypatch.setattr("app.core.storage.Storage.view", lambda *_: pytest.fail("bytes were asked for"))
    sign_in(client, cast.wes)
    for path in (f"/documents/{paper.id}/view/{mine}", f"/documents/{paper.id}/preview", address(paper)):
        assert client.get(path).status_code == 404, path
    assert at_portal(client, cast.cleo).get(theirs).status_code == 404
    keep(Hold(document_id=paper.id, kind="unpaid", reason="Held until the bill is paid.", created_at=now()))
    held = at_portal(client, cast.otto).get(theirs)
    assert held.status_code == 422 and "Held until the bill is paid." in held.text


def test_where_there_is_no_room_the_file_is_handed_over_by_storage(
    app: Flask, client: FlaskClient, cast: Any, paper: Any
) -> None:
    """Files and calls of storage together hold half of a process's threads; whoever comes then is not kept waiting."""
    browser = sign_in(client, cast.mel)
    at = browser.get(address(paper)).location
    leaving = list(iter(storage().take_room, None))
    assert len(leaving) == app.config["SETTINGS"].web_threads // 2 - 1, "one is left for calls"
    try:
        sent = browser.get(at)
        assert sent.status_code == 303 and storage().public_origin in sent.location and "=attachment" in sent.location
    finally:
        for leave in leaving:
            leave()
    assert browser.get(at).status_code == 200


def test_storage_that_fails_or_stalls_gives_its_place_back(
    app: Flask, client: FlaskClient, cast: Any, paper: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = sign_in(client, cast.mel)
    at = browser.get(address(paper)).location

    def gone(*_: Any) -> Stored:
        raise StorageUnavailable("File storage cannot be reached just now.")

    monkeypatch.setattr("app.core.storage.Storage.view", gone)
    assert browser.get(at).status_code == 503 and in_use(app) == 0

    def slow(*_: Any) -> Stored:
        return Stored("application/pdf", 2, iter([b"a", b"b"]))

    monkeypatch.setattr("app.core.storage.Storage.view", slow)
    monkeypatch.setattr(viewing, "LONGEST", -1)
    with pytest.raises(StorageUnavailable):
        _ = browser.get(at).data
    assert in_use(app) == 0


def test_who_waits_for_a_file_waits_seconds(cast: Any) -> None:
    limits: Any = storage()._at_once.meta.config
    assert (limits.connect_timeout, limits.read_timeout, limits.retries["total_max_attempts"]) == (2, 5, 1)


def test_a_file_of_great_size_is_downloaded(client: FlaskClient, cast: Any, paper: Any) -> None:
    db.session.execute(sa.text("UPDATE document SET size = :size"), {"size": viewing.MOST_SHOWN + 1})
    assert "=attachment" in sign_in(client, cast.mel).get(address(paper)).location
