"""Counts of attempts, and what a right password leaves behind: the fake and the real store."""

import hmac
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from pynamodb.connection import Connection

from chalicelib.domain.attempts import (
    KNOWN_FOR,
    Admission,
    Count,
    KnownAddress,
    LoginFacts,
    Origin,
    Outcome,
)
from chalicelib.domain.sessions import Client, Opening
from chalicelib.domain.times import epoch_seconds
from chalicelib.domain.trails import NO_TRAIL
from chalicelib.domain.users import Credentials
from chalicelib.services.attempts import AttemptStore
from chalicelib.services.sessions import SessionStore
from chalicelib.store.attempt_rows import AttemptRows
from chalicelib.store.attempts import DynamoAttemptStore
from chalicelib.store.sessions import DynamoSessionStore
from chalicelib.store.transactions import Transactions
from chalicelib.store.users import DynamoUserStore
from tests.aws import ATTEMPTS, Cloud
from tests.fakes import (
    START,
    FakeAttemptStore,
    FakeSessionStore,
    FakeTables,
    FakeUserStore,
    public_id,
)
from tests.samples import ADMISSION, CLIENT, ORIGIN, ROWS, a_count, a_session, a_user, add
from tests.store.test_user_stores import Users

REMEMBERING = replace(ADMISSION, remembers=True)
ELSEWHERE = replace(ORIGIN, network="198.51.100.7", failures=a_count("address", "198.51.100.7"))


@dataclass
class Stores:
    attempts: AttemptStore
    users: Users
    sessions: SessionStore

    def address(self, origin: Origin = ORIGIN) -> KnownAddress | None:
        return self.users.login_by_id(public_id(1), "a-key", origin).address


@pytest.fixture(params=["fake", "real"])
def stores(request: pytest.FixtureRequest) -> Stores:
    if request.param == "fake":
        tables = FakeTables()
        return Stores(FakeAttemptStore(tables), FakeUserStore(tables), FakeSessionStore(tables))
    request.getfixturevalue("cloud")
    connection: Connection = request.getfixturevalue("connection")
    transactions = Transactions(connection)
    return Stores(
        DynamoAttemptStore(transactions, ROWS),
        DynamoUserStore(connection, transactions, ROWS),
        DynamoSessionStore(connection, transactions, ROWS),
    )


@pytest.fixture
def attempts(stores: Stores) -> AttemptStore:
    return stores.attempts


def _number(attempts: AttemptStore, count: Count) -> int | None:
    """How many are counted."""
    number = attempts.reserve(replace(count, limit=1_000))
    attempts.give_back(count)
    return None if number is None else number - 1


def test_attempts_are_counted_up_to_the_limit(attempts: AttemptStore) -> None:
    assert [attempts.reserve(a_count(limit=3)) for _ in range(5)] == [1, 2, 3, None, None]
    assert _number(attempts, a_count()) == 3


def test_what_is_given_back_may_be_taken_again(attempts: AttemptStore) -> None:
    for _ in range(3):
        attempts.reserve(a_count())
    attempts.give_back(a_count())
    assert [attempts.reserve(a_count()) for _ in range(2)] == [3, None]


def test_what_is_counted_apart_does_not_meet(attempts: AttemptStore) -> None:
    counts = (
        a_count("account", "a"),
        a_count("account", "b"),
        a_count("address", "a"),
        a_count("account", "a", number=1),
        a_count("account", '", "a'),
        a_count("account", "a", "a"),
    )
    for count in counts:
        assert [attempts.reserve(replace(count, limit=1)) for _ in range(2)] == [1, None]


@pytest.mark.parametrize("subject", ["", "ß" * 70_000, "\u0000", "zoë\ud7ff"])
def test_anything_can_be_counted(attempts: AttemptStore, subject: str) -> None:
    assert attempts.reserve(a_count("email", subject)) == 1


def test_a_limit_that_was_lowered_counts_at_once(attempts: AttemptStore) -> None:
    for _ in range(3):
        attempts.reserve(a_count(limit=5))
    assert attempts.reserve(a_count(limit=2)) is None
    assert attempts.reserve(a_count(limit=4)) == 4


def test_wrong_ones_are_counted_up_to_the_limit(attempts: AttemptStore) -> None:
    outcomes = [attempts.count_wrong(a_count(limit=3), NO_TRAIL) for _ in range(5)]
    assert outcomes == [True, True, True, False, False]
    assert _number(attempts, a_count()) == 3


def test_a_count_is_below_its_limit_until_it_is_reached(attempts: AttemptStore) -> None:
    for _ in range(3):
        assert attempts.is_below(a_count(limit=3))
        attempts.reserve(a_count())
    assert not attempts.is_below(a_count(limit=3))
    assert not attempts.is_below(a_count(limit=2))
    assert attempts.is_below(a_count(limit=4))
    assert _number(attempts, a_count()) == 3, "asking counts nothing"


# What a right password leaves behind


