import pytest

from chalicelib.domain.errors import (
    EmailTakenError,
    InvalidInputError,
    NotAllowedError,
    UnavailableError,
    UsernameTakenError,
    UserNotFoundError,
)
from chalicelib.domain.names import EmailAddress, Username
from chalicelib.domain.passwords import NewPassword
from chalicelib.domain.users import User
from chalicelib.services.accounts import AccountService
from chalicelib.services.cursors import CursorSigner
from chalicelib.services.passwords import PasswordHasher
from tests.fakes import START, FakeClock, FakeIds, FakeUserStore, public_id
from tests.samples import PASSWORD, a_caller, a_user

ADMIN = a_caller(admin=True)
SOMEBODY = a_caller()


@pytest.fixture
def accounts(users: FakeUserStore, clock: FakeClock) -> AccountService:
    return AccountService(
        users, PasswordHasher(4), CursorSigner("secret"), clock=clock, new_id=FakeIds()
    )


def _register(
    accounts: AccountService, email: str = "Zoe@Example.com", username: str = "Zoë"
) -> User:
    return accounts.register(
        EmailAddress.parse(email), Username.parse(username), NewPassword.parse(PASSWORD)
    )


def test_whoever_registers_is_a_user_and_no_more(
    accounts: AccountService, users: FakeUserStore
) -> None:
    user = _register(accounts)
    assert user == User(
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
    assert users.get(user.public_id) == user


def test_register_keeps_a_hash_and_not_the_password(
    accounts: AccountService, users: FakeUserStore
) -> None:
    _register(accounts)
    password_hash = users.rows[public_id(1)].password_hash
    assert PASSWORD not in password_hash
    assert PasswordHasher(4).matches(NewPassword(PASSWORD), password_hash)


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
    accounts: AccountService,
) -> None:
    user = _register(accounts)
    assert type(user.email) is str
    assert type(user.username) is str


@pytest.mark.parametrize("name", ["me", SOMEBODY.user.public_id])
def test_the_caller_is_not_read_again(
    accounts: AccountService, users: FakeUserStore, name: str
) -> None:
    assert accounts.get(SOMEBODY, name) is SOMEBODY.user
    assert users.calls == 0


def test_anybody_may_look_at_anybody(accounts: AccountService, users: FakeUserStore) -> None:
    users.add(a_user(2), "a hash")
    assert accounts.get(SOMEBODY, public_id(2)) == a_user(2)


@pytest.mark.parametrize("name", ["", "you", "ME", public_id(0xABC).upper()])
def test_what_cannot_be_a_user_is_not_looked_for(
    accounts: AccountService, users: FakeUserStore, name: str
) -> None:
    with pytest.raises(UserNotFoundError):
        accounts.get(SOMEBODY, name)
    assert users.calls == 0


def test_nobody_is_not_found(accounts: AccountService) -> None:
    with pytest.raises(UserNotFoundError):
        accounts.get(SOMEBODY, public_id(9))


def test_an_admin_pages_through_all_users(accounts: AccountService, users: FakeUserStore) -> None:
    for number in range(5):
        users.add(a_user(number), "a hash")
    seen: list[str] = []
    cursor = None
    for expected in (2, 2, 1):
        listing = accounts.list(ADMIN, 2, cursor)
        assert len(listing.users) == expected
        seen += [user.public_id for user in listing.users]
        cursor = listing.next_cursor
    assert cursor is None
    assert seen == [public_id(number) for number in (4, 3, 2, 1, 0)]


def test_a_cursor_tells_nothing_that_can_be_changed(
    accounts: AccountService, users: FakeUserStore
) -> None:
    for number in range(2):
        users.add(a_user(number), "a hash")
    cursor = accounts.list(ADMIN, 1, None).next_cursor
    assert cursor is not None
    with pytest.raises(InvalidInputError):
        accounts.list(ADMIN, 1, cursor[:-2])


def test_only_an_admin_lists_or_finds(accounts: AccountService, users: FakeUserStore) -> None:
    with pytest.raises(NotAllowedError):
        accounts.list(SOMEBODY, 50, None)
    with pytest.raises(NotAllowedError):
        accounts.list(SOMEBODY, 50, "not a cursor")
    with pytest.raises(NotAllowedError):
        accounts.find(SOMEBODY, email=SOMEBODY.user.email)
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
    accounts: AccountService, users: FakeUserStore, names: dict[str, str], found: list[int]
) -> None:
    for number in (1, 2):
        users.add(a_user(number), "a hash")
    listing = accounts.find(ADMIN, **names)
    assert [user.public_id for user in listing.users] == list(map(public_id, found))
    assert listing.next_cursor is None


def test_the_operator_makes_an_admin_of_an_account(
    accounts: AccountService, users: FakeUserStore
) -> None:
    users.add(a_user(), "a hash")
    assert accounts.promote(EmailAddress.parse("USER-1@example.com"))
    assert users.get(public_id(1)) == a_user(admin=True)


def test_making_an_admin_of_an_admin_changes_nothing(
    accounts: AccountService, users: FakeUserStore
) -> None:
    users.add(a_user(admin=True), "a hash")
    calls = users.calls
    assert not accounts.promote(EmailAddress.parse("user-1@example.com"))
    assert users.calls == calls + 1


def test_nobody_becomes_an_admin(accounts: AccountService) -> None:
    with pytest.raises(UserNotFoundError):
        accounts.promote(EmailAddress.parse("nobody@example.com"))


def test_a_store_that_is_down_is_not_taken_for_an_empty_one(
    accounts: AccountService, users: FakeUserStore
) -> None:
    users.down = True
    for ask in (
        lambda: accounts.get(SOMEBODY, public_id(2)),
        lambda: accounts.list(ADMIN, 50, None),
        lambda: accounts.find(ADMIN, email="user-1@example.com"),
        lambda: accounts.promote(EmailAddress.parse("user-1@example.com")),
        lambda: _register(accounts),
    ):
        with pytest.raises(UnavailableError):
            ask()
