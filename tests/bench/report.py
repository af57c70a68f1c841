"""The table on the screen and the file for scripts."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass
class Row:
    """One line: `ratio` is against what `goal` speaks of; `ok` is None where there is no goal."""

    name: str
    size: int | None
    p50_ms: float | None = None
    p95_ms: float | None = None
    queries: int | None = None
    bytes: int | None = None
    ratio: float | None = None
    goal: str = ""
    ok: bool | None = None


@dataclass
class Report:
    """Everything measured, in the order in which it is printed."""

    read_floor_ms: float | None = None
    write_floor_ms: float | None = None
    rows: list[Row] = field(default_factory=list)

    def write(self, path: Path) -> None:
        """The schema that scripts rely on."""
        body = {
            "read_floor_ms": self.read_floor_ms, "write_floor_ms": self.write_floor_ms, "machine": machine(),
            "rows": [asdict(row) for row in self.rows],
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(body, indent=1) + "\n")

    def table(self) -> str:
        head = ("what", "clients", "p50 ms", "p95 ms", "queries", "bytes", "ratio", "goal", "")
        lines = [head, *(_cells(row) for row in self.rows)]
        widths = [max(len(line[n]) for line in lines) for n in range(len(head))]
        numeric = range(1, 7)
        return "\n".join(
            "  ".join(
                cell.rjust(width) if n in numeric else cell.ljust(width)
                for n, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        )


def _cells(row: Row) -> tuple[str, ...]:
    def shown(value: float | None, places: int) -> str:
        return "" if value is None else f"{value:,.{places}f}"

    return (
        row.name, shown(row.size, 0), shown(row.p50_ms, 1), shown(row.p95_ms, 1), shown(row.queries, 0),
        shown(row.bytes, 0), shown(row.ratio, 2), row.goal, "" if row.ok is None else "ok" if row.ok else "SHORT",
    )


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def middle(values: Sequence[float]) -> float:
    return statistics.median(values)


def machine() -> str:
    """What was measured on, in a line."""
    model = platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = (line.partition(":") for line in cpuinfo.read_text().splitlines())
        model = next((value.strip() for name, _, value in lines if name.startswith("model name")), model)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores {model}, {memory:.0f} GB, Python {platform.python_version()}, {platform.system()}"
