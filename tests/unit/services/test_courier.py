"""The courier: what becomes of each errand."""

import re
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.domain.activity import Act
from chalicelib.domain.errors import UnavailableError
from chalicelib.domain.mailed_tokens import LIFETIMES, MailedToken, Purpose, password_mark
from chalicelib.domain.outbox import Errand, Message
from chalicelib.domain.users import User
from chalicelib.mail.writing import TemplateWriter
from chalicelib.services.attempts import AttemptService
from chalicelib.services.courier import GIVEN_UP, PATHS, Courier, Outcome
from chalicelib.services.trails import TrailService
from tests.fakes import (
    START,
    FakeAttemptStore,
    FakeClock,
    FakeRandom,
    FakeSessionStore,
    FakeTables,
    FakeUserStore,
    public_id,
)
from tests.mails import (
    FakeActivityAnonymiser,
    FakeMailedTokenStore,
    FakeMailer,
    a_message,
)
from tests.samples import a_session, a_user
from tests.unit.services.conftest import ATTEMPT_LIMITS

BASE = "https://accounts.example.com/api"
WANTED = "wanted@example.com"
FORMER = "former@example.com"
LINKED = {
    Errand.VERIFY_EMAIL: Purpose.VERIFY,
    Errand.RESET_PASSWORD: Purpose.RESET,
    Errand.CONFIRM_EMAIL: Purpose.CONFIRM,
    Errand.EMAIL_CHANGED: Purpose.UNDO,
}
MAILED = [*LINKED, Errand.PASSWORD_CHANGED, Errand.USERNAME_CHANGED]


@pytest.fixture
def tables() -> FakeTables:
    return FakeTables()


@pytest.fixture
def users(tables: FakeTables) -> FakeUserStore:
    return FakeUserStore(tables)


@pytest.fixture
def user(users: FakeUserStore) -> User:
    """Somebody who wants another address."""
    user = a_user(pending_email=WANTED)
    assert users.add(user, "a hash", None)
    return user


@pytest.fixture
def tokens() -> FakeMailedTokenStore:
    return FakeMailedTokenStore()


@pytest.fixture
def activity() -> FakeActivityAnonymiser:
    return FakeActivityAnonymiser()


@pytest.fixture
def mailer() -> FakeMailer:
    return FakeMailer()


class World:
    """What couriers have around them, and how one is made."""

    def __init__(
        self,
        clock: FakeClock,
        tables: FakeTables,
        users: FakeUserStore,
        tokens: FakeMailedTokenStore,
        trails: TrailService,
        activity: FakeActivityAnonymiser,
        attempts: AttemptService,
    ) -> None:
        self.counts = attempts
        self._clock = clock
        self._tables = tables
        self._users = users
        self._tokens = tokens
        self._trails = trails
        self._activity = activity

    def courier(self, mailer: FakeMailer | None) -> Courier:
        return Courier(
            self._users,
            self._tokens,
            self._activity,
            FakeSessionStore(self._tables),
            self._trails,
            TemplateWriter("Shop"),
            mailer,
            counts=self.counts,
            link_base_url=BASE,
            clock=self._clock,
            random_octets=FakeRandom().octets,
        )


@pytest.fixture
def world(
    clock: FakeClock,
    tables: FakeTables,
    users: FakeUserStore,
    tokens: FakeMailedTokenStore,
    trails: TrailService,
    activity: FakeActivityAnonymiser,
    attempts: AttemptService,
) -> World:
    return World(clock, tables, users, tokens, trails, activity, attempts)


@pytest.fixture
def courier(world: World, mailer: FakeMailer) -> Courier:
    return world.courier(mailer)


def _message(errand: Errand, **facts: Any) -> Message:
    """What a change of the user's would leave behind for an errand."""
    address = {
        Errand.CONFIRM_EMAIL: WANTED,
        Errand.EMAIL_CHANGED: FORMER,
        Errand.PASSWORD_CHANGED: FORMER,
    }.get(errand)
    facts.setdefault("address", address)
    return a_message(errand=errand, **facts)


