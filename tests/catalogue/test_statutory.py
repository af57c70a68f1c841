"""Statutory deadlines: real dates, their names, and the command that prints them."""

from __future__ import annotations

import csv
import json
import re
from datetime import date, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from app.catalogue.deadline_cli import deadline_command
from app.catalogue.statutory import UnknownRule, compute, family_names, find_rule, list_rules
from app.firm.calendars import calendar_for

EXAMPLES = list(csv.DictReader((Path(__file__).parent / "deadlines.csv").read_text().splitlines()))


@pytest.mark.parametrize("row", EXAMPLES, ids=[row["id"] for row in EXAMPLES])
def test_published_deadlines_come_out_exactly(row: dict[str, str]) -> None:
    found = compute(row["id"], date.fromisoformat(row["period_end_or_trigger"]))
    assert found.due.isoformat() == row["expect"]
    assert found.calendar == row["jurisdiction_calendar"]


@pytest.mark.parametrize(
    ("name", "trigger", "expected"),
    [
        # United States: returns
        ("US-1040-2016", "2016-12-31", "2017-04-18"), ("US-1040-2017", "2017-12-31", "2018-04-17"),
        ("US-1040-2021", "2021-12-31", "2022-04-18"), ("US-1040-2022", "2022-12-31", "2023-04-18"),
        ("US-1040-2024", "2024-12-31", "2025-04-15"), ("US-4868", "2022-12-31", "2023-10-16"),
        ("US-1065-2015", "2015-12-31", "2016-04-18"), ("US-1065-2016", "2016-12-31", "2017-03-15"),
        ("US-1065-EXT", "2023-12-31", "2024-09-16"), ("US-1065", "2026-06-30", "2026-09-15"),
        ("US-1120-2015", "2015-12-31", "2016-03-15"), ("US-1120-2025", "2025-12-31", "2026-04-15"),
        ("US-1120", "2026-06-30", "2026-09-15"), ("US-1120", "2027-06-30", "2027-10-15"),
        ("US-1120-EXT", "2025-06-30", "2026-04-15"), ("US-1120-S", "2025-12-31", "2026-03-16"),
        ("US-1041-EXT", "2025-12-31", "2026-09-30"), ("US-990", "2025-12-31", "2026-05-15"),
        ("US-5500", "2025-12-31", "2026-07-31"), ("US-706", "2026-05-31", "2027-03-01"),
        ("US-FBAR-2015", "2015-12-31", "2016-06-30"), ("US-FBAR-2016", "2016-12-31", "2017-04-18"),
        # payroll and information returns
        ("US-941-Q1-2026", "2026-03-31", "2026-04-30"), ("US-941-Q2-2026", "2026-06-30", "2026-07-31"),
        ("US-941-Q4-2025", "2025-12-31", "2026-02-02"), ("US-940-2025", "2025-12-31", "2026-02-02"),
        ("US-1099-NEC-2025", "2025-12-31", "2026-02-02"), ("US-1095C", "2023-12-31", "2024-03-01"),
        ("US-1095C", "2025-12-31", "2026-03-02"),
        ("US-SEMIWEEKLY", "2026-02-04", "2026-02-11"), ("US-SEMIWEEKLY-3", "2026-02-13", "2026-02-19"),
        ("US-SEMIWEEKLY", "2017-01-17", "2017-01-23"), ("US-SEMIWEEKLY", "2020-04-24", "2020-04-29"),
        ("US-941-MONTHLY", "2026-01-31", "2026-02-17"), ("US-NEXT-DAY", "2026-07-02", "2026-07-06"),
        # estimated tax
        ("US-ES-Q1-2026", "2026-04-15", "2026-04-15"), ("US-ES-Q1-2026", "2026-03-31", "2026-04-15"),
        ("US-ES-Q3-2024", "2024-09-15", "2024-09-16"), ("US-ES-Q3-2026", "2026-09-30", "2026-09-15"),
        ("US-ES", "2026-06-30", "2026-09-15"), ("US-1120-ES-Q4", "2026-12-31", "2026-12-15"),
        ("US-1120-ES-Q1", "2026-06-30", "2025-10-15"), ("US-2553", "2026-01-07", "2026-03-23"),
        ("US-2553", "2025-01-07", "2025-03-21"), ("US-83B", "2026-06-01", "2026-07-01"),
        # courts
        ("US-FRCP6-bwd", "2007-09-11", "2007-08-31"), ("US-FRCP6-14d-before", "2026-11-09", "2026-10-26"),
        ("US-FRCP6-30d-mail", "2026-06-04", "2026-07-09"), ("US-FRCP12-ANSWER", "2026-06-13", "2026-07-06"),
        ("US-FRAP4", "2026-01-30", "2026-03-02"), ("US-PTO-OA", "2025-11-30", "2026-03-02"),
        # United Kingdom
        ("UK-CA2006-443a", "2025-06-30", "2025-12-31"), ("UK-ACC-0630", "2025-06-30", "2026-03-31"),
        ("UK-ACC-0229", "2024-02-29", "2024-11-30"), ("UK-ACC-0530", "2025-05-30", "2026-02-28"),
        ("UK-ACC-PLC-1231", "2025-12-31", "2026-06-30"), ("UK-ACC-FIRST", "2025-01-10", "2026-10-10"),
        ("UK-CTPAY-0331", "2026-03-31", "2027-01-01"), ("UK-CTPAY-0228", "2026-02-28", "2026-12-01"),
        ("UK-CT600-0228", "2027-02-28", "2028-02-29"), ("UK-VAT-0228", "2026-02-28", "2026-04-07"),
        ("UK-CTQIP-1", "2026-12-31", "2026-07-14"), ("UK-CTQIP-4", "2026-12-31", "2027-04-14"),
        ("UK-SA-PAPER", "2025-04-05", "2025-10-31"), ("UK-SA-ONLINE-2024-25", "2025-04-05", "2026-01-31"),
        ("UK-SA-POA1", "2026-04-05", "2026-01-31"), ("UK-SA-POA2", "2026-04-05", "2026-07-31"),
        ("UK-PAYE-ELEC", "2022-07-05", "2022-07-22"), ("UK-P60", "2026-04-05", "2026-05-31"),
        ("UK-P11D", "2026-04-05", "2026-07-06"), ("UK-CS01", "2026-03-01", "2026-03-15"),
        ("UK-MTD-ITSA", "2026-07-05", "2026-08-07"), ("UK-IHT400", "2026-02-10", "2027-02-28"),
        ("UK-CPR-AOS", "2026-03-20", "2026-04-07"), ("UK-CPR-DEFENCE-28", "2026-03-09", "2026-04-07"),
        ("UK-CPR-5d", "2026-04-01", "2026-04-10"), ("UK-CPR-6.14", "2026-04-02", "2026-04-08"),
        # Germany, France, Ireland
        ("DE-UST-VA", "2026-09-30", "2026-10-12"), ("DE-USTVA-DFV", "2026-09-30", "2026-11-10"),
        ("DE-EST-2025", "2025-12-31", "2026-07-31"), ("DE-EST-2023", "2023-12-31", "2024-09-02"),
        ("DE-EST-ADV-2018", "2018-12-31", "2020-03-02"), ("DE-EST-ADV-2023", "2023-12-31", "2025-06-02"),
        ("DE-EST-ADV-2024", "2024-12-31", "2026-04-30"), ("DE-EST-ADV-2025", "2025-12-31", "2027-03-01"),
        ("DE-BEKANNTGABE", "2025-02-05", "2025-02-10"), ("DE-EINSPRUCH", "2026-01-31", "2026-03-02"),
        ("FR-LIASSE", "2025-12-31", "2026-05-05"), ("FR-LIASSE-EDI", "2025-12-31", "2026-05-20"),
        ("FR-IS-SOLDE", "2025-12-31", "2026-05-15"), ("FR-TVA-19", "2026-08-31", "2026-09-21"),
        ("IE-CT1", "2025-12-31", "2026-09-23"), ("IE-CT-PRELIM", "2026-12-31", "2026-11-23"),
        ("IE-VAT3", "2026-02-28", "2026-03-23"), ("IE-B1", "2025-09-30", "2025-11-25"),
        ("IE-B1", "2026-02-08", "2026-04-07"),
    ],
)  # fmt: skip
def test_deadlines_of_the_same_kind_come_out_too(name: str, trigger: str, expected: str) -> None:
    assert compute(name, date.fromisoformat(trigger)).due.isoformat() == expected


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("us_1120-s 2025", "US-1120S"), ("US-1099NEC", "US-1099-NEC"), ("US-W-2", "US-W2"),
        ("US-941-TIMELY-2025", "US-941-TIMELY"), ("US-941-Q4-2025-timely", "US-941-TIMELY"),
        ("uk-vat-fy2026", "UK-VAT"),
        ("US-semiweekly-12", "US-SEMIWEEKLY"), ("US-1120-0630-2026", "US-1120"), ("DE-KST", "DE-EST"),
    ],
)  # fmt: skip
def test_a_name_may_carry_the_instance_and_be_written_freely(name: str, code: str) -> None:
    assert find_rule(name).code == code


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("US-1056", "US-1065"),
        ("UK-VATT", "UK-VAT"),
        ("us-frcp6-0d", "US-FRCP6-21D"),
        ("UK-SA-ONLIN", "UK-SA-ONLINE"),
    ],
)
def test_an_unknown_rule_is_refused_with_the_nearest_names(name: str, near: str) -> None:
    with pytest.raises(UnknownRule) as refused:
        compute(name, date(2026, 1, 1))
    assert near in refused.value.matches and near in str(refused.value)


