import os
import string
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest

from chalicelib.domain.email_changes import HELD_FOR
from chalicelib.domain.mailed_tokens import LIFETIMES, MailedToken, Purpose


def a_token() -> MailedToken:
    # The first letter after the prefix is one that base64 spells in two ways.
    return MailedToken("ff" + str(uuid4())[2:], os.urandom(32))


def test_a_token_is_read_as_it_was_written() -> None:
    token = a_token()
    assert MailedToken.parse(token.text) == token


def test_a_token_is_one_word() -> None:
    text = a_token().text
    assert len(text) == 68
    assert set(text) <= set(string.ascii_letters + string.digits + "-_")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: "",
        lambda text: text[4:],
        lambda text: text[:4],
        lambda text: text[:4] + text,
        lambda text: text.upper(),
        lambda text: text + "====",
        lambda text: text + "AAAA",
        lambda text: text[:-4],
        lambda text: " " + text,
        lambda text: text + "\n",
        lambda text: text[:20] + "\n" + text[20:],
        lambda text: text[:4] + text[4:].replace("_", "/"),
        lambda text: text[:4] + "é" + text[5:],
    ],
)
def test_what_is_not_spelled_as_a_token_is_none(spoil: Callable[[str], str]) -> None:
    assert MailedToken.parse(spoil(a_token().text)) is None


def test_a_link_works_for_as_long_as_is_promised() -> None:
    assert dict(LIFETIMES) == {
        Purpose.VERIFY: timedelta(days=1),
        Purpose.RESET: timedelta(hours=1),
        Purpose.CONFIRM: timedelta(days=1),
        Purpose.UNDO: timedelta(hours=72),
    }


def test_a_former_address_is_held_for_as_long_as_it_can_be_put_back() -> None:
    assert LIFETIMES[Purpose.UNDO] == HELD_FOR
