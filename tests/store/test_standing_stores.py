"""Whether a token is good now: the fakes and the real stores keep one contract."""

from dataclasses import dataclass

import pytest
from pynamodb.connection import Connection

from chalicelib.domain.principals import Standing
from chalicelib.domain.times import epoch_seconds
from chalicelib.services.accounts import UserStore
from chalicelib.services.authentication import StandingStore
from chalicelib.services.sessions import RevocationStore
from chalicelib.store.revocations import DynamoRevocationStore
from chalicelib.store.standings import DynamoStandingStore
from chalicelib.store.users import DynamoUserStore
from tests.aws import REVOKED_TOKENS, Cloud, Wire
from tests.fakes import (
    START,
    FakeClock,
    FakeRevocationStore,
    FakeStandingStore,
    FakeUserStore,
    public_id,
)
from tests.samples import a_user

NOW = epoch_seconds(START)


@dataclass
class Stores:
    users: UserStore
    revocations: RevocationStore
    standings: StandingStore


@pytest.fixture(params=["fake", "real"])
def stores(request: pytest.FixtureRequest, clock: FakeClock) -> Stores:
    if request.param == "fake":
        users, revocations = FakeUserStore(), FakeRevocationStore()
        return Stores(users, revocations, FakeStandingStore(users, revocations, clock))
    request.getfixturevalue("cloud")
    connection: Connection = request.getfixturevalue("connection")
    return Stores(
        DynamoUserStore(connection),
        DynamoRevocationStore(),
        DynamoStandingStore(connection, clock),
    )


def test_a_user_with_a_token_that_nobody_revoked_is_in_good_standing(stores: Stores) -> None:
    stores.users.add(a_user(), "a hash")
    assert stores.standings.standing(public_id(1), "a-jti") == Standing(a_user(), revoked=False)


def test_a_user_is_known_as_they_are_now(stores: Stores) -> None:
    user = a_user(admin=True, token_version=9, disabled=True, metadata={"a": ["b"]})
    stores.users.add(user, "a hash")
    assert stores.standings.standing(public_id(1), "a-jti").user == user


def test_nobody_has_no_standing(stores: Stores) -> None:
    assert stores.standings.standing(public_id(1), "a-jti") == Standing(None, revoked=False)


def test_a_revoked_token_is_revoked_and_no_other_is(stores: Stores) -> None:
    stores.users.add(a_user(), "a hash")
    stores.revocations.revoke("a-jti", NOW + 900)
    assert stores.standings.standing(public_id(1), "a-jti") == Standing(a_user(), revoked=True)
    for other in ("another-jti", "A-JTI", "a-jt"):
        assert not stores.standings.standing(public_id(1), other).revoked


def test_a_token_of_nobody_can_be_revoked(stores: Stores) -> None:
    stores.revocations.revoke("a-jti", NOW + 900)
    assert stores.standings.standing(public_id(1), "a-jti") == Standing(None, revoked=True)


def test_a_revocation_may_be_repeated(stores: Stores) -> None:
    for _ in range(2):
        stores.revocations.revoke("a-jti", NOW + 900)
    assert stores.standings.standing(public_id(1), "a-jti").revoked


def test_a_revocation_that_has_expired_counts_no_more_although_it_is_still_there(
    stores: Stores, clock: FakeClock
) -> None:
    stores.revocations.revoke("a-jti", NOW + 900)
    clock.step(seconds=899)
    assert stores.standings.standing(public_id(1), "a-jti").revoked
    clock.step(seconds=1)
    assert not stores.standings.standing(public_id(1), "a-jti").revoked


def test_a_revocation_is_an_identifier_and_an_expiry_and_nothing_else(cloud: Cloud) -> None:
    DynamoRevocationStore().revoke("a-jti", 1_800_000_000)
    assert cloud.rows(REVOKED_TOKENS) == [
        {"token_id": {"S": "a-jti"}, "expires_at": {"N": "1800000000"}}
    ]


def test_a_standing_is_one_strongly_consistent_read_of_both_tables(
    cloud: Cloud, connection: Connection, wire: Wire, clock: FakeClock
) -> None:
    DynamoStandingStore(connection, clock).standing(public_id(1), "a-jti")
    (call,) = wire.calls
    assert call.operation == "dynamodb.BatchGetItem"
    assert call.body["RequestItems"] == {
        "accounts-test-users": {
            "Keys": [{"pk": {"S": f"user#{public_id(1)}"}}],
            "ConsistentRead": True,
        },
        "accounts-test-revoked-tokens": {
            "Keys": [{"token_id": {"S": "a-jti"}}],
            "ConsistentRead": True,
        },
    }
    del cloud
