"""Lambda's side of a function's process: the Runtime API, for one invocation after another.

See https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import json
import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Generic, Self, TypeVar
from uuid import uuid4

from bench.stages import BenchError
from infra.local.loopback import HOST

_PREFIX = "/2018-06-01/runtime/"
_DEADLINE_SECONDS = 30
_POLL_SECONDS = 0.05
_ARN = "arn:aws:lambda:us-east-1:123456789012:function:bench"


Seen = TypeVar("Seen")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Seen]):
    """What a function answered, or its fault."""

    fault: bool
    content: Any
    seen: Seen
    """What `observe` told at the moment that the answer arrived."""


class RuntimeApi(Generic[Seen]):
    """Listens on a free port of this machine, for as long as the context is entered.

    A function asks for its next invocation, and waits until one is offered. When its answer has
    arrived it is observed, before the function gets to do anything more.
    """

    def __init__(self) -> None:
        self._offered: queue.Queue[bytes | None] = queue.Queue()
        self._outcomes: queue.Queue[Outcome[Seen]] = queue.Queue()
        self._server = _Server(self)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), daemon=True
        )
        self._observe: Callable[[], Seen] | None = None
        self.address = f"{HOST}:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._offered.put(None)
        self._server.server_close()

    def offer(self, event: Mapping[str, Any], observe: Callable[[], Seen]) -> None:
        """Have whoever asks next handle this event, and observe when the answer is there."""
        self._observe = observe
        self._offered.put(json.dumps(event).encode())

    def outcome(self, seconds: float) -> Outcome[Seen]:
        """Wait for the answer.

        Raises:
            BenchError: there is none in time.
        """
        try:
            return self._outcomes.get(timeout=seconds)
        except queue.Empty:
            raise BenchError("a function did not answer in time") from None

    def next_event(self) -> bytes | None:
        """What the next invocation is of; None if there is none before the deadline."""
        try:
            offered = self._offered.get(timeout=_DEADLINE_SECONDS)
        except queue.Empty:
            return None
        if offered is None:
            self._offered.put(None)  # for whoever else waits
        return offered

    def settle(self, content: bytes, *, fault: bool) -> None:
        """Note what a function answered, if it was asked anything."""
        if self._observe is None:
            return
        seen = self._observe()
        self._outcomes.put(Outcome(fault, json.loads(content or b"null"), seen))


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, api: RuntimeApi[Any]) -> None:
        self.api = api
        super().__init__((HOST, 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of functions that are stopped: that is what happens to all of them."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        """Answer with the next invocation."""
        if self.path != f"{_PREFIX}invocation/next":
            self._answer(HTTPStatus.NOT_FOUND)
            return
        event = self.server.api.next_event()
        if event is None:
            self._answer(HTTPStatus.GONE)
            return
        deadline = round((time.time() + _DEADLINE_SECONDS) * 1000)
        self._answer(
            HTTPStatus.OK,
            event,
            {
                "Lambda-Runtime-Aws-Request-Id": str(uuid4()),
                "Lambda-Runtime-Deadline-Ms": str(deadline),
                "Lambda-Runtime-Invoked-Function-Arn": _ARN,
            },
        )

    def do_POST(self) -> None:
        """Take an answer or an error, of an invocation or of the start."""
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        _, _, last = self.path.rpartition("/")
        if not self.path.startswith(_PREFIX) or last not in {"response", "error"}:
            self._answer(HTTPStatus.NOT_FOUND)
            return
        self.server.api.settle(content, fault=last == "error")
        self._answer(HTTPStatus.ACCEPTED)

    def _answer(
        self, status: HTTPStatus, content: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Nothing."""
