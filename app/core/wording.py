"""Amounts, durations and dates as people say them; registered as template filters."""

from __future__ import annotations

import datetime as dt
import functools
import re
import zlib
from decimal import Decimal

from babel import Locale
from babel.dates import format_date, format_time, format_timedelta
from babel.numbers import format_currency
from flask import Flask, g
from flask_babel import get_locale, get_translations, gettext

from app.core import clock
from app.core.money import Money, exponent, write_amount, write_number
from app.core.number_format import NumberFormat, format_of

FALLBACK = Locale("en", "GB")
DAYS_SAID_RELATIVELY = 6
MONTH_FIRST = ("US",)
_DIGITS = re.compile(r"[0-9][0-9.,]*")
BROWSERS = (("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
SYSTEMS = (("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows"),
           ("Mac OS X", "Mac"), ("CrOS", "Chromebook"), ("Linux", "Linux"))


def locale() -> Locale:
    """The reader's locale inside a request, British English outside of one."""
    # A page asks some hundred times: what Babel has found for this request is read where it keeps it.
    kept = g.get("_flask_babel") if g else None
    return getattr(kept, "babel_locale", None) or get_locale() or FALLBACK


def number_format() -> NumberFormat:
    """How the reader writes numbers: as they chose where the door has told so, else as their language does.

    What is made in another language meanwhile (a mail, a PDF) has the numbers of that language.
    """
    chosen: NumberFormat | None = g.get("number_format") if g else None
    if chosen is not None and not hasattr(g.get("_flask_babel"), "forced_babel_locale"):
        return chosen
    return format_of(locale())


@functools.lru_cache(maxsize=8192)
def _written(value: dt.date, pattern: str, reader: Locale) -> str:
    return format_date(value, pattern, locale=reader)


def amount(value: Money | Decimal | int | None, currency: str = "") -> str:
    """`1,234.50`: the number alone, for columns whose header names the currency."""
    if value is None:
        return ""
    number, code = (value.amount, value.currency) if isinstance(value, Money) else (Decimal(value), currency)
    return _spelled(number, code, number_format())


@functools.lru_cache(maxsize=16384)
def _spelled(number: Decimal, code: str, written: NumberFormat) -> str:
    return written.write(number, exponent(code) if code else 2)


def amount_typed(value: Money | Decimal | None, currency: str = "") -> str:
    """An amount as a field shows it: what is there is read again as what it is."""
    if value is None:
        return ""
    number, code = (value.amount, value.currency) if isinstance(value, Money) else (value, currency)
    return write_amount(number, code, number_format())


def number(value: Decimal | int | None) -> str:
    """`0.0051668`, `12.5`: a number with as many decimals as it has, for rates and percentages."""
    return "" if value is None else number_format().write(value)


def number_typed(value: Decimal | int | None) -> str:
    """A number as a field shows it, without groups."""
    return "" if value is None else write_number(Decimal(value), number_format())


def money(value: Money | None) -> str:
    """`£1,234.50`: the number with its currency, for single figures."""
    if value is None:
        return ""
    said, written = format_currency(value.amount, value.currency, locale=locale()), number_format()
    if written == format_of(locale()):
        return said
    return _DIGITS.sub(written.write(abs(value.amount), exponent(value.currency)), said, count=1)


def duration(value: dt.timedelta | None) -> str:
    """`1:24`, hours and minutes; minutes round half up."""
    if value is None:
        return ""
    minutes = int((abs(value).total_seconds() + 30) // 60)
    return f"{'−' if value < dt.timedelta() and minutes else ''}{minutes // 60}:{minutes % 60:02d}"


def day(value: dt.date | None, today: dt.date | None = None) -> str:
    """`today`, `tomorrow`, `Fri 12 Dec`; with the year when it is another one."""
    if value is None:
        return ""
    reference = today or clock.today()
    days = (value - reference).days
    if abs(days) <= 1:
        return str((gettext("yesterday"), gettext("today"), gettext("tomorrow"))[days + 1])
    reader = locale()
    pattern = "EEE, MMM d" if reader.territory in MONTH_FIRST else "EEE d MMM"
    if value.year != reference.year:
        pattern += ", y" if reader.territory in MONTH_FIRST else " y"
    return _written(value, pattern, reader)


def dated(value: dt.date | None) -> str:
    """`12 Dec 2025`: a day on a page that is read once a month, where "Fri 12 Dec" might be any year's."""
    return _written(value, "medium", locale()) if value else ""


def full_day(value: dt.date) -> str:
    """`12 December 2025`, for a sentence; `December 12, 2025` where that is how it is written."""
    return _written(value, "long", locale())


def distance(value: dt.date | None, today: dt.date | None = None) -> str:
    """`in 3 days`, `2 days ago`; farther than six days as the day itself."""
    if value is None:
        return ""
    days = (value - (today or clock.today())).days
    if abs(days) <= 1 or abs(days) > DAYS_SAID_RELATIVELY:
        return day(value, today)
    return format_timedelta(
        dt.timedelta(days=days), granularity="day", threshold=99, add_direction=True, locale=locale()
    )


def exact(value: dt.date | dt.datetime | None) -> str:
    """`Friday, 12 December 2025` and, for an instant, its time in the firm's zone."""
    if value is None:
        return ""
    if isinstance(value, dt.datetime):
        local = clock.local(value)
        reader = locale()
        return f"{_written(local.date(), 'full', reader)}, {format_time(local, 'short', locale=reader)}"
    return _written(value, "full", locale())


def moment(value: dt.datetime | None) -> str:
    """`10:42` today, `yesterday 10:42`, `Fri 12 Dec 10:42` before; in the firm's zone."""
    if value is None:
        return ""
    local = clock.local(value)
    time = f"{local:%H:%M}"
    return time if local.date() == clock.today() else f"{day(local.date())} {time}"


def beside(title: str, name: str) -> str:
    """A title without the name that stands next to it: `VAT Q3 2026` beside Acme Ltd, not `Acme Ltd VAT Q3 2026`."""
    rest = title.removeprefix(name).lstrip(" :,·–-") if name and title.startswith(name) else ""
    return rest[:1].upper() + rest[1:] if rest else title


def counted(number: int, one: str, several: str = "") -> str:
    """`1 step`, `3 steps`, `2 entries`."""
    return f"{number} {one if number == 1 else several or one + 's'}"


def day_of_year(value: tuple[int, int]) -> str:
    """`31 December`: a month's day that comes round every year."""
    reader = locale()
    return _written(dt.date(2000, *value), "MMMM d" if reader.territory in MONTH_FIRST else "d MMMM", reader)


def country(code: str) -> str:
    """`United Kingdom` for `GB`, in the reader's language."""
    return str(locale().territories.get(code, code))


def iban(value: str) -> str:
    """`GB33 BUKB 2020 1555 5555 55`: in fours, as it is read out and typed."""
    plain = value.replace(" ", "")
    return " ".join(plain[i : i + 4] for i in range(0, len(plain), 4))


def browser(agent: str) -> str:
    """`Firefox on Windows`: as much of what a browser says of itself as people recognise."""
    name = next((name for mark, name in BROWSERS if mark in agent), "") or gettext("A browser")
    system = next((name for mark, name in SYSTEMS if mark in agent), "")
    return gettext("%(browser)s on %(system)s", browser=name, system=system) if system else name


def initials(name: str) -> str:
    """At most two letters of a name, first and last word."""
    words = [word for word in name.replace(".", " ").split() if word[0].isalnum()]
    picked = words[:1] + words[-1:] if len(words) > 1 else words
    return "".join(word[0] for word in picked).upper() or "?"


def hue_of(name: str) -> int:
    """One of six quiet grounds for an avatar, always the same for a name."""
    return zlib.crc32(name.encode()) % 6 + 1


@functools.lru_cache(maxsize=4096)
def _translated(text: str, language: str, territory: str | None, script: str | None) -> str:
    return str(get_translations().ugettext(text))


def _say(text: str) -> str:
    reader = locale()
    return _translated(text, reader.language, reader.territory, reader.script)


def init_app(app: Flask) -> None:
    # A page of the portal says a hundred things: what one was called in a language is looked up once.
    app.jinja_env.install_gettext_callables(  # type: ignore[attr-defined]
        gettext=_say,
        ngettext=lambda one, many, n: get_translations().ungettext(one, many, n),
        newstyle=True,
    )
    written = (amount, amount_typed, money, number, number_typed, duration, dated, day, distance, exact, moment,
               day_of_year)
    for filter_ in (*written, beside, browser, counted, country, iban, initials, hue_of):
        app.add_template_filter(filter_, filter_.__name__)
