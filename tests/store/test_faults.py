"""What DynamoDB, and the way to it, can fail with."""

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)
from pynamodb.connection import Connection

from chalicelib.domain.errors import (
    EmailTakenError,
    UnavailableError,
    UsernameTakenError,
    UserNotFoundError,
)
from chalicelib.store.revocations import DynamoRevocationStore
from chalicelib.store.standings import DynamoStandingStore
from chalicelib.store.users import DynamoUserStore
from chalicelib.telemetry import JsonFormatter
from tests.aws import USERS, Cloud, Wire
from tests.fakes import FakeClock, public_id
from tests.samples import a_user

CALLS: dict[str, Callable[[DynamoUserStore, DynamoStandingStore], object]] = {
    "add": lambda users, _: users.add(a_user(), "s3cret-hash"),
    "remove": lambda users, _: users.remove(a_user()),
    "get": lambda users, _: users.get(public_id(1)),
    "find_by_email": lambda users, _: users.find_by_email("s3cret@example.com"),
    "find_by_username": lambda users, _: users.find_by_username("s3cret"),
    "credentials_by_email": lambda users, _: users.credentials_by_email("s3cret@example.com"),
    "credentials_by_username": lambda users, _: users.credentials_by_username("s3cret"),
    "replace_password_hash": lambda users, _: users.replace_password_hash(
        public_id(1), "s3cret-hash", "s3cret-hash-2"
    ),
    "grant_admin": lambda users, _: users.grant_admin(public_id(1)),
    "page": lambda users, _: users.page(10, None),
    "standing": lambda _, standings: standings.standing(public_id(1), "s3cret-jti"),
    "revoke": lambda *_: DynamoRevocationStore().revoke("s3cret-jti", 1),
}
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())


class Waits(list[float]):
    """How long the store would have slept."""

    def sleep(self, seconds: float) -> None:
        self.append(seconds)


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def users(cloud: Cloud, connection: Connection, waits: Waits) -> DynamoUserStore:
    del cloud
    return DynamoUserStore(connection, sleep=waits.sleep, jitter=lambda: 1.0)


@pytest.fixture
def standings(cloud: Cloud, connection: Connection, clock: FakeClock) -> DynamoStandingStore:
    del cloud
    return DynamoStandingStore(connection, clock)


def _logged(caplog: pytest.LogCaptureFixture) -> str:
    """What a function would have written to its log."""
    formatter = JsonFormatter()
    return caplog.text + "\n".join(map(formatter.format, caplog.records))


@every_call
@pytest.mark.parametrize(
    "code",
    [
        "ProvisionedThroughputExceededException",
        "ThrottlingException",
        "RequestLimitExceeded",
        "InternalServerError",
        "AccessDeniedException",
        "ResourceNotFoundException",
        "ValidationException",
        "TransactionConflictException",
        "TransactionInProgressException",
    ],
)
def test_a_call_that_aws_refuses_is_an_outage(
    users: DynamoUserStore,
    standings: DynamoStandingStore,
    wire: Wire,
    caplog: pytest.LogCaptureFixture,
    call: Callable[[DynamoUserStore, DynamoStandingStore], object],
    code: str,
) -> None:
    caplog.set_level(logging.INFO)
    wire.refuse("dynamodb.", code)
    with pytest.raises(UnavailableError):
        call(users, standings)
    assert code in caplog.text
    assert "s3cret" not in _logged(caplog)
    assert "quote" not in _logged(caplog)


