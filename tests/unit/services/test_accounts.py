from typing import Any

import pytest

from chalicelib.domain.activity import OPERATOR, Act
from chalicelib.domain.changes import Changes, Unchanged
from chalicelib.domain.errors import (
    EmailTakenError,
    InvalidInputError,
    LastAdminError,
    NotAllowedError,
    TokenInvalidError,
    UnavailableError,
    UsernameTakenError,
    UserNotFoundError,
    WrongPasswordError,
)
from chalicelib.domain.names import EmailAddress, Username
from chalicelib.domain.outbox import Errand
from chalicelib.domain.passwords import NewPassword, Password
from chalicelib.domain.principals import Principal
from chalicelib.domain.sessions import TokenSet
from chalicelib.domain.trails import NO_TRAIL, Trail
from chalicelib.domain.users import Credentials, Removal, User
from chalicelib.keys.parameters import new_signing_key
from chalicelib.services.accounts import AccountService
from chalicelib.services.attempts import AttemptService
from chalicelib.services.authentication import Authenticator
from chalicelib.services.credentials import CredentialService
from chalicelib.services.cursors import CursorSigner
from chalicelib.services.directory import Directory
from chalicelib.services.keyring import KeyRing
from chalicelib.services.password_policy import PasswordPolicy
from chalicelib.services.passwords import PasswordHasher
from chalicelib.services.token_sets import TokenSetService
from chalicelib.services.trails import TrailService
from tests.fakes import (
    START,
    FakeClock,
    FakeIds,
    FakeKeySource,
    FakeSessionStore,
    FakeTables,
    FakeUserStore,
    public_id,
)
from tests.samples import CLIENT, COMMON, PASSWORD, a_caller, a_user, add, header_of

ADMIN = a_caller(admin=True)
SOMEBODY = a_caller()


@pytest.fixture
def hasher() -> PasswordHasher:
    return PasswordHasher(4)


@pytest.fixture
def accounts(
    users: FakeUserStore,
    session_store: FakeSessionStore,
    policy: PasswordPolicy,
    hasher: PasswordHasher,
    token_sets: TokenSetService,
    attempts: AttemptService,
    trails: TrailService,
    clock: FakeClock,
) -> AccountService:
    return AccountService(
        users,
        session_store,
        CredentialService(users, policy, hasher, token_sets, attempts, trails),
        policy,
        hasher,
        token_sets,
        trails,
        verifies_emails=True,
        requires_verified_emails=False,
        clock=clock,
        new_id=FakeIds(),
    )


@pytest.fixture
def directory(users: FakeUserStore) -> Directory:
    return Directory(lambda: users, CursorSigner("secret"))


def _register(
    accounts: AccountService, email: str = "Zoe@Example.com", username: str = "Zoë"
) -> TokenSet:
    token_set = accounts.register(
        EmailAddress.parse(email), Username.parse(username), NewPassword.parse(PASSWORD), CLIENT
    )
    assert token_set
    return token_set


def test_whoever_registers_is_a_user_and_no_more(
    accounts: AccountService, users: FakeUserStore
) -> None:
    token_set = _register(accounts)
    assert users.get(token_set.public_id) == User(
        public_id=public_id(1),
        email="Zoe@Example.com",
        username="Zoë",
        registered_on=START,
        token_version=1,
        admin=False,
        disabled=False,
        email_verified=False,
        metadata={},
    )


def test_whoever_registers_is_logged_in(
    accounts: AccountService, authenticator: Authenticator, tables: FakeTables
) -> None:
    token_set = _register(accounts)
    caller = authenticator.authenticate(token_set.access_token)
    assert caller.user.public_id == token_set.public_id
    (session,) = tables.sessions.values()
    assert session.session_id == token_set.session_id == caller.session_id
    assert session.client == CLIENT


