import os
import string
from collections.abc import Callable
from uuid import uuid4

import pytest

from chalicelib.domain.mailed_tokens import MailedToken


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
