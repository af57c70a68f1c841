"""Invoices, credit notes and statements as PDF, set by typst from facts alone."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog
import typst
from babel import Locale
from flask_babel import force_locale

from app.billing.glyphs import FONTS, each_text, families, language_of, plainly, printable
from app.billing.invoice_paper import invoice_data
from app.core.colour import light_accent
from app.core.errors import Refused
from app.core.storage import StorageUnavailable, storage
from app.firm.models import Firm
from app.firm.words import english

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


class PaperRefused(Refused):
    """The paper of a bill cannot be made. `field` is the id of the input on its draft that stands in the way, if one
    does; else the sentence says which record."""


def try_paper(facts: Mapping[str, Any], firm: Firm, *, lines: Sequence[UUID] = ()) -> None:
    """Make the paper of a bill that has no number yet. Raises PaperRefused that names what stands in its way.

    `lines` are the ids of those that its draft has inputs for, in the order of the facts.
    """
    trial = {**facts, "number": facts["number"] or "–"}
    try:
        invoice_pdf(trial, firm, logo=None)
    except PaperFailed as error:
        where, field, change = next(
            ((where, field, change) for where, field, change, part in _parts(trial, lines) if _works(part, firm)),
            ("", None, ""),
        )
        raise PaperRefused(
            f"The paper of this bill cannot be made{f', because of {where}' if where else ''}. "
            f"It has no number yet. {change}".rstrip(), field=field,
        ) from error


def _parts(
    facts: Mapping[str, Any], ids: Sequence[UUID]
) -> Iterator[tuple[str, str | None, str, dict[str, Any]]]:
    """The facts with one of their texts left out: what it is, its input, where it is changed."""
    again = "Change that and try again."
    for name in ("note", "reason"):
        if facts.get(name):
            yield f"its {name}", name, again, {**facts, name: ""}
    for number, line in enumerate(facts["lines"]):
        field = f"description-{ids[number]}" if number < len(ids) else None
        rest = facts["lines"][number + 1 :]
        yield (f"its line {number + 1}", field, again,
               {**facts, "lines": [*facts["lines"][:number], {**line, "description": "–"}, *rest]})
    for side, of, place in (
        ("buyer", "the client", "on the client’s page"), ("seller", "the firm’s own", "in the settings, Entities"),
        ("for", "the client", "on the client’s page"),
    ):
        if side in facts:
            yield (f"the name or address of {of} {facts[side]['name'][:80]}", None, f"Change it {place}.",
                   {**facts, side: {**facts[side], "name": "–", "address": ""}})
    for at, each in enumerate(facts.get("engagements", [])):
        others = [*facts["engagements"][:at], {**each, "name": "–"}, *facts["engagements"][at + 1 :]]
        yield (f"the name of the engagement {each['name'][:80]}", None, "Change it on the engagement’s page.",
               {**facts, "engagements": others})
    yield "the words of its taxes", None, "Change them in the settings, Tax rates.", {
        **facts, "legends": [], "lines": [{**line, "tax_legend": ""} for line in facts["lines"]]
    }


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




def locale_of(language: str, country: str = "GB") -> Locale:
    """How a paper writes dates and numbers: English as in the country that it comes from."""
    return english(country) if language == "en" else Locale.parse(language, sep="_")


def invoice_pdf(facts: Mapping[str, Any], firm: Firm, *, logo: bytes | None) -> bytes:
    """The PDF of an invoice or credit note, in the customer's language. Raises PaperFailed."""
    language = str(facts["buyer"]["language"] or "en")
    with force_locale(language):
        data = invoice_data(facts, locale_of(language, facts["seller"]["country"]))
    data["look"] = look_of(firm, language, logo, data=data, country=str(facts["buyer"]["country"] or ""))
    return render("invoice", data, logo=logo, on=dt.date.fromisoformat(facts["issued_on"]))
