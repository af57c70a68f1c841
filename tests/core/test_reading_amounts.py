"""What people type as an amount is the amount that they mean, or it is refused: it is never another one."""

from __future__ import annotations

import contextlib
import re
from decimal import Decimal

import pytest
from babel import Locale
from hypothesis import example, given
from hypothesis import strategies as st

from app.core.errors import Refused
from app.core.money import exponent, parse_amount, parse_number, signs_of, write_amount, write_number
from app.core.number_format import FORMATS, NumberFormat, Unreadable, find_formats, format_of, usual_format

ENGLISH, GERMAN, FRENCH, SWISS, INDIAN = FORMATS.values()
LANGUAGES = ("en_GB", "de_DE", "fr_FR", "de_CH", "hi_IN", "sv_SE", "pl_PL", "ar_EG", "he_IL", "fa_IR", "pt_PT", "zh_CN")
EVERY = [*FORMATS.values(), *(format_of(Locale.parse(language)) for language in LANGUAGES)]
CURRENCIES = ("GBP", "EUR", "JPY", "KRW", "KWD", "TND", "CHF", "USD", "INR", "CLF")
formats, currencies = st.sampled_from(EVERY), st.sampled_from(CURRENCIES)


def refusal(text: str, currency: str, written: NumberFormat = ENGLISH, **words: bool) -> str:
    with pytest.raises(Refused) as refused:
        parse_amount(text, currency, written, **words)
    return refused.value.message


@pytest.mark.parametrize(
    ("text", "currency", "one", "other"),
    [
        ("1.000", "EUR", "1.00", "1,000.00"),
        ("0,125", "KWD", "0.125", "125.000"),
        ("1,500", "KWD", "1.500", "1,500.000"),
        ("0,500", "EUR", "0.50", "500.00"),
        ("12,345", "TND", "12.345", "12,345.000"),
        ("1.000", "JPY", "1", "1,000"),
        ("1.005", "EUR", "1.005", "1,005.00"),
        ("-1.000", "EUR", "-1.00", "-1,000.00"),
        ("€1.000", "EUR", "1.00", "1,000.00"),
    ],
)
def test_what_can_be_read_two_ways_is_refused_with_both(text: str, currency: str, one: str, other: str) -> None:
    assert refusal(text, currency) == f"“{text}” can be read as {one} or as {other}; write the one that you mean."


@pytest.mark.parametrize(
    ("written", "text", "currency", "amount"),
    [
        (ENGLISH, "1,500", "EUR", "1500"),
        (ENGLISH, "1,500", "JPY", "1500"),
        (ENGLISH, "1.500", "KWD", "1.5"),
        (ENGLISH, "1,500.000", "KWD", "1500"),
        (ENGLISH, "12,345,678", "KWD", "12345678"),
        (ENGLISH, "0.125", "KWD", "0.125"),
        (ENGLISH, ".5", "GBP", "0.5"),
        (GERMAN, "0,125", "KWD", "0.125"),
        (GERMAN, "1,500", "KWD", "1.5"),
        (GERMAN, "1.000", "EUR", "1000"),
        (GERMAN, "1.234,5", "EUR", "1234.5"),
        (FRENCH, "1\u202f234,56", "EUR", "1234.56"),
        (FRENCH, "1 500", "KWD", "1500"),
        (SWISS, "1’234.50", "CHF", "1234.5"),
        (SWISS, "1'234.50", "CHF", "1234.5"),
        (INDIAN, "12,34,567.89", "INR", "1234567.89"),
        (INDIAN, "1,234,567", "INR", "1234567"),
        (ENGLISH, "1 234.50", "GBP", "1234.5"),
        (ENGLISH, "1'234", "GBP", "1234"),
        (ENGLISH, "٣٫٥", "GBP", "3.5"),
    ],
)
def test_an_amount_is_read_as_its_reader_writes_it(
    written: NumberFormat, text: str, currency: str, amount: str
) -> None:
    assert parse_amount(text, currency, written) == Decimal(amount)


NOBODYS = ("1,2,3", "1,23,4", "1.2.3", "1 23", "1,,000", "5.", "5,", "--5", "+5", "1e3", "1_000", "½", "5²", "NaN",
           "Infinity", "", "-", "()", "0x10", "1,234 567", "²")  # fmt: skip


