"""What is kept of what happens, and what is to be done for it."""

from datetime import timedelta

import pytest

from chalicelib.domain.activity import OPERATOR, Act
from chalicelib.domain.changes import Changes, Renaming
from chalicelib.domain.outbox import Errand
from chalicelib.domain.sessions import Client
from chalicelib.services.trails import TrailService
from tests.fakes import START, FakeClock, public_id
from tests.samples import CLIENT


def test_an_event_says_who_did_what_when_and_where(trails: TrailService, clock: FakeClock) -> None:
    clock.step(seconds=7)
    event = trails.event(
        Act.ADMIN_GRANTED, public_id(1), CLIENT, actor=public_id(2), session_id="s", to="x"
    )
    assert (event.act, event.public_id, event.actor) == (
        Act.ADMIN_GRANTED,
        public_id(1),
        public_id(2),
    )
    assert event.at == START + timedelta(seconds=7)
    assert event.expires_at == event.at + timedelta(days=90)
    assert (event.client, event.session_id, event.changed) == (CLIENT, "s", {"to": "x"})


def test_whoever_does_something_to_their_own_account_is_no_other_actor(
    trails: TrailService,
) -> None:
    assert trails.event(Act.DELETED, public_id(1), CLIENT, actor=public_id(1)).actor is None
    assert trails.event(Act.REGISTERED, public_id(1), CLIENT, actor=OPERATOR).actor == "operator"


def test_events_of_one_moment_can_be_told_apart(trails: TrailService) -> None:
    ids = {trails.event(Act.REFRESHED, public_id(1), CLIENT).event_id for _ in range(5)}
    assert len(ids) == 5


def test_a_failed_login_is_its_accounts_or_kept_for_a_day_under_nobody(
    trails: TrailService,
) -> None:
    known = trails.failed_login(public_id(1), CLIENT)
    assert (known.public_id, known.expires_at) == (public_id(1), START + timedelta(days=90))
    unknown = trails.failed_login(None, CLIENT)
    assert unknown.public_id == f"nobody#{unknown.event_id[-2:]}"
    assert unknown.expires_at == START + timedelta(days=1)
    assert known.act == unknown.act == Act.LOGIN_FAILED


@pytest.mark.parametrize("errand", Errand)
def test_each_errand_is_worth_doing_for_a_time(trails: TrailService, errand: Errand) -> None:
    message = trails.message(errand, public_id=public_id(1), language="de")
    assert (message.errand, message.public_id, message.language) == (errand, public_id(1), "de")
    assert message.created_at == START
    assert timedelta(hours=1) <= message.expires_at - START <= timedelta(days=30)


def test_a_new_name_is_told_in_the_language_of_whoever_chose_it(trails: TrailService) -> None:
    german = Client.of("192.0.2.1", "x", "de")
    renamed = Changes(renaming=Renaming("User 1", "Zoë"))
    (message,) = trails.notices(renamed, public_id(1), german)
    assert (message.errand, message.language) == (Errand.USERNAME_CHANGED, "de")


def test_a_client_reads_english_unless_it_says_otherwise() -> None:
    assert CLIENT.language == "en"
    assert Client.of("192.0.2.1", "x", "de").language == "de"