def test_nobody_is_known_anywhere(stores: Stores) -> None:
    for facts in (
        stores.users.login_by_email("nobody@example.com", "a-key", ORIGIN),
        stores.users.login_by_username("nobody", "a-key", ORIGIN),
        stores.users.login_by_id(public_id(1), "a-key", ORIGIN),
    ):
        assert (facts.address, facts.failures_from_address) == (None, 0)


def test_the_failures_from_an_address_are_told_whoever_is_asked_for(stores: Stores) -> None:
    add(stores.users, a_user())
    for _ in range(2):
        stores.attempts.reserve(ORIGIN.failures)
    for name in ("nobody@example.com", "user-1@example.com"):
        facts = stores.users.login_by_email(name, "a-key", ORIGIN)
        assert facts.failures_from_address == 2
        assert stores.users.login_by_email(name, "a-key", ELSEWHERE).failures_from_address == 0


NAMES = ("nobody@example.com", "user-1@example.com")


def _counts(stores: Stores, name: str, origin: Origin = ORIGIN) -> tuple[int, int]:
    facts = stores.users.login_by_email(name, "a-key", origin)
    return facts.attempts.number, facts.attempts_at_address.number


def test_what_an_account_counts_is_told_by_all_its_names(stores: Stores) -> None:
    add(stores.users, a_user())
    stores.attempts.reserve(ORIGIN.of_account(public_id(1)))
    for _ in range(2):
        stores.attempts.reserve(ORIGIN.at_known_address(public_id(1)))
    stores.attempts.reserve(ORIGIN.nobodys)

    def told(facts: LoginFacts) -> tuple[int, int]:
        return facts.attempts.number, facts.attempts_at_address.number

    users = stores.users
    assert told(users.login_by_email("user-1@example.com", "a-key", ORIGIN)) == (1, 2)
    assert told(users.login_by_username("user 1", "a-key", ORIGIN)) == (1, 2)
    assert told(users.login_by_id(public_id(1), "a-key", ORIGIN)) == (1, 2)
    assert told(users.login_by_id(public_id(1), "a-key", ELSEWHERE)) == (1, 0)
    assert told(users.login_by_email("nobody@example.com", "a-key", ORIGIN)) == (1, 0)


def test_a_count_is_told_together_with_what_is_counted(stores: Stores) -> None:
    add(stores.users, a_user())
    for name, of_account in zip(
        NAMES, (ORIGIN.nobodys, ORIGIN.of_account(public_id(1))), strict=True
    ):
        facts = stores.users.login_by_email(name, "a-key", ORIGIN)
        stores.attempts.reserve(facts.attempts.count)
        stores.attempts.reserve(facts.attempts_at_address.count)
        assert facts.attempts.count == of_account
        assert _counts(stores, name) == (1, 1)


def test_whoever_registers_is_known_at_their_address(stores: Stores) -> None:
    add(stores.users, a_user())
    assert stores.address() == KnownAddress(
        public_id=public_id(1),
        network=CLIENT.ip,
        token_version=1,
        expires_at=epoch_seconds(START + KNOWN_FOR),
    )
    assert stores.address(ELSEWHERE) is None


def test_an_account_without_a_session_is_known_nowhere(stores: Stores) -> None:
    stores.users.add(a_user(), "a hash", None)
    assert stores.address() is None


def test_a_refused_registration_leaves_no_address(stores: Stores) -> None:
    add(stores.users, a_user(1))
    session = a_session(a_user(2), client=Client(ELSEWHERE.network, ""))
    twin = a_user(2, email="user-1@example.com")
    with pytest.raises(Exception, match="already exists"):
        stores.users.add(twin, "a hash", Opening(session, "a-key"))
    assert stores.users.login_by_id(public_id(2), "a-key", ELSEWHERE).address is None


def _fill(stores: Stores, count: Count) -> None:
    while stores.attempts.reserve(count):
        pass


def test_a_session_is_opened_while_its_count_is_below_the_limit(stores: Stores) -> None:
    count = a_count(limit=3)
    for _ in range(2):
        stores.attempts.reserve(count)
    opened = stores.sessions.open(a_session(), None, 0, Admission(count, remembers=False))
    assert opened is Outcome.DONE
    assert _number(stores.attempts, count) == 2, "a right password counts nothing"
    assert stores.address() is None


def test_a_session_is_not_opened_at_the_limit(stores: Stores) -> None:
    count = a_count()
    _fill(stores, count)
    opened = stores.sessions.open(a_session(), None, 0, Admission(count, remembers=True))
    assert opened is Outcome.LIMITED
    assert stores.sessions.of_user(public_id(1)) == ()
    assert stores.address() is None
    assert _number(stores.attempts, count) == count.limit


def test_where_a_slot_is_taken_and_the_limit_reached_it_is_the_limit_that_counts(
    stores: Stores,
) -> None:
    stores.sessions.open(a_session(), None, 0, ADMISSION)
    stores.sessions.open(a_session(number=1), None, 0, ADMISSION)
    count = a_count()
    _fill(stores, count)
    other = a_session(session_id=a_session().session_id[:-1] + "f")
    for ending in (None, a_session(number=1).session_id, a_session(number=2).session_id):
        opened = stores.sessions.open(other, ending, 9, Admission(count, remembers=True))
        assert opened is Outcome.LIMITED
    assert len(stores.sessions.of_user(public_id(1))) == 2


