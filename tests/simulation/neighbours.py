"""Storage and a mail server that live in the process: late, twice, and failing after they did what was asked."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import random
import smtplib
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote

from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.response import StreamingBody

from tests.simulation.chance import Time
from tests.simulation.fate import Fate

SAFE_TO_REPEAT = ("put_object", "upload_part", "copy_object", "delete_object", "head_object", "list_parts")


class Bucket:
    """What boto3's client would be: the calls that the product makes, on a dictionary."""

    def __init__(self, dice: random.Random, time: Time, fate: Fate) -> None:
        self.dice, self.time, self.fate = dice, time, fate
        self.objects: dict[str, tuple[bytes, str]] = {}
        self.uploads: dict[str, tuple[str, dt.datetime, dict[int, bytes]]] = {}
        self.trouble = 0.0
        self.seen: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        call = getattr(type(self), f"_{name}", None)
        if call is None:
            raise AttributeError(name)

        def answer(*args: Any, **arguments: Any) -> Any:
            self.fate.may_go_on()
            arguments.pop("Bucket", None)
            if not self.trouble or self.dice.random() >= self.trouble:
                return call(self, *args, **arguments)
            what = self.dice.choice(("late", "away", "twice", "failed after"))
            self.seen[what] += 1
            if what == "late":
                self.time.pass_by(self.dice.randint(1, 50))
                return call(self, *args, **arguments)
            if what == "twice" and name in SAFE_TO_REPEAT:
                call(self, *args, **arguments)
                return call(self, *args, **arguments)
            if what == "failed after":
                call(self, *args, **arguments)
            self.fate.note(f"storage {what}")
            if self.dice.random() < 0.5:
                raise ReadTimeoutError(endpoint_url="http://storage")
            raise _refusal("InternalError", 500, name)

        return answer

    def _generate_presigned_url(self, operation: str, ExpiresIn: int = 0, Params: Any = None) -> str:
        asked = Params or {}
        return f"sim:{quote(asked['Key'], safe='')}:{asked.get('UploadId', '')}:{asked.get('PartNumber', '')}"

    def send_part(self, address: str, body: bytes) -> None:
        """What a browser does with the address of a part."""
        _, _key, upload_id, number = address.split(":")
        if upload_id in self.uploads:
            self.uploads[upload_id][2][int(number)] = body

    def _put_object(self, Key: str, Body: Any, ContentType: str = "") -> None:
        body = Body if isinstance(Body, bytes) else Body.read()
        if not isinstance(Body, bytes):
            Body.seek(0)
        self.objects[Key] = body, ContentType

    def _upload_fileobj(self, body: Any, _bucket: str, key: str, ExtraArgs: Any = None, Config: Any = None) -> None:
        self.objects[key] = body.read(), (ExtraArgs or {}).get("ContentType", "")

    def _get_object(self, Key: str, **_rest: Any) -> dict[str, Any]:
        body, kind = self._known(Key, "GetObject")
        return {"Body": StreamingBody(io.BytesIO(body), len(body)), "ContentLength": len(body), "ContentType": kind}

    def _head_object(self, Key: str) -> dict[str, Any]:
        body, kind = self._known(Key, "HeadObject")
        return {"ContentLength": len(body), "ContentType": kind}

    def _copy_object(self, Key: str, CopySource: Any, ContentType: str = "", **_rest: Any) -> None:
        self.objects[Key] = self._known(CopySource["Key"], "CopyObject")[0], ContentType

    def _delete_object(self, Key: str) -> None:
        self.objects.pop(Key, None)

    def _list_objects_v2(self, Prefix: str = "", **_rest: Any) -> dict[str, Any]:
        return {"Contents": [{"Key": key, "Size": len(body)} for key, (body, _) in sorted(self.objects.items())
                             if key.startswith(Prefix)]}

    def _create_multipart_upload(self, Key: str, ContentType: str = "") -> dict[str, Any]:
        upload_id = f"u{self.dice.getrandbits(64):x}"
        self.uploads[upload_id] = Key, self.time.now, {}
        return {"UploadId": upload_id}

    def _list_parts(self, Key: str, UploadId: str, **_rest: Any) -> dict[str, Any]:
        parts = self._upload(UploadId, "ListParts")[2]
        return {"Parts": [{"PartNumber": n, "ETag": hashlib.sha256(body).hexdigest(), "Size": len(body)}
                          for n, body in sorted(parts.items())]}

    def _complete_multipart_upload(self, Key: str, UploadId: str, MultipartUpload: Any) -> None:
        key, _, parts = self._upload(UploadId, "CompleteMultipartUpload")
        self.objects[key] = b"".join(parts[p["PartNumber"]] for p in MultipartUpload["Parts"]), ""
        del self.uploads[UploadId]

    def _abort_multipart_upload(self, Key: str, UploadId: str) -> None:
        self._upload(UploadId, "AbortMultipartUpload")
        del self.uploads[UploadId]

    def _list_multipart_uploads(self, Prefix: str = "") -> dict[str, Any]:
        return {"Uploads": [{"Key": key, "UploadId": id_, "Initiated": begun}
                            for id_, (key, begun, _) in sorted(self.uploads.items()) if key.startswith(Prefix)]}

    def _known(self, key: str, operation: str) -> tuple[bytes, str]:
        if unquote(key) not in self.objects:
            raise _refusal("NoSuchKey", 404, operation)
        return self.objects[key]

    def _upload(self, upload_id: str, operation: str) -> tuple[str, dt.datetime, dict[int, bytes]]:
        if upload_id not in self.uploads:
            raise _refusal("NoSuchUpload", 404, operation)
        return self.uploads[upload_id]


