"""From rows to clients: gathered by their key, checked cell by cell. Nothing here reads the database."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

from babel import Locale

from app.clients.checks import check_tax_number, check_website
from app.clients.commands.clients import COUNTRIES
from app.clients.models import ClientKind
from app.clients.names import clean_name, sort_key
from app.core.errors import Refused
from app.core.reached import check_email, format_phone
from app.exchange.clients.amounts import Amounts
from app.exchange.clients.formats import Source
from app.exchange.files import Cell

_names = Locale("en").territories
COUNTRY_CODES = {str(_names[code]).casefold(): code for code in COUNTRIES} | {
    "usa": "US", "u.s.a.": "US", "us": "US", "united states of america": "US", "uk": "GB", "great britain": "GB",
    "england": "GB", "scotland": "GB", "wales": "GB", "northern ireland": "GB", "éire": "IE", "eire": "IE",
    "republic of ireland": "IE", "deutschland": "DE", "holland": "NL", "the netherlands": "NL", "españa": "ES",
    "österreich": "AT", "schweiz": "CH", "suisse": "CH", "polska": "PL",
} | {code.casefold(): code for code in COUNTRIES}
PERSON_WORDS = ("individual", "person", "private")
BUSINESS_WORDS = ("business", "company", "organisation", "organization")


@dataclass(frozen=True)
class RowError:
    """What is wrong, in the file's own terms: the row as a spreadsheet counts it, the column as it is headed."""

    row: int
    column: str
    message: str


@dataclass
class Person:
    """Somebody who stands for a client."""

    name: str
    emails: list[str] = field(default_factory=list)
    phones: list[str] = field(default_factory=list)
    role: str = ""


@dataclass
class Prospect:
    """One client as a file tells it, from one row or several. `values` are columns of Client."""

    key: str
    name: str
    rows: list[int]
    values: dict[str, Any] = field(default_factory=dict)
    people: list[Person] = field(default_factory=list)
    code: str = ""
    balance: str = ""
    errors: list[RowError] = field(default_factory=list)

    @property
    def emails(self) -> set[str]:
        return {mail.casefold() for person in self.people for mail in person.emails} | (
            {self.values["email"].casefold()} if self.values.get("email") else set()
        )

    @property
    def is_person(self) -> bool:
        return self.values.get("kind") == ClientKind.PERSON.value

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "errors": []}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Prospect:
        return cls(**{**data, "people": [Person(**person) for person in data["people"]]})


def gather(
    header: Sequence[str], rows: Sequence[Sequence[Cell]], mapping: Mapping[str, str], source: Source, country: str,
    amounts: Amounts,
) -> list[Prospect]:
    """The clients of a file in its order. `country` is where telephone numbers without one are (the office's)."""
    columns = {target: column for column, target in mapping.items()}
    if "name" not in columns and "company" not in columns and "last_name" not in columns:
        raise Refused("No column is said to hold the client’s name. Choose one below.")
    places = {column: at for at, column in reversed(list(enumerate(header)))}
    found: dict[str, Prospect] = {}
    for number, row in enumerate(rows, 2):
        if not any(row):
            continue
        cells = {target: row[places[column]] for target, column in columns.items()}
        one = _Reader(cells, columns, number, country, source, amounts).read()
        if one.key in found and one.key:
            _merge(found[one.key], one)
        else:
            found[one.key or f"row {number}"] = one
    return list(found.values())


def _merge(into: Prospect, more: Prospect) -> None:
    into.rows += more.rows
    into.errors += more.errors
    for name, value in more.values.items():
        into.values.setdefault(name, value)
    into.balance = into.balance or more.balance
    for person in more.people:
        known = next((p for p in into.people if sort_key(p.name) == sort_key(person.name)), None)
        if known is None:
            into.people.append(person)
        else:
            known.emails += [mail for mail in person.emails if mail not in known.emails]
            known.phones += [phone for phone in person.phones if phone not in known.phones]


