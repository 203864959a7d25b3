"""The fake and the real store keep one contract: chalicelib.services says what it is."""

from datetime import timedelta
from typing import Any, Protocol

import pytest
from pynamodb.connection import Connection

from chalicelib.domain.activity import OPERATOR, Act, Event
from chalicelib.domain.attempts import KnownAddress, LoginFacts, Outcome, Tally
from chalicelib.domain.changes import Changes, Renaming, Unchanged
from chalicelib.domain.errors import EmailTakenError, UsernameTakenError, UserNotFoundError
from chalicelib.domain.imports import Arrival, Claim, Owners
from chalicelib.domain.names import fold
from chalicelib.domain.users import Credentials, Removal, User
from chalicelib.services.administration import OperatorStore
from chalicelib.services.courier import AccountStore
from chalicelib.services.credentials import PasswordStore
from chalicelib.services.imports import BATCH, ImportStore
from chalicelib.services.sessions import CredentialStore
from chalicelib.store.items import EventItem
from chalicelib.store.transactions import Transactions
from chalicelib.store.users import DynamoUserStore
from tests.aws import Cloud
from tests.fakes import START, FakeUserStore, public_id
from tests.samples import CLIENT, ORIGIN, ROWS, a_count, a_session, a_user, add


class Users(OperatorStore, CredentialStore, PasswordStore, AccountStore, ImportStore, Protocol):
    """All that services ask of users."""


@pytest.fixture(params=["fake", "real"])
def users(request: pytest.FixtureRequest) -> Users:
    if request.param == "fake":
        return FakeUserStore()
    request.getfixturevalue("cloud")
    connection: Connection = request.getfixturevalue("connection")
    return DynamoUserStore(connection, Transactions(connection), ROWS)


def _by_email(users: Users, key: str) -> Credentials | None:
    return users.login_by_email(key, "a-key", ORIGIN).credentials


def _by_username(users: Users, key: str) -> Credentials | None:
    return users.login_by_username(key, "a-key", ORIGIN).credentials


def _walk(users: Users, limit: int) -> list[list[str]]:
    """All pages, as public ids."""
    pages = []
    position = None
    while True:
        page = users.page(limit, position)
        pages.append([user.public_id for user in page.users])
        position = page.next_position
        if position is None:
            return pages


# Reading credentials


def test_credentials_are_found_by_identifier_and_by_address(users: Users) -> None:
    user = a_user(email="Zoë@Example.com", pending_email="New@Example.com")
    add(users, user, "a hash")
    add(users, a_user(2), "another hash")
    assert users.credentials(user.public_id) == Credentials(user, "a hash")
    assert users.credentials_by_email(fold("zoë@EXAMPLE.com")) == Credentials(user, "a hash")


def test_nobody_has_no_credentials(users: Users) -> None:
    add(users, a_user(1))
    assert users.credentials(public_id(2)) is None
    assert users.credentials_by_email("nobody@example.com") is None
    assert users.credentials_by_email("User 1") is None


# Adding


def test_a_user_is_read_back_as_added(users: Users) -> None:
    user = a_user(
        email="Zoë@Example.com",
        username="Zoë 🦊",
        registered_on=START + timedelta(microseconds=123_456),
        token_version=7,
        admin=True,
        disabled=True,
        email_verified=True,
        metadata={"ключ": [1, 2.5, None, {"a": ""}], "empty": {}},
    )
    add(users, user)
    assert users.get(user.public_id) == user
    assert users.find_by_email("zoë@example.com") == user
    assert users.find_by_username("zoë 🦊") == user
    assert _by_email(users, "zoë@example.com") == Credentials(user, "a hash")
    assert _by_username(users, "zoë 🦊") == Credentials(user, "a hash")


