"""Lists as CSV: streamed, in UTF-8 with a mark that spreadsheets know, cells that cannot act as formulas."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from flask import Response, stream_with_context

from app.core.filenames import disposition

ACTING = ("=", "+", "-", "@", "\t", "\r", "\n")
FLUSH_AT = 32_000


def cell(value: Any) -> str:
    """A value as text; what a spreadsheet would run as a formula gets an apostrophe before it. Numbers stay numbers."""
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(ACTING) else value
    return str(getattr(value, "value", value))


def csv_lines(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """The file in pieces of about 32 kB."""
    buffer = io.StringIO("\ufeff")
    buffer.seek(0, io.SEEK_END)
    writer = csv.writer(buffer)
    writer.writerow(header)
    for row in rows:
        writer.writerow([cell(value) for value in row])
        if buffer.tell() > FLUSH_AT:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def stream_csv(filename: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Response:
    """A download of any length. `rows` is drawn while it is sent, after the view has returned: give a list, or a
    generator that asks the database only when it is drawn."""
    return Response(
        stream_with_context(csv_lines(header, rows)), mimetype="text/csv",
        headers={"Content-Disposition": disposition(filename)},
    )