def _token_in(text: str) -> tuple[str, MailedToken]:
    """The one link of a mail: where it leads to, and the token in it."""
    (link,) = re.findall(r"https?://\S+", text)
    page, _, token = link.partition("?token=")
    parsed = MailedToken.parse(token)
    assert parsed is not None
    return page, parsed


# What each errand mails


@pytest.mark.parametrize(
    ("errand", "address"),
    [
        (Errand.VERIFY_EMAIL, "user-1@example.com"),
        (Errand.RESET_PASSWORD, "user-1@example.com"),
        (Errand.CONFIRM_EMAIL, WANTED),
        (Errand.EMAIL_CHANGED, FORMER),
    ],
)
@pytest.mark.usefixtures("user")
def test_a_link_is_mailed_to_whom_it_concerns_and_can_be_checked(
    errand: Errand,
    address: str,
    courier: Courier,
    mailer: FakeMailer,
    tokens: FakeMailedTokenStore,
) -> None:
    assert courier.deliver(_message(errand)) is Outcome.SENT
    page, token = _token_in(mailer.only.text)
    purpose = LINKED[errand]
    assert page == BASE + PATHS[purpose]
    assert token.public_id == public_id(1)
    assert mailer.only.address == address
    record = tokens.records[token.secret_hash]
    assert (record.public_id, record.purpose) == (public_id(1), purpose)
    assert record.address == address
    assert record.expires_at == START + LIFETIMES[purpose]
    assert token.text not in repr(record)
    assert f'href="{page}?token={token.text}"' in mailer.only.html


@pytest.mark.usefixtures("user")
def test_a_reset_is_bound_to_the_password_and_nothing_else_is(
    courier: Courier, tokens: FakeMailedTokenStore
) -> None:
    for errand in LINKED:
        courier.deliver(_message(errand))
    marks = {record.purpose: record.password_mark for record in tokens.records.values()}
    assert marks == dict.fromkeys(Purpose) | {Purpose.RESET: password_mark("a hash")}


@pytest.mark.usefixtures("user")
def test_every_delivery_has_a_secret_of_its_own(
    courier: Courier, tokens: FakeMailedTokenStore
) -> None:
    for _ in range(3):
        courier.deliver(_message(Errand.RESET_PASSWORD))
    assert len(tokens.records) == 3


@pytest.mark.usefixtures("user")
def test_a_link_that_is_mailed_late_works_as_long_but_an_undo_only_from_the_change_on(
    courier: Courier, clock: FakeClock, tokens: FakeMailedTokenStore
) -> None:
    clock.step(minutes=30)
    for errand in LINKED:
        courier.deliver(_message(errand))
    expiries = {record.purpose: record.expires_at for record in tokens.records.values()}
    late = START + timedelta(minutes=30)
    assert expiries == {
        Purpose.VERIFY: late + timedelta(days=1),
        Purpose.RESET: late + timedelta(hours=1),
        Purpose.CONFIRM: late + timedelta(days=1),
        Purpose.UNDO: START + timedelta(hours=72),
    }


@pytest.mark.parametrize(
    ("errand", "lasts"),
    [
        (Errand.VERIFY_EMAIL, "once, for 24 hours"),
        (Errand.RESET_PASSWORD, "once, for one hour"),
        (Errand.CONFIRM_EMAIL, "once, for 24 hours"),
        (Errand.EMAIL_CHANGED, "once, until 72 hours after the change"),
    ],
)
@pytest.mark.usefixtures("user")
def test_a_mail_says_how_long_its_link_works(
    errand: Errand, lasts: str, courier: Courier, mailer: FakeMailer
) -> None:
    courier.deliver(_message(errand))
    assert f"The link works {lasts}." in mailer.only.text