class _Reader:
    """Reads one row; what is wrong with it is gathered, not raised."""

    def __init__(
        self, cells: Mapping[str, Cell], columns: Mapping[str, str], number: int, country: str, source: Source,
        amounts: Amounts,
    ) -> None:
        self.cells, self.columns, self.number, self.source, self.amounts = cells, columns, number, source, amounts
        self.errors: list[RowError] = []
        self.country = COUNTRY_CODES.get(self.text("country").casefold().strip())
        self.reading_country = self.country or country

    def text(self, target: str) -> str:
        return " ".join(str(self.cells.get(target, "")).split())

    def checked(self, target: str, check: Callable[[str], Any]) -> Any:
        text = self.text(target)
        if not text:
            return ""
        try:
            return check(text)
        except Refused as refusal:
            self.errors.append(RowError(self.number, self.columns[target], refusal.message))
            return ""

    def read(self) -> Prospect:
        person = self.text("full_name") or " ".join(filter(None, (self.text("first_name"), self.text("last_name"))))
        name = self.text("name") or self.text("company") or person
        try:
            name = clean_name(name, what="client’s name")
        except Refused as refusal:
            column = next(self.columns[t] for t in ("name", "company", "last_name") if t in self.columns)
            self.errors.append(RowError(self.number, column, refusal.message))
            name = name[:300]
        email = self.checked("email", check_email)
        kind = self.kind(name, person)
        values = {
            "name": name, "kind": kind.value, "email": email, "phone": self.phone("phone") or self.phone("mobile"),
            "website": self.checked("website", check_website), "address": self.address(),
            "country": self.country or "", "legal_name": self.text("legal_name")[:300],
            "registration_number": self.text("registration_number")[:60],
            "tax_number": self.checked("tax_number", lambda text: check_tax_number(text, self.country)),
            "terms_days": self.terms(), "tags": [tag for tag in re.split(r"[,;|]", self.text("tags")) if tag.strip()],
            "notes": str(self.cells.get("notes", "")),
        }
        code = self.text("code")[:40]
        return Prospect(
            key=self.key(name, email, code), name=name, rows=[self.number], code=code, errors=self.errors,
            values={column: value for column, value in values.items() if value not in ("", None, [])},
            people=self.people(person, email, name, kind), balance=self.balance(),
        )

    def key(self, name: str, email: str, code: str) -> str:
        plain = sort_key(name)
        if self.source in (Source.XERO, Source.OTHER) and code:
            return f"code:{code.casefold()}"
        if self.source is Source.TAXDOME and plain:
            return f"name:{plain}"
        if self.source is Source.CLIO and self.text("company"):
            return f"company:{sort_key(self.text('company'))}"
        return f"name:{plain} mail:{email.casefold()}" if plain else ""

    def kind(self, name: str, person: str) -> ClientKind:
        said = self.text("kind").casefold()
        if any(word in said for word in BUSINESS_WORDS):
            return ClientKind.ORGANISATION
        same = bool(person) and sort_key(name) == sort_key(person)
        company = self.text("company")
        if any(word in said for word in PERSON_WORDS) and not (person and not same):
            return ClientKind.PERSON
        if self.source is Source.QUICKBOOKS:
            return ClientKind.ORGANISATION if company else ClientKind.PERSON
        return ClientKind.PERSON if same and not company else ClientKind.ORGANISATION

    def phone(self, target: str) -> str:
        return format_phone(self.text(target)[:60], self.reading_country)

    def address(self) -> str:
        lines = [self.text(f"address{n}") for n in range(1, 5)]
        lines.append(" ".join(filter(None, (self.text("city"), self.text("region"), self.text("postcode")))))
        if not self.country:
            lines.append(self.text("country"))
        return "\n".join(filter(None, lines))[:1000]

    def terms(self) -> int | None:
        text = self.text("terms_days")
        if not text or self.text("terms_kind") not in ("", "DAYSAFTERBILLDATE"):
            return None
        digits = re.fullmatch(r"(?:net )?(\d{1,4})(?: days)?", text.casefold())
        if digits and int(digits[1]) <= 365:
            return int(digits[1])
        said = f"“{text[:40]}” is no number of days up to 365."
        self.errors.append(RowError(self.number, self.columns["terms_days"], said))
        return None

    def people(self, person: str, email: str, name: str, kind: ClientKind) -> list[Person]:
        found = []
        if not person and kind is ClientKind.PERSON:
            person = name
        phones = [phone for phone in (self.phone("phone"), self.phone("mobile")) if phone]
        if person:
            found.append(Person(person[:300], [email] if email else [], phones, self.text("role")[:100]))
        for n in range(1, 6):
            other = " ".join(filter(None, (self.text(f"person{n}_first_name"), self.text(f"person{n}_last_name"))))
            mail = self.checked(f"person{n}_email", check_email)
            if other or mail:
                found.append(Person((other or mail)[:300], [mail] if mail else []))
        return found

    def balance(self) -> str:
        cell = self.cells.get("balance", "")
        amount: Decimal | str = self.checked("balance", lambda text: self.amounts.read(cell, text))
        return f"{amount:f}" if amount else ""
