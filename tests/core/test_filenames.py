"""What an answer says of a file's name."""

from __future__ import annotations

from app.core.filenames import disposition


def test_a_name_of_ten_thousand_characters_fits_a_header_and_keeps_its_ending() -> None:
    said = disposition("漢" * 10_000 + ".pdf")
    assert len(said) < 1500 and said.isascii() and said.endswith(".pdf")


def test_no_name_ends_the_header_or_begins_another() -> None:
    said = disposition('a"\r\nSet-Cookie: b=c; d\\e.csv')
    assert not set("\r\n\\") & set(said) and said.count('"') == 2