@pytest.mark.usefixtures("user")
def test_a_changed_password_is_told_without_a_link(
    courier: Courier, mailer: FakeMailer, tokens: FakeMailedTokenStore
) -> None:
    assert courier.deliver(_message(Errand.PASSWORD_CHANGED)) is Outcome.SENT
    assert mailer.only.address == FORMER
    assert "http" not in mailer.only.text
    assert "<a " not in mailer.only.html
    assert tokens.records == {}


@pytest.mark.usefixtures("user")
def test_a_changed_password_is_told_to_the_present_address_if_no_other_is_named(
    courier: Courier, mailer: FakeMailer
) -> None:
    courier.deliver(_message(Errand.PASSWORD_CHANGED, address=None))
    assert mailer.only.address == "user-1@example.com"


@pytest.mark.usefixtures("user")
def test_an_owner_is_found_by_an_address_in_any_spelling(
    courier: Courier, mailer: FakeMailer
) -> None:
    asked = _message(Errand.RESET_PASSWORD, public_id=None, email_key="user-1@example.com")
    assert courier.deliver(asked) is Outcome.SENT
    assert mailer.only.address == "user-1@example.com"


@pytest.mark.parametrize(
    ("language", "subject"),
    [
        ("de", "Wählen Sie ein neues Passwort für Shop"),
        ("en", "Choose a new password for Shop"),
        ("fr", "Choose a new password for Shop"),
    ],
)
@pytest.mark.usefixtures("user")
def test_a_mail_is_in_the_language_of_whoever_asked(
    language: str, subject: str, courier: Courier, mailer: FakeMailer
) -> None:
    courier.deliver(_message(Errand.RESET_PASSWORD, language=language))
    assert mailer.only.subject == subject


@pytest.mark.usefixtures("user")
def test_that_a_reset_was_mailed_is_kept_for_its_owner_and_nothing_else_is(
    courier: Courier, tables: FakeTables
) -> None:
    for errand in LINKED:
        courier.deliver(_message(errand))
    (event,) = tables.events
    assert (event.act, event.public_id, event.at) == (Act.RECOVERY_MAILED, public_id(1), START)
    assert (event.client.ip, event.client.user_agent, event.changed) == ("", "", {})
    assert tables.messages == []


# When too many were mailed


def test_whoever_is_registered_again_and_again_gets_as_many_mails_as_can_be_asked_for(
    courier: Courier, users: FakeUserStore, mailer: FakeMailer, clock: FakeClock
) -> None:
    outcomes = []
    for number in range(1, ATTEMPT_LIMITS.mails + 2):
        user = a_user(number, email="ZOE@example.com" if number % 2 else "zoe@example.com")
        assert users.add(user, "a hash", None)
        message = _message(Errand.VERIFY_EMAIL, public_id=user.public_id)
        outcomes.append(courier.deliver(message))
        users.remove(user)
    assert outcomes == [Outcome.SENT] * ATTEMPT_LIMITS.mails + [Outcome.LIMITED]
    assert len(mailer.sent) == ATTEMPT_LIMITS.mails
    clock.step(minutes=60)
    assert users.add(a_user(9, email="zoe@example.com"), "a hash", None)
    later = _message(Errand.VERIFY_EMAIL, public_id=public_id(9))
    assert courier.deliver(later) is Outcome.SENT


@pytest.mark.parametrize(
    "errand", [Errand.PASSWORD_CHANGED, Errand.USERNAME_CHANGED, Errand.EMAIL_CHANGED]
)
def test_whoever_changes_something_again_and_again_fills_nobodys_mailbox(
    errand: Errand, courier: Courier, users: FakeUserStore, mailer: FakeMailer, clock: FakeClock
) -> None:
    def change(number: int) -> Outcome:
        """With another account each time, which had a stranger's address."""
        user = a_user(number)
        assert users.add(user, "a hash", None)
        stranger = "Stranger@example.com" if number % 2 else "stranger@example.com"
        told = _message(errand, public_id=user.public_id, address=stranger)
        return courier.deliver(told)

    outcomes = [change(number) for number in range(1, ATTEMPT_LIMITS.mails + 2)]
    assert outcomes == [Outcome.SENT] * ATTEMPT_LIMITS.mails + [Outcome.LIMITED]
    assert len(mailer.sent) == ATTEMPT_LIMITS.mails
    clock.step(minutes=60)
    assert change(9) is Outcome.SENT