def test_a_registration_with_a_revoked_key_is_signed_with_another(
    accounts: AccountService, tables: FakeTables, keys: FakeKeySource, ring: KeyRing
) -> None:
    revoked = ring.signing_key().key_id
    private, public = new_signing_key(START)
    keys.put(private)
    keys.put(public)
    keys.withdraw(revoked)
    tables.revoke_key(revoked)
    token_set = _register(accounts)
    assert header_of(token_set.access_token)["kid"] == public.name.rpartition("/")[2]


def test_without_a_key_there_is_no_account(
    accounts: AccountService, users: FakeUserStore, tables: FakeTables, ring: KeyRing
) -> None:
    tables.revoke_key(ring.signing_key().key_id)
    with pytest.raises(UnavailableError):
        _register(accounts)
    assert users.rows == {}


def test_the_operator_opens_an_account_that_nobody_is_logged_in_to(
    accounts: AccountService, tables: FakeTables, hasher: PasswordHasher
) -> None:
    names = EmailAddress.parse("zoe@example.com"), Username.parse("Zoë")
    user = accounts.enrol(*names, NewPassword.parse(PASSWORD))
    kept = tables.users[user.public_id]
    assert kept.user == user
    assert hasher.matches(Password(PASSWORD), kept.password_hash)
    assert not tables.sessions
    with pytest.raises(EmailTakenError):
        accounts.enrol(*names, NewPassword.parse(PASSWORD))


@pytest.mark.parametrize("password", [COMMON, "Zoe@Example.com", "SHORT"])
def test_nobody_opens_an_account_with_a_password_that_may_not_be_chosen(
    accounts: AccountService, users: FakeUserStore, password: str
) -> None:
    names = EmailAddress.parse("zoe@example.com"), Username.parse("Zoë")
    for open_account in (
        lambda: accounts.register(*names, NewPassword(password), CLIENT),
        lambda: accounts.enrol(*names, NewPassword(password)),
    ):
        with pytest.raises(InvalidInputError) as refusal:
            open_account()
        assert refusal.value.errors.keys() == {"password"}
    assert users.calls == 0


def test_register_keeps_a_hash_and_not_the_password(
    accounts: AccountService, users: FakeUserStore, hasher: PasswordHasher
) -> None:
    _register(accounts)
    password_hash = users.rows[public_id(1)].password_hash
    assert PASSWORD not in password_hash
    assert hasher.matches(NewPassword(PASSWORD), password_hash)


def test_register_refuses_an_email_in_use(accounts: AccountService, users: FakeUserStore) -> None:
    _register(accounts)
    with pytest.raises(EmailTakenError):
        _register(accounts, email="ZOE@example.COM", username="another")
    assert len(users.rows) == 1


def test_register_refuses_a_username_in_use(accounts: AccountService, users: FakeUserStore) -> None:
    _register(accounts)
    with pytest.raises(UsernameTakenError):
        _register(accounts, email="another@example.com", username="ZOE\u0308")
    assert len(users.rows) == 1


def test_register_keeps_plain_text_so_that_no_subclass_reaches_the_store(
    accounts: AccountService, users: FakeUserStore
) -> None:
    _register(accounts)
    user = users.rows[public_id(1)].user
    assert type(user.email) is str
    assert type(user.username) is str


@pytest.mark.parametrize("name", ["me", SOMEBODY.user.public_id])
def test_the_caller_is_not_read_again(
    directory: Directory, users: FakeUserStore, name: str
) -> None:
    assert directory.get(SOMEBODY, name) is SOMEBODY.user
    assert users.calls == 0


def test_anybody_may_look_at_anybody(directory: Directory, users: FakeUserStore) -> None:
    add(users, a_user(2))
    assert directory.get(SOMEBODY, public_id(2)) == a_user(2)


@pytest.mark.parametrize("name", ["", "you", "ME", public_id(0xABC).upper()])
def test_what_cannot_be_a_user_is_not_looked_for(
    directory: Directory, users: FakeUserStore, name: str
) -> None:
    with pytest.raises(UserNotFoundError):
        directory.get(SOMEBODY, name)
    assert users.calls == 0