def test_an_address_is_remembered_if_it_is_to_be(stores: Stores) -> None:
    session = a_session(client=Client(ELSEWHERE.network, ""), created_at=START + timedelta(days=1))
    stores.sessions.open(session, None, 0, REMEMBERING)
    assert stores.address(ELSEWHERE) == KnownAddress.of(session)
    later = replace(session, token_version=2, created_at=START + timedelta(days=2))
    stores.sessions.open(later, None, 0, REMEMBERING)
    assert stores.address(ELSEWHERE) == KnownAddress.of(later)


def test_a_slot_that_is_taken_remembers_nothing(stores: Stores) -> None:
    stores.sessions.open(a_session(), None, 0, ADMISSION)
    other = a_session(session_id=a_session().session_id[:-1] + "f")
    assert stores.sessions.open(other, None, 0, REMEMBERING) is Outcome.CHANGED
    assert stores.address() is None


def test_one_session_in_anothers_place_is_known_at_its_address(stores: Stores) -> None:
    oldest = a_session(number=3)
    stores.sessions.open(oldest, None, 0, ADMISSION)
    assert (
        stores.sessions.open(a_session(number=4), oldest.session_id, 9, REMEMBERING) is Outcome.DONE
    )
    assert stores.address() == KnownAddress.of(a_session())


def test_a_new_password_is_known_at_its_address_if_the_count_is_below_its_limit(
    stores: Stores,
) -> None:
    add(stores.users, a_user())
    count = a_count(limit=1)
    session = a_session(a_user(token_version=2), number=1)
    wrong = Credentials(a_user(), "another hash")
    assert stores.users.change_password(wrong, "new", session, count) is Outcome.CHANGED
    right = Credentials(a_user(), "a hash")
    assert stores.users.change_password(right, "new", session, count) is Outcome.DONE
    assert _number(stores.attempts, count) == 0
    assert stores.address() == KnownAddress.of(session)


@pytest.mark.parametrize("hash_before", ["a hash", "another hash"])
def test_at_the_limit_no_password_is_changed_right_or_not(stores: Stores, hash_before: str) -> None:
    add(stores.users, a_user())
    before = stores.address()
    count = a_count()
    _fill(stores, count)
    session = a_session(a_user(token_version=2), number=1)
    changed = stores.users.change_password(
        Credentials(a_user(), hash_before), "new", session, count
    )
    assert changed is Outcome.LIMITED
    assert stores.users.login_by_id(public_id(1), "a-key", ORIGIN).credentials == Credentials(
        a_user(), "a hash"
    )
    assert session not in stores.sessions.of_user(public_id(1))
    assert stores.address() == before


# The rows


def test_a_row_tells_neither_a_name_nor_an_address(cloud: Cloud, connection: Connection) -> None:
    transactions = Transactions(connection)
    store = DynamoAttemptStore(transactions, ROWS)
    store.reserve(a_count("email", "zoe@example.com", seconds=600))
    store.reserve(a_count("address", "192.0.2.1"))
    DynamoSessionStore(connection, transactions, ROWS).open(a_session(), None, 0, REMEMBERING)
    rows = cloud.rows(ATTEMPTS)
    assert len(rows) == 3
    for row in rows:
        assert row.keys() <= {"attempt_id", "attempts", "expires_at", "token_version"}
        assert len(row["attempt_id"]["S"]) == 64
    for told in ("zoe", "example", "192.0.2", public_id(1)):
        assert told not in str(rows)


def test_the_same_is_called_something_else_under_another_secret() -> None:
    others = AttemptRows("another secret")
    assert others.count_key(a_count()) != ROWS.count_key(a_count())
    assert others.address_key("a", "b") != ROWS.address_key("a", "b")
    assert ROWS.address_key("a", "b") != ROWS.address_key("b", "a")


def test_a_row_is_called_as_it_always_was_and_not_by_the_secret_itself() -> None:
    # Rows are counted in already: a key that changes starts every count anew.
    derived = hmac.digest(b"a secret", b"accounts/attempts", "sha256")
    key = hmac.digest(derived, b'["known", "a", "b"]', "sha256").hex()
    assert AttemptRows("a secret").address_key("a", "b") == key


def test_a_count_lapses_an_hour_after_its_window(cloud: Cloud, connection: Connection) -> None:
    store = DynamoAttemptStore(Transactions(connection), ROWS)
    count = a_count(seconds=600)
    store.reserve(count)
    store.count_wrong(count, NO_TRAIL)
    store.reserve(count)
    store.give_back(count)
    assert store.is_below(count)
    (row,) = cloud.rows(ATTEMPTS)
    assert row == {
        "attempt_id": {"S": ROWS.count_key(count)},
        "attempts": {"N": "2"},
        "expires_at": {"N": str(count.ends_at + 3_600)},
    }


def test_what_ttl_has_not_deleted_yet_is_not_counted(attempts: AttemptStore) -> None:
    for _ in range(3):
        attempts.reserve(a_count(number=0))
    assert attempts.reserve(a_count(number=1)) == 1
