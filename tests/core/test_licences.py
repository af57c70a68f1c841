"""What the product is made with may be shipped under its own licence, and is listed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts.third_party import Part, parts, refused, vendored

ROOT = Path(__file__).parents[2]


def test_nothing_that_runs_is_under_gpl_or_agpl_or_a_licence_that_nobody_knows() -> None:
    assert {part.name: refused(part) for part in [*parts(), *vendored()] if refused(part)} == {}


@pytest.mark.parametrize("licence", ["GPL-2.0-or-later", "AGPL-3.0-only", "unknown", "LGPL-3.0-only"])
def test_a_licence_that_would_bind_the_whole_product_is_refused(licence: str) -> None:
    assert refused(Part("x265", "4.1", licence, "some-wheel"))


@pytest.mark.parametrize("licence", ["MIT", "FTL OR GPL-2.0-or-later", "Apache-2.0 OR BSD-3-Clause"])
def test_a_licence_that_leaves_a_free_choice_is_taken(licence: str) -> None:
    assert refused(Part("freetype", "2", licence)) == ""


def test_the_list_and_the_bill_of_materials_name_every_part() -> None:
    page = (ROOT / "THIRD-PARTY.md").read_text()
    known = {each["name"] for each in json.loads((ROOT / "sbom.cdx.json").read_text())["components"]}
    for part in [*parts(), *vendored()]:
        assert f"| {part.name} | {part.version} | {part.licence} |" in page, "python scripts/third_party.py"
        assert part.name in known
