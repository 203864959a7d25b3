import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.principals import Principal
from tests.samples import a_caller, a_user

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9), st.lists, max_leaves=5
)


def _asked_by(principal: Principal) -> Principal:
    """What arrives behind API Gateway, which hands strings on and adds some of its own."""
    context = json.loads(json.dumps(principal.to_context()))
    return Principal.from_context({**context, "principalId": "x", "integrationLatency": "12"})


@given(
    username=st.text(),
    metadata=st.dictionaries(st.text(max_size=9), _json, max_size=4),
    admin=st.booleans(),
    token_version=st.integers(min_value=1),
    registered_on=st.datetimes(timezones=st.just(UTC)),
)
def test_a_principal_survives_the_way_through_api_gateway(
    username: str,
    metadata: dict[str, object],
    admin: bool,  # noqa: FBT001 - from hypothesis
    token_version: int,
    registered_on: datetime,
) -> None:
    user = a_user(
        username=username,
        metadata=metadata,
        admin=admin,
        token_version=token_version,
        registered_on=registered_on,
    )
    principal = Principal(user, "a-session-id")
    assert _asked_by(principal) == principal


def test_the_context_holds_strings_of_ascii_and_nothing_else() -> None:
    user = a_user(username="Zoë 🦊\n\x00", metadata={"ключ": ["значение", "\u2028"]}, disabled=True)
    for name, value in a_caller(user).to_context().items():
        assert type(value) is str
        assert name.isascii()
        assert value.isascii()
        assert value.isprintable()


def test_every_fact_about_the_user_is_handed_on() -> None:
    user = a_user(admin=True, disabled=True, email_verified=True, token_version=7)
    assert _asked_by(a_caller(user)).user == user
    assert _asked_by(a_caller(replace(user, admin=False))).user.admin is False


def test_a_pending_email_is_handed_on() -> None:
    caller = a_caller(a_user(pending_email="Zoë@example.com"))
    assert Principal.from_context(caller.to_context()) == caller


def test_an_authorizer_that_is_a_release_older_says_nothing_of_pending_emails() -> None:
    context = a_caller().to_context()
    del context["pending_email"]
    assert Principal.from_context(context) == a_caller()


@pytest.mark.parametrize("name", a_caller().to_context().keys() - {"pending_email"})
def test_a_context_that_lacks_a_fact_is_not_read(name: str) -> None:
    context = a_caller().to_context()
    del context[name]
    with pytest.raises(KeyError):
        Principal.from_context(context)


def test_a_context_that_is_not_the_authorizers_is_not_read() -> None:
    context = {**a_caller().to_context(), "admin": "True"}
    with pytest.raises(ValueError, match="Expecting value"):
        Principal.from_context(context)


@pytest.mark.parametrize(("length", "whole"), [(1_024, True), (1_025, False)])
def test_metadata_that_is_large_is_not_handed_on(length: int, *, whole: bool) -> None:
    metadata = {"a": "x" * (length - len('{"a": ""}'))}
    caller = a_caller(a_user(metadata=metadata))
    arrived = _asked_by(caller)
    assert arrived.whole is whole
    assert arrived == (caller if whole else replace(caller, user=a_user(), whole=False))


def test_the_size_is_that_of_what_is_sent() -> None:
    metadata = {"a": "ö" * 200}  # 200 characters, 400 octets, and 1,200 in ASCII
    assert not _asked_by(a_caller(a_user(metadata=metadata))).whole
