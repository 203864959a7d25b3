"""Small HTTP servers that tests put in the place of others."""

import ssl
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HOST = "127.0.0.1"


class QuietHandler(BaseHTTPRequestHandler, ABC):
    """Handles requests, whatever their method, without a word on the terminal."""

    @abstractmethod
    def handle_request(self) -> None:
        """Answer a request."""

    def answer(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Nothing."""


@contextmanager
def serving(handler: type[QuietHandler], *methods: str, tls: Path | None = None) -> Iterator[str]:
    """Serve on a free port; the URL. With `tls`, over HTTPS by the certificate in that file."""
    for method in methods:
        setattr(handler, f"do_{method}", handler.handle_request)
    with ThreadingHTTPServer((HOST, 0), handler) as server:
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"{'https' if tls else 'http'}://{HOST}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
