"""What the fonts of our papers can print. Whatever they cannot is shown as a mark, so that no text stops a paper."""

from __future__ import annotations

import re
import struct
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

FONTS = Path(__file__).parents[1] / "fonts"
MARK = "□"
# In the order in which a letter is looked for; those of Han characters come in the order of the reader's language.
FIRST = ("Inter", "NotoSansHebrew", "NotoSansArabic")
HAN = {"zh": "NotoSansSC", "zh_Hant": "NotoSansTC", "ja": "NotoSansJP", "ko": "NotoSansKR"}
LAST = ("NotoSansSymbols", "NotoSansSymbols2", "NotoSansMath", "NotoEmoji")
BREAKS = re.compile(r"\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
# Letters that say nothing alone: joiners, variation selectors, skin tones and tags belong to the one before them.
JOINED = re.compile(r"[\u200c\u200d\ufe00-\ufe0f\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f\U000e0100-\U000e01ef]")
KEPT_INVISIBLE = frozenset("\u00ad\u034f\u061c\u200b\u200c\u200d\u200e\u200f\u2060") | frozenset(
    chr(code) for code in range(0xFE00, 0xFE10)
)
# A word without a place to break that is longer than this gets places, so that it stays inside its column.
LONGEST_WORD, PIECE = 20, 5
MOST_IN_ONE = 12
BREAK = "\u200b"
WORD = re.compile(rf"[^\s\u00ad\u200b\u2010-]{{{LONGEST_WORD + 1},}}")


def letters_of(file: Path) -> frozenset[int]:
    """The code points that a TrueType file has a picture of (its `cmap` table, formats 4 and 12)."""
    data = file.read_bytes()
    count = struct.unpack_from(">H", data, 4)[0]
    tables = {
        data[at : at + 4]: struct.unpack_from(">I", data, at + 8)[0] for at in range(12, 12 + count * 16, 16)
    }
    start = tables[b"cmap"]
    found: set[int] = set()
    for number in range(struct.unpack_from(">H", data, start + 2)[0]):
        table = start + struct.unpack_from(">I", data, start + 4 + number * 8 + 4)[0]
        kind = struct.unpack_from(">H", data, table)[0]
        if kind == 4:
            found.update(_of_segments(data, table))
        elif kind == 12:
            for group in range(struct.unpack_from(">I", data, table + 12)[0]):
                first, last, _ = struct.unpack_from(">III", data, table + 16 + group * 12)
                found.update(range(first, last + 1))
    return frozenset(found)


def _of_segments(data: bytes, table: int) -> Iterator[int]:
    count = struct.unpack_from(">H", data, table + 6)[0] // 2
    ends, starts = table + 14, table + 16 + count * 2
    for n in range(count):
        last = struct.unpack_from(">H", data, ends + n * 2)[0]
        first = struct.unpack_from(">H", data, starts + n * 2)[0]
        shift, at = (struct.unpack_from(">H", data, starts + count * size + n * 2)[0] for size in (2, 4))
        for code in range(first, last + 1):
            glyph = code + shift
            if at:
                glyph = struct.unpack_from(">H", data, starts + count * 4 + n * 2 + at + (code - first) * 2)[0]
            if glyph & 0xFFFF and code != 0xFFFF:
                yield code


@lru_cache(maxsize=1)
def coverage() -> Mapping[str, frozenset[int]]:
    """The letters of each typeface by the name of its files, in no order."""
    return {path.stem.removesuffix("-Regular"): letters_of(path) for path in sorted(FONTS.glob("*-Regular.ttf"))}


def families(language: str) -> list[str]:
    """The typefaces in the order in which a paper in this language looks for a letter, as typst calls them."""
    own = HAN.get(language) or HAN.get(language[:2], HAN["zh"])
    han = [own, *(name for name in HAN.values() if name != own)]
    rest = sorted(set(coverage()) - {*FIRST, *HAN.values(), *LAST})
    return [_spaced(name) for name in (*FIRST, *han, *rest, *LAST)]


@lru_cache(maxsize=256)
def _spaced(name: str) -> str:
    """`Noto Sans Symbols 2` of `NotoSansSymbols2`."""
    own = {"NotoSansSC": "Noto Sans SC", "NotoSansTC": "Noto Sans TC", "NotoSansJP": "Noto Sans JP",
           "NotoSansKR": "Noto Sans KR", "NotoSansNko": "Noto Sans NKo"}  # fmt: skip
    return own.get(name) or re.sub(r"(?<=[a-z])(?=[A-Z0-9])", " ", name)


def language_of(language: str, texts: Sequence[str], country: str = "") -> str:
    """Whose shapes Han characters take: by the language, else by kana or hangul beside them, else by the country."""
    if language[:2] in ("ja", "ko", "zh"):
        return "zh_Hant" if language in ("zh_TW", "zh_HK", "zh_Hant") else language[:2]
    whole = "".join(texts)
    if re.search(r"[\u3041-\u30ff]", whole):
        return "ja"
    if re.search(r"[\uac00-\ud7a3]", whole):
        return "ko"
    return {"TW": "zh_Hant", "HK": "zh_Hant", "MO": "zh_Hant", "JP": "ja", "KR": "ko"}.get(country, "zh")


def _clusters(text: str) -> Iterator[str]:
    """A letter with what is drawn on it or joined to it."""
    cluster = ""
    for letter in text:
        joins = cluster and (
            unicodedata.category(letter) in ("Mn", "Mc", "Me") or JOINED.match(letter) or cluster.endswith("\u200d")
        )
        if joins:
            cluster += letter
        else:
            if cluster:
                yield cluster
            cluster = letter
    if cluster:
        yield cluster


@lru_cache(maxsize=8192)
def _has_one(cluster: str) -> bool:
    """Whether one typeface has all of a cluster: pieces of two cannot be drawn together."""
    wanted = {ord(letter) for letter in cluster if letter != "\n" and letter not in KEPT_INVISIBLE}
    return any(wanted <= letters for letters in coverage().values())


def _drawn(cluster: str, unknown: list[str]) -> str:
    cluster = cluster[:MOST_IN_ONE]  # marks piled upon marks would be drawn over other lines
    if _has_one(cluster):
        return cluster
    said = ""
    for letter in cluster:
        if letter in KEPT_INVISIBLE:
            continue
        alone = unicodedata.category(letter) not in ("Mn", "Mc", "Me") and _has_one(letter)
        if not alone:
            unknown.append(letter)
        said += letter if alone else MARK
    return said


def printable(text: str) -> str:
    """The text as a paper can print it: what no typeface has as a mark, no control characters, words that break."""
    return _broken(_known(text)[0])


def unprintable(text: str) -> str:
    """Which letters of a text a paper shows as a mark, each once."""
    return "".join(dict.fromkeys(_known(text)[1]))


def _known(text: str) -> tuple[str, list[str]]:
    plain = unicodedata.normalize("NFC", BREAKS.sub("\n", text)).replace("\t", " ")
    if plain.isascii() and plain.isprintable():
        return plain, []
    unknown: list[str] = []
    return "".join(_drawn(cluster, unknown) for cluster in _clusters(_without_controls(plain))), unknown


def _without_controls(text: str) -> str:
    """Neither controls nor what turns the direction of others about (a name must not reorder an amount)."""
    return "".join(
        letter
        for letter in text
        if letter == "\n" or letter in KEPT_INVISIBLE or JOINED.match(letter)
        or unicodedata.category(letter) not in ("Cc", "Cf", "Cs")
    )


def _broken(text: str) -> str:
    return WORD.sub(lambda word: _pieces(word[0]), text)


def _pieces(word: str) -> str:
    clusters = list(_clusters(word))
    return BREAK.join("".join(clusters[at : at + PIECE]) for at in range(0, len(clusters), PIECE))


def plainly(text: str) -> str:
    """The text in the letters of the first typeface alone: what is printed when nothing else can be."""
    letters = coverage()[FIRST[0]]
    known = _known(text)[0]
    return _broken("".join(letter if letter == "\n" or ord(letter) in letters else MARK for letter in known))


def each_text(value: Any, change: Any) -> Any:
    """A structure of texts with each text changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {name: each_text(part, change) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [each_text(part, change) for part in value]
    return value
