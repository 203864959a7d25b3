"""Limits on attempts, as clients meet them: nobody learns who has an account, and owners get in."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from chalicelib.container import Container, use
from chalicelib.settings import Settings
from tests.api.client import Client, a_registration
from tests.api.gateway import Answer
from tests.aws import ATTEMPTS, Cloud, Wire
from tests.fakes import FakeClock
from tests.samples import PASSWORD

LIMIT = 3
HOME, AWAY = "192.0.2.1", "198.51.100.7"
EMAIL = {"email": "user-1@example.com"}
USERNAME = {"username": "User 1"}
UNKNOWN = {"email": "nobody@example.com"}


@pytest.fixture
def strict(client: Client, stage: Settings, clock: FakeClock) -> Client:
    """A client of a service with few attempts, where somebody has registered at home."""
    service = Container(replace(stage, attempts_per_account=LIMIT), clock)
    service.keys.signing_key()
    use(service)
    client.register()
    return client


def log_in(
    client: Client, name: dict[str, str], password: str = "s3cret", source_ip: str = AWAY
) -> Answer:
    return client.post("/auth/login", {**name, "password": password}, source_ip=source_ip)


def use_up(client: Client, name: dict[str, str], source_ip: str = AWAY) -> Answer:
    """Show wrong passwords until told to wait; the answer that says so."""
    for _ in range(LIMIT):
        assert log_in(client, name, source_ip=source_ip).status == 401
    answer = log_in(client, name, source_ip=source_ip)
    assert answer.status == 429
    return answer


def told(answer: Answer) -> tuple[int, str, dict[str, str]]:
    """All of an answer that is not of its one request."""
    headers = {name: value for name, value in answer.headers.items() if name != "x-request-id"}
    return answer.status, answer.text, headers


@pytest.mark.parametrize("name", [EMAIL, USERNAME, UNKNOWN, {"username": "nobody"}], ids=str)
def test_too_many_wrong_passwords_are_told_to_wait(
    strict: Client, clock: FakeClock, name: dict[str, str]
) -> None:
    answer = use_up(strict, name)
    assert answer.json()["code"] == "too_many_requests"
    seconds = int(answer.headers["retry-after"])
    assert 1 <= seconds <= 600
    clock.step(seconds=seconds - 1)
    assert log_in(strict, name).status == 429
    clock.step(seconds=1)
    assert log_in(strict, name).status == 401


def test_a_window_is_as_long_as_the_stage_says(
    client: Client, stage: Settings, clock: FakeClock
) -> None:
    short = replace(stage, attempts_per_account=LIMIT, attempts_window_seconds=60)
    use(Container(short, clock))
    answer = use_up(client, EMAIL)
    assert int(answer.headers["retry-after"]) <= 60
    clock.step(seconds=60)
    assert log_in(client, EMAIL).status == 401


@pytest.mark.parametrize("source_ip", [HOME, AWAY])
def test_a_name_that_nobody_has_is_answered_like_one_that_somebody_has(
    strict: Client, source_ip: str
) -> None:
    known, unknown = (
        [told(log_in(strict, name, source_ip=source_ip)) for _ in range(LIMIT + 2)]
        for name in (EMAIL, UNKNOWN)
    )
    assert known == unknown


def test_a_name_that_nobody_has_takes_the_same_calls(strict: Client, wire: Wire) -> None:
    for name in (EMAIL, UNKNOWN):
        operations = []
        for _ in range(LIMIT + 1):
            wire.reset()
            log_in(strict, name)
            operations.append(wire.operations)
        *wrong, refused = operations
        calls = ["dynamodb.GetItem", "dynamodb.BatchGetItem"]
        told = ["dynamodb.TransactWriteItems", "dynamodb.UpdateItem"]
        assert wrong == [[*calls, *told]] * LIMIT
        assert refused == calls


@pytest.mark.parametrize(
    "spellings",
    [
        [
            {"email": text}
            for text in ("user-1@example.com", "USER-1@Example.com", "\uff55ser-1@example.com")
        ],
        [{"username": text} for text in ("User 1", "user 1", "\uff35SER 1")],
        [
            {"email": text}
            for text in ("nobody@example.com", "NOBODY@example.com", "\uff4eobody@example.com")
        ],
        [{"email": "user-1@example.com"}, {"username": "USER 1"}],
    ],
    ids=str,
)
def test_however_a_name_is_spelt_it_is_one_count(
    strict: Client, spellings: list[dict[str, str]]
) -> None:
    for number in range(LIMIT):
        assert log_in(strict, spellings[number % len(spellings)]).status == 401
    for spelling in spellings:
        assert log_in(strict, spelling).status == 429


def test_a_right_password_is_told_to_wait_like_a_wrong_one(strict: Client) -> None:
    use_up(strict, EMAIL)
    assert told(log_in(strict, EMAIL, PASSWORD)) == told(log_in(strict, EMAIL))


def test_the_owner_gets_in_where_they_have_logged_in_before(strict: Client) -> None:
    assert log_in(strict, USERNAME, PASSWORD, "203.0.113.9").status == 200
    use_up(strict, EMAIL)
    for source_ip in (HOME, "203.0.113.9"):
        assert log_in(strict, EMAIL, PASSWORD, source_ip).status == 200
    assert log_in(strict, EMAIL, PASSWORD).status == 429


def test_the_owner_gets_in_at_home_after_all_sessions_were_logged_out(strict: Client) -> None:
    token = log_in(strict, EMAIL, PASSWORD, HOME).json()["Authorization"]
    strict.post("/auth/logout", token=token)
    use_up(strict, EMAIL)
    assert log_in(strict, EMAIL, PASSWORD, HOME).status == 200


def test_a_thiefs_address_is_no_longer_known_once_the_password_is_changed(strict: Client) -> None:
    assert log_in(strict, EMAIL, PASSWORD, AWAY).status == 200
    token = log_in(strict, EMAIL, PASSWORD, HOME).json()["Authorization"]
    passwords = {"current_password": PASSWORD, "new_password": "another horse"}
    assert strict.post("/auth/password/change", passwords, token=token).status == 200
    use_up(strict, EMAIL, "203.0.113.9")
    assert log_in(strict, EMAIL, "another horse", AWAY).status == 429
    assert log_in(strict, EMAIL, "another horse", HOME).status == 200


def test_a_known_address_may_not_guess_without_end_either(strict: Client) -> None:
    use_up(strict, EMAIL, HOME)
    assert log_in(strict, EMAIL, PASSWORD, HOME).status == 429


def test_no_header_says_whence_a_request_comes(strict: Client) -> None:
    use_up(strict, EMAIL)
    for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "CF-Connecting-IP", "True-Client-IP"):
        value = f"for={HOME}" if name == "Forwarded" else HOME
        login = {**EMAIL, "password": PASSWORD}
        answer = strict.post("/auth/login", login, headers={name: value}, source_ip=AWAY)
        assert answer.status == 429


@pytest.mark.parametrize("source_ip", [HOME, AWAY])
def test_successes_are_not_counted(strict: Client, source_ip: str) -> None:
    for _ in range(LIMIT * 2):
        assert log_in(strict, EMAIL, PASSWORD, source_ip).status == 200
    for _ in range(LIMIT):
        assert log_in(strict, EMAIL, source_ip=source_ip).status == 401


def test_registrations_are_not_counted(strict: Client) -> None:
    for _ in range(LIMIT * 2):
        assert strict.post("/user", a_registration()).status == 409
    assert log_in(strict, EMAIL).status == 401


def test_a_disabled_account_is_counted_like_one_that_nobody_has(
    strict: Client, cloud: Cloud
) -> None:
    (row,) = [row for row in cloud.rows() if row["pk"]["S"].startswith("user#")]
    cloud.change(row["public_id"]["S"], disabled={"BOOL": True})
    for status in (401, 401, 401, 429):
        assert log_in(strict, EMAIL, PASSWORD).status == status


# The current password


Act = Callable[[Client, str, str, str], Answer]
CONFIRMING: dict[str, Act] = {
    "change": lambda client, token, password, source_ip: client.post(
        "/auth/password/change",
        {"current_password": password, "new_password": "another horse"},
        token=token,
        source_ip=source_ip,
    ),
    "close": lambda client, token, password, source_ip: client.delete(
        "/user/me", {"current_password": password}, token=token, source_ip=source_ip
    ),
}
confirming = pytest.mark.parametrize("act", CONFIRMING.values(), ids=CONFIRMING.keys())


@confirming
@pytest.mark.parametrize("source_ip", [HOME, AWAY])
def test_a_wrong_current_password_counts_with_wrong_logins(
    strict: Client, act: Act, source_ip: str
) -> None:
    token = log_in(strict, EMAIL, PASSWORD, HOME).json()["Authorization"]
    assert log_in(strict, EMAIL, source_ip=source_ip).status == 401
    for _ in range(LIMIT - 1):
        answer = act(strict, token, "s3cret", source_ip)
        assert (answer.status, answer.json()["code"]) == (403, "wrong_password")
    for password in ("s3cret", PASSWORD):
        answer = act(strict, token, password, source_ip)
        assert (answer.status, answer.json()["code"]) == (429, "too_many_requests")
    assert log_in(strict, EMAIL, source_ip=source_ip).status == 429
    assert strict.get("/user/me", token=token).status == 200


@confirming
def test_the_owner_may_do_at_home_what_is_used_up_elsewhere(strict: Client, act: Act) -> None:
    token = log_in(strict, EMAIL, PASSWORD, HOME).json()["Authorization"]
    use_up(strict, EMAIL)
    assert act(strict, token, PASSWORD, HOME).status == 200


def test_a_right_current_password_is_not_counted(strict: Client) -> None:
    strict.make_admin(strict.register(2))
    token = strict.log_in(2)["Authorization"]
    for _ in range(LIMIT * 2):  # nobody else is an admin, so the account stays
        answer = strict.delete("/user/me", {"current_password": PASSWORD}, token=token)
        assert answer.json()["code"] == "last_admin"


# An address


@pytest.fixture
def per_address(client: Client, stage: Settings, clock: FakeClock) -> Client:
    """A client of a service that takes few failures from one address: fewer than may be set."""
    service = Container(replace(stage, failures_per_address=LIMIT), clock)
    service.keys.signing_key()
    use(service)
    client.register()
    return client


def test_an_address_is_limited_over_all_names_and_bad_refresh_tokens(
    per_address: Client, clock: FakeClock
) -> None:
    def refresh(text: str, source_ip: str) -> Answer:
        return per_address.post("/auth/refresh", {"refresh_token": text}, source_ip=source_ip)

    good = per_address.log_in()["refresh_token"]
    assert refresh("nonsense", AWAY).status == 401
    assert log_in(per_address, EMAIL).status == 401
    assert log_in(per_address, UNKNOWN).status == 401
    for answer in (refresh("nonsense", AWAY), log_in(per_address, {"email": "a third"})):
        assert (answer.status, answer.json()["code"]) == (429, "too_many_requests")
        assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert log_in(per_address, EMAIL, source_ip=HOME).status == 401
    assert refresh(good, AWAY).status == 200, "a good one is not refused"
    clock.step(minutes=1)
    assert refresh("nonsense", AWAY).status == 401


def test_an_address_with_too_many_failures_keeps_no_owner_out(per_address: Client) -> None:
    for number in range(LIMIT):
        log_in(per_address, {"email": f"{number}@example.com"}, source_ip=HOME)
    assert log_in(per_address, UNKNOWN, source_ip=HOME).status == 429
    assert log_in(per_address, EMAIL, PASSWORD, HOME).status == 200


def test_the_whole_of_an_ipv6_network_is_one_address(per_address: Client) -> None:
    for number in range(LIMIT):
        log_in(per_address, UNKNOWN, source_ip=f"2001:db8::{number}")
    assert log_in(per_address, UNKNOWN, source_ip="2001:db8::ffff").status == 429
    assert log_in(per_address, UNKNOWN, source_ip="2001:db8:0:1::").status == 401


# Outages


@pytest.mark.parametrize("operation", ["TransactWriteItems", "BatchGetItem"])
def test_when_nothing_can_be_counted_nobody_is_let_in(
    strict: Client, cloud: Cloud, wire: Wire, operation: str
) -> None:
    before = cloud.rows("accounts-test-sessions")
    wire.refuse(f"dynamodb.{operation}", "InternalServerError")
    assert log_in(strict, EMAIL, PASSWORD, HOME).status == 503
    wire.reset()
    assert cloud.rows("accounts-test-sessions") == before
    assert log_in(strict, EMAIL, PASSWORD, HOME).status == 200


@pytest.mark.parametrize("operation", ["UpdateItem", "TransactWriteItems", "BatchGetItem"])
@pytest.mark.parametrize("name", [EMAIL, UNKNOWN], ids=str)
def test_when_nothing_can_be_counted_nobody_is_told_that_they_are_wrong(
    strict: Client, wire: Wire, operation: str, name: dict[str, str]
) -> None:
    wire.refuse(f"dynamodb.{operation}", "InternalServerError")
    assert log_in(strict, name).status == 503
    wire.reset()
    assert log_in(strict, name).status == 401


def test_no_row_tells_who_was_tried_or_from_where(strict: Client, cloud: Cloud) -> None:
    use_up(strict, EMAIL)
    use_up(strict, UNKNOWN)
    rows = str(cloud.rows(ATTEMPTS))
    for secret in ("user-1", "nobody", HOME, AWAY, "00000000-"):
        assert secret not in rows
