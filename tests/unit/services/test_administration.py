from collections.abc import Callable

import pytest

from chalicelib.domain.activity import OPERATOR, Act
from chalicelib.domain.changes import Changes
from chalicelib.domain.errors import LastAdminError, UnavailableError, UserNotFoundError
from chalicelib.domain.outbox import Errand
from chalicelib.domain.users import User
from chalicelib.services.administration import OperatorService
from chalicelib.services.trails import TrailService
from tests.fakes import FakeSessionStore, FakeTables, FakeUserStore, public_id
from tests.samples import a_session, a_user, add


@pytest.fixture
def operator(
    users: FakeUserStore, session_store: FakeSessionStore, trails: TrailService
) -> OperatorService:
    return OperatorService(users, session_store, trails)


# Finding


def test_a_user_is_found_by_each_of_their_names(
    operator: OperatorService, users: FakeUserStore
) -> None:
    zoe = a_user(1, email="Zoë@Example.com", username="Zoë")
    add(users, zoe)
    for name in (public_id(1), "ZOË@example.com", "zoe\u0308"):
        assert operator.find(name) == zoe


@pytest.mark.parametrize("name", ["", "nobody", "nobody@example.com", public_id(9), "x" * 9_999])
def test_nobody_is_found_by_a_name_that_nobody_has(operator: OperatorService, name: str) -> None:
    with pytest.raises(UserNotFoundError):
        operator.find(name)
    assert operator.find_by(name, None, None) is None
    assert operator.find_by(None, name, None) is None
    assert operator.find_by(None, None, name) is None


def test_a_username_is_never_taken_for_somebodys_email_or_identifier(
    operator: OperatorService, users: FakeUserStore
) -> None:
    first = a_user(1)
    second = a_user(2, username=first.email)
    third = a_user(3, username=first.public_id)
    for user in (third, second, first):
        add(users, user)
    assert operator.find(first.public_id) == first
    assert operator.find(first.email) == first
    del users.rows[first.public_id]
    for name in (first.public_id, first.email, first.email.replace("@", "\uff20")):
        with pytest.raises(UserNotFoundError):
            operator.find(name)
    assert operator.find_by(None, None, first.email) == second


def test_several_names_find_the_one_who_has_them_all(
    operator: OperatorService, users: FakeUserStore
) -> None:
    first, second = a_user(1), a_user(2)
    add(users, first)
    add(users, second)
    assert operator.find_by(first.public_id, first.email, first.username) == first
    assert operator.find_by(None, first.email, second.username) is None
    assert operator.find_by(None, None, None) is None


def test_the_list_is_the_stores(operator: OperatorService, users: FakeUserStore) -> None:
    for number in range(1, 4):
        add(users, a_user(number))
    page = operator.page(2, None)
    assert [user.public_id for user in page.users] == [public_id(3), public_id(2)]
    assert operator.page(2, page.next_position).users == (a_user(1),)


# Rights

WEAKENING: list[Callable[[OperatorService, User], object]] = [
    lambda operator, user: operator.change(user, Changes(admin=False)),
    lambda operator, user: operator.change(user, Changes(disabled=True)),
    lambda operator, user: operator.remove(user),
]


def test_the_operator_gives_and_takes_rights(
    operator: OperatorService, users: FakeUserStore
) -> None:
    add(users, a_user(1, admin=True))
    user = a_user(2)
    add(users, user)
    user = operator.change(user, Changes(admin=True))
    assert user.admin
    user = operator.change(user, Changes(admin=False))
    assert not user.admin
    user = operator.change(user, Changes(disabled=True))
    assert user.disabled
    assert user.token_version == 2
    assert not operator.change(user, Changes(disabled=False)).disabled
    user = operator.change(user, Changes(password_change_required=True))
    assert user.password_change_required
    assert user.token_version == 3


@pytest.mark.parametrize("weaken", WEAKENING)
@pytest.mark.parametrize("disabled", [False, True])
def test_the_last_admin_stays(
    operator: OperatorService,
    users: FakeUserStore,
    weaken: Callable[[OperatorService, User], object],
    *,
    disabled: bool,
) -> None:
    admin = a_user(1, admin=True, disabled=disabled)
    for user in (admin, a_user(2), a_user(3, admin=True, disabled=True)):
        add(users, user)
    with pytest.raises(LastAdminError):
        weaken(operator, admin)
    assert users.get(admin.public_id) == admin


@pytest.mark.parametrize("weaken", WEAKENING)
def test_who_is_no_admin_needs_none_to_stay(
    operator: OperatorService,
    users: FakeUserStore,
    weaken: Callable[[OperatorService, User], object],
) -> None:
    add(users, a_user(1))
    weaken(operator, a_user(1))


@pytest.mark.parametrize("weaken", WEAKENING)
def test_who_has_become_the_last_admin_since_they_were_read_stays(
    operator: OperatorService,
    users: FakeUserStore,
    weaken: Callable[[OperatorService, User], object],
) -> None:
    add(users, a_user(1, admin=True))
    with pytest.raises(LastAdminError):
        weaken(operator, a_user(1))  # while the operator was asked, say
    assert users.get(public_id(1)) == a_user(1, admin=True)