@pytest.mark.usefixtures("user")
def test_a_mail_that_was_not_sent_is_not_counted(
    courier: Courier, mailer: FakeMailer, attempt_store: FakeAttemptStore, tables: FakeTables
) -> None:
    for _ in range(10):
        mailer.down = True
        with pytest.raises(UnavailableError):
            courier.deliver(_message(Errand.VERIFY_EMAIL))
    assert set(tables.counts.values()) == {0}
    mailer.down = False
    assert courier.deliver(_message(Errand.VERIFY_EMAIL)) is Outcome.SENT
    attempt_store.down = True
    with pytest.raises(UnavailableError):
        courier.deliver(_message(Errand.VERIFY_EMAIL))
    # What was asked for by an address was counted then.
    asked = _message(Errand.VERIFY_EMAIL, public_id=None, email_key="user-1@example.com")
    assert courier.deliver(asked) is Outcome.SENT


# When there is nothing to mail


@pytest.mark.parametrize("errand", MAILED)
def test_nothing_is_mailed_about_an_account_that_is_gone(
    errand: Errand, courier: Courier, mailer: FakeMailer, tables: FakeTables
) -> None:
    assert courier.deliver(_message(errand)) is Outcome.NOBODY
    assert courier.deliver(_message(errand, public_id=None)) is Outcome.NOBODY
    unknown = _message(errand, public_id=None, email_key="nobody@example.com")
    assert courier.deliver(unknown) is Outcome.NOBODY
    assert mailer.sent == []
    assert tables.events == []


@pytest.mark.parametrize(
    ("errand", "outcome"),
    [
        (Errand.VERIFY_EMAIL, Outcome.DISABLED),
        (Errand.RESET_PASSWORD, Outcome.DISABLED),
        (Errand.CONFIRM_EMAIL, Outcome.DISABLED),
        (Errand.EMAIL_CHANGED, Outcome.SENT),
        (Errand.PASSWORD_CHANGED, Outcome.SENT),
    ],
)
def test_a_disabled_account_gets_notices_and_no_link_to_get_in(
    errand: Errand, outcome: Outcome, courier: Courier, users: FakeUserStore, user: User
) -> None:
    users.change(user.public_id, disabled=True)
    assert courier.deliver(_message(errand)) is outcome


def test_an_address_that_is_verified_is_not_verified_again(
    courier: Courier, users: FakeUserStore, user: User
) -> None:
    users.change(user.public_id, email_verified=True)
    assert courier.deliver(_message(Errand.VERIFY_EMAIL)) is Outcome.NOT_NEEDED
    assert courier.deliver(_message(Errand.RESET_PASSWORD)) is Outcome.SENT


@pytest.mark.parametrize("pending", [None, "another@example.com"])
def test_an_address_that_is_wanted_no_longer_is_not_confirmed(
    pending: str | None, courier: Courier, users: FakeUserStore, user: User
) -> None:
    users.change(user.public_id, pending_email=pending)
    assert courier.deliver(_message(Errand.CONFIRM_EMAIL)) is Outcome.NOT_NEEDED
    nowhere = _message(Errand.CONFIRM_EMAIL, address=None)
    assert courier.deliver(nowhere) is Outcome.NOT_NEEDED


def test_a_change_that_was_undone_is_not_told(
    courier: Courier, users: FakeUserStore, user: User
) -> None:
    users.change(user.public_id, email=FORMER)
    assert courier.deliver(_message(Errand.EMAIL_CHANGED)) is Outcome.NOT_NEEDED
    nowhere = _message(Errand.EMAIL_CHANGED, address=None)
    assert courier.deliver(nowhere) is Outcome.NOT_NEEDED


# What cannot be done


