"""The fake and the real outbox keep one contract: chalicelib.services.outbox says what it is."""

from collections.abc import Callable
from datetime import timedelta

import botocore.exceptions
import pytest
from pynamodb.connection import Connection

from chalicelib.domain.errors import UnavailableError
from chalicelib.domain.outbox import Errand, Message
from chalicelib.domain.trails import Trail
from chalicelib.services.outbox import OutboxStore
from chalicelib.store.outbox import DynamoOutboxStore
from chalicelib.store.trails import DynamoTrailStore
from chalicelib.store.transactions import Transactions
from tests.aws import OUTBOX, Cloud, Wire
from tests.fakes import START
from tests.mails import FakeOutboxStore, a_message

Put = Callable[..., None]
LATER = START + timedelta(minutes=5)


@pytest.fixture(params=["fake", "real"])
def store_and_put(request: pytest.FixtureRequest) -> tuple[OutboxStore, Put]:
    """An outbox, and how messages get into it."""
    if request.param == "fake":
        fake = FakeOutboxStore()
        return fake, fake.put
    request.getfixturevalue("cloud")
    connection: Connection = request.getfixturevalue("connection")
    trails = DynamoTrailStore(Transactions(connection))

    def put(*messages: Message) -> None:
        for start in range(0, len(messages), 50):
            trails.write(Trail(messages=messages[start : start + 50]))

    return DynamoOutboxStore(connection), put


def _ids(messages: tuple[Message, ...]) -> list[str]:
    return sorted(message.message_id for message in messages)


def test_a_message_is_read_back_as_written(store_and_put: tuple[OutboxStore, Put]) -> None:
    store, put = store_and_put
    full = a_message(
        1,
        Errand.CONFIRM_EMAIL,
        email_key="somebody@example.com",
        address="Somebody@Example.com",
        language="de",
    )
    bare = a_message(2, Errand.ANONYMISE)
    put(full, bare)
    assert store.read([full.message_id]) == (full,)
    assert store.read([bare.message_id]) == (bare,)
    assert set(map(repr, store.pending(LATER, 10))) == {repr(full), repr(bare)}


def test_what_is_not_there_is_not_read(store_and_put: tuple[OutboxStore, Put]) -> None:
    store, put = store_and_put
    there, gone = a_message(1), a_message(2)
    put(there)
    assert store.read([gone.message_id, there.message_id, there.message_id]) == (there,)
    assert store.read([]) == ()


def test_more_is_read_than_fits_into_one_call(store_and_put: tuple[OutboxStore, Put]) -> None:
    store, put = store_and_put
    messages = [a_message(number) for number in range(101)]
    put(*messages)
    ids = [message.message_id for message in messages]
    assert _ids(store.read(ids)) == sorted(ids)


def test_what_is_removed_is_gone(store_and_put: tuple[OutboxStore, Put]) -> None:
    store, put = store_and_put
    first, second = a_message(1), a_message(2)
    put(first, second)
    for _ in range(2):
        store.remove(first.message_id)
    assert store.read([first.message_id]) == ()
    assert store.pending(LATER, 10) == (second,)


def test_what_is_pending_is_older_than_a_moment_and_not_more_than_asked_for(
    store_and_put: tuple[OutboxStore, Put],
) -> None:
    store, put = store_and_put
    old = [a_message(number) for number in range(3)]
    put(*old, a_message(3, created_at=LATER), a_message(4, created_at=LATER + timedelta(days=1)))
    assert _ids(store.pending(LATER, 10)) == [message.message_id for message in old]
    assert len(store.pending(LATER, 2)) == 2
    assert store.pending(START, 10) == ()


# The real one alone


@pytest.fixture
def dynamo(cloud: Cloud, connection: Connection) -> DynamoOutboxStore:
    del cloud
    return DynamoOutboxStore(connection)


def test_an_errand_of_a_later_version_stays_and_is_in_nobodys_way(
    dynamo: DynamoOutboxStore, connection: Connection, cloud: Cloud
) -> None:
    message = a_message(1)
    DynamoTrailStore(Transactions(connection)).write(Trail(messages=(message,)))
    (row,) = cloud.rows(OUTBOX)
    later = row | {"message_id": {"S": "later"}, "errand": {"S": "send_a_pigeon"}}
    cloud.dynamodb.put_item(TableName=OUTBOX, Item=later)
    assert dynamo.read(["later", message.message_id]) == (message,)
    assert dynamo.pending(LATER, 10) == (message,)
    assert len(cloud.rows(OUTBOX)) == 2


def test_reads_are_consistent(dynamo: DynamoOutboxStore, wire: Wire) -> None:
    dynamo.read(["a-message"])
    dynamo.pending(LATER, 10)
    batch, scan = wire.calls
    assert batch.body["RequestItems"][OUTBOX]["ConsistentRead"] is True
    assert scan.body["ConsistentRead"] is True


@pytest.mark.parametrize("call", ["read", "pending", "remove"])
def test_an_outbox_that_does_not_answer_is_unavailable(
    call: str, dynamo: DynamoOutboxStore, wire: Wire
) -> None:
    fault = botocore.exceptions.ReadTimeoutError(endpoint_url="https://dynamodb.example")
    wire.raise_for("dynamodb.", fault)
    calls: dict[str, Callable[[], object]] = {
        "read": lambda: dynamo.read(["a-message"]),
        "pending": lambda: dynamo.pending(LATER, 10),
        "remove": lambda: dynamo.remove("a-message"),
    }
    with pytest.raises(UnavailableError):
        calls[call]()


def test_a_message_that_was_left_unread_does_not_pass_for_gone(
    dynamo: DynamoOutboxStore, wire: Wire
) -> None:
    unread = {OUTBOX: {"Keys": [{"message_id": {"S": "a-message"}}]}}
    wire.answer_for("dynamodb.BatchGetItem", {"Responses": {}, "UnprocessedKeys": unread})
    with pytest.raises(UnavailableError):
        dynamo.read(["a-message"])
