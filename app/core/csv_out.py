"""Lists as CSV: streamed, in UTF-8 with a mark that spreadsheets know, cells that cannot act as formulas."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any

import structlog
from flask import Response

from app.core.apart import Apart
from app.core.filenames import disposition
from app.core.money import Money

log = structlog.get_logger()
Rows = Iterable[Sequence[Any]]

ACTING = ("=", "+", "-", "@", "\t", "\r", "\n")
FLUSH_AT = 32_000
CUT_SHORT = "THIS FILE IS NOT WHOLE: something broke while it was written. Take it out once more."


def cell(value: Any) -> str:
    """A value as text; what a spreadsheet would run as a formula gets an apostrophe before it. Numbers stay numbers;
    Money has the decimals of its currency."""
    if value is None:
        return ""
    if isinstance(value, Money):
        return f"{value.rounded().amount:f}"
    if isinstance(value, str):
        return f"'{value}" if value.lstrip("'").startswith(ACTING) else value
    return str(getattr(value, "value", value))


def as_written(text: str) -> str:
    """What stands in a cell that `cell` wrote: without the apostrophe that it put before it."""
    return text[1:] if text.startswith("'") and text.lstrip("'").startswith(ACTING) else text


def moneys(currency: str, *amounts: Decimal | None) -> list[Money | None]:
    """Amounts of one currency as cells; None stays empty."""
    return [None if amount is None else Money(amount, currency) for amount in amounts]


def csv_lines(header: Sequence[str], rows: Rows) -> Iterator[str]:
    """The file in pieces of about 32 kB. One that breaks says so in its last line, then raises."""
    buffer = io.StringIO("\ufeff")
    buffer.seek(0, io.SEEK_END)
    writer = csv.writer(buffer)
    writer.writerow(header)
    begun = False
    try:
        for row in rows:
            writer.writerow([cell(value) for value in row])
            if buffer.tell() > FLUSH_AT:
                yield buffer.getvalue()
                begun = True
                buffer.seek(0)
                buffer.truncate()
    except Exception:
        if begun:
            log.exception("list.cut_short")
            writer.writerow([CUT_SHORT])
            yield buffer.getvalue()
        raise
    yield buffer.getvalue()


def stream_csv(
    filename: str, header: Sequence[str], rows: Callable[[], Rows], *, noting: Callable[[], object]
) -> Response:
    """A download of any length. `rows` is called, and what it gives is drawn, in a session of its own.

    Two pieces are drawn before anything is sent, so that who may not see the list, or a list that breaks at once,
    gets an error's answer; then `noting` writes down that the list was taken. What breaks later ends the transfer
    without its end (RFC 9112, 7.1), which a browser shows as a failed download.
    """
    pieces = Apart(lambda: csv_lines(header, rows()))
    try:
        first = list(islice(pieces, 2))
        noting()
    except BaseException:
        pieces.close()
        raise
    # A file of one piece is whole already and goes with its length; of two, only the second one's end would tell.
    if len(first) < 2:
        pieces.close()
    body = "".join(first) if len(first) < 2 else pieces.after(first)
    return Response(body, mimetype="text/csv", headers={"Content-Disposition": disposition(filename)})
