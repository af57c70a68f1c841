"""Invoices, credit notes and statements as PDF, set by typst from facts alone."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import structlog
import typst
from babel import Locale
from babel.dates import format_date
from babel.numbers import format_currency, format_decimal
from flask_babel import force_locale
from flask_babel import gettext as _

from app.billing.glyphs import FONTS, each_text, families, language_of, plainly, printable
from app.core.colour import light_accent
from app.core.errors import Refused
from app.core.money import exponent
from app.core.storage import StorageUnavailable, storage
from app.firm.models import Firm, TaxTreatment

PAPERS = Path(__file__).parent / "papers"
log = structlog.get_logger()


class PaperFailed(Exception):
    """A paper that cannot be made, with what the typesetter said."""


def render(paper: str, data: Mapping[str, Any], *, logo: bytes | None, on: dt.date) -> bytes:
    """A typst paper with its data, as PDF/A-3b. The same facts on the same date give the same bytes.

    No letter and no picture stops it: what no typeface has is shown as a mark, a logo that cannot be read is left out.
    Raises PaperFailed for what is left.
    """
    attempts: list[tuple[Callable[[str], str], bytes | None]] = [(printable, logo), (plainly, logo), (plainly, None)]
    said = ""
    for change, picture in attempts:
        try:
            return _compiled(paper, each_text(data, change), picture, on)
        except typst.TypstError as error:
            said = said or str(error)
            log.warning("paper_attempt_failed", paper=paper)
    raise PaperFailed(said[:500])


def _compiled(paper: str, data: Mapping[str, Any], logo: bytes | None, on: dt.date) -> bytes:
    moment = dt.datetime(on.year, on.month, on.day, 12, tzinfo=dt.UTC)
    return bytes(typeset(paper, data, logo, pdf_standards=["a-3b"], timestamp=moment))


def typeset(paper: str, data: Mapping[str, Any], logo: bytes | None, **form: Any) -> Any:
    """What typst makes of a paper, as PDF or in another `format`."""
    if not logo:
        data = {**data, "look": {**data["look"], "logo": ""}}
    with tempfile.TemporaryDirectory(prefix="paper-") as folder:
        shutil.copy(PAPERS / f"{paper}.typ", folder)
        if logo:
            Path(folder, "logo.png").write_bytes(logo)
        return typst.compile(
            str(Path(folder, f"{paper}.typ")),
            root=folder,
            font_paths=_fonts(),
            sys_inputs={"data": json.dumps(data, ensure_ascii=False)},
            **form,
        )


@lru_cache(maxsize=1)
def _fonts() -> typst.Fonts:
    """Our typefaces alone, opened once: a paper looks the same wherever it is made."""
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(FONTS)])


def try_paper(facts: Mapping[str, Any], firm: Firm) -> None:
    """Make the paper of a bill that has no number yet. Raises Refused that names what stands in its way."""
    trial = {**facts, "number": facts["number"] or "–"}
    try:
        invoice_pdf(trial, firm, logo=None)
    except PaperFailed as error:
        where = next((name for name, part in _parts(trial) if _works(part, firm)), "")
        field = where if where in ("note", "reason") else None
        raise Refused(
            f"The paper of this bill cannot be made{f', because of its {where}' if where else ''}. "
            "It has no number yet; change that and approve again.", field=field,
        ) from error


def _parts(facts: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The facts with one of their texts left out, by what it is called."""
    blank = {"note": "", "legends": []}
    for name in ("note", "legends"):
        yield name, {**facts, name: blank[name]}
    for number, line in enumerate(facts["lines"]):
        lines = [*facts["lines"][:number], {**line, "description": "–"}, *facts["lines"][number + 1 :]]
        yield f"line {number + 1}", {**facts, "lines": lines}
    for side, called in (("buyer", "client’s name or address"), ("seller", "firm’s own name or address")):
        yield called, {**facts, side: {**facts[side], "name": "–", "address": ""}}


def _works(facts: Mapping[str, Any], firm: Firm) -> bool:
    try:
        invoice_pdf(facts, firm, logo=None)
    except PaperFailed:
        return False
    return True


def logo_of(firm: Firm) -> bytes | None:
    """The firm's logo, if it has one and storage answers; a bill never waits for a picture."""
    if not firm.logo_key:
        return None
    try:
        return storage().get(firm.logo_key)
    except StorageUnavailable:
        return None


def look_of(firm: Firm, language: str, logo: bytes | None, *, data: Any, country: str = "") -> dict[str, Any]:
    """How a paper looks: the firm's name, colour and logo, and the typefaces that `data` needs in their order."""
    texts: list[str] = []
    each_text(data, texts.append)
    return {
        "fonts": families(language_of(language, texts, country)),
        "firm": firm.name,
        "accent": light_accent(firm.accent).fill,
        "logo": "logo.png" if logo else "",
        "lang": language,
    }


