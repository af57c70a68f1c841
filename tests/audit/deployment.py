"""The shipped deployment, brought up as docs/deploy.md says: services apart, provisioned, behind nginx with https.

The commands are those of deploy/systemd, the sites those of deploy/nginx; names, ports and places alone are others.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import os
import shlex
import shutil
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from app.core.backing.lease import Lease
from app.core.backing.processes import LOOPBACK, free_ports, is_free, wait_for
from app.provision import read_file
from tests.postbox import Postbox, running_postbox

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PARTS = ("web", "live", "worker", "scheduler")
BIN = Path(sys.executable).parent


class CannotAudit(Exception):
    """What this machine lacks, in a sentence."""


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: str


@dataclass
class Deployment:
    """What `tests.journeys.running.House` is for `make run`: where it answers, its mails, its commands.

    nginx stands at `port` and `files_port`, Caddy at `caddy_port` and `caddy_files_port`; behind both is one product.
    """

    home: Path
    port: int
    files_port: int
    caddy_port: int
    caddy_files_port: int
    environment: dict[str, str] = field(repr=False)
    admin: dict[str, str] = field(repr=False)
    postbox: Postbox = field(repr=False)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    @property
    def var(self) -> Path:
        return self.home / "var"

    def said(self, _pattern: str) -> str:
        """The link that opens an empty firm, as an operator asks for it."""
        return self.command("setup-link").stdout.strip().splitlines()[-1]

    def command(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(BIN / "firmament"), *words], cwd=ROOT, env=self.environment | more, capture_output=True, text=True,
            timeout=300,
        )

    def mails(self) -> list[dict[str, Any]]:
        """Those that have arrived, once none is on its way."""
        plain = self.environment["DATABASE_URL"]

        def none_waits() -> bool:
            with psycopg.connect(plain) as connection:
                row = connection.execute("SELECT count(*) FROM delivery WHERE state = 'queued'").fetchone()
            return row == (0,)

        assert wait_for(none_waits, 60), "mails are still on their way"
        return [_mail(message) for message in self.postbox.taken]

    def ask(self, path: str, method: str = "GET", port: int = 0, token: str = "", body: bytes | None = None) -> Answer:
        """Over https, whose certificate is checked."""
        asked = urllib.request.Request(f"https://localhost:{port or self.port}{path}", body, method=method)
        if token:
            asked.add_header("Authorization", f"Bearer {token}")
        trust = ssl.create_default_context(cafile=str(self.home / "tls.pem"))
        try:
            with urllib.request.urlopen(asked, timeout=20, context=trust) as answer:
                return Answer(answer.status, dict(answer.headers), answer.read().decode())
        except urllib.error.HTTPError as error:
            return Answer(error.code, dict(error.headers), "")


def _mail(message: Any) -> dict[str, Any]:
    parts = [part for part in message.walk() if part.get_content_type() == "text/plain"]
    text = parts[0].get_payload(decode=True).decode() if parts else ""
    kind = "requests.request" if "/portal/link/request/" in text else ""
    return {"to": str(message["To"]).split("<")[-1].rstrip(">"), "text": text, "kind": kind}


@contextlib.contextmanager
def deployed(home: Path) -> Iterator[Deployment]:
    """Everything up and ready until the block ends; then nothing is left running."""
    nginx, caddy = _program("nginx"), _program("caddy")
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    with contextlib.ExitStack() as stack:
        box, smtp = stack.enter_context(running_postbox())
        environment, admin, ports = stack.enter_context(_services(home, smtp))
        house = Deployment(
            home, ports["https"], ports["files"], ports["caddy"], ports["caddy_files"], environment, admin, box
        )
        _provision(house)
        stack.enter_context(_running("migrate", _command("migrate"), house, wait=True))
        for part in PARTS:
            stack.enter_context(_running(part, _command(part), house))
        _configure_nginx(home, ports)
        stack.enter_context(_running("nginx", [nginx, "-p", str(home), "-c", str(home / "nginx.conf")], house))
        _configure_caddy(home, ports)
        served = [caddy, "run", "--config", str(home / "Caddyfile"), "--adapter", "caddyfile"]
        stack.enter_context(_running("caddy", served, house))
        assert wait_for(lambda: _is_ready(house), 90), f"not ready; see the logs in {home}"
        yield house


def _program(name: str) -> str:
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin")
    if found is None:
        raise CannotAudit(f"{name} is not on the path; .ci/services says how to install it")
    return found


def read_units(home: Path) -> str:
    """What systemd finds wrong with the shipped units, as they would run from this checkout; nothing is best."""
    units = home / "units"
    units.mkdir(exist_ok=True)
    for unit in (DEPLOY / "systemd").iterdir():
        text = unit.read_text().replace("/opt/firmament/.venv/bin", str(BIN))
        (units / unit.name).write_text(text.replace("/opt/firmament", str(ROOT)))
    done = subprocess.run(
        [_program("systemd-analyze"), "verify", *map(str, sorted(units.iterdir()))], capture_output=True, text=True,
        timeout=60,
    )
    return done.stdout + done.stderr


def _is_ready(house: Deployment) -> bool:
    try:
        return house.ask("/readyz").status == 200
    except OSError:
        return False


@contextlib.contextmanager
def _services(home: Path, smtp: str) -> Iterator[tuple[dict[str, str], dict[str, str], dict[str, int]]]:
    """PostgreSQL, Redis and S3 with data of their own, known to the product by nothing but addresses.

    Redis is Debian's. Of the other two Debian 12 carries none that will do: PostgreSQL must be 16, and no S3 storage.
    """
    lease = Lease(home / "services", ["postgres", "s3"])
    lease.take()
    try:
        keys = lease.credentials()
        names = ("https", "files", "http", "redis", "caddy", "caddy_files", "caddy_http")
        ports = dict(zip(names, free_ports(len(names)), strict=True))
        ports |= {"web": _pair(), "s3": lease.ports["s3"]}
        with contextlib.ExitStack() as stack:
            stack.enter_context(_redis(home, ports["redis"]))
            redis = f"redis://{LOOPBACK}:{ports['redis']}/0"
            given = read_file(DEPLOY / "firmament.env.example") | {
                "FIRMAMENT_VAR": str(home / "var"), "PUBLIC_URL": f"https://localhost:{ports['https']}",
                "LIVE_URL": f"https://localhost:{ports['https']}", "PORT": str(ports["web"]), "REDIS_URL": redis,
                "S3_ENDPOINT_URL": f"http://{LOOPBACK}:{ports['s3']}", "WEB_WORKERS": "2",
                "METRICS_TOKEN": "for the audit", "LIVE_THREADS": "64",
                "S3_PUBLIC_URL": f"https://localhost:{ports['files']}", "S3_ACCESS_KEY": keys.s3_access_key,
                "S3_SECRET_KEY": keys.s3_secret_key, "SMTP_URL": smtp, "MAIL_FROM": "office@firm.example",
            }
            kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TZ")}
            _make_certificate(home)
            admin = {"DATABASE_ADMIN_URL": (
                f"postgresql://postgres:{keys.postgres_password}@{LOOPBACK}:{lease.ports['postgres']}/postgres"
            )}
            # The firm's own machine must believe the certificate that was made here.
            yield kept | given | {"SSL_CERT_FILE": str(home / "tls.pem"), "PYTHONPATH": str(ROOT)}, admin, ports
    finally:
        lease.release(wait=True)


def _pair() -> int:
    """A free port whose next is free too: pages and live streams."""
    while True:
        (port,) = free_ports(1)
        if is_free(port + 1):
            return port


@contextlib.contextmanager
def _redis(home: Path, port: int) -> Iterator[None]:
    (home / "redis").mkdir()
    words = [_program("redis-server"), "--port", str(port), "--bind", LOOPBACK, "--dir", str(home / "redis")]
    with (home / "redis.log").open("wb") as log:
        child = subprocess.Popen(words, stdout=log, stderr=log)
        try:
            assert wait_for(lambda: not is_free(port), 20), f"redis-server does not start; see {home / 'redis.log'}"
            yield
        finally:
            child.terminate()
            child.wait(20)


def _provision(house: Deployment) -> None:
    """What the operator runs once; the second time there is nothing to do."""
    file = house.home / "firmament.env"
    for expected in ("made the database", "Nothing to do"):
        done = house.command("provision", "--env-file", str(file), **house.admin)
        assert done.returncode == 0 and expected in done.stdout, done.stdout + done.stderr
    house.environment |= read_file(file)


def _command(part: str) -> list[str]:
    """What the shipped unit starts, from this checkout."""
    lines = (DEPLOY / "systemd" / f"firmament-{part}.service").read_text().splitlines()
    (line,) = (line.removeprefix("ExecStart=") for line in lines if line.startswith("ExecStart="))
    program, *words = shlex.split(line)
    assert program.startswith("/opt/firmament/.venv/bin/"), program
    return [str(BIN / Path(program).name), *words]


@contextlib.contextmanager
def _running(name: str, argv: list[str], house: Deployment, *, wait: bool = False) -> Iterator[None]:
    with (house.home / f"{name}.log").open("wb") as log:
        child = subprocess.Popen(
            argv, cwd=ROOT, env=house.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            if wait:
                assert child.wait(120) == 0, (house.home / f"{name}.log").read_text()
            yield
            assert wait or child.poll() is None, f"{name} has ended; see {house.home / name}.log"
        finally:
            started = time.monotonic()
            child.terminate()
            try:
                child.wait(30)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            print(f"{name} stopped in {time.monotonic() - started:.1f} s")


def _configure_nginx(home: Path, ports: dict[str, int]) -> None:
    """The shipped sites, word for word, but for names, ports and certificates."""
    sites = []
    for name, port in (("firmament", ports["https"]), ("files", ports["files"])):
        text = (DEPLOY / "nginx" / f"{name}.conf").read_text()
        for shipped, here in {
            "listen 80;": f"listen {LOOPBACK}:{ports['http']};",
            "listen 443 ssl http2;": f"listen {LOOPBACK}:{port} ssl http2;",
            "/etc/letsencrypt/live/firm.example/fullchain.pem": str(home / "tls.pem"),
            "/etc/letsencrypt/live/firm.example/privkey.pem": str(home / "tls.key"),
            "server 127.0.0.1:8000;": f"server {LOOPBACK}:{ports['web']};",
            "server 127.0.0.1:8001;": f"server {LOOPBACK}:{ports['web'] + 1};",
            "server 127.0.0.1:9000;": f"server {LOOPBACK}:{ports['s3']};",
            "firm.example": "localhost",
        }.items():
            text = text.replace(shipped, here)
        sites.append(text)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "\n".join(f"{kind}_temp_path {home}/{kind};" for kind in kinds)
    user = "user root;" if os.geteuid() == 0 else ""
    (home / "nginx.conf").write_text(
        f"{user}\ndaemon off;\npid {home}/nginx.pid;\nerror_log {home}/nginx-error.log;\n"
        "events { worker_connections 1024; }\n"
        f"http {{\naccess_log off;\n{temporary}\n" + "\n".join(sites) + "}\n"
    )


def _configure_caddy(home: Path, ports: dict[str, int]) -> None:
    """The shipped Caddyfile, word for word, but for names, ports and certificates."""
    text = (DEPLOY / "caddy" / "Caddyfile").read_text()
    tls = f"\tbind {LOOPBACK}\n\ttls {home}/tls.pem {home}/tls.key\n"
    apart = f"\tadmin off\n\tstorage file_system {home}/caddy\n\thttp_port {ports['caddy_http']}\n"
    for shipped, here in {
        "{\n\tservers": f"{{\n{apart}\tservers",
        "\nfiles.firm.example {\n": f"\nlocalhost:{ports['caddy_files']} {{\n{tls}",
        "\nfirm.example {\n": f"\nlocalhost:{ports['caddy']} {{\n{tls}",
        "127.0.0.1:8000": f"{LOOPBACK}:{ports['web']}",
        "127.0.0.1:8001": f"{LOOPBACK}:{ports['web'] + 1}",
        "127.0.0.1:9000": f"{LOOPBACK}:{ports['s3']}",
    }.items():
        assert shipped in text, shipped
        text = text.replace(shipped, here)
    (home / "Caddyfile").write_text(text)


def _make_certificate(home: Path) -> None:
    """One that says localhost, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    today = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - dt.timedelta(days=1)).not_valid_after(today + dt.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([
            x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address(LOOPBACK)),
        ]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (home / "tls.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (home / "tls.key").write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ))
