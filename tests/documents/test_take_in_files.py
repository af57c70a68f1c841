"""Files from outside: the good come back as what they are, the hostile are refused with a sentence."""

from __future__ import annotations

import datetime as dt
import io
import threading
import urllib.error
import urllib.request
import zipfile
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, current_app
from flask.testing import FlaskClient
from PIL import Image

from app.core.actors import SYSTEM
from app.core.clock import now, travel_to
from app.core.db import db
from app.core.errors import NotAllowed, NotFound, Refused
from app.core.ids import new_id
from app.core.storage import storage
from app.documents.background import find_unchecked, reap_storage, tend_upload, tend_uploads
from app.documents.commands.checking import check_document
from app.documents.commands.serving import open_document
from app.documents.commands.uploads import (
    MEGABYTE,
    MOST_BYTES,
    MOST_RESERVED,
    QUICK_CHECK,
    NewFile,
    abandon_upload,
    cancel_under_way,
    clean_name,
    complete_upload,
    plain_form,
    plan_upload,
    start_plain_upload,
    start_upload,
)
from app.documents.inspection.archives import EICAR
from app.documents.inspection.kinds import Unacceptable
from app.documents.inspection.sniff import identify
from app.documents.models import Document, DocumentState
from app.documents.proof import find_differences, rows_and_objects_agree
from app.documents.queries import get_document, list_under_way
from tests.make import sign_in
from tests.requests.make_requests import FILES, put_parts

GOOD = sorted((FILES / "good").iterdir())
HOSTILE = sorted((FILES / "hostile").iterdir())


def take_in(cast: Any, name: str, body: bytes, *, client: Any = None, contact: Any = None) -> Document:
    by = cast.contact(contact or cast.cleo)
    document = start_upload(NewFile(new_id(), name, len(body)), client_id=(client or cast.acme).id, by=by)
    digests = put_parts(document, body)
    complete_upload(document.id, by=by, digests=digests)
    incoming_key = str(document.incoming_key)
    assert storage().exists(incoming_key)
    check_document(document.id, by=SYSTEM)
    assert not storage().exists(incoming_key)
    return again(document)


def again(document: Document) -> Document:
    db.session.expire_all()
    return db.session.get_one(Document, document.id)


def fetched(url: str) -> tuple[bytes, Message]:
    with urllib.request.urlopen(url) as answer:
        return answer.read(), answer.headers


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.name)
def test_a_good_file_goes_through_and_comes_back_as_it_was(cast: Any, path: Path) -> None:
    document = take_in(cast, path.name, path.read_bytes())
    assert document.state is DocumentState.AVAILABLE, document.rejected_because
    assert document.name == path.name
    body, headers = fetched(open_document(document, by=cast.actor(cast.mel)))
    assert body == path.read_bytes()
    assert headers["Content-Type"] == document.media_type
    assert headers["Content-Disposition"].startswith("attachment;")


@pytest.mark.parametrize("path", HOSTILE, ids=lambda path: path.name)
def test_a_hostile_file_is_refused_or_made_harmless_and_says_why(cast: Any, path: Path) -> None:
    body = path.read_bytes()
    if not body:
        with pytest.raises(Refused, match="empty"):
            take_in(cast, path.name, body)
        return
    document = take_in(cast, path.name, body)
    if document.state is DocumentState.AVAILABLE:
        assert document.media_type == "application/pdf" and document.name == "pdf_as_png.pdf"
        assert "PNG" in document.remark and "PDF" in document.remark
    else:
        assert document.state is DocumentState.REJECTED
        assert document.rejected_because.endswith(".") and len(document.rejected_because) > 30
        with pytest.raises(Refused):
            open_document(document, by=cast.actor(cast.mel))


