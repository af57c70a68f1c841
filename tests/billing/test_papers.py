"""Any letter is printed or shown as a mark; a paper that cannot be made is told before its number, or listed after."""

from __future__ import annotations

import datetime as dt
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
import typst
from flask.testing import FlaskClient
from PIL import Image
from pypdf import PdfReader
from sqlalchemy.orm import Session

from app.billing import background, pdf
from app.billing.background import ensure_pdf, keep_pdf
from app.billing.commands.credit import credit_invoice
from app.billing.commands.drafts import discard_draft
from app.billing.commands.issue import approve_invoice
from app.billing.commands.lines import DraftTerms, LineChange, change_line, change_terms
from app.billing.commands.totals import lines_of
from app.billing.glyphs import FONTS, MARK, coverage, families, language_of, printable, unprintable
from app.billing.models import Invoice, TaxMode
from app.billing.queries.invoices import list_failed
from app.billing.queries.statements import statement_of
from app.billing.statement_pdf import statement_pdf
from app.clients.models import Wall
from app.core import clock
from app.core.errors import Refused
from app.core.ids import new_id
from app.delivery.models import Delivery
from tests.billing.make_billing import make_draft, make_entry, make_rate
from tests.make import Cast, count, keep, sign_in

SCRIPTS = {
    "emoji": "Merci 🎉 👩‍👩‍👧‍👦 👍🏽 🇬🇧 ❤️", "Korean": "한국어 주식회사", "Thai": "บริษัท ไทย จำกัด",
    "Hindi": "हिन्दी प्राइवेट लिमिटेड",
    "Georgian": "ქართული", "Arabic": "شركة النور للتجارة", "Hebrew": "חברת אור", "Chinese": "北京贸易有限公司",
    "Taiwanese": "臺灣貿易", "Japanese": "株式会社トヨタ 髙橋", "Tamil": "தமிழ் நிறுவனம்", "Bengali": "বাংলা কোম্পানি",
    "Amharic": "አማርኛ", "Armenian": "Հայերեն", "Khmer": "ភាសាខ្មែរ", "Burmese": "မြန်မာ", "Sinhala": "සිංහල",
    "Tibetan": "བོད་སྐད", "Greek": "Ελληνικά", "Cyrillic": "Українська", "Vietnamese": "Nguyễn Thị Minh Khai",
}
LONG = "x" * 10_000
STRANGE = {
    "controls": "a\x07b\x1b[31mc\x7fd\x85e\x0bf", "long word": LONG, "no typeface": "𓀀 ꀀ \ue000 \U0010ffff",
    "turned about": "\u202egnp.exe", "piled up": "x" + "\u0301" * 500, "marks alone": "\u0301\u0e31\u093e",
}  # fmt: skip


def text_of(body: bytes) -> str:
    return " ".join(" ".join(page.extract_text().split()) for page in PdfReader(io.BytesIO(body)).pages)


def issued(cast: Cast, words: str = "Work", note: str = "", **options: Any) -> Invoice:
    make_entry(cast)
    invoice, bea = make_draft(cast), cast.actor(cast.bea)
    change_line(invoice, lines_of(invoice)[0].id, LineChange(description=words), by=bea)
    change_terms(invoice, DraftTerms(terms_days=14, note=note, tax_mode=TaxMode.LINE), by=bea)
    return approve_invoice(invoice, by=bea, **options)


@pytest.fixture(autouse=True)
def _rate(request: pytest.FixtureRequest) -> None:
    if "cast" in request.fixturenames:
        request.getfixturevalue("cast")
        make_rate("100")


@pytest.fixture
def a_bill(session: Session, cast: Cast) -> dict[str, Any]:
    """The facts of an issued bill."""
    facts = issued(cast).facts
    assert facts is not None
    return facts


def test_a_bill_is_made_whatever_is_written_on_it(
    cast: Cast, a_bill: dict[str, Any], sticks_out: Callable[[], bool]
) -> None:
    for called, words in (SCRIPTS | STRANGE).items():
        facts = a_bill | {
            "note": words,
            "buyer": a_bill["buyer"] | {"name": words, "address": words},
            "seller": a_bill["seller"] | {"name": words, "address": words},
            "lines": [a_bill["lines"][0] | {"description": words}],
        }
        cast.firm.name = words
        body = pdf.invoice_pdf(facts, cast.firm, logo=None)
        assert not sticks_out(), called
        assert words == LONG or "120.00" in text_of(body), called


