"""The firm's colour made safe to read: accents for light and dark that keep WCAG AA contrast."""

from __future__ import annotations

import colorsys
import re
from collections.abc import Sequence
from dataclasses import dataclass

DEFAULT_ACCENT = "#2f5bd7"
AA_TEXT = 4.5
LIGHT_GROUNDS = ("#ffffff", "#f7f7f8")
DARK_GROUNDS = ("#17181b", "#1f2125")
LIGHT_QUIET_INK = "#666b75"
DARK_QUIET_INK = "#959aa5"

Rgb = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Accent:
    """The colours one theme needs: a fill, what is written on it, the colour as text, a faint tint."""

    fill: str
    on_fill: str
    text: str
    tint: str


def parse(text: str) -> Rgb:
    """`#abc` or `#aabbcc` as three parts of 0 to 1; raises ValueError."""
    match = re.fullmatch(r"#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})", text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a colour like #2f5bd7.")
    digits = match[1] if len(match[1]) == 6 else "".join(digit * 2 for digit in match[1])
    return (int(digits[0:2], 16) / 255, int(digits[2:4], 16) / 255, int(digits[4:6], 16) / 255)


def to_hex(colour: Rgb) -> str:
    return "#" + "".join(f"{round(part * 255):02x}" for part in colour)


def luminance(colour: Rgb) -> float:
    """Relative luminance, WCAG 2.2."""
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours, 1 to 21."""
    darker, lighter = sorted((luminance(parse(one)), luminance(parse(other))))
    return (lighter + 0.05) / (darker + 0.05)


def mix(colour: str, ground: str, share: float) -> str:
    """`share` of the colour laid over the ground."""
    over, under = parse(colour), parse(ground)
    return to_hex(
        (
            over[0] * share + under[0] * (1 - share),
            over[1] * share + under[1] * (1 - share),
            over[2] * share + under[2] * (1 - share),
        )
    )


def faint(colour: str, ground: str, most: float, ink: str) -> str:
    """The strongest tint, up to `most`, on which the theme's quietest text still reads."""
    share = most
    while share > 0 and contrast(mix(colour, ground, share), ink) < AA_TEXT:
        share -= 0.01
    return mix(colour, ground, max(share, 0))


def readable(colour: str, grounds: Sequence[str], *, darken: bool) -> str:
    """The nearest lightness of the same hue that reads as text on every ground."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*parse(colour))
    for step in range(101):
        moved = lightness * (1 - step / 100) if darken else lightness + (1 - lightness) * step / 100
        candidate = to_hex(colorsys.hls_to_rgb(hue, moved, saturation))
        if all(contrast(candidate, ground) >= AA_TEXT for ground in grounds):
            return candidate
    return "#000000" if darken else "#ffffff"


def ink_on(fill: str) -> str:
    """White if it reads on the fill, else black; one of the two always does."""
    return "#ffffff" if contrast("#ffffff", fill) >= AA_TEXT else "#000000"


def light_accent(colour: str) -> Accent:
    """The brand as given where it can be seen on white, darkened where it could not be."""
    fill = to_hex(parse(colour))
    if contrast(fill, LIGHT_GROUNDS[0]) < 3:
        fill = readable(fill, LIGHT_GROUNDS, darken=True)
    tint = faint(fill, LIGHT_GROUNDS[0], 0.09, LIGHT_QUIET_INK)
    return Accent(
        fill=fill, on_fill=ink_on(fill), tint=tint, text=readable(fill, (*LIGHT_GROUNDS, tint), darken=True)
    )


def dark_accent(colour: str) -> Accent:
    """Lightened until it reads on the dark grounds; the fill stays nearer to the brand."""
    fill = to_hex(parse(colour))
    if contrast(fill, DARK_GROUNDS[0]) < 3:
        hue, lightness, saturation = colorsys.rgb_to_hls(*parse(fill))
        while contrast(fill, DARK_GROUNDS[0]) < 3 and lightness < 1:
            lightness = min(1.0, lightness + 0.01)
            fill = to_hex(colorsys.hls_to_rgb(hue, lightness, saturation))
    tint = faint(fill, DARK_GROUNDS[0], 0.2, DARK_QUIET_INK)
    return Accent(
        fill=fill, on_fill=ink_on(fill), tint=tint, text=readable(fill, (*DARK_GROUNDS, tint), darken=False)
    )


def brand_css(colour: str = DEFAULT_ACCENT) -> str:
    """The sheet that /brand.css answers: four tokens, each for light and dark."""
    light, dark = light_accent(colour), dark_accent(colour)
    tokens = {
        "accent": (light.fill, dark.fill),
        "on-accent": (light.on_fill, dark.on_fill),
        "accent-text": (light.text, dark.text),
        "accent-tint": (light.tint, dark.tint),
    }
    lines = "".join(f"--{name}:light-dark({day},{night});" for name, (day, night) in tokens.items())
    return f":root{{{lines}}}\n"