def archive(*members: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, body in members:
            made.writestr(name, body)
    return out.getvalue()


def huge_picture() -> bytes:
    out = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(("name", "body", "says"), [
    ("ratio.zip", lambda: archive(("zeros.txt", bytes(64 << 20))), "unpack"),
    ("count.zip", lambda: archive(*((f"{n}.txt", b"") for n in range(2_500))), "more than 2,000"),
    ("nested.zip", lambda: archive(("inner.zip", archive(("a.txt", b"a")))), "archive inside"),
    ("program.zip", lambda: archive(("a.exe", b"MZ")), "program"),
    ("part.docx", lambda: archive(("[Content_Types].xml", b"<Types/>"), ("word/d.xml", bytes(64 << 20))), "unpack"),
    ("eicar.com", lambda: EICAR, "harmful"),
    ("eicar.zip", lambda: archive(("note.txt", EICAR)), "harmful"),
    ("900megapixels.png", huge_picture, "million"),
    ("page.txt", lambda: b"hello\n<script>alert(1)</script>", "web page"),
    ("program.pdf", lambda: b"MZ\x90\x00" + bytes(200), "program"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_what_would_do_harm_is_refused_before_it_is_unpacked(name: str, body: Any, says: str) -> None:
    content = body()
    with pytest.raises(Unacceptable, match=says):
        identify(io.BytesIO(content), len(content), name)


def test_a_picture_from_a_phone_gets_a_preview_that_browsers_show(client: FlaskClient, cast: Any) -> None:
    document = take_in(cast, "IMG_1034.heic", (FILES / "good" / "IMG_1034.heic").read_bytes())
    answer = sign_in(client, cast.mel).get(f"/documents/{document.id}/preview")
    assert answer.status_code == 200 and answer.content_type == "image/jpeg"
    with Image.open(io.BytesIO(answer.data)) as preview:
        assert max(preview.size) <= 1600
        assert not preview.getexif()


def test_a_file_that_changed_on_its_way_is_refused(cast: Any) -> None:
    by = cast.contact(cast.cleo)
    body = b"%PDF-1.4\n%%EOF\n"
    document = start_upload(NewFile(new_id(), "a.pdf", len(body)), client_id=cast.acme.id, by=by)
    put_parts(document, body)
    complete_upload(document.id, by=by, digests=["0" * 64])
    check_document(document.id, by=SYSTEM)
    assert "damaged on its way" in again(document).rejected_because


def test_a_file_of_several_parts_resumes_with_what_is_missing(cast: Any) -> None:
    by = cast.contact(cast.cleo)
    body = b"%PDF-1.4\n" + bytes(17 * MEGABYTE)
    file = NewFile(new_id(), "big.pdf", len(body))
    document = start_upload(file, client_id=cast.acme.id, by=by)
    plan = plan_upload(document, by=by)
    assert (plan.parts, plan.arrived) == (3, ())
    urllib.request.urlopen(
        urllib.request.Request(plan.addresses[2], data=body[8 * MEGABYTE : 16 * MEGABYTE], method="PUT")
    ).close()
    later = plan_upload(start_upload(file, client_id=cast.acme.id, by=by), by=by)
    assert later.arrived == (2,) and set(later.addresses) == {1, 3}
    with pytest.raises(Refused, match="missing"):
        complete_upload(document.id, by=by)
    digests = put_parts(document, body)
    complete_upload(document.id, by=by, digests=digests)
    check_document(document.id, by=SYSTEM)
    assert again(document).state is DocumentState.AVAILABLE


def test_the_same_content_twice_is_noticed_for_its_client_only(cast: Any) -> None:
    body = (FILES / "good" / "basicapi.pdf").read_bytes()
    first = take_in(cast, "a.pdf", body)
    second = take_in(cast, "b.pdf", body)
    elsewhere = take_in(cast, "c.pdf", body, client=cast.rival, contact=cast.otto)
    assert again(second).same_as_id == first.id
    assert again(elsewhere).same_as_id is None


def tend() -> None:
    """The sweep over uploads left standing, and what it asks for."""
    sent: list[tuple[str, dict[str, Any]]] = current_app.config["QUEUE_INLINE"]
    sent.clear()
    tend_uploads()
    for name, payload in list(sent):
        assert name == "documents.tend_one"
        tend_upload(**payload)


def test_a_plain_form_posts_to_storage_and_the_sweep_takes_it_in(cast: Any) -> None:
    by = cast.contact(cast.cleo)
    document = start_plain_upload(NewFile(new_id(), "Bank statements", 0), client_id=cast.acme.id, by=by)
    form = plain_form(document, redirect="http://localhost:8000/portal/there", by=by)
    body = (FILES / "good" / "basicapi.pdf").read_bytes()
    assert post_form(form, body) in (200, 204, 303, 404)
    db.session.get_one(Document, document.id).created_at = now() - dt.timedelta(minutes=1)
    db.session.flush()
    tend()
    assert again(document).state is DocumentState.RECEIVED
    check_document(document.id, by=SYSTEM)
    assert (again(document).name, again(document).size) == ("Bank statements.pdf", len(body))


def test_what_was_cancelled_is_not_taken_in_though_its_form_is_sent_after_all(cast: Any) -> None:
    by = cast.contact(cast.cleo)
    document = start_plain_upload(NewFile(new_id(), "Bank statements", 0), client_id=cast.acme.id, by=by)
    form, key = plain_form(document, redirect="http://localhost:8000/portal/there", by=by), str(document.incoming_key)
    abandon_upload(document.id, by=by)
    with pytest.raises(Refused, match="was cancelled"):
        plain_form(document, redirect="http://localhost:8000/portal/there", by=by)
    assert post_form(form, b"plain words") in (200, 204, 303, 404) and storage().exists(key)
    with pytest.raises(Refused, match="was cancelled"):
        complete_upload(document.id, by=by)
    db.session.get_one(Document, document.id).created_at = now() - dt.timedelta(minutes=1)
    db.session.flush()
    tend()
    assert again(document).state is DocumentState.UPLOADING
    with travel_to(now() + dt.timedelta(hours=25)):
        tend()
        assert again(document).state is DocumentState.REJECTED
        reap_storage()
    assert not storage().exists(key)


def post_form(form: dict[str, Any], body: bytes) -> int:
    mark = "frontier0123456789"
    fields = "".join(
        f'--{mark}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in form["fields"].items()
    )
    data = fields.encode() + (
        f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'.encode() + body
        + f"\r\n--{mark}--\r\n".encode()
    )
    kind = {"Content-Type": f"multipart/form-data; boundary={mark}"}
    call = urllib.request.Request(form["url"], data=data, headers=kind)

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *args: Any) -> None:
            return None

    try:
        with urllib.request.build_opener(Stay).open(call) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_an_upload_given_up_is_forgotten_after_a_day(cast: Any) -> None:
    by = cast.contact(cast.cleo)
    document = start_upload(NewFile(new_id(), "never.pdf", 100), client_id=cast.acme.id, by=by)
    db.session.get_one(Document, document.id).created_at = now() - dt.timedelta(hours=25)
    db.session.flush()
    tend()
    assert again(document).state is DocumentState.REJECTED
    with pytest.raises(NotFound):
        get_document(document.id, seen_by=by)
    assert plan_upload(again(document), by=by).state == "cancelled", "a browser that remembers its id begins anew"


def test_parts_that_no_upload_knows_are_removed_from_storage_after_a_day(cast: Any) -> None:
    key = f"incoming/{new_id()}"
    lost = storage().start_multipart(key, "application/octet-stream")
    kept = start_upload(NewFile(new_id(), "a.pdf", 9), client_id=cast.acme.id, by=cast.contact(cast.cleo))
    reap_storage()
    assert lost in {upload for _key, upload, _begun in storage().unfinished("incoming/")}
    with travel_to(now() + dt.timedelta(hours=25)):
        reap_storage()
    left = {found for found, _upload, _begun in storage().unfinished("incoming/")}
    assert key not in left and kept.incoming_key in left


def test_a_check_that_died_is_taken_up_again(cast: Any, queued: list[tuple[str, dict[str, Any]]]) -> None:
    by = cast.contact(cast.cleo)
    body = (FILES / "good" / "basicapi.pdf").read_bytes()
    document = start_upload(NewFile(new_id(), "a.pdf", len(body)), client_id=cast.acme.id, by=by)
    put_parts(document, body)
    complete_upload(document.id, by=by)
    row = db.session.get_one(Document, document.id)
    row.move_to(DocumentState.CHECKING)
    row.checking_at = now() - dt.timedelta(minutes=11)
    db.session.flush()
    queued.clear()
    find_unchecked()
    assert queued == [("documents.check", {"id": str(document.id)})]
    check_document(document.id, by=SYSTEM)
    assert again(document).state is DocumentState.AVAILABLE


def test_a_large_file_is_longer_in_hand_before_another_worker_takes_it(
    cast: Any, queued: list[tuple[str, dict[str, Any]]]
) -> None:
    mel = cast.actor(cast.mel)
    document = start_upload(NewFile(new_id(), "a.zip", QUICK_CHECK + 1), client_id=cast.acme.id, by=mel)
    row = db.session.get_one(Document, document.id)
    row.state, row.checking_at, row.received_at = DocumentState.CHECKING, now() - dt.timedelta(minutes=30), now()
    db.session.flush()
    queued.clear()
    find_unchecked()
    assert queued == []
    row.checking_at = now() - dt.timedelta(minutes=62)
    db.session.flush()
    find_unchecked()
    assert queued == [("documents.check_large", {"id": str(document.id)})]


def test_rows_without_objects_and_objects_without_rows_are_found(cast: Any) -> None:
    document = take_in(cast, "a.pdf", (FILES / "good" / "basicapi.pdf").read_bytes())
    lonely = f"kept/{new_id()}"
    storage().put(lonely, b"x", "text/plain")
    storage().delete(document.kept_key or "")
    told = "\n".join(find_differences())
    assert f"Document {document.id} has no object" in told
    assert f"Object {lonely} belongs to no document" in told
    storage().delete(lonely)


def test_a_file_in_check_is_in_hand_and_not_lost(cast: Any) -> None:
    by = cast.contact(cast.cleo)
    body = (FILES / "good" / "basicapi.pdf").read_bytes()
    document = start_upload(NewFile(new_id(), "a.pdf", len(body)), client_id=cast.acme.id, by=by)
    put_parts(document, body)
    complete_upload(document.id, by=by)
    row = db.session.get_one(Document, document.id)
    row.move_to(DocumentState.CHECKING)
    db.session.flush()
    made = [f"kept/{document.id}", f"kept/{document.id}-preview"]  # what a check puts there before the row says so
    for key in made:
        storage().put(key, body, "application/pdf")
    found = [each for each in rows_and_objects_agree() if str(document.id) in each.message or each.note]
    assert [(each.note, each.message) for each in found] == [(True, "1 file is in hand: being checked.")]
    check_document(document.id, by=SYSTEM)  # taken by somebody: it stays in hand
    row.checking_at = now() - dt.timedelta(minutes=11)
    db.session.flush()
    check_document(document.id, by=SYSTEM)
    assert again(document).state is DocumentState.AVAILABLE
    assert not [each for each in rows_and_objects_agree() if str(document.id) in each.message or each.note]


@pytest.mark.parametrize("name", ['a"b\r\nSet-Cookie: x.pdf', "../../etc/passwd", "\u202efdp.exe.pdf", "ä ö 漢字.pdf",
                                  "x" * 400 + ".pdf", "\x00", "...", "con.pdf"])
def test_odd_names_stay_names(cast: Any, name: str) -> None:
    kept = clean_name(name)
    assert kept and len(kept) <= 200 and "/" not in kept and "\n" not in kept and "\x00" not in kept
    document = take_in(cast, name, b"%PDF-1.4\n" + kept.encode())
    _body, headers = fetched(open_document(document, by=cast.actor(cast.mel)))
    assert headers["Content-Disposition"].count("filename") == 2
    assert headers.get("Set-Cookie") is None


def test_what_a_killed_worker_left_in_storage_is_removed_after_a_day(cast: Any) -> None:
    left, someones = f"incoming/{new_id()}", "incoming/not-an-id"
    by = cast.contact(cast.cleo)
    document = start_upload(NewFile(new_id(), "a.txt", 5), client_id=cast.acme.id, by=by)
    put_parts(document, b"hello")
    complete_upload(document.id, by=by)
    awaited = str(document.incoming_key)
    for key in (left, someones):
        storage().put(key, io.BytesIO(b"kept already"), "text/plain")
    reap_storage()
    assert storage().exists(left)
    with travel_to(now() + dt.timedelta(hours=25)):
        reap_storage()
    assert [storage().exists(key) for key in (left, someones, awaited)] == [False, True, True]
    storage().delete(someones)


def test_two_beginnings_and_two_completions_at_once_make_one_file(real_app: Flask) -> None:
    from tests.make import make_cast

    real_app.config["QUEUE_INLINE"].clear()
    with real_app.app_context():
        cast = make_cast()
        db.session.commit()
        by = cast.contact(cast.cleo)
        body = (FILES / "good" / "basicapi.pdf").read_bytes()
        acme, file = cast.acme.id, NewFile(new_id(), "a.pdf", len(body))
    made = both_at_once(real_app, lambda: start_upload(file, client_id=acme, by=by).id)
    assert made == [file.id, file.id]
    with real_app.app_context():
        digests = put_parts(db.session.get_one(Document, file.id), body)
        db.session.commit()
    states = both_at_once(real_app, lambda: complete_upload(file.id, by=by, digests=digests).state.value)
    assert states == ["received", "received"]
    assert real_app.config["QUEUE_INLINE"] == [("documents.check", {"id": str(file.id)})]


def test_two_who_ask_for_the_last_room_at_once_do_not_both_get_it(real_app: Flask, monkeypatch: Any) -> None:
    from tests.make import make_cast

    monkeypatch.setattr("app.documents.commands.uploads.CLIENT_QUOTA", 100)
    with real_app.app_context():
        cast = make_cast()
        db.session.commit()
        by, acme = cast.contact(cast.cleo), cast.acme.id

    def ask() -> str:
        try:
            return start_upload(NewFile(new_id(), "a.pdf", 60), client_id=acme, by=by).state.value
        except Refused as refusal:
            return refusal.message

    assert sorted(both_at_once(real_app, ask), key=len) == [
        "uploading", "There is no room for more files of this client. Please speak to us.",
    ]


def both_at_once(app: Flask, work: Any) -> list[Any]:
    """What two browsers get that ask in the same moment."""
    start, answers = threading.Barrier(2), list[Any]()

    def ask() -> None:
        with app.app_context():
            start.wait()
            answers.append(work())

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_a_client_who_is_full_gets_no_more_in_by_asking_or_by_arriving(cast: Any, monkeypatch: Any) -> None:
    """Two that each had room when they began: what does not fit together is refused when it arrives."""
    body, by = b"plain words\n" * 10, cast.contact(cast.cleo)
    begun = start_upload(NewFile(new_id(), "a.txt", len(body)), client_id=cast.acme.id, by=by)
    digests = put_parts(begun, body)
    complete_upload(begun.id, by=by, digests=digests)
    for module in ("uploads", "checking"):
        monkeypatch.setattr(f"app.documents.commands.{module}.CLIENT_QUOTA", len(body) - 1)
    check_document(begun.id, by=SYSTEM)
    assert again(begun).state is DocumentState.REJECTED and "room" in again(begun).rejected_because
    with pytest.raises(Refused, match="no room"):
        start_upload(NewFile(new_id(), "b.txt", len(body)), client_id=cast.acme.id, by=by)
    start_upload(NewFile(new_id(), "b.txt", 5), client_id=cast.rival.id, by=cast.contact(cast.otto))


def begin(cast: Any, size: int, *, by: Any = None) -> Document:
    return start_upload(NewFile(new_id(), "a.pdf", size), client_id=cast.acme.id, by=by or cast.contact(cast.cleo))


def test_what_one_contact_says_they_send_and_does_not_is_capped(cast: Any) -> None:
    """Four files of 2 GB that never come do not take the client's room for a day."""
    begun = [begin(cast, MOST_BYTES) for _ in range(MOST_RESERVED // MOST_BYTES)]
    with pytest.raises(Refused, match="cancel what is under way"):
        begin(cast, 1)
    assert begin(cast, 1, by=cast.actor(cast.mel)), "it is the contact's own"
    assert start_upload(NewFile(begun[0].id, "a.pdf", MOST_BYTES), client_id=cast.acme.id,
                        by=cast.contact(cast.cleo)) is begun[0], "what was begun goes on"
    abandon_upload(begun[0].id, by=cast.contact(cast.cleo))
    assert plan_upload(begun[0], by=cast.contact(cast.cleo)).state == "cancelled"
    begin(cast, MOST_BYTES)


def test_whoever_begins_too_many_files_shuts_out_nobody_else_and_cancels_those_of_a_plain_form_too(
    cast: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr("app.documents.commands.uploads.MOST_UNDER_WAY", 2)
    cleo, mel = cast.contact(cast.cleo), cast.actor(cast.mel)

    def plain(by: Any) -> Document:
        return start_plain_upload(NewFile(new_id(), "A form", 0), client_id=cast.acme.id, by=by)

    mine = [plain(cleo), begin(cast, 10)]
    for begun in (plain, lambda by: begin(cast, 10, by=by)):
        with pytest.raises(Refused, match="cancel what is under way"):
            begun(cleo)
    for _ in range(2):
        begin(cast, 10, by=mel)
    assert list_under_way(seen_by=cleo) == mine
    assert cancel_under_way(by=cleo) == 2 and list_under_way(seen_by=cleo) == []
    plain(cleo)
    with pytest.raises(Refused, match="try again tomorrow") as told:
        begin(cast, 10, by=mel)
    assert "cancel" not in told.value.message, "no screen of ours lists them"


def test_all_that_is_under_way_is_cancelled_at_once_and_takes_no_room_any_more(cast: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("app.documents.commands.uploads.CLIENT_QUOTA", 100)
    cleo, mel = cast.contact(cast.cleo), cast.actor(cast.mel)
    mine, others = [begin(cast, 30), begin(cast, 30)], begin(cast, 30, by=mel)
    assert [document.id for document in list_under_way(seen_by=cleo)] == [document.id for document in mine]
    assert list_under_way(seen_by=cast.contact(cast.otto)) == []
    assert cancel_under_way(by=cleo) == 2
    assert cancel_under_way(by=cleo) == 0, "a second time there is nothing"
    assert list_under_way(seen_by=cleo) == [] and list_under_way(seen_by=mel) == [others]
    begin(cast, 70)
    with pytest.raises(NotAllowed):
        cancel_under_way(by=SYSTEM)
