"""Recovering a password, and verifying, changing and putting back an email, by mailed tokens."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from chalicelib.domain.activity import Act
from chalicelib.domain.changes import Changes
from chalicelib.domain.email_changes import HELD_FOR
from chalicelib.domain.errors import (
    EmailNotVerifiedError,
    EmailTakenError,
    InvalidInputError,
    MailedTokenInvalidError,
    NotAllowedError,
    TokenInvalidError,
    TooManyRequestsError,
    UnavailableError,
    UsernameTakenError,
    WrongPasswordError,
)
from chalicelib.domain.mailed_tokens import LIFETIMES, Purpose, password_mark
from chalicelib.domain.names import EmailAddress, Username
from chalicelib.domain.outbox import Errand
from chalicelib.domain.passwords import NewPassword, Password
from chalicelib.domain.principals import Principal
from chalicelib.domain.users import Credentials, FormerEmail, User
from chalicelib.services.accounts import AccountService
from chalicelib.services.attempts import AttemptService
from chalicelib.services.credentials import CredentialService
from chalicelib.services.emails import EmailService
from chalicelib.services.mailed_tokens import MailedTokenReader
from chalicelib.services.password_policy import PasswordPolicy
from chalicelib.services.passwords import PasswordHasher
from chalicelib.services.recovery import RecoveryService
from chalicelib.services.refresh_tokens import RefreshTokens
from chalicelib.services.sessions import SessionService
from chalicelib.services.token_sets import TokenSetService
from chalicelib.services.trails import TrailService
from tests.fakes import (
    START,
    FakeClock,
    FakeIds,
    FakeRecoveryStore,
    FakeSessionStore,
    FakeTables,
    FakeTrailStore,
    FakeUserStore,
    public_id,
)
from tests.mailed import mailed
from tests.samples import CLIENT, COMMON, PASSWORD, a_caller, a_user, add
from tests.unit.services.conftest import ATTEMPT_LIMITS

OLD, NEW, NEWER = (EmailAddress(f"{name}@example.com") for name in ("Old", "New", "Newer"))
RIGHT, CHOSEN = Password(PASSWORD), NewPassword("another horse altogether")
GERMAN = replace(CLIENT, language="de")
Mail = Callable[..., str]


@pytest.fixture(scope="module")
def hasher() -> PasswordHasher:
    return PasswordHasher(4)


@pytest.fixture
def store(tables: FakeTables, clock: FakeClock) -> FakeRecoveryStore:
    return FakeRecoveryStore(tables, clock)


@pytest.fixture
def reader(
    store: FakeRecoveryStore, attempts: AttemptService, clock: FakeClock
) -> MailedTokenReader:
    return MailedTokenReader(store, attempts, clock)


@pytest.fixture
def owner(users: FakeUserStore, hasher: PasswordHasher) -> User:
    """Somebody with an account."""
    user = a_user(email=str(OLD))
    add(users, user, hasher.hash(RIGHT))
    return user


@pytest.fixture
def recovery(
    store: FakeRecoveryStore,
    reader: MailedTokenReader,
    policy: PasswordPolicy,
    hasher: PasswordHasher,
    attempts: AttemptService,
    trails: TrailService,
    owner: User,
) -> RecoveryService:
    del owner
    return RecoveryService(store, reader, policy, hasher, attempts, trails)


@pytest.fixture
def credentials(
    users: FakeUserStore,
    policy: PasswordPolicy,
    hasher: PasswordHasher,
    token_sets: TokenSetService,
    attempts: AttemptService,
    trails: TrailService,
) -> CredentialService:
    return CredentialService(users, policy, hasher, token_sets, attempts, trails)


@pytest.fixture
def emails(
    store: FakeRecoveryStore,
    reader: MailedTokenReader,
    credentials: CredentialService,
    attempts: AttemptService,
    trails: TrailService,
    clock: FakeClock,
    owner: User,
) -> EmailService:
    del owner
    return EmailService(store, reader, credentials, attempts, trails, clock=clock)


@pytest.fixture
def mail(tables: FakeTables, clock: FakeClock) -> Mail:
    """Mails a token, as the courier does for the user as they are now."""

    def mail(purpose: Purpose, address: str | None = None, number: int = 1) -> str:
        row = tables.users[public_id(number)]
        marked = password_mark(row.password_hash) if purpose is Purpose.RESET else None
        text, record = mailed(
            public_id(number),
            purpose,
            row.user.email if address is None else address,
            at=clock.now,
            password_mark=marked,
        )
        tables.mailed[record.secret_hash] = record
        return text

    return mail


def _row(tables: FakeTables, number: int = 1) -> Credentials:
    return tables.users[public_id(number)]


def _user(tables: FakeTables, number: int = 1) -> User:
    return _row(tables, number).user


def _caller(tables: FakeTables) -> Principal:
    return _caller_of(tables, 1)


def _caller_of(tables: FakeTables, number: int) -> Principal:
    return a_caller(tables.users[public_id(number)].user)


def _acts(tables: FakeTables) -> list[tuple[Act, dict[str, str]]]:
    return [(event.act, dict(event.changed)) for event in tables.events]


def _errands(tables: FakeTables) -> list[tuple[Errand, str | None, str | None, str | None, str]]:
    return [
        (each.errand, each.public_id, each.email_key, each.address, each.language)
        for each in tables.messages
    ]


@pytest.fixture
def change(emails: EmailService, tables: FakeTables, mail: Mail) -> Callable[[EmailAddress], None]:
    """Changes the owner's address."""

    def change(email: EmailAddress) -> None:
        emails.request_change(_caller(tables), "me", email, RIGHT, CLIENT)
        emails.verify(mail(Purpose.CONFIRM, email), CLIENT)
        tables.counts.clear()

    return change


