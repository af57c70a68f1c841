"""Static files: hashed, bundled, compressed, and exactly the released ones where they are vendored."""

from __future__ import annotations

import gzip
import re
import shutil
from pathlib import Path
from typing import Any

import brotli
import pytest
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import Environment, FileSystemLoader

from app.core import assets

ROOT = Path(assets.__file__).resolve().parents[2]
BUDGET = {"app": 120_000, "portal": 60_000}
HTML_SHARE = 12_000


class ReadWhole(FlaskClient):
    """Reads and closes each answer, so that no served file stays open."""

    def open(self, *args: Any, **kwargs: Any) -> Any:
        return super().open(*args, buffered=True, **kwargs)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("var")


@pytest.fixture(scope="module")
def client(cache: Path) -> FlaskClient:
    app = Flask("assets", static_folder=None)
    assets.init_app(app, cache)
    app.add_url_rule("/long", view_func=lambda: "<p>" + "row " * 500)
    app.add_url_rule("/short", endpoint="short", view_func=lambda: "<p>ok")
    app.test_client_class = ReadWhole
    return app.test_client()


def served(client: FlaskClient, name: str) -> str:
    return client.application.extensions["assets"].url(name)  # type: ignore[no-any-return]


def test_vendored_files_are_the_released_ones_with_their_licences() -> None:
    assert assets.differences_from_manifest() == []
    for folder in (assets.STATIC / "vendor").iterdir():
        assert folder.is_file() or any(path.name.startswith("LICENSE") for path in folder.iterdir()), folder


def test_a_changed_vendored_file_is_told(tmp_path: Path) -> None:
    shutil.copytree(assets.STATIC / "vendor", tmp_path / "vendor")
    script = next((tmp_path / "vendor").glob("htmx-*/htmx.min.js"))
    script.write_text(script.read_text() + "\n")
    (tmp_path / "vendor" / "stray.js").write_text("1")
    told = assets.differences_from_manifest(tmp_path)
    assert len(told) == 2 and "not the released file" in told[0] and "no manifest entry" in told[1]


def test_hashed_names_are_kept_for_good_and_plain_ones_are_not(client: FlaskClient) -> None:
    hashed = client.get(served(client, "css/app.css"))
    assert hashed.status_code == 200 and "immutable" in hashed.headers["Cache-Control"]
    assert "immutable" not in client.get("/static/css/app.css").headers["Cache-Control"]


def test_a_sheet_names_its_fonts_by_their_hashed_addresses(client: FlaskClient) -> None:
    addresses = re.findall(r'url\("(/static/[^"]+)"\)', client.get(served(client, "css/app.css")).text)
    assert len(addresses) >= 6
    assert all(
        assets.HASHED.search(address) and client.get(address).status_code == 200 for address in addresses
    )


def test_the_name_follows_the_content(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.js").write_text("one")
    first = assets.Assets(source, tmp_path / "cache").url("a.js")
    (source / "a.js").write_text("two")
    assert assets.Assets(source, tmp_path / "cache").url("a.js") != first


def test_an_unknown_file_or_icon_fails_where_it_is_named(client: FlaskClient) -> None:
    kept: assets.Assets = client.application.extensions["assets"]
    with pytest.raises(assets.UnknownAsset):
        kept.url("css/none.css")
    with pytest.raises(assets.UnknownAsset):
        kept.icon("no-such-drawing")


def test_long_answers_are_compressed_and_short_ones_are_not(client: FlaskClient) -> None:
    small = client.get("/long", headers={"Accept-Encoding": "gzip, br"})
    assert small.headers["Content-Encoding"] == "br" and {"Accept-Encoding", "HX-Request"} <= set(small.vary)
    assert brotli.decompress(small.data).startswith(b"<p>row")
    older = client.get("/long", headers={"Accept-Encoding": "gzip"})
    assert gzip.decompress(older.data).startswith(b"<p>row")
    assert "Content-Encoding" not in client.get("/short", headers={"Accept-Encoding": "br"}).headers
    assert "Content-Encoding" not in client.get("/long").headers


@pytest.mark.parametrize("door", ["app", "portal"])
def test_a_door_stays_within_its_budget(client: FlaskClient, door: str) -> None:
    htmx = next(
        name for name in client.application.extensions["assets"].names if name.endswith("htmx.min.js")
    )
    names = (f"css/{door}.css", f"js/{door}.js", htmx, "icons.svg")
    fetched = [client.get(served(client, name), headers={"Accept-Encoding": "br"}) for name in names]
    assert all(answer.headers["Content-Encoding"] == "br" for answer in fetched)
    assert sum(len(answer.data) for answer in fetched) + HTML_SHARE <= BUDGET[door]


def test_templates_carry_no_inline_style_or_script() -> None:
    """The content security policy allows neither; mail and documents have no such policy."""
    forbidden = re.compile(r"\sstyle=|<style|\son\w+=|hx-on|javascript:|<script(?![^>]*\bsrc=)")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sorted((ROOT / "templates").rglob("*.html"))
        if "mail" not in path.relative_to(ROOT).as_posix()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if forbidden.search(line)
    ]
    assert found == []


def test_every_icon_named_in_a_template_is_drawn() -> None:
    drawn = assets.icon_names(assets.STATIC)
    named = {
        name
        for path in (ROOT / "templates").rglob("*.html")
        for name in re.findall(r"""icon(?:_name=|\()['"]([\w-]+)['"]""", path.read_text())
    }
    assert named and named <= drawn


def test_every_template_parses() -> None:
    environment = Environment(loader=FileSystemLoader(ROOT / "templates"), extensions=["jinja2.ext.i18n"])
    for name in environment.list_templates(extensions=["html"]):
        environment.parse((ROOT / "templates" / name).read_text())
