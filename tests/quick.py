"""What `make check` runs: the tests that need no database, and all quick ones of the rooms that changed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LONG = {"slow", "browser", "real", "soak", "audit", "alone"}
TOPS = ("app", "templates", "tests")


def is_quick(item: pytest.Item, rooms: set[str]) -> bool:
    if any(marker.name in LONG for marker in item.iter_markers()):
        return False
    needs_services = "services" in getattr(item, "fixturenames", ())
    return not needs_services or item.path.relative_to(ROOT / "tests").parts[0] in rooms


def rooms_changed() -> set[str]:
    """The rooms of what the last commit changed and what is not committed yet; none outside a repository."""
    asked = (["git", "diff", "--name-only", "HEAD~1"], ["git", "ls-files", "--others", "--exclude-standard"])
    answers = [subprocess.run(words, cwd=ROOT, capture_output=True, text=True).stdout for words in asked]
    return {room_of(Path(line)) for line in "".join(answers).splitlines()} - {""}


def room_of(path: Path) -> str:
    """`billing` for app/billing/models.py, templates/billing/bill.html and tests/billing/test_bills.py."""
    if path.parts[0] == "portal":
        return "portal"
    return path.parts[1] if len(path.parts) > 2 and path.parts[0] in TOPS else ""