def test_nobody_is_not_found(directory: Directory) -> None:
    with pytest.raises(UserNotFoundError):
        directory.get(SOMEBODY, public_id(9))


def test_an_admin_pages_through_all_users(directory: Directory, users: FakeUserStore) -> None:
    for number in range(5):
        add(users, a_user(number))
    seen: list[str] = []
    cursor = None
    for expected in (2, 2, 1):
        listing = directory.list(ADMIN, 2, cursor)
        assert len(listing.users) == expected
        seen += [user.public_id for user in listing.users]
        cursor = listing.next_cursor
    assert cursor is None
    assert seen == [public_id(number) for number in (4, 3, 2, 1, 0)]


def test_a_cursor_tells_nothing_that_can_be_changed(
    directory: Directory, users: FakeUserStore
) -> None:
    for number in range(2):
        add(users, a_user(number))
    cursor = directory.list(ADMIN, 1, None).next_cursor
    assert cursor is not None
    with pytest.raises(InvalidInputError):
        directory.list(ADMIN, 1, cursor[:-2])


def test_only_an_admin_lists_or_finds(directory: Directory, users: FakeUserStore) -> None:
    with pytest.raises(NotAllowedError):
        directory.list(SOMEBODY, 50, None)
    with pytest.raises(NotAllowedError):
        directory.list(SOMEBODY, 50, "not a cursor")
    with pytest.raises(NotAllowedError):
        directory.find(SOMEBODY, email=SOMEBODY.user.email)
    assert users.calls == 0


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ({"email": "USER-1@example.com"}, [1]),
        ({"username": "uSER 1"}, [1]),
        ({"email": "user-1@example.com", "username": "User 1"}, [1]),
        ({"email": "user-1@example.com", "username": "User 2"}, []),
        ({"email": "user-1@example.com", "username": "nobody"}, []),
        ({"email": "nobody@example.com", "username": "User 1"}, []),
        ({"email": "nobody@example.com"}, []),
        ({"username": "nobody"}, []),
        ({"email": ""}, []),
        ({"username": ""}, []),
        ({"email": "x" * 100_000}, []),
        ({"username": "x" * 100_000}, []),
        ({"email": "User 1"}, []),
    ],
    ids=lambda value: str(value)[:60],
)
def test_an_admin_finds_the_one_user_of_all_the_names_given(
    directory: Directory, users: FakeUserStore, names: dict[str, str], found: list[int]
) -> None:
    for number in (1, 2):
        add(users, a_user(number))
    listing = directory.find(ADMIN, **names)
    assert [user.public_id for user in listing.users] == list(map(public_id, found))
    assert listing.next_cursor is None


def test_the_operator_makes_an_admin_of_an_account(
    accounts: AccountService, users: FakeUserStore
) -> None:
    add(users, a_user())
    assert accounts.promote(EmailAddress.parse("USER-1@example.com"))
    assert users.get(public_id(1)) == a_user(admin=True)


def test_making_an_admin_of_an_admin_changes_nothing(
    accounts: AccountService, users: FakeUserStore
) -> None:
    add(users, a_user(admin=True))
    calls = users.calls
    assert not accounts.promote(EmailAddress.parse("user-1@example.com"))
    assert users.calls == calls + 1


def test_nobody_becomes_an_admin(accounts: AccountService) -> None:
    with pytest.raises(UserNotFoundError):
        accounts.promote(EmailAddress.parse("nobody@example.com"))


def test_a_store_that_is_down_is_not_taken_for_an_empty_one(
    accounts: AccountService, directory: Directory, users: FakeUserStore
) -> None:
    users.down = True
    for ask in (
        lambda: directory.get(SOMEBODY, public_id(2)),
        lambda: directory.list(ADMIN, 50, None),
        lambda: directory.find(ADMIN, email="user-1@example.com"),
        lambda: accounts.promote(EmailAddress.parse("user-1@example.com")),
        lambda: _register(accounts),
    ):
        with pytest.raises(UnavailableError):
            ask()