# Asking for mails


@pytest.mark.parametrize("email", [OLD, EmailAddress("nobody@example.com")])
def test_who_forgot_leaves_a_message_whoever_they_are(
    recovery: RecoveryService, tables: FakeTables, store: FakeRecoveryStore, email: EmailAddress
) -> None:
    recovery.forgot(email, GERMAN)
    assert _errands(tables) == [(Errand.RESET_PASSWORD, None, email.key, None, "de")]
    assert store.calls == 0, "nobody looks up whether there is such an account"


@pytest.mark.parametrize("email", [OLD, EmailAddress("nobody@example.com")])
def test_a_verification_is_mailed_again_whoever_asks(
    emails: EmailService, tables: FakeTables, store: FakeRecoveryStore, email: EmailAddress
) -> None:
    emails.resend(email, GERMAN)
    assert _errands(tables) == [(Errand.VERIFY_EMAIL, None, email.key, None, "de")]
    assert store.calls == 0


@pytest.mark.parametrize("email", ["Old@example.com", "nobody@example.com"])
def test_few_mails_an_hour_go_to_one_address_in_whatever_spelling(
    recovery: RecoveryService,
    emails: EmailService,
    tables: FakeTables,
    clock: FakeClock,
    email: str,
) -> None:
    recovery.forgot(EmailAddress(email), CLIENT)
    recovery.forgot(EmailAddress(email.upper()), CLIENT)
    with pytest.raises(TooManyRequestsError) as refusal:
        recovery.forgot(EmailAddress(email), replace(CLIENT, ip="192.0.2.9"))
    assert 0 < refusal.value.retry_after <= 3_600
    assert len(tables.messages) == 2
    emails.resend(EmailAddress(email), CLIENT)  # counted by itself
    clock.step(minutes=60)
    recovery.forgot(EmailAddress(email), CLIENT)


def test_few_mails_an_hour_go_to_one_wanted_address_however_many_accounts_want_it(
    emails: EmailService, users: FakeUserStore, tables: FakeTables, hasher: PasswordHasher
) -> None:
    for number in (2, 3):
        add(users, a_user(number), hasher.hash(RIGHT))
    for number in (1, 2):
        emails.request_change(_caller_of(tables, number), "me", NEW, RIGHT, CLIENT)
    respelt = EmailAddress(NEW.upper())
    with pytest.raises(TooManyRequestsError):
        emails.request_change(_caller_of(tables, 3), "me", respelt, RIGHT, CLIENT)
    assert len(tables.messages) == 2


