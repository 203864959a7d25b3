"""`GET /user/{public_id}/activity`: who sees what of what has happened."""

from typing import Any

import pytest

from tests.api.client import Client
from tests.api.gateway import Answer
from tests.aws import ACTIVITY, Cloud
from tests.fakes import FakeClock
from tests.samples import claims_of

RENAMED = "username_changed"


@pytest.fixture
def token(client: Client) -> str:
    return client.register(1)


@pytest.fixture
def admin(client: Client) -> str:
    return client.register_admin()


def _rename(client: Client, token: str, username: str, whose: str = "me") -> None:
    answer = client.patch(
        f"/user/{whose}",
        {"username": username},
        token=token,
        source_ip="198.51.100.7",
    )
    assert answer.status == 200


def _renamings(answer: Answer) -> list[dict[str, Any]]:
    return [event for event in answer.json()["data"] if event["event"] == RENAMED]


def test_a_user_sees_what_they_did_and_whence(client: Client, token: str, clock: FakeClock) -> None:
    clock.step(seconds=5)
    _rename(client, token, "Zoë")
    for name in ("me", claims_of(token)["sub"]):
        (event,) = _renamings(client.get(f"/user/{name}/activity", token=token))
        assert event == {
            "event": RENAMED,
            "at": "2026-01-02T03:04:10Z",
            "ip": "198.51.100.7",
            "user_agent": "tests",
            "session_id": claims_of(token)["sid"],
            "changed": {"from": "User 1", "to": "Zoë"},
        }


def test_metadata_is_not_repeated_in_it(client: Client, token: str, cloud: Cloud) -> None:
    client.patch("/user/me", {"metadata": {"a": "my diary"}}, token=token)
    assert "diary" not in client.get("/user/me/activity", token=token).text
    assert "diary" not in str(cloud.rows(ACTIVITY))
    assert "metadata_changed" in client.get("/user/me/activity", token=token).text


def test_a_user_does_not_learn_which_admin_and_whence(
    client: Client, token: str, admin: str
) -> None:
    public_id = claims_of(token)["sub"]
    _rename(client, admin, "Zoë", public_id)
    (shown,) = _renamings(client.get("/user/me/activity", token=token))
    assert shown == {
        "event": RENAMED,
        "at": "2026-01-02T03:04:05Z",
        "by": "admin",
        "changed": {"from": "User 1", "to": "Zoë"},
    }
    (shown,) = _renamings(client.get(f"/user/{public_id}/activity", token=admin))
    assert shown["by"] == "admin"
    assert shown["actor"] == claims_of(admin)["sub"]
    assert shown["ip"] == "198.51.100.7"
    assert shown["user_agent"] == "tests"


def test_what_the_operator_did_says_so_to_everybody(
    client: Client, token: str, admin: str, cloud: Cloud
) -> None:
    public_id = claims_of(token)["sub"]
    row = {
        "public_id": {"S": public_id},
        "place": {"S": "2026-01-02T03:04:05.000000Z#x"},
        "act": {"S": "enabled"},
        "actor": {"S": "operator"},
        "expires_at": {"N": "4000000000"},
    }
    cloud.dynamodb.put_item(TableName=ACTIVITY, Item=row)
    for reader, name in ((token, "me"), (admin, public_id)):
        events = client.get(f"/user/{name}/activity", token=reader).json()["data"]
        (shown,) = [event for event in events if event["event"] == "enabled"]
        assert shown == {"event": "enabled", "at": "2026-01-02T03:04:05Z", "by": "operator"}


def test_nobody_else_sees_it(client: Client, token: str) -> None:
    other = claims_of(client.register(2))["sub"]
    for whose in (other, "00000000-0000-4000-8000-000000000000", "nobody"):
        answer = client.get(f"/user/{whose}/activity", token=token)
        assert (answer.status, answer.json()["code"]) == (403, "not_allowed")
    assert client.get("/user/me/activity").status == 401


def test_an_admin_sees_what_is_kept_of_an_account_that_is_gone(
    client: Client, token: str, admin: str
) -> None:
    public_id = claims_of(token)["sub"]
    _rename(client, token, "Zoë")
    assert client.delete(f"/user/{public_id}", token=admin).status == 200
    answer = client.get(f"/user/{public_id}/activity", token=admin)
    assert answer.status == 200
    assert len(_renamings(answer)) == 1


@pytest.mark.parametrize("whose", ["00000000-0000-4000-8000-000000000000", "nobody", "ME"])
def test_there_is_no_activity_of_nobody(client: Client, admin: str, whose: str) -> None:
    answer = client.get(f"/user/{whose}/activity", token=admin)
    assert (answer.status, answer.json()["code"]) == (404, "user_not_found")


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
def test_pages_follow_each_other_by_cursor(
    client: Client, token: str, clock: FakeClock, limit: int
) -> None:
    for number in range(5):
        clock.step(seconds=1)
        _rename(client, token, f"Name {number}")
    whole = client.get("/user/me/activity?limit=100", token=token).json()["data"]
    seen: list[dict[str, Any]] = []
    query = f"?limit={limit}"
    for _ in range(20):
        answer = client.get(f"/user/me/activity{query}", token=token).json()
        seen += answer["data"]
        if "next_cursor" not in answer:
            break
        assert len(answer["data"]) == limit
        query = f"?limit={limit}&cursor={answer['next_cursor']}"
    assert seen == whole
    renamings = [event["changed"]["to"] for event in seen if event["event"] == RENAMED]
    assert renamings == [f"Name {number}" for number in (4, 3, 2, 1, 0)]


def test_a_cursor_is_of_one_list_and_one_account(client: Client, token: str, admin: str) -> None:
    public_id = claims_of(token)["sub"]
    for name in ("A", "B", "C"):
        _rename(client, token, name)
        _rename(client, admin, f"admin {name}")
    own = client.get("/user/me/activity?limit=1", token=token).json()["next_cursor"]
    users = client.get("/user?limit=1", token=admin).json()["next_cursor"]
    assert client.get(f"/user/{public_id}/activity?cursor={own}", token=admin).status == 200
    for target in (
        f"/user/me/activity?cursor={own}",
        f"/user/me/activity?cursor={users}",
        f"/user?cursor={own}",
        "/user/me/activity?cursor=",
        "/user/me/activity?cursor=nonsense",
        "/user/me/activity?limit=0",
        "/user/me/activity?limit=101",
        "/user/me/activity?limit=1&limit=1",
    ):
        assert client.get(target, token=admin).status == 400, target


def test_what_is_past_its_time_is_not_shown(client: Client, token: str, clock: FakeClock) -> None:
    _rename(client, token, "Zoë")
    clock.step(days=90)
    token = client.log_in(1)["Authorization"]
    assert _renamings(client.get("/user/me/activity", token=token)) == []