@pytest.mark.parametrize(
    "name", ["", " ", "US", "US-2025", "1231", "\x00", "-" * 9999, "US-FRCP6-99999d", "UK-1231-Q1"]
)
def test_what_is_no_name_never_finds_a_rule(name: str) -> None:
    with pytest.raises(UnknownRule):
        find_rule(name)


def test_every_name_belongs_to_one_rule() -> None:
    rules = list_rules()
    names = [re.sub(r"[^A-Z0-9]", "", name.upper()) for rule in rules for name in {rule.code, *rule.aliases}]
    assert len(names) == len(set(names)), sorted({name for name in names if names.count(name) > 1})


@pytest.mark.parametrize("rule", list_rules(), ids=lambda rule: rule.code)
def test_every_rule_has_its_source_and_works(rule: object) -> None:
    found = compute(rule.code, date(2026, 6, 30))  # type: ignore[attr-defined]
    assert found.source and found.basis.endswith(".") and found.title
    assert abs(found.due - found.trigger) < timedelta(days=366 * 12)


@given(st.sampled_from(list_rules()), st.dates(date(2010, 1, 1), date(2040, 12, 31)))
def test_a_rolling_deadline_falls_on_a_working_day_and_moves_only_over_closed_days(rule: object, trigger: date) -> None:
    found = compute(rule.code, trigger)  # type: ignore[attr-defined]
    calendar = calendar_for(found.calendar)
    if found.due != found.unrolled:
        assert calendar.is_working_day(found.due) and found.why_moved
        low, high = sorted((found.due, found.unrolled))
        assert calendar.count_working_days(low, high + timedelta(days=1)) == 1
    if "rolled to" in found.rule_words:
        assert calendar.is_working_day(found.due)