def test_a_user_is_added_without_a_session(users: Users) -> None:
    assert users.add(a_user(1), "a hash", None)
    assert _by_email(users, "user-1@example.com") == Credentials(a_user(1), "a hash")
    for taken in ({"email": "user-1@example.com"}, {"username": "User 1"}):
        with pytest.raises((EmailTakenError, UsernameTakenError)):
            users.add(a_user(2, **taken), "a hash", None)


def test_a_user_is_added_with_only_what_they_must_have(users: Users) -> None:
    add(users, a_user())
    assert users.get(public_id(1)) == a_user()


@pytest.mark.parametrize(
    "email", ["User-1@Example.com", "USER-1@EXAMPLE.COM", "user-1@example.com"]
)
def test_add_refuses_an_email_in_use(users: Users, email: str) -> None:
    add(users, a_user(1))
    with pytest.raises(EmailTakenError):
        add(users, a_user(2, email=email))


@pytest.mark.parametrize(
    "username", ["User 1", "uSER 1", "\uff55\uff53\uff45\uff52 \uff11", "User\xa01"]
)
def test_add_refuses_a_username_in_use(users: Users, username: str) -> None:
    add(users, a_user(1))
    with pytest.raises(UsernameTakenError):
        add(users, a_user(2, username=username))


def test_of_two_names_in_use_the_email_is_named(users: Users) -> None:
    add(users, a_user(1))
    add(users, a_user(2))
    for email, username in (("user-1@example.com", "User 1"), ("user-1@example.com", "User 2")):
        with pytest.raises(EmailTakenError):
            add(users, a_user(3, email=email, username=username))


@pytest.mark.parametrize(
    "names", [{"email": "user-1@example.com"}, {"username": "User 1"}], ids=["email", "username"]
)
def test_a_refused_user_leaves_nothing_behind(users: Users, names: dict[str, str]) -> None:
    add(users, a_user(1))
    refused = a_user(2, **names)
    with pytest.raises((EmailTakenError, UsernameTakenError)):
        add(users, refused)
    assert users.get(refused.public_id) is None
    assert _walk(users, 10) == [[public_id(1)]]
    add(users, a_user(2))
    assert users.find_by_email("user-2@example.com") == a_user(2)
    assert users.find_by_username("user 2") == a_user(2)


def test_an_email_and_a_username_of_the_same_text_do_not_meet(users: Users) -> None:
    add(users, a_user(1, email="a@example.com", username="b@example.com"))
    add(users, a_user(2, email="b@example.com", username="a@example.com"))
    assert users.find_by_email("a@example.com") == users.get(public_id(1))
    assert users.find_by_username("a@example.com") == users.get(public_id(2))


# Finding


def test_nobody_is_found(users: Users) -> None:
    add(users, a_user(1))
    assert users.get(public_id(2)) is None
    assert users.find_by_email("user-2@example.com") is None
    assert users.find_by_username("user 2") is None
    assert _by_email(users, "user-2@example.com") is None
    assert _by_username(users, "user 2") is None


@pytest.mark.parametrize(
    "key", ["", "nobody", "user#nobody", "email#user-1@example.com", public_id(1), "#", "\x00"]
)
def test_no_key_leads_to_anything_but_a_name(users: Users, key: str) -> None:
    add(users, a_user(1))
    if key not in ("", public_id(1)):
        assert users.get(key) is None
    assert users.find_by_email(key) is None
    assert users.find_by_username(key) is None
    assert _by_email(users, key) is None


def test_a_marker_is_not_a_user(users: Users) -> None:
    add(users, a_user(1, username="x"))
    for key in ("x", "username#x", "user-1@example.com"):
        assert users.get(key) is None


# Removing


def test_a_removed_user_is_gone_and_their_names_are_free(users: Users) -> None:
    add(users, a_user(1))
    add(users, a_user(2))
    users.remove(a_user(1), None)
    assert users.get(public_id(1)) is None
    assert users.find_by_email("user-1@example.com") is None
    assert users.find_by_username("user 1") is None
    assert _walk(users, 10) == [[public_id(2)]]
    again = a_user(3, email="USER-1@example.com", username="USER 1")
    add(users, again)
    assert users.find_by_email("user-1@example.com") == again


