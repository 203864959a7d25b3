"""AWS behind a socket, which hangs, resets, or answers late or badly when it is told to.

What it answers is moto's; what is between is real: botocore's client, its pool, timeouts and
retries. Time is counted and not waited for: an attempt that hangs takes as long as the client is
said to wait, however soon it gives up here.
"""

import gc
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum, auto
from types import SimpleNamespace
from typing import Any

import botocore.endpoint
import pytest
from botocore.awsrequest import AWSPreparedRequest
from botocore.compat import HTTPHeaders
from botocore.httpsession import URLLib3Session
from moto.core.models import botocore_stubber

from chalicelib.keys import source
from chalicelib.mail import ses
from chalicelib.store import items
from tests.servers import QuietHandler, serving

_PATIENCE = 0.5
"""Real seconds after which the client gives up an attempt: longer than anything here takes, once
the garbage collector need not look through all that earlier tests have left."""
_LIMITS = {"dynamodb": items.LIMITS, "ssm": source.LIMITS, "ses": ses.LIMITS}
_SERVICES = {"DynamoDB": "dynamodb", "AmazonSSM": "ssm", "": "ses"}
_JSON = {"Content-Type": "application/x-amz-json-1.0"}


class Fault(Enum):
    """What happens to an attempt."""

    HANGS = auto()
    SLOW = auto()
    RESET = auto()
    BROKEN = auto()
    THROTTLED = auto()
    TOLD_TO_WAIT = auto()


Plan = Callable[[int, str], Fault | None]
"""What happens to each attempt, by its number from 0 and the service that it is for."""


class Remote:
    """What was asked, and how long all of it would have taken."""

    def __init__(self) -> None:
        self.elapsed = 0.0
        self.attempts = 0
        self.connections: set[tuple[str, int]] = set()
        self._plan: Plan = lambda *_: None
        self._lock = threading.Lock()
        self._released = threading.Event()

    def follow(self, plan: Plan) -> None:
        """From now on, let this happen, and count from the start."""
        self._plan = plan
        self.elapsed, self.attempts = 0.0, 0
        self.connections.clear()

    def sleep(self, seconds: float) -> None:
        """botocore's pauses."""
        self.elapsed += seconds

    def release(self) -> None:
        self._released.set()

    def next(self, service: str, connection: tuple[str, int]) -> Fault | None:
        """An attempt arrives: what happens to it."""
        with self._lock:
            fault = self._plan(self.attempts, service)
            self.attempts += 1
            self.connections.add(connection)
            limits = _LIMITS[service]
            if fault is Fault.HANGS:
                self.elapsed += limits.connect_seconds + limits.read_seconds
            elif fault is Fault.SLOW:
                self.elapsed += limits.read_seconds
            return fault

    def hang(self) -> None:
        self._released.wait(10)

    def answer(self, service: str, request: AWSPreparedRequest) -> tuple[int, bytes]:
        """What moto says; one after the other, as it is not thread-safe."""
        host = "email" if service == "ses" else service
        request.url = f"https://{host}.us-east-1.amazonaws.com{request.url}"
        with self._lock:
            found = botocore_stubber(f"before-send.{service}", request)
        assert found is not None
        return found.status_code, found.content


def _handler(remote: Remote) -> type[QuietHandler]:
    class Handler(QuietHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def handle_request(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            target = self.headers.get("X-Amz-Target", "")
            service = _SERVICES[target.partition(".")[0].partition("_")[0]]
            with suppress(ConnectionError):  # the client may have given up
                self._treat(service, body, remote.next(service, self.client_address))

        def _treat(self, service: str, body: bytes, fault: Fault | None) -> None:
            match fault:
                case Fault.HANGS:
                    remote.hang()
                    self.close_connection = True
                case Fault.RESET:
                    linger = struct.pack("ii", 1, 0)
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    self.close_connection = True
                case Fault.BROKEN:
                    self.answer(500, b"<html>Bad", **_JSON)
                case Fault.THROTTLED:
                    self.answer(400, b'{"__type": "ThrottlingException"}', **_JSON)
                case Fault.TOLD_TO_WAIT:
                    self.answer(
                        400,
                        b'{"__type": "ThrottlingException"}',
                        x_amz_retry_after="60000",
                        **_JSON,
                    )
                case _:
                    headers = HTTPHeaders()
                    for name, value in self.headers.items():
                        headers[name] = value
                    request = AWSPreparedRequest(
                        self.command, self.path, headers, body, stream_output=False
                    )
                    status, content = remote.answer(service, request)
                    self.answer(status, content, x_amzn_requestid="a-request", **_JSON)

    return Handler


def _impatient(make: Callable[..., None], made: list[URLLib3Session]) -> Callable[..., None]:
    def make_impatient(session: URLLib3Session, **how: Any) -> None:
        make(session, **how | {"timeout": (_PATIENCE, _PATIENCE)})
        made.append(session)

    return make_impatient


@contextmanager
def listening() -> Iterator[Remote]:
    """Have every client that is made meanwhile ask this one, and give up soon."""
    remote = Remote()
    with serving(_handler(remote), "POST", "DELETE") as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", url)
        patch.setattr(botocore.endpoint, "time", SimpleNamespace(sleep=remote.sleep))
        made: list[URLLib3Session] = []
        patch.setattr(URLLib3Session, "__init__", _impatient(URLLib3Session.__init__, made))
        gc.freeze()
        try:
            yield remote
        finally:
            gc.unfreeze()
            remote.release()
            for session in made:
                session.close()
