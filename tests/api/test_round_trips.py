"""How often each route asks AWS. Every round trip more is a slower answer for everybody."""

import json
from pathlib import Path

import pytest

from chalicelib import container as composition
from chalicelib.container import Container, use
from chalicelib.settings import Settings
from tests.api.client import Client, a_registration
from tests.api.round_trips import Trips, count, names, shown, table
from tests.api.scenarios import SCENARIOS, Scenario, World
from tests.aws import Cloud, Wire
from tests.fakes import FakeClock
from tests.samples import PASSWORD, claims_of

_OPENAPI = Path(__file__).parents[2] / "chalicelib" / "api" / "openapi.json"


class _Counts:
    """What was counted so far: each scenario once."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._counted: dict[Scenario, Trips] = {}

    def of(self, scenario: Scenario) -> Trips:
        if scenario not in self._counted:
            self._counted[scenario] = count(scenario, self._world)
        return self._counted[scenario]


@pytest.fixture(scope="module")
def counted(_aws: Cloud, stage: Settings) -> _Counts:
    return _Counts(World(_aws, stage, FakeClock()))


@pytest.fixture
def counts(counted: _Counts, monkeypatch: pytest.MonkeyPatch) -> _Counts:
    monkeypatch.setattr(composition, "_current", None)
    return counted


def test_every_operation_has_its_scenarios_and_no_other_has() -> None:
    paths = json.loads(_OPENAPI.read_bytes())["paths"]
    operations = {
        f"{method.upper()} {path}": answers["responses"]
        for path, methods in paths.items()
        for method, answers in methods.items()
    }
    assert {scenario.operation for scenario in SCENARIOS} == operations.keys()
    for operation, responses in operations.items():
        mine = {str(one.status) for one in SCENARIOS if one.operation == operation}
        assert any(status.startswith("2") for status in mine)
        # What each operation may answer for the same reasons, tests of these reasons look at.
        assert mine >= responses.keys() - {"400", "401", "413", "415", "429", "500", "503"}


def test_a_scenario_is_told_from_every_other() -> None:
    assert len({str(scenario) for scenario in SCENARIOS}) == len(SCENARIOS)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_a_request_takes_these_calls_and_no_other(counts: _Counts, scenario: Scenario) -> None:
    trips = counts.of(scenario)
    assert trips.status == scenario.status
    assert (trips.authorizer and names(trips.authorizer)) == scenario.authorizer
    assert (trips.api and names(trips.api)) == scenario.api
    assert (trips.authorizer is None) == (scenario.authorizer is None)
    for call in (*(trips.authorizer or ()), *(trips.api or ())):
        if call.operation == "dynamodb.GetItem":
            assert call.body["ConsistentRead"]
        if call.operation == "dynamodb.BatchGetItem":
            assert all(read["ConsistentRead"] for read in call.body["RequestItems"].values())


def test_the_page_has_the_table_of_what_was_counted(counts: _Counts) -> None:
    assert shown() == table((scenario, counts.of(scenario)) for scenario in SCENARIOS), (
        "`make round-trips` writes it anew"
    )


def test_the_authorizer_reads_two_tables_and_hands_on_what_it_found(counts: _Counts) -> None:
    asked = [trips for trips in map(counts.of, SCENARIOS) if trips.authorizer]
    for trips in asked:
        (call,) = trips.authorizer or ()
        assert call.body["RequestItems"].keys() == {
            "accounts-test-users",
            "accounts-test-revoked-tokens",
        }
    assert asked


# Whatever differs in a request, and must not differ in what is asked


@pytest.mark.parametrize("text", ["", "nonsense", "rt1_" + "A" * 107], ids=len)
def test_a_bad_refresh_token_is_a_read_and_a_count_whatever_is_wrong_with_it(
    client: Client, wire: Wire, text: str
) -> None:
    assert client.post("/auth/refresh", {"refresh_token": text}).status == 401
    assert names(wire.calls) == ("BatchGetItem", "UpdateItem")
    assert len(wire.calls[0].body["RequestItems"]) == 3


@pytest.mark.parametrize("text", ["", "nonsense", "mt1_" + "A" * 64], ids=len)
def test_a_bad_mailed_token_is_a_read_and_a_count_whatever_is_wrong_with_it(
    client: Client, wire: Wire, text: str
) -> None:
    for route, more in (
        ("email/verify", {}),
        ("email/undo", {}),
        ("password/reset", {"new_password": "another horse"}),
    ):
        wire.reset()
        assert client.post(f"/auth/{route}", {"token": text, **more}).status == 400
        assert names(wire.calls) == ("BatchGetItem", "UpdateItem")
        assert len(wire.calls[0].body["RequestItems"]) == 1


@pytest.mark.parametrize(
    "login",
    [
        {"username": "User 1", "password": "wrong"},
        {"username": "nobody", "password": PASSWORD},
    ],
    ids=str,
)
def test_a_login_by_username_that_fails_asks_what_one_by_email_does(
    client: Client, wire: Wire, login: dict[str, str]
) -> None:
    (expected,) = (
        scenario.api
        for scenario in SCENARIOS
        if scenario.operation == "POST /auth/login" and scenario.outcome == "a wrong password"
    )
    client.post("/user", a_registration())
    wire.reset()
    assert client.post("/auth/login", login).status == 401
    assert names(wire.calls) == expected


@pytest.mark.parametrize("header", ["", "nonsense", "Bearer a.b.c"])
def test_a_token_that_is_none_is_refused_without_asking_anybody(
    client: Client, wire: Wire, header: str
) -> None:
    client.get("/user/me", headers={"Authorization": header})
    client.post("/auth/logout", headers={"Authorization": header})
    assert wire.calls == []


def test_metadata_that_the_authorizer_hands_on_is_not_read_again(
    client: Client, wire: Wire
) -> None:
    token = client.register()
    for letters, more in ((1_000, ()), (1_200, ("GetItem",))):
        metadata = {"a": "x" * letters}
        assert client.patch("/user/me", {"metadata": metadata}, token=token).status == 200
        for name in ("me", claims_of(token)["sub"]):
            wire.reset()
            assert client.get(f"/user/{name}", token=token).json()["metadata"] == metadata
            assert names(wire.calls) == ("BatchGetItem", *more)


def test_what_is_asked_for_by_mail_is_one_message(client: Client, wire: Wire) -> None:
    for route in ("/auth/password/forgot", "/auth/email/resend"):
        wire.reset()
        assert client.post(route, {"email": "nobody@example.com"}).status == 202
        (put,) = wire.calls[-1].body["TransactItems"]
        assert put["Put"]["TableName"] == "accounts-test-outbox"


def test_keys_are_read_once_in_five_minutes_and_a_private_one_once(
    client: Client, stage: Settings, clock: FakeClock, wire: Wire
) -> None:
    use(Container(stage, clock))
    read = "ssm.GetParametersByPath"
    token = client.register()
    assert wire.operations[:2] == [read, "ssm.GetParameter"]
    for minutes, keys in ((4, []), (1, [read]), (4, []), (1, [read])):
        clock.step(minutes=minutes)
        wire.reset()
        client.log_in()
        assert client.get("/user/me", token=token).status == 200
        assert [name for name in wire.operations if name.startswith("ssm.")] == keys
