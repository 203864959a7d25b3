"""What DynamoDB, and the way to it, can fail with."""

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
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

from chalicelib.deadlines import ANSWER_SECONDS, ending_in
from chalicelib.domain.attempts import Outcome
from chalicelib.domain.changes import Changes, Renaming, Unchanged
from chalicelib.domain.errors import (
    EmailTakenError,
    UnavailableError,
    UsernameTakenError,
    UserNotFoundError,
)
from chalicelib.domain.principals import Principal
from chalicelib.domain.sessions import Opening, RefreshToken
from chalicelib.domain.trails import NO_TRAIL
from chalicelib.domain.users import Credentials, Removal
from chalicelib.store.attempts import DynamoAttemptStore
from chalicelib.store.items import LIMITS
from chalicelib.store.revocations import revoked_key_row
from chalicelib.store.sessions import DynamoSessionStore
from chalicelib.store.standings import DynamoStandingStore
from chalicelib.store.transactions import Transactions
from chalicelib.store.users import DynamoUserStore
from chalicelib.telemetry import JsonFormatter
from tests.aws import ATTEMPTS, REVOKED_TOKENS, SESSIONS, USERS, Cloud, Wire
from tests.fakes import FakeClock, public_id
from tests.samples import ADMISSION, ORIGIN, ROWS, a_count, a_session, a_user, add, claims

FAILED = "ConditionalCheckFailed"


@dataclass
class Stores:
    users: DynamoUserStore
    sessions: DynamoSessionStore
    standings: DynamoStandingStore
    attempts: DynamoAttemptStore


SESSION = a_session()
A_KEY = revoked_key_row("a-key", public_id(1))
TOKEN = RefreshToken(SESSION.public_id, SESSION.session_id, b"s3cret-family", b"s3cret")
CREDENTIALS = Credentials(a_user(), "s3cret-hash")
CALLER = Principal(a_user(), SESSION.session_id)

CALLS: dict[str, Callable[[Stores], object]] = {
    "add": lambda stores: stores.users.add(a_user(), "s3cret-hash", Opening(SESSION, "a-key")),
    "remove": lambda stores: stores.users.remove(a_user()),
    "get": lambda stores: stores.users.get(public_id(1)),
    "find_by_email": lambda stores: stores.users.find_by_email("s3cret@example.com"),
    "find_by_username": lambda stores: stores.users.find_by_username("s3cret"),
    "login_by_email": lambda stores: stores.users.login_by_email(
        "s3cret@example.com", "a-key", ORIGIN
    ),
    "login_by_username": lambda stores: stores.users.login_by_username("s3cret", "a-key", ORIGIN),
    "login_by_id": lambda stores: stores.users.login_by_id(public_id(1), "a-key", ORIGIN),
    "replace_password_hash": lambda stores: stores.users.replace_password_hash(
        public_id(1), "s3cret-hash", "s3cret-hash-2"
    ),
    "change_password": lambda stores: stores.users.change_password(
        CREDENTIALS, "s3cret-hash-2", SESSION, a_count("an attempt")
    ),
    "raise_token_version": lambda stores: stores.users.raise_token_version(public_id(1)),
    "update": lambda stores: stores.users.update(public_id(1), Changes(admin=True)),
    "update_beside": lambda stores: stores.users.update(
        public_id(1), Changes(admin=False), other_admin=public_id(2)
    ),
    "admins": lambda stores: list(stores.users.admins()),
    "page": lambda stores: stores.users.page(10, None),
    "standing": lambda stores: stores.standings.standing(claims()),
    "open": lambda stores: stores.sessions.open(SESSION, None, 1, ADMISSION),
    "open_for_another": lambda stores: stores.sessions.open(
        SESSION, a_session(number=1).session_id, 1, ADMISSION
    ),
    "alive": lambda stores: stores.sessions.alive(a_user(), 1),
    "of_user": lambda stores: stores.sessions.of_user(public_id(1)),
    "find": lambda stores: stores.sessions.find(TOKEN, "a-key"),
    "rotate": lambda stores: stores.sessions.rotate(SESSION, TOKEN),
    "end": lambda stores: stores.sessions.end(public_id(1), SESSION.session_id, 1),
    "end_if_alive": lambda stores: stores.sessions.end_if_alive(CALLER, SESSION.session_id, 1, 2),
    "reserve": lambda stores: stores.attempts.reserve(a_count("s3cret")),
    "count_wrong": lambda stores: stores.attempts.count_wrong(a_count("s3cret"), NO_TRAIL),
    "is_below": lambda stores: stores.attempts.is_below(a_count("s3cret")),
    "give_back": lambda stores: stores.attempts.give_back(a_count("s3cret")),
    "forget": lambda stores: stores.sessions.forget(public_id(1)),
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
def stores(cloud: Cloud, connection: Connection, clock: FakeClock, waits: Waits) -> Stores:
    del cloud
    transactions = Transactions(connection, sleep=waits.sleep, jitter=lambda: 1.0)
    return Stores(
        DynamoUserStore(connection, transactions, ROWS),
        DynamoSessionStore(connection, transactions, ROWS),
        DynamoStandingStore(connection, clock),
        DynamoAttemptStore(transactions, ROWS),
    )


@pytest.fixture
def users(stores: Stores) -> DynamoUserStore:
    return stores.users


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
    stores: Stores,
    wire: Wire,
    caplog: pytest.LogCaptureFixture,
    call: Callable[[Stores], object],
    code: str,
) -> None:
    caplog.set_level(logging.INFO)
    wire.refuse("dynamodb.", code)
    with pytest.raises(UnavailableError):
        call(stores)
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
    stores: Stores,
    wire: Wire,
    caplog: pytest.LogCaptureFixture,
    call: Callable[[Stores], object],
    fault: BotoCoreError,
) -> None:
    caplog.set_level(logging.INFO)
    wire.raise_for("dynamodb.", fault)
    with pytest.raises(UnavailableError):
        call(stores)
    assert "the store failed" in caplog.text
    assert "s3cret" not in _logged(caplog)


