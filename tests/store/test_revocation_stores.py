"""The fake revocation store and DynamoDB keep one contract."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import pytest
from pynamodb.connection import Connection

from chalicelib.domain.errors import UnavailableError
from chalicelib.services.key_revocation import KeyRevocationStore
from chalicelib.store.revocations import COPIES, FOR_GOOD, revoked_key_row
from chalicelib.store.revoked_keys import DynamoRevocationStore
from chalicelib.store.transactions import Transactions
from tests.aws import REVOKED_TOKENS, Cloud, Wire
from tests.fakes import FakeRevocationStore


@pytest.fixture
def real(cloud: Cloud, connection: Connection) -> DynamoRevocationStore:
    del cloud
    return DynamoRevocationStore(Transactions(connection, sleep=lambda _: None))


@pytest.fixture(params=["fake", "real"])
def store(request: pytest.FixtureRequest) -> KeyRevocationStore:
    if request.param == "fake":
        return FakeRevocationStore()
    store: DynamoRevocationStore = request.getfixturevalue("real")
    return store


def test_a_key_is_revoked_once_it_is_and_no_other_is(store: KeyRevocationStore) -> None:
    assert not store.is_key_revoked("a-key")
    for _ in range(2):
        store.revoke_key("a-key")
        assert store.is_key_revoked("a-key")
    assert not store.is_key_revoked("another-key")


def test_a_revoked_key_is_rows_that_do_not_lapse(real: DynamoRevocationStore, cloud: Cloud) -> None:
    real.revoke_key("a-key")
    rows = {row["token_id"]["S"]: row["expires_at"]["N"] for row in cloud.rows(REVOKED_TOKENS)}
    assert rows == {f"key#a-key#{copy:02d}": str(FOR_GOOD) for copy in range(COPIES)}
    assert datetime.fromtimestamp(FOR_GOOD, UTC).year == 9999


def test_everybody_reads_one_of_the_rows_and_no_row_is_read_by_many_more_than_others() -> None:
    read = Counter(revoked_key_row("a-key", str(UUID(int=number))) for number in range(64_000))
    assert read.keys() == {f"key#a-key#{copy:02d}" for copy in range(COPIES)}
    assert max(read.values()) < 2 * 64_000 / COPIES
    assert revoked_key_row("a-key", "\ud800") in read


def test_whether_a_key_is_revoked_is_asked_consistently(
    real: DynamoRevocationStore, wire: Wire
) -> None:
    real.is_key_revoked("a-key")
    (call,) = wire.calls
    assert call.operation == "dynamodb.GetItem"
    assert call.body["ConsistentRead"] is True


class BreakingOff(Transactions):
    """Fails at the last row."""

    left = COPIES - 1

    def run_alone(self, write: Callable[[], None]) -> None:
        if not self.left:
            raise UnavailableError
        self.left -= 1
        super().run_alone(write)


def test_a_key_is_not_revoked_before_all_of_it_is(
    real: DynamoRevocationStore, connection: Connection, cloud: Cloud
) -> None:
    with pytest.raises(UnavailableError):
        DynamoRevocationStore(BreakingOff(connection)).revoke_key("a-key")
    assert len(cloud.rows(REVOKED_TOKENS)) == COPIES - 1
    assert not real.is_key_revoked("a-key")
    real.revoke_key("a-key")
    assert real.is_key_revoked("a-key")


def test_a_row_that_a_registration_holds_is_waited_for(
    real: DynamoRevocationStore, wire: Wire, cloud: Cloud
) -> None:
    wire.refuse("dynamodb.PutItem", "TransactionConflictException", times=3)
    real.revoke_key("a-key")
    assert len(cloud.rows(REVOKED_TOKENS)) == COPIES


def test_a_store_that_is_down_does_not_say(real: DynamoRevocationStore, wire: Wire) -> None:
    wire.refuse("dynamodb.", "InternalServerError")
    with pytest.raises(UnavailableError):
        real.is_key_revoked("a-key")
    with pytest.raises(UnavailableError):
        real.revoke_key("a-key")
