"""The fake and the real store keep one contract: see chalicelib.services."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol

import pytest
from pynamodb.connection import Connection

from chalicelib.domain.activity import Act
from chalicelib.domain.attempts import Outcome
from chalicelib.domain.changes import Changes, Renaming
from chalicelib.domain.email_changes import HELD_FOR, EmailChange, confirmed, undone
from chalicelib.domain.errors import EmailTakenError, UnavailableError, UsernameTakenError
from chalicelib.domain.imports import HELD, Arrival, Claim, Owners
from chalicelib.domain.mailed_tokens import MailedToken, MailedTokenRecord, Purpose
from chalicelib.domain.outbox import Errand, Message
from chalicelib.domain.trails import Trail
from chalicelib.domain.users import Credentials, FormerEmail, Removal, User
from chalicelib.services.emails import EmailStore
from chalicelib.services.mailed_tokens import MailedTokenStore
from chalicelib.services.recovery import ResetStore
from chalicelib.store.mailed_tokens import DynamoMailedTokenStore, mailed_token_row
from chalicelib.store.recoveries import DynamoRecoveryStore
from chalicelib.store.transactions import Transactions
from chalicelib.store.users import DynamoUserStore
from tests.aws import OUTBOX, USERS, Cloud, Wire
from tests.fakes import START, FakeClock, FakeRecoveryStore, FakeTables, FakeUserStore, public_id
from tests.mailed import mailed
from tests.samples import ORIGIN, ROWS, a_session, a_user, add, an_event

HASH = "a hash"
OLD, NEW, NEWER = "Old@example.com", "New@example.com", "Newer@example.com"


class Recoveries(MailedTokenStore, ResetStore, EmailStore, Protocol):
    """All that services ask of what mailed tokens do."""


@dataclass
class World:
    """Both stores, over the same rows, on one clock."""

    users: FakeUserStore | DynamoUserStore
    recoveries: Recoveries
    keep: Callable[[MailedTokenRecord], object]
    messages: Callable[[], int]
    clock: FakeClock

    def mail(self, purpose: Purpose, address: str, number: int = 1) -> MailedTokenRecord:
        """A token that was mailed to a user."""
        _, record = mailed(public_id(number), purpose, address, at=self.clock.now)
        self.keep(record)
        return record

    def user(self, number: int = 1) -> User:
        found = self.users.get(public_id(number))
        assert found
        return found

    def confirm(self, email: str, number: int = 1) -> EmailChange:
        before = self.user(number)
        token = self.mail(Purpose.CONFIRM, email, number)
        after = confirmed(before, email, self.clock.now)
        return self.recoveries.change_email(token, before, after)

    def undo(self, email: str, number: int = 1) -> EmailChange:
        before = self.user(number)
        token = self.mail(Purpose.UNDO, email, number)
        after = undone(before, email, self.clock.now)
        assert after
        return self.recoveries.change_email(token, before, after)

    def is_free(self, email: str) -> bool:
        try:
            add(self.users, a_user(7, email=email))
        except EmailTakenError:
            return False
        assert self.users.remove(self.user(7)) is Removal.DONE
        return True


@pytest.fixture(params=["fake", "real"])
def world(request: pytest.FixtureRequest) -> World:
    clock = FakeClock()
    if request.param == "fake":
        tables = FakeTables()
        world = World(
            FakeUserStore(tables, clock),
            FakeRecoveryStore(tables, clock),
            lambda record: tables.mailed.update({record.secret_hash: record}),
            lambda: len(tables.messages),
            clock,
        )
    else:
        cloud: Cloud = request.getfixturevalue("cloud")
        connection: Connection = request.getfixturevalue("connection")
        transactions = Transactions(connection)
        world = World(
            DynamoUserStore(connection, transactions, ROWS, clock),
            DynamoRecoveryStore(connection, transactions, clock),
            DynamoMailedTokenStore().add,
            lambda: len(cloud.rows(OUTBOX)),
            clock,
        )
    add(world.users, a_user(email=OLD))
    return world


def a_trail() -> Trail:
    message = Message(
        message_id="a-message",
        errand=Errand.PASSWORD_CHANGED,
        created_at=START,
        expires_at=START + timedelta(days=1),
    )
    return Trail(messages=(message,))


def spent(world: World, token: MailedTokenRecord) -> bool:
    """Whether a token is spent: with one that is, nothing can be done."""
    return not world.recoveries.verify_email(token, world.user())


# Finding


def test_a_token_is_found_with_the_user_whose_it_is(world: World) -> None:
    text, record = mailed(public_id(1), Purpose.RESET, OLD, password_mark="a mark")
    world.keep(record)
    token = MailedToken.parse(text)
    assert token
    facts = world.recoveries.find(token)
    assert facts.record == record
    assert facts.credentials == Credentials(a_user(email=OLD), HASH)


def test_neither_an_unknown_token_nor_nobody_is_found(world: World) -> None:
    token = MailedToken.parse(mailed(public_id(1), Purpose.RESET, OLD)[0])
    nobodys = MailedToken.parse(mailed(public_id(9), Purpose.RESET, OLD)[0])
    assert token
    assert nobodys
    assert world.recoveries.find(token).record is None
    assert world.recoveries.find(token).credentials
    assert world.recoveries.find(nobodys).credentials is None


# Resetting the password


def test_a_reset_sets_the_hash_ends_sessions_and_verifies(world: World) -> None:
    user = world.user()
    assert world.recoveries.request_email(user, NEW) is EmailChange.DONE
    token = world.mail(Purpose.RESET, OLD)
    before = Credentials(world.user(), HASH)
    assert world.recoveries.reset_password(token, before, "another hash", trail=a_trail())
    found = world.users.login_by_id(public_id(1), "a-key", ORIGIN).credentials
    assert found == Credentials(replace(user, email_verified=True, token_version=2), "another hash")
    assert world.messages() == 1
    assert spent(world, token)


def test_a_reset_is_the_change_that_was_required(world: World) -> None:
    world.users.update(public_id(1), Changes(password_change_required=True))
    assert world.user().password_change_required
    token = world.mail(Purpose.RESET, OLD)
    assert world.recoveries.reset_password(token, Credentials(world.user(), HASH), "a new hash")
    assert not world.user().password_change_required


@pytest.mark.parametrize(
    "before",
    [
        Credentials(a_user(email=OLD), "another hash"),
        Credentials(a_user(email=NEW), HASH),
        Credentials(a_user(email=OLD, token_version=2), HASH),
        Credentials(a_user(9, email=OLD), HASH),
    ],
    ids=["password", "email", "version", "nobody"],
)
def test_a_reset_of_a_user_who_is_not_as_they_were_read_does_nothing(
    world: World, before: Credentials
) -> None:
    token = world.mail(Purpose.RESET, OLD)
    assert not world.recoveries.reset_password(token, before, "a new hash", trail=a_trail())
    assert world.users.login_by_id(public_id(1), "a-key", ORIGIN).credentials == Credentials(
        a_user(email=OLD), HASH
    )
    assert world.messages() == 0
    assert not spent(world, token)


def test_with_a_spent_token_nothing_is_done(world: World) -> None:
    _, token = mailed(public_id(1), Purpose.RESET, OLD)
    user = world.user()
    after = confirmed(user, NEW, START)
    assert not world.recoveries.reset_password(token, Credentials(user, HASH), "a new hash")
    assert not world.recoveries.verify_email(token, user)
    assert world.recoveries.change_email(token, user, after) is EmailChange.STALE
    assert world.user() == user


def test_for_a_disabled_user_nothing_is_done(world: World) -> None:
    user = world.user()
    tokens = [world.mail(Purpose.RESET, OLD) for _ in range(3)]
    disabled = world.users.update(public_id(1), Changes(disabled=True))
    assert isinstance(disabled, User)
    now = replace(disabled, disabled=False)
    assert not world.recoveries.reset_password(tokens[0], Credentials(now, HASH), "a new hash")
    assert not world.recoveries.verify_email(tokens[1], user)
    assert world.recoveries.request_email(user, NEW) is EmailChange.STALE
    after = confirmed(now, NEW, START)
    assert world.recoveries.change_email(tokens[2], now, after) is EmailChange.STALE
    assert world.user() == disabled


# Verifying


def test_an_address_is_verified_and_no_session_ends(world: World) -> None:
    token = world.mail(Purpose.VERIFY, OLD)
    assert world.recoveries.verify_email(token, world.user(), trail=a_trail())
    assert world.user() == a_user(email=OLD, email_verified=True)
    assert world.messages() == 1
    assert spent(world, token)


def test_another_address_than_was_read_is_not_verified(world: World) -> None:
    token = world.mail(Purpose.VERIFY, OLD)
    assert not world.recoveries.verify_email(token, a_user(email=NEW))
    assert not world.user().email_verified


# Importing somebody


def test_whoever_is_imported_gets_no_address_that_is_held(world: World) -> None:
    assert world.confirm(NEW) is EmailChange.DONE
    claim = Claim(public_id(2), OLD.lower(), "user 2")
    arrival = Arrival(
        Credentials(a_user(2, email=OLD), "a hash"), an_event(owner=2, act=Act.IMPORTED)
    )
    assert world.users.owners([claim]) == [Owners(HELD, None, None)]
    assert not world.users.add_all([arrival])
    world.clock.step(seconds=HELD_FOR.total_seconds())
    assert world.users.owners([claim]) == [Owners(None, None, None)]
    assert world.users.add_all([arrival])
    assert world.users.find_by_email(OLD.lower()) == a_user(2, email=OLD)


# Wanting another address


def test_a_wanted_address_is_kept_replaced_and_taken_back(world: World) -> None:
    for wanted in (NEW, NEWER, None):
        assert world.recoveries.request_email(world.user(), wanted, trail=a_trail()) is (
            EmailChange.DONE
        )
        assert world.user() == a_user(email=OLD, pending_email=wanted)
    assert world.is_free(NEW)


def test_an_address_of_somebody_else_cannot_be_wanted(world: World) -> None:
    add(world.users, a_user(2, email="NEW@example.com"))
    assert world.recoveries.request_email(world.user(), NEW, trail=a_trail()) is EmailChange.TAKEN
    assert world.user().pending_email is None
    assert world.messages() == 0


def test_an_address_that_is_held_for_somebody_else_cannot_be_wanted(world: World) -> None:
    add(world.users, a_user(2))
    assert world.confirm(NEW) is EmailChange.DONE
    assert world.recoveries.request_email(world.user(2), OLD) is EmailChange.TAKEN
    assert world.recoveries.request_email(world.user(1), OLD) is EmailChange.DONE
    world.clock.step(seconds=HELD_FOR.total_seconds())
    assert world.recoveries.request_email(world.user(2), OLD) is EmailChange.DONE


def test_whose_sessions_have_ended_since_they_were_read_wants_nothing_more(world: World) -> None:
    # By another password, say: who knew the old one must not be mailed a link after all.
    user = world.user()
    world.users.raise_token_version(public_id(1))
    for wanted in (NEW, None):
        found = world.recoveries.request_email(user, wanted, trail=a_trail())
        assert found is EmailChange.STALE
    assert world.user() == replace(user, token_version=2)
    assert world.messages() == 0
    assert world.recoveries.request_email(world.user(), NEW) is EmailChange.DONE


def test_a_user_with_another_address_than_was_read_wants_nothing(world: World) -> None:
    found = world.recoveries.request_email(a_user(email=NEW), NEWER, trail=a_trail())
    assert found is EmailChange.STALE
    assert world.user().pending_email is None
    assert world.messages() == 0


def test_another_spelling_of_ones_own_address_can_be_wanted(world: World) -> None:
    assert world.recoveries.request_email(world.user(), OLD.upper()) is EmailChange.DONE


def test_a_username_and_metadata_change_with_the_wish(world: World) -> None:
    changes = Changes(renaming=Renaming("User 1", "Zoë"), metadata={"a": 1})
    assert world.recoveries.request_email(world.user(), NEW, changes) is EmailChange.DONE
    renamed = a_user(email=OLD, username="Zoë", metadata={"a": 1}, pending_email=NEW)
    assert world.user() == renamed == world.users.find_by_username("zoë")
    assert world.users.find_by_username("user 1") is None
    respelt = Changes(renaming=Renaming("Zoë", "ZOË"))
    assert world.recoveries.request_email(world.user(), None, respelt) is EmailChange.DONE
    assert world.user() == replace(renamed, username="ZOË", pending_email=None)


def test_of_a_wish_and_what_goes_with_it_all_is_done_or_nothing(world: World) -> None:
    add(world.users, a_user(2))
    taken, free = (Changes(renaming=Renaming("User 1", name)) for name in ("USER 2", "Zoë"))
    stale = Changes(renaming=Renaming("Another", "Zoë"))
    respelt = Changes(renaming=Renaming("USER 1", "uSER 1"))
    with pytest.raises(UsernameTakenError):
        world.recoveries.request_email(world.user(), NEW, taken, trail=a_trail())
    with pytest.raises(UsernameTakenError):
        world.recoveries.request_email(world.user(), None, taken, trail=a_trail())
    for wanted, changes, ended in (
        ("user-2@example.com", free, EmailChange.TAKEN),
        ("user-2@example.com", taken, EmailChange.TAKEN),
        (NEW, stale, EmailChange.STALE),
        (None, stale, EmailChange.STALE),
        (None, respelt, EmailChange.STALE),
    ):
        found = world.recoveries.request_email(world.user(), wanted, changes, trail=a_trail())
        assert found is ended
    assert world.user() == a_user(email=OLD) == world.users.find_by_username("user 1")
    assert world.users.find_by_username("zoë") is None
    assert world.messages() == 0


# Changing it


def test_a_confirmed_address_takes_the_old_ones_place(world: World) -> None:
    world.recoveries.request_email(world.user(), NEW)
    assert world.confirm(NEW) is EmailChange.DONE
    former = (FormerEmail(OLD, START + HELD_FOR),)
    expected = a_user(email=NEW, email_verified=True, token_version=2, former_emails=former)
    assert world.user() == expected
    assert world.users.find_by_email("new@example.com") == expected
    found = world.users.login_by_email("new@example.com", "a-key", ORIGIN).credentials
    assert found == Credentials(expected, HASH)


def test_a_change_of_address_leaves_its_trail_if_it_is_made(world: World) -> None:
    before = world.user()
    after = confirmed(before, NEW, world.clock.now)
    stale = replace(before, token_version=5)
    token = world.mail(Purpose.CONFIRM, NEW)
    changed = world.recoveries.change_email(token, stale, after, trail=a_trail())
    assert (changed, world.messages()) == (EmailChange.STALE, 0)
    changed = world.recoveries.change_email(token, before, after, trail=a_trail())
    assert (changed, world.messages()) == (EmailChange.DONE, 1)


def test_by_a_held_address_nobody_is_found_and_nobody_gets_it(world: World) -> None:
    world.confirm(NEW)
    assert world.users.find_by_email("old@example.com") is None
    assert world.users.login_by_email("old@example.com", "a-key", ORIGIN).credentials is None
    assert not world.is_free("OLD@example.com")
    world.clock.step(seconds=HELD_FOR.total_seconds() - 1)
    assert not world.is_free(OLD)


def test_a_held_address_is_free_when_its_time_is_over_and_its_row_still_there(
    world: World,
) -> None:
    world.confirm(NEW)
    world.clock.step(seconds=HELD_FOR.total_seconds())
    add(world.users, a_user(2, email=OLD))
    assert world.users.find_by_email("old@example.com") == world.user(2)
    # Whoever had it does not take it along when they go.
    assert world.users.remove(world.user(1)) is Removal.DONE
    assert world.users.find_by_email("old@example.com") == world.user(2)


def test_an_address_that_was_taken_meanwhile_is_not_given(world: World) -> None:
    world.recoveries.request_email(world.user(), NEW)
    add(world.users, a_user(2, email=NEW))
    before = world.user()
    assert world.confirm(NEW) is EmailChange.TAKEN
    assert world.user() == before
    assert not world.is_free(OLD)


@pytest.mark.parametrize(
    "changes",
    [
        {"email": NEWER},
        {"token_version": 5},
        {"pending_email": NEWER},
        {"former_emails": (FormerEmail(NEWER, START + HELD_FOR),)},
    ],
    ids=str,
)
def test_a_user_who_is_not_as_they_were_read_gets_no_other_address(
    world: World, changes: dict[str, object]
) -> None:
    before = world.user()
    token = world.mail(Purpose.CONFIRM, NEW)
    read = replace(before, **changes)  # type: ignore[arg-type] # named by the test
    after = confirmed(read, NEW, START)
    assert world.recoveries.change_email(token, read, after) is EmailChange.STALE
    assert world.user() == before
    assert world.is_free(NEW)
    assert not spent(world, token)


def test_another_spelling_takes_the_old_ones_place_and_holds_nothing(world: World) -> None:
    assert world.confirm("OLD@example.com") is EmailChange.DONE
    assert world.user().email == "OLD@example.com"
    assert world.users.find_by_email("old@example.com") == world.user()
    assert world.undo(OLD) is EmailChange.DONE
    assert world.users.find_by_email("old@example.com") == world.user()
    assert (world.user().email, world.user().former_emails) == (OLD, ())


# Putting a former one back


def test_a_former_address_is_put_back_after_one_change(world: World) -> None:
    world.confirm(NEW)
    world.recoveries.request_email(world.user(), NEWER)
    assert world.undo(OLD) is EmailChange.DONE
    assert world.user() == a_user(email=OLD, email_verified=True, token_version=3)
    assert world.users.find_by_email("old@example.com") == world.user()
    assert world.users.find_by_email("new@example.com") is None
    assert world.is_free(NEW)


def test_a_former_address_is_put_back_after_several_changes(world: World) -> None:
    world.confirm(NEW)
    world.clock.step(minutes=1)
    world.confirm(NEWER)
    assert not world.is_free(NEW)
    assert world.undo(OLD) is EmailChange.DONE
    assert world.user().former_emails == ()
    assert world.is_free(NEW)
    assert world.is_free(NEWER)


def test_what_came_before_a_former_address_is_still_held(world: World) -> None:
    world.confirm(NEW)
    world.clock.step(minutes=1)
    world.confirm(NEWER)
    assert world.undo(NEW) is EmailChange.DONE
    assert world.user().email == NEW
    assert world.user().former_emails == (FormerEmail(OLD, START + HELD_FOR),)
    assert not world.is_free(OLD)
    assert world.is_free(NEWER)
    assert world.undo(OLD) is EmailChange.DONE


def test_an_address_that_was_had_twice_is_held_as_of_the_last_time(world: World) -> None:
    world.confirm(NEW)
    world.clock.step(minutes=1)
    world.confirm(OLD)
    assert world.users.find_by_email("old@example.com") == world.user()
    world.clock.step(minutes=1)
    world.confirm(NEWER)
    world.clock.step(seconds=HELD_FOR.total_seconds() - 120)
    assert not world.is_free(OLD)
    assert world.undo(OLD) is EmailChange.DONE


# Leaving


def test_whoever_leaves_leaves_every_held_address(world: World) -> None:
    world.confirm(NEW)
    world.confirm(NEWER)
    assert world.users.remove(world.user()) is Removal.DONE
    for email in (OLD, NEW, NEWER):
        assert world.is_free(email)


def test_whoever_changes_their_address_meanwhile_does_not_leave(world: World) -> None:
    before = world.user()
    world.confirm(OLD.upper())
    same_email = replace(before, email=OLD.upper())
    assert world.users.remove(same_email) is Removal.CHANGED


def test_a_new_password_takes_a_wish_back(world: World) -> None:
    world.recoveries.request_email(world.user(), NEW)
    session = a_session(world.user(), token_version=2)
    before = Credentials(world.user(), HASH)
    changed = world.users.change_password(before, "a new hash", session, ORIGIN.failures)
    assert changed is Outcome.DONE
    assert world.user().pending_email is None


# Markers that another clock, a little ahead, has given to somebody else already


real_alone = pytest.mark.parametrize("world", ["real"], indirect=True)


def _give(cloud: Cloud, email: str) -> dict[str, dict[str, str]]:
    marker = {"pk": {"S": f"email#{email.lower()}"}, "public_id": {"S": public_id(2)}}
    cloud.dynamodb.put_item(TableName=USERS, Item=marker)
    return marker


@real_alone
def test_an_address_is_not_held_in_the_place_of_somebody_who_has_it(
    world: World, cloud: Cloud
) -> None:
    marker = _give(cloud, OLD)
    assert world.confirm(NEW) is EmailChange.STALE
    assert marker in cloud.rows()


@real_alone
def test_an_address_that_is_given_up_is_not_taken_from_somebody_who_has_it(
    world: World, cloud: Cloud
) -> None:
    world.confirm(NEW)
    world.confirm(NEWER)
    marker = _give(cloud, NEW)
    assert world.undo(OLD) is EmailChange.STALE
    assert marker in cloud.rows()


@real_alone
def test_whoever_leaves_takes_no_address_along_that_somebody_has(
    world: World, cloud: Cloud
) -> None:
    world.confirm(NEW)
    marker = _give(cloud, OLD)
    assert world.users.remove(world.user()) is Removal.CHANGED
    assert marker in cloud.rows()


# Faults, of the real store alone


@pytest.fixture
def real(cloud: Cloud, connection: Connection) -> DynamoRecoveryStore:
    del cloud
    return DynamoRecoveryStore(connection, Transactions(connection), FakeClock())


def test_an_outage_is_told(real: DynamoRecoveryStore, wire: Wire) -> None:
    wire.refuse("dynamodb.", "InternalServerError")
    text, record = mailed(public_id(1), Purpose.RESET, OLD)
    token, user = MailedToken.parse(text), a_user()
    assert token
    for call in (
        lambda: real.find(token),
        lambda: real.reset_password(record, Credentials(user, HASH), "a new hash"),
        lambda: real.verify_email(record, user),
        lambda: real.request_email(user, NEW),
        lambda: real.change_email(record, user, confirmed(user, NEW, START)),
    ):
        with pytest.raises(UnavailableError):
            call()


def test_a_token_for_what_only_a_later_version_does_is_none(real: DynamoRecoveryStore) -> None:
    text, record = mailed(public_id(1), Purpose.RESET, OLD)
    token = MailedToken.parse(text)
    assert token
    row = mailed_token_row(record)
    row.purpose = "fly"
    row.save()
    assert real.find(token).record is None


def test_a_token_and_its_user_are_one_consistent_read(
    real: DynamoRecoveryStore, wire: Wire
) -> None:
    token = MailedToken.parse(mailed(public_id(1), Purpose.RESET, OLD)[0])
    assert token
    real.find(token)
    (call,) = wire.calls
    (table,) = call.body["RequestItems"].values()
    assert call.operation == "dynamodb.BatchGetItem"
    assert table["ConsistentRead"] is True
    assert len(table["Keys"]) == 2