def test_so_many_mails_a_minute_are_asked_for_from_one_address(
    recovery: RecoveryService, tables: FakeTables
) -> None:
    limit = ATTEMPT_LIMITS.per_address
    for number in range(limit):
        recovery.forgot(EmailAddress(f"user-{number}@example.com"), CLIENT)
    with pytest.raises(TooManyRequestsError):
        recovery.forgot(EmailAddress("other@example.com"), CLIENT)
    assert len(tables.messages) == limit


def test_what_cannot_be_written_down_is_not_promised(
    recovery: RecoveryService, trail_store: FakeTrailStore
) -> None:
    trail_store.down = True
    with pytest.raises(UnavailableError):
        recovery.forgot(OLD, CLIENT)


# Which tokens are good


@pytest.mark.parametrize("text", ["", "nonsense", "mt1_", "mt1_" + "A" * 64, "mt1_" + "A" * 9_999])
def test_what_is_no_token_is_no_token_after_the_same_work(
    recovery: RecoveryService, store: FakeRecoveryStore, text: str
) -> None:
    before = store.calls
    with pytest.raises(MailedTokenInvalidError):
        recovery.reset(text, CHOSEN, CLIENT)
    assert store.calls == before + 1


@pytest.mark.parametrize("purpose", set(Purpose) - {Purpose.RESET})
def test_a_token_for_something_else_sets_no_password(
    recovery: RecoveryService, mail: Mail, purpose: Purpose
) -> None:
    with pytest.raises(MailedTokenInvalidError):
        recovery.reset(mail(purpose), CHOSEN, CLIENT)


@pytest.mark.parametrize("purpose", [Purpose.RESET, Purpose.UNDO])
def test_a_token_for_something_else_verifies_nothing(
    emails: EmailService, mail: Mail, purpose: Purpose
) -> None:
    with pytest.raises(MailedTokenInvalidError):
        emails.verify(mail(purpose), CLIENT)


@pytest.mark.parametrize("purpose", set(Purpose) - {Purpose.UNDO})
def test_a_token_for_something_else_undoes_nothing(
    emails: EmailService, mail: Mail, purpose: Purpose
) -> None:
    with pytest.raises(MailedTokenInvalidError):
        emails.undo(mail(purpose), CLIENT)


def test_a_token_works_until_its_time_is_over(
    recovery: RecoveryService, mail: Mail, clock: FakeClock
) -> None:
    first, second = mail(Purpose.RESET), mail(Purpose.RESET)
    clock.now = START + LIFETIMES[Purpose.RESET]
    with pytest.raises(MailedTokenInvalidError):
        recovery.reset(first, CHOSEN, CLIENT)
    clock.now -= timedelta(microseconds=1)
    recovery.reset(second, CHOSEN, CLIENT)


def test_a_token_of_another_user_is_not_ones_own(
    recovery: RecoveryService, tables: FakeTables, users: FakeUserStore, mail: Mail
) -> None:
    add(users, a_user(2), "a hash")
    text = mail(Purpose.RESET, number=2)
    (record,) = tables.mailed.values()
    tables.mailed[record.secret_hash] = replace(record, public_id=public_id(1))
    with pytest.raises(MailedTokenInvalidError):
        recovery.reset(text, CHOSEN, CLIENT)


@pytest.mark.parametrize("purpose", [Purpose.RESET, Purpose.VERIFY])
@pytest.mark.parametrize("changes", [{"email": "other@example.com"}, {"disabled": True}], ids=str)
def test_a_token_is_for_the_address_that_it_was_mailed_to_and_for_who_may_log_in(
    recovery: RecoveryService,
    emails: EmailService,
    users: FakeUserStore,
    mail: Mail,
    purpose: Purpose,
    changes: dict[str, object],
) -> None:
    text = mail(purpose)
    users.change(public_id(1), **changes)
    use = partial(recovery.reset, text, CHOSEN)
    with pytest.raises(MailedTokenInvalidError):
        (use if purpose is Purpose.RESET else partial(emails.verify, text))(CLIENT)