# Rights

CALLER = a_user(1, admin=True)
OTHER = a_user(2)


@pytest.fixture
def admin(users: FakeUserStore) -> Principal:
    """An admin, with another user beside them."""
    add(users, CALLER)
    add(users, OTHER)
    return a_caller(CALLER)


def test_an_admin_makes_admins_and_unmakes_them(accounts: AccountService, admin: Principal) -> None:
    made = accounts.change(admin, OTHER.public_id, Changes(admin=True), CLIENT)
    assert made == a_user(2, admin=True)
    assert accounts.change(admin, OTHER.public_id, Changes(admin=False), CLIENT) == OTHER


def test_an_admin_disables_an_account_and_ends_its_sessions(
    accounts: AccountService, admin: Principal
) -> None:
    disabled = accounts.change(admin, OTHER.public_id, Changes(disabled=True), CLIENT)
    assert disabled == a_user(2, disabled=True, token_version=2)
    enabled = accounts.change(admin, OTHER.public_id, Changes(disabled=False), CLIENT)
    assert enabled == a_user(2, token_version=2), "what has ended stays ended"


def test_rights_are_an_admins_to_give(accounts: AccountService, users: FakeUserStore) -> None:
    add(users, a_user())
    for whose in ("me", a_user().public_id, public_id(9)):
        with pytest.raises(NotAllowedError):
            accounts.change(SOMEBODY, whose, Changes(admin=True), CLIENT)
    assert users.rows[a_user().public_id].user == a_user()


@pytest.mark.parametrize("rights", [(True, None), (False, None), (None, True), (None, False)])
def test_nobody_has_no_rights(
    accounts: AccountService, admin: Principal, rights: tuple[bool | None, bool | None]
) -> None:
    for nobody in (public_id(9), "nobody", ""):
        with pytest.raises(UserNotFoundError):
            accounts.change(admin, nobody, Changes(admin=rights[0], disabled=rights[1]), CLIENT)


@pytest.mark.parametrize("whose", ["me", CALLER.public_id])
def test_the_last_admin_stays(
    accounts: AccountService, admin: Principal, users: FakeUserStore, whose: str
) -> None:
    users.change(OTHER.public_id, admin=True, disabled=True)
    for loss in (Changes(admin=False), Changes(disabled=True)):
        with pytest.raises(LastAdminError):
            accounts.change(admin, whose, loss, CLIENT)
    users.rows[CALLER.public_id] = Credentials(CALLER, PasswordHasher(4).hash(Password(PASSWORD)))
    with pytest.raises(LastAdminError):
        accounts.close(admin, whose, Password(PASSWORD), CLIENT)
    assert users.rows[CALLER.public_id].user == CALLER
    kept = accounts.change(admin, whose, Changes(admin=True, disabled=False), CLIENT)
    assert kept == CALLER, "what is so already needs nobody else"


def test_one_of_two_admins_may_step_down(
    accounts: AccountService, admin: Principal, users: FakeUserStore
) -> None:
    users.change(OTHER.public_id, admin=True)
    stepped_down = accounts.change(admin, "me", Changes(admin=False), CLIENT)
    assert not stepped_down.admin


def test_of_two_admins_who_demote_each_other_one_is_left(
    accounts: AccountService, admin: Principal, users: FakeUserStore
) -> None:
    other = users.change(OTHER.public_id, admin=True)
    accounts.change(admin, OTHER.public_id, Changes(admin=False), CLIENT)
    # The other one's request began when they still were one.
    with pytest.raises(NotAllowedError):
        accounts.change(a_caller(other), CALLER.public_id, Changes(admin=False), CLIENT)
    with pytest.raises(NotAllowedError):
        accounts.close(a_caller(other), CALLER.public_id, None, CLIENT)
    assert users.rows[CALLER.public_id].user == CALLER


