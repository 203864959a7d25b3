import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.passwords import NewPassword, Password


@given(st.text(max_size=60))
def test_passwords_of_two_keyboards_are_one(text: str) -> None:
    composed, decomposed = unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text)
    assert Password(composed).text == Password(decomposed).text == composed


@pytest.mark.parametrize(("one", "other"), [("ﬁ", "fi"), ("A", "a"), ("Ⅳ", "IV"), ("ß", "ss")])
def test_passwords_that_merely_look_alike_are_two(one: str, other: str) -> None:
    assert Password(one).text != Password(other).text


@pytest.mark.parametrize(
    "text", ["a" * 8, "a" * 128, "        ", "🦊" * 8, "e\u0301" * 128, "\0" * 8]
)
def test_a_new_password_has_8_to_128_characters_of_any_kind(text: str) -> None:
    assert NewPassword.parse(text).text == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize("text", ["", "a" * 7, "e\u0301" * 7, "a" * 129, "é" * 129])
def test_a_new_password_too_short_or_too_long_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Must have 8 to 128 characters"):
        NewPassword.parse(text)


@pytest.mark.parametrize("text", ["a" * 14, "e\u0301" * 14])
def test_a_new_password_may_have_to_be_longer(text: str) -> None:
    assert NewPassword.parse(text).text
    with pytest.raises(ValueError, match=r"^Must have 15 to 128 characters\.$"):
        NewPassword.parse(text, 15)
    assert NewPassword.parse(text + "x", 15).text


@pytest.mark.parametrize("text", ["", "a", "a" * 5_000])
def test_a_password_at_a_login_may_be_anything(text: str) -> None:
    assert Password.parse(text).text == text


@pytest.mark.parametrize("kind", [Password, NewPassword])
def test_a_password_is_never_printed(kind: type[Password]) -> None:
    password = kind("hunter2-hunter2")
    for text in (repr(password), str(password), f"{password}", f"{[password]!r}"):
        assert "hunter2" not in text
        assert "hidden" in text


def test_a_huge_password_takes_no_time() -> None:
    # Putting marks in order takes the square of their number: seconds, for a body's worth.
    marks = "a" + "\u0301" * 15_000 + "\u0327" * 15_000
    started = time.process_time()
    Password.parse(marks)
    with pytest.raises(ValueError, match="Must have"):
        NewPassword.parse(marks)
    assert time.process_time() - started < 0.25


def test_whatever_can_be_chosen_is_normalised_at_a_login() -> None:
    # The longest there is: every character of the 128 comes in four parts.
    composed = "\u1f82" * 128
    decomposed = unicodedata.normalize("NFD", composed)
    assert len(decomposed) == 512
    assert NewPassword.parse(decomposed).text == Password.parse(decomposed).text == composed
