import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from chalice.app import AuthRequest, AuthResponse, Chalice, Response

from infra.local import server
from infra.local.gateway import Gateway
from infra.local.server import LARGEST_BODY, GatewayServer

HTML = ("<html", "<!doctype")
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def _a_policy(*statements: tuple[str, str]) -> dict[str, Any]:
    listed = [
        {"Effect": effect, "Action": action, "Resource": "*"} for effect, action in statements
    ]
    return {"principalId": "ada", "policyDocument": {"Statement": listed}}


DECISIONS = {
    "allow and deny": _a_policy(("Allow", "execute-api:Invoke"), ("Deny", "execute-api:Invoke")),
    "another action": _a_policy(("Allow", "s3:GetObject")),
    "no policy": {"principalId": "ada"},
    "nothing": None,
}


def _echo_app() -> Chalice:
    """An app that tells what reached it, and misbehaves when asked to."""
    app = Chalice(app_name="echo")

    @app.authorizer()  # type: ignore[untyped-decorator] # Chalice's own
    def authorize(request: AuthRequest) -> Any:
        if request.token in DECISIONS:
            return DECISIONS[request.token]
        match request.token:
            case "allow":
                context: dict[str, Any] = {
                    "admin": True,
                    "disabled": False,
                    "version": 3,
                    "n": "ada",
                }
                return AuthResponse(routes=["*"], principal_id="ada", context=context)
            case "elsewhere":
                return AuthResponse(routes=["/echo"], principal_id="ada")
            case "nested context":
                context = {"user": {"name": "ada"}}
                return AuthResponse(routes=["*"], principal_id="ada", context=context)
            case "Unauthorized" | "crash":
                raise Exception(request.token)  # noqa: TRY002 - as API Gateway wants it
        return AuthResponse(routes=[], principal_id="nobody")

    def echo(name: str | None = None) -> Any:
        request = app.current_request
        event = request.to_original_event()
        return {
            "name": name,
            "query": event["multiValueQueryStringParameters"],
            "headers": dict(request.headers),
            "body": request.raw_body.decode("latin-1"),
            "context": event["requestContext"],
        }

    all_methods = {"methods": ["GET", "HEAD", "POST", "OPTIONS"], "content_types": []}
    app.route("/", methods=["GET"], name="root")(lambda: {"root": True})
    app.route("/echo", name="echo", **all_methods)(echo)
    app.route("/items/{name}", methods=["GET", "DELETE"], name="item")(echo)
    app.route("/items/mine", methods=["GET"], name="mine")(lambda: {"mine": True})
    app.route("/items/{name}/parts", methods=["GET"], name="parts")(echo)
    app.route("/guarded", methods=["GET", "POST"], authorizer=authorize, name="guarded")(echo)
    app.route("/unserialisable", methods=["GET"], name="unserialisable")(lambda: {"a": object()})
    app.route("/unsendable", methods=["GET"], name="unsendable")(
        lambda: Response("", headers={"X-Arrow": "\u2192"})
    )
    app.route("/unprintable", methods=["GET"], name="unprintable")(
        lambda: Response("", headers={"X-Note": "a\x1b[2J"})
    )
    app.route("/empty", methods=["GET"], name="empty")(lambda: Response("", status_code=204))
    return app


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    listening = GatewayServer("127.0.0.1", 0, Gateway(_echo_app(), ("*",)))
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield listening.server_address[1]
    listening.shutdown()
    thread.join()
    listening.server_close()


class Reply:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.text = response.read().decode()

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Wire:
    """A connection on which anything can be sent."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def done_sending(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)

    def receive(self, method: str = "GET") -> Reply:
        with http.client.HTTPResponse(self.socket, method=method) as response:
            response.begin()
            return Reply(response)

    def is_closed(self) -> bool:
        return self.socket.recv(1) == b""


@pytest.fixture
def wire(port: int) -> Iterator[Wire]:
    connection = Wire(port)
    yield connection
    connection.socket.close()


def assert_refused(reply: Reply, status: int, code: str) -> None:
    """The refusal has the contract's shape, and the headers that every response carries."""
    assert (reply.status, reply.json["code"]) == (status, code)
    assert reply.json["status"] == "fail"
    assert reply.json["message"]
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.headers["X-Request-Id"]
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    assert not any(tag in reply.text.lower() for tag in HTML)