@pytest.mark.parametrize("weaken", WEAKENING)
def test_who_is_gone_since_they_were_read_is_not_found(
    operator: OperatorService, weaken: Callable[[OperatorService, User], object]
) -> None:
    with pytest.raises(UserNotFoundError):
        weaken(operator, a_user(1))


@pytest.mark.parametrize("weaken", WEAKENING)
def test_an_admin_goes_if_another_stays(
    operator: OperatorService,
    users: FakeUserStore,
    weaken: Callable[[OperatorService, User], object],
) -> None:
    add(users, a_user(1, admin=True))
    add(users, a_user(2, admin=True))
    weaken(operator, a_user(1, admin=True))
    assert list(users.admins()) == [public_id(2)]


@pytest.mark.parametrize("weaken", WEAKENING)
def test_an_admin_who_has_just_ceased_to_be_one_is_no_witness(
    operator: OperatorService,
    users: FakeUserStore,
    monkeypatch: pytest.MonkeyPatch,
    weaken: Callable[[OperatorService, User], object],
) -> None:
    add(users, a_user(1, admin=True))
    add(users, a_user(2))
    monkeypatch.setattr(users, "admins", lambda: iter([public_id(1), public_id(2)]))
    with pytest.raises(LastAdminError):
        weaken(operator, a_user(1, admin=True))


# Ending and removing


def test_ended_sessions_are_of_an_older_version(
    operator: OperatorService, users: FakeUserStore
) -> None:
    add(users, a_user(1))
    operator.end_sessions(a_user(1))
    assert users.rows[public_id(1)].user.token_version == 2
    with pytest.raises(UserNotFoundError):
        operator.end_sessions(a_user(2))


def test_a_removed_user_leaves_nothing(
    operator: OperatorService, users: FakeUserStore, session_store: FakeSessionStore
) -> None:
    add(users, a_user(1))
    session_store.rows[public_id(1), 0] = a_session(a_user(1))
    operator.remove(a_user(1))
    assert users.rows == {}
    assert session_store.rows == {}
    with pytest.raises(UserNotFoundError):
        operator.remove(a_user(1))


def test_a_user_who_changed_meanwhile_is_read_again(
    operator: OperatorService, users: FakeUserStore, session_store: FakeSessionStore
) -> None:
    add(users, a_user(1))
    users.change(public_id(1), username="Somebody else")
    session_store.down = True  # nobody could use them any more
    operator.remove(a_user(1))
    assert users.rows == {}


def test_who_changes_all_the_time_is_given_up_on(
    operator: OperatorService, users: FakeUserStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(users, a_user(1))
    monkeypatch.setattr(users, "get", lambda _: a_user(1, username="As it was"))
    with pytest.raises(UnavailableError):
        operator.remove(a_user(1, username="As it was"))


def test_what_the_operator_did_is_kept_as_theirs(
    operator: OperatorService, users: FakeUserStore, tables: FakeTables
) -> None:
    add(users, a_user(1, admin=True))
    user = a_user(2)
    add(users, user)
    for changes in (
        Changes(admin=True),
        Changes(admin=False),
        Changes(disabled=True),
        Changes(disabled=False),
        Changes(password_change_required=True),
    ):
        user = operator.change(user, changes)
    operator.end_sessions(user)
    operator.remove(user)
    assert [event.act for event in tables.events] == [
        Act.ADMIN_GRANTED,
        Act.ADMIN_REVOKED,
        Act.DISABLED,
        Act.ENABLED,
        Act.PASSWORD_CHANGE_REQUIRED,
        Act.SESSIONS_ENDED,
        Act.DELETED,
    ]
    assert [event.changed for event in tables.events if event.changed] == [{"required": "yes"}]
    assert {(event.public_id, event.actor) for event in tables.events} == {(public_id(2), OPERATOR)}
    (message,) = tables.messages
    assert (message.errand, message.public_id) == (Errand.ANONYMISE, public_id(2))


# Exporting


def test_all_users_are_exported_newest_first(
    operator: OperatorService, users: FakeUserStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.services.administration._PAGE", 3)
    monkeypatch.setattr("chalicelib.services.administration._HASHES", 2)
    assert list(operator.export(with_hashes=True)) == []
    for number in range(1, 8):
        add(users, a_user(number), f"hash {number}")
    plain = list(operator.export(with_hashes=False))
    assert [row.user for row in plain] == [a_user(number) for number in range(7, 0, -1)]
    assert {row.password_hash for row in plain} == {""}
    hashes = [row.password_hash for row in operator.export(with_hashes=True)]
    assert hashes == [f"hash {number}" for number in range(7, 0, -1)]


def test_who_leaves_during_an_export_is_left_out(
    operator: OperatorService, users: FakeUserStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2):
        add(users, a_user(number))
    monkeypatch.setattr(users, "hashes", lambda _: {public_id(1): "a hash"})
    assert [row.user for row in operator.export(with_hashes=True)] == [a_user(1)]
