"""Whether a token is good now: the fake and the real store keep one contract."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from pynamodb.connection import Connection

from chalicelib.domain.principals import Standing
from chalicelib.domain.times import epoch_seconds
from chalicelib.services.accounts import UserStore
from chalicelib.services.authentication import StandingStore
from chalicelib.store.items import RevokedTokenItem
from chalicelib.store.revocations import revoked_key_row
from chalicelib.store.revoked_keys import DynamoRevocationStore
from chalicelib.store.standings import DynamoStandingStore
from chalicelib.store.transactions import Transactions
from chalicelib.store.users import DynamoUserStore
from tests.aws import Cloud, Wire
from tests.fakes import START, FakeClock, FakeStandingStore, FakeTables, FakeUserStore, public_id
from tests.samples import ROWS, a_user, add, claims

NOW = epoch_seconds(START)


@dataclass
class Stores:
    users: UserStore
    standings: StandingStore
    revoke: Callable[[str, int], object]
    revoke_key: Callable[[str], object]


A_KEY = revoked_key_row("a-key", public_id(1))


@pytest.fixture(params=["fake", "real"])
def stores(request: pytest.FixtureRequest, clock: FakeClock) -> Stores:
    if request.param == "fake":
        tables = FakeTables()
        return Stores(
            FakeUserStore(tables),
            FakeStandingStore(tables, clock),
            tables.revoked.__setitem__,
            tables.revoke_key,
        )
    request.getfixturevalue("cloud")
    connection: Connection = request.getfixturevalue("connection")
    transactions = Transactions(connection)
    return Stores(
        DynamoUserStore(connection, transactions, ROWS),
        DynamoStandingStore(connection, clock),
        lambda token_id, until: RevokedTokenItem(token_id, expires_at=until).save(),
        DynamoRevocationStore(transactions).revoke_key,
    )


def test_a_user_whose_session_nobody_ended_is_in_good_standing(stores: Stores) -> None:
    add(stores.users, a_user())
    assert stores.standings.standing(claims()) == Standing(a_user(), revoked=False)


def test_a_user_is_known_as_they_are_now(stores: Stores) -> None:
    user = a_user(admin=True, token_version=9, disabled=True, metadata={"a": ["b"]})
    add(stores.users, user)
    assert stores.standings.standing(claims()).user == user


def test_nobody_has_no_standing(stores: Stores) -> None:
    assert stores.standings.standing(claims()) == Standing(None, revoked=False)
    stores.revoke("a-session", NOW + 900)
    assert stores.standings.standing(claims()) == Standing(None, revoked=True)


def test_a_token_of_an_ended_session_is_revoked_and_no_other_is(stores: Stores) -> None:
    add(stores.users, a_user())
    stores.revoke("a-session", NOW + 900)
    assert stores.standings.standing(claims()) == Standing(a_user(), revoked=True)
    for other in ("another-session", "A-SESSION", "a-sessio"):
        assert not stores.standings.standing(claims(session_id=other)).revoked


def test_a_token_of_a_revoked_key_is_revoked_and_no_other_is(stores: Stores) -> None:
    add(stores.users, a_user())
    stores.revoke_key("a-key")
    assert stores.standings.standing(claims()) == Standing(a_user(), revoked=True)
    for other in ("another-key", "A-KEY", "key#a-key"):
        assert not stores.standings.standing(claims(key_id=other)).revoked


def test_a_token_of_a_revoked_key_is_revoked_whosever_it_is(stores: Stores) -> None:
    stores.revoke_key("a-key")
    for number in range(200):
        assert stores.standings.standing(claims(number=number)).revoked
    for name in ("", "ü", "x" * 1_000):
        assert stores.standings.standing(replace(claims(), public_id=name)).revoked


def test_a_revocation_that_has_expired_counts_no_more_although_it_is_still_there(
    stores: Stores, clock: FakeClock
) -> None:
    stores.revoke("a-session", NOW + 900)
    clock.step(seconds=899)
    assert stores.standings.standing(claims()).revoked
    clock.step(seconds=1)
    assert not stores.standings.standing(claims()).revoked


def test_a_standing_is_one_strongly_consistent_read_of_both_tables(
    cloud: Cloud, connection: Connection, wire: Wire, clock: FakeClock
) -> None:
    DynamoStandingStore(connection, clock).standing(claims())
    (call,) = wire.calls
    assert call.operation == "dynamodb.BatchGetItem"
    assert call.body["RequestItems"] == {
        "accounts-test-users": {
            "Keys": [{"pk": {"S": f"user#{public_id(1)}"}}],
            "ConsistentRead": True,
        },
        "accounts-test-revoked-tokens": {
            "Keys": [{"token_id": {"S": "a-session"}}, {"token_id": {"S": A_KEY}}],
            "ConsistentRead": True,
        },
    }
    del cloud