@pytest.mark.parametrize("lost", [{"admin": False}, {"disabled": True}])
@pytest.mark.parametrize(
    "changes",
    [
        Changes(admin=True),
        Changes(disabled=False),
        Changes(password_change_required=False),
        Changes(admin=True, disabled=False),
        Changes(admin=False, disabled=False),
        Changes(admin=True, disabled=True),
    ],
)
def test_whoever_was_an_admin_when_they_were_let_in_gives_no_right_any_more(
    accounts: AccountService,
    admin: Principal,
    users: FakeUserStore,
    tables: FakeTables,
    lost: dict[str, bool],
    changes: Changes,
) -> None:
    assert users.rows[admin.user.public_id].user.admin, "somebody still is one"
    former = a_caller(users.change(OTHER.public_id, admin=True))
    add(users, a_user(3, disabled=True))
    now = users.change(OTHER.public_id, **lost)
    for whose in ("me", OTHER.public_id, public_id(3)):
        for username in (None, Username("Zoë")):
            with pytest.raises(NotAllowedError):
                accounts.change(former, whose, changes, CLIENT, username=username)
    assert users.rows[OTHER.public_id].user == now
    assert users.rows[public_id(3)].user == a_user(3, disabled=True)
    assert tables.events == []
    assert _to(accounts, former, "me", "Zoë").username == "Zoë", "it is their own"


def test_an_admin_who_left_meanwhile_is_told_that_their_token_is_dead(
    accounts: AccountService, admin: Principal, users: FakeUserStore
) -> None:
    del users.rows[CALLER.public_id]
    with pytest.raises(TokenInvalidError):
        accounts.change(admin, "me", Changes(admin=True), CLIENT)


def test_an_admin_whose_username_changes_meanwhile_is_read_again(
    accounts: AccountService, admin: Principal, users: FakeUserStore
) -> None:
    users.change(CALLER.public_id, username="Another")
    assert _to(accounts, admin, "me", "Zoë", admin=True) == a_user(1, admin=True, username="Zoë")


def test_somebody_who_was_an_admin_a_moment_ago_does_not_count(
    accounts: AccountService, admin: Principal, users: FakeUserStore
) -> None:
    users.admins = lambda: iter([CALLER.public_id, OTHER.public_id])  # type: ignore[method-assign] # a late index
    with pytest.raises(LastAdminError):
        accounts.change(admin, "me", Changes(admin=False), CLIENT)


# Closing


@pytest.fixture
def zoe(accounts: AccountService, authenticator: Authenticator) -> tuple[TokenSet, Principal]:
    token_set = _register(accounts)
    return token_set, authenticator.authenticate(token_set.access_token)


def test_an_account_that_is_closed_is_gone_with_its_sessions(
    accounts: AccountService,
    zoe: tuple[TokenSet, Principal],
    authenticator: Authenticator,
    tables: FakeTables,
) -> None:
    token_set, caller = zoe
    accounts.close(caller, "me", Password(PASSWORD), CLIENT)
    assert tables.users == {}
    assert tables.sessions == {}
    with pytest.raises(TokenInvalidError):
        authenticator.authenticate(token_set.access_token)
    _register(accounts)  # the names are free


@pytest.mark.parametrize("whose", ["me", public_id(1)])
def test_ones_own_account_is_closed_with_its_password_alone(
    accounts: AccountService, zoe: tuple[TokenSet, Principal], users: FakeUserStore, whose: str
) -> None:
    _, caller = zoe
    with pytest.raises(InvalidInputError) as missing:
        accounts.close(caller, whose, None, CLIENT)
    assert missing.value.errors.keys() == {"current_password"}
    with pytest.raises(WrongPasswordError):
        accounts.close(caller, whose, Password("wrong"), CLIENT)
    assert users.rows.keys() == {public_id(1)}
    accounts.close(caller, whose, Password(PASSWORD), CLIENT)
    assert not users.rows