def ask(wire: Wire, line: str, headers: str = "", body: bytes = b"") -> Reply:
    if body:
        headers += f"Content-Length: {len(body)}\r\n"
    wire.send(f"{line} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode("latin-1") + body)
    return wire.receive(line.split(" ", 1)[0])


# Routing


@pytest.mark.parametrize("target", ["/nope", "/echo/more", "/items/", "/items//parts", "*", "nope"])
def test_an_unknown_path_is_404(wire: Wire, target: str) -> None:
    assert_refused(ask(wire, f"GET {target}"), 404, "not_found")


def test_a_preflight_of_an_unknown_path_is_404(wire: Wire) -> None:
    assert_refused(ask(wire, "OPTIONS /nope"), 404, "not_found")


@pytest.mark.parametrize("method", ["PUT", "FOO", "TRACE", "PROPFIND", "get", "CONNECT", "PATCH"])
def test_a_wrong_method_is_405_and_says_which_are_right(wire: Wire, method: str) -> None:
    reply = ask(wire, f"{method} /echo", body=b"{}")
    assert_refused(reply, 405, "method_not_allowed")
    assert reply.headers["Allow"] == "GET, HEAD, OPTIONS, POST"
    assert ask(wire, "GET /echo").status == 200


def test_a_wrong_method_is_405_before_anybody_asks_for_a_token(wire: Wire) -> None:
    assert_refused(ask(wire, "DELETE /guarded"), 405, "method_not_allowed")


@pytest.mark.parametrize("target", ["/echo/", "/echo/?a=b", "http://x/echo", "HTTP://x:1/echo/"])
def test_a_trailing_slash_and_an_absolute_target_are_accepted(wire: Wire, target: str) -> None:
    assert ask(wire, f"GET {target}").status == 200


@pytest.mark.parametrize("target", ["/", "http://x", "//", "/?a"])
def test_the_root_is_a_path_like_any_other(wire: Wire, target: str) -> None:
    assert ask(wire, f"GET {target}").json == {"root": True}


def test_a_literal_route_goes_before_one_with_a_parameter(wire: Wire) -> None:
    assert ask(wire, "GET /items/mine").json == {"mine": True}


def test_a_literal_route_hides_another_ones_methods(wire: Wire) -> None:
    assert_refused(ask(wire, "DELETE /items/mine"), 405, "method_not_allowed")


@pytest.mark.parametrize(
    ("sent", "received"),
    [
        ("a%20b", "a b"),
        ("a%2Fb", "a/b"),
        ("a+b", "a+b"),
        ("%C3%A5", "å"),
        ("\xc3\xa5", "å"),
        ("\xc3\x85\xc3\xa0", "Åà"),  # in Latin-1, two of these octets are blanks
        ("%ff", "\ufffd"),
        ("\xff", "\ufffd"),
        ("%zz%", "%zz%"),
        ("%00", "\0"),
        ("..", ".."),
    ],
)
def test_a_path_parameter_arrives_decoded(wire: Wire, sent: str, received: str) -> None:
    assert ask(wire, f"GET /items/{sent}").json["name"] == received


@pytest.mark.parametrize(
    ("sent", "received"),
    [
        ("", None),
        ("a=b&a=c", {"a": ["b", "c"]}),
        ("a=%zz&b=%", {"a": ["%zz"], "b": ["%"]}),
        ("a=%ff", {"a": ["\ufffd"]}),
        ("a", {"a": [""]}),
        ("a=%C3%A5+b", {"a": ["å b"]}),
        ("a=\xc3\x85\xc3\xa0", {"a": ["Åà"]}),
        ("a=b?c=d", {"a": ["b?c=d"]}),
    ],
)
def test_a_query_arrives_decoded_whatever_it_holds(wire: Wire, sent: str, received: Any) -> None:
    assert ask(wire, f"GET /echo?{sent}").json["query"] == received


def test_the_event_says_who_asks_and_what_the_request_is_called(wire: Wire) -> None:
    headers = "User-Agent: curl\r\nX-Forwarded-For: 192.0.2.9\r\n"
    context = ask(wire, "GET /echo", headers).json["context"]
    assert context["identity"] == {"sourceIp": "127.0.0.1", "userAgent": "curl"}
    assert len(context["requestId"]) == 36


# Authorizing


@pytest.mark.parametrize("header", ["", "Authorization:\r\n", "Authorization:   \r\n"])
def test_no_token_is_401_and_the_authorizer_is_not_asked(wire: Wire, header: str) -> None:
    reply = ask(wire, "GET /guarded", header)
    assert_refused(reply, 401, "token_missing")
    assert reply.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("token", "status", "code"),
    [
        ("deny", 401, "token_invalid"),
        ("elsewhere", 401, "token_invalid"),
        ("allow and deny", 401, "token_invalid"),
        ("another action", 401, "token_invalid"),
        ("Unauthorized", 401, "token_missing"),
        ("crash", 503, "unavailable"),
        ("no policy", 503, "unavailable"),
        ("nested context", 503, "unavailable"),
        ("nothing", 503, "unavailable"),
    ],
)
def test_what_the_authorizer_refuses_is_refused(
    wire: Wire, token: str, status: int, code: str
) -> None:
    assert_refused(ask(wire, "POST /guarded", f"Authorization: {token}\r\n", b"{}"), status, code)
    assert ask(wire, "GET /echo").status == 200