def test_a_token_is_for_the_password_that_it_was_mailed_for(
    recovery: RecoveryService, tables: FakeTables, mail: Mail
) -> None:
    text = mail(Purpose.RESET)
    tables.users[public_id(1)] = Credentials(_user(tables), "another hash")
    with pytest.raises(MailedTokenInvalidError):
        recovery.reset(text, CHOSEN, CLIENT)


def test_nobody_has_no_token(recovery: RecoveryService, tables: FakeTables, mail: Mail) -> None:
    text = mail(Purpose.RESET)
    tables.users.clear()
    with pytest.raises(MailedTokenInvalidError):
        recovery.reset(text, CHOSEN, CLIENT)


def test_bad_tokens_are_counted_and_good_ones_are_not(
    emails: EmailService, mail: Mail, tables: FakeTables
) -> None:
    for _ in range(ATTEMPT_LIMITS.per_address):
        with pytest.raises(MailedTokenInvalidError):
            emails.verify("nonsense", CLIENT)
    with pytest.raises(TooManyRequestsError):
        emails.undo("nonsense", CLIENT)
    emails.verify(mail(Purpose.VERIFY), CLIENT)
    assert _user(tables).email_verified


# Setting another password


def test_a_reset_sets_the_password_and_ends_sessions(
    recovery: RecoveryService, tables: FakeTables, hasher: PasswordHasher, mail: Mail
) -> None:
    recovery.reset(mail(Purpose.RESET), CHOSEN, GERMAN)
    row = _row(tables)
    assert hasher.matches(CHOSEN, row.password_hash)
    assert row.user == a_user(email=str(OLD), email_verified=True, token_version=2)
    assert _acts(tables) == [(Act.PASSWORD_RESET, {})]
    assert _errands(tables) == [(Errand.PASSWORD_CHANGED, public_id(1), None, str(OLD), "de")]


def test_a_token_works_once(recovery: RecoveryService, mail: Mail) -> None:
    text = mail(Purpose.RESET)
    recovery.reset(text, CHOSEN, CLIENT)
    with pytest.raises(MailedTokenInvalidError):
        recovery.reset(text, NewPassword("yet another horse"), CLIENT)


def test_of_two_tokens_for_one_password_the_second_is_dead(
    recovery: RecoveryService, mail: Mail
) -> None:
    first, second = mail(Purpose.RESET), mail(Purpose.RESET)
    recovery.reset(first, CHOSEN, CLIENT)
    with pytest.raises(MailedTokenInvalidError):
        recovery.reset(second, CHOSEN, CLIENT)


@pytest.mark.parametrize("password", ["short", "old@example.com", "User 1..", COMMON])
def test_a_refused_password_does_not_spend_the_token(
    recovery: RecoveryService, tables: FakeTables, mail: Mail, password: str
) -> None:
    text, before = mail(Purpose.RESET), _row(tables)
    if password == "User 1..":
        tables.users[public_id(1)] = before = Credentials(
            replace(before.user, username=password), before.password_hash
        )
    with pytest.raises(InvalidInputError) as refusal:
        recovery.reset(text, NewPassword(password), CLIENT)
    assert refusal.value.errors.keys() == {"new_password"}
    assert _row(tables) == before
    recovery.reset(text, CHOSEN, CLIENT)


def test_a_reset_forgets_the_address_that_somebody_wanted(
    recovery: RecoveryService, emails: EmailService, tables: FakeTables, mail: Mail
) -> None:
    emails.request_change(_caller(tables), "me", NEW, RIGHT, CLIENT)
    thiefs = mail(Purpose.CONFIRM, NEW)
    recovery.reset(mail(Purpose.RESET), CHOSEN, CLIENT)
    with pytest.raises(MailedTokenInvalidError):
        emails.verify(thiefs, CLIENT)


