"""In which encoding a list is written: as its mark or its bytes say, else as its words look.

Lists are short and their words are names, too few for detectors that count letters: the likeliest of a few encodings
is the one in which letters stand where letters do, and the reader is told which one was taken.
"""

from __future__ import annotations

import codecs
import unicodedata

MARKS = (
    (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# In this order where two fit equally well.
OLDER = {
    "cp1252": "Western (Windows-1252)", "mac_roman": "Mac Roman", "cp1250": "Central European (Windows-1250)",
    "cp1251": "Cyrillic (Windows-1251)", "cp1253": "Greek (Windows-1253)", "cp850": "DOS (850)",
}
# What can be chosen by hand, all that is guessed among it.
CHOICES = {
    "utf-8": "UTF-8", **OLDER, "cp1254": "Turkish (Windows-1254)", "cp1255": "Hebrew (Windows-1255)",
    "cp1256": "Arabic (Windows-1256)", "cp1257": "Baltic (Windows-1257)", "utf-16-le": "UTF-16, little-endian",
    "utf-16-be": "UTF-16, big-endian", "utf-32-le": "UTF-32, little-endian", "utf-32-be": "UTF-32, big-endian",
    "cp932": "Japanese (Shift JIS)", "gb18030": "Chinese (GB 18030)", "big5": "Chinese (Big5)",
    "cp949": "Korean (Windows-949)",
}
LOOKED_AT = 256 << 10
BETWEEN = "’‘“”–—…€£©®´·"


def find_encoding(content: bytes) -> str:
    """The encoding, one of CHOICES. UTF-8 too where a few bytes of it are wrong."""
    for mark, encoding in MARKS:
        if content.startswith(mark):
            return encoding
    if wide := _without_mark(content):
        return wide
    text = content.decode("utf-8", "surrogateescape")
    bad = sum("\udc80" <= char <= "\udcff" for char in text)
    good = sum(char > "\x7f" for char in text) - bad
    if not bad or good >= bad:
        return "utf-8"
    return max(OLDER, key=lambda each: _likelihood(content[:LOOKED_AT], each))


def _without_mark(content: bytes) -> str:
    """UTF-16 without its mark: every other byte of what is mostly Latin is nought."""
    part = content[:LOOKED_AT]
    half = len(part) // 2
    if not half or b"\0" not in part:
        return ""
    for encoding, noughts in (("utf-16-le", part[1::2].count(0)), ("utf-16-be", part[0::2].count(0))):
        if noughts >= 0.4 * half:
            return encoding
    return ""


def _likelihood(content: bytes, encoding: str) -> float:
    """How well letters stand among letters; lower for each sign within a word and each capital behind a small one."""
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        return float("-inf")
    points = 0.0
    for at, char in enumerate(text):
        if char <= "\x7f":
            continue
        before, after = text[at - 1 : at] or " ", text[at + 1 : at + 2] or " "
        points += _fits(char, before, after)
    return points


def _fits(char: str, before: str, after: str) -> float:
    if unicodedata.category(char) == "Cc":
        return -5
    beside = before.isalpha() or after.isalpha()
    if not char.isalpha():
        return (0.5 if char in BETWEEN else -2) if beside else 0
    if any(other.isalpha() and _script(other) != _script(char) for other in (before, after)):
        return -2
    if char.isupper() and before.isalpha() and before.islower():
        return -2
    if char.islower() and after.isalpha() and after.isupper():
        return -2
    if _script(char) == "LATIN":
        # Three in a row of what each language has few of are another alphabet's.
        return -1 if before > "\x7f" and before.isalpha() and after > "\x7f" and after.isalpha() else 1
    return 1


def _script(char: str) -> str:
    return unicodedata.name(char, "?").split()[0]
