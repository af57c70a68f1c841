"""A statement of account on paper, in the client's language."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from babel import Locale
from babel.dates import format_date
from babel.numbers import format_currency, format_decimal
from flask_babel import force_locale
from flask_babel import gettext as _

from app.billing.pdf import locale_of, logo_of, look_of, render
from app.billing.queries.statements import Statement, StatementRow
from app.clients.models import Client
from app.core.money import exponent
from app.firm.models import Firm
from app.firm.queries import main_country
from app.ledger.ageing import NOT_DUE


def statement_pdf(statement: Statement, client: Client, firm: Firm) -> bytes:
    """The PDF of a statement; the same figures on the same day give the same bytes."""
    language, logo = client.language or "en", logo_of(firm)
    with force_locale(language):
        data = _data(statement, client, locale_of(language, main_country()))
    data["look"] = look_of(firm, language, logo, data=data, country=client.country or "")
    return render("statement", data, logo=logo, on=statement.end)


def _data(statement: Statement, client: Client, locale: Locale) -> dict[str, Any]:
    decimals = exponent(statement.currency)
    pattern = "#,##0" + ("." + "0" * decimals if decimals else "")

    def number(amount: Decimal) -> str:
        return format_decimal(amount, format=pattern, locale=locale)

    def day(value: dt.date | None, length: str = "medium") -> str:
        return format_date(value, length, locale=locale) if value else ""

    words = {
        "invoice": lambda row: (
            _("Invoice %(number)s", number=row.name)
            + (", " + _("due %(day)s", day=day(row.due_on)) if row.due_on else "")
        ),
        "credit_note": lambda row: _("Credit note %(number)s", number=row.name),
        "payment": lambda row: _("Payment") + (f", {row.name}" if row.name else ""),
        "reversed_payment": lambda row: _("Payment taken back") + (f", {row.name}" if row.name else ""),
    }

    def cells(row: StatementRow) -> list[str]:
        moved = ["" if each is None else number(each) for each in (row.billed, row.credited, row.paid)]
        on = day(row.on) if row.on == row.happened_on else f"{day(row.on)} ({day(row.happened_on)})"
        return [on, words[row.kind](row), *moved, number(row.balance)]

    rows = [[day(statement.start), _("Brought forward"), "", "", "", number(statement.opening)]]
    return {
        "client": {"name": client.legal_name or client.name, "address": client.address},
        "period": f"{day(statement.start, 'long')} – {day(statement.end, 'long')}",
        "rows": rows + [cells(row) for row in statement.rows],
        "open": format_currency(statement.closing, statement.currency, locale=locale),
        "ages": _ages(statement, number),
        "words": {
            "title": _("Statement of account"),
            "page": _("Page"),
            "open": _("Balance"),
            "columns": [
                _("Date"),
                _("What"),
                _("Billed, %(currency)s", currency=statement.currency),
                _("Credited"),
                _("Paid"),
                _("Balance"),
            ],
        },
    }


def _ages(statement: Statement, number: Callable[[Decimal], str]) -> list[list[str]]:
    """What is owed by days past due, what is not due yet apart; with the credit they make the balance."""
    ages = [
        [_("Not yet due") if age is NOT_DUE else _("%(days)s days past due", days=age.name), number(amount)]
        for age, amount in statement.ages
    ]
    return [*ages, [_("Credit"), number(statement.credit)]] if statement.credit else ages
