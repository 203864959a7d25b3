"""What stays of the activity of an account that is gone."""

from datetime import timedelta
from typing import Any

import botocore.exceptions
import pytest
from pynamodb.connection import Connection

from chalicelib.domain.activity import OPERATOR, Act, Event
from chalicelib.domain.errors import UnavailableError
from chalicelib.domain.sessions import Client
from chalicelib.domain.trails import Trail
from chalicelib.store.activity_anonymiser import DynamoActivityAnonymiser
from chalicelib.store.trails import DynamoTrailStore
from chalicelib.store.transactions import Transactions
from tests.aws import ACTIVITY, Cloud, Wire
from tests.fakes import START, public_id

OWNER, ADMIN, OTHER = public_id(1), public_id(2), public_id(3)


@pytest.fixture
def trails(cloud: Cloud, connection: Connection) -> DynamoTrailStore:
    del cloud
    return DynamoTrailStore(Transactions(connection))


@pytest.fixture
def anonymiser(trails: DynamoTrailStore) -> DynamoActivityAnonymiser:
    del trails
    return DynamoActivityAnonymiser()


def _event(number: int, whose: str = OWNER, **facts: Any) -> Event:
    defaults: dict[str, Any] = {
        "public_id": whose,
        "event_id": public_id(number),
        "act": Act.EMAIL_CHANGED,
        "at": START + timedelta(seconds=number),
        "expires_at": START + timedelta(days=90),
        "client": Client("192.0.2.1", "a browser"),
        "session_id": "a-session",
        "changed": {"email": "somebody@example.com"},
    }
    return Event(**defaults | facts)


def _rows(cloud: Cloud, whose: str = OWNER) -> list[dict[str, Any]]:
    rows = [row for row in cloud.rows(ACTIVITY) if row["public_id"]["S"] == whose]
    return sorted(rows, key=lambda row: row["place"]["S"])


def test_nothing_is_left_but_what_was_done_when_and_by_whom_else(
    anonymiser: DynamoActivityAnonymiser, trails: DynamoTrailStore, cloud: Cloud
) -> None:
    actors = [None, ADMIN, OPERATOR, OWNER]
    trails.write(Trail(tuple(_event(number, actor=who) for number, who in enumerate(actors))))
    before = _rows(cloud)
    anonymiser.anonymise(OWNER)
    after = _rows(cloud)
    kept = {"public_id", "place", "act", "expires_at"}
    assert [row.keys() - kept for row in after] == [set(), {"actor"}, {"actor"}, set()]
    assert [row.get("actor") for row in after] == [None, {"S": ADMIN}, {"S": OPERATOR}, None]
    assert [{name: row[name] for name in kept} for row in after] == [
        {name: row[name] for name in kept} for row in before
    ]


def test_what_is_known_of_others_stays(
    anonymiser: DynamoActivityAnonymiser, trails: DynamoTrailStore, cloud: Cloud
) -> None:
    trails.write(Trail((_event(1), _event(2, OTHER, actor=OWNER))))
    before = _rows(cloud, OTHER)
    anonymiser.anonymise(OWNER)
    assert _rows(cloud, OTHER) == before


def test_it_goes_on_where_it_broke_off(
    anonymiser: DynamoActivityAnonymiser, trails: DynamoTrailStore, cloud: Cloud, wire: Wire
) -> None:
    for start in range(0, 60, 30):
        trails.write(Trail(tuple(_event(number) for number in range(start, start + 30))))
    fault = botocore.exceptions.ReadTimeoutError(endpoint_url="https://dynamodb.example")
    wire.raise_for("dynamodb.BatchWriteItem", fault)
    with pytest.raises(UnavailableError):
        anonymiser.anonymise(OWNER)
    assert all("ip" in row for row in _rows(cloud))
    wire.reset()
    anonymiser.anonymise(OWNER)
    assert wire.operations.count("dynamodb.BatchWriteItem") == 3
    assert not any("ip" in row or "changed" in row for row in _rows(cloud))
    wire.reset()
    anonymiser.anonymise(OWNER)
    assert wire.operations == ["dynamodb.Query"]
    assert len(_rows(cloud)) == 60


def test_what_is_to_be_rewritten_is_read_consistently(
    anonymiser: DynamoActivityAnonymiser, wire: Wire
) -> None:
    wire.reset()
    anonymiser.anonymise(OWNER)
    (query,) = wire.calls
    assert query.body["ConsistentRead"] is True


@pytest.mark.parametrize("fact", ["ip", "user_agent", "session_id", "changed", "actor"])
def test_one_fact_that_tells_is_enough(
    fact: str, anonymiser: DynamoActivityAnonymiser, trails: DynamoTrailStore, cloud: Cloud
) -> None:
    trails.write(Trail((_event(1, actor=OWNER),)))
    (row,) = _rows(cloud)
    kept = {"public_id", "place", "act", "expires_at"}
    told = {name: value for name, value in row.items() if name in kept | {fact}}
    cloud.dynamodb.put_item(TableName=ACTIVITY, Item=told)
    anonymiser.anonymise(OWNER)
    (row,) = _rows(cloud)
    assert row.keys() == kept
