"""What stands on the paper of a bill, in which words and where: from its facts alone, in the reader's language."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from babel import Locale
from babel.dates import format_date
from babel.numbers import format_currency, format_decimal
from flask_babel import gettext as _

from app.core.money import exponent
from app.core.wording import iban
from app.firm.countries import usual
from app.firm.models import TaxTreatment
from app.firm.words import words_of

Facts = Mapping[str, Any]
LETTER = ("US", "CA", "MX")
ZERO = Decimal(0)
MINUS = "−"


def invoice_data(facts: Facts, locale: Locale) -> dict[str, Any]:
    """The data of `papers/invoice.typ`. Facts kept by an older version lack some keys; what they lack is left out."""
    page = _Page(facts, locale)
    seller, buyer, is_credit = facts["seller"], facts["buyer"], facts["kind"] == "credit_note"
    return {
        "number": facts["number"],
        "draft": bool(facts.get("draft")),
        "paper": "us-letter" if seller["country"] in LETTER else "a4",
        "seller": {**seller, "address": _address(seller)},
        "buyer": {**buyer, "address": _address(buyer, unless=seller["country"])},
        "note": facts["note"],
        "head": page.head(),
        "footer": page.footer(),
        "legends": facts["legends"],
        "intro": _("Credits invoice %(number)s: %(reason)s", number=facts.get("credits"), reason=facts.get("reason"))
        if is_credit
        else "",
        "sections": page.sections(),
        "totals": page.totals(),
        "total": format_currency(page.signed(page.to_pay), facts["currency"], locale=locale).replace("-", MINUS),
        "pay": [] if is_credit else page.pay(),
        "words": {
            "title": page.title(),
            "draft": _("Draft"),
            "to": _("To"),
            "page": _("Page"),
            "tax_number": tax_number_word(buyer["country"]),
            "pay": _("How to pay"),
            "total": _("Total credit") if is_credit else _("Total due"),
        },
    }


def tax_number_word(country: str) -> str:
    """What a country calls the number under which somebody is registered for its tax."""
    own = {"AU": "ABN", "US": "Tax ID", "CA": "GST/HST no.", "DE": "USt-IdNr.", "AT": "UID"}
    word = usual(country).tax
    return own.get(country) or (_("Tax no.") if word == "Tax" else f"{word} no.")


def _address(party: Mapping[str, Any], unless: str = "") -> str:
    """The address, with the country under it when it lies in another than the reader's mail would take it for."""
    country = party["country"]
    name = str(Locale("en").territories.get(country, "")) if country and unless and country != unless else ""
    address = str(party["address"]).strip()
    return f"{address}\n{name}" if name and name.lower() not in address.lower() and address else address