def test_removing_nobody_is_refused(users: Users) -> None:
    add(users, a_user(1))
    assert users.remove(a_user(2), None) is Removal.CHANGED
    assert users.get(public_id(1)) == a_user(1)


@pytest.mark.parametrize(
    "stale",
    [
        {"email": "old@example.com"},
        {"email": "USER-1@example.com"},
        {"username": "old"},
        {"username": "USER 1"},
        {"admin": True},
    ],
    ids=str,
)
def test_a_user_who_is_not_as_they_were_read_is_not_removed(
    users: Users, stale: dict[str, Any]
) -> None:
    add(users, a_user(1))
    assert users.remove(a_user(1, **stale), None) is Removal.CHANGED
    assert users.get(public_id(1)) == a_user(1)
    assert users.find_by_email("user-1@example.com") == a_user(1)
    assert users.find_by_username("user 1") == a_user(1)


def test_a_user_is_removed_once(users: Users) -> None:
    add(users, a_user(1))
    assert users.remove(a_user(1), None) is Removal.DONE
    assert users.remove(a_user(1), None) is Removal.CHANGED


# Changing


def test_a_hash_is_replaced_by_whoever_knows_the_present_one(users: Users) -> None:
    add(users, a_user(1))
    users.replace_password_hash(public_id(1), "a hash", "a better hash")
    assert _by_email(users, "user-1@example.com") == Credentials(a_user(1), "a better hash")


def test_a_hash_that_has_changed_meanwhile_is_left_alone(users: Users) -> None:
    add(users, a_user(1))
    users.replace_password_hash(public_id(1), "another hash", "a better hash")
    assert _by_email(users, "user-1@example.com") == Credentials(a_user(1), "a hash")


def test_replacing_the_hash_of_nobody_makes_nobody(users: Users) -> None:
    users.replace_password_hash(public_id(1), "a hash", "a better hash")
    assert users.get(public_id(1)) is None
    assert _walk(users, 10) == [[]]


def test_an_admin_is_made_and_the_rest_stays(users: Users) -> None:
    user = a_user(1, metadata={"a": 1}, token_version=3)
    add(users, user)
    granted = users.update(public_id(1), Changes(admin=True))
    assert granted == users.get(public_id(1))
    assert granted == a_user(1, metadata={"a": 1}, token_version=3, admin=True)
    assert _by_email(users, "user-1@example.com") == Credentials(granted, "a hash")
    assert users.update(public_id(1), Changes(admin=True)) == granted


def test_disabling_ends_every_session_and_enabling_revives_none(users: Users) -> None:
    add(users, a_user(1))
    disabled = users.update(public_id(1), Changes(disabled=True))
    assert disabled == a_user(1, disabled=True, token_version=2) == users.get(public_id(1))
    assert users.update(public_id(1), Changes(disabled=False)) == a_user(1, token_version=2)
    both = users.update(public_id(1), Changes(admin=True, disabled=True))
    assert both == a_user(1, admin=True, disabled=True, token_version=3)


def test_a_right_is_taken_away_while_somebody_else_is_an_admin(users: Users) -> None:
    add(users, a_user(1, admin=True))
    add(users, a_user(2, admin=True))
    demoted = users.update(public_id(1), Changes(admin=False), other_admin=public_id(2))
    assert demoted == a_user(1) == users.get(public_id(1))


@pytest.mark.parametrize(
    "other", [a_user(2), a_user(2, admin=True, disabled=True), a_user(3, admin=True)]
)
def test_a_right_is_not_taken_away_if_the_other_is_no_enabled_admin(
    users: Users, other: User
) -> None:
    add(users, a_user(1, admin=True))
    add(users, other)
    for loss in (Changes(admin=False), Changes(disabled=True)):
        refused = users.update(public_id(1), loss, other_admin=public_id(2))
        assert refused is Unchanged.NO_OTHER_ADMIN
    assert users.remove(a_user(1, admin=True), public_id(2)) is Removal.NO_OTHER_ADMIN
    assert users.get(public_id(1)) == a_user(1, admin=True)


