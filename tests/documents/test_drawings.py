"""Documents are drawn small for lists, in the background; what cannot be drawn keeps its sign."""

from __future__ import annotations

import io
import tempfile
import zlib
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from PIL import Image
from pypdf import PdfWriter

from app.core.actors import SYSTEM
from app.core.db import db
from app.core.errors import NotAllowed
from app.core.reading import Limits
from app.core.storage import storage
from app.documents.commands.drawing import draw_kept, draw_rest
from app.documents.inspection import drawings
from app.documents.inspection.drawings import BOX, Drawn, draw
from app.documents.models import Document
from app.documents.proof import find_differences
from tests.documents.test_pdfs import locked
from tests.documents.test_take_in_files import again, fetched, take_in
from tests.make import sign_in
from tests.portal.make_portal import at_portal
from tests.requests.make_requests import FILES, give_file, item_of, make_request

PAPER = (FILES / "good" / "basicapi.pdf").read_bytes()
PHONE = (FILES / "good" / "IMG_1034.heic").read_bytes()


def drawn(document: Document) -> Document:
    draw_kept(document.id, by=SYSTEM)
    return again(document)


def differences_of(document: Document) -> list[str]:
    """What does not fit of this document; the bucket is shared by tests."""
    return [told for told in find_differences() if str(document.id) in told]


def looked_at(body: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(body))
    assert picture.format == "JPEG" and not picture.getexif()
    return picture


def test_a_pdf_is_drawn_by_its_first_page_and_shown_in_every_list(
    client: FlaskClient, cast: Any, queued: list[Any]
) -> None:
    request = make_request(cast)
    paper = give_file(item_of(request, "statements"), "paper.pdf", PAPER, by=cast.contact(cast.cleo))
    assert ("documents.draw", {"id": str(paper.id)}) in queued
    lists = (f"/clients/{cast.acme.id}/documents", f"/requests/{request.id}")
    theirs = ("/portal/documents/", f"/portal/requests/{request.id}")
    sign_in(client, cast.mel)
    assert client.get(f"/documents/{paper.id}/thumbnail").status_code == 404
    before = [client.get(path).text for path in lists]
    assert all('class="thumbnail"' in page and "/thumbnail" not in page for page in before)
    assert again(paper).thumbnail_key is None and drawn(paper).thumbnail_key
    sign_in(client, cast.mel)
    assert all(f'src="/documents/{paper.id}/thumbnail"' in client.get(path).text for path in lists)
    shown = client.get(f"/documents/{paper.id}/thumbnail")
    with looked_at(shown.data) as picture:
        assert picture.width <= BOX[0] and picture.height <= BOX[1] and max(picture.size) > 200
        assert len(picture.convert("L").getcolors() or ()) > 10, "nothing was drawn"
    assert shown.headers["X-Content-Type-Options"] == "nosniff"
    assert client.get(f"/documents/{paper.id}/thumbnail",
                      headers={"If-None-Match": shown.headers["ETag"]}).status_code == 304
    browser = at_portal(client, cast.cleo)
    assert all(f'src="/portal/documents/{paper.id}/thumbnail"' in browser.get(path).text for path in theirs)
    assert browser.get(f"/portal/documents/{paper.id}/thumbnail").data == shown.data
    by_link = at_portal(client, cast.cleo, request)
    assert "/thumbnail" not in by_link.get(f"/portal/requests/{request.id}").text
    assert by_link.get(f"/portal/documents/{paper.id}/thumbnail").status_code in (303, 403)
    assert differences_of(paper) == []


def test_a_phones_picture_is_shown_and_comes_as_jpeg_and_its_original_stays(client: FlaskClient, cast: Any) -> None:
    picture = drawn(take_in(cast, "IMG_1034.heic", PHONE))
    browser = at_portal(client, cast.cleo)
    assert f'href="/portal/documents/{picture.id}/jpeg"' in browser.get("/portal/documents/").text
    link = browser.get(f"/portal/documents/{picture.id}/jpeg").location
    body, headers = fetched(link)
    assert 'filename="IMG_1034.jpg"' in headers["Content-Disposition"] and headers["Content-Type"] == "image/jpeg"
    with looked_at(body) as jpeg, Image.open(io.BytesIO(PHONE)) as original:
        assert sorted(jpeg.size) == sorted(original.size), "the JPEG is as large as the original"
    at = browser.get(f"/portal/documents/{picture.id}/file?inline=1").location
    shown = browser.get(at)
    assert shown.content_type == "image/jpeg" and max(looked_at(shown.data).size) <= 1600
    original_link = browser.get(f"/portal/documents/{picture.id}/file").location
    assert fetched(original_link)[0] == PHONE
    sign_in(client, cast.mel)
    assert f'href="/documents/{picture.id}/jpeg"' in client.get(f"/clients/{cast.acme.id}/documents").text
    assert client.get(f"/documents/{picture.id}/jpeg").location
    assert differences_of(picture) == []


