"""Users who walk by chance: they find right what is right, and see each fault that is planted."""

import json
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from tests.api.client import Client
from tests.soak.replies import (
    LONGEST_WAIT,
    MOST_TRIES,
    Caller,
    Reply,
    Send,
    Tally,
    WrongAnswerError,
    judge_shape,
)
from tests.soak.users import Admin, People, User

STEPS = 60
HEADERS = {"content-type": "application/json", "cache-control": "no-store", "x-request-id": "1"}
BUSY = {"status": "fail", "code": "unavailable", "message": "Later."}
MANY = {"status": "fail", "code": "too_many_requests", "message": "Later."}
RETRY = HEADERS | {"retry-after": "1"}

Fault = Callable[[str, str, Any, Reply], Reply]


def sending(client: Client, fault: Fault | None = None) -> Send:
    def send(method: str, path: str, body: Any, token: str | None) -> Reply:
        headers = [("X-Forwarded-For", "203.0.113.1")]
        if token is not None:
            headers.append(("Authorization", f"Bearer {token}"))
        if body is not None:
            headers.append(("Content-Type", "application/json"))
        octets = None if body is None else json.dumps(body).encode()
        answer = client.gateway.send(
            method,
            path,
            headers=headers,
            body=octets,
            base64_body=False,
            source_ip="203.0.113.1",
        )
        reply = Reply(answer.status, answer.headers, answer.json())
        return fault(method, path, body, reply) if fault else reply

    return send


def users(client: Client, fault: Fault | None = None, seed: int = 1) -> tuple[User, Admin]:
    random = Random(seed)  # noqa: S311 - a seed is a walk
    caller = Caller(sending(client, fault), Tally(), random, pause=lambda _: None)
    people = People()
    admin = Admin("admin", caller, random, people, None)
    victims = [User("victim", caller, random, people, None)]

    def promote(email: str) -> None:
        assert admin.account is not None
        assert email == admin.account.email
        client.make_admin(next(iter(admin.account.sittings.values())).access)

    admin.take_office(victims, promote)
    return User("user", caller, random, people, None), admin


def walk(walkers: tuple[User, Admin], steps: int = STEPS) -> None:
    for _ in range(steps):
        for walker in walkers:
            walker.step()


def test_what_is_right_is_found_right(client: Client) -> None:
    walk(users(client))


def a_dead_token_works(method: str, path: str, body: Any, reply: Reply) -> Reply:
    del body
    if (method, path, reply.status) == ("GET", "/user/me", 401) and reply.code != "token_missing":
        return replace(reply, status=200, body={"public_id": "somebody"})
    return reply


def somebody_else_is_shown(method: str, path: str, body: Any, reply: Reply) -> Reply:
    del body
    if (method, path) == ("GET", "/user/me") and reply.ok:
        return replace(reply, body=reply.body | {"email": "somebody@example.com"})
    return reply


def a_change_is_lost(method: str, path: str, body: Any, reply: Reply) -> Reply:
    if method == "PATCH" and path == "/user/me" and reply.ok and "metadata" in body:
        return replace(reply, body=reply.body | {"metadata": {}})
    return reply


def a_wrong_password_is_right(method: str, path: str, body: Any, reply: Reply) -> Reply:
    del method
    if path == "/auth/login" and reply.status == 401 and body["password"].startswith("not "):
        return replace(reply, status=200)
    return reply


def a_session_too_many_is_listed(method: str, path: str, body: Any, reply: Reply) -> Reply:
    del body
    if (method, path) == ("GET", "/auth/sessions") and reply.ok:
        foreign = {"session_id": "somebody's", "current": False}
        return replace(reply, body={"data": [*reply.body["data"], foreign]})
    return reply


def a_right_too_many(method: str, path: str, body: Any, reply: Reply) -> Reply:
    del method, body
    if path.startswith("/user") and reply.code == "not_allowed":
        return replace(reply, status=200, body={"data": []})
    return reply


def a_refresh_gives_what_it_spent(method: str, path: str, body: Any, reply: Reply) -> Reply:
    del method
    if path == "/auth/refresh" and reply.ok:
        return replace(reply, body=reply.body | body)
    return reply


def a_name_is_given_twice(method: str, path: str, body: Any, reply: Reply) -> Reply:
    del method, path, body
    return replace(reply, status=200) if reply.status == 409 else reply


def it_breaks(method: str, path: str, body: Any, reply: Reply) -> Reply:
    del method, body
    return replace(reply, status=500) if path == "/user/me/export" else reply


@pytest.mark.parametrize(
    "fault",
    [
        a_dead_token_works,
        somebody_else_is_shown,
        a_change_is_lost,
        a_wrong_password_is_right,
        a_session_too_many_is_listed,
        a_right_too_many,
        a_refresh_gives_what_it_spent,
        a_name_is_given_twice,
        it_breaks,
    ],
)
def test_what_is_wrong_is_found(client: Client, fault: Fault) -> None:
    with pytest.raises(WrongAnswerError):
        walk(users(client, fault))


def test_who_is_told_to_come_back_sees_what_is_right(client: Client) -> None:
    """Also where what was answered 503 had been done."""
    lost = Random(7)  # noqa: S311 - it picks answers

    def busy(method: str, path: str, body: Any, reply: Reply) -> Reply:
        del method, path, body
        return Reply(503, RETRY, BUSY) if lost.random() < 0.1 else reply

    walk(users(client, busy), steps=15)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(500, HEADERS, BUSY),
        Reply(504, RETRY, BUSY),
        Reply(503, HEADERS, BUSY),
        Reply(503, RETRY, MANY),
        Reply(429, RETRY, BUSY),
        Reply(429, HEADERS | {"retry-after": "soon"}, MANY),
        Reply(429, HEADERS | {"retry-after": str(LONGEST_WAIT + 1)}, MANY),
        Reply(404, HEADERS, {"message": "Not Found"}),
        Reply(200, HEADERS, "text"),
        Reply(200, HEADERS | {"content-type": "text/html"}, {}),
        Reply(200, HEADERS | {"cache-control": "public"}, {}),
        Reply(200, HEADERS | {"x-request-id": ""}, {}),
    ],
)
def test_an_answer_that_is_none_of_the_contracts_is_found(reply: Reply) -> None:
    with pytest.raises(WrongAnswerError):
        judge_shape(reply)


@pytest.mark.parametrize("reply", [Reply(503, RETRY, BUSY), Reply(429, RETRY, MANY)])
def test_a_caller_comes_back_when_it_is_told_to(reply: Reply) -> None:
    judge_shape(reply)
    answers = deque([reply, reply, Reply(200, HEADERS, {})])
    waited: list[float] = []
    caller = Caller(lambda *_: answers.popleft(), Tally(), Random(1), waited.append)  # noqa: S311 - it waits
    answer = caller.ask("look", "GET", "/user/me")
    assert (answer.status, answer.tries, answer.unsure) == (200, 3, reply.status == 503)
    assert len(waited) == 2
    assert min(waited) >= 1
    assert caller.tally.refusals[reply.status] == 2
    assert caller.tally.total == 3


def test_a_caller_does_not_come_back_for_ever() -> None:
    caller = Caller(lambda *_: Reply(503, RETRY, BUSY), Tally(), Random(1), lambda _: None)  # noqa: S311 - it waits
    with pytest.raises(WrongAnswerError, match=str(MOST_TRIES)):
        caller.ask("look", "GET", "/user/me")
