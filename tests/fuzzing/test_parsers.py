"""What is true of every parser, tried with values that are valid, nearly so, and not at all."""

import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import fields

from chalicelib.domain.mailed_tokens import MailedToken
from chalicelib.domain.passwords import Password
from chalicelib.domain.sessions import RefreshToken
from chalicelib.services.cursors import CursorSigner
from fuzz import parsers
from tests.samples import encode

WORDS = (
    "zoe@example.com",
    "Zoë",
    "12345678",
    "me",
    "\ufb01",
    "ß",
    "İ",
    "\u017f",
    "\uff21",
    "a\u0301",
)
TEXT = st.one_of(
    st.text(),
    st.sampled_from(WORDS),
    st.text(st.characters(categories=["Mn", "Lm", "Cf", "Zs", "Lo"]), max_size=80),
    st.builds("".join, st.lists(st.sampled_from(WORDS), max_size=40)),
    st.text(max_size=3).map(lambda text: text * 100),
)
LABEL = st.one_of(st.text("abcß-é", min_size=1, max_size=64), st.text(min_size=1, max_size=8))
EMAIL = st.one_of(
    st.emails(),
    st.builds("{}@{}.{}".format, LABEL, LABEL, LABEL),
    st.builds("{}@{}.com".format, st.text(max_size=70), LABEL),
    TEXT,
)
JSON = st.recursive(
    st.one_of(
        *(st.none(), st.booleans(), st.integers(), st.floats(), st.integers(-(2**70), 2**70)),
        TEXT,
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=20,
)
NAMES = sorted({field.encode_name for shape in parsers.BODIES for field in fields(shape)})
VALUE = st.one_of(EMAIL, TEXT, JSON)
NEARLY = st.dictionaries(st.sampled_from([*NAMES, "unknown", ""]), VALUE, max_size=6)
OF_A_SHAPE = st.sampled_from(parsers.BODIES).flatmap(
    lambda shape: st.fixed_dictionaries({field.encode_name: VALUE for field in fields(shape)})
)
MANGLED = st.builds(
    lambda octets, at, more: octets[: at % (len(octets) + 1)] + more + octets[at % 7 :],
    NEARLY.map(lambda value: json.dumps(value).encode()),
    st.integers(0, 1_000),
    st.binary(max_size=8),
)
IDS = st.uuids().map(str)
REFRESH = st.builds(
    RefreshToken, IDS, IDS, st.binary(min_size=16, max_size=16), st.binary(min_size=32, max_size=32)
)
MAILED = st.builds(MailedToken, IDS, st.binary(min_size=32, max_size=32))
RANGE = st.from_regex(r"(\*|[a-z]{1,8}(-[a-z0-9]{1,8}){0,2})( ?; ?q=[0-9]\.?[0-9]{0,4})?")
PART = st.one_of(st.binary(max_size=60), JSON.map(lambda value: json.dumps(value).encode()))
HEADER = st.dictionaries(
    st.sampled_from(["alg", "typ", "kid", "crit", "b64", "jwk", "zip"]),
    st.one_of(st.sampled_from(["RS256", "at+jwt", "a-key", "none"]), JSON),
).map(lambda header: json.dumps({"alg": "RS256", "typ": "at+jwt", "kid": "a-key", **header}))
TOKEN = st.builds(
    lambda header, *parts: ".".join(map(encode, (header.encode(), *parts))), HEADER, PART, PART
)


def spoilt(texts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Texts, and the same with something else in the place of some letters."""
    return st.one_of(
        texts,
        st.builds(
            lambda text, at, more, left: (
                text[: at % (len(text) + 1)] + more + text[at % (len(text) + 1) + left :]
            ),
            texts,
            st.integers(0, 1_000),
            st.text(max_size=3),
            st.integers(0, 3),
        ),
    )


@given(st.one_of(st.binary(), MANGLED, *(made.map(json.dumps).map(str.encode) for made in (
    NEARLY, OF_A_SHAPE, JSON))))  # fmt: skip
@example(b"")
@example(b"[" * 100_000)
@example(b'{"a":' * 100_000)
@example(b'{"limit": ' + b"9" * 5_000 + b"}")
@example(b'{"email": "\\ud800"}')
@example(b'{"metadata": {"a": 1e308, "b": -0.0, "c": 1E-400}}')
def test_bodies(octets: bytes) -> None:
    parsers.check_body(octets)


@given(
    st.one_of(
        st.binary(),
        st.dictionaries(st.sampled_from(["token", "new_password", "x"]), TEXT).map(
            lambda form: urlencode(form, errors="replace").encode()
        ),
    )
)
def test_forms(octets: bytes) -> None:
    parsers.check_form(octets)


@given(
    st.one_of(
        st.text(),
        st.lists(
            st.tuples(
                st.sampled_from(["limit", "cursor", "email", "username", "token", "x"]),
                st.one_of(TEXT, st.integers(-5, 200).map(str), st.floats().map(str)),
            )
        ).map(lambda pairs: urlencode(pairs, errors="replace")),
    )
)
@example("limit=\u0661")
@example("limit=+5&limit=5")
@example("limit=" + "9" * 5_000)
def test_queries(text: str) -> None:
    parsers.check_query(text)


_READERS: dict[str, tuple[Callable[[str], None], st.SearchStrategy[str]]] = {
    "emails": (parsers.check_email, EMAIL),
    "usernames": (parsers.check_username, TEXT),
    "passwords": (parsers.check_password, TEXT),
    "refresh tokens": (
        parsers.check_refresh_token,
        st.one_of(TEXT, spoilt(REFRESH.map(lambda token: token.text))),
    ),
    "mailed tokens": (
        parsers.check_mailed_token,
        st.one_of(TEXT, spoilt(MAILED.map(lambda token: token.text))),
    ),
    "cursors": (
        parsers.check_cursor,
        st.one_of(
            TEXT,
            spoilt(st.text(max_size=30).map(CursorSigner("another secret").sign)),
            st.binary(max_size=80).map(lambda octets: base64.urlsafe_b64encode(octets).decode()),
        ),
    ),
    "languages": (
        parsers.check_language,
        st.one_of(
            st.text(st.characters(codec="ascii")), st.lists(RANGE, max_size=60).map(", ".join)
        ),
    ),
    "user agents": (parsers.check_user_agent, TEXT),
    "access tokens": (parsers.check_access_token, st.one_of(TEXT, spoilt(TOKEN))),
}


@pytest.mark.parametrize("reader", _READERS)
def test_texts(reader: str) -> None:
    check, texts = _READERS[reader]
    given(texts)(check)()


@given(REFRESH)
def test_a_refresh_token_is_what_was_written(token: RefreshToken) -> None:
    assert RefreshToken.parse(token.text) == token
    assert MailedToken.parse(token.text) is None


@given(MAILED)
def test_a_mailed_token_is_what_was_written(token: MailedToken) -> None:
    assert MailedToken.parse(token.text) == token
    assert RefreshToken.parse(token.text) is None


@given(st.binary())
def test_what_the_guided_fuzzer_calls_finds_nothing_either(octets: bytes) -> None:
    parsers.check(octets)


@pytest.mark.parametrize("name", [*parsers.OF_OCTETS, *parsers.OF_TEXT])
def test_a_check_notices_what_it_is_for(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken: dict[str, tuple[str, Any, Any]] = {
        "body": ("read_body", _raising(KeyError), b"{}"),
        "form": ("read_form", _raising(UnicodeDecodeError, "utf-8", b"", 0, 1, ""), b""),
        "query": ("read_query", _raising(OverflowError), "limit=5"),
        "email": ("fold", lambda text: text + "x", "zoe@example.com"),
        "username": ("fold", lambda text: text + "x", "Zoë"),
        "password": ("NewPassword", Password, "short"),
        "refresh token": ("RefreshToken", _Lenient(RefreshToken), "rt1_" + "A" * 107 + "="),
        "mailed token": ("MailedToken", _Lenient(MailedToken), "mt1_" + "A" * 64 + "="),
        "cursor": ("CursorSigner", _Unsigned, "AAAA"),
        "language": ("negotiate", lambda text: text, "fr"),
        "user agent": ("Client", _Showing, "\n"),
        "access token": ("_AUTHENTICATOR", _Believing(), "a.b.c"),
    }
    what, other, text = broken[name]
    monkeypatch.setattr(parsers, what, other)
    checks: dict[str, Callable[[Any], None]] = {**parsers.OF_OCTETS, **parsers.OF_TEXT}
    with pytest.raises((AssertionError, KeyError, UnicodeDecodeError, OverflowError)):
        checks[name](text)


def _raising(fault: type[Exception], *given: object) -> Callable[..., None]:
    def fail(*_given: object) -> None:
        raise fault(*given)

    return fail


class _Lenient:
    """Takes what has padding behind it for the same token."""

    def __init__(self, kind: type[RefreshToken] | type[MailedToken]) -> None:
        self._kind = kind

    def parse(self, text: str) -> object:
        return self._kind.parse(text.rstrip("="))


class _Unsigned:
    def __init__(self, _secret: str) -> None:
        pass

    def read(self, cursor: str, _listing: str = "") -> str:
        return cursor


class _Showing:
    user_agent = "\n"

    @classmethod
    def of(cls, _ip: str, _user_agent: str) -> "type[_Showing]":
        return cls


class _Believing:
    def authenticate(self, authorization: str) -> str:
        return authorization
