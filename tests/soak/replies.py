"""Asking the API as a client does, and judging what holds for every answer."""

import json
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

import requests

from infra.rehearsal.deployments import Target

ANSWER_SECONDS = 60
MOST_TRIES = 60
"""How often somebody asks who is told to come back: more than a minute, at a second each."""
LONGEST_WAIT = 5
"""In seconds. Nobody here tries so many passwords that there would be more to wait for."""

_REFUSALS = {429: "too_many_requests", 503: "unavailable"}


class WrongAnswerError(Exception):
    """The API answered what it may not."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back in the end."""

    status: int
    headers: Mapping[str, str]
    """By their names in small letters."""
    body: Any
    tries: int = 1
    unsure: bool = False
    """An earlier try was answered 503: what was asked for may have been done by it."""

    @property
    def ok(self) -> bool:
        """It was done."""
        return self.status < 300

    @property
    def code(self) -> str | None:
        """Why it was not."""
        return self.body.get("code") if isinstance(self.body, dict) else None

    @property
    def refused(self) -> bool:
        """There was no room for it, or nobody to decide it."""
        return self.status in _REFUSALS


def judge_shape(reply: Reply) -> None:
    """See that an answer is one of the contract's, whatever was asked.

    Raises:
        WrongAnswerError: it is not.
    """
    if not isinstance(reply.body, dict):
        raise WrongAnswerError(f"{reply.status} with a body that is no object: {reply.body!r}")
    for name, value in {"content-type": "application/json", "cache-control": "no-store"}.items():
        if reply.headers.get(name) != value:
            raise WrongAnswerError(f"{reply.status} with {name}: {reply.headers.get(name)}")
    if not reply.headers.get("x-request-id"):
        raise WrongAnswerError(f"{reply.status} without X-Request-Id")
    if reply.ok:
        return
    failure = reply.body
    if failure.get("status") != "fail" or not failure.get("code") or not failure.get("message"):
        raise WrongAnswerError(f"{reply.status} in another shape than the contract's: {failure}")
    if reply.refused:
        _judge_refusal(reply)
    elif reply.status >= 500:
        raise WrongAnswerError(f"{reply.status}: {failure}")


def _judge_refusal(reply: Reply) -> None:
    if reply.code != _REFUSALS[reply.status]:
        raise WrongAnswerError(f"{reply.status} with the code {reply.code}")
    told = reply.headers.get("retry-after", "")
    if not (told.isascii() and told.isdecimal() and 1 <= int(told) <= LONGEST_WAIT):
        raise WrongAnswerError(f"{reply.status} with Retry-After: {told!r}")


class Tally:
    """What all users were answered, and how fast. Any number of threads may add to it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.statuses: defaultdict[str, Counter[int]] = defaultdict(Counter)
        self.seconds: defaultdict[str, list[float]] = defaultdict(list)

    def add(self, operation: str, status: int, seconds: float) -> None:
        """One answer to one request."""
        with self._lock:
            self.statuses[operation][status] += 1
            self.seconds[operation].append(seconds)

    @property
    def refusals(self) -> Counter[int]:
        """How many answers were 429, and how many 503."""
        return Counter(
            {
                status: sum(counted[status] for counted in self.statuses.values())
                for status in _REFUSALS
            }
        )

    @property
    def total(self) -> int:
        """How many answers there were."""
        return sum(map(Counter.total, self.statuses.values()))


Send = Callable[[str, str, Any, str | None], Reply]
"""Sends one request: its method, path, JSON and access token."""


def sender(target: Target, address: str) -> Send:
    """Send from an address of one's own, as API Gateway here is told it."""
    named = {} if target.host is None else {"Host": target.host}

    def send(method: str, path: str, body: Any, token: str | None) -> Reply:
        headers = {"X-Forwarded-For": address, "User-Agent": "soak", **named}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        try:
            answer = requests.request(
                method,
                target.url + path,
                json=body,
                headers=headers,
                allow_redirects=False,
                timeout=ANSWER_SECONDS,
            )
        except requests.RequestException as error:
            raise WrongAnswerError(f"no answer: {error}") from error
        received = {name.lower(): value for name, value in answer.headers.items()}
        try:
            read = answer.json()
        except requests.JSONDecodeError:
            read = answer.text
        return Reply(answer.status_code, received, read)

    return send


@dataclass(slots=True)
class Caller:
    """One user's connection: tries again when it is told to, and remembers what was said."""

    send: Send
    tally: Tally
    random: Random
    pause: Callable[[float], None] = time.sleep
    history: deque[str] = field(default_factory=lambda: deque(maxlen=40))

    def ask(
        self, operation: str, method: str, path: str, body: Any = None, token: str | None = None
    ) -> Reply:
        """Ask until there is an answer that is not "later".

        Raises:
            WrongAnswerError: an answer is not one of the contract's, or it is "later" for too long.
        """
        unsure = False
        for tries in range(1, MOST_TRIES + 1):
            began = time.monotonic()
            reply = self.send(method, path, body, token)
            self.tally.add(operation, reply.status, time.monotonic() - began)
            self.history.append(f"{operation}: {method} {path}: {reply.status} {reply.code or ''}")
            judge_shape(reply)
            if not reply.refused:
                return Reply(reply.status, reply.headers, reply.body, tries, unsure)
            unsure = unsure or reply.status == 503
            self.pause(int(reply.headers["retry-after"]) * self.random.uniform(1, 1.5))
        raise WrongAnswerError(f"{operation}: told to come back {MOST_TRIES} times")


def secret_free(text: str) -> str:
    """For the terminal: what is longer than any name is cut short."""
    return " ".join(word if len(word) <= 80 else f"{word[:12]}…" for word in text.split(" "))


def as_json(value: Any) -> str:
    """For comparing what was written with what is read."""
    return json.dumps(value, sort_keys=True)
