import os
import string
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.sessions import (
    LONGEST_USER_AGENT,
    Client,
    RefreshToken,
    session_id_in,
    slot_of,
)
from chalicelib.domain.tokens import is_session_id
from tests.fakes import START, public_id
from tests.samples import a_session


def a_token() -> RefreshToken:
    return RefreshToken(str(uuid4()), str(uuid4()), os.urandom(16), os.urandom(32))


def test_a_token_is_read_as_it_was_written() -> None:
    token = a_token()
    assert RefreshToken.parse(token.text) == token


def test_a_token_is_one_word_that_says_what_it_is() -> None:
    text = a_token().text
    assert text.startswith("rt1_")
    assert len(text) == 111
    assert set(text) <= set(string.ascii_letters + string.digits + "-_")


def test_a_token_is_not_shown_by_accident() -> None:
    token = a_token()
    assert "family" not in repr(token)
    assert "secret" not in repr(token)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: "",
        lambda _: "rt1_",
        lambda text: text[4:],
        lambda text: text.upper(),
        lambda text: "rt2_" + text[4:],
        lambda text: "rt1_" + text,
        lambda text: text + "=",
        lambda text: text + "A",
        lambda text: text[:-1],
        lambda text: " " + text,
        lambda text: text + "\n",
        lambda text: text[:20] + "\n" + text[20:],
        lambda text: text.replace("_", "/", 2),
        lambda text: "rt1_" + "+" + text[5:],
        lambda text: "rt1_é" + text[5:],
        lambda text: text + text,
        lambda _: "x" * 100_000,
        lambda _: "eyJhbGciOiJSUzI1NiJ9.e30.c2ln",
    ],
)
def test_what_is_not_spelled_as_a_token_is_none(spoil: object) -> None:
    assert callable(spoil)
    assert RefreshToken.parse(spoil(a_token().text)) is None


def test_the_last_letter_of_a_token_has_no_second_spelling() -> None:
    text = a_token().text
    accepted = [
        letter
        for letter in string.ascii_letters + string.digits + "-_"
        if RefreshToken.parse(text[:-1] + letter) == RefreshToken.parse(text)
    ]
    assert accepted == [text[-1]]


@given(st.text(max_size=200))
def test_no_text_breaks_the_parser(text: str) -> None:
    assert RefreshToken.parse(text) is None
    assert RefreshToken.parse("rt1_" + text) is None


@given(st.binary(min_size=80, max_size=80))
def test_whatever_octets_a_token_has_it_is_read_back(octets: bytes) -> None:
    token = RefreshToken(
        str(UUID(bytes=octets[:16])), str(UUID(bytes=octets[16:32])), octets[32:48], octets[48:]
    )
    assert RefreshToken.parse(token.text) == token


def test_the_hashes_of_a_token_are_of_its_two_random_parts() -> None:
    token = a_token()
    other = RefreshToken(token.public_id, token.session_id, token.family, bytes(32))
    assert token.family_hash == other.family_hash
    assert token.secret_hash != other.secret_hash
    assert len({token.family_hash, token.secret_hash, token.family, token.secret}) == 4


@given(st.integers(0, 255), st.uuids())
def test_a_session_says_which_slot_it_has(slot: int, identifier: UUID) -> None:
    session_id = session_id_in(slot, str(identifier))
    assert is_session_id(session_id)
    assert slot_of(session_id) == slot
    assert session_id[2:] == str(identifier)[2:]


@pytest.mark.parametrize("text", ["", "x", public_id(0xABC).upper(), public_id(1) + "0", "key#x"])
def test_what_is_no_identifier_is_no_session(text: str) -> None:
    assert not is_session_id(text)


def test_a_session_ends_at_its_time_or_with_the_users_version() -> None:
    session = a_session(expires_at=START + timedelta(seconds=2), token_version=3)
    assert session.is_alive(3, START + timedelta(seconds=1.9))
    assert not session.is_alive(3, START + timedelta(seconds=2))
    assert not session.is_alive(2, START)
    assert not session.is_alive(4, START)


def test_a_user_agent_is_cut_to_what_can_be_shown() -> None:
    assert Client.of("192.0.2.1", "Mozilla/5.0 (X11)") == Client("192.0.2.1", "Mozilla/5.0 (X11)")
    assert Client.of("", "a\x00b\x1bc\u200bd\ud800e").user_agent == "a b c d e"
    assert len(Client.of("", "x" * 100_000).user_agent) == LONGEST_USER_AGENT
