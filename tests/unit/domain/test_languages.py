import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.languages import LANGUAGES, negotiate


@pytest.mark.parametrize(
    ("accept_language", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("en", "en"),
        ("de-AT", "de"),
        ("DE-at", "de"),
        ("de-Latn-DE-1996", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("en-GB,en;q=0.9,de;q=0.8", "en"),
        ("en;q=0.8, de", "de"),
        ("en;q=0.8,de;q=0.9", "de"),
        ("en ; q=0.8\t,\tde ; q=0.9", "de"),
        ("de,en", "de"),
        ("en,de", "en"),
        ("fr", "en"),
        ("fr,de;q=0.1", "de"),
        ("*", "en"),
        ("de,*", "de"),
        ("*;q=0.5,de", "de"),
        ("*,de;q=0.5", "en"),
        ("en;q=0,*", "de"),
        ("en;q=0, fr", "en"),
        ("en;q=0,de;q=0", "en"),
        ("*;q=0", "en"),
        ("de;q=0,de-AT", "de"),
        ("de;q=0", "en"),
        ("de;q=1.000", "de"),
        ("de;q=0.001", "de"),
    ],
)
def test_the_language_that_is_liked_best_is_chosen(accept_language: str, language: str) -> None:
    assert negotiate(accept_language) == language


@pytest.mark.parametrize(
    "malformed",
    [
        "de;q=2",
        "de;q=-1",
        "de;q=0.0001",
        "de;q=nan",
        "de;q=\u0661",
        "de;level=1",
        "de_DE",
        "deutschlands-sprache-und-mehr",
        "de-",
        ";q=1",
        "de de",
        "de\r\nX: y",
    ],
)
def test_what_cannot_be_read_is_passed_over(malformed: str) -> None:
    assert negotiate(malformed) == "en"
    assert negotiate(f"{malformed},,de;q=0.1") == "de"


def test_a_long_header_is_not_read_to_its_end() -> None:
    assert negotiate("fr," * 49 + "de") == "de"
    assert negotiate("fr," * 50 + "de") == "en"
    assert negotiate(" " * 1_000 + "de") == "en"


@given(st.text(max_size=200))
def test_any_header_has_an_answer(accept_language: str) -> None:
    assert negotiate(accept_language) in LANGUAGES