def test_an_admin_closes_anybodys_account(
    accounts: AccountService, admin: Principal, users: FakeUserStore
) -> None:
    accounts.close(admin, OTHER.public_id, None, CLIENT)
    assert users.rows.keys() == {CALLER.public_id}
    for nobody in (OTHER.public_id, "nobody", ""):
        with pytest.raises(UserNotFoundError):
            accounts.close(admin, nobody, None, CLIENT)


def test_only_an_admin_closes_the_accounts_of_others(
    accounts: AccountService, admin: Principal, users: FakeUserStore
) -> None:
    del admin
    for whose in (CALLER.public_id, public_id(9)):
        with pytest.raises(NotAllowedError):
            accounts.close(a_caller(OTHER), whose, Password(PASSWORD), CLIENT)
    assert len(users.rows) == 2


def test_an_account_that_changes_meanwhile_is_read_again(
    accounts: AccountService, admin: Principal, users: FakeUserStore
) -> None:
    remove = users.remove
    left = 2

    def changed(user: User, other_admin: str | None = None, *, trail: Trail = NO_TRAIL) -> Removal:
        nonlocal left
        if left:
            left -= 1
            users.change(user.public_id, username=f"Another {left}")
        return remove(user, other_admin, trail=trail)

    users.remove = changed  # type: ignore[method-assign] # for this store alone
    accounts.close(admin, OTHER.public_id, None, CLIENT)
    assert OTHER.public_id not in users.rows
    left = 3
    add(users, OTHER)
    with pytest.raises(UnavailableError):
        accounts.close(admin, OTHER.public_id, None, CLIENT)


def test_an_account_is_closed_although_its_sessions_are_not_cleared_away(
    accounts: AccountService, admin: Principal, session_store: FakeSessionStore, tables: FakeTables
) -> None:
    session_store.down = True
    accounts.close(admin, OTHER.public_id, None, CLIENT)
    assert OTHER.public_id not in tables.users


def test_what_cannot_be_a_user_is_neither_changed_nor_looked_for(
    accounts: AccountService, admin: Principal, users: FakeUserStore
) -> None:
    calls = users.calls
    for impossible in ("nobody", "", CALLER.public_id + "0"):
        with pytest.raises(UserNotFoundError):
            accounts.change(admin, impossible, Changes(admin=True), CLIENT)
        with pytest.raises(UserNotFoundError):
            accounts.close(admin, impossible, None, CLIENT)
    assert users.calls == calls


# Usernames, metadata, and what else a user or an admin changes


def _to(
    accounts: AccountService, caller: Principal, whose: str, username: str, **rest: Any
) -> User:
    changes = Changes(**rest)
    return accounts.change(caller, whose, changes, CLIENT, username=Username.parse(username))


@pytest.fixture
def other(admin: Principal) -> Principal:
    del admin
    return a_caller(OTHER)


@pytest.mark.parametrize("whose", ["me", OTHER.public_id])
def test_a_user_changes_their_own_username_and_metadata(
    accounts: AccountService, other: Principal, users: FakeUserStore, tables: FakeTables, whose: str
) -> None:
    changed = _to(accounts, other, whose, "Zoë", metadata={"a": None})
    assert changed == a_user(2, username="Zoë", metadata={"a": None})
    assert users.get(OTHER.public_id) == changed
    assert type(changed.username) is str
    renamed, described = tables.events
    assert (renamed.act, renamed.changed) == (
        Act.USERNAME_CHANGED,
        {"from": "User 2", "to": "Zoë"},
    )
    assert (described.act, described.changed) == (Act.METADATA_CHANGED, {})
    for event in tables.events:
        assert (event.public_id, event.actor) == (OTHER.public_id, None)
        assert (event.session_id, event.client) == (other.session_id, CLIENT)