def test_a_reset_that_loses_a_race_for_something_else_goes_on(
    recovery: RecoveryService, store: FakeRecoveryStore, users: FakeUserStore, mail: Mail
) -> None:
    store.rival = lambda: users.raise_token_version(public_id(1))
    recovery.reset(mail(Purpose.RESET), CHOSEN, CLIENT)
    assert users.rows[public_id(1)].user.token_version == 3


def test_a_reset_that_loses_a_race_for_its_token_is_refused(
    recovery: RecoveryService, store: FakeRecoveryStore, mail: Mail
) -> None:
    text = mail(Purpose.RESET)
    store.rival = lambda: recovery.reset(text, NewPassword("yet another horse"), CLIENT)
    with pytest.raises(MailedTokenInvalidError):
        recovery.reset(text, CHOSEN, CLIENT)


@pytest.fixture
def losing(store: FakeRecoveryStore, users: FakeUserStore) -> Iterator[None]:
    """Somebody is always faster."""

    def rival() -> None:
        store.rival = rival
        users.raise_token_version(public_id(1))

    store.rival = rival
    yield
    store.rival = None


@pytest.mark.usefixtures("losing")
def test_a_reset_that_always_loses_gives_up(recovery: RecoveryService, mail: Mail) -> None:
    with pytest.raises(UnavailableError):
        recovery.reset(mail(Purpose.RESET), CHOSEN, CLIENT)


# Verifying


def test_an_address_is_verified_and_sessions_live_on(
    emails: EmailService, tables: FakeTables, mail: Mail
) -> None:
    text = mail(Purpose.VERIFY)
    emails.verify(text, CLIENT)
    assert _user(tables) == a_user(email=str(OLD), email_verified=True)
    assert _acts(tables) == [(Act.EMAIL_VERIFIED, {})]
    assert tables.messages == []
    with pytest.raises(MailedTokenInvalidError):
        emails.verify(text, CLIENT)


def test_a_verification_that_loses_a_race_for_its_token_is_refused(
    emails: EmailService, store: FakeRecoveryStore, mail: Mail
) -> None:
    text = mail(Purpose.VERIFY)
    store.rival = lambda: emails.verify(text, CLIENT)
    with pytest.raises(MailedTokenInvalidError):
        emails.verify(text, CLIENT)


# Wanting another address


def test_a_wanted_address_is_mailed_to_and_the_old_one_stays(
    emails: EmailService, tables: FakeTables
) -> None:
    for name in ("me", public_id(1)):
        user = emails.request_change(_caller(tables), name, NEW, RIGHT, GERMAN)
        assert user == _user(tables) == a_user(email=str(OLD), pending_email=str(NEW))
    assert _acts(tables) == [(Act.EMAIL_CHANGE_REQUESTED, {"email": str(NEW)})] * 2
    assert _errands(tables) == [(Errand.CONFIRM_EMAIL, public_id(1), None, str(NEW), "de")] * 2


def test_wanting_the_present_address_takes_the_wish_back(
    emails: EmailService, tables: FakeTables, mail: Mail
) -> None:
    emails.request_change(_caller(tables), "me", NEW, RIGHT, CLIENT)
    text = mail(Purpose.CONFIRM, NEW)
    assert emails.request_change(_caller(tables), "me", OLD, RIGHT, CLIENT).pending_email is None
    assert len(tables.messages) == 1
    with pytest.raises(MailedTokenInvalidError):
        emails.verify(text, CLIENT)


