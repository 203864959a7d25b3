"""Refresh and mailed tokens: whatever is not the one that was handed out is refused alike."""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.domain.mailed_tokens import LIFETIMES, MailedToken, Purpose, password_mark
from chalicelib.domain.sessions import RefreshToken
from chalicelib.store.mailed_tokens import DynamoMailedTokenStore
from tests.api.client import Client
from tests.api.lines import Lines
from tests.aws import Cloud, Wire
from tests.fakes import FakeClock, public_id
from tests.mailed import mailed
from tests.samples import claims_of

ENDED = {
    "status": "fail",
    "code": "refresh_token_invalid",
    "message": "This session has ended. Please log in again.",
}
NO_LINK = {
    "status": "fail",
    "code": "token_invalid",
    "message": "This link is no longer valid.",
}
PASSWORD = "another horse altogether"
NO_TEXT: tuple[object, ...] = (None, True, 0, 1.5, [], {}, ["a"], {"token": "a"}, -1, 10**30)
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def mangled(text: str) -> Iterator[str]:
    """Other spellings and lengths of a token, and what is none."""
    prefix, rest = text[:4], text[4:]
    yield from ("", " ", "\0", prefix, rest, rest + prefix, text[:-1], text[1:], text * 2, "null")
    for end in ("A", "=", "==", ".", " ", "\n", "\0", "\u200b", "\ufeff", "!", "%00", "'--", "\t"):
        yield text + end
        yield end + text
        yield prefix + end + rest
        yield text[:20] + end + text[20:]
    for other in ("RT1_", "MT1_", "rt2_", "mt2_", "rt1-", "rt1", "xx1_", "rt1__"):
        yield other + rest
    last = _LETTERS.index(text[-1])
    spelt = (text[:-1] + letter for at, letter in enumerate(_LETTERS) if at != last)
    yield from (other for other in spelt if _octets(other) == _octets(text))
    yield from (text.swapcase(), text.upper(), text[::-1], prefix + "A" * len(rest))
    yield from ("A" * 30_000, prefix + "A" * 30_000, prefix + "\u0661" * len(rest))
    wide = next(at for at, letter in enumerate(rest) if letter.isalpha())
    yield prefix + rest[:wide] + chr(ord(rest[wide]) + 0xFEE0) + rest[wide + 1 :]
    yield prefix + base64.b64encode(rest.encode()).decode()
    for size in (0, 1, 15, 16, 47, 49, 64, 79, 81, 96, 160):
        yield prefix + base64.urlsafe_b64encode(bytes(size)).decode().rstrip("=")


def _octets(text: str) -> bytes:
    return base64.urlsafe_b64decode(text[4:] + "=" * (-len(text[4:]) % 4))


def turned(octets: bytes) -> Iterator[bytes]:
    for place in range(len(octets)):
        yield bytes([*octets[:place], octets[place] ^ 1 << place % 8, *octets[place + 1 :]])


def _refresh(client: Client, number: int, token: object) -> Any:
    # From an address of its own: there is a limit on failures, which is not what this is about.
    ip = f"198.51.{number // 250}.{number % 250}"
    return client.post("/auth/refresh", {"refresh_token": token}, source_ip=ip)


def test_no_other_refresh_token_is_taken_and_none_ends_a_session(
    client: Client, lines: Lines, wire: Wire
) -> None:
    mine, other = client.log_in(1), client.log_in(2)
    text = str(mine["refresh_token"])
    token, others = RefreshToken.parse(text), RefreshToken.parse(str(other["refresh_token"]))
    assert token
    assert others
    bad = dict.fromkeys(
        (
            *mangled(text),
            *(replace(token, family=octets).text for octets in turned(token.family)),
            replace(token, public_id=others.public_id).text,
            replace(token, session_id=others.session_id).text,
            replace(others, family=token.family).text,
            replace(token, public_id=public_id(999)).text,
            mine["Authorization"],
            mine["session_id"],
            mailed(token.public_id, Purpose.VERIFY, "user-1@example.com")[0],
        )
    )
    assert text not in bad
    for number, attempt in enumerate(bad):
        lines.text = ""
        wire.calls.clear()
        answer = _refresh(client, number, attempt)
        assert (answer.status, answer.json()) == (401, ENDED), attempt[:80]
        assert len(wire.operations) <= 3, "a read, and what counts failures"
        assert len(attempt) < 16 or attempt not in lines.text
    for number, session in enumerate((mine, other)):
        assert _refresh(client, number, session["refresh_token"]).status == 200


