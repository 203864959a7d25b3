"""What is true of every parser, whatever it is given.

Each check takes octets or text and raises an AssertionError, or whatever the parser should not have
raised. They need neither pytest nor hypothesis: atheris calls them as well, in an environment of
its own.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qs

import msgspec

from chalicelib.api import schemas
from chalicelib.api.inputs import read_body, read_form, read_query
from chalicelib.domain.changes import LARGEST_METADATA, Metadata
from chalicelib.domain.errors import (
    BodyTooLargeError,
    InvalidInputError,
    NotAuthenticatedError,
    TokenInvalidError,
)
from chalicelib.domain.languages import LANGUAGES, negotiate
from chalicelib.domain.mailed_tokens import MailedToken
from chalicelib.domain.names import (
    LONGEST_EMAIL,
    LONGEST_USERNAME,
    EmailAddress,
    Username,
    fold,
    lookup_key,
)
from chalicelib.domain.passwords import (
    LONGEST_PASSWORD,
    SHORTEST_PASSWORD,
    NewPassword,
    Password,
)
from chalicelib.domain.principals import Standing
from chalicelib.domain.sessions import LONGEST_USER_AGENT, Client, RefreshToken
from chalicelib.domain.tokens import AccessClaims, PublicKey, SigningKey
from chalicelib.services.authentication import Authenticator
from chalicelib.services.cursors import CursorSigner
from chalicelib.services.keyring import KeyRing
from chalicelib.services.tokens import TokenVerifier

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
BODIES: tuple[type[msgspec.Struct], ...] = (
    schemas.RegisterBody,
    schemas.LoginBody,
    schemas.RefreshBody,
    schemas.ChangePasswordBody,
    schemas.EmailBody,
    schemas.MailedTokenBody,
    schemas.ResetBody,
    schemas.ChangeUserBody,
    schemas.CloseBody,
)
FORMS: tuple[type[msgspec.Struct], ...] = (schemas.MailedTokenForm, schemas.ResetForm)
QUERIES: tuple[type[msgspec.Struct], ...] = (
    schemas.ListQuery,
    schemas.ActivityQuery,
    schemas.LinkQuery,
)
_LONGEST_KEY = 2_048 - 64
"""In octets: what DynamoDB takes, less what stands before a name."""
_LONGEST_REASON = 200


def check_body(octets: bytes) -> None:
    """A body is read, the same each time, or refused for reasons of ours."""
    for shape in BODIES:
        try:
            read = read_body(octets, "application/json", shape)
        except BodyTooLargeError:
            continue
        except InvalidInputError as refusal:
            _check_reasons(refusal)
            continue
        assert isinstance(read, shape)
        assert isinstance(json.loads(octets), dict)
        metadata = getattr(read, "metadata", None)
        if isinstance(metadata, Metadata):
            text = json.dumps(metadata, ensure_ascii=False, separators=(",", ":"))
            assert len(text.encode()) <= LARGEST_METADATA
            again = read_body(
                f'{{"metadata":{text}}}'.encode(), "application/json", schemas.ChangeUserBody
            )
            assert again.metadata == metadata


def check_form(octets: bytes) -> None:
    """So is a form."""
    for shape in FORMS:
        try:
            assert isinstance(read_form(octets, "application/x-www-form-urlencoded", shape), shape)
        except BodyTooLargeError:
            continue
        except InvalidInputError as refusal:
            _check_reasons(refusal)


def check_query(text: str) -> None:
    """So is a query, in which an integer is written in one way."""
    try:
        parameters = parse_qs(text, keep_blank_values=True)
    except ValueError:  # too many fields for Python's own reader
        return
    for shape in QUERIES:
        try:
            read = read_query(parameters, shape)
        except InvalidInputError as refusal:
            _check_reasons(refusal)
            continue
        limit = getattr(read, "limit", 1)
        assert 1 <= limit <= 100  # noqa: PLR2004 - the contract's
        if "limit" in parameters and hasattr(read, "limit"):
            assert int(parameters["limit"][0]) == limit


def check_email(text: str) -> None:
    """An address is kept as it is, and its key is an address of the same key."""
    try:
        email = EmailAddress.parse(text)
    except ValueError as refusal:
        _check_reason(str(refusal), text)
        return
    assert email == text
    assert fold(email.key) == email.key
    assert EmailAddress.parse(email.key).key == email.key == lookup_key(text)
    assert len(email.encode()) <= LONGEST_EMAIL
    assert len(email.key.encode()) <= LONGEST_EMAIL
    assert email.count("@") == 1


def check_username(text: str) -> None:
    """A username is kept as it is, can be looked for, and its key is one for good."""
    try:
        username = Username.parse(text)
    except ValueError as refusal:
        _check_reason(str(refusal), text)
        return
    assert username == text
    assert Username.parse(username) == username
    assert username.strip() == username != ""
    key = fold(username)
    assert fold(key) == key == lookup_key(username)
    assert len(username) <= LONGEST_USERNAME * 4
    assert len(key.encode()) <= _LONGEST_KEY


def check_password(text: str) -> None:
    """A password has one form, which it keeps, and is never cut or shown."""
    password = Password.parse(text)
    assert Password.parse(password.text).text == password.text
    assert password.given == text
    assert "hidden" in repr(password)
    try:
        chosen = NewPassword.parse(text)
    except ValueError as refusal:
        _check_reason(str(refusal), text)
        return
    assert SHORTEST_PASSWORD <= len(chosen.text) <= LONGEST_PASSWORD
    assert chosen.text == password.text


def check_refresh_token(text: str) -> None:
    """A refresh token has one spelling."""
    token = RefreshToken.parse(text)
    assert token is None or token.text == text
    assert token is None or RefreshToken.parse(token.text) == token


def check_mailed_token(text: str) -> None:
    """So has a mailed one."""
    token = MailedToken.parse(text)
    assert token is None or token.text == text
    assert token is None or MailedToken.parse(token.text) == token


def check_cursor(text: str) -> None:
    """Nobody makes up a cursor, and one of ours says what it said, in its own list alone."""
    signer = CursorSigner("a secret of the fuzzer")
    try:
        signer.read(text)
    except InvalidInputError as refusal:
        _check_reasons(refusal)
    else:
        raise AssertionError("took a cursor that was made up")
    position = text.encode("utf-8", "replace").decode()
    cursor = signer.sign(position, "a list")
    assert signer.read(cursor, "a list") == position
    for other in ("", "another list"):
        try:
            signer.read(cursor, other)
        except InvalidInputError:
            continue
        raise AssertionError("took a cursor of another list")


def check_language(text: str) -> None:
    """There is a language for everybody, whatever the case."""
    assert negotiate(text) in LANGUAGES
    if text.isascii():  # other letters may become two
        assert negotiate(text.upper()) == negotiate(text.lower())


def check_user_agent(text: str) -> None:
    """What is kept of a user agent can be shown."""
    client = Client.of("192.0.2.1", text)
    assert client.user_agent.isprintable()
    assert len(client.user_agent) <= LONGEST_USER_AGENT


def check_access_token(text: str) -> None:
    """Nobody makes up an access token, and the store is not asked about one."""
    for authorization in (text, f"Bearer {text}"):
        try:
            _AUTHENTICATOR.authenticate(authorization)
        except NotAuthenticatedError:
            continue
        raise AssertionError("took a token that was made up")
    try:
        _VERIFIER.verify(text)
    except TokenInvalidError:
        return
    raise AssertionError("took a token that was made up")


class _Keys:
    """One key, of which nobody has the private half."""

    def public_keys(self) -> tuple[PublicKey, ...]:
        return (PublicKey("a-key", NOW, "w" * 342, "AQAB"),)

    def signing_key(self, key_id: str) -> SigningKey | None:
        raise AssertionError(f"asked for the private half of {key_id}")


class _Standings:
    """A store that must not be asked."""

    def standing(self, claims: AccessClaims) -> Standing:
        raise AssertionError(f"asked about {claims}")


_VERIFIER = TokenVerifier(
    KeyRing(_Keys(), lambda: NOW),
    issuer="https://accounts.example",
    audience="accounts",
    clock=lambda: NOW,
)
_AUTHENTICATOR = Authenticator(_VERIFIER, _Standings())


OF_OCTETS: Mapping[str, Callable[[bytes], None]] = {"body": check_body, "form": check_form}
OF_TEXT: Mapping[str, Callable[[str], None]] = {
    "query": check_query,
    "email": check_email,
    "username": check_username,
    "password": check_password,
    "refresh token": check_refresh_token,
    "mailed token": check_mailed_token,
    "cursor": check_cursor,
    "language": check_language,
    "user agent": check_user_agent,
    "access token": check_access_token,
}
_ALL = (*OF_OCTETS.values(), *OF_TEXT.values())


def check(octets: bytes) -> None:
    """Check one parser, which the first octet chooses, with the rest."""
    if not octets:
        return
    chosen = octets[0] % len(_ALL)
    rest = octets[1:]
    if chosen < len(OF_OCTETS):
        tuple(OF_OCTETS.values())[chosen](rest)
    else:
        text = rest.decode("utf-8", "surrogatepass") if _is_text(rest) else rest.decode("latin-1")
        tuple(OF_TEXT.values())[chosen - len(OF_OCTETS)](text)


def _is_text(octets: bytes) -> bool:
    try:
        octets.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


def _check_reasons(refusal: InvalidInputError) -> None:
    assert refusal.errors
    for reason in refusal.errors.values():
        assert 0 < len(reason) < _LONGEST_REASON


def _check_reason(reason: str, given: str) -> None:
    assert 0 < len(reason) < _LONGEST_REASON
    assert len(given) < len(reason) or given not in reason