def locale_of(language: str) -> Locale:
    return Locale.parse({"en": "en_GB"}.get(language, language), sep="_")


ASK = object()


def invoice_pdf(facts: Mapping[str, Any], firm: Firm, *, logo: Any = ASK) -> bytes:
    """The PDF of an invoice or credit note, in the customer's language; with the firm's logo unless another is given.

    Raises PaperFailed.
    """
    language = str(facts["buyer"]["language"] or "en")
    logo = logo_of(firm) if logo is ASK else logo
    with force_locale(language):
        data = _invoice_data(facts, locale_of(language))
    data["look"] = look_of(firm, language, logo, data=data, country=str(facts["buyer"]["country"] or ""))
    return render("invoice", data, logo=logo, on=dt.date.fromisoformat(facts["issued_on"]))


def _invoice_data(facts: Mapping[str, Any], locale: Locale) -> dict[str, Any]:
    currency, is_credit = facts["currency"], facts["kind"] == "credit_note"
    sign = -1 if is_credit else 1

    def number(text: str) -> str:
        decimals = exponent(currency)
        pattern = "#,##0" + ("." + "0" * decimals if decimals else "")
        return format_decimal(sign * Decimal(text), format=pattern, locale=locale)

    def day(text: str) -> str:
        return format_date(dt.date.fromisoformat(text), "long", locale=locale)

    seller, buyer, bank = facts["seller"], facts["buyer"], facts["seller"]["bank"]
    head = [[_("Date"), day(facts["issued_on"]), False], [_("Client"), buyer["code"], False]]
    if not is_credit:
        head.append([_("Due"), day(facts["due_on"]), True])
    footer = [seller["name"]]
    footer += [f"{_('Registered')} {seller['registration_number']}"] if seller["registration_number"] else []
    footer += [f"{_('Tax no.')} {seller['tax_number']}"] if seller["tax_number"] else []
    pay = [
        (_("Account name"), seller["name"]),
        (_("Bank"), bank["name"]),
        ("IBAN", _grouped(bank["iban"])),
        ("BIC", bank["bic"]),
        (_("Account number"), bank["account_number"]),
        (_("Sort code"), bank["sort_code"]),
        (_("Reference"), facts["number"]),
    ]
    return {
        "number": facts["number"],
        "seller": seller,
        "buyer": buyer,
        "note": facts["note"],
        "head": head,
        "footer": footer,
        "legends": facts["legends"],
        "intro": _("Credits invoice %(number)s: %(reason)s", number=facts.get("credits"), reason=facts.get("reason"))
        if is_credit
        else "",
        "lines": [
            {"description": line["description"], "net": number(line["net"]), "tax": _rate_words(line)}
            for line in facts["lines"]
        ],
        "totals": [
            [_("Net"), number(facts["net"])],
            *(
                [
                    _(
                        "%(rate)s on %(net)s",
                        rate=_rate_words({"tax_treatment": tax["treatment"], "tax_percent": tax["percent"]}),
                        net=number(tax["net"]),
                    ),
                    number(tax["tax"]),
                ]
                for tax in facts["taxes"]
            ),
        ],
        "total": format_currency(sign * Decimal(facts["gross"]), currency, locale=locale),
        "pay": []
        if is_credit
        else [list(row) for row in pay if row[1]]
        if (bank["iban"] or bank["account_number"])
        else [],
        "words": {
            "title": _("Credit note") if is_credit else _("Invoice"),
            "to": _("To"),
            "page": _("Page"),
            "tax_number": _("Tax no."),
            "description": _("Description"),
            "tax_column": _("Tax"),
            "amount": _("Amount, %(currency)s", currency=currency),
            "pay": _("How to pay"),
            "total": _("Total credit") if is_credit else _("Total due"),
        },
    }


def _rate_words(line: Mapping[str, Any]) -> str:
    words = {
        TaxTreatment.STANDARD: f"{line['tax_percent']} %",
        TaxTreatment.ZERO: "0 %",
        TaxTreatment.EXEMPT: _("Exempt"),
        TaxTreatment.REVERSE_CHARGE: _("Reverse charge"),
        TaxTreatment.OUTSIDE: _("Outside scope"),
    }
    return str(words[TaxTreatment(line["tax_treatment"])])


def _grouped(iban: str) -> str:
    plain = iban.replace(" ", "")
    return " ".join(plain[i : i + 4] for i in range(0, len(plain), 4))
