"""One row of a list, read cell by cell in the file's own terms. Nothing here reads the database."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from babel import Locale

from app.clients.commands.clients import COUNTRIES
from app.clients.places import check_region
from app.core.errors import Refused
from app.core.reached import format_phone
from app.exchange.cells import Cell
from app.exchange.clients.values import Names, plain, read_day, read_payroll, read_stagger, read_status, read_year_end

_names = Locale("en").territories
COUNTRY_CODES = {str(_names[code]).casefold(): code for code in COUNTRIES} | {
    "usa": "US", "u.s.a.": "US", "us": "US", "united states of america": "US", "uk": "GB", "great britain": "GB",
    "england": "GB", "scotland": "GB", "wales": "GB", "northern ireland": "GB", "éire": "IE", "eire": "IE",
    "republic of ireland": "IE", "deutschland": "DE", "holland": "NL", "the netherlands": "NL", "españa": "ES",
    "österreich": "AT", "schweiz": "CH", "suisse": "CH", "polska": "PL",
} | {code.casefold(): code for code in COUNTRIES}
# What a spreadsheet shows where it could not work a cell out or the column is too narrow (########), and a number of
# which it kept the first digits alone. Without a fraction and a sign it may be a code: 1E5.
FAULTS = re.compile(r"#{2,}|#(?:N/A|REF!|VALUE!|NAME\?|DIV/0!|NUM!|NULL!|SPILL!|CALC!|GETTING_DATA)")
CUT = re.compile(r"[+-]?\d(?:[.,]\d+[eE][+-]?|[eE][+-])\d{1,3}")


@dataclass(frozen=True)
class RowError:
    """What is wrong, in the file's own terms: the line as an editor shows it, the column as it is headed."""

    row: int
    column: str
    message: str
    read: str = ""


class Row:
    """Reads one row; what is wrong with it is gathered, not raised."""

    def __init__(
        self, cells: Mapping[str, Cell], columns: Mapping[str, str], number: int, country: str, names: Names,
    ) -> None:
        self.cells, self.columns, self.number, self.names = cells, columns, number, names
        self.errors: list[RowError] = []
        self._look_at_cells()
        self.country = COUNTRY_CODES.get(self.text("country").casefold().strip())
        self.reading_country = self.country or country

    def _look_at_cells(self) -> None:
        """What a spreadsheet did to its own cells is an error of each; the cell counts as empty."""
        kept = dict(self.cells)
        for target, cell in self.cells.items():
            text = cell.strip() if isinstance(cell, str) else ""
            if FAULTS.fullmatch(text):
                mend = "Widen the column" if text.startswith("##") else "Mend the formula"
                self.wrong(target, f"“{text}” is an error of the spreadsheet and no value. {mend} or empty the cell.",
                           text)
                kept[target] = ""
            elif CUT.fullmatch(text) and target != "balance":
                self.wrong(target, f"“{text}” is a number that a spreadsheet has cut short: its digits are lost. "
                           "Format the column as text where the list comes from.", text)
                kept[target] = ""
        self.cells = kept

    def wrong(self, target: str, message: str, read: str) -> None:
        self.errors.append(RowError(self.number, self.columns[target], message, read[:80]))

    def text(self, target: str) -> str:
        cell = self.cells.get(target, "")
        # A float has digits that nobody typed: 1100.1000000000001 is 1100.1.
        return f"{cell:.15g}" if isinstance(cell, float) else " ".join(cell.split())

    def lines(self, target: str) -> list[str]:
        """The cell with its line breaks kept."""
        cell = self.cells.get(target, "")
        return [" ".join(line.split()) for line in cell.splitlines()] if isinstance(cell, str) else [self.text(target)]

    def checked(self, target: str, check: Callable[[str], Any]) -> Any:
        text = self.text(target)
        if not text:
            return ""
        try:
            return check(text)
        except Refused as refusal:
            self.wrong(target, refusal.message, text)
            return ""

    def phone(self, target: str) -> str:
        return format_phone(self.text(target)[:60], self.reading_country)

    def arrangements(self) -> dict[str, Any]:
        """What the firm arranges with a client, as JSON keeps it: whose it is, its office, the periods of its work."""
        year_end = self.checked("year_end", read_year_end) or (None, None)
        frequency, first = self.checked("payroll_frequency", read_payroll), self.checked("first_pay_day", read_day)
        if self.text("payroll_frequency") and not self.text("first_pay_day"):
            self.wrong("payroll_frequency", "A payroll has a frequency and a first pay day; this row says no pay day.",
                       self.text("payroll_frequency"))
        values = {
            "status": self.checked("status", read_status), "region": self.region(),
            "year_end_month": year_end[0], "year_end_day": year_end[1],
            "vat_stagger": self.checked("vat_stagger", read_stagger),
            "payroll_frequency": frequency, "first_pay_day": first if frequency else None,
            "partner_id": self.checked("partner", self.names.person),
            "manager_id": self.checked("manager", self.names.person),
            "office_id": self.checked("office", self.names.office),
        }
        return {name: plain(value) for name, value in values.items() if value not in ("", None)}

    def region(self) -> Any:
        return self.checked("state", lambda text: check_region(text, self.country))