def _refusal(code: str, status: int, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, operation)


class MailServer:
    """Takes what it is given, or does not; `box` is what has reached it, by Message-ID."""

    def __init__(self, dice: random.Random, time: Time, fate: Fate) -> None:
        self.dice, self.time, self.fate = dice, time, fate
        self.box: Counter[str] = Counter()
        # What the product cannot know to have arrived, and may rightly send again: no answer came, or whoever sent it
        # was struck before it was written down.
        self.perhaps_again: set[str] = set()
        self.just_taken: set[str] = set()
        self.trouble = 0.0
        self.seen: Counter[str] = Counter()

    def connect(self, *_args: Any, **_rest: Any) -> _Connection:
        self.fate.may_go_on()
        return _Connection(self)

    def take(self, recipient: str, content: bytes) -> None:
        self.fate.may_go_on()
        line = next(each for each in content.split(b"\n") if each.lower().startswith(b"message-id:"))
        id_ = line.split(b"<")[1].split(b"@")[0].decode()
        what = "taken"
        if self.trouble and self.dice.random() < self.trouble:
            what = self.dice.choice(("slow", "bounced", "bounced", "not now", "away", "lost after"))
            self.seen[what] += 1
        if what == "bounced":
            raise smtplib.SMTPRecipientsRefused({recipient: (550, b"No such mailbox")})
        if what == "not now":
            raise smtplib.SMTPDataError(451, b"Try later")
        if what == "away":
            raise smtplib.SMTPServerDisconnected("gone")
        if what == "slow":
            self.time.pass_by(15)
        self.box[id_] += 1
        self.just_taken.add(id_)
        if what == "lost after":
            self.perhaps_again.add(id_)
            raise TimeoutError("no answer")


class _Connection:
    """One session of SMTP, as smtplib's class has it."""

    def __init__(self, server: MailServer) -> None:
        self.server = server

    def __enter__(self) -> _Connection:
        return self

    def __exit__(self, *_failure: object) -> None:
        return None

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *args, **rest: (250, b"")

    def has_extn(self, name: str) -> bool:
        return False

    def sendmail(self, _sender: str, recipients: list[str], content: Any, *_options: Any) -> None:
        self.server.take(recipients[0], content if isinstance(content, bytes) else content.encode())