def test_the_right_family_with_another_secret_ends_the_session(client: Client) -> None:
    mine = client.log_in(1)
    token = RefreshToken.parse(str(mine["refresh_token"]))
    assert token
    wrong = replace(token, secret=next(turned(token.secret))).text
    assert _refresh(client, 1, wrong).json() == ENDED
    assert _refresh(client, 2, token.text).json() == ENDED


@pytest.mark.parametrize("value", NO_TEXT, ids=repr)
@pytest.mark.parametrize("route", ["/auth/refresh", "/auth/email/verify", "/auth/email/undo"])
def test_what_is_no_text_is_no_token(client: Client, route: str, value: object) -> None:
    field = "refresh_token" if route == "/auth/refresh" else "token"
    answer = client.post(route, {field: value})
    assert (answer.status, answer.json()["code"]) == (400, "validation_failed")
    assert answer.json()["errors"].keys() == {field}


class Mailbox:
    """Makes tokens as the courier does."""

    def __init__(self, client: Client, cloud: Cloud, clock: FakeClock) -> None:
        self._cloud = cloud
        self._clock = clock
        self.client = client

    def token(self, purpose: Purpose, number: int = 1) -> str:
        address = f"user-{number}@example.com"
        row = next(row for row in self._cloud.rows() if row.get("email", {}).get("S") == address)
        mark = password_mark(row["password_hash"]["S"]) if purpose is Purpose.RESET else None
        text, record = mailed(
            row["public_id"]["S"], purpose, address, at=self._clock.now, password_mark=mark
        )
        DynamoMailedTokenStore().add(record)
        return text

    def spend(self, purpose: Purpose, token: object, number: int = 0) -> tuple[int, Any]:
        route = {
            Purpose.VERIFY: "/auth/email/verify",
            Purpose.CONFIRM: "/auth/email/verify",
            Purpose.RESET: "/auth/password/reset",
            Purpose.UNDO: "/auth/email/undo",
        }[purpose]
        body = {"token": token}
        if purpose is Purpose.RESET:
            body["new_password"] = PASSWORD
        ip = f"198.51.{number // 250}.{number % 250}"
        answer = self.client.post(route, body, source_ip=ip)
        return answer.status, answer.json()


@pytest.fixture
def mailbox(client: Client, cloud: Cloud, clock: FakeClock) -> Mailbox:
    return Mailbox(client, cloud, clock)


@pytest.mark.parametrize("purpose", [Purpose.VERIFY, Purpose.RESET])
def test_no_other_mailed_token_is_taken_and_none_spends_it(
    mailbox: Mailbox, lines: Lines, wire: Wire, purpose: Purpose
) -> None:
    session = mailbox.client.log_in(1)
    stranger = claims_of(mailbox.client.register(2))["sub"]
    text = mailbox.token(purpose)
    token = MailedToken.parse(text)
    assert token
    bad = dict.fromkeys(
        (
            *mangled(text),
            *(replace(token, secret=octets).text for octets in turned(token.secret)),
            replace(token, public_id=stranger).text,
            replace(token, public_id=public_id(999)).text,
            *(mailbox.token(other) for other in Purpose if other not in (purpose, Purpose.CONFIRM)),
            session["Authorization"],
            session["refresh_token"],
            session["session_id"],
            token.secret_hash,
        )
    )
    assert text not in bad
    for number, attempt in enumerate(bad):
        lines.text = ""
        wire.calls.clear()
        assert mailbox.spend(purpose, attempt, number) == (400, NO_LINK), attempt[:80]
        assert len(wire.operations) <= 3, "a read, and what counts failures"
        assert len(attempt) < 16 or attempt not in lines.text
    assert mailbox.spend(purpose, text)[0] == 200
    assert mailbox.spend(purpose, text) == (400, NO_LINK), "it was spent"


@pytest.mark.parametrize("purpose", [Purpose.VERIFY, Purpose.RESET])
def test_a_mailed_token_is_good_to_the_second(
    mailbox: Mailbox, clock: FakeClock, purpose: Purpose
) -> None:
    mailbox.client.register()
    tokens = [mailbox.token(purpose) for _ in range(2)]
    clock.step(seconds=LIFETIMES[purpose].total_seconds())
    assert mailbox.spend(purpose, tokens[0]) == (400, NO_LINK)
    clock.step(seconds=-1)
    assert mailbox.spend(purpose, tokens[1])[0] == 200


def test_a_members_name_that_is_there_twice_is_no_way_around(client: Client) -> None:
    text = json.dumps(client.log_in()["refresh_token"])
    body = f'{{"refresh_token": "a", "refresh_token": {text}}}'
    headers = {"Content-Type": "application/json"}
    assert client.post("/auth/refresh", body=body, headers=headers).status == 400