@pytest.mark.parametrize("words", ["🎉 한국어 ไทย", STRANGE["controls"]])
def test_such_a_bill_is_issued_and_its_paper_kept(session: Session, cast: Cast, words: str) -> None:
    cast.acme.legal_name = cast.entity.name = words
    assert "120.00" in text_of(ensure_pdf(issued(cast, words, note=words)))


@pytest.mark.parametrize("words", SCRIPTS.values(), ids=list(SCRIPTS))
def test_these_scripts_have_their_letters(words: str) -> None:
    assert unprintable(words) == ""


def test_what_no_typeface_has_is_shown_as_a_mark(session: Session, cast: Cast) -> None:
    assert (unprintable("a𓀀b𓀀"), printable("a𓀀b")) == ("𓀀", f"a{MARK}b")
    assert f"Plan {MARK} ready" in text_of(ensure_pdf(issued(cast, "Plan 𓀀 ready")))


def test_controls_are_left_out_and_nothing_turns_the_text_about() -> None:
    assert printable("a\x07b\x00c\u202ed\r\ne\tf") == "abcd\ne f"


Compiled = Callable[[str, Mapping[str, Any], bytes | None, dt.date], bytes]


@pytest.fixture
def sticks_out(monkeypatch: pytest.MonkeyPatch) -> Callable[[], bool]:
    """Whether anything was drawn into the margins of the paper that was made last: looked at as a picture."""
    compiled: Compiled = pdf._compiled
    seen: list[tuple[str, Mapping[str, Any]]] = []

    def watched(paper: str, data: Mapping[str, Any], logo: bytes | None, on: dt.date) -> bytes:
        seen[:] = [(paper, data)]
        return compiled(paper, data, logo, on)

    def found() -> bool:
        pages = pdf.typeset(*seen[0], None, format="png", ppi=36)
        for page in pages if isinstance(pages, list) else [pages]:
            picture = Image.open(io.BytesIO(page)).convert("L")
            width, height = picture.size
            margin = int(18 / 25.4 * 36)  # of 20 mm, with a little room for a letter that leans
            sides = [(0, 0, margin, height), (width - margin, 0, width, height)]
            if any(picture.crop(side).getextrema()[0] < 200 for side in sides):
                return True
        return False

    monkeypatch.setattr(pdf, "_compiled", watched)
    return found


def test_a_statement_is_made_whatever_is_written_on_it(
    session: Session, cast: Cast, sticks_out: Callable[[], bool]
) -> None:
    issued(cast)
    today = clock.today()
    statement = statement_of(cast.acme.id, "GBP", today - dt.timedelta(days=30), today, seen_by=cast.actor(cast.pat))
    for words in (*SCRIPTS.values(), *STRANGE.values()):
        cast.acme.legal_name = cast.acme.address = cast.firm.name = words
        assert statement_pdf(statement, cast.acme, cast.firm)
        assert not sticks_out(), words[:40]


def test_a_reference_without_a_place_to_break_stays_inside_its_column(
    session: Session, cast: Cast, sticks_out: Callable[[], bool]
) -> None:
    issued(cast)
    today = clock.today()
    statement = statement_of(cast.acme.id, "GBP", today - dt.timedelta(days=30), today, seen_by=cast.actor(cast.pat))
    row = statement.rows[0]
    object.__setattr__(row, "name", "INV" + "9" * 400)
    assert statement_pdf(statement, cast.acme, cast.firm)
    assert not sticks_out()


def test_every_typeface_is_called_as_its_file_says() -> None:
    known = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(FONTS)]).families()
    assert sorted(families("en")) == sorted(known) and len(known) == len(coverage())


def test_han_letters_take_the_shapes_of_their_reader() -> None:
    assert (language_of("ja", []), language_of("en", ["トヨタ"]), language_of("en", ["北京"], "TW")) == (
        "ja", "ja", "zh_Hant"
    )  # fmt: skip
    assert families("ja").index("Noto Sans JP") < families("ja").index("Noto Sans SC")


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> str:
    """A word on which the typesetter breaks; other papers are not set at all, which is quicker."""

    def breaking(paper: str, data: Mapping[str, Any], logo: bytes | None, on: dt.date) -> bytes:
        if "POISON" in json.dumps(data):
            raise typst.TypstError("cannot be set", "")
        return b"%PDF"

    monkeypatch.setattr(pdf, "_compiled", breaking)
    return "POISON"


