"""A network that fails when it is told to: between whoever deploys and the cloud."""

import http.client
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_ANSWER_SECONDS = 120
_HOP_BY_HOP = {"connection", "content-length", "keep-alive", "transfer-encoding"}

Fault = Callable[[str, str], bool]
"""Tells of a method and a path whether the network is gone just then."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that went by."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Network:
    """Passes requests on to the cloud, until a fault says otherwise.

    A `fault` keeps a request from arriving. A `loss` lets it arrive, and loses the answer.
    """

    def __init__(self, endpoint: str, port: int) -> None:
        self.cloud = urlsplit(endpoint).netloc
        self.endpoint = f"http://127.0.0.1:{port}"
        self.fault: Fault = lambda _method, _path: False
        self.loss: Fault = lambda _method, _path: False
        self.seen: list[Seen] = []


@contextmanager
def failing_network(endpoint: str) -> Iterator[Network]:
    """A network in front of a cloud."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_request(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length)
            network.seen.append(Seen(self.command, self.path, dict(self.headers), body))
            if network.fault(self.command, self.path):
                self.close_connection = True  # without an answer
                return
            cloud = http.client.HTTPConnection(network.cloud, timeout=_ANSWER_SECONDS)
            try:
                cloud.request(self.command, self.path, body, dict(self.headers.items()))
                answer = cloud.getresponse()
                content = answer.read()
            finally:
                cloud.close()
            if network.loss(self.command, self.path):
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in _HOP_BY_HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            """Nothing."""

    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        setattr(Handler, f"do_{method}", Handler.handle_request)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        network = Network(endpoint, server.server_port)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield network
        finally:
            server.shutdown()
            thread.join()