@pytest.mark.parametrize(("year_end", "elsewhere", "there"), [
    ("2021-12-31", "2022-04-18", "2022-04-19"),  # 18 April 2022 was Patriots' Day
    ("2023-12-31", "2024-04-15", "2024-04-17"),  # Patriots' Day on the 15th, Emancipation Day in Washington on the 16th
    ("2025-12-31", "2026-04-15", "2026-04-15"),
])
def test_patriots_day_moves_a_federal_tax_date_in_massachusetts_and_maine_only(
    year_end: str, elsewhere: str, there: str
) -> None:
    trigger = date.fromisoformat(year_end)
    assert compute("US-1040", trigger).due.isoformat() == elsewhere
    for region in ("US-NY", "US-CA", ""):
        assert compute("US-1040", trigger, region=region).due.isoformat() == elsewhere
    for region in ("US-MA", "US-ME"):
        found = compute("US-1040", trigger, region=region)
        assert found.due.isoformat() == there and found.calendar == f"US-DC+{region}"


def test_calendars_that_are_named_are_added_to_the_rules_own_and_never_replace_it() -> None:
    day = date(2023, 12, 31)
    found = compute("US-1040", day, calendar_ids=["US-MA"])
    assert found.due == date(2024, 4, 17), "Emancipation Day in Washington still counts"
    assert compute("US-1040", day, calendar_ids=["US-MA", "US-ME", "US-MA"]).calendar == "US-DC+US-MA+US-ME"
    printed = run("US-1040", "--trigger", "2023-12-31", "--calendar", "US-MA", "--calendar", "US-ME").output
    assert printed.splitlines()[0] == "2024-04-17" and "calendar: US-DC+US-MA+US-ME" in printed
    assert compute("DE-UST-VA", date(2025, 12, 6), calendar_ids=["DE-BY"]).due == date(2026, 1, 12)


