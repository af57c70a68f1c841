"""What `firmament check` says, and what production does not start with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from app.checks import report
from app.config import BadSettings, Settings

PRODUCTION = {
    "FIRMAMENT_ENV": "production", "SECRET_KEY": "k" * 48, "PUBLIC_URL": "https://firm.example",
    "DATABASE_URL": "postgresql://o:p@db/f", "DATABASE_APP_URL": "postgresql://a:p@db/f",
    "DATABASE_PORTAL_URL": "postgresql://c:p@db/f", "REDIS_URL": "redis://cache",
    "S3_ENDPOINT_URL": "https://s3.example", "S3_ACCESS_KEY": "a", "S3_SECRET_KEY": "s", "SMTP_URL": "smtps://u:p@mail.example",
}


def test_check_names_what_answers_what_does_not_and_how_to_mend_it(database: Settings) -> None:
    said: list[str] = []
    here = replace(database, smtp_url="")
    assert report(here, say=said.append) == 0
    assert {"  ok    database", "  ok    redis", "  ok    s3"} <= set(said)
    said.clear()
    broken = replace(here, redis_url="redis://127.0.0.1:1/0", smtp_url="smtp://127.0.0.1:1")
    assert report(broken, say=said.append) == 1
    told = "\n".join(said)
    assert "FAILS   redis" in told and "is REDIS_URL right" in told
    assert "FAILS   mail" in told and "is SMTP_URL right" in told
    assert "ok    database" in told


def test_production_starts_with_everything_of_its_own_only(tmp_path: Path) -> None:
    assert Settings.from_environment({**PRODUCTION, "FIRMAMENT_VAR": str(tmp_path)}).is_production
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "value", "said"), [
    ("SECRET_KEY", "", "SECRET_KEY"),
    ("SECRET_KEY", "development-" + "k" * 48, "development key"),
    ("SECRET_KEY", "short", "development key or shorter"),
    ("DATABASE_URL", "", "DATABASE_URL"),
    ("S3_SECRET_KEY", "", "S3_SECRET_KEY"),
    ("REDIS_URL", "", "REDIS_URL"),
    ("PUBLIC_URL", "http://firm.example", "https://"),
])
def test_production_refuses_what_only_development_may_lack(name: str, value: str, said: str) -> None:
    with pytest.raises(BadSettings, match=said):
        Settings.from_environment({**PRODUCTION, name: value})