@pytest.mark.parametrize("blank", ["\x0b", "\x0c", "\x1c", "\x85", "\xa0"])
def test_around_a_value_blanks_and_tabs_are_dropped_and_nothing_else(
    wire: Wire, blank: str
) -> None:
    value = f"allow{blank}"
    assert_refused(ask(wire, "GET /guarded", f"Authorization: {value}\r\n"), 401, "token_invalid")
    assert ask(wire, "GET /guarded", "Authorization: \t allow \t\r\n").status == 200
    headers = ask(wire, "GET /echo", f"A-Value: \t {blank}{value} \t\r\n").json["headers"]
    assert headers["a-value"] == f"{blank}{value}"


def test_the_authorizers_context_arrives_as_text(wire: Wire) -> None:
    caller = ask(wire, "GET /guarded", "authorization: allow\r\n").json["context"]["authorizer"]
    assert caller == {
        "admin": "true",
        "disabled": "false",
        "version": "3",
        "n": "ada",
        "principalId": "ada",
    }


# Answering


@pytest.mark.parametrize("path", ["/unserialisable", "/unsendable", "/unprintable"])
def test_an_answer_that_cannot_be_sent_is_503(wire: Wire, path: str) -> None:
    reply = ask(wire, f"GET {path}")
    assert_refused(reply, 503, "unavailable")
    assert ask(wire, "GET /echo").status == 200


def test_head_answers_as_the_app_does_without_the_body(wire: Wire) -> None:
    reply = ask(wire, "HEAD /echo")
    assert (reply.status, reply.text) == (200, "")
    assert int(reply.headers["Content-Length"]) > 0
    assert ask(wire, "GET /echo").status == 200


def test_head_is_refused_without_a_body_too(wire: Wire) -> None:
    reply = ask(wire, "HEAD /nope")
    assert (reply.status, reply.text) == (404, "")
    assert ask(wire, "GET /echo").status == 200


def test_no_content_has_no_length(wire: Wire) -> None:
    assert "Content-Length" not in ask(wire, "GET /empty").headers
    assert ask(wire, "GET /echo").status == 200


def test_no_answer_names_the_server_software(wire: Wire) -> None:
    assert ask(wire, "GET /echo").headers["Server"] == "accounts"


# Bodies


def test_requests_follow_each_other_on_one_connection(wire: Wire) -> None:
    for number in range(5):
        assert ask(wire, "POST /echo", body=b"%d" % number).json["body"] == str(number)


def test_requests_may_be_sent_ahead(wire: Wire) -> None:
    wire.send(b"POST /echo HTTP/1.1\r\nContent-Length: 2\r\n\r\nab\r\nGET /nope HTTP/1.1\r\n\r\n")
    wire.done_sending()
    received = b"".join(iter(lambda: wire.socket.recv(65_536), b""))
    assert received.count(b"HTTP/1.1 200") == 1
    assert received.count(b"HTTP/1.1 404") == 1