@pytest.mark.parametrize("former", [a_user(1), a_user(1, admin=True, disabled=True)])
def test_only_an_enabled_admin_changes_their_own_rights(users: Users, former: User) -> None:
    add(users, former)
    add(users, a_user(2, admin=True))
    for changes in (
        Changes(admin=True),
        Changes(disabled=False),
        _renamed("User 1", "Zoë", admin=True),
        _renamed("User 1", "User 2", admin=True),
        _renamed("Another", "Zoë", admin=True),
    ):
        for other in (None, public_id(2), public_id(3)):
            refused = users.update(public_id(1), changes, other_admin=other, by_themselves=True)
            assert refused is Unchanged.NOT_AS_CALLED
    assert users.get(public_id(1)) == former == users.find_by_username("user 1")
    gone = users.update(public_id(3), Changes(admin=True), by_themselves=True)
    assert gone is Unchanged.NOT_AS_CALLED


def test_an_enabled_admin_changes_their_own_rights(users: Users) -> None:
    add(users, a_user(1, admin=True))
    add(users, a_user(2, admin=True))
    both = _renamed("User 1", "Zoë", admin=True)
    changed = users.update(public_id(1), both, by_themselves=True)
    assert changed == a_user(1, admin=True, username="Zoë") == users.get(public_id(1))
    lost = users.update(
        public_id(1), Changes(admin=False), other_admin=public_id(2), by_themselves=True
    )
    assert lost == a_user(1, username="Zoë") == users.get(public_id(1))


def test_nobody_is_given_a_right(users: Users) -> None:
    add(users, a_user(2, admin=True))
    for other in (None, public_id(2)):
        with pytest.raises(UserNotFoundError):
            users.update(public_id(1), Changes(admin=True), other_admin=other)
    assert users.get(public_id(1)) is None


def test_an_admin_is_removed_while_somebody_else_is_one(users: Users) -> None:
    add(users, a_user(1, admin=True))
    add(users, a_user(2, admin=True))
    assert users.remove(a_user(1, admin=True), public_id(2)) is Removal.DONE
    assert users.get(public_id(1)) is None


def test_the_enabled_admins_are_found_among_all_users(users: Users) -> None:
    for number in range(9):
        add(users, a_user(number, admin=number % 3 == 0, disabled=number == 6))
    assert set(users.admins()) == {public_id(0), public_id(3)}


def test_no_admins_are_found_where_there_are_none(users: Users) -> None:
    add(users, a_user(1))
    assert list(users.admins()) == []


# Sessions and passwords


def test_all_sessions_of_a_user_end_by_one_number(users: Users) -> None:
    add(users, a_user(1, token_version=4))
    users.raise_token_version(public_id(1))
    assert users.get(public_id(1)) == a_user(1, token_version=5)


def test_nobody_has_no_sessions_to_end(users: Users) -> None:
    with pytest.raises(UserNotFoundError):
        users.raise_token_version(public_id(1))
    assert users.get(public_id(1)) is None