def test_a_paper_that_cannot_be_made_is_told_before_the_number_is_given(
    session: Session, cast: Cast, poison: str
) -> None:
    for words, note, said in ((poison, "", "because of its line 1"), ("Work", poison, "because of its note")):
        with pytest.raises(Refused, match=said):
            issued(cast, words, note)
        draft = session.scalars(sa.select(Invoice).where(Invoice.number.is_(None))).one()
        discard_draft(draft, by=cast.actor(cast.bea))
    assert issued(cast).number == "INV-00001"


def test_a_credit_note_whose_paper_cannot_be_made_credits_nothing(session: Session, cast: Cast, poison: str) -> None:
    invoice = issued(cast)
    with pytest.raises(Refused, match="cannot be made"):
        credit_invoice(invoice, new_id(), poison, by=cast.actor(cast.bea))
    session.refresh(invoice)
    assert invoice.state == "approved" and count(Invoice) == 1


def test_a_logo_that_is_no_picture_is_left_out(session: Session, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "logo_of", lambda firm: b"no picture")
    assert "120.00" in text_of(ensure_pdf(issued(cast)))


def failing(monkeypatch: pytest.MonkeyPatch, *broken: Invoice) -> None:
    made = pdf.invoice_pdf

    def break_some(facts: Mapping[str, Any], firm: Any, *, logo: bytes | None) -> bytes:
        if facts["number"] in {invoice.number for invoice in broken}:
            raise pdf.PaperFailed("the typesetter gave up")
        return made(facts, firm, logo=logo)

    monkeypatch.setattr(background, "invoice_pdf", break_some)


