"""PDFs that run something are downloaded, never shown; locked and empty ones are told to both sides."""

from __future__ import annotations

import io
import zlib
from typing import Any

import pypdf
import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from app.core.actors import SYSTEM
from app.core.db import db
from app.core.errors import Refused
from app.core.storage import storage
from app.documents.commands.checking import look_again
from app.documents.commands.serving import open_document, show_document
from app.documents.inspection.pdfs import EMPTY, LOCKED, look_at_pdf
from tests.documents.test_take_in_files import again, take_in
from tests.make import sign_in
from tests.portal.make_portal import at_portal
from tests.requests.make_requests import FILES, give_file, item_of, make_request

PAPER = (FILES / "good" / "basicapi.pdf").read_bytes()
PLAIN = b"%PDF-1.4\n1 0 obj <</Type /Page>> endobj\n"


def packed(objects: bytes) -> bytes:
    return PLAIN + b"2 0 obj <</Type /ObjStm /Filter /FlateDecode>> stream\n" + zlib.compress(objects) + b"\nendstream"


ACTIVE = {
    "a script": PLAIN + b"2 0 obj <</S /JavaScript /JS (app.alert(1))>> endobj",
    "a script spelled oddly": PLAIN + b"2 0 obj <</S /J#61vaScript>> endobj",
    "a script among packed objects": packed(b"<</S /JavaScript /JS (app.alert(1))>>"),
    "a program to start": PLAIN + b"2 0 obj <</S /Launch /F (cmd.exe)>> endobj",
    "a file within": PLAIN + b"2 0 obj <</Type /EmbeddedFile>> stream",
    "packed objects that are not to be read": PLAIN + b"<</Type /ObjStm>> stream\nnonsense",
    "packed objects without end": packed(bytes(80 << 20)),
}


def looked_at(body: bytes, tmp_path: Any) -> Any:
    path = tmp_path / "a.pdf"
    path.write_bytes(body)
    with path.open("rb") as file:
        return look_at_pdf(file, len(body))


@pytest.mark.parametrize("what", ACTIVE)
def test_what_runs_or_hides_something_is_not_shown(what: str, tmp_path: Any) -> None:
    assert looked_at(ACTIVE[what], tmp_path).download_only


def test_ordinary_papers_are_shown(tmp_path: Any) -> None:
    for name in ("basicapi.pdf", "form_two_pages.pdf", "tracemonkey.pdf"):
        look = looked_at((FILES / "good" / name).read_bytes(), tmp_path)
        assert not look.remark, name
        assert not look.download_only, name


def locked(password: str) -> bytes:
    writer = pypdf.PdfWriter(clone_from=FILES / "good" / "basicapi.pdf")
    writer.encrypt(user_password=password, owner_password="owner", algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def test_what_takes_a_password_is_locked_and_what_only_forbids_printing_is_not(tmp_path: Any) -> None:
    assert looked_at(locked("secret"), tmp_path).remark == LOCKED
    assert looked_at(locked(""), tmp_path).remark == ""


def test_an_active_paper_comes_as_a_download_for_both_sides(client: FlaskClient, cast: Any) -> None:
    document = take_in(cast, "script.pdf", ACTIVE["a script"])
    harmless = take_in(cast, "paper.pdf", (FILES / "good" / "basicapi.pdf").read_bytes())
    for by in (cast.contact(cast.cleo), cast.actor(cast.mel)):
        with pytest.raises(Refused, match="downloaded"):
            show_document(document, by=by)
        assert "=attachment" in open_document(document, by=by)
        assert show_document(harmless, by=by)
    sign_in(client, cast.mel)
    sent = client.get(f"/documents/{document.id}/file?inline=1").location
    assert storage().public_origin in sent and "=attachment" in sent
    assert client.get(f"/documents/{harmless.id}/file?inline=1").location.startswith(f"/documents/{harmless.id}/view/")
    by_the_portal = at_portal(client, cast.cleo).get(f"/portal/documents/{document.id}/file?inline=1").location
    assert "=attachment" in by_the_portal


def test_a_preview_is_offered_only_of_what_is_shown(client: FlaskClient, cast: Any) -> None:
    """Of an active paper the frame would begin a download that nobody asked for."""
    request = make_request(cast)
    for name, body in (("script.pdf", ACTIVE["a script"]), ("paper.pdf", PAPER)):
        give_file(item_of(request, "statements"), name, body, by=cast.contact(cast.cleo))
    sign_in(client, cast.mel)
    page = client.get(f"/requests/{request.id}").text
    assert "Preview of paper.pdf" in page and "script.pdf" in page and "Preview of script.pdf" not in page


def test_papers_kept_before_anybody_looked_are_downloaded_until_somebody_has(cast: Any) -> None:
    document = take_in(cast, "paper.pdf", (FILES / "good" / "basicapi.pdf").read_bytes())
    db.session.execute(sa.text("UPDATE document SET download_only = NULL"))
    assert not again(document).can_be_shown
    assert look_again(by=SYSTEM) == 1 and look_again(by=SYSTEM) == 0
    assert again(document).can_be_shown


def test_both_sides_are_told_that_a_paper_is_locked_or_empty(client: FlaskClient, cast: Any) -> None:
    take_in(cast, "locked.pdf", locked("secret"))
    take_in(cast, "stub.pdf", b"%PDF-1.4\n%%EOF\n")
    page = at_portal(client, cast.cleo).get("/portal/documents/").text
    assert LOCKED in page and EMPTY in page
    sign_in(client, cast.mel)
    ours = client.get(f"/clients/{cast.acme.id}/documents").text
    assert LOCKED in ours and EMPTY in ours