def test_a_password_is_changed_by_whoever_knows_the_present_hash_and_version(users: Users) -> None:
    user = a_user(1, token_version=4)
    add(users, user)
    session = a_session(a_user(1, token_version=5), number=9)
    for stale in (
        Credentials(user, "another hash"),
        Credentials(a_user(1, token_version=3), "a hash"),
        Credentials(a_user(2, token_version=4), "a hash"),
    ):
        changed = users.change_password(stale, "a new hash", session, a_count("an attempt"))
        assert changed is Outcome.CHANGED
        assert _by_email(users, "user-1@example.com") == Credentials(user, "a hash")
    right = Credentials(user, "a hash")
    changed = users.change_password(right, "a new hash", session, a_count("an attempt"))
    assert changed is Outcome.DONE
    assert users.login_by_id(public_id(1), "a-key", ORIGIN) == LoginFacts(
        Credentials(a_user(1, token_version=5), "a new hash"),
        key_revoked=False,
        address=KnownAddress.of(session),
        failures_from_address=0,
        attempts=Tally(ORIGIN.of_account(public_id(1)), 0),
        attempts_at_address=Tally(ORIGIN.at_known_address(public_id(1)), 0),
    )


# Listing


def _add(users: Users, numbers: range, *, same_time: bool = False) -> list[str]:
    """Add users, one a second; their public ids, newest first."""
    for number in numbers:
        at = START if same_time else START + timedelta(seconds=number)
        add(users, a_user(number, registered_on=at))
    return [public_id(number) for number in reversed(numbers)]


def test_an_empty_list_is_one_empty_page(users: Users) -> None:
    assert _walk(users, 10) == [[]]


@pytest.mark.parametrize("limit", [1, 5, 12, 13])
def test_users_are_listed_newest_first_whatever_the_page(users: Users, limit: int) -> None:
    newest_first = _add(users, range(12))
    pages = _walk(users, limit)
    assert [user for page in pages for user in page] == newest_first
    assert all(len(page) == limit for page in pages[:-1])
    assert 1 <= len(pages[-1]) <= limit


@pytest.mark.parametrize("count", [1, 3, 6])
def test_a_page_that_holds_all_there_is_is_the_last(users: Users, count: int) -> None:
    _add(users, range(count))
    page = users.page(count, None)
    assert len(page.users) == count
    assert page.next_position is None


@pytest.mark.parametrize("limit", [3, 9])
def test_users_of_the_same_moment_are_listed_once_each(users: Users, limit: int) -> None:
    expected = _add(users, range(10), same_time=True)
    assert [user for page in _walk(users, limit) for user in page] == expected


def test_a_microsecond_orders_users(users: Users) -> None:
    for number, microseconds in ((1, 5), (2, 100), (3, 0), (4, 99)):
        at = START + timedelta(microseconds=microseconds)
        add(users, a_user(number, registered_on=at))
    assert _walk(users, 10) == [[public_id(number) for number in (2, 4, 1, 3)]]


def test_pages_neither_repeat_nor_miss_anybody_while_users_come_and_go(users: Users) -> None:
    before = _add(users, range(12))
    first = users.page(4, None)
    # The last one shown leaves, two who are still to come leave, and two are new.
    for number in (8, 7, 2):
        users.remove(a_user(number), None)
    add(users, a_user(20, registered_on=START + timedelta(minutes=1)))
    add(users, a_user(21, registered_on=START + timedelta(minutes=2)))
    seen = [user.public_id for user in first.users]
    position = first.next_position
    while position is not None:
        page = users.page(4, position)
        seen += [user.public_id for user in page.users]
        position = page.next_position
    assert seen == [user for user in before if user not in (public_id(7), public_id(2))]


def test_a_list_shows_everything_about_a_user(users: Users) -> None:
    user = a_user(
        token_version=3, admin=True, disabled=True, email_verified=True, metadata={"a": [1]}
    )
    add(users, user)
    assert users.page(10, None).users == (user,)


# Changing usernames, metadata, and several things at once


def _renamed(before: str, after: str, **rest: Any) -> Changes:
    return Changes(renaming=Renaming(before, after), **rest)


def test_a_username_is_replaced_and_the_old_one_is_free(users: Users) -> None:
    add(users, a_user(1))
    renamed = a_user(1, username="Zoë")
    assert users.update(public_id(1), _renamed("User 1", "Zoë")) == renamed
    assert users.get(public_id(1)) == renamed == users.find_by_username("zoë")
    assert users.find_by_username("user 1") is None
    assert _by_username(users, "zoë") == Credentials(renamed, "a hash")
    add(users, a_user(2, username="user 1"))


