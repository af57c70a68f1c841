"""From rows to clients: gathered by their key, checked cell by cell. Nothing here reads the database."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

from app.clients.checks import check_tax_number, check_website
from app.clients.models import ClientKind
from app.clients.names import clean_name
from app.core.errors import Refused
from app.core.reached import check_email
from app.core.sorting import sort_key
from app.exchange.cells import Cell
from app.exchange.clients.amounts import Amounts
from app.exchange.clients.formats import Source
from app.exchange.clients.rows import Row, RowError
from app.exchange.clients.values import NOBODY, Names

PERSON_WORDS = ("individual", "person", "private")
# Of one client, whatever stands for it: rows that say two things of it are not one client's.
ONE_OF = (
    "name", "legal_name", "registration_number", "tax_number", "country", "region", "website", "terms_days", "address",
    "status", "year_end_month", "year_end_day", "vat_stagger", "payroll_frequency", "first_pay_day",
)
HEADED_BY = {"year_end_month": "year_end", "year_end_day": "year_end", "region": "state"}
BUSINESS_WORDS = ("business", "company", "organisation", "organization")


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
    warnings: list[RowError] = field(default_factory=list)

    @property
    def emails(self) -> set[str]:
        return {mail.casefold() for person in self.people for mail in person.emails} | (
            {self.values["email"].casefold()} if self.values.get("email") else set()
        )

    @property
    def is_person(self) -> bool:
        return self.values.get("kind") == ClientKind.PERSON.value

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "errors": [], "warnings": []}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Prospect:
        return cls(**{**data, "people": [Person(**person) for person in data["people"]]})


def gather(
    header: Sequence[str], rows: Sequence[Sequence[Cell]], mapping: Mapping[str, str], source: Source, country: str,
    amounts: Amounts, lines: Sequence[int] = (), faults: Sequence[RowError] = (), names: Names = NOBODY,
) -> list[Prospect]:
    """The clients of a file in its order. `country` is where telephone numbers without one are (the office's).

    `lines` are those of the rows where the file has them, `faults` what its reader found wrong with them; `names` are
    the people and offices that a cell may name.
    """
    columns = {target: column for column, target in mapping.items()}
    if "name" not in columns and "company" not in columns and "last_name" not in columns:
        raise Refused("No column is said to hold the client’s name. Choose one below.")
    gathered: dict[str, list[Prospect]] = {}
    for number, cells, wrong in cells_of(header, rows, mapping, lines, faults):
        if wrong:
            # What stands in its cells cannot be trusted, so that nothing else is said of them.
            one = Prospect("", str(cells.get("name", ""))[:80], [number], errors=wrong)
        else:
            one = _Reader(cells, columns, number, country, names, source, amounts).read()
        gathered.setdefault(one.key or f"row {number}", []).append(one)
    found = [_as_one(same, columns) for same in gathered.values()]
    if source is Source.OTHER:
        _ask_of_namesakes(found, columns)
    return found


def _ask_of_namesakes(found: Sequence[Prospect], columns: Mapping[str, str]) -> None:
    """Clients of one name are told apart by their codes or their e-mails; where those leave it open it is an error.

    Two codes without an e-mail that both have make two clients; since a list may hold one client twice, that is told.
    """
    named: dict[str, list[Prospect]] = {}
    for one in found:
        if one.key.startswith(("name:", "code:")):
            named.setdefault(sort_key(one.name), []).append(one)
    for same in named.values():
        if len(same) < 2:
            continue
        coded: dict[str, Prospect] = {}  # by e-mail the first that has a code
        for one in same:
            if one.code:
                coded.setdefault(_mail_of(one), one)
        first_coded = next(iter(coded.values()), None)
        for one in same:
            if not one.code and (other := _may_be(one, same, coded)):
                one.errors.append(RowError(one.rows[0], columns.get("name", ""), _open_of(one, other), one.name))
            elif one.code and _mail_of(one) and (first := coded[_mail_of(one)]) is not one:
                one.errors.append(RowError(
                    one.rows[0], columns["code"], f"Line {first.rows[0]} says “{first.code}” of a client of this name "
                    f"and e-mail and this one says “{one.code}”. If they are one client, give both lines one code; if "
                    "not, let their names differ or leave out the e-mail of one.", one.code,
                ))  # fmt: skip
            elif one.code and first_coded is not None and first_coded is not one:
                one.warnings.append(RowError(
                    one.rows[0], columns["code"], f"{one.name} stands in line {first_coded.rows[0]} too, with the code "
                    f"“{first_coded.code}” there and “{one.code}” here: these are two clients. If they are one, give "
                    "both lines one code.", one.code,
                ))  # fmt: skip


def _may_be(one: Prospect, same: Sequence[Prospect], coded: Mapping[str, Prospect]) -> Prospect | None:
    """Whom of the same name one without a code may be: somebody who has a code or an e-mail more."""
    if mail := _mail_of(one):
        return coded.get("") or coded.get(mail)
    return next(iter(coded.values()), None) or next(each for each in same if each is not one)


def _open_of(one: Prospect, other: Prospect) -> str:
    has = "a code" if other.code else "an e-mail"
    more = "" if other.code else ", or a code to both"
    return (f"{one.name} stands in line {other.rows[0]} too, there with {has}, so it cannot be told whether that is "
            f"one client. Give this line {has} as well{more}: the same where it is one client, another where it is "
            "not.")


def _mail_of(one: Prospect) -> str:
    return str(one.values.get("email", "")).casefold()


def cells_of(
    header: Sequence[str], rows: Sequence[Sequence[Cell]], mapping: Mapping[str, str], lines: Sequence[int] = (),
    faults: Sequence[RowError] = (),
) -> Iterator[tuple[int, dict[str, Cell], list[RowError]]]:
    """(line, its cells by what they are, what its reader found wrong) of each row that is not empty."""
    places = {column: at for at, column in reversed(list(enumerate(header)))}
    wrong: dict[int, list[RowError]] = {}
    for fault in faults:
        if fault.column in mapping or not fault.column or fault.column == header[-1]:
            wrong.setdefault(fault.row, []).append(fault)
    for number, row in zip(lines or range(2, len(rows) + 2), rows, strict=False):
        if any(row):
            yield number, {target: row[places[column]] for column, target in mapping.items()}, wrong.get(number, [])


def _as_one(same: Sequence[Prospect], columns: Mapping[str, str]) -> Prospect:
    """The rows of one key as one client; those that disagree are errors."""
    into = same[0]
    people = {sort_key(person.name): person for person in reversed(into.people)}
    told_apart = not into.key.endswith(" mail:") or (_has_people(columns) and "name" in columns)
    for more in same[1:]:
        if not told_apart and not _says_the_same(into, more):
            into.errors += [
                RowError(one.rows[0], columns.get("name", ""), f"{one.name} stands in more than one line without code "
                         "or e-mail, so it cannot be told whether that is one client. Give each line a code or an "
                         "e-mail.", one.name)
                for one in ((into, more) if len(into.rows) == 1 else (more,))
            ]  # fmt: skip
            into.rows += more.rows
            continue
        into.errors += _disagreement(into, more, columns)
        _merge(into, more, people)
    return into


def _has_people(columns: Mapping[str, str]) -> bool:
    return bool({"first_name", "last_name", "full_name"} & columns.keys())


def _says_the_same(one: Prospect, other: Prospect) -> bool:
    return (one.values, one.people, one.balance) == (other.values, other.people, other.balance)


def _disagreement(into: Prospect, more: Prospect, columns: Mapping[str, str]) -> Iterator[RowError]:
    """What a row says otherwise of the client than the rows before it. Those of several people differ in theirs."""
    fields = [name for name in ONE_OF if name != "address" or not into.key.startswith("company:")]
    fields += [] if _has_people(columns) or into.key.startswith("company:") else ["email", "phone"]
    said = [(name, into.values.get(name), more.values.get(name)) for name in fields]
    said += [("code", into.code.casefold(), more.code.casefold()), ("balance", into.balance, more.balance)]
    for name, before, now in said:
        if before and now and before != now and not (name == "name" and sort_key(before) == sort_key(now)):
            head = columns.get(HEADED_BY.get(name, name)) or columns.get("company") or columns.get("last_name") or name
            yield RowError(
                more.rows[0], head, f"Line {into.rows[0]} says “{str(before)[:60]}” of the same client and this one "
                f"says “{str(now)[:60]}”. Mend one of them, or give each client a code of its own.", str(now)[:80],
            )  # fmt: skip


def _merge(into: Prospect, more: Prospect, people: dict[str, Person]) -> None:
    """`people` are those of `into` by how their names sort."""
    into.rows += more.rows
    into.errors += more.errors
    for name, value in more.values.items():
        if name == "notes" and into.values.get(name, value) != value:
            into.values[name] = f"{into.values[name]}\n{value}"
        elif name == "tags":
            into.values[name] = list(dict.fromkeys([*into.values.get(name, []), *value]))
        else:
            into.values.setdefault(name, value)
    into.balance = into.balance or more.balance
    for person in more.people:
        known = people.setdefault(sort_key(person.name), person)
        if known is person:
            into.people.append(person)
        else:
            known.emails += [mail for mail in person.emails if mail not in known.emails]
            known.phones += [phone for phone in person.phones if phone not in known.phones]


class _Reader(Row):
    """A row of another system's list."""

    def __init__(
        self, cells: Mapping[str, Cell], columns: Mapping[str, str], number: int, country: str, names: Names,
        source: Source, amounts: Amounts,
    ) -> None:
        super().__init__(cells, columns, number, country, names)
        self.source, self.amounts = source, amounts

    def read(self) -> Prospect:
        person = self.text("full_name") or " ".join(filter(None, (self.text("first_name"), self.text("last_name"))))
        name = self.text("name") or self.text("company") or person
        company = self.text("company")
        if self.source is Source.OTHER and company and sort_key(company) != sort_key(name):
            # A company and the one who is named beside it: the company is the client, they stand for it.
            name, person = company, person or name
        try:
            name = clean_name(name, what="client’s name")
        except Refused as refusal:
            column = next(self.columns[t] for t in ("name", "company", "last_name") if t in self.columns)
            self.errors.append(RowError(self.number, column, refusal.message, name[:80]))
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
            "notes": str(self.cells.get("notes", "")), **self.arrangements(),
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
        company = self.text("company")
        if self.source is Source.CLIO and company or self.source is Source.OTHER and company and self.text("name"):
            return f"company:{sort_key(company)}"
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

    def address(self) -> str:
        lines = [line for n in range(1, 5) for line in self.lines(f"address{n}")]
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
        self.wrong("terms_days", said, text)
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