def test_a_username_and_metadata_change_with_the_wish_or_not_at_all(
    emails: EmailService,
    tables: FakeTables,
    users: FakeUserStore,
    store: FakeRecoveryStore,
    clock: FakeClock,
) -> None:
    also = Changes(metadata={"a": 1})
    caller = _caller(tables)

    def change(username: str, email: EmailAddress = NEW) -> User:
        clock.step(minutes=60)  # the next mail is not one too many
        return emails.request_change(
            caller, "me", email, RIGHT, CLIENT, also, username=Username(username)
        )

    changed = change("Zoë")
    assert changed == _user(tables)
    assert (changed.username, changed.metadata) == ("Zoë", {"a": 1})
    assert (changed.email, changed.pending_email) == (str(OLD), str(NEW))
    assert _acts(tables) == [
        (Act.USERNAME_CHANGED, {"from": "User 1", "to": "Zoë"}),
        (Act.METADATA_CHANGED, {}),
        (Act.EMAIL_CHANGE_REQUESTED, {"email": str(NEW)}),
    ]
    assert [event.session_id for event in tables.events[:2]] == [caller.session_id] * 2
    assert _errands(tables) == [
        (Errand.USERNAME_CHANGED, public_id(1), None, None, "en"),
        (Errand.CONFIRM_EMAIL, public_id(1), None, str(NEW), "en"),
    ]
    assert change("Zoe", OLD).pending_email is None
    add(users, a_user(2))
    before = _user(tables)
    with pytest.raises(UsernameTakenError):
        change("USER 2")
    with pytest.raises(EmailTakenError):
        change("Zoë", EmailAddress("user-2@example.com"))
    store.rival = lambda: users.change(public_id(1), username="Faster")
    with pytest.raises(UnavailableError):
        change("Zoë")
    assert _user(tables) == replace(before, username="Faster")


def test_one_wants_another_address_for_oneself_only_and_with_the_password(
    emails: EmailService, tables: FakeTables
) -> None:
    boss = a_caller(a_user(9, admin=True))
    with pytest.raises(NotAllowedError):
        emails.request_change(boss, public_id(1), NEW, RIGHT, CLIENT)
    with pytest.raises(InvalidInputError) as refusal:
        emails.request_change(_caller(tables), "me", NEW, None, CLIENT)
    assert refusal.value.errors.keys() == {"current_password"}
    with pytest.raises(WrongPasswordError):
        emails.request_change(_caller(tables), "me", NEW, Password("wrong"), CLIENT)
    assert tables.messages == []
    assert _user(tables).pending_email is None


def test_an_address_of_somebody_else_cannot_be_wanted(
    emails: EmailService, tables: FakeTables, users: FakeUserStore
) -> None:
    add(users, a_user(2, email="NEW@example.com"))
    with pytest.raises(EmailTakenError):
        emails.request_change(_caller(tables), "me", NEW, RIGHT, CLIENT)


def test_whoever_is_disabled_meanwhile_is_not_logged_in_any_more(
    emails: EmailService, tables: FakeTables, users: FakeUserStore, store: FakeRecoveryStore
) -> None:
    store.rival = lambda: users.change(public_id(1), disabled=True)
    with pytest.raises(TokenInvalidError):
        emails.request_change(_caller(tables), "me", NEW, RIGHT, CLIENT)


def test_few_addresses_an_hour_can_be_wanted(emails: EmailService, tables: FakeTables) -> None:
    for email in (NEW, NEWER):
        emails.request_change(_caller(tables), "me", email, RIGHT, CLIENT)
    with pytest.raises(TooManyRequestsError):
        emails.request_change(_caller(tables), "me", NEW, RIGHT, CLIENT)
    emails.request_change(_caller(tables), "me", OLD, RIGHT, CLIENT)  # asks for no mail


def test_so_many_changes_can_be_undone_and_no_more_are_made(
    tables: FakeTables,
    change: Callable[[EmailAddress], None],
    clock: FakeClock,
) -> None:
    for number in range(5):
        change(EmailAddress(f"new-{number}@example.com"))
        clock.step(minutes=1)
    with pytest.raises(TooManyRequestsError) as refusal:
        change(NEW)
    waits = timedelta(seconds=refusal.value.retry_after)
    assert clock.now + waits > START + HELD_FOR
    clock.now += waits
    change(NEW)
    assert len(_user(tables).former_emails) == 5


# Changing it


