"""The firm's colour, whatever it is, reads in both themes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import colour
from app.core.assets import STATIC

colours = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


@given(colours)
def test_any_brand_colour_gives_readable_accents(brand: str) -> None:
    for accent, grounds in (
        (colour.light_accent(brand), colour.LIGHT_GROUNDS),
        (colour.dark_accent(brand), colour.DARK_GROUNDS),
    ):
        assert colour.contrast(accent.on_fill, accent.fill) >= colour.AA_TEXT
        assert all(
            colour.contrast(accent.text, ground) >= colour.AA_TEXT for ground in (*grounds, accent.tint)
        )
        assert colour.contrast(accent.fill, grounds[0]) >= 3
    assert colour.contrast(colour.LIGHT_QUIET_INK, colour.light_accent(brand).tint) >= colour.AA_TEXT
    assert colour.contrast(colour.DARK_QUIET_INK, colour.dark_accent(brand).tint) >= colour.AA_TEXT


def test_a_colour_that_reads_already_is_kept_as_it_is() -> None:
    assert colour.light_accent("#1B6E53").fill == "#1b6e53"
    assert colour.light_accent("#1b6e53").text == "#1b6e53"


def test_black_on_white_is_twenty_one_to_one() -> None:
    assert colour.contrast("#000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("text", ["", "red", "#12", "#1234567", "url(x)", "#fff;}body{"])
def test_what_is_not_a_colour_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a colour"):
        colour.brand_css(text)


def test_the_grounds_and_quiet_inks_are_those_of_the_tokens() -> None:
    tokens = (STATIC / "css" / "tokens.css").read_text()
    for name, light, dark in (
        ("canvas", colour.LIGHT_GROUNDS[0], colour.DARK_GROUNDS[0]),
        ("raised", "#ffffff", colour.DARK_GROUNDS[1]),
        ("ink-3", colour.LIGHT_QUIET_INK, colour.DARK_QUIET_INK),
    ):
        assert f"--{name}: light-dark({light}, {dark});" in tokens


def test_the_sheet_carries_each_token_for_light_and_dark() -> None:
    sheet = colour.brand_css("#7a0019")
    assert all(
        f"--{name}:light-dark(#" in sheet for name in ("accent", "on-accent", "accent-text", "accent-tint")
    )