def test_what_is_no_amount_to_anybody_is_refused_by_everybody() -> None:
    for written in EVERY:
        for currency in CURRENCIES:
            for text in NOBODYS:
                refusal(text, currency, written)


@pytest.mark.parametrize("text", ["-12.50", "−12.50", "12.50-", "(12.50)", "-£12.50", "£-12.50", "£(12.50)", "(£12.50)",
                                  "-12.50 GBP", "GBP −12.50", "‎-12.50"])  # fmt: skip
def test_below_zero_is_written_in_several_ways_and_refused_where_it_cannot_be(text: str) -> None:
    assert parse_amount(text, "GBP", ENGLISH) == Decimal("-12.50")
    assert "is below zero" in refusal(text, "GBP", signed=False)


def test_nothing_below_zero_is_nothing() -> None:
    assert str(parse_amount("-0.00", "GBP", ENGLISH, signed=False)) == "0.00"


@pytest.mark.parametrize(("text", "currency"), [("£5", "GBP"), ("5 GBP", "GBP"), ("gbp 5", "GBP"), ("5,00 €", "EUR"),
                                                ("$5", "USD"), ("US$ 5", "USD"), ("$5", "CAD"), ("5 kr.", "DKK"),
                                                ("￥5", "JPY"), ("5 KD", "KWD"), ("Fr. 5", "CHF")])  # fmt: skip
def test_the_currency_may_stand_beside_the_amount(text: str, currency: str) -> None:
    assert parse_amount(text, currency, GERMAN) == 5


@pytest.mark.parametrize(("text", "currency"), [("€5", "GBP"), ("5 USD", "GBP"), ("£5", "JPY"), ("5 %", "GBP"),
                                                ("£5 €", "GBP"), ("A$5", "USD")])  # fmt: skip
def test_another_currency_is_not_taken_for_this_one(text: str, currency: str) -> None:
    assert refusal(text, currency) == f"“{text}” is not in {currency}, and this amount is."


def test_what_is_written_in_another_format_is_said_in_ones_own() -> None:
    assert refusal("1.234,50", "EUR") == "“1.234,50” is not written like 1,234.56; do you mean 1,234.50?"
    assert refusal("12,50", "EUR") == "“12,50” is not written like 1,234.56; do you mean 12.50?"
    assert refusal("12.50", "EUR", GERMAN) == "“12.50” is not written like 1.234,56; do you mean 12,50?"
    assert refusal("1,23,456", "INR") == "“1,23,456” is not written like 1,234.56; do you mean 123,456.00?"


def test_a_currency_has_so_many_decimals_and_no_more() -> None:
    assert refusal("1.2345", "EUR") == "EUR has 2 decimals; “1.2345” has more."
    assert refusal("10.50", "JPY") == "JPY has no decimals; “10.50” has some."
    assert refusal("1.2345", "KWD") == "KWD has 3 decimals; “1.2345” has more."
    assert refusal("soon", "JPY", GERMAN) == "“soon” is not an amount; write it like 1.234."
    assert "more digits than any number" in refusal("1" * 13, "GBP")


def test_percentages_and_rates_are_read_by_the_same_rules() -> None:
    assert parse_number("12.5 %", 4, ENGLISH, unit="%") == Decimal("12.5")
    assert parse_number("0,8512", 10, GERMAN) == Decimal("0.8512")
    for text, said in {
        "1,234": "“1,234” can be read as 1.234 or as 1,234; write the one that you mean.",
        "12,5": "“12,5” is not written like 1,234.56; do you mean 12.5?",
        "1.23456": "“1.23456” has more than 4 decimals.",
        "-5": "“-5” is below zero, and this cannot be.",
        "£5": "“£5” is not a plain number.",
        "much": "“much” is not a number; write it like 1234.5.",
    }.items():
        with pytest.raises(Refused, match=re.escape(said)):
            parse_number(text, 4, ENGLISH, unit="%")


def amounts(currency: str) -> st.SearchStrategy[Decimal]:
    """Amounts in whole minor units, of every size."""
    most = 10 ** (12 + exponent(currency)) - 1
    return st.integers(-most, most).map(lambda units: Decimal(units).scaleb(-exponent(currency)))


