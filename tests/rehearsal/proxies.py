"""A network that fails when it is told to: between whoever deploys and the cloud."""

import http.client
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.servers import QuietHandler, serving

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

    def __init__(self, cloud: str, endpoint: str) -> None:
        self.cloud = urlsplit(cloud).netloc
        self.endpoint = endpoint
        self.fault: Fault = lambda _method, _path: False
        self.loss: Fault = lambda _method, _path: False
        self.seen: list[Seen] = []


@contextmanager
def failing_network(cloud: str) -> Iterator[Network]:
    """A network in front of a cloud."""

    class Handler(QuietHandler):
        protocol_version = "HTTP/1.1"

        def handle_request(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length)
            network.seen.append(Seen(self.command, self.path, dict(self.headers), body))
            if network.fault(self.command, self.path):
                self.close_connection = True  # without an answer
                return
            passed = http.client.HTTPConnection(network.cloud, timeout=_ANSWER_SECONDS)
            try:
                passed.request(self.command, self.path, body, dict(self.headers.items()))
                answer = passed.getresponse()
                content = answer.read()
            finally:
                passed.close()
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

    with serving(Handler, "GET", "POST", "PUT", "PATCH", "DELETE") as url:
        network = Network(cloud, url)
        yield network
