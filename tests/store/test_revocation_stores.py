"""The fake revocation store and DynamoDB keep one contract."""

import pytest

from chalicelib.domain.errors import UnavailableError
from chalicelib.services.key_revocation import KeyRevocationStore
from chalicelib.store.revocations import FOR_GOOD, DynamoRevocationStore, revoked_key_row
from tests.aws import REVOKED_TOKENS, Cloud, Wire
from tests.fakes import FakeRevocationStore


@pytest.fixture(params=["fake", "real"])
def store(request: pytest.FixtureRequest) -> KeyRevocationStore:
    if request.param == "fake":
        return FakeRevocationStore()
    request.getfixturevalue("cloud")
    return DynamoRevocationStore()


def test_a_key_is_revoked_once_it_is_and_no_other_is(store: KeyRevocationStore) -> None:
    assert not store.is_key_revoked("a-key")
    for _ in range(2):
        store.revoke_key("a-key")
        assert store.is_key_revoked("a-key")
    assert not store.is_key_revoked("another-key")


def test_a_revoked_key_is_a_row_that_does_not_lapse(cloud: Cloud) -> None:
    DynamoRevocationStore().revoke_key("a-key")
    assert cloud.rows(REVOKED_TOKENS) == [
        {"token_id": {"S": "key#a-key"}, "expires_at": {"N": str(FOR_GOOD)}}
    ]
    assert revoked_key_row("a-key") == "key#a-key"


def test_whether_a_key_is_revoked_is_asked_consistently(cloud: Cloud, wire: Wire) -> None:
    DynamoRevocationStore().is_key_revoked("a-key")
    (call,) = wire.calls
    assert call.operation == "dynamodb.GetItem"
    assert call.body["ConsistentRead"] is True
    del cloud


def test_a_store_that_is_down_does_not_say(cloud: Cloud, wire: Wire) -> None:
    wire.refuse("dynamodb.", "InternalServerError")
    with pytest.raises(UnavailableError):
        DynamoRevocationStore().is_key_revoked("a-key")
    with pytest.raises(UnavailableError):
        DynamoRevocationStore().revoke_key("a-key")
    del cloud
