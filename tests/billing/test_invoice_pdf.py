"""The invoice on paper says what was issued, in every script."""

from __future__ import annotations

import hashlib
import io

from pypdf import PdfReader
from sqlalchemy.orm import Session

from app.billing.background import ensure_pdf
from app.billing.commands.issue import approve_invoice
from tests.billing.make_billing import make_draft, make_entry, make_rate
from tests.make import Cast


def test_the_pdf_is_kept_with_its_hash_and_made_once(session: Session, cast: Cast) -> None:
    make_rate("100")
    make_entry(cast)
    invoice = approve_invoice(make_draft(cast), by=cast.actor(cast.bea))
    body = ensure_pdf(invoice)
    assert (hashlib.sha256(body).digest(), ensure_pdf(invoice)) == (invoice.pdf_sha256, body)
    text = PdfReader(io.BytesIO(body)).pages[0].extract_text()
    assert {"INV-00001", "120.00", "20 %"} <= set(text.replace("£", "").split()) | {"20 %" if "20 %" in text else ""}


def test_right_to_left_and_chinese_names_have_their_glyphs(session: Session, cast: Cast) -> None:
    make_rate("100")
    make_entry(cast)
    cast.acme.legal_name = "شركة النور للتجارة · חברת אור · 北京贸易"
    invoice = approve_invoice(make_draft(cast), by=cast.actor(cast.bea))
    fonts = {
        str(font.get_object()["/BaseFont"])
        for font in PdfReader(io.BytesIO(ensure_pdf(invoice))).pages[0]["/Resources"]["/Font"].values()
    }
    assert all(any(script in font for font in fonts) for script in ("Arabic", "Hebrew", "SC")), fonts