@given(st.dates(date(2000, 1, 1), date(2060, 1, 1)), st.sampled_from(["US-MA", "US-ME", "GB-SCT", "DE-BY"]))
def test_a_day_off_in_either_of_two_calendars_is_off_in_their_union(day: date, other: str) -> None:
    one, two = calendar_for("US-DC"), calendar_for(other)
    both = calendar_for(f"US-DC+{other}")
    assert both.is_working_day(day) == (one.is_working_day(day) and two.is_working_day(day))


def test_the_reason_for_a_moved_date_names_the_holiday() -> None:
    assert "Emancipation Day (observed)" in compute("US-1040-2015", date(2015, 12, 31)).why_moved


# --- the command


def run(*arguments: str) -> Result:
    return CliRunner().invoke(deadline_command, list(arguments))


def test_the_command_prints_the_date_alone_on_its_first_line() -> None:
    result = run("US-1065-2025", "--trigger", "2025-12-31")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "2026-03-16"
    assert "Sunday 15 March 2026" in result.stdout and "IRC 6072(b)" in result.stdout


def test_the_command_prints_json() -> None:
    found = json.loads(run("UK-VAT-0531", "--trigger", "2022-05-31", "--json").stdout)
    assert found["date"] == "2022-07-07" and found["rule"] == "UK-VAT"


def test_the_command_lists_the_rules_and_filters_them() -> None:
    everything, german = run("--list").stdout, run("--list", "DE-").stdout
    assert all(code in everything for code in ("US-1065", "UK-ACC", "IE-B1", *family_names().values()))
    assert "DE-EST" in german and "US-1065" not in german
    assert {"rule", "calendar", "title", "trigger"} == set(json.loads(run("--list", "--json").stdout)[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("US-1065", "--trigger", "31.12.2025"), "is not a date"),
        (("US-1065", "--trigger", "2025-02-30"), "is not a date"),
        (("US-1065", "--trigger", "2025-W01-1"), "is not a date"), (("US-1065",), "--trigger"),
        ((), "Name a rule"),
        (("US-1056", "--trigger", "2025-12-31"), "US-1065"),
        (("US-1065", "--trigger", "9999-12-31"), "beyond the calendar"),
        (("US-1065", "--trigger", "2025-12-31", "--calendar", "XX"), "no holiday calendar"),
    ],
)  # fmt: skip
def test_bad_input_is_answered_in_a_sentence_with_exit_code_2(arguments: tuple[str, ...], message: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2 and result.stdout == ""
    assert message in " ".join(result.stderr.split()) and "Traceback" not in result.stderr