@every_call
@pytest.mark.parametrize(
    "fault",
    [
        ConnectTimeoutError(endpoint_url="https://s3cret.example"),
        ReadTimeoutError(endpoint_url="https://s3cret.example"),
        EndpointConnectionError(endpoint_url="https://s3cret.example"),
        NoCredentialsError(),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_a_call_that_does_not_get_through_is_an_outage(
    users: DynamoUserStore,
    standings: DynamoStandingStore,
    wire: Wire,
    caplog: pytest.LogCaptureFixture,
    call: Callable[[DynamoUserStore, DynamoStandingStore], object],
    fault: BotoCoreError,
) -> None:
    caplog.set_level(logging.INFO)
    wire.raise_for("dynamodb.", fault)
    with pytest.raises(UnavailableError):
        call(users, standings)
    assert "the store failed" in caplog.text
    assert "s3cret" not in _logged(caplog)


def test_a_bug_of_ours_is_not_called_an_outage(users: DynamoUserStore, wire: Wire) -> None:
    wire.raise_for("dynamodb.", ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        users.get(public_id(1))


def test_a_batch_that_was_not_answered_in_full_is_an_outage(
    standings: DynamoStandingStore, users: DynamoUserStore, wire: Wire
) -> None:
    users.add(a_user(), "a hash")
    left = {USERS: {"Keys": [{"pk": {"S": f"user#{public_id(1)}"}}]}}
    wire.answer_for("dynamodb.BatchGetItem", {"Responses": {}, "UnprocessedKeys": left})
    with pytest.raises(UnavailableError):
        standings.standing(public_id(1), "a-jti")


def test_a_batch_that_leaves_only_the_revocation_unanswered_is_an_outage(
    standings: DynamoStandingStore, wire: Wire
) -> None:
    left = {"accounts-test-revoked-tokens": {"Keys": [{"token_id": {"S": "a-jti"}}]}}
    found = {USERS: [{"pk": {"S": "x"}}]}
    wire.answer_for("dynamodb.BatchGetItem", {"Responses": found, "UnprocessedKeys": left})
    with pytest.raises(UnavailableError):
        standings.standing(public_id(1), "a-jti")


# Transactions


def _cancelled(*codes: str) -> dict[str, list[dict[str, str]]]:
    return {"CancellationReasons": [{"Code": code, "Message": code} for code in codes]}


def _cancel(wire: Wire, *codes: str, times: int = 1_000) -> None:
    wire.refuse(
        "dynamodb.TransactWriteItems",
        "TransactionCanceledException",
        times=times,
        **_cancelled(*codes),
    )


def test_a_conflict_with_another_transaction_is_waited_out(
    users: DynamoUserStore, wire: Wire, waits: Waits
) -> None:
    _cancel(wire, "None", "TransactionConflict", "None", times=3)
    users.add(a_user(), "a hash")
    assert users.get(public_id(1)) == a_user()
    assert wire.operations.count("dynamodb.TransactWriteItems") == 4
    assert waits == pytest.approx([0.05, 0.1, 0.2])


def test_a_conflict_without_end_is_an_outage_and_writes_nothing(
    users: DynamoUserStore, cloud: Cloud, wire: Wire, waits: Waits
) -> None:
    _cancel(wire, "TransactionConflict", "None", "None")
    with pytest.raises(UnavailableError):
        users.add(a_user(), "a hash")
    assert wire.operations == ["dynamodb.TransactWriteItems"] * 4
    assert sum(waits) < 1
    assert cloud.rows() == []


@pytest.mark.parametrize(
    ("codes", "error"),
    [
        (("None", "ConditionalCheckFailed", "None"), EmailTakenError),
        (("None", "None", "ConditionalCheckFailed"), UsernameTakenError),
        (("None", "ConditionalCheckFailed", "ConditionalCheckFailed"), EmailTakenError),
        (("None", "ConditionalCheckFailed", "TransactionConflict"), EmailTakenError),
        (("TransactionConflict", "None", "ConditionalCheckFailed"), UsernameTakenError),
    ],
)
def test_a_name_that_is_taken_is_told_at_once(
    users: DynamoUserStore, wire: Wire, codes: tuple[str, ...], error: type[Exception]
) -> None:
    _cancel(wire, *codes)
    with pytest.raises(error):
        users.add(a_user(), "a hash")
    assert wire.operations == ["dynamodb.TransactWriteItems"]


@pytest.mark.parametrize(
    "code", ["ThrottlingError", "ProvisionedThroughputExceeded", "ValidationError", "None"]
)
def test_a_transaction_cancelled_for_another_reason_is_an_outage(
    users: DynamoUserStore, wire: Wire, code: str
) -> None:
    _cancel(wire, "None", code, "None")
    with pytest.raises(UnavailableError):
        users.add(a_user(), "a hash")
    assert wire.operations == ["dynamodb.TransactWriteItems"]


@pytest.mark.parametrize("failed", [0, 1, 2])
def test_a_removal_that_meets_another_state_removes_nothing(
    users: DynamoUserStore, cloud: Cloud, wire: Wire, failed: int
) -> None:
    users.add(a_user(), "a hash")
    codes = ["None"] * 3
    codes[failed] = "ConditionalCheckFailed"
    _cancel(wire, *codes)
    with pytest.raises(UserNotFoundError):
        users.remove(a_user())
    assert len(cloud.rows()) == 3


def test_a_user_and_both_markers_are_written_in_one_idempotent_transaction(
    users: DynamoUserStore, wire: Wire
) -> None:
    users.add(a_user(email="Zoe@Example.com", username="Zoë"), "a hash")
    (call,) = wire.calls
    assert call.operation == "dynamodb.TransactWriteItems"
    assert call.body["ClientRequestToken"]
    puts = [item["Put"] for item in call.body["TransactItems"]]
    assert [put["Item"]["pk"]["S"] for put in puts] == [
        f"user#{public_id(1)}",
        "email#zoe@example.com",
        "username#zoë",
    ]
    for put in puts:
        assert "attribute_not_exists" in put["ConditionExpression"]
        assert put["Item"]["public_id"] == {"S": public_id(1)}


def test_a_removal_deletes_only_what_is_the_users(users: DynamoUserStore, wire: Wire) -> None:
    users.add(a_user(), "a hash")
    wire.reset()
    users.remove(a_user())
    (call,) = wire.calls
    deletes = [item["Delete"] for item in call.body["TransactItems"]]
    assert len(deletes) == 3
    assert all(delete["ConditionExpression"] for delete in deletes)


def test_a_marker_of_somebody_else_is_not_deleted_with_a_user(
    users: DynamoUserStore, cloud: Cloud
) -> None:
    users.add(a_user(1), "a hash")
    cloud.dynamodb.put_item(
        TableName=USERS,
        Item={"pk": {"S": "username#user 1"}, "public_id": {"S": public_id(2)}},
    )
    with pytest.raises(UserNotFoundError):
        users.remove(a_user(1))
    assert len(cloud.rows()) == 3


# How long it may take


def test_a_request_waits_for_the_store_three_times_and_not_for_long(
    connection: Connection,
) -> None:
    config: Any = connection.client.meta.config
    assert config.connect_timeout == 1
    assert config.read_timeout == 2
    assert config.retries == {"total_max_attempts": 3, "mode": "standard"}


@pytest.mark.parametrize(
    ("call", "operations"),
    [
        ("add", ["TransactWriteItems"]),
        ("remove", ["TransactWriteItems"]),
        ("get", ["GetItem"]),
        ("find_by_email", ["GetItem", "GetItem"]),
        ("credentials_by_username", ["GetItem", "GetItem"]),
        ("standing", ["BatchGetItem"]),
        ("revoke", ["PutItem"]),
        ("replace_password_hash", ["UpdateItem"]),
        ("grant_admin", ["UpdateItem"]),
        ("page", ["Query"] * 4),
    ],
)
def test_a_call_is_so_many_round_trips(
    users: DynamoUserStore,
    standings: DynamoStandingStore,
    wire: Wire,
    call: str,
    operations: list[str],
) -> None:
    users.add(a_user(email="s3cret@example.com", username="s3cret"), "s3cret-hash")
    wire.reset()
    with suppress(UsernameTakenError, UserNotFoundError):
        CALLS[call](users, standings)
    assert wire.operations == [f"dynamodb.{operation}" for operation in operations]
    for sent in wire.calls:
        if sent.operation == "dynamodb.GetItem":
            assert sent.body["ConsistentRead"] is True


@pytest.mark.parametrize("known", [True, False])
def test_an_unknown_name_is_read_for_as_often_as_a_known_one(
    users: DynamoUserStore, wire: Wire, *, known: bool
) -> None:
    users.add(a_user(), "a hash")
    wire.reset()
    found = users.credentials_by_email("user-1@example.com" if known else "nobody@example.com")
    assert (found is not None) == known
    assert wire.operations == ["dynamodb.GetItem"] * 2


def test_a_user_who_leaves_between_the_two_reads_is_nobody(
    users: DynamoUserStore, cloud: Cloud
) -> None:
    users.add(a_user(), "a hash")
    cloud.dynamodb.delete_item(TableName=USERS, Key={"pk": {"S": f"user#{public_id(1)}"}})
    assert users.find_by_email("user-1@example.com") is None
    assert users.credentials_by_username("user 1") is None


def test_a_list_of_many_is_read_in_few_round_trips(users: DynamoUserStore, wire: Wire) -> None:
    for number in range(30):
        users.add(a_user(number), "a hash")
    wire.reset()
    assert len(users.page(25, None).users) == 25
    assert len(wire.calls) <= 5
