"""Whoever changes how a statutory date is found gives the rule a new edition and keeps the one before."""

from __future__ import annotations

import csv
from dataclasses import replace
from datetime import date
from pathlib import Path

from app.catalogue.due_rules import days
from app.catalogue.statutory import compute, find_rule, list_rules, newer_edition

SHIPPED = Path(__file__).parent / "editions.csv"


def test_an_edition_that_was_shipped_says_for_ever_what_it_said() -> None:
    now = {(rule.code, each.edition): each.digest for rule in list_rules() for each in (rule, *rule.older)}
    for row in csv.DictReader(SHIPPED.read_text().splitlines()):
        found = now.pop((row["code"], row["edition"]), "nothing: it is gone")
        assert found == row["digest"], (
            f"{row['code']}, edition {row['edition']}, would give other dates. Give the changed rule a later edition, "
            "keep this one in its `older`, and add a line to editions.csv."
        )
    assert now == {}, "a new rule or edition is added to editions.csv with its digest"


def test_a_date_counts_by_the_edition_named_else_by_the_newest() -> None:
    vat = find_rule("UK-VAT")
    law = replace(vat, edition="2027-04", steps=(days(3),), older=(vat,))
    assert law.in_edition(vat.edition) == vat and law.in_edition("") is law and law.digest != vat.digest
    assert compute("UK-VAT", date(2026, 3, 31), edition=vat.edition) == compute("UK-VAT", date(2026, 3, 31))
    assert newer_edition("UK-VAT", vat.edition) is None and newer_edition("NO-SUCH-RULE", "1999-01") is None
    assert newer_edition("UK-VAT", "1999-01") is vat
