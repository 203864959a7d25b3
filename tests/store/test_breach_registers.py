"""The fake register of breached passwords and Pwned Passwords' ranges keep one contract."""

import logging
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler

import pytest

from chalicelib.breaches.ranges import ORIGIN, RangeRegister
from chalicelib.deadlines import ending_in
from chalicelib.domain.errors import UnavailableError
from chalicelib.domain.passwords import Password
from chalicelib.services.password_policy import BreachRegister
from tests.breaches import BREACHED, Handler, StandIn, digest, standing_in
from tests.fakes import FakeBreachRegister

SECONDS = 0.5


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    with standing_in() as server:
        yield server


@pytest.fixture
def ranges(stand_in: StandIn) -> RangeRegister:
    return RangeRegister(stand_in.origin, SECONDS)


@pytest.fixture(params=["fake", "HTTP/1.0", "HTTP/1.1"])
def register(
    request: pytest.FixtureRequest, stand_in: StandIn, ranges: RangeRegister
) -> BreachRegister:
    if request.param == "fake":
        return FakeBreachRegister(*BREACHED)
    stand_in.protocol = request.param
    return ranges


@pytest.mark.parametrize("text", BREACHED)
def test_a_breached_password_is_known(register: BreachRegister, text: str) -> None:
    assert register.knows(Password(text))


def test_it_is_known_in_any_normal_form(register: BreachRegister) -> None:
    assert register.knows(Password("a\u030angstro\u0308m-a\u030angstro\u0308m"))


@pytest.mark.parametrize("text", ["", "PASSWORD123", "password123 ", "a horse of nobody's", "\0"])
def test_another_password_is_not_known(register: BreachRegister, text: str) -> None:
    assert not register.knows(Password(text))


@pytest.fixture(params=["fake", "ranges"])
def register_that_is_down(request: pytest.FixtureRequest) -> BreachRegister:
    if request.param == "fake":
        fake = FakeBreachRegister(*BREACHED)
        fake.down = True
        return fake
    nobody_listens = StandIn()
    nobody_listens.server_close()
    return RangeRegister(nobody_listens.origin, SECONDS)


def test_a_register_that_is_down_is_unavailable(register_that_is_down: BreachRegister) -> None:
    with pytest.raises(UnavailableError):
        register_that_is_down.knows(Password(BREACHED[0]))


def test_five_digits_of_a_hash_are_all_that_is_told(
    stand_in: StandIn, ranges: RangeRegister
) -> None:
    ranges.knows(Password(BREACHED[0]))
    ((path, headers),) = stand_in.asked
    assert path == f"/range/{digest(BREACHED[0])[:5]}"
    assert headers == {
        "Host": stand_in.origin.removeprefix("http://"),
        "Accept-Encoding": "identity",
        "Add-Padding": "true",
        "User-Agent": "accounts",
    }


def test_padding_is_no_breach(stand_in: StandIn, ranges: RangeRegister) -> None:
    stand_in.seen[digest("padded")] = 0
    assert not ranges.knows(Password("padded"))


def _answer(handler: BaseHTTPRequestHandler, *args: int | bytes) -> None:
    assert isinstance(handler, Handler)
    handler.answer(*args)  # type: ignore[arg-type] # in the order of its parameters


def _answer_and_hang_up(handler: BaseHTTPRequestHandler, *args: int | bytes) -> None:
    _answer(handler, *args)
    handler.close_connection = True


def test_a_hash_in_small_letters_is_read_too(stand_in: StandIn, ranges: RangeRegister) -> None:
    body = f"{digest(BREACHED[0])[5:].lower()}:3".encode()
    stand_in.misbehave = lambda handler: _answer(handler, body)
    assert ranges.knows(Password(BREACHED[0]))


BODY = f"{digest(BREACHED[0])[5:]}:3".encode()


@pytest.mark.parametrize(
    "misbehave",
    [
        lambda handler: _answer(handler, BODY, 429),
        lambda handler: _answer(handler, BODY, 503),
        lambda handler: _answer(handler, BODY, 301),
        lambda handler: _answer(handler, BODY, 200, len(BODY) + 1),
        lambda handler: _answer_and_hang_up(handler, BODY, 200, len(BODY) + 1),
        lambda handler: _answer(handler, BODY + b"\r\nnonsense"),
        lambda handler: _answer(handler, BODY + b"\r\n\xff:1"),
        lambda handler: _answer(handler, b"<html>busy</html>"),
        lambda handler: _answer(handler, BODY + (b"\r\n" + b"0" * 35 + b":0") * 15_000),
        lambda handler: handler.wfile.write(b"nonsense\r\n\r\n"),
        lambda handler: handler.connection.close(),
    ],
    ids=[
        "busy",
        "down",
        "moved",
        "cut",
        "cut off",
        "not a line",
        "not text",
        "a page",
        "huge",
        "not HTTP",
        "hung up",
    ],
)
def test_an_answer_that_cannot_be_read_is_none(
    stand_in: StandIn, ranges: RangeRegister, misbehave: Callable[[BaseHTTPRequestHandler], None]
) -> None:
    stand_in.misbehave = misbehave
    with pytest.raises(UnavailableError) as refusal:
        ranges.knows(Password(BREACHED[0]))
    assert refusal.value.__suppress_context__


def _silence(handler: BaseHTTPRequestHandler) -> None:
    assert isinstance(handler, Handler)
    handler.server.over.wait(5)


def _trickle(handler: BaseHTTPRequestHandler) -> None:
    """An octet at a time: each comes well within the timeout, the last one long after it."""
    assert isinstance(handler, Handler)
    handler.answer(b"", 200, 1_000)
    while not handler.server.over.wait(0.05):
        handler.wfile.write(b"0")


@pytest.mark.parametrize("misbehave", [_silence, _trickle])
def test_nobody_waits_longer_than_the_limit(
    stand_in: StandIn, ranges: RangeRegister, misbehave: Callable[[BaseHTTPRequestHandler], None]
) -> None:
    stand_in.misbehave = misbehave
    started = time.monotonic()
    with pytest.raises(UnavailableError):
        ranges.knows(Password(BREACHED[0]))
    assert time.monotonic() - started < 3 * SECONDS


def test_nothing_is_logged(ranges: RangeRegister, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    ranges.knows(Password(BREACHED[0]))
    assert caplog.text == ""


def test_what_is_to_be_asked_over_tls_is_told_nothing_without(stand_in: StandIn) -> None:
    ranges = RangeRegister(stand_in.origin.replace("http:", "https:"), SECONDS)
    with pytest.raises(UnavailableError):
        ranges.knows(Password(BREACHED[0]))
    assert stand_in.asked == []


def test_the_real_one_is_asked_over_tls() -> None:
    assert ORIGIN.startswith("https://")


def test_it_is_not_asked_if_its_answer_could_be_late(ranges: RangeRegister) -> None:
    with ending_in(lambda: SECONDS), pytest.raises(UnavailableError):
        ranges.knows(Password("password123"))