def test_a_confirmed_address_is_the_owners_and_the_old_one_is_told(
    emails: EmailService, tables: FakeTables, mail: Mail
) -> None:
    emails.request_change(_caller(tables), "me", NEW, RIGHT, CLIENT)
    emails.verify(mail(Purpose.CONFIRM, NEW), GERMAN)
    assert _user(tables) == a_user(
        email=str(NEW),
        email_verified=True,
        token_version=2,
        former_emails=(FormerEmail(str(OLD), START + HELD_FOR),),
    )
    assert _acts(tables)[-1] == (Act.EMAIL_CHANGED, {"email": str(NEW)})
    assert _errands(tables)[-1] == (Errand.EMAIL_CHANGED, public_id(1), None, str(OLD), "de")


def test_only_the_address_that_is_wanted_now_is_confirmed(
    emails: EmailService, tables: FakeTables, mail: Mail
) -> None:
    emails.request_change(_caller(tables), "me", NEW, RIGHT, CLIENT)
    text = mail(Purpose.CONFIRM, NEW)
    emails.request_change(_caller(tables), "me", NEWER, RIGHT, CLIENT)
    with pytest.raises(MailedTokenInvalidError):
        emails.verify(text, CLIENT)


def test_an_address_that_was_taken_meanwhile_is_not_given(
    emails: EmailService, tables: FakeTables, users: FakeUserStore, mail: Mail
) -> None:
    emails.request_change(_caller(tables), "me", NEW, RIGHT, CLIENT)
    add(users, a_user(2, email=str(NEW)))
    with pytest.raises(EmailTakenError):
        emails.verify(mail(Purpose.CONFIRM, NEW), CLIENT)
    assert _user(tables).email == OLD


def test_a_confirmation_that_always_loses_gives_up(
    emails: EmailService, tables: FakeTables, mail: Mail, request: pytest.FixtureRequest
) -> None:
    emails.request_change(_caller(tables), "me", NEW, RIGHT, CLIENT)
    request.getfixturevalue("losing")
    with pytest.raises(UnavailableError):
        emails.verify(mail(Purpose.CONFIRM, NEW), CLIENT)


# Putting a former one back


def test_a_former_address_is_put_back_and_a_reset_mailed(
    emails: EmailService,
    tables: FakeTables,
    change: Callable[[EmailAddress], None],
    mail: Mail,
) -> None:
    change(NEW)
    emails.undo(mail(Purpose.UNDO, OLD), GERMAN)
    assert _user(tables) == a_user(email=str(OLD), email_verified=True, token_version=3)
    assert _acts(tables)[-1] == (Act.EMAIL_CHANGE_UNDONE, {"email": str(OLD)})
    assert _errands(tables)[-1] == (Errand.RESET_PASSWORD, public_id(1), None, None, "de")


def test_a_thief_who_changes_it_twice_cannot_undo_the_undoing(
    emails: EmailService,
    tables: FakeTables,
    change: Callable[[EmailAddress], None],
    mail: Mail,
) -> None:
    change(NEW)
    owners = mail(Purpose.UNDO, OLD)
    change(NEWER)
    thiefs = mail(Purpose.UNDO, NEW)
    emails.undo(owners, CLIENT)
    with pytest.raises(MailedTokenInvalidError):
        emails.undo(thiefs, CLIENT)
    assert _user(tables).email == OLD


def test_an_address_cannot_be_put_back_when_it_is_not_held_any_more(
    emails: EmailService, change: Callable[[EmailAddress], None], mail: Mail, clock: FakeClock
) -> None:
    change(NEW)
    clock.step(minutes=1)
    text = mail(Purpose.UNDO, OLD)  # mailed late
    clock.now = START + HELD_FOR
    with pytest.raises(MailedTokenInvalidError):
        emails.undo(text, CLIENT)


