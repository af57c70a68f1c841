"""Static files: bundled, named by their content, compressed once, kept by browsers for good."""

from __future__ import annotations

import base64
import functools
import gzip
import hashlib
import json
import os
import re
import secrets
import shutil
from pathlib import Path
from wsgiref.headers import Headers

import brotli
from flask import Flask, Response, request
from markupsafe import Markup
from whitenoise import WhiteNoise

from app.config import Settings
from app.core.headers import on_every_answer

STATIC = Path(__file__).resolve().parent.parent / "static"
PREFIX = "/static/"
HASHED = re.compile(r"\.[0-9a-f]{12}\.\w+$")
TEXT = {".css", ".js", ".svg", ".json", ".txt"}
COMPRESSIBLE = ("text/", "application/json", "application/javascript", "image/svg+xml")
SMALLEST_COMPRESSED = 600

_SHARED_CSS = ("tokens", "base", "layout", "buttons", "forms", "marks", "lists", "surfaces", "files", "utilities")
_SHARED_JS = ("toast", "dialog", "once", "theme", "live")
BUNDLES: dict[str, tuple[str, ...]] = {
    "css/app.css": tuple(
        f"css/{n}.css" for n in (*_SHARED_CSS, "shell", "figures", "board", "graph", "time", "billing", "print")
    ),
    "css/portal.css": tuple(f"css/{n}.css" for n in (*_SHARED_CSS, "portal", "print")),
    "js/app.js": tuple(
        f"js/{n}.js"
        for n in (*_SHARED_JS, "timer-tick", "select", "tabs", "panel", "combobox", "palette", "keys", "drafts", "look")
    ),
    "js/portal.js": tuple(f"js/{n}.js" for n in (*_SHARED_JS, "renew", "autosave", "send")),
}


class UnknownAsset(LookupError):
    """A template asked for a static file that does not exist."""


class Assets:
    """The compiled static tree: every file by its plain and hashed name, .br and .gz beside text."""

    def __init__(self, source: Path, cache: Path) -> None:
        self.source = source
        self.folder = compiled(source, cache)
        self.names: dict[str, str] = json.loads((self.folder / "names.json").read_text())
        self._drawn = functools.lru_cache(maxsize=1024)(self._draw)

    def url(self, name: str) -> str:
        """The address of a file by its plain name; raises UnknownAsset."""
        try:
            return PREFIX + self.names[name]
        except KeyError:
            raise UnknownAsset(f"There is no static file {name!r} under {self.source}.") from None

    def icon(self, name: str, label: str = "", size: int = 16) -> Markup:
        """A drawing from the sprite; hidden from readers unless it carries a label of its own."""
        return self._drawn(name, label, size)

    def _draw(self, name: str, label: str, size: int) -> Markup:
        if name not in icon_names(self.source):
            raise UnknownAsset(f"There is no icon {name!r}; add it to scripts/vendor.py.")
        told = Markup('role="img" aria-label="{}"').format(label) if label else Markup('aria-hidden="true"')
        return Markup(
            '<svg class="icon" width="{0}" height="{0}" {1}><use href="{2}#{3}"></use></svg>'
        ).format(size, told, self.url("icons.svg"), name)


def init_app(app: Flask, var: Path | None = None, settings: Settings | None = None) -> None:
    """Give templates `asset()` and `icon()`, serve /static/ ahead of Flask, compress what Flask answers."""
    cache = (var or Path(os.environ.get("FIRMAMENT_VAR", "var"))).resolve() / "static"
    assets = Assets(STATIC, cache)
    app.extensions["assets"] = assets
    app.jinja_env.globals.update(asset=assets.url, icon=assets.icon)
    carried = on_every_answer(settings or Settings())

    def carry(headers: Headers, _path: str, _url: str) -> None:
        for name, value in carried.items():
            headers[name] = value

    server = WhiteNoise(
        app.wsgi_app, max_age=3600, immutable_file_test=lambda _path, url: bool(HASHED.search(url)),
        add_headers_function=carry,
    )
    server.add_files(str(assets.folder / "files"), prefix=PREFIX)
    app.wsgi_app = server  # type: ignore[method-assign]
    app.after_request(compress)