class _Page:
    """The parts of one paper."""

    def __init__(self, facts: Facts, locale: Locale) -> None:
        self.facts, self.locale = facts, locale
        self.is_credit = facts["kind"] == "credit_note"
        self.words = words_of(facts["seller"]["country"])
        self.word = usual(facts["seller"]["country"]).tax
        treatments = {TaxTreatment(line["tax_treatment"]) for line in facts["lines"]}
        # A firm outside any such tax, or a country that has none on services, says nothing of it.
        self.says_tax = treatments != {TaxTreatment.OUTSIDE} or (
            bool(facts["seller"]["tax_number"]) and usual(facts["seller"]["country"]).exempt
        )
        self.to_pay = Decimal(facts["gross"]) - Decimal(facts.get("prepaid", "0"))
        self.by_entry = facts.get("grouping") == "entry"

    def signed(self, amount: Decimal) -> Decimal:
        return -amount if self.is_credit else amount

    def number(self, text: str | Decimal) -> str:
        decimals = exponent(self.facts["currency"])
        pattern = "#,##0" + ("." + "0" * decimals if decimals else "")
        return format_decimal(self.signed(Decimal(text)), format=pattern, locale=self.locale).replace("-", MINUS)

    def price(self, text: str) -> str:
        """A rate: with the currency's decimals, or as many as it has."""
        rate, decimals = Decimal(text), exponent(self.facts["currency"])
        places = max(decimals, -int(rate.normalize().as_tuple().exponent))
        return format_decimal(rate, format="#,##0" + ("." + "0" * places if places else ""), locale=self.locale)

    def day(self, text: str, length: str = "long") -> str:
        return format_date(dt.date.fromisoformat(text), length, locale=self.locale)

    def title(self) -> str:
        if self.is_credit:
            return str(_("Credit note"))
        if self.facts["seller"]["country"] == "AU" and self.facts["seller"]["tax_number"] and self.says_tax:
            return str(_("Tax invoice"))
        return str(_("Invoice"))

    def head(self) -> list[list[Any]]:
        facts = self.facts
        head = [[_("Date"), self.day(facts["issued_on"]), False]]
        if supplied := self._supplied():
            head.append([_("Supplied"), supplied, False])
        if whom := facts.get("for"):
            head.append([_("For"), f"{whom['name']} ({whom['code']})", False])
        else:
            head.append([_("Client"), facts["buyer"]["code"], False])
        engagements = facts.get("engagements", [])
        if len(engagements) == 1:
            head.append([_("Engagement"), f"{engagements[0]['name']} ({engagements[0]['number']})", False])
        return head if self.is_credit else [*head, [_("Due"), self.day(facts["due_on"]), True]]

    def _supplied(self) -> str:
        """From when to when; nothing where that is the day of the bill, or was not kept."""
        days = [line[name] for line in self.facts["lines"] for name in ("supplied_from", "supplied_on") if name in line]
        if not days or {*days} == {self.facts["issued_on"]}:
            return ""
        first, last = min(days), max(days)
        return self.day(last) if first == last else f"{self.day(first, 'medium')} – {self.day(last, 'medium')}"

    def footer(self) -> list[str]:
        seller = self.facts["seller"]
        found = [seller["name"]]
        found += [f"{_('Registered')} {seller['registration_number']}"] if seller["registration_number"] else []
        found += [f"{tax_number_word(seller['country'])} {seller['tax_number']}"] if seller["tax_number"] else []
        return found

    def sections(self) -> list[dict[str, Any]]:
        """Fees by engagement, then what the firm charges on, then what it paid on the client's behalf."""
        lines = self.facts["lines"]
        laid_out = [line for line in lines if line.get("kind") == "expense"]
        # Facts kept before an expense said so do not tell a disbursement from any other expense.
        outlays = [
            (title, part)
            for title, part in (
                (_("Expenses"), [line for line in laid_out if not line.get("disbursement")]),
                (self.outlay_words(), [line for line in laid_out if line.get("disbursement")]),
            )
            if part
        ]
        engagements = {each["id"]: each["name"] for each in self.facts.get("engagements", [])}
        fees: dict[str, list[Facts]] = {}
        for line in lines:
            if line.get("kind") != "expense":
                fees.setdefault(line.get("engagement", ""), []).append(line)
        named = len(engagements) > 1
        found = [
            self._section(engagements.get(key, "") if named else _("Fees") if outlays else "", part, self.by_entry)
            for key, part in fees.items()
        ]
        found += [
            self._section(title, part, dated=True, names=engagements if named else {}) for title, part in outlays
        ]
        parts = [*fees.values(), *(part for _title, part in outlays)]
        for section, part in zip(found, parts, strict=True):
            if len(found) > 1 or self.by_entry:
                section["sums"] = self._sums(part, [kind for _words, kind in section["columns"]])
        return found

    def outlay_words(self) -> str:
        """What a country calls that which was paid for the client's own debt."""
        return str(_("Costs advanced") if self.facts["seller"]["country"] == "US" else _("Disbursements"))

    def _sums(self, lines: Sequence[Facts], kinds: Sequence[str]) -> list[str]:
        """Under the columns of a section: its hours and its amount."""
        hours = sum((Decimal(_entry(line).get("hours") or 0) for line in lines), ZERO)
        said = format_decimal(hours, format="#,##0.00", locale=self.locale) if hours else ""
        net = self.number(sum((Decimal(line["net"]) for line in lines), ZERO))
        return [said if kind == "num hours" else net if n == len(kinds) - 1 else "" for n, kind in enumerate(kinds)]

    def _section(
        self, title: str, lines: Sequence[Facts], timed: bool = False, *, dated: bool = False,
        names: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        columns: list[tuple[str, str, Callable[[Facts], str]]] = []
        if timed:
            columns += [(_("Date"), "when", self._when), (_("Who"), "who", lambda line: _entry(line).get("person", ""))]
        elif dated:
            columns.append((_("Date"), "when", self._when))
        columns.append((_("Description"), "what", lambda line: self._what(line, names or {})))
        if timed:
            columns += [(_("Hours"), "num hours", self._hours), (_("Rate"), "num", self._rate)]
        if self.says_tax:
            columns.append((self.word, "num soft", self.rate_words))
        amount = _("Amount, %(currency)s", currency=self.facts["currency"])
        columns.append((amount, "num", lambda line: self.number(line["net"])))
        return {
            "title": title,
            "columns": [[words, kind] for words, kind, _cell in columns],
            "rows": [[cell(line) for _words, _kind, cell in columns] for line in lines],
            "sums": [],
        }

    def _when(self, line: Facts) -> str:
        on = _entry(line).get("on") or line.get("supplied_on")
        return self.day(on, "medium") if on else ""

    def _what(self, line: Facts, names: Mapping[str, str]) -> str:
        said = [line["description"]]
        if name := names.get(line.get("engagement", "")):
            said.append(name)
        allowance, charge = Decimal(line.get("allowance", "0")), Decimal(line.get("charge", "0"))
        if allowance:
            said.append(f"{line['allowance_reason'] or _('Allowance')}: −{self.number(allowance)}")
        if charge:
            said.append(f"{line['charge_reason'] or _('Charge')}: {self.number(charge)}")
        return "\n".join(said)

    def _hours(self, line: Facts) -> str:
        hours = _entry(line).get("hours")
        return format_decimal(Decimal(hours), format="#,##0.00", locale=self.locale) if hours else ""

    def _rate(self, line: Facts) -> str:
        return self.price(line["unit_price"]) if line.get("unit") == "HUR" else ""

    def rate_words(self, line: Facts) -> str:
        words = {
            TaxTreatment.STANDARD: f"{line['tax_percent']} %",
            TaxTreatment.ZERO: "0 %",
            TaxTreatment.EXEMPT: _("Exempt"),
            TaxTreatment.REVERSE_CHARGE: _("Reverse charge"),
            TaxTreatment.OUTSIDE: _("Outside the scope") if self.words.knows_scope else "–",
            TaxTreatment.EXPORT: _("Export"),
            TaxTreatment.INTRA_EU: _("Within the EU"),
        }
        return str(words[TaxTreatment(line["tax_treatment"])])

    def totals(self) -> list[list[str]]:
        facts = self.facts
        rows: list[list[str]] = []
        for name, sign in (("allowance", -1), ("charge", 1)):
            if amount := Decimal(facts.get(name, "0")):
                words = facts.get(f"{name}_reason") or {"allowance": _("Allowance"), "charge": _("Charge")}[name]
                rows.append([words, self.number(sign * amount)])
        if self.says_tax:
            rows.append([_("Net"), self.number(facts["net"])])
            rows += [self._tax_row(tax) for tax in facts["taxes"]]
        if prepaid := Decimal(facts.get("prepaid", "0")):
            rows += [[_("Total"), self.number(facts["gross"])], [_("Paid already"), self.number(-prepaid)]]
        return rows

    def _tax_row(self, tax: Facts) -> list[str]:
        rate = self.rate_words({"tax_treatment": tax["treatment"], "tax_percent": tax["percent"]})
        charged = TaxTreatment(tax["treatment"]) in (TaxTreatment.STANDARD, TaxTreatment.ZERO)
        words = f"{self.word} {rate}" if charged else rate if rate != "–" else _("Not taxed")
        return [_("%(rate)s on %(net)s", rate=words, net=self.number(tax["net"])), self.number(tax["tax"])]

    def pay(self) -> list[list[str]]:
        bank = self.facts["seller"]["bank"]
        if not (bank["iban"] or bank["account_number"]):
            return []
        rows = [
            (_("Account name"), self.facts["seller"]["name"]),
            (_("Bank"), bank["name"]),
            ("IBAN", iban(bank["iban"])),
            ("BIC", bank["bic"]),
            (_("Account number"), bank["account_number"]),
            (_("Routing number") if self.facts["seller"]["country"] == "US" else _("Sort code"), bank["sort_code"]),
            (_("Reference"), "" if self.facts.get("draft") else self.facts["number"]),
        ]
        return [list(row) for row in rows if row[1]]


def _entry(line: Facts) -> Facts:
    """Who worked when and how long on a line that stands for one entry."""
    return line.get("entry") or {}
