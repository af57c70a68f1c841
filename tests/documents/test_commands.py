"""Handing a document out in each of its shapes: to who may open it, told of once an opening, and held where it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from app.core.clock import now
from app.core.db import db
from app.core.errors import NotAllowed, NotFound, Refused
from app.core.ids import new_id
from app.documents.commands.serving import (
    PASS_SECONDS,
    open_jpeg,
    open_preview,
    show_document,
    shown_by_pass,
    thumbnail_of,
)
from app.documents.commands.uploads import NewFile, plan_upload, start_upload
from app.documents.models import Document, DocumentState, Hold
from app.documents.queries import DocumentFilters, list_documents
from tests.make import Cast, keep, not_for
from tests.test_small_commands import told

OPENED = "documents.document.opened"
WAYS: tuple[Callable[..., Any], ...] = (open_preview, open_jpeg, thumbnail_of)


@pytest.fixture
def photo(cast: Cast) -> Document:
    """A phone's picture that Cleo gave, with all that is drawn of it."""
    made: Document = keep(Document(
        id=new_id(), client_id=cast.acme.id, name="Shop.front.heic", size=5, added_kind="contact",
        added_by=cast.cleo.id, created_at=now(), state=DocumentState.AVAILABLE, media_type="image/heic",
        sha256=b"\1" * 32, kept_key="kept/a", preview_key="kept/b", thumbnail_key="kept/c", jpeg_key="kept/d",
    ))
    return made


def without(photo: Document, *names: str) -> Document:
    for name in names:
        setattr(photo, name, None)
    db.session.flush()
    return photo


def test_a_preview_is_an_opening_each_time_and_a_thumbnail_none(cast: Cast, photo: Document) -> None:
    mel = cast.actor(cast.mel)
    for _twice in range(2):
        shown = open_preview(photo, by=mel)
    assert (shown.key, shown.name, shown.media_type) == ("kept/b", "Shop.front.heic.jpg", "image/jpeg")
    assert told(OPENED) == 2
    small = thumbnail_of(photo, by=mel)
    assert (small.key, small.media_type) == ("kept/c", "image/jpeg") and small.tag != shown.tag
    assert told(OPENED) == 2


def test_a_picture_is_downloaded_as_jpeg_under_its_own_name(cast: Cast, photo: Document) -> None:
    link = open_jpeg(photo, by=cast.contact(cast.cleo))
    assert "kept/d" in link and "Shop.front.jpg" in link and told(OPENED) == 1


def test_what_was_not_drawn_is_not_found_and_nothing_was_opened(cast: Cast, photo: Document) -> None:
    without(photo, "preview_key", "thumbnail_key", "jpeg_key")
    for way in WAYS:
        with pytest.raises(NotFound):
            way(photo, by=cast.actor(cast.mel))
    assert told(OPENED) == 0


@pytest.mark.parametrize("way", WAYS)
def test_nobody_is_handed_what_is_not_theirs_to_open(cast: Cast, photo: Document, way: Callable[..., Any]) -> None:
    by_link = replace(cast.contact(cast.cleo), signed_in=False)
    not_for((cast.contact(cast.otto), by_link), lambda by: way(photo, by=by))
    photo.client_id = cast.rival.id
    db.session.flush()
    not_for((cast.actor(cast.wes),), lambda by: way(photo, by=by))
    assert told(OPENED) == 0


@pytest.mark.parametrize("way", WAYS)
def test_a_file_in_its_check_or_held_is_handed_to_no_client(
    cast: Cast, photo: Document, way: Callable[..., Any]
) -> None:
    keep(Hold(document_id=photo.id, kind="unpaid", reason="Held until the bill is paid.", created_at=now()))
    with pytest.raises(Refused, match="until the bill is paid"):
        way(photo, by=cast.contact(cast.cleo))
    assert way(photo, by=cast.actor(cast.mel)), "the firm itself opens it"
    before = told(OPENED)
    photo.state = DocumentState.CHECKING
    db.session.flush()
    with pytest.raises(Refused, match="still being checked"):
        way(photo, by=cast.actor(cast.mel))
    assert told(OPENED) == before


def test_a_pass_shows_that_document_to_its_holder_and_to_nobody_else(
    cast: Cast, photo: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    mel = cast.actor(cast.mel)
    token = show_document(photo, by=mel)
    for _part in range(2):
        shown = shown_by_pass(photo, token, by=mel)
        assert shown is not None and shown.key == "kept/b"
    assert told(OPENED) == 1, "its parts are no openings"
    assert shown_by_pass(photo, token, by=cast.actor(cast.pat)) is None
    assert shown_by_pass(photo, token[:-1], by=mel) is None and shown_by_pass(photo, "x" * 10_000, by=mel) is None
    with pytest.raises(NotAllowed):
        shown_by_pass(photo, token, by=cast.contact(cast.otto))
    later = time.time() + PASS_SECONDS + 5
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: later)
    assert shown_by_pass(photo, token, by=mel) is None


def test_a_pass_shows_nothing_that_has_been_held_since(cast: Cast, photo: Document) -> None:
    cleo = cast.contact(cast.cleo)
    token = show_document(photo, by=cleo)
    keep(Hold(document_id=photo.id, kind="unpaid", reason="Held until the bill is paid.", created_at=now()))
    with pytest.raises(Refused, match="until the bill is paid"):
        shown_by_pass(photo, token, by=cleo)


def test_only_whoever_began_an_upload_is_told_where_its_parts_go(cast: Cast) -> None:
    cleo = cast.contact(cast.cleo)
    document = start_upload(NewFile(new_id(), "October.txt", 7), client_id=cast.acme.id, by=cleo)
    not_for((cast.contact(cast.otto), cast.actor(cast.mel), cast.actor(cast.wes)),
            lambda by: plan_upload(document, by=by))
    assert list(plan_upload(document, by=cleo).addresses) == [1]


@pytest.mark.parametrize("words", ["kontoauszug muller", "MÜLLER kontoauszug", "mueller 2026", "pdf kontoauszüge"])
def test_a_document_is_found_by_its_words_in_any_order_and_without_accents_at_both_doors(
    cast: Cast, photo: Document, words: str
) -> None:
    photo.name, photo.client_sees = "Kontoauszüge_2026 (Kontoauszug Müller).pdf", True
    db.session.flush()
    for door in (cast.actor(cast.mel), cast.contact(cast.cleo)):
        for filters in (DocumentFilters(cast.acme.id, words), DocumentFilters(words=words)):
            assert list_documents(filters, seen_by=door) == ([photo], False)
        assert list_documents(DocumentFilters(words=f"{words} 2025"), seen_by=door) == ([], False)