def test_an_undoing_whose_time_runs_out_on_the_way_is_refused(
    emails: EmailService,
    change: Callable[[EmailAddress], None],
    mail: Mail,
    clock: FakeClock,
    reader: MailedTokenReader,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    change(NEW)
    text, read = mail(Purpose.UNDO, OLD), reader.read

    def slowly(*arguments: object) -> object:
        found = read(*arguments)  # type: ignore[arg-type] # handed on as they are
        clock.now = START + HELD_FOR
        return found

    monkeypatch.setattr(reader, "read", slowly)
    with pytest.raises(MailedTokenInvalidError):
        emails.undo(text, CLIENT)


def test_an_undoing_that_always_loses_gives_up(
    emails: EmailService,
    change: Callable[[EmailAddress], None],
    mail: Mail,
    request: pytest.FixtureRequest,
) -> None:
    change(NEW)
    request.getfixturevalue("losing")
    with pytest.raises(UnavailableError):
        emails.undo(mail(Purpose.UNDO, OLD), CLIENT)


# Being let in


def _sessions(request: pytest.FixtureRequest, *, required: bool) -> SessionService:
    fixture = request.getfixturevalue
    refresh_tokens: RefreshTokens = fixture("refresh_tokens")
    sessions: FakeSessionStore = fixture("session_store")
    return SessionService(
        fixture("users"),
        sessions,
        fixture("hasher"),
        fixture("token_sets"),
        refresh_tokens,
        fixture("attempts"),
        fixture("trails"),
        requires_verified_emails=required,
        rules=lambda: fixture("policy"),
        clock=fixture("clock"),
    )


def test_whoever_has_to_verify_first_is_let_in_afterwards(
    request: pytest.FixtureRequest,
    recovery: RecoveryService,
    tables: FakeTables,
    mail: Mail,
) -> None:
    sessions = _sessions(request, required=True)
    tables.sessions.clear()
    for _ in range(ATTEMPT_LIMITS.per_account + 1):  # a right password is not counted
        with pytest.raises(EmailNotVerifiedError):
            sessions.log_in_by_email(OLD, RIGHT, CLIENT)
    assert tables.sessions == {}
    # Resetting the password verifies the address: nobody is shut out for good.
    recovery.reset(mail(Purpose.RESET), CHOSEN, CLIENT)
    assert not sessions.log_in_by_email(OLD, CHOSEN, CLIENT).verification_pending


def test_whoever_need_not_verify_is_told_that_they_should(
    request: pytest.FixtureRequest, emails: EmailService, mail: Mail
) -> None:
    sessions = _sessions(request, required=False)
    assert sessions.log_in_by_email(OLD, RIGHT, CLIENT).verification_pending
    emails.verify(mail(Purpose.VERIFY), CLIENT)
    assert not sessions.log_in_by_email(OLD, RIGHT, CLIENT).verification_pending


@pytest.fixture
def accounts(
    users: FakeUserStore,
    session_store: FakeSessionStore,
    credentials: CredentialService,
    policy: PasswordPolicy,
    hasher: PasswordHasher,
    token_sets: TokenSetService,
    trails: TrailService,
    clock: FakeClock,
) -> Callable[..., AccountService]:
    """Makes a service that does or does not have addresses verified."""
    return partial(
        AccountService,
        users,
        session_store,
        credentials,
        policy,
        hasher,
        token_sets,
        trails,
        clock=clock,
        new_id=FakeIds(),
    )


def test_whoever_has_to_verify_first_registers_and_is_not_logged_in(
    accounts: Callable[..., AccountService], tables: FakeTables
) -> None:
    service = accounts(verifies_emails=True, requires_verified_emails=True)
    assert service.register(NEW, Username("New"), CHOSEN, GERMAN) is None
    assert tables.sessions == {}
    assert [(message.errand, message.language) for message in tables.messages] == [
        (Errand.VERIFY_EMAIL, "de")
    ]
    with pytest.raises(EmailTakenError):
        service.register(NEW, Username("Other"), CHOSEN, CLIENT)


def test_where_nobody_verifies_nothing_is_mailed(
    accounts: Callable[..., AccountService], tables: FakeTables
) -> None:
    service = accounts(verifies_emails=False, requires_verified_emails=False)
    assert service.register(NEW, Username("New"), CHOSEN, CLIENT)
    assert tables.messages == []
