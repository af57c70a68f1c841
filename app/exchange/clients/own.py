"""The firm's own list of clients: how it is written out, and what a corrected one changes by the clients' codes.

Every column that is written is read back. A cell that says what stands here already changes nothing, however it is
spelled; a cell that was emptied empties its field. Nothing here writes to the database.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from babel.numbers import is_currency

from app.clients.checks import check_tax_number, check_website
from app.clients.models import Client, ClientKind, Wall
from app.clients.names import clean_name, clean_tags
from app.clients.places import check_region
from app.clients.policy import within_sight
from app.core.actors import Actor
from app.core.csv_out import as_written
from app.core.db import db
from app.core.errors import Refused
from app.core.reached import check_email, format_phone
from app.exchange.cells import Cell
from app.exchange.clients.compare import Action, Change, Planned
from app.exchange.clients.prospects import Prospect, cells_of
from app.exchange.clients.rows import Row, RowError
from app.exchange.clients.values import (
    PAYROLLS,
    STAGGERS,
    Names,
    Someone,
    plain,
    read_archived,
    read_day,
    read_payroll,
    read_stagger,
    read_status,
    read_year_end,
    shown,
    write_year_end,
)
from app.firm.models import Office
from app.people.models import Person, PersonState

Writes = Callable[[Client, Names], Any]


@dataclass(frozen=True)
class Column:
    """A column of the list: its head, the columns of Client that it says, and how it is written.

    `must` says that its cell may not be empty.
    """

    head: str
    target: str
    fields: tuple[str, ...]
    write: Writes
    must: bool = False


def _plainly(head: str, name: str, target: str = "", *, must: bool = False) -> Column:
    return Column(head, target or name, (name,), lambda client, _: getattr(client, name), must)


COLUMNS = (
    _plainly("Code", "code", must=True), _plainly("Name", "name", must=True), _plainly("Legal name", "legal_name"),
    _plainly("Kind", "kind", must=True), _plainly("Status", "status", must=True),
    _plainly("E-mail", "email"), _plainly("Telephone", "phone"), _plainly("Website", "website"),
    _plainly("Tax number", "tax_number"), _plainly("Company number", "registration_number"),
    _plainly("Address", "address", "address1"), _plainly("Country", "country"),
    _plainly("State or region", "region", "state"), _plainly("Currency", "currency", must=True),
    Column("Year end", "year_end", ("year_end_month", "year_end_day"),
           lambda client, _: write_year_end(client.year_end_month, client.year_end_day)),
    Column("Tax quarters end in", "vat_stagger", ("vat_stagger",),
           lambda client, _: STAGGERS.get(client.vat_stagger or 0, "")),
    Column("Pays its staff", "payroll_frequency", ("payroll_frequency",),
           lambda client, _: PAYROLLS[client.payroll_frequency][0] if client.payroll_frequency else ""),
    _plainly("First pay day", "first_pay_day"),
    Column("Partner", "partner", ("partner_id",), lambda client, names: names.of(client.partner_id)),
    Column("Manager", "manager", ("manager_id",), lambda client, names: names.of(client.manager_id)),
    Column("Office", "office", ("office_id",), lambda client, names: names.of(client.office_id), must=True),
    Column("Tags", "tags", ("tags",), lambda client, _: ", ".join(client.tags)),
    _plainly("Payment terms, days", "terms_days"),
    Column("Archived", "archived", ("archived",), lambda client, _: "yes" if client.archived_at else ""),
)  # fmt: skip
BY_TARGET = {column.target: column for column in COLUMNS}
HEAD_OF = {name: column.head for column in COLUMNS for name in column.fields}
HEADER = [column.head for column in COLUMNS]
TEXTS = ("legal_name", "email", "phone", "website", "tax_number", "registration_number", "address1", "state")


def row_of(client: Client, names: Names) -> list[Any]:
    """A client as the list writes it."""
    return [column.write(client, names) for column in COLUMNS]


def load_names() -> Names:
    """Whom and which office a cell may name. Three queries."""
    kept_from: dict[UUID, set[UUID]] = {}
    for person_id, client_id in db.session.execute(
        sa.select(Wall.person_id, Wall.client_id).where(Wall.client_id.is_not(None))
    ):
        kept_from.setdefault(person_id, set()).update(filter(None, [client_id]))
    people = [
        Someone(person_id, name, email, state is not PersonState.DEACTIVATED, frozenset(kept_from.get(person_id, ())))
        for person_id, name, email, state in db.session.execute(
            sa.select(Person.id, Person.name, Person.email, Person.state).order_by(Person.id)
        )
    ]
    offices = db.session.execute(sa.select(Office.id, Office.name).order_by(Office.id)).all()
    return Names(people, [(office.id, office.name) for office in offices])


def present(client: Client) -> dict[str, Any]:
    """What stands here, as JSON keeps it."""
    found = {name: plain(getattr(client, name)) for name in HEAD_OF if name != "archived"}
    return {**found, "archived": client.archived_at is not None}


def plan_own(
    header: Sequence[str], rows: Sequence[Sequence[Cell]], mapping: Mapping[str, str], country: str,
    lines: Sequence[int], faults: Sequence[RowError], *, seen_by: Actor,
) -> list[Planned]:
    """What a list of ours would change: for each row, from what to what. Five queries, whatever it holds."""
    columns = {target: column for column, target in mapping.items()}
    if "code" not in columns:
        raise Refused("No column is said to hold the client’s code, by which clients of a list from here are found.")
    names = load_names()
    clients, hidden = _by_code(seen_by)
    found = [
        _Row(cells, columns, number, country, names, wrong) for number, cells, wrong in
        cells_of(header, rows, mapping, lines, faults)
    ]
    times = Counter(row.code.casefold() for row in found)
    first: dict[str, int] = {}
    for row in found:
        key = row.code.casefold()
        if key and times[key] > 1:
            other = first.setdefault(key, row.number)
            also = f"Line {other}" if other != row.number else "Another line"
            row.wrong("code", f"{also} has the code {row.code} too. Each client stands in the list once.", row.code)
    return [row.plan(clients.get(row.code.casefold()), row.code.casefold() in hidden) for row in found]


def _by_code(seen_by: Actor) -> tuple[dict[str, Client], set[str]]:
    """Clients by their code in small letters, and the codes of those that may not be seen."""
    sight = within_sight(seen_by, Client.id)
    everyone = db.session.scalars(sa.select(Client).where(*sight)).all()
    clients = {client.code.casefold(): client for client in everyone}
    hidden = db.session.scalars(sa.select(Client.code).where(sa.not_(sa.and_(*sight)))) if sight else ()
    return clients, {code.casefold() for code in hidden}


class _Row(Row):
    """A row of our own list."""

    def __init__(
        self, cells: Mapping[str, Cell], columns: Mapping[str, str], number: int, country: str, names: Names,
        wrong: Sequence[RowError],
    ) -> None:
        kept = {target: as_written(cell) if isinstance(cell, str) else cell for target, cell in cells.items()}
        super().__init__(kept, columns, number, country, names)
        self.errors += wrong
        self.code = self.text("code")
        self.office_country = country

    def plan(self, client: Client | None, is_hidden: bool) -> Planned:
        values = {} if self.errors or is_hidden else self.values(client)
        name = self.text("name") or (client.name if client else "") or self.code
        before = present(client) if client else {}
        changes = {field: value for field, value in values.items() if not client or before[field] != value}
        if client and not self.errors:
            self._check(client, changes)
        prospect = Prospect("", name[:300], [self.number], values=changes, code=self.code, errors=self.errors)
        if self.errors:
            return Planned(prospect, Action.REFUSED, client, self.errors[0].message)
        if client is None:
            return Planned(prospect, Action.UNCHANGED if is_hidden else Action.UNKNOWN)
        told = list(self._told(client, changes))
        return Planned(prospect, Action.UPDATE if changes else Action.UNCHANGED, client, changes=told, values=changes)

    def values(self, client: Client | None) -> dict[str, Any]:
        """The fields that the row says otherwise than the list would be written now; all of them for a new client."""
        found: dict[str, Any] = {}
        for column in COLUMNS:
            if column.target not in self.columns or column.target == "code":
                continue
            said = self.lines(column.target) if column.target == "address1" else [self.text(column.target)]
            if client and _spelled(said) == _spelled(_cell(column.write(client, self.names)).splitlines()):
                continue
            if not any(said):
                if column.must and (client or column.target == "name"):
                    self.wrong(column.target, f"{column.head} cannot be empty.", "")
                elif client:
                    found.update(dict.fromkeys(column.fields, _empty(column)))
                continue
            read = self.checked(column.target, partial(self._read, column.target, client))
            values = read if isinstance(read, tuple) else (read,)
            if read != "" or column.target == "archived":
                found.update(zip(column.fields, map(plain, values), strict=True))
        return found

    def _read(self, target: str, client: Client | None, text: str) -> Any:
        """What a cell says. Raises Refused."""
        country = self.said_country(client)
        match target:
            case "name":
                return clean_name(text, what="client’s name")
            case "kind":
                return _kind(text)
            case "status":
                return read_status(text)
            case "email":
                return check_email(text)
            case "phone":
                return format_phone(text[:60], country or self.office_country)
            case "website":
                return check_website(text)
            case "tax_number":
                return check_tax_number(text, country)
            case "address1":
                return "\n".join(filter(None, self.lines("address1")))[:1000]
            case "country":
                if not self.country:
                    raise Refused(f"“{text[:40]}” is no country. Write its name, or two letters such as GB or US.")
                return self.country
            case "state":
                return check_region(text, country)
            case "currency":
                return _currency(text)
            case "year_end":
                return read_year_end(text, (client.year_end_month, client.year_end_day) if client else (None, None))
            case "vat_stagger":
                return read_stagger(text)
            case "payroll_frequency":
                return read_payroll(text)
            case "first_pay_day":
                return read_day(text, client.first_pay_day if client else None)
            case "partner" | "manager":
                return self.names.person(text, client.id if client else None)
            case "office":
                return self.names.office(text)
            case "tags":
                return clean_tags([tag for part in text.split(";") for tag in part.split(",")])
            case "terms_days":
                return _terms(text)
            case "archived":
                return read_archived(text)
        return text[:300] if target == "legal_name" else text[:60]

    def said_country(self, client: Client | None) -> str | None:
        if "country" in self.columns and self.text("country"):
            return self.country
        return client.country if client and "country" not in self.columns else None

    def _check(self, client: Client, changes: Mapping[str, Any]) -> None:
        """What only holds together is looked at with what stays."""
        after = {**present(client), **changes}
        if (after["payroll_frequency"] is None) != (after["first_pay_day"] is None):
            target = "payroll_frequency" if "payroll_frequency" in changes else "first_pay_day"
            self.wrong(target, "A payroll has a frequency and a first pay day, or neither.", self.text(target))
        if "country" in changes:
            for name, check in (("region", check_region), ("tax_number", check_tax_number)):
                if name not in changes:
                    try:
                        check(after[name], after["country"])
                    except Refused as refusal:
                        self.wrong("country", f"{HEAD_OF[name]}: {refusal.message}", self.text("country"))

    def _told(self, client: Client, changes: Mapping[str, Any]) -> Iterator[Change]:
        """From what to what, as the list writes it."""
        after = {**present(client), **changes}
        for column in COLUMNS:
            if any(name in changes for name in column.fields):
                yield Change(column.head, _cell(column.write(client, self.names)), self._shown(column, after))

    def _shown(self, column: Column, after: Mapping[str, Any]) -> str:
        if column.target == "year_end":
            return write_year_end(after["year_end_month"], after["year_end_day"])
        if column.target == "archived":
            return "yes" if after["archived"] else ""
        return shown(column.fields[0], after[column.fields[0]], self.names)


def _spelled(lines: Sequence[str]) -> list[str]:
    return [spelled for line in lines if (spelled := " ".join(line.split()))]


def _empty(column: Column) -> Any:
    if column.target == "tags":
        return []
    return False if column.target == "archived" else "" if column.target in TEXTS else None


def _cell(value: Any) -> str:
    return "" if value is None else str(plain(value))


def _kind(text: str) -> ClientKind:
    try:
        return ClientKind(text.casefold())
    except ValueError:
        raise Refused(f"“{text[:40]}” is no kind of client: {' or '.join(ClientKind)}.") from None


def _currency(text: str) -> str:
    if not is_currency(text.upper()):
        raise Refused(f"{text[:10]} is no currency code; three letters such as GBP are.")
    return text.upper()


def _terms(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 365:
        raise Refused(f"“{text[:40]}” is no number of days up to 365.")
    return int(text)