def test_an_admin_changes_anybodys(
    accounts: AccountService, admin: Principal, tables: FakeTables
) -> None:
    changes = {
        "metadata": {"a": 1}, "admin": True, "disabled": True, "password_change_required": True
    }  # fmt: skip
    changed = _to(accounts, admin, OTHER.public_id, "Zoë", **changes)
    assert changed == a_user(2, username="Zoë", token_version=2, **changes)
    assert [event.act for event in tables.events] == [
        Act.USERNAME_CHANGED,
        Act.METADATA_CHANGED,
        Act.ADMIN_GRANTED,
        Act.DISABLED,
        Act.PASSWORD_CHANGE_REQUIRED,
    ]
    for event in tables.events:
        assert (event.public_id, event.actor) == (OTHER.public_id, CALLER.public_id)
        assert event.session_id is None, "it is the admin's own"


def test_what_an_admin_takes_back_is_told_as_well(
    accounts: AccountService, admin: Principal, tables: FakeTables
) -> None:
    back = Changes(admin=False, disabled=False, password_change_required=False)
    assert accounts.change(admin, OTHER.public_id, back, CLIENT) == OTHER
    assert [(event.act, event.changed) for event in tables.events] == [
        (Act.ADMIN_REVOKED, {}),
        (Act.ENABLED, {}),
        (Act.PASSWORD_CHANGE_REQUIRED, {"required": "no"}),
    ]


def test_somebody_elses_account_is_an_admins_to_change(
    accounts: AccountService, other: Principal, users: FakeUserStore, tables: FakeTables
) -> None:
    for whose in (CALLER.public_id, public_id(404), "nobody"):
        with pytest.raises(NotAllowedError):
            _to(accounts, other, whose, "Zoë")
        with pytest.raises(NotAllowedError):
            accounts.change(other, whose, Changes(metadata={}), CLIENT)
    assert users.rows[CALLER.public_id].user == CALLER
    assert tables.events == []


@pytest.mark.parametrize(
    "right", [{"admin": True}, {"disabled": False}, {"password_change_required": False}]
)
def test_a_change_of_which_a_part_is_not_allowed_changes_nothing(
    accounts: AccountService, other: Principal, users: FakeUserStore, right: dict[str, bool]
) -> None:
    with pytest.raises(NotAllowedError):
        _to(accounts, other, "me", "Zoë", metadata={"a": 1}, **right)
    assert users.rows[OTHER.public_id].user == OTHER


def test_a_username_in_use_is_refused_and_nothing_else_changes(
    accounts: AccountService, other: Principal, users: FakeUserStore, tables: FakeTables
) -> None:
    with pytest.raises(UsernameTakenError):
        _to(accounts, other, "me", "USER 1", metadata={"a": 1})
    assert users.rows[OTHER.public_id].user == OTHER
    assert tables.events == []


def test_ones_own_username_may_be_spelt_in_another_way(
    accounts: AccountService, other: Principal, tables: FakeTables
) -> None:
    assert _to(accounts, other, "me", "USER 2").username == "USER 2"
    tables.events.clear()
    assert _to(accounts, a_caller(a_user(2, username="USER 2")), "me", "USER 2").username
    assert tables.events == [], "that is no change"


def test_the_last_admin_keeps_username_and_right_together(
    accounts: AccountService, admin: Principal, users: FakeUserStore
) -> None:
    with pytest.raises(LastAdminError):
        _to(accounts, admin, "me", "Zoë", admin=False)
    assert users.rows[CALLER.public_id].user == CALLER


def test_a_username_that_changes_meanwhile_is_read_again(
    accounts: AccountService, other: Principal, users: FakeUserStore
) -> None:
    update = users.update
    left = 2

    def changed(whose: str, *given: Any, **how: Any) -> User | Unchanged:
        nonlocal left
        if left:
            left -= 1
            users.change(whose, username=f"Another {left}")
        return update(whose, *given, **how)

    users.update = changed  # type: ignore[assignment, method-assign] # for this store alone
    assert _to(accounts, other, "me", "Zoë").username == "Zoë"
    left = 3
    with pytest.raises(UnavailableError):
        _to(accounts, other, "me", "Another")


