"""Fetch the released files that pages and documents use, with their licences. For maintainers; needs npm.

`python scripts/vendor.py` makes app/static/vendor, app/static/icons.svg and app/fonts anew from exact
released versions. Fonts for documents are released woff2 unpacked to TrueType (needs fonttools, brotli).
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

STATIC = Path(__file__).resolve().parent.parent / "app" / "static"
FONTS = STATIC.parent / "fonts"


@dataclass(frozen=True)
class Package:
    """One npm package at one version; `files` are served, `documents` become TrueType files for documents.

    `families` gives a document's file a family name of its own, where one package has several of one name: typst
    asks one file of a family alone.
    """

    npm: str
    name: str
    version: str
    licence: str
    licence_file: str = "LICENSE"
    files: tuple[str, ...] = ()
    documents: dict[str, str] = field(default_factory=dict)
    families: dict[str, str] = field(default_factory=dict)


# Script by script, what a bill may have to print beside Inter: the package's name, and the released subset.
SCRIPTS = {
    "adlam": "adlam", "armenian": "armenian", "bengali": "bengali", "canadian-aboriginal": "canadian-aboriginal",
    "cherokee": "cherokee", "devanagari": "devanagari", "ethiopic": "ethiopic", "georgian": "georgian",
    "gujarati": "gujarati", "gurmukhi": "gurmukhi", "javanese": "javanese", "kannada": "kannada", "khmer": "khmer",
    "lao": "lao", "malayalam": "malayalam", "mongolian": "mongolian", "myanmar": "myanmar", "nko": "nko",
    "oriya": "oriya", "sinhala": "sinhala", "symbols": "symbols", "symbols-2": "symbols", "syriac": "syriac",
    "tamil": "tamil", "telugu": "telugu", "thaana": "thaana", "thai": "thai", "tifinagh": "tifinagh",
    "vai": "vai", "math": "latin", "jp": "japanese", "kr": "korean", "tc": "chinese-traditional",
}  # fmt: skip


def _script(name: str, subset: str, *, style: str = "sans") -> Package:
    family = "".join(part.upper() if len(part) == 2 else part.capitalize() for part in name.split("-"))
    whole = f"noto-{style}-{name}"
    file = f"files/{whole}-{subset}-400-normal.woff2"
    target = f"Noto{style.capitalize()}{family}-Regular.ttf"
    return Package(f"@fontsource/{whole}", whole, "5.3.0", "OFL-1.1", documents={file: target})


PACKAGES = (
    Package("htmx.org", "htmx", "4.0.1", "0BSD", files=("dist/htmx.min.js",)),
    Package(
        "@fontsource-variable/inter",
        "inter",
        "5.3.0",
        "OFL-1.1",
        files=("files/inter-latin-wght-normal.woff2", "files/inter-latin-ext-wght-normal.woff2"),
    ),
    Package(
        "@fontsource/noto-sans-hebrew",
        "noto-sans-hebrew",
        "5.3.0",
        "OFL-1.1",
        files=(
            "files/noto-sans-hebrew-hebrew-400-normal.woff2",
            "files/noto-sans-hebrew-hebrew-700-normal.woff2",
        ),
        documents={
            "files/noto-sans-hebrew-hebrew-400-normal.woff2": "NotoSansHebrew-Regular.ttf",
            "files/noto-sans-hebrew-hebrew-700-normal.woff2": "NotoSansHebrew-Bold.ttf",
        },
    ),
    Package(
        "@fontsource/noto-sans-arabic",
        "noto-sans-arabic",
        "5.3.0",
        "OFL-1.1",
        files=(
            "files/noto-sans-arabic-arabic-400-normal.woff2",
            "files/noto-sans-arabic-arabic-700-normal.woff2",
        ),
        documents={
            "files/noto-sans-arabic-arabic-400-normal.woff2": "NotoSansArabic-Regular.ttf",
            "files/noto-sans-arabic-arabic-700-normal.woff2": "NotoSansArabic-Bold.ttf",
        },
    ),
    Package(
        "@fontsource/noto-sans-sc",
        "noto-sans-sc",
        "5.3.0",
        "OFL-1.1",
        files=("files/noto-sans-sc-chinese-simplified-400-normal.woff2",),
        documents={"files/noto-sans-sc-chinese-simplified-400-normal.woff2": "NotoSansSC-Regular.ttf"},
    ),
    *[_script(name, subset) for name, subset in SCRIPTS.items()],
    _script("tibetan", "tibetan", style="serif"),
    Package(
        "@fontsource/noto-emoji", "noto-emoji", "5.3.2", "OFL-1.1",
        documents={"files/noto-emoji-emoji-400-normal.woff2": "NotoEmoji-Regular.ttf"},
    ),
    Package(
        "@fontsource/noto-sans", "noto-sans", "5.3.0", "OFL-1.1",
        documents={
            "files/noto-sans-latin-ext-400-normal.woff2": "NotoSansLatinExt-Regular.ttf",
            "files/noto-sans-cyrillic-ext-400-normal.woff2": "NotoSansCyrillicExt-Regular.ttf",
        },
        families={
            "NotoSansLatinExt-Regular.ttf": "Noto Sans Latin Ext",
            "NotoSansCyrillicExt-Regular.ttf": "Noto Sans Cyrillic Ext",
        },
    ),
    Package(
        "inter-ui",
        "inter-documents",
        "4.1.1",
        "OFL-1.1",
        "LICENSE.txt",
        documents={
            "web/Inter-Regular.woff2": "Inter-Regular.ttf",
            "web/Inter-SemiBold.woff2": "Inter-SemiBold.ttf",
        },
    ),
)
ICONS = Package("@tabler/icons", "tabler-icons", "3.51.0", "MIT")

# Our name for an icon: the released file it is drawn by.
ICON_FILES = {
    "work": "checklist",
    "board": "layout-kanban",
    "clients": "users",
    "time": "clock",
    "billing": "receipt",
    "reports": "chart-bar",
    "settings": "settings",
    "services": "stack-2",
    "search": "search",
    "inbox": "inbox",
    "bell": "bell",
    "menu": "menu-2",
    "more": "dots",
    "close": "x",
    "plus": "plus",
    "check": "check",
    "check-circle": "circle-check",
    "circle": "circle",
    "circle-half": "circle-half-2",
    "alert": "alert-triangle",
    "late": "alert-circle",
    "waiting": "hourglass",
    "play": "player-play-filled",
    "pause": "player-pause-filled",
    "stop": "player-stop-filled",
    "left": "chevron-left",
    "right": "chevron-right",
    "down": "chevron-down",
    "up": "chevron-up",
    "sort": "selector",
    "arrow-right": "arrow-right",
    "arrow-left": "arrow-left",
    "external": "external-link",
    "edit": "pencil",
    "trash": "trash",
    "archive": "archive",
    "copy": "copy",
    "download": "download",
    "upload": "upload",
    "file": "file-text",
    "folder": "folder",
    "camera": "camera",
    "image": "photo",
    "mail": "mail",
    "message": "message",
    "phone": "phone",
    "calendar": "calendar",
    "repeat": "repeat",
    "person": "user",
    "person-add": "user-plus",
    "building": "building",
    "office": "building-community",
    "lock": "lock",
    "key": "key",
    "eye": "eye",
    "eye-off": "eye-off",
    "filter": "filter",
    "link": "link",
    "sun": "sun",
    "moon": "moon",
    "theme": "sun-moon",
    "sign-out": "logout",
    "info": "info-circle",
    "help": "help-circle",
    "refresh": "refresh",
    "send": "send",
    "print": "printer",
    "money": "cash",
    "bank": "building-bank",
    "tax": "receipt-tax",
    "percent": "percentage",
    "ledger": "book",
    "history": "history",
    "graph": "sitemap",
    "grip": "grip-vertical",
    "flag": "flag",
    "star": "star",
    "tag": "tag",
    "keyboard": "keyboard",
    "undo": "arrow-back-up",
    "offline": "wifi-off",
    "request": "clipboard-list",
    "review": "user-check",
    "blocked": "ban",
    "bolt": "bolt",
    "home": "home",
    "panel": "layout-sidebar-right",
    "table": "table",
    "import": "file-import",
    "note": "note",
    "scale": "scale",
    "circle-dot": "circle-dot",
    "list": "list-details",
    "split": "arrows-split",
    "transfer": "arrows-left-right",
    "shield": "shield-check",
    "signature": "signature",
    "world": "world",
    "gauge": "gauge",
}


def unpack(package: Package, into: Path) -> Path:
    """The package's released tree."""
    spec = f"{package.npm}@{package.version}"
    done = subprocess.run(
        ["npm", "pack", "--silent", spec, "--pack-destination", str(into)],
        check=True,
        capture_output=True,
        text=True,
    )
    tree = into / package.name
    tree.mkdir()
    subprocess.run(["tar", "xzf", str(into / done.stdout.split()[-1]), "-C", str(tree)], check=True)
    return tree / "package"


