"""What a browser loads before anybody can do anything: the document, its sheets and its scripts, as sent; no fonts."""

from __future__ import annotations

import posixpath
import re
from html.parser import HTMLParser

from tests.bench.browse import Visitor
from tests.bench.report import Report, Row

LIMITS = {"firm": 120_000, "portal": 60_000}
IMPORTED = re.compile(rb"""(?:\bimport|\bfrom)\s*["']([^"']+\.js)["']""")


class _Needed(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "link" and values.get("rel") in ("stylesheet", "modulepreload"):
            self.found.append(values["href"])
        elif tag in ("script", "img") and values.get("src"):
            self.found.append(values["src"])
        elif tag == "use" and values.get("href", "").startswith("/"):
            self.found.append(values["href"].partition("#")[0])


def weigh(door: str, visitor: Visitor, path: str, report: Report) -> None:
    page = visitor.get(path)
    parser = _Needed()
    parser.feed(page.text)
    total, waiting, seen = len(page.body), list(parser.found), set[str]()
    while waiting:
        address = waiting.pop()
        if address in seen or address.startswith("data:"):
            continue
        seen.add(address)
        answer = visitor.get(address)
        total += len(answer.body)
        if address.endswith(".js"):
            folder = posixpath.dirname(address)
            waiting += [posixpath.normpath(posixpath.join(folder, name.decode()))
                        for name in IMPORTED.findall(answer.text.encode())]
    limit = LIMITS[door]
    report.rows.append(Row(
        f"weight, {door}'s door", None, bytes=total, ratio=round(total / limit, 2),
        goal=f"≤ {limit // 1000} KB before use", ok=total <= limit,
    ))