@pytest.mark.parametrize("errand", MAILED)
@pytest.mark.usefixtures("user")
def test_a_stage_without_a_sender_mails_nothing(
    errand: Errand, world: World, users: FakeUserStore
) -> None:
    before = users.calls
    assert world.courier(None).deliver(_message(errand)) is Outcome.MAIL_OFF
    assert users.calls == before


@pytest.mark.parametrize("errand", list(Errand))
@pytest.mark.usefixtures("user")
def test_an_errand_is_given_up_once_it_is_not_worth_doing(
    errand: Errand,
    courier: Courier,
    clock: FakeClock,
    mailer: FakeMailer,
    activity: FakeActivityAnonymiser,
) -> None:
    clock.step(days=1)
    assert courier.deliver(_message(errand)) is Outcome.EXPIRED
    assert (mailer.sent, activity.anonymised) == ([], [])
    clock.step(seconds=-1)
    assert courier.deliver(_message(errand)) not in GIVEN_UP


@pytest.mark.usefixtures("user")
def test_a_mail_that_can_never_be_sent_is_given_up(
    courier: Courier, mailer: FakeMailer, tables: FakeTables
) -> None:
    mailer.refuses.add("user-1@example.com")
    assert courier.deliver(_message(Errand.RESET_PASSWORD)) is Outcome.REFUSED
    assert tables.events == []


@pytest.mark.parametrize("broken", ["mailer", "tokens", "trail_store", "users"])
@pytest.mark.usefixtures("user")
def test_what_cannot_be_done_now_is_to_be_tried_again(
    broken: str, courier: Courier, mailer: FakeMailer, request: pytest.FixtureRequest
) -> None:
    part = request.getfixturevalue(broken)
    part.down = True
    with pytest.raises(UnavailableError):
        courier.deliver(_message(Errand.RESET_PASSWORD))
    part.down = False
    assert courier.deliver(_message(Errand.RESET_PASSWORD)) is Outcome.SENT
    # If all that failed was the event, the mail comes twice.
    assert len(mailer.sent) == (2 if broken == "trail_store" else 1)


@pytest.mark.usefixtures("user")
def test_no_link_is_mailed_that_could_not_be_checked(
    courier: Courier, mailer: FakeMailer, tokens: FakeMailedTokenStore
) -> None:
    tokens.down = True
    with pytest.raises(UnavailableError):
        courier.deliver(_message(Errand.RESET_PASSWORD))
    assert mailer.sent == []


# Accounts that are gone


def test_an_account_that_is_gone_leaves_neither_whereabouts_nor_sessions(
    world: World, tables: FakeTables, activity: FakeActivityAnonymiser, clock: FakeClock
) -> None:
    courier = world.courier(None)  # which needs no mails for that
    # A login that had read the account leaves a session after the first time.
    for seconds, outcome in (
        (0, Outcome.ANONYMISED_SO_FAR),
        (59, Outcome.ANONYMISED_SO_FAR),
        (1, Outcome.ANONYMISED),
        (0, Outcome.ANONYMISED),
    ):
        clock.step(seconds=seconds)
        for session in (a_session(number=0), a_session(number=1), a_session(a_user(2))):
            tables.sessions[session.public_id, session.slot] = session
        assert courier.deliver(_message(Errand.ANONYMISE)) is outcome
        assert [session.public_id for session in tables.sessions.values()] == [public_id(2)]
    assert activity.anonymised == [public_id(1)] * 4


def test_nobody_is_made_anonymous_who_is_not_named(
    courier: Courier, activity: FakeActivityAnonymiser
) -> None:
    assert courier.deliver(_message(Errand.ANONYMISE, public_id=None)) is Outcome.NOBODY
    assert activity.anonymised == []


def test_activity_that_cannot_be_reached_is_to_be_tried_again(
    courier: Courier, activity: FakeActivityAnonymiser
) -> None:
    activity.down = True
    with pytest.raises(UnavailableError):
        courier.deliver(_message(Errand.ANONYMISE))