def test_a_bug_of_ours_is_not_called_an_outage(users: DynamoUserStore, wire: Wire) -> None:
    wire.raise_for("dynamodb.", ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        users.get(public_id(1))


@pytest.mark.parametrize(
    "call", [CALLS[name] for name in ("standing", "find", "login_by_id")], ids=str
)
@pytest.mark.parametrize(
    "left",
    [
        {USERS: {"Keys": [{"pk": {"S": f"user#{public_id(1)}"}}]}},
        {REVOKED_TOKENS: {"Keys": [{"token_id": {"S": "a-session"}}]}},
        {ATTEMPTS: {"Keys": [{"attempt_id": {"S": "x"}}]}},
        {SESSIONS: {"Keys": [{"public_id": {"S": public_id(1)}, "slot": {"N": "0"}}]}},
    ],
    ids=str,
)
def test_a_batch_that_was_not_answered_in_full_is_an_outage(
    stores: Stores, wire: Wire, call: Callable[[Stores], object], left: dict[str, object]
) -> None:
    add(stores.users, a_user())
    found = {USERS: [{"pk": {"S": "x"}}]}
    wire.answer_for("dynamodb.BatchGetItem", {"Responses": found, "UnprocessedKeys": left})
    with pytest.raises(UnavailableError):
        call(stores)


@pytest.mark.parametrize("call", [CALLS[name] for name in ("standing", "find", "login_by_id")])
def test_a_batch_that_was_not_answered_at_all_is_an_outage(
    stores: Stores, wire: Wire, call: Callable[[Stores], object]
) -> None:
    wire.answer_for("dynamodb.BatchGetItem", {})
    with pytest.raises(UnavailableError):
        call(stores)


def test_an_admin_is_not_looked_for_without_end(users: DynamoUserStore, wire: Wire) -> None:
    more = {"pk": {"S": "x"}, "listed_in": {"S": "x"}, "listed_at": {"S": "x"}}
    page = {"Items": [], "Count": 0, "ScannedCount": 9, "LastEvaluatedKey": more}
    wire.answer_for("dynamodb.Query", page)
    assert list(users.admins()) == []
    assert len(wire.calls) == 4 * 25


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
    _cancel(wire, "None", "TransactionConflict", "None", "None", "None", times=3)
    add(users, a_user())
    assert users.get(public_id(1)) == a_user()
    assert wire.operations.count("dynamodb.TransactWriteItems") == 4
    assert waits == pytest.approx([0.05, 0.1, 0.2])


def test_whoever_waits_does_not_wait_as_long_as_another(
    connection: Connection, cloud: Cloud, wire: Wire, waits: Waits
) -> None:
    shares = iter((0.0, 0.5, 1.0))
    transactions = Transactions(connection, sleep=waits.sleep, jitter=lambda: next(shares))
    _cancel(wire, "TransactionConflict", times=3)
    add(DynamoUserStore(connection, transactions, ROWS), a_user())
    assert waits == pytest.approx([0, 0.05, 0.2])
    del cloud


def test_a_conflict_without_end_is_an_outage_and_writes_nothing(
    users: DynamoUserStore, cloud: Cloud, wire: Wire, waits: Waits
) -> None:
    _cancel(wire, "TransactionConflict", "None", "None")
    with pytest.raises(UnavailableError):
        add(users, a_user())
    assert wire.operations == ["dynamodb.TransactWriteItems"] * 4
    assert sum(waits) < 1
    assert cloud.rows() == []


def test_a_conflict_is_not_waited_out_if_no_attempt_could_follow(
    users: DynamoUserStore, wire: Wire, waits: Waits
) -> None:
    _cancel(wire, "TransactionConflict", "None", "None")
    left = iter((60.0, LIMITS.attempt_seconds + ANSWER_SECONDS + 0.09))
    with ending_in(lambda: next(left)), pytest.raises(UnavailableError):
        add(users, a_user())
    assert wire.operations == ["dynamodb.TransactWriteItems"] * 2
    assert waits == pytest.approx([0.05])


def test_a_count_that_a_transaction_holds_is_waited_for(
    stores: Stores, wire: Wire, waits: Waits
) -> None:
    wire.refuse("dynamodb.UpdateItem", "TransactionConflictException", times=3)
    assert stores.attempts.reserve(a_count()) == 1
    assert wire.operations == ["dynamodb.UpdateItem"] * 4
    assert waits == pytest.approx([0.05, 0.1, 0.2])


def _open(stores: Stores) -> Outcome:
    return stores.sessions.open(SESSION, None, 1, ADMISSION)


def _change_password(stores: Stores) -> Outcome:
    return stores.users.change_password(CREDENTIALS, "another hash", SESSION, a_count())


@pytest.mark.parametrize("write", [_open, _change_password])
@pytest.mark.parametrize(
    ("codes", "outcome"),
    [
        ((FAILED, "None", "None"), Outcome.LIMITED),
        ((FAILED, "None", FAILED), Outcome.LIMITED),
        ((FAILED, "None", "TransactionConflict"), Outcome.LIMITED),
        (("None", "None", FAILED), Outcome.CHANGED),
        (("TransactionConflict", "None", FAILED), Outcome.CHANGED),
    ],
)
def test_a_count_at_its_limit_is_told_before_all_else(
    stores: Stores,
    wire: Wire,
    write: Callable[[Stores], Outcome],
    codes: tuple[str, ...],
    outcome: Outcome,
) -> None:
    _cancel(wire, *codes)
    assert write(stores) is outcome
    assert wire.operations == ["dynamodb.TransactWriteItems"]


@pytest.mark.parametrize(
    "write",
    [
        _open,
        _change_password,
        lambda stores: stores.attempts.count_wrong(a_count(), NO_TRAIL),
        lambda stores: stores.attempts.is_below(a_count()),
    ],
    ids=["open", "change_password", "count_wrong", "is_below"],
)
def test_whoever_never_gets_their_turn_at_a_count_is_told_nothing(
    stores: Stores,
    cloud: Cloud,
    wire: Wire,
    waits: Waits,
    write: Callable[[Stores], object],
) -> None:
    _cancel(wire, "TransactionConflict", "None", "None")
    with pytest.raises(UnavailableError):
        write(stores)
    assert wire.operations == ["dynamodb.TransactWriteItems"] * 4
    assert waits == pytest.approx([0.05, 0.1, 0.2])
    assert cloud.rows(SESSIONS) == cloud.rows(ATTEMPTS) == []


def test_a_wrong_one_has_a_token_that_keeps_a_retry_from_counting_twice(
    stores: Stores, wire: Wire
) -> None:
    for _ in range(2):
        stores.attempts.count_wrong(a_count(), NO_TRAIL)
    assert len({call.body["ClientRequestToken"] for call in wire.calls}) == 2


@pytest.mark.parametrize(
    ("codes", "error"),
    [
        (("None", "None", FAILED, "None", "None"), EmailTakenError),
        (("None", "None", "None", FAILED, "None"), UsernameTakenError),
        (("None", "None", FAILED, FAILED, "None"), EmailTakenError),
        (("None", "None", FAILED, "TransactionConflict", "None"), EmailTakenError),
        (("None", "TransactionConflict", "None", FAILED, "None"), UsernameTakenError),
        ((FAILED, "None", "None", FAILED, "None"), UsernameTakenError),
    ],
)
def test_a_name_that_is_taken_is_told_at_once(
    users: DynamoUserStore, wire: Wire, codes: tuple[str, ...], error: type[Exception]
) -> None:
    _cancel(wire, *codes)
    with pytest.raises(error):
        add(users, a_user())
    assert wire.operations == ["dynamodb.TransactWriteItems"]


def test_an_identifier_that_was_given_out_twice_is_nobodys_name_and_no_keys_fault(
    users: DynamoUserStore,
) -> None:
    add(users, a_user())
    twin = a_user(email="another@example.com", username="another")
    for opening in (None, Opening(SESSION, "a-key")):
        with pytest.raises(UnavailableError):
            users.add(twin, "a hash", opening)


def test_a_revoked_key_adds_nobody(users: DynamoUserStore, cloud: Cloud) -> None:
    cloud.dynamodb.put_item(
        TableName=REVOKED_TOKENS,
        Item={"token_id": {"S": A_KEY}, "expires_at": {"N": "9999999999"}},
    )
    assert not users.add(a_user(), "a hash", Opening(SESSION, "a-key"))
    assert cloud.rows() == cloud.rows(SESSIONS) == []
    assert users.add(a_user(), "a hash", Opening(SESSION, "another-key"))


@pytest.mark.parametrize(
    "code", ["ThrottlingError", "ProvisionedThroughputExceeded", "ValidationError", "None"]
)
def test_a_transaction_cancelled_for_another_reason_is_an_outage(
    users: DynamoUserStore, wire: Wire, code: str
) -> None:
    _cancel(wire, "None", code, "None")
    with pytest.raises(UnavailableError):
        add(users, a_user())
    assert wire.operations == ["dynamodb.TransactWriteItems"]


def test_nobody_whose_right_could_be_taken_away_is_not_looked_for_again(
    users: DynamoUserStore, wire: Wire
) -> None:
    add(users, a_user(2, admin=True))
    wire.reset()
    with pytest.raises(UserNotFoundError):
        users.update(public_id(1), Changes(admin=False), other_admin=public_id(2))
    assert wire.operations == ["dynamodb.TransactWriteItems"]


def test_a_user_who_leaves_just_after_a_right_was_taken_away_is_nobody(
    users: DynamoUserStore, wire: Wire
) -> None:
    for number in (1, 2):
        add(users, a_user(number, admin=True))
    wire.answer_for("dynamodb.GetItem", {})
    with pytest.raises(UserNotFoundError):
        users.update(public_id(1), Changes(admin=False), other_admin=public_id(2))


@pytest.mark.parametrize("failed", [0, 1, 2])
def test_a_removal_that_meets_another_state_removes_nothing(
    users: DynamoUserStore, cloud: Cloud, wire: Wire, failed: int
) -> None:
    add(users, a_user())
    codes = ["None"] * 3
    codes[failed] = "ConditionalCheckFailed"
    _cancel(wire, *codes)
    assert users.remove(a_user()) is Removal.CHANGED
    assert len(cloud.rows()) == 3


def test_a_user_both_markers_and_a_session_are_written_in_one_idempotent_transaction(
    users: DynamoUserStore, wire: Wire
) -> None:
    add(users, a_user(email="Zoe@Example.com", username="Zoë"))
    (call,) = wire.calls
    assert call.operation == "dynamodb.TransactWriteItems"
    assert call.body["ClientRequestToken"]
    check, *items = call.body["TransactItems"]
    assert check["ConditionCheck"]["Key"] == {"token_id": {"S": A_KEY}}
    *puts, session, address = [item["Put"] for item in items]
    assert [put["Item"]["pk"]["S"] for put in puts] == [
        f"user#{public_id(1)}",
        "email#zoe@example.com",
        "username#zoë",
    ]
    for put in puts:
        assert "attribute_not_exists" in put["ConditionExpression"]
        assert put["Item"]["public_id"] == {"S": public_id(1)}
    assert session["Item"]["session_id"] == {"S": SESSION.session_id}
    assert address["TableName"] == ATTEMPTS


def test_a_removal_deletes_only_what_is_the_users(users: DynamoUserStore, wire: Wire) -> None:
    add(users, a_user())
    wire.reset()
    users.remove(a_user())
    (call,) = wire.calls
    deletes = [item["Delete"] for item in call.body["TransactItems"]]
    assert len(deletes) == 3
    assert all(delete["ConditionExpression"] for delete in deletes)


def test_a_marker_of_somebody_else_is_not_deleted_with_a_user(
    users: DynamoUserStore, cloud: Cloud
) -> None:
    add(users, a_user(1))
    cloud.dynamodb.put_item(
        TableName=USERS,
        Item={"pk": {"S": "username#user 1"}, "public_id": {"S": public_id(2)}},
    )
    assert users.remove(a_user(1)) is Removal.CHANGED
    assert len(cloud.rows()) == 3


def test_a_marker_of_somebody_else_is_not_freed_by_a_renaming(
    users: DynamoUserStore, cloud: Cloud
) -> None:
    add(users, a_user(1))
    marker = {"pk": {"S": "username#user 1"}, "public_id": {"S": public_id(2)}}
    cloud.dynamodb.put_item(TableName=USERS, Item=marker)
    renaming = Changes(renaming=Renaming("User 1", "Zoë"))
    assert users.update(public_id(1), renaming) is Unchanged.OTHER_USERNAME
    assert marker in cloud.rows()
    assert users.get(public_id(1)) == a_user(1)


# How long it may take


def test_a_request_waits_for_the_store_three_times_and_not_for_long(
    connection: Connection,
) -> None:
    config: Any = connection.client.meta.config
    assert config.connect_timeout == 1
    assert config.read_timeout == 2
    assert config.retries == {"total_max_attempts": 3, "mode": "standard"}
    assert config.user_agent.startswith("accounts Botocore/")


@pytest.mark.parametrize(
    ("call", "operations"),
    [
        ("add", ["TransactWriteItems"]),
        ("remove", ["TransactWriteItems"]),
        ("get", ["GetItem"]),
        ("find_by_email", ["GetItem", "GetItem"]),
        ("login_by_username", ["GetItem", "BatchGetItem"]),
        ("login_by_id", ["BatchGetItem"]),
        ("replace_password_hash", ["UpdateItem"]),
        ("change_password", ["TransactWriteItems"]),
        ("raise_token_version", ["TransactWriteItems"]),
        ("update", ["TransactWriteItems", "GetItem"]),
        ("update_beside", ["TransactWriteItems"]),
        ("admins", ["Query"] * 4),
        ("page", ["Query"] * 4),
        ("standing", ["BatchGetItem"]),
        ("open", ["TransactWriteItems"]),
        ("open_for_another", ["TransactWriteItems"]),
        ("of_user", ["Query"]),
        ("find", ["BatchGetItem"]),
        ("rotate", ["TransactWriteItems", "GetItem"]),
        ("end", ["TransactWriteItems"]),
        ("end_if_alive", ["TransactWriteItems"]),
        ("forget", ["Query", "BatchWriteItem"]),
        ("reserve", ["UpdateItem"]),
        ("count_wrong", ["TransactWriteItems"]),
        ("is_below", ["TransactWriteItems"]),
        ("give_back", ["TransactWriteItems"]),
    ],
)
def test_a_call_is_so_many_round_trips(
    stores: Stores, wire: Wire, call: str, operations: list[str]
) -> None:
    user = a_user(email="s3cret@example.com", username="s3cret")
    add(stores.users, user, "s3cret-hash")
    wire.reset()
    with suppress(UnavailableError):  # the user that `add` would add is there already
        CALLS[call](stores)
    assert wire.operations == [f"dynamodb.{operation}" for operation in operations]
    for sent in wire.calls:
        if sent.operation == "dynamodb.GetItem":
            assert sent.body["ConsistentRead"] is True


@pytest.mark.parametrize("known", [True, False])
def test_an_unknown_name_is_read_for_as_often_as_a_known_one(
    users: DynamoUserStore, wire: Wire, *, known: bool
) -> None:
    add(users, a_user())
    wire.reset()
    name = "user-1@example.com" if known else "nobody@example.com"
    found = users.login_by_email(name, "a-key", ORIGIN).credentials
    assert (found is not None) == known
    assert wire.operations == ["dynamodb.GetItem", "dynamodb.BatchGetItem"]


def test_a_user_who_leaves_between_the_two_reads_is_nobody(
    users: DynamoUserStore, cloud: Cloud
) -> None:
    add(users, a_user())
    cloud.dynamodb.delete_item(TableName=USERS, Key={"pk": {"S": f"user#{public_id(1)}"}})
    assert users.find_by_email("user-1@example.com") is None
    assert users.login_by_username("user 1", "a-key", ORIGIN).credentials is None


def test_a_list_of_many_is_read_in_few_round_trips(users: DynamoUserStore, wire: Wire) -> None:
    for number in range(30):
        add(users, a_user(number))
    wire.reset()
    assert len(users.page(25, None).users) == 25
    assert len(wire.calls) <= 5
    assert all(call.body["Limit"] < 25 for call in wire.calls)