def test_a_paper_that_fails_after_all_is_listed_and_not_sent(
    session: Session, cast: Cast, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(client, cast.bea)
    invoice = issued(cast, send=True)
    failing(monkeypatch, invoice)
    keep_pdf(str(invoice.id))
    assert (invoice.pdf_key, invoice.sent_at, count(Delivery)) == (None, None, 0)
    page = client.get(f"/billing/invoices/{invoice.id}").text
    assert "Held up: no PDF" in page and "on its way" not in page and "the typesetter gave up" in page
    assert "1 bill has no PDF" in client.get("/billing/invoices").text
    assert str(invoice.number) in client.get("/billing/invoices?standing=failed").text
    assert client.get(f"/billing/invoices/{invoice.id}/pdf").status_code == 422
    for back in ("/failures/", ""):
        pressed = client.post(f"/billing/invoices/{invoice.id}/paper", data={"back": back}, follow_redirects=True)
        assert (pressed.status_code, pressed.request.path) == (200, back or f"/billing/invoices/{invoice.id}")
        assert "The paper of" in pressed.text.split('id="toasts"')[1], "what came of it is said there"
    monkeypatch.undo()
    assert 'name="back" value="/failures/"' in client.get("/failures/").text
    done = client.post(f"/billing/invoices/{invoice.id}/paper", data={"back": "/failures/"}, follow_redirects=True)
    assert done.request.path == "/failures/" and f"The PDF of {invoice.number} is there now" in done.text
    session.refresh(invoice)
    assert (invoice.paper_failed_at, invoice.pdf_key is not None) == (None, True)
    assert "No bill like that" in client.get("/billing/invoices?standing=failed").text


def test_papers_that_fail_hold_up_no_other(session: Session, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    bills = [issued(cast) for _ in range(4)]
    failing(monkeypatch, *bills[:3])
    monkeypatch.setattr(background, "MOST", 3)
    monkeypatch.setattr(background, "SLACK", dt.timedelta(seconds=-5))
    monkeypatch.setattr(background, "send", lambda name, invoice_id: keep_pdf(invoice_id))
    for _ in range(2):
        background.sweep()
    assert [invoice.pdf_key is not None for invoice in bills] == [False, False, False, True]
    asked: list[str] = []
    monkeypatch.setattr(background, "send", lambda name, invoice_id: asked.append(invoice_id))
    background.sweep()
    assert asked == []
    monkeypatch.setattr(background, "AGAIN", dt.timedelta(seconds=-5))
    background.sweep()
    assert asked == [str(invoice.id) for invoice in bills[:3]]


def test_whoever_may_not_approve_does_not_make_papers(session: Session, cast: Cast, client: FlaskClient) -> None:
    invoice = issued(cast)
    sign_in(client, cast.sam)
    assert client.post(f"/billing/invoices/{invoice.id}/paper").status_code in (403, 404)


def test_what_stands_in_the_way_of_a_paper_is_said_beside_its_field(
    session: Session, cast: Cast, client: FlaskClient, poison: str
) -> None:
    sign_in(client, cast.bea)
    make_entry(cast)
    invoice, bea = make_draft(cast), cast.actor(cast.bea)
    line, name = lines_of(invoice)[0], cast.acme.name
    at, terms = f"/billing/invoices/{invoice.id}/approval", DraftTerms(terms_days=14, note="", tax_mode=TaxMode.LINE)
    change_line(invoice, line.id, LineChange(description=poison), by=bea)
    with pytest.raises(Refused) as refused:
        approve_invoice(invoice, by=bea)
    assert refused.value.field == f"description-{line.id}"
    answer = client.post(at, headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["HX-Retarget"]) == (422, "#draft")
    assert f'id="description-{line.id}-error"' in answer.text and "because of its line 1" in answer.text
    sitting = client.post(at, data={"then": "next"})
    assert sitting.status_code == 422 and "because of its line 1" in sitting.text and "Pass over" in sitting.text
    assert f'href="/billing/invoices/{invoice.id}#description-{line.id}"' in sitting.text
    change_line(invoice, line.id, LineChange(description="Work"), by=bea)
    change_terms(invoice, replace(terms, note=poison), by=bea)
    assert 'id="note-error"' in client.post(at).text
    change_terms(invoice, terms, by=bea)
    for record, where in ((cast.acme, "on the client’s page"), (cast.entity, "in the settings")):
        kept = record.address
        record.address = poison
        keep(record)
        page = client.post(at)
        assert page.status_code == 422 and "because of the name or address of " in page.text
        assert where in page.text and (record is cast.entity or name in page.text)
        record.address = kept
        keep(record)
    assert client.post(at).status_code == 303


def test_a_letter_that_is_printed_as_a_mark_is_told_beside_what_holds_it(
    session: Session, cast: Cast, client: FlaskClient
) -> None:
    sign_in(client, cast.pat)
    make_entry(cast)
    invoice, bea = make_draft(cast), cast.actor(cast.bea)
    at = f"/billing/invoices/{invoice.id}"
    assert MARK not in client.get(at).text
    line = lines_of(invoice)[0].id
    change_line(invoice, line, LineChange(description="Plan 𓀀"), by=bea)
    change_terms(invoice, DraftTerms(terms_days=14, note="ꀀ", tax_mode=TaxMode.LINE), by=bea)
    cast.acme.legal_name, cast.entity.address = "Acme 𓀁", "Street\n𓀂"
    cast.acme_work.name = "Advice 𓀃"
    for record in (cast.acme, cast.entity, cast.acme_work):
        keep(record)
    page = client.get(at).text
    assert f'id="description-{line}-help">The paper shows {MARK} in place of 𓀀 (U+13000):' in page
    assert f'id="note-help">The paper shows {MARK} in place of ꀀ (U+A000):' in page
    assert "in place of 𓀁 (U+13001):" in page and f"/clients/{cast.acme.id}/edit" in page
    assert "in place of 𓀂 (U+13002):" in page and f"/entities/{cast.entity.id}" in page
    assert "in place of 𓀃 (U+13003):" in page and f'href="/engagements/{cast.acme_work.id}"' in page


def test_the_page_of_what_failed_names_bills_without_a_pdf_to_whoever_sees_them(
    session: Session, cast: Cast, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice = issued(cast)
    at, again = "/failures/", f"/billing/invoices/{invoice.id}/paper"
    assert "Every bill has its PDF" in sign_in(client, cast.bea).get(at).text
    failing(monkeypatch, invoice)
    with clock.travel_to(clock.now() - dt.timedelta(hours=3)):
        keep_pdf(str(invoice.id))
    keep_pdf(str(invoice.id))
    ((bill, since, may_try),) = list_failed(seen_by=cast.actor(cast.bea))
    assert (bill.id, may_try) == (invoice.id, True)
    assert since is not None and since < clock.now() - dt.timedelta(hours=2), "since the first time, not the last"
    page = client.get(at).text
    assert str(invoice.number) in page and "the typesetter gave up" in page and again in page
    assert client.post(again).status_code == 303
    for person, sees in ((cast.mel, True), (cast.sam, False)):
        seen = sign_in(client, person).get(at)
        assert (seen.status_code, str(invoice.number) in seen.text) == (200, sees), person.name
    keep(Wall(client_id=cast.acme.id, person_id=cast.mel.id, reason="", created_at=clock.now()))
    assert str(invoice.number) not in sign_in(client, cast.mel).get(at).text
    monkeypatch.undo()
    assert sign_in(client, cast.bea).post(again).status_code == 303
    assert "Every bill has its PDF" in client.get(at).text