def test_what_cannot_be_drawn_is_tried_once_and_keeps_its_sign(
    client: FlaskClient, cast: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    paper = take_in(cast, "locked.pdf", locked("secret"))
    stub = take_in(cast, "stub.pdf", b"%PDF-1.4\n%%EOF\n")
    table = take_in(cast, "a.csv", b"a,b\n1,2\n")
    assert table.drawn_at is not None, "no kind that anybody draws"
    for document in (drawn(paper), drawn(stub)):
        assert document.drawn_at is not None and document.thumbnail_key is None
    monkeypatch.setattr("app.documents.commands.drawing.draw", lambda *_: pytest.fail("drawn again"))
    draw_kept(paper.id, by=SYSTEM)
    assert draw_rest(by=SYSTEM) == 0
    page = at_portal(client, cast.cleo).get("/portal/documents/").text
    assert page.count('class="thumbnail"') == 3 and "/thumbnail" not in page


def test_what_no_worker_has_drawn_is_drawn_by_the_sweep(cast: Any) -> None:
    paper = take_in(cast, "paper.pdf", PAPER)
    assert draw_rest(by=SYSTEM) == 1 and draw_rest(by=SYSTEM) == 0
    key = again(paper).thumbnail_key
    assert key and storage().exists(key)
    storage().delete(key)
    assert differences_of(paper) == [f"Document {paper.id} has no thumbnail {key}."]


def page_of(width: float, height: float) -> bytes:
    writer = PdfWriter()
    writer.add_blank_page(width, height)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def drawing_itself() -> bytes:
    """A page whose one picture is made of itself, twice, and a stream that unpacks to 60 MB."""
    flood = zlib.compress(b"/A Do " * 3 + bytes(60 << 20))
    return (
        b"%%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
        b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Resources<</XObject<</A 4 0 R>>>>/Contents 5 0 R>>"
        b"endobj\n"
        b"4 0 obj<</Type/XObject/Subtype/Form/BBox[0 0 99 99]/Resources<</XObject<</A 4 0 R>>>>/Length 11>>stream\n"
        b"/A Do /A Do\nendstream\nendobj\n5 0 obj<</Filter/FlateDecode/Length %d>>stream\n%s\nendstream\nendobj\n"
        b"trailer<</Root 1 0 R>>\n%%%%EOF\n" % (len(flood), flood)
    )


def test_a_page_that_takes_too_long_to_draw_ends_at_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawings, "LIMITS", Limits(memory=512 << 20, seconds=1, wait=5))
    with tempfile.TemporaryFile() as file:
        file.write(drawing_itself())
        assert draw(file, file.tell(), "application/pdf") == Drawn()


@pytest.mark.parametrize("body", [
    page_of(14_400, 14_400), page_of(1e9, 2), page_of(0.001, 0.001), PAPER[:2_000], b"%PDF-1.7\n" + bytes(1_000_000),
], ids=["large", "a ribbon", "a dot", "cut off", "noughts"])
def test_a_page_of_any_shape_ends_as_a_small_picture_or_none(body: bytes) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(body)
        found = draw(file, len(body), "application/pdf")
    if found.thumbnail:
        with looked_at(found.thumbnail) as picture:
            assert picture.width <= BOX[0] and picture.height <= BOX[1]


def drawn_here(body: bytes, media_type: str = "application/pdf") -> tuple[int, int] | None:
    """The size of the thumbnail, drawn without a process of its own."""
    small, found = drawings.draw_document(io.BytesIO(body), media_type)
    return looked_at(found[:small]).size if small else None


def test_what_is_drawn_is_read_within_the_limits_of_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawings, "LIMITS", Limits(memory=16 << 20))
    with tempfile.TemporaryFile() as file:
        file.write(PAPER)
        assert draw(file, len(PAPER), "application/pdf") == Drawn()


def test_what_is_too_large_to_be_drawn_is_neither_fetched_nor_read(
    cast: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawings, "read_apart", lambda *_, **__: pytest.fail("read"))
    assert draw(io.BytesIO(PAPER), drawings.MOST_READ + 1, "application/pdf") == Drawn()
    paper = take_in(cast, "paper.pdf", PAPER)
    monkeypatch.setattr("app.documents.commands.drawing.MOST_READ", len(PAPER) - 1)
    monkeypatch.setattr("app.documents.commands.drawing._draw", lambda *_: pytest.fail("fetched"))
    assert drawn(paper).thumbnail_key is None and again(paper).drawn_at is not None


def test_a_large_picture_is_drawn_no_larger_than_a_list_shows_it() -> None:
    body = io.BytesIO()
    Image.new("RGB", (1_200, 600)).save(body, "PNG")
    assert drawn_here(body.getvalue(), "image/png") == (240, 120)


def test_a_page_without_a_size_and_one_that_its_reader_refuses_end_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    assert drawn_here(page_of(0.001, 0.001)) == (1, 1)
    monkeypatch.setattr("pypdfium2.PdfPage.get_size", lambda _: (0.0, 0.0))
    assert drawn_here(page_of(7, 7)) is not None

    def refuse(*_: Any, **__: Any) -> None:
        raise ValueError("no such size")

    monkeypatch.setattr("pypdfium2.PdfPage.render", refuse)
    assert drawn_here(page_of(7, 7)) is None


def test_only_the_system_draws(cast: Any) -> None:
    paper = take_in(cast, "paper.pdf", PAPER)
    for act in (lambda: draw_kept(paper.id, by=cast.actor(cast.pat)), lambda: draw_rest(by=cast.actor(cast.pat))):
        with pytest.raises(NotAllowed):
            act()
    assert db.session.scalar(sa.select(Document.drawn_at).where(Document.id == paper.id)) is None