@given(st.data(), formats, currencies)
def test_what_is_written_is_read_again_as_what_it_was(
    data: st.DataObject, written: NumberFormat, currency: str
) -> None:
    amount = data.draw(amounts(currency))
    text = write_amount(amount, currency, written)
    assert parse_amount(text, currency, written) == amount
    for sign in signs_of(currency):
        assert parse_amount(f"{sign} {text}", currency, written) == amount
        assert parse_amount(f"{text}{sign}", currency, written) == amount


@given(st.data(), formats, formats, currencies)
def test_what_one_format_writes_is_in_no_other_another_amount(
    data: st.DataObject, written: NumberFormat, reading: NumberFormat, currency: str
) -> None:
    amount = data.draw(amounts(currency))
    with contextlib.suppress(Refused):
        assert parse_amount(write_amount(amount, currency, written), currency, reading) == amount


@given(st.decimals(-(10**9), 10**9, places=10), formats, formats)
def test_a_rate_that_one_format_writes_is_in_no_other_another_rate(
    number: Decimal, written: NumberFormat, reading: NumberFormat
) -> None:
    text = write_number(number, written)
    assert parse_number(text, 10, written, signed=True) == number
    with contextlib.suppress(Refused):
        assert parse_number(text, 10, reading, signed=True) == number


@given(st.text("0123456789.,' \u00a0-()£", max_size=16), formats, currencies)
@example("1,500", ENGLISH, "KWD")
@example("1.000", ENGLISH, "EUR")
def test_whatever_is_typed_is_read_in_one_way_or_refused(text: str, written: NumberFormat, currency: str) -> None:
    """Held against the plainest reading there is: groups of three (or as India groups), one sign, few decimals."""
    try:
        amount = parse_amount(text, currency, written)
    except Refused:
        return
    digits = re.sub(r"[^0-9.,' ]", "", text.replace("\u00a0", " ")).strip()
    whole, sign, part = digits.partition(written.decimal)
    assert len(part) <= exponent(currency) and (part.isdigit() or not sign)
    assert re.fullmatch(r"\d*|[1-9]\d{0,2}(([.,' ])\d{3})(\2\d{3})*".replace(r"\2\d", r"[.,' ]\d"), whole) or (
        written.indian and re.fullmatch(r"\d{1,2}(,\d\d)*,\d{3}", whole)
    )
    plain = Decimal(re.sub("[.,' ]", "", whole) or "0") + (Decimal(f"0.{part}") if part else 0)
    assert abs(amount) == plain
    assert (amount < 0) == (plain != 0 and ("-" in text or "(" in text))


@given(st.text(max_size=40), formats, currencies)
def test_no_text_breaks_the_reader(text: str, written: NumberFormat, currency: str) -> None:
    try:
        assert parse_amount(text, currency, written) == parse_amount(text, currency, written)
    except Refused as refused:
        assert refused.message.endswith((".", "?"))


@given(st.text("0123456789.,", max_size=9), st.sampled_from([0, 2]))
def test_two_formats_never_read_one_text_as_two_amounts_where_there_are_no_three_decimals(
    text: str, decimals: int
) -> None:
    """Without three decimals the format decides whether a text is read, never as what."""
    found = set()
    for written in FORMATS.values():
        with contextlib.suppress(Unreadable):
            found.add(written.read(text, decimals))
    assert len(found) <= 1


def test_a_country_has_its_usual_format() -> None:
    usual = {"GB": ENGLISH, "IE": ENGLISH, "US": ENGLISH, "DE": GERMAN, "AT": GERMAN, "FR": FRENCH, "SE": FRENCH,
             "CH": SWISS, "IN": INDIAN, "": ENGLISH, "ZZ": ENGLISH}  # fmt: skip
    assert {country: FORMATS[usual_format(country)] for country in usual} == usual
    for country in Locale("en").territories:
        assert usual_format(country) in FORMATS


def test_how_a_column_is_written_is_found_from_all_of_it_and_never_guessed() -> None:
    assert find_formats(["1.234,56", "12,00"], 2)[0] == ["1.234,56"]
    assert find_formats(["1'234.56", "12.00"], 2)[0][:1] == ["1,234.56"]
    assert find_formats(["12", "1500"], 3) == (list(FORMATS), [])
    assert find_formats(["1,500", "12"], 3) == (["1,234.56", "1.234,56", "1 234,56", "12,34,567.89"], ["1,500"])
    assert find_formats(["1,500", "12.25"], 3) == (["1,234.56", "12,34,567.89"], [])
    assert find_formats(["12.25", "12,25"], 2) == ([], [])