def test_whoever_left_meanwhile_is_told_that_their_token_is_dead(
    accounts: AccountService,
    directory: Directory,
    other: Principal,
    admin: Principal,
    users: FakeUserStore,
) -> None:
    del users.rows[OTHER.public_id]
    large = Principal(OTHER, other.session_id, whole=False)
    with pytest.raises(TokenInvalidError):
        _to(accounts, other, "me", "Zoë")
    with pytest.raises(TokenInvalidError):
        accounts.change(other, "me", Changes(metadata={}), CLIENT)
    with pytest.raises(TokenInvalidError):
        directory.get(large, "me")
    with pytest.raises(UserNotFoundError):
        _to(accounts, admin, OTHER.public_id, "Zoë")


def test_a_caller_who_did_not_arrive_whole_is_read_once_more(
    directory: Directory, other: Principal, users: FakeUserStore
) -> None:
    kept = users.change(OTHER.public_id, metadata={"a": "x" * 2_000})
    calls = users.calls
    assert directory.get(Principal(OTHER, other.session_id, whole=False), "me") == kept
    assert users.calls == calls + 1


# What is kept of it


def test_what_is_done_to_an_account_is_kept(accounts: AccountService, users: FakeUserStore) -> None:
    tables, boss = users.tables, a_user(9, admin=True)
    add(users, boss)
    admin = a_caller(boss)
    opened = _register(accounts, "new@example.com", "New")
    for rights in ((True, None), (False, None), (None, True), (None, False)):
        changes = Changes(admin=rights[0], disabled=rights[1])
        accounts.change(admin, opened.public_id, changes, CLIENT)
    accounts.close(admin, opened.public_id, None, CLIENT)
    registered, *others = tables.events
    assert (registered.act, registered.session_id) == (Act.REGISTERED, opened.session_id)
    assert registered.actor is None
    assert [event.act for event in others] == [
        Act.ADMIN_GRANTED,
        Act.ADMIN_REVOKED,
        Act.DISABLED,
        Act.ENABLED,
        Act.DELETED,
    ]
    assert {event.actor for event in others} == {admin.user.public_id}
    assert {event.public_id for event in tables.events} == {opened.public_id}
    assert [(message.errand, message.public_id) for message in tables.messages] == [
        (Errand.VERIFY_EMAIL, opened.public_id),
        (Errand.ANONYMISE, opened.public_id),
    ]


def test_another_username_is_told_to_its_owner(
    accounts: AccountService, users: FakeUserStore
) -> None:
    boss = a_user(9, admin=True)
    add(users, boss)
    opened = _register(accounts, "new@example.com", "New")
    users.tables.messages.clear()
    caller = a_caller(users.rows[opened.public_id].user)
    for who, username in ((caller, "Newer"), (a_caller(boss), "Newest"), (caller, "NEWEST")):
        accounts.change(
            who, opened.public_id, Changes(metadata={}), CLIENT, username=Username(username)
        )
    # Another spelling logs in as the one before did.
    assert [
        (message.errand, message.public_id, message.address) for message in users.tables.messages
    ] == [(Errand.USERNAME_CHANGED, opened.public_id, None)] * 2


def test_what_the_operator_does_is_told_as_such(
    accounts: AccountService, users: FakeUserStore
) -> None:
    users.tables.events.clear()
    user = accounts.enrol(EmailAddress("new@example.com"), Username("New"), NewPassword(PASSWORD))
    accounts.promote(EmailAddress("new@example.com"))
    assert [(event.act, event.actor, event.public_id) for event in users.tables.events] == [
        (Act.REGISTERED, OPERATOR, user.public_id),
        (Act.ADMIN_GRANTED, OPERATOR, user.public_id),
    ]