def test_a_username_is_spelt_in_another_way(users: Users) -> None:
    add(users, a_user(1))
    for before, after in (("User 1", "USER 1"), ("USER 1", "USER 1"), ("USER 1", "user \uff11")):
        assert users.update(public_id(1), _renamed(before, after)) == a_user(1, username=after)
        assert users.find_by_username("user 1") == a_user(1, username=after)


def test_a_username_that_is_in_use_is_refused_in_any_spelling(users: Users) -> None:
    for number in (1, 2):
        add(users, a_user(number))
    for taken in ("User 2", "USER 2"):
        with pytest.raises(UsernameTakenError):
            users.update(public_id(1), _renamed("User 1", taken, metadata={"a": 1}))
    assert users.get(public_id(1)) == a_user(1) == users.find_by_username("user 1")
    assert users.find_by_username("user 2") == a_user(2)


@pytest.mark.parametrize("after", ["USER 1", "Zoë"])
def test_a_username_that_is_not_as_it_was_read_stays(users: Users, after: str) -> None:
    add(users, a_user(1))
    for before in ("user 1", "Somebody"):
        changes = _renamed(before, after, metadata={"a": 1})
        assert users.update(public_id(1), changes) is Unchanged.OTHER_USERNAME
    assert users.get(public_id(1)) == a_user(1) == users.find_by_username("user 1")
    assert users.find_by_username("zoë") is None


def test_nobody_is_renamed(users: Users) -> None:
    for after in ("USER 1", "Zoë"):
        changes = _renamed("User 1", after)
        assert users.update(public_id(1), changes) is Unchanged.OTHER_USERNAME
    with pytest.raises(UserNotFoundError):
        users.update(public_id(1), Changes(metadata={}))
    add(users, a_user(2, username="Zoë"))
    assert _walk(users, 10) == [[public_id(2)]]


def test_a_user_with_another_username_leaves_with_it(users: Users) -> None:
    add(users, a_user(1))
    users.update(public_id(1), _renamed("User 1", "Zoë"))
    assert users.remove(a_user(1), None) is Removal.CHANGED
    assert users.remove(a_user(1, username="Zoë"), None) is Removal.DONE
    assert users.find_by_username("zoë") is None


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"a": None, "b": [], "": {"": ""}},
        {"big": 12345678901234567890123, "small": -0.0, "tiny": 5e-324, "long": 0.1 + 0.2},
        {"ключ": "🦊\u2028", "list": [True, False, 1, 1.0, "1"]},
    ],
)
def test_metadata_is_kept_as_it_is(users: Users, metadata: dict[str, Any]) -> None:
    add(users, a_user(1, metadata={"gone": 1}))
    changed = users.update(public_id(1), Changes(metadata=metadata))
    assert changed == users.get(public_id(1)) == a_user(1, metadata=metadata)
    assert isinstance(changed, User)
    assert repr(changed.metadata) == repr(metadata), "1 is not 1.0"
    assert users.page(10, None).users == (changed,)


def test_all_changes_are_made_or_none(users: Users) -> None:
    add(users, a_user(1, admin=True))
    add(users, a_user(2, admin=True))
    changes = _renamed(
        "User 1", "Zoë", metadata={"a": 1}, admin=False, password_change_required=True
    )
    refused = users.update(public_id(1), changes, other_admin=public_id(3))
    assert refused is Unchanged.NO_OTHER_ADMIN
    assert users.get(public_id(1)) == a_user(1, admin=True) == users.find_by_username("user 1")
    changed = users.update(public_id(1), changes, other_admin=public_id(2))
    assert changed == users.get(public_id(1))
    assert changed == a_user(
        1, username="Zoë", metadata={"a": 1}, password_change_required=True, token_version=2
    )


