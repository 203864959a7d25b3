"""HTTP around the gateway: `chalice local`'s server, for clients of every kind.

Python's http.server answers what it cannot read, and methods it does not know, with HTML or by
hanging up, and it trusts a Content-Length. Here every request that can be answered is, in the
contract's shape, and a connection is kept only while both sides agree where a request ends.
"""

import io
import logging
import re
import socket
import socketserver
import sys
import time
from http import HTTPMethod, HTTPStatus
from http.client import HTTPMessage
from http.server import BaseHTTPRequestHandler
from typing import Any, cast

from chalice import Chalice
from chalice.local import CustomLocalChalice, LocalChalice

from chalicelib import settings
from chalicelib.api.errors import FAILURES, failure_body
from chalicelib.domain.errors import InvalidInputError
from infra.gateway_responses import GATEWAY_RESPONSES
from infra.local.gateway import Gateway, HttpAnswer, HttpRequest

LARGEST_BODY = 10 * 1024 * 1024
"""What API Gateway accepts."""

_LONGEST_LINE = 65_536
_MOST_TRAILERS = 100
_IDLE_SECONDS = 60.0
_READ_SECONDS = 10.0
_LINGER_SECONDS = 5.0

_BLANKS = " \t"
"""What HTTP allows around a header's value (RFC 9110, section 5.6.3). Python strips more."""
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NUMBER = re.compile(r"[0-9]+")
_NOT_ASCII = re.compile(rb"[\x80-\xff]")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n")

# What no function and no gateway response is about: the framing itself.
_FRAMING = {
    HTTPStatus.REQUEST_TIMEOUT: "The request did not arrive in time.",
    HTTPStatus.REQUEST_URI_TOO_LONG: "The address is too long.",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "The headers are too large.",
}

_MALFORMED = InvalidInputError({"request": "Not a valid HTTP request."})

_log = logging.getLogger(__name__)


