"""Which passwords may be chosen, and that nobody else is asked about theirs."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chalicelib.container import Container, use
from chalicelib.domain.passwords import Password
from chalicelib.services.passwords import PasswordHasher
from chalicelib.settings import Settings
from tests.api.client import Client, a_registration
from tests.api.gateway import Answer
from tests.aws import Cloud
from tests.breaches import BREACHED, StandIn, digest, standing_in
from tests.fakes import FakeClock
from tests.samples import COMMON, PASSWORD, claims_of

LENGTH = "Must have 8 to 128 characters."
MOST_COMMON = "This is one of the most common passwords. Take several unrelated words instead."
EMAIL = "Must not be your email address, or a part of it."
USERNAME = "Must not be your username, or a part of it."
KNOWN = "This password is known from a data breach. Take several unrelated words instead."

NAMES = {"email": "zoe.washburne@example.com", "username": "First Officer"}
REFUSED = pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("1234567", LENGTH),
        ("e\u0301" * 7, LENGTH),
        ("x" * 129, LENGTH),
        (COMMON, MOST_COMMON),
        (COMMON.upper(), MOST_COMMON),
        ("ZOE.washburne@example.com", EMAIL),
        ("Zoe.Washburne", EMAIL),
        ("FIRST officer", USERNAME),
    ],
)

Wired = Callable[..., Client]


@pytest.fixture
def wired(client: Client, stage: Settings, clock: FakeClock) -> Wired:
    """A client of a stage with other settings, on the same tables."""

    def wire(**settings: object) -> Client:
        use(Container(replace(stage, **settings), clock))  # type: ignore[arg-type] # by name
        return client

    return wire


def _change(client: Client, token: str, new: str) -> Answer:
    body = {"current_password": PASSWORD, "new_password": new}
    return client.post("/auth/password/change", body, token=token)


def _log_in(client: Client, password: str) -> Answer:
    return client.post("/auth/login", {"email": "user-1@example.com", "password": password})


@REFUSED
def test_registering_says_what_is_wrong_with_a_password(
    client: Client, cloud: Cloud, password: str, reason: str
) -> None:
    answer = client.post("/user", {**NAMES, "password": password})
    assert answer.status == 400
    assert answer.json()["errors"] == {"password": reason}
    assert password not in answer.text
    assert cloud.rows() == []


@REFUSED
def test_changing_says_what_is_wrong_with_the_new_one(
    client: Client, password: str, reason: str
) -> None:
    token = client.register(email=NAMES["email"], username=NAMES["username"])
    answer = _change(client, token, password)
    assert answer.status == 400
    assert answer.json()["errors"] == {"new_password": reason}
    assert password not in answer.text
    login = {"email": NAMES["email"], "password": PASSWORD}
    assert client.post("/auth/login", login).status == 200
    assert client.get("/user/me", token=token).status == 200


def test_a_stage_that_asks_for_more_says_how_much(wired: Wired) -> None:
    client = wired(password_min_length=15)
    reason = "Must have 15 to 128 characters."
    for password in ("short", "x" * 14):
        registration = {**a_registration(password=password), "email": "nonsense"}
        errors = client.post("/user", registration).json()["errors"]
        assert errors == {"email": "Not a valid email address.", "password": reason}
        answer = _change(client, client.register(len(password)), password)
        assert answer.json()["errors"] == {"new_password": reason}
    assert client.post("/user", a_registration(99, password="fifteen letters")).status == 201


def test_a_password_is_hashed_at_the_cost_that_the_stage_says(wired: Wired, cloud: Cloud) -> None:
    wired(bcrypt_cost=5).register()
    (stored,) = [row["password_hash"]["S"] for row in cloud.rows() if "password_hash" in row]
    assert ",r=5$" in stored


@pytest.mark.parametrize("password", ["quokka-market 1", "Zebrafish2026", "kaleidoscope"])
def test_no_password_is_made_of_what_a_stage_is_called(wired: Wired, password: str) -> None:
    client = wired(
        product_name="Quokka Market",
        issuer="https://zebrafish.example",
        password_words=("Kaleidoscope",),
    )
    answer = client.post("/user", a_registration(password=password))
    assert answer.json()["errors"]["password"].startswith("Must not be made of this service's")


def test_whoever_has_a_password_that_is_refused_today_logs_in_and_may_change_it(
    wired: Wired, cloud: Cloud
) -> None:
    client = wired(password_min_length=15)
    public_id = claims_of(client.register())["sub"]
    cloud.change(public_id, password_hash={"S": PasswordHasher(4).hash(Password(COMMON))})
    answer = _log_in(client, COMMON)
    assert answer.status == 200
    body = {"current_password": COMMON, "new_password": PASSWORD}
    token = answer.json()["Authorization"]
    assert client.post("/auth/password/change", body, token=token).status == 200
    assert _log_in(client, PASSWORD).status == 200


def test_common_passwords_are_read_where_one_is_chosen_and_nowhere_else(
    client: Client, wired: Wired, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.register()
    monkeypatch.setattr("chalicelib.breaches.common.COMMON_PASSWORDS", tmp_path / "missing")
    wired()
    token_set = _log_in(client, PASSWORD).json()
    token = token_set["Authorization"]
    refresh_token = {"refresh_token": token_set["refresh_token"]}
    for answer in (
        client.get("/user/me", token=token),
        client.get("/auth/sessions", token=token),
        client.post("/auth/refresh", refresh_token),
        client.post("/auth/logout", token=_log_in(client, PASSWORD).json()["Authorization"]),
    ):
        assert answer.status == 200
    client.post("/user", a_registration(2), faulty=True)
    confirmed = {"current_password": PASSWORD}
    change = {**confirmed, "new_password": "another horse"}
    client.post("/auth/password/change", change, token=token, faulty=True)
    assert client.delete("/user/me", confirmed, token=token).status == 200


@pytest.fixture
def pwned(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    with standing_in() as server:
        monkeypatch.setattr("chalicelib.breaches.ranges.ORIGIN", server.origin)
        yield server


def test_nobody_is_asked_about_a_password_unless_a_stage_says_so(
    wired: Wired, pwned: StandIn
) -> None:
    client = wired(breach_check="off")
    assert client.post("/user", a_registration(password=BREACHED[-1])).status == 201
    assert pwned.asked == []


def test_a_breached_password_is_refused_if_a_stage_says_so(wired: Wired, pwned: StandIn) -> None:
    client = wired(breach_check="range")
    answer = client.post("/user", a_registration(password=BREACHED[-1]))
    assert (answer.status, answer.json()["errors"]) == (400, {"password": KNOWN})
    token = client.register()
    answer = _change(client, token, BREACHED[-1])
    assert (answer.status, answer.json()["errors"]) == (400, {"new_password": KNOWN})
    hashes = map(digest, (BREACHED[-1], PASSWORD, BREACHED[-1]))
    assert [path for path, _ in pwned.asked] == [f"/range/{known[:5]}" for known in hashes]


def test_a_login_asks_nobody(wired: Wired, pwned: StandIn) -> None:
    client = wired(breach_check="range")
    client.register()
    pwned.asked.clear()
    assert _log_in(client, PASSWORD).status == 200
    assert pwned.asked == []


def test_without_an_answer_a_password_is_accepted_and_the_log_says_so(
    wired: Wired, pwned: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    client = wired(breach_check="range")
    pwned.misbehave = lambda handler: handler.send_error(503)
    assert client.post("/user", a_registration(password=BREACHED[-1])).status == 201
    (line,) = (
        record.__dict__["line"] for record in caplog.records if record.levelname == "WARNING"
    )
    assert line["event"] == "breach_check_skipped"
    assert line["stage"] == "test"
    told = str([record.__dict__ for record in caplog.records])
    assert digest(BREACHED[-1])[:5] not in told
    assert BREACHED[-1] not in told
