import re
from collections.abc import Iterator

import pytest

from chalicelib.api.errors import FAILURES, failure_body
from chalicelib.domain import errors
from chalicelib.domain.errors import AccountsError, InvalidInputError


def _all_below(root: type[AccountsError]) -> Iterator[type[AccountsError]]:
    for child in root.__subclasses__():
        yield child
        yield from _all_below(child)


DECLARED = [kind for kind in _all_below(AccountsError) if kind.__module__ == errors.__name__]
CONCRETE = [kind for kind in DECLARED if hasattr(kind, "code")]
concrete = pytest.mark.parametrize("kind", CONCRETE)


def _one_of(kind: type[AccountsError]) -> AccountsError:
    return kind({"field": "reason"}) if issubclass(kind, InvalidInputError) else kind()


def test_there_are_errors_to_test() -> None:
    assert len(CONCRETE) >= 17


@concrete
def test_an_error_has_a_code_for_programs_and_a_message_for_people(
    kind: type[AccountsError],
) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", kind.code)
    assert re.fullmatch(r"[A-Za-z].*[a-z.]", kind.message)
    assert str(_one_of(kind)) == kind.message


def test_no_two_errors_of_a_status_share_a_code() -> None:
    codes = [(FAILURES[kind].status, kind.code) for kind in CONCRETE]
    assert sorted(codes) == sorted(set(codes))


def test_an_error_without_a_code_is_only_a_heading() -> None:
    for kind in set(DECLARED) - set(CONCRETE):
        assert kind.__subclasses__(), kind


def test_every_error_has_its_meaning_in_http() -> None:
    assert set(FAILURES) == set(CONCRETE)


@concrete
def test_the_meaning_of_an_error_is_a_refusal(kind: type[AccountsError]) -> None:
    failure = FAILURES[kind]
    assert 400 <= failure.status < 600
    assert ("WWW-Authenticate" in failure.headers) == (failure.status == 401)
    assert ("Retry-After" in failure.headers) == (failure.status in (429, 503))


@concrete
def test_an_error_has_the_contracts_shape(kind: type[AccountsError]) -> None:
    body = failure_body(_one_of(kind))
    extra = {"errors": {"field": "reason"}} if kind is InvalidInputError else {}
    assert body == {"status": "fail", "code": kind.code, "message": kind.message, **extra}


def test_the_words_of_the_contract_are_as_clients_know_them() -> None:
    words = {kind.__name__: kind.message for kind in CONCRETE}
    assert words["InvalidInputError"] == "Input payload validation failed"
    assert words["EmailTakenError"] == "User already exists. Please Log in."
    assert words["UsernameTakenError"] == "User already exists. Please Log in."
    assert words["WrongCredentialsError"] == "email or password does not match."
    assert words["TokenMissingError"] == "Provide a valid auth token."
    assert words["TokenInvalidError"] == "Invalid token. Please log in again."
    assert words["TokenExpiredError"] == "Signature expired. Please log in again."
    assert words["MailedTokenInvalidError"] == "This link is no longer valid."
    assert words["TokenRevokedError"] == "Token blacklisted. Please log in again."


def test_the_reasons_of_a_refusal_are_its_own() -> None:
    reasons = {"email": "Bad."}
    refusal = InvalidInputError(reasons)
    reasons["password"] = "Worse."
    assert refusal.errors == {"email": "Bad."}
