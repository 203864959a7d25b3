from datetime import UTC, datetime, timedelta, timezone

import pytest

from chalicelib.domain.sessions import TokenSet
from chalicelib.domain.times import epoch_seconds, system_clock
from chalicelib.domain.tokens import AccessToken, PublicKey, SigningKey
from chalicelib.domain.users import Credentials, is_public_id
from tests.fakes import START, public_id
from tests.samples import a_user


def test_the_system_clock_knows_its_zone() -> None:
    before, now, after = datetime.now(UTC), system_clock(), datetime.now(UTC)
    assert before <= now <= after
    assert now.tzinfo is UTC


def test_epoch_seconds_are_whole_and_of_any_zone() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 999_999, tzinfo=UTC)
    assert epoch_seconds(moment) == 1_767_323_045
    assert epoch_seconds(moment.astimezone(timezone(timedelta(hours=14)))) == 1_767_323_045


@pytest.mark.parametrize(
    "text",
    [
        "",
        "me",
        "0" * 36,
        "00000000-0000-4000-8000-00000000000g",
        "A0000000-0000-4000-8000-000000000000",
        "00000000-0000-4000-8000-000000000001\n",
        " 00000000-0000-4000-8000-000000000001",
        "{00000000-0000-4000-8000-000000000001}",
        "00000000000040008000000000000001",
    ],
)
def test_what_is_not_a_public_id_is_not_looked_for(text: str) -> None:
    assert not is_public_id(text)


def test_a_public_id_is_a_uuid() -> None:
    assert is_public_id("00000000-0000-4000-8000-00000000abcd")


def test_no_secret_is_printed() -> None:
    for holder in (
        AccessToken("s3cret", 900),
        TokenSet("s3cret", 900, "s3cret", "a-session", public_id(1)),
        SigningKey("key-1", "s3cret"),
        Credentials(a_user(), "s3cret"),
    ):
        assert "s3cret" not in f"{holder!r} {holder}"


def test_a_public_key_is_published_with_its_use_and_nothing_private() -> None:
    assert PublicKey("key-1", START, "n", "AQAB").to_jwk() == {
        "kty": "RSA",
        "use": "sig",
        "alg": "RS256",
        "kid": "key-1",
        "n": "n",
        "e": "AQAB",
    }
