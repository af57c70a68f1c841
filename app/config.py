"""Settings from the environment, read once into one frozen object."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

DIFFERENT = 12  # characters; a random key of 32 hexadecimal digits has fewer once in two thousand
DEVELOPMENT_KEY_FILE = "secret_key"


class BadSettings(Exception):
    """A setting is missing or unusable; the message names it and says how to mend it."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything the processes need to know about where they run. URLs are as their libraries take them."""

    env: str = "development"
    port: int = 8000
    host: str = "127.0.0.1"
    var: Path = Path("var")
    secret_key: str = field(default="", repr=False)
    previous_secret_keys: tuple[str, ...] = field(default=(), repr=False)
    public_url: str = ""
    live_url: str = ""
    database_url: str = field(default="", repr=False)
    database_app_url: str = field(default="", repr=False)
    database_portal_url: str = field(default="", repr=False)
    redis_url: str = field(default="", repr=False)
    s3_endpoint_url: str = ""
    s3_public_url: str = ""
    s3_access_key: str = field(default="", repr=False)
    s3_secret_key: str = field(default="", repr=False)
    s3_bucket: str = "firmament"
    s3_region: str = "us-east-1"
    smtp_url: str = field(default="", repr=False)
    mail_from: str = ""
    metrics_token: str = field(default="", repr=False)
    trusted_proxies: int = 0
    web_workers: int = 2
    web_threads: int = 8
    live_threads: int = 1200
    live_streams: int = 40  # of one person or contact
    log_format: str = "text"
    empty: bool = False
    allow_shared_login: bool = False
    testing: bool = False

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Read the environment; raises BadSettings with a sentence for the person who starts the program."""
        env = os.environ if environ is None else environ
        mode = env.get("FIRMAMENT_ENV", "development")
        if mode not in ("development", "production", "test"):
            raise BadSettings(f"FIRMAMENT_ENV is {mode!r}; it may be development, production or test.")
        port = _integer(env, "PORT", 8000)
        settings = cls(
            env=mode,
            port=port,
            host=env.get("HOST", "127.0.0.1"),
            var=Path(env.get("FIRMAMENT_VAR", "var")).resolve(),
            secret_key=env.get("SECRET_KEY", ""),
            previous_secret_keys=tuple(filter(None, env.get("PREVIOUS_SECRET_KEYS", "").split(","))),
            public_url=env.get("PUBLIC_URL", f"http://localhost:{port}").rstrip("/"),
            live_url=env.get("LIVE_URL", "").rstrip("/"),
            database_url=_postgres(env.get("DATABASE_URL", "")),
            database_app_url=_postgres(env.get("DATABASE_APP_URL", "")),
            database_portal_url=_postgres(env.get("DATABASE_PORTAL_URL", "")),
            redis_url=env.get("REDIS_URL", ""),
            s3_endpoint_url=env.get("S3_ENDPOINT_URL", ""),
            s3_public_url=env.get("S3_PUBLIC_URL", "") or env.get("S3_ENDPOINT_URL", ""),
            s3_access_key=env.get("S3_ACCESS_KEY") or env.get("AWS_ACCESS_KEY_ID", ""),
            s3_secret_key=env.get("S3_SECRET_KEY") or env.get("AWS_SECRET_ACCESS_KEY", ""),
            s3_bucket=env.get("S3_BUCKET", "firmament"),
            s3_region=env.get("S3_REGION", "us-east-1"),
            smtp_url=env.get("SMTP_URL", ""),
            mail_from=env.get("MAIL_FROM", ""),
            metrics_token=env.get("METRICS_TOKEN", ""),
            trusted_proxies=_integer(env, "TRUSTED_PROXIES", 0),
            web_workers=_integer(env, "WEB_WORKERS", 2),
            web_threads=_integer(env, "WEB_THREADS", 8),
            live_threads=_integer(env, "LIVE_THREADS", 1200),
            live_streams=_integer(env, "LIVE_STREAMS", 40),
            log_format=env.get("LOG_FORMAT", "json" if mode == "production" else "text"),
            empty=_yes(env, "EMPTY"),
            allow_shared_login=_yes(env, "ALLOW_SHARED_LOGIN"),
        )
        return settings.checked()

    @property
    def is_production(self) -> bool:
        return self.env == "production"

    @property
    def shares_logins(self) -> bool:
        """Whether the owner of the tables, the app and the clients' door are not three logins of the database."""
        urls = (self.database_url, self.database_app_url, self.database_portal_url)
        return len({urlsplit(url).username for url in urls if url}) < 3

    @property
    def live_port(self) -> int:
        return self.port + 1

    def to_environment(self) -> dict[str, str]:
        """What from_environment() makes these settings of again: how a process hands them to its children."""
        return {
            "FIRMAMENT_ENV": self.env, "PORT": str(self.port), "HOST": self.host, "FIRMAMENT_VAR": str(self.var),
            "SECRET_KEY": self.secret_key, "PREVIOUS_SECRET_KEYS": ",".join(self.previous_secret_keys),
            "PUBLIC_URL": self.public_url, "LIVE_URL": self.live_url, "DATABASE_URL": self.database_url,
            "DATABASE_APP_URL": self.database_app_url, "DATABASE_PORTAL_URL": self.database_portal_url,
            "REDIS_URL": self.redis_url, "S3_ENDPOINT_URL": self.s3_endpoint_url,
            "S3_PUBLIC_URL": self.s3_public_url, "S3_ACCESS_KEY": self.s3_access_key,
            "S3_SECRET_KEY": self.s3_secret_key, "S3_BUCKET": self.s3_bucket, "S3_REGION": self.s3_region,
            "METRICS_TOKEN": self.metrics_token,
            "SMTP_URL": self.smtp_url, "MAIL_FROM": self.mail_from, "TRUSTED_PROXIES": str(self.trusted_proxies),
            "WEB_WORKERS": str(self.web_workers), "WEB_THREADS": str(self.web_threads),
            "LIVE_THREADS": str(self.live_threads), "LIVE_STREAMS": str(self.live_streams),
            "LOG_FORMAT": self.log_format,
            "EMPTY": "1" if self.empty else "", "ALLOW_SHARED_LOGIN": "1" if self.allow_shared_login else "",
        }

    def checked(self) -> Self:
        """Refuse to run in production with what only development may lack."""
        if self.is_production:
            required = {
                "SECRET_KEY": self.secret_key, "DATABASE_URL": self.database_url, "REDIS_URL": self.redis_url,
                "S3_ENDPOINT_URL": self.s3_endpoint_url, "S3_ACCESS_KEY": self.s3_access_key,
                "S3_SECRET_KEY": self.s3_secret_key,
            }
            missing = [name for name, value in required.items() if not value]
            if missing:
                raise BadSettings(f"In production these must be set: {', '.join(missing)}.")
            keys = (self.secret_key, *self.previous_secret_keys)
            if any(len(key) < 32 or key.startswith("development-") or len(set(key)) < DIFFERENT for key in keys):
                raise BadSettings(
                    "SECRET_KEY (or one of PREVIOUS_SECRET_KEYS) is a development key or shorter than 32 characters, "
                    f"or has fewer than {DIFFERENT} different ones; "
                    "make one with: python -c 'import secrets; print(secrets.token_urlsafe(48))'"
                )
            if not self.public_url.startswith("https://"):
                raise BadSettings("In production PUBLIC_URL must start with https://, the address people type.")
            if self.shares_logins and not self.allow_shared_login:
                raise BadSettings(
                    "In production DATABASE_URL, DATABASE_APP_URL and DATABASE_PORTAL_URL must be three logins: what "
                    "the clients' door may read is guarded by its own. To run without that guard, set "
                    "ALLOW_SHARED_LOGIN=1; `firmament check` then shows it as failing."
                )
            return self
        return self if self.secret_key else replace(self, secret_key=_development_key(self.var))


def _yes(env: Mapping[str, str], name: str) -> bool:
    return env.get(name, "").lower() in ("1", "true", "yes")


def _integer(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name) or str(default)
    if not text.isdigit():
        raise BadSettings(f"{name} is {text!r}; it must be a whole number.")
    return int(text)


def _postgres(url: str) -> str:
    """Accept the usual spellings of a PostgreSQL URL and name the driver that we use."""
    for prefix in ("postgres://", "postgresql://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url.removeprefix(prefix)
    return url


def _development_key(var: Path) -> str:
    """A key of this checkout's own, kept so that sessions survive a restart."""
    path = var / DEVELOPMENT_KEY_FILE
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("development-" + secrets.token_urlsafe(48))
        path.chmod(0o600)
    return path.read_text().strip()
