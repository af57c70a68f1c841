"""One subscription a process, fanned out to every open stream that wants to know."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import redis
import structlog

from app.core.live import CHANNEL

log = structlog.get_logger()
WINDOW, LONGEST_WINDOW = 0.04, 0.4
SUBSCRIBE_SECONDS = 2
Group = tuple[str, ...]


@dataclass(eq=False)
class Stream:
    """One open page's stream. `wanted` are its topics, None is everything; `hidden` is what a wall keeps from it."""

    session: bytes
    own: frozenset[str]
    whose: str = ""
    is_contact: bool = False
    request_only: bool = False
    wanted: frozenset[str] | None = None
    hidden: frozenset[str] = frozenset()
    box: queue.SimpleQueue[bytes | None] = field(default_factory=queue.SimpleQueue)

    def lets_through(self, topic: str, group: Group) -> bool:
        """Whether this person may be told the topic. A group is what one transaction told together."""
        if topic in self.own:
            return True
        if self.is_contact:
            clients = [each for each in group if each.startswith("client:")]
            ours = bool(clients) and all(each in self.own for each in clients)
            return ours and not self.request_only and topic.startswith(("client_request:", "request:", "invoice:"))
        return not self.hidden or self.hidden.isdisjoint(group)

    @property
    def is_open_hearted(self) -> bool:
        """Everything is for them: what they are sent can be shared with others like them."""
        return not self.is_contact and not self.hidden


class Hub:
    """Streams by topic. What is told within a short while goes out together; the while grows with the load."""

    def __init__(self, url: str, *, most: int = 1000, of_one: int = 40) -> None:
        self.url = url
        self.most, self.of_one = most, of_one
        self.lock = threading.Lock()
        self.by_topic: dict[str, set[Stream]] = defaultdict(set)
        self.wide: set[Stream] = set()
        self.streams: set[Stream] = set()
        self.to_check = threading.Event()
        self.tried = threading.Event()
        self.thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to listen, once in a process; after the fork. A stream that joins now misses nothing."""
        with self.lock:
            if self.thread is None:
                self.thread = threading.Thread(target=self._listen, name="live", daemon=True)
                self.thread.start()
        self.tried.wait(2 * SUBSCRIBE_SECONDS)

    def join(self, stream: Stream) -> bool:
        """Whether there was room: so many in all, and so many of one person's or contact's browsers."""
        with self.lock:
            theirs = sum(each.whose == stream.whose for each in self.streams)
            if len(self.streams) >= self.most or theirs >= self.of_one:
                return False
            self.streams.add(stream)
            if stream.wanted is None:
                self.wide.add(stream)
            for topic in stream.wanted or ():
                self.by_topic[topic].add(stream)
        return True

    def leave(self, stream: Stream) -> None:
        with self.lock:
            self.streams.discard(stream)
            self.wide.discard(stream)
            for topic in stream.wanted or ():
                self.by_topic[topic].discard(stream)
                if not self.by_topic[topic]:
                    del self.by_topic[topic]

    def close(self, streams: Iterable[Stream]) -> None:
        """End streams whose session has ended."""
        for stream in streams:
            stream.box.put(None)

    def tell(self, groups: Sequence[Group]) -> None:
        """Give every stream the topics that it wants and may know, one message each."""
        with self.lock:
            found: dict[Stream, dict[str, None]] = defaultdict(dict)
            for group in groups:
                for topic in group:
                    for stream in self.by_topic.get(topic, ()):
                        if stream.lets_through(topic, group):
                            found[stream][topic] = None
            wide = list(self.wide)
        everything: bytes | None = None
        for stream in wide:
            if stream.is_open_hearted:
                if everything is None:
                    everything = message(dict.fromkeys(topic for group in groups for topic in group))
                stream.box.put(everything)
            else:
                let = dict.fromkeys(t for group in groups for t in group if stream.lets_through(t, group))
                if let:
                    stream.box.put(message(let))
        for stream, topics in found.items():
            stream.box.put(message(topics))
        if any(topic.startswith(("person:", "contact:")) for group in groups for topic in group):
            self.to_check.set()

    def _listen(self) -> None:
        """Read the channel for good; a lost connection is taken up again, and then every page looks for itself."""
        lost = False
        while True:
            try:
                store = redis.Redis.from_url(self.url, socket_timeout=None, socket_connect_timeout=SUBSCRIBE_SECONDS)
                channel: Any = store.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
                channel.subscribe(CHANNEL)
                channel.get_message(timeout=SUBSCRIBE_SECONDS)  # the confirmation, which comes as nothing
                self.tried.set()
                if lost:
                    self._tell_all()
                self._pump(channel)
            except (redis.RedisError, OSError) as error:
                log.warning("live.lost", error=str(error))
                lost = True
                self.tried.set()
                time.sleep(1)

    def _pump(self, channel: Any) -> None:
        window = WINDOW
        while True:
            first = channel.get_message(timeout=30)
            if first is None:
                continue
            groups = [_group(first)]
            until = time.monotonic() + window
            while (left := until - time.monotonic()) > 0:
                more = channel.get_message(timeout=left)
                if more is not None:
                    groups.append(_group(more))
            started = time.monotonic()
            self.tell(groups)
            window = min(max(WINDOW, 2 * (time.monotonic() - started)), LONGEST_WINDOW)

    def _tell_all(self) -> None:
        with self.lock:
            streams = list(self.streams)
        for stream in streams:
            stream.box.put(b'data: "all"\n\n')


def message(topics: Iterable[str]) -> bytes:
    return b"data: " + json.dumps(list(topics), separators=(",", ":")).encode() + b"\n\n"


def _group(raw: dict[str, bytes]) -> Group:
    return tuple(json.loads(raw["data"]))


def own_topics(kind: str, own_id: UUID, clients: Iterable[UUID] = (), request_id: UUID | None = None) -> frozenset[str]:
    """What is told to somebody because it is theirs."""
    topics = {f"{kind}:{own_id}"}
    if request_id is not None:
        return frozenset(topics | {f"client_request:{request_id}", f"request:{request_id}"})
    return frozenset(topics | {f"client:{each}" for each in clients})