def digest(path: Path) -> str:
    return "sha384-" + base64.b64encode(hashlib.sha384(path.read_bytes()).digest()).decode()


def symbol(name: str, source: Path) -> str:
    """One released SVG as a symbol; filled drawings keep their fill, outlines take the stroke of the page."""
    text = source.read_text()
    paths = re.findall(r"<(?:path|circle|rect|line|polyline|ellipse)[^>]*/>", text)
    drawn = [path for path in paths if 'd="M0 0h24v24H0z"' not in path]
    filled = 'fill="currentColor"' in text
    ink = 'fill="currentColor" stroke="none"' if filled else 'fill="none" stroke="currentColor"'
    ends = 'stroke-linecap="round" stroke-linejoin="round"'
    return f'<symbol id="{name}" viewBox="0 0 24 24" {ink} {ends}>{"".join(drawn)}</symbol>'


def draw_sprite(tree: Path) -> str:
    symbols = []
    for name, file in sorted(ICON_FILES.items()):
        stem = file.removesuffix("-filled")
        kind = "outline" if stem == file else "filled"
        symbols.append(symbol(name, tree / "icons" / kind / f"{stem}.svg"))
    note = (
        f"<!-- Drawn from {ICONS.npm} {ICONS.version}, MIT; vendor/{ICONS.name}-{ICONS.version}/LICENSE -->"
    )
    return f'<svg xmlns="http://www.w3.org/2000/svg">{note}\n' + "\n".join(symbols) + "\n</svg>\n"