def test_a_chunked_body_is_put_together(wire: Wire) -> None:
    wire.send(b"POST /echo HTTP/1.1\r\n" + CHUNKED + b"\r\n")
    wire.send(b"3\r\nabc\r\n2;name=value\r\nde\r\n0\r\nTrailer: x\r\n\r\n")
    assert wire.receive().json["body"] == "abcde"
    assert ask(wire, "GET /echo").status == 200


def test_a_body_that_is_not_utf8_arrives_as_it_is(wire: Wire) -> None:
    assert ask(wire, "POST /echo", body=b"\xff\x00").json["body"] == "\xff\0"


def test_a_client_that_waits_is_told_to_go_on(wire: Wire) -> None:
    wire.send(b"POST /echo HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    assert wire.socket.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
    wire.send(b"ab")
    assert wire.receive().json["body"] == "ab"


def test_a_client_that_waits_with_too_much_is_refused_at_once(wire: Wire) -> None:
    wire.send(b"POST /echo HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 99999999\r\n\r\n")
    assert_refused(wire.receive(), 413, "body_too_large")


@pytest.mark.parametrize("length", [LARGEST_BODY + 1, 10**30, 4 * LARGEST_BODY])
def test_a_body_too_large_is_413_also_for_a_client_that_goes_on_sending(
    wire: Wire, length: int
) -> None:
    wire.send(b"POST /echo HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % length)
    wire.send(b"x" * min(length, 4 * LARGEST_BODY))
    reply = wire.receive()
    assert_refused(reply, 413, "body_too_large")
    assert reply.headers["Connection"] == "close"


def test_the_largest_body_is_taken(wire: Wire) -> None:
    assert ask(wire, "POST /echo", body=b"x" * LARGEST_BODY).status == 200


def test_a_chunked_body_too_large_is_413(wire: Wire) -> None:
    wire.send(b"POST /echo HTTP/1.1\r\n" + CHUNKED + b"\r\n")
    chunk = b"x" * 0x100000
    for _ in range(11):
        wire.send(b"100000\r\n" + chunk + b"\r\n")
    assert_refused(wire.receive(), 413, "body_too_large")


# Framing


@pytest.mark.parametrize(
    "request_head",
    [
        b"GET\r\n",
        b"GET /echo\r\n",
        b"GET /echo HTTP/1.1 more\r\n",
        b"GET /echo HTTP/2.0\r\n\r\n",
        b"GET /echo HTTP/x\r\n\r\n",
        b"GET /echo FTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"G@T /echo HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n",
        b"GET /echo HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /echo HTTP/1.1\r\n: no name\r\n\r\n",
        b"GET /echo HTTP/1.1\r\nSpaced : x\r\n\r\n",
        b"GET /echo HTTP/1.1\r\nA: b\r\n folded\r\n\r\n",
        b"GET /echo HTTP/1.1\r\n folded\r\n\r\n",
        b"GET /echo HTTP/1.1\r\nA: b\0c\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nContent-Length: +1\r\n\r\nx",
        b"POST /echo HTTP/1.1\r\nContent-Length: 1_0\r\n\r\n0123456789",
        b"POST /echo HTTP/1.1\r\nContent-Length: abc\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nContent-Length:\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST /echo HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\na",
        b"POST /echo HTTP/1.1\r\nContent-Length: \x0b1\r\n\r\na",
        b"POST /echo HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        b"POST /echo HTTP/1.1\r\n" + CHUNKED + b"\r\nxyz\r\n",
        b"POST /echo HTTP/1.1\r\n" + CHUNKED + b"\r\n-1\r\n",
        b"POST /echo HTTP/1.1\r\n" + CHUNKED + b"\r\n0x1\r\na\r\n0\r\n\r\n",
        b"POST /echo HTTP/1.1\r\n" + CHUNKED + b"\r\n1\r\nabc\r\n0\r\n\r\n",
    ],
)
def test_a_malformed_request_is_400_and_ends_the_connection(
    wire: Wire, request_head: bytes
) -> None:
    wire.send(request_head)
    reply = wire.receive()
    assert_refused(reply, 400, "validation_failed")
    assert reply.json["errors"] == {"request": "Not a valid HTTP request."}
    assert reply.headers["Connection"] == "close"
    assert wire.is_closed()


@pytest.mark.parametrize(
    "request_part",
    [
        b"GET /ec",
        b"POST /echo HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc",
        b"POST /echo HTTP/1.1\r\n" + CHUNKED + b"\r\n5\r\nabc",
        b"POST /echo HTTP/1.1\r\n" + CHUNKED + b"\r\n0\r\n",
    ],
)
def test_a_request_cut_short_is_400(wire: Wire, request_part: bytes) -> None:
    wire.send(request_part)
    wire.done_sending()
    assert_refused(wire.receive(), 400, "validation_failed")


@pytest.mark.parametrize(
    "request_part",
    [
        b"GET /ec",
        b"GET /echo HTTP/1.1\r\nHost: x\r\n",
        b"POST /echo HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc",
        b"POST /echo HTTP/1.1\r\n" + CHUNKED + b"\r\n5\r\nabc",
    ],
)
def test_a_request_that_stops_half_way_is_408(
    wire: Wire, request_part: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_READ_SECONDS", 0.1)
    wire.send(request_part)
    assert_refused(wire.receive(), 408, "request_timeout")
    assert wire.is_closed()


def test_an_idle_connection_is_closed_without_a_word(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_IDLE_SECONDS", 0.1)
    wire = Wire(port)
    assert wire.is_closed()
    wire.socket.close()


def test_an_address_too_long_is_414(wire: Wire) -> None:
    wire.send(b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n\r\n")
    assert_refused(wire.receive(), 414, "request_uri_too_long")


@pytest.mark.parametrize("headers", [b"A: " + b"b" * 200_000 + b"\r\n", b"A: b\r\n" * 200])
def test_headers_too_large_are_431(wire: Wire, headers: bytes) -> None:
    wire.send(b"GET /echo HTTP/1.1\r\n" + headers + b"\r\n")
    assert_refused(wire.receive(), 431, "request_header_fields_too_large")


def test_an_old_client_is_answered_and_hung_up_on(wire: Wire) -> None:
    wire.send(b"GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    reply = wire.receive()
    assert (reply.status, reply.headers["Connection"]) == (200, "close")
    assert wire.is_closed()


def test_empty_lines_before_a_request_are_ignored(wire: Wire) -> None:
    wire.send(b"\r\n\r\n")
    assert ask(wire, "GET /echo").status == 200


def test_a_client_that_hangs_up_harms_nobody(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(20):
        wire = Wire(port)
        wire.send(b"POST /echo HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc")
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        wire.socket.close()
    time.sleep(0.1)
    wire = Wire(port)
    assert ask(wire, "GET /echo").status == 200
    wire.socket.close()
    assert capsys.readouterr().err == ""


def test_many_clients_at_once_are_all_answered(port: int) -> None:
    wires = [Wire(port) for _ in range(200)]
    for wire in wires:
        wire.send(b"GET /echo HTTP/1.1\r\n\r\n")
    assert {wire.receive().status for wire in wires} == {200}
    for wire in wires:
        wire.socket.close()


def test_the_log_has_neither_query_nor_headers(
    wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "infra.local")
    ask(wire, "GET /nope\x1b?token=secret", "Authorization: secret\r\n")
    ask(wire, "GET /echo")  # so that the line of the one before is there
    # Not the first: the line of a test before may come as late as this.
    assert any(line.startswith("GET '/nope\\x1b' 404 ") for line in caplog.messages)
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    "left_over",
    [
        b'{"password":"secret"}',  # of a body that is longer than it said
        b"eyJhbGciOiJSUzI1NiJ9.secret.",
        b"\x1b[31msecret",
    ],
)
def test_what_is_no_method_is_not_logged(
    wire: Wire, caplog: pytest.LogCaptureFixture, left_over: bytes
) -> None:
    caplog.set_level("INFO", "infra.local")
    wire.send(left_over + b"GET /echo HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert wire.receive().status in (400, 405)
    assert wire.is_closed()  # so that the line is there
    assert any(line.startswith("- /echo 40") for line in caplog.messages)
    assert "secret" not in caplog.text
