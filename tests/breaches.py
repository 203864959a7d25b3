"""What stands in for Pwned Passwords: a server on 127.0.0.1."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BREACHED = ("password123", "ångström-ångström", "an old shoe of mine")


def digest(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest().upper()


class StandIn(ThreadingHTTPServer):
    """What stands in for the service, on 127.0.0.1: it knows some passwords, and can misbehave."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.seen = {digest(text): 3 for text in BREACHED}
        self.protocol = "HTTP/1.1"
        self.misbehave: Callable[[BaseHTTPRequestHandler], None] | None = None
        self.over = threading.Event()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def range_of(self, prefix: str) -> bytes:
        """As the real one answers with padding: hashes nobody has, seen 0 times, among others."""
        known = {found[5:]: seen for found, seen in self.seen.items() if found[:5] == prefix}
        padding = {f"{number:035X}": 0 for number in range(900)}
        lines = sorted((padding | known).items())
        return "\r\n".join(f"{suffix}:{seen}" for suffix, seen in lines).encode()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hung up is what some tests are about."""


class Handler(BaseHTTPRequestHandler):
    server: StandIn

    def setup(self) -> None:
        self.protocol_version = self.server.protocol
        super().setup()

    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers)))
        if self.server.misbehave is not None:
            self.server.misbehave(self)
            return
        self.answer(self.server.range_of(self.path.removeprefix("/range/")))

    def answer(self, body: bytes, status: int = 200, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Write nothing to the terminal."""


@contextmanager
def standing_in() -> Iterator[StandIn]:
    """One that serves for as long as it is needed."""
    with StandIn() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()
            thread.join()