def to_truetype(source: Path, target: Path, family: str = "") -> None:
    from fontTools.ttLib import TTFont  # type: ignore[import-not-found,import-untyped,unused-ignore]

    font = TTFont(source, recalcTimestamp=False)
    font.flavor = None
    if family:
        said = {1: family, 2: "Regular", 4: family, 6: f"{family.replace(' ', '')}-Regular", 16: family, 17: "Regular"}
        for number, words in said.items():
            font["name"].setName(words, number, 3, 1, 0x409)
    font.save(target)


def main() -> int:
    vendor = STATIC / "vendor"
    for folder in (vendor, FONTS):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    manifest = []
    with tempfile.TemporaryDirectory() as temporary:
        for package in (*PACKAGES, ICONS):
            tree = unpack(package, Path(temporary))
            folder = vendor / f"{package.name}-{package.version}"
            folder.mkdir()
            for file in (*package.files, package.licence_file):
                shutil.copyfile(tree / file, folder / Path(file).name)
            for file, name in package.documents.items():
                to_truetype(tree / file, FONTS / name, package.families.get(name, ""))
                shutil.copyfile(tree / package.licence_file, FONTS / f"LICENSE-{package.name}.txt")
            if package is ICONS:
                (STATIC / "icons.svg").write_text(draw_sprite(tree))
            manifest.append(
                {
                    "name": package.name,
                    "source": f"npm:{package.npm}",
                    "version": package.version,
                    "licence": package.licence,
                    "files": {path.name: digest(path) for path in sorted(folder.iterdir())},
                }
            )
    (vendor / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