def test_a_required_change_of_the_password_is_over_with_the_change(users: Users) -> None:
    add(users, a_user(1))
    users.update(public_id(1), Changes(password_change_required=True, disabled=True))
    before = a_user(1, password_change_required=True, disabled=True, token_version=2)
    assert _by_email(users, "user-1@example.com") == Credentials(before, "a hash")
    lifted = users.update(public_id(1), Changes(password_change_required=False))
    assert lifted == a_user(1, disabled=True, token_version=2), "what has ended stays ended"
    users.update(public_id(1), Changes(password_change_required=True, disabled=False))
    found = _by_email(users, "user-1@example.com")
    assert found is not None
    session = a_session(a_user(1, token_version=4))
    changed = users.change_password(found, "a new hash", session, a_count("an attempt"))
    assert changed is Outcome.DONE
    assert users.get(public_id(1)) == a_user(1, token_version=4)


def test_a_user_is_read_back_as_added_if_the_password_has_to_be_changed(users: Users) -> None:
    add(users, a_user(1, password_change_required=True))
    assert users.get(public_id(1)) == a_user(1, password_change_required=True)


# Many at once


def arrivals_of(*users: User) -> list[Arrival]:
    return [
        Arrival(
            Credentials(user, f"hash of {user.username}"),
            Event(
                public_id=user.public_id,
                event_id=f"event of {user.public_id}",
                act=Act.IMPORTED,
                at=START,
                expires_at=START + timedelta(days=90),
                client=CLIENT,
                actor=OPERATOR,
            ),
        )
        for user in users
    ]


def test_a_whole_batch_arrives_in_one_step(users: Users) -> None:
    batch = [
        a_user(number, admin=number == 3, disabled=number == 4, metadata={"number": number})
        for number in range(1, BATCH + 1)
    ]
    assert users.add_all(arrivals_of(*batch))
    for user in batch:
        assert users.get(user.public_id) == user
        found = Credentials(user, f"hash of {user.username}")
        assert _by_email(users, user.email) == found
        assert _by_username(users, user.username.lower()) == found
    assert sorted(users.admins()) == [public_id(3)]
    assert users.hashes([user.public_id for user in batch] + [public_id(99)]) == {
        user.public_id: f"hash of {user.username}" for user in batch
    }


@pytest.mark.parametrize(
    "clash",
    [
        {"email": "USER-1@example.com"},
        {"username": "user 1"},
        {"public_id": public_id(1)},
    ],
)
def test_of_a_batch_that_clashes_with_somebody_nobody_arrives(
    users: Users, clash: dict[str, str]
) -> None:
    add(users, a_user(1))
    assert not users.add_all(arrivals_of(a_user(2), a_user(3, **clash), a_user(4)))
    assert [users.get(public_id(number)) for number in (2, 4)] == [None, None]
    assert users.get(public_id(1)) == a_user(1)


def test_it_is_told_whose_the_keys_of_a_claim_are(users: Users) -> None:
    add(users, a_user(1, email="Zoë@example.com"))
    add(users, a_user(2))
    assert users.owners(
        [
            Claim(public_id(1), "zoë@example.com", "user 1"),
            Claim(public_id(8), "user-2@example.com", "nobody"),
            Claim(public_id(2), "nobody@example.com", "nobody else"),
        ]
    ) == [
        Owners(public_id(1), public_id(1), public_id(1)),
        Owners(public_id(2), None, None),
        Owners(None, None, public_id(2)),
    ]


def test_a_batch_leaves_an_event_for_each(
    cloud: Cloud, connection: Connection, transactions: Transactions
) -> None:
    del cloud
    store = DynamoUserStore(connection, transactions, ROWS)
    assert store.add_all(arrivals_of(a_user(1), a_user(2)))
    for number in (1, 2):
        (event,) = EventItem.query(public_id(number))
        assert (event.act, event.actor) == ("imported", OPERATOR)