def compress(response: Response) -> Response:
    """Brotli or gzip for finished text answers; streams, files and small answers go as they are."""
    if not (response.mimetype or "").startswith(COMPRESSIBLE):
        return response
    if response.direct_passthrough or response.is_streamed:
        return response
    response.vary.add("Accept-Encoding")
    if response.mimetype == "text/html":
        response.vary.add("HX-Request")
    body = response.get_data()
    if (
        len(body) < SMALLEST_COMPRESSED
        or "Content-Encoding" in response.headers
        or response.status_code == 206
    ):
        return response
    encoding = request.accept_encodings.best_match(("br", "gzip"))
    if encoding is None:
        return response
    small = brotli.compress(body, quality=4) if encoding == "br" else gzip.compress(body, compresslevel=5)
    response.set_data(small)
    response.headers["Content-Encoding"] = encoding
    return response


def compiled(source: Path, cache: Path) -> Path:
    """The compiled tree for this very content, made on first use; safe for several processes at once."""
    target = cache / fingerprint(source)
    if (target / "names.json").exists():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    working = cache / f"making-{os.getpid()}-{secrets.token_hex(4)}"
    names = compile_tree(source, working / "files")
    (working / "names.json").write_text(json.dumps(names, sort_keys=True))
    try:
        working.rename(target)
    except OSError:  # another process was first
        shutil.rmtree(working, ignore_errors=True)
    return target


def compile_tree(source: Path, target: Path) -> dict[str, str]:
    """Write every file plain and hashed, text also compressed; answers plain name → hashed name."""
    contents = {path.relative_to(source).as_posix(): path.read_bytes() for path in _files(source)}
    for bundle, parts in BUNDLES.items():
        if all(part in contents for part in parts):
            contents[bundle] = joined(parts, contents)
    names: dict[str, str] = {}
    for name in sorted(
        contents, key=lambda name: (name.endswith(".css"), name)
    ):  # css last: it names the others
        body = _with_hashed_urls(contents[name], name, names) if name.endswith(".css") else contents[name]
        stem, dot, suffix = name.rpartition(".")
        hashed = f"{stem}.{hashlib.sha256(body).hexdigest()[:12]}{dot}{suffix}" if stem else name
        names[name] = hashed
        for written in {name, hashed}:
            _write(target / written, body)
    return names


def joined(parts: tuple[str, ...], contents: dict[str, bytes]) -> bytes:
    """One file of many: sheets end to end, each script in a block that keeps its names apart."""
    if parts[0].endswith(".css"):
        return b"\n".join(contents[part].strip() for part in parts) + b"\n"
    return b"\n".join(b"{\n" + contents[part].strip() + b"\n}" for part in parts) + b"\n"


def fingerprint(source: Path) -> str:
    """One name for the whole content, bundling rules included."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for path in _files(source):
        digest.update(path.relative_to(source).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


@functools.cache
def icon_names(source: Path) -> frozenset[str]:
    return frozenset(re.findall(r'<symbol id="([\w-]+)"', (source / "icons.svg").read_text()))


def differences_from_manifest(source: Path = STATIC) -> list[str]:
    """What in vendor/ is not as its manifest says: missing, changed, or unlisted files, in plain words."""
    vendor = source / "vendor"
    told: list[str] = []
    listed = {Path("manifest.json")}
    for package in json.loads((vendor / "manifest.json").read_text()):
        folder = Path(f"{package['name']}-{package['version']}")
        for name, digest in package["files"].items():
            listed.add(folder / name)
            path = vendor / folder / name
            if not path.exists():
                told.append(f"{folder / name} is missing")
            elif digest != "sha384-" + base64.b64encode(hashlib.sha384(path.read_bytes()).digest()).decode():
                told.append(f"{folder / name} is not the released file")
    present = {path.relative_to(vendor) for path in _files(vendor)}
    return told + [f"{path} is in no manifest entry" for path in sorted(present - listed)]


def _with_hashed_urls(sheet: bytes, name: str, names: dict[str, str]) -> bytes:
    folder = Path(name).parent

    def hashed(match: re.Match[str]) -> str:
        plain = os.path.normpath(folder / match[1]).replace(os.sep, "/")
        if plain not in names:
            raise UnknownAsset(f"{name} names {match[1]!r}, which does not exist.")
        return f'url("{PREFIX}{names[plain]}")'

    return re.sub(r'url\("?(?!data:|#|/)([^")]+)"?\)', hashed, sheet.decode()).encode()


def _write(path: Path, body: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    if path.suffix in TEXT and len(body) > SMALLEST_COMPRESSED:
        path.with_name(path.name + ".br").write_bytes(brotli.compress(body, quality=11))
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(body, compresslevel=9, mtime=0))


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