class GatewayServer(socketserver.ThreadingTCPServer):
    """Listens for a gateway. Has what Chalice asks of a local server."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, host: str, port: int, gateway: Gateway) -> None:
        self.gateway = gateway
        super().__init__((host, port), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up: that is theirs to do."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def serving(app: Chalice, host: str, port: int) -> GatewayServer:
    """A server for the app, listening already."""
    # As in chalice.local.create_local_server, which has no place for another server: each thread
    # has a current request of its own.
    CustomLocalChalice.__bases__ = (LocalChalice, app.__class__)
    app.__class__ = CustomLocalChalice
    return GatewayServer(host, port, Gateway(app, settings.load().cors_origins))


class _RefusedError(Exception):
    """The request cannot be read to its end, so the connection is of no further use."""

    def __init__(self, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(status.phrase)
        self.status = status


class _Headers(HTTPMessage):
    """A request's headers, by a parser for mail: it is not to look for the parts of a body."""

    def get_content_type(self) -> str:
        """What makes it leave the rest alone, and find no fault with `multipart/form-data`."""
        return "text/plain"


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    MessageClass = _Headers
    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.1"
    timeout = _IDLE_SECONDS
    wbufsize = -1  # head and body leave together
    disable_nagle_algorithm = True
    server: GatewayServer

    def handle_one_request(self) -> None:
        """Read a request and answer it, or refuse it and hang up."""
        self.close_connection = True
        self.command, self.path, self.headers = "", "", self.MessageClass()
        try:
            if not self._next_request_began():
                return
            self._started = time.monotonic()
            if not self._read_head():
                return
            request = self._request(self._read_body())
        except _RefusedError as refusal:
            self.send_error(refusal.status)
        except TimeoutError:
            self.send_error(HTTPStatus.REQUEST_TIMEOUT)
        else:
            self._send(request, self.server.gateway.answer(request))

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse a request whose framing is wrong, and hang up; http.server comes here too."""
        del message, explain  # they quote the request, in HTML
        self.close_connection = True
        request = self._request(b"")
        gateway = self.server.gateway
        status = HTTPStatus(code)
        if status in _FRAMING:
            body = {"status": "fail", "code": status.name.lower(), "message": _FRAMING[status]}
            answer = gateway.failure(status, body, request, {})
        elif status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            answer = gateway.refuse(GATEWAY_RESPONSES["REQUEST_TOO_LARGE"], request)
        else:
            # Whatever else http.server calls it (505, for one), it is the client's mistake.
            answer = gateway.failure(
                FAILURES[InvalidInputError].status, failure_body(_MALFORMED), request, {}
            )
        self._send(request, answer)
        self._drain()

    def version_string(self) -> str:
        """The Server header: no versions."""
        return "accounts"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing: http.server would log the query as well; `_send` does not."""

    def handle_expect_100(self) -> bool:
        """Ask for the body only when it is known to be welcome: see `_read_body`."""
        return True

    def _next_request_began(self) -> bool:
        """Wait for a request's first byte; False if the client is done, or idle for too long."""
        self.connection.settimeout(_IDLE_SECONDS)
        try:
            began = bool(cast(io.BufferedReader, self.rfile).peek(1))
        except TimeoutError:
            return False
        self.connection.settimeout(_READ_SECONDS)
        return began

    def _read_head(self) -> bool:
        """Read the request line and the headers; False if there is nothing to answer."""
        self.request_version = self.protocol_version
        self.raw_requestline = self.rfile.readline(_LONGEST_LINE + 1)
        if len(self.raw_requestline) > _LONGEST_LINE:
            raise _RefusedError(HTTPStatus.REQUEST_URI_TOO_LONG)
        if self.raw_requestline in (b"\r\n", b"\n"):
            self.close_connection = False  # RFC 9112, section 2.2: to be ignored
            return False
        words = self.raw_requestline.split()
        if not self.raw_requestline.endswith(b"\n") or len(words) != 3:  # noqa: PLR2004 - RFC 9112
            raise _RefusedError
        # http.server takes the line for Latin-1, and some octets of UTF-8 for blanks: à, Å.
        words[1] = _NOT_ASCII.sub(lambda octet: b"%%%02X" % ord(octet[0]), words[1])
        self.raw_requestline = b" ".join(words) + b"\r\n"
        if not self.parse_request():
            return False
        well_formed = _TOKEN.fullmatch(self.command) and all(
            _TOKEN.fullmatch(name) and not {"\r", "\n", "\0"} & set(value)
            for name, value in self.headers.items()
        )
        # What follows a malformed line, the parser takes for a message's text.
        if not well_formed or self.headers.defects or self.headers.get_payload():
            raise _RefusedError
        if self.request_version != self.protocol_version:
            self.close_connection = True
        return True

    def _read_body(self) -> bytes:
        """Read the body, however it is framed (RFC 9112, section 6.3).

        Raises:
            _RefusedError: it ends nowhere, in two places, too late, or further on than any body
                may.
        """
        lengths = self.headers.get_all("Content-Length", [])
        codings = self.headers.get_all("Transfer-Encoding", [])
        if codings:
            if lengths or [coding.strip(_BLANKS).lower() for coding in codings] != ["chunked"]:
                raise _RefusedError
            self._ask_for_body()
            return _read_chunks(self.rfile)
        if not lengths:
            return b""
        length = lengths[0].strip(_BLANKS)
        if len(lengths) > 1 or not _NUMBER.fullmatch(length):
            raise _RefusedError
        digits = length.lstrip("0") or "0"
        if len(digits) > len(str(LARGEST_BODY)) or int(digits) > LARGEST_BODY:
            raise _RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        self._ask_for_body()
        return _read_exactly(self.rfile, int(digits))

    def _ask_for_body(self) -> None:
        if self.headers.get("Expect", "").strip(_BLANKS).lower() == "100-continue":
            self.send_response_only(HTTPStatus.CONTINUE)
            self.end_headers()
            self.wfile.flush()

    def _request(self, body: bytes) -> HttpRequest:
        return HttpRequest(
            method=self.command or "",
            target=self.path.encode("latin-1"),
            headers=tuple((name, value.strip(_BLANKS)) for name, value in self.headers.items()),
            body=body,
            source_ip=self.client_address[0],
        )

    def _send(self, request: HttpRequest, answer: HttpAnswer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        if answer.status not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
            self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if request.method != "HEAD":
            self.wfile.write(answer.body)
        self.wfile.flush()
        # Neither the query nor a header nor a body: they may hold what no log should. Where a body
        # is longer than it says, its rest is the next request's method.
        method = request.method if request.method in HTTPMethod.__members__ else "-"
        path = request.path if request.path.isprintable() else ascii(request.path)
        milliseconds = (time.monotonic() - self._started) * 1000
        _log.info("%s %.200s %d %.0f ms", method, path, answer.status, milliseconds)

    def _drain(self) -> None:
        """Let the client finish what it is sending.

        A connection that is closed with something unread is reset, and then the client may never
        see the answer that is on its way.
        """
        self.connection.shutdown(socket.SHUT_WR)
        deadline = time.monotonic() + _LINGER_SECONDS
        while (left := deadline - time.monotonic()) > 0:
            self.connection.settimeout(left)
            if not self.connection.recv(_LONGEST_LINE):
                return


def _read_exactly(stream: io.BufferedIOBase, length: int) -> bytes:
    content = stream.read(length)
    if len(content) < length:
        raise _RefusedError
    return content


def _read_chunks(stream: io.BufferedIOBase) -> bytes:
    """Decode the chunked coding (RFC 9112, section 7.1); trailers are dropped."""
    body = bytearray()
    while True:
        size_line = _CHUNK_SIZE.fullmatch(stream.readline(_LONGEST_LINE))
        if not size_line:
            raise _RefusedError
        size = int(size_line[1], 16)
        if size == 0:
            break
        if len(body) + size > LARGEST_BODY:
            raise _RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        body += _read_exactly(stream, size)
        if stream.readline(3) not in (b"\r\n", b"\n"):
            raise _RefusedError
    for _ in range(_MOST_TRAILERS):
        if stream.readline(_LONGEST_LINE) in (b"\r\n", b"\n"):
            return bytes(body)
    raise _RefusedError
