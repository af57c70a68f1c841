"""The lines of a CSV in whatever spelling, numbered as an editor shows them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence

from app.core.errors import Refused
from app.exchange.cells import HEADER_WITHIN, Cell, Remark
from app.exchange.encodings import OLDER


def lines_of_text(
    content: bytes, remarks: list[Remark], encoding: str, *, is_guess: bool
) -> Iterator[tuple[int, list[Cell]]]:
    """`is_guess` says that nobody has chosen this encoding, so that the reader is told of an older one."""
    text = content.decode(encoding, "surrogateescape" if encoding == "utf-8" else "replace").removeprefix("\ufeff")
    if encoding in OLDER and is_guess:
        words = [word for word in text.split() if not word.isascii()][:3]
        remarks.append(Remark(
            1, f"The file is not in UTF-8 and was read as {OLDER[encoding]}: {', '.join(words)[:80]}. If these words "
            "look wrong, choose another encoding, or save the list as CSV in UTF-8.", read=", ".join(words)[:80],
        ))  # fmt: skip
    first = next((line for line in text.lstrip("\r\n").split("\n") if line.strip()), "")
    told = re.fullmatch(r"\"?sep=(.)\"?\s*", first.strip("\r\n"), re.IGNORECASE)
    lines = list(io.StringIO(text, newline=""))
    sample = "".join(lines[:HEADER_WITHIN])
    delimiter = told[1] if told else max(",;\t|", key=sample.count)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    is_first = True
    while True:
        begins = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield begins, [_broken(error, begins, reader.line_num, lines, remarks)]
            continue
        if told and is_first and any(cells):
            is_first = False
            continue
        yield begins, list(cells)


def _broken(error: csv.Error, begins: int, ends: int, lines: Sequence[str], remarks: list[Remark]) -> str:
    """A row that cannot be read, as far as one can see: it is an error of its line."""
    said = str(error)
    if "limit" in said:
        raise Refused(f"Line {begins} holds a cell of more than 100,000 signs: this does not look like a list.",
                      field="file") from error
    if "NUL" in said or "new-line" in said:
        raise Refused(f"Line {begins} cannot be read as CSV: {said}.", field="file") from error
    read = lines[begins - 1].rstrip("\r\n")[:80] if begins <= len(lines) else ""
    if "unexpected end" in said:
        why = f"A quote (\") is opened here and never closed, so all down to line {ends} would be one cell."
    elif ends > begins:
        why = f"A quote (\") that is opened here closes in line {ends}, and text goes on after it."
    else:
        why = "Text goes on after a closing quote (\")."
    remarks.append(Remark(begins, f"{why} Close the quote or take it away.", "", read, error=True))
    return read
