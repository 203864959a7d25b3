from datetime import timedelta

import pytest

from chalicelib.domain.activity import Act
from chalicelib.domain.mailed_tokens import LIFETIMES, Purpose
from chalicelib.domain.outbox import Errand
from chalicelib.services.trails import TrailService
from tests.fakes import START, FakeClock, public_id
from tests.samples import CLIENT
from tests.unit.services.conftest import KEPT_FOR


def test_an_event_is_of_now_and_kept_for_a_time(trails: TrailService, clock: FakeClock) -> None:
    clock.step(minutes=5)
    event = trails.event(
        Act.USERNAME_CHANGED,
        public_id(1),
        CLIENT,
        actor=public_id(2),
        session_id="a-session",
        **{"from": "Zoe", "to": "Zoë"},
    )
    assert event.at == START + timedelta(minutes=5)
    assert event.expires_at == event.at + KEPT_FOR
    assert event.client == CLIENT
    assert (event.public_id, event.actor, event.session_id) == (
        public_id(1),
        public_id(2),
        "a-session",
    )
    assert event.changed == {"from": "Zoe", "to": "Zoë"}


def test_no_two_share_an_identifier(trails: TrailService) -> None:
    first, second = (trails.event(Act.LOGGED_IN, public_id(1), CLIENT) for _ in range(2))
    assert first.event_id != second.event_id
    one, other = (trails.message(Errand.VERIFY_EMAIL) for _ in range(2))
    assert one.message_id != other.message_id


@pytest.mark.parametrize("errand", Errand)
def test_every_errand_is_worth_doing_for_a_time(trails: TrailService, errand: Errand) -> None:
    message = trails.message(errand, public_id=public_id(1), language="de")
    assert message.created_at == START < message.expires_at
    assert (message.errand, message.public_id, message.language) == (errand, public_id(1), "de")
    assert message.email_key is message.address is None


def test_a_mail_is_not_sent_when_its_link_would_have_lapsed(trails: TrailService) -> None:
    for errand, purpose in (
        (Errand.RESET_PASSWORD, Purpose.RESET),
        (Errand.VERIFY_EMAIL, Purpose.VERIFY),
        (Errand.CONFIRM_EMAIL, Purpose.CONFIRM),
        (Errand.EMAIL_CHANGED, Purpose.UNDO),
    ):
        message = trails.message(errand, email_key="a@b.co", address="A@b.co")
        assert message.expires_at - message.created_at == LIFETIMES[purpose]
