"""The one place where what a client sent is parsed and bounded.

The parsers take plain octets and strings and give back a validated struct, or raise one error
that names every field at fault. Reasons never quote what was sent.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any, TypeAlias, TypeVar
from urllib.parse import parse_qsl

import msgspec
from msgspec.structs import FieldInfo

from chalicelib.domain.changes import Metadata
from chalicelib.domain.errors import (
    BodyTooLargeError,
    FormExpectedError,
    InvalidInputError,
    UnsupportedMediaTypeError,
)
from chalicelib.domain.names import EmailAddress, Username
from chalicelib.domain.passwords import SHORTEST_PASSWORD, NewPassword, Password

LARGEST_BODY = 64 * 1_024
"""In octets."""
DEEPEST_BODY = 32
"""In levels of arrays and objects."""

_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"
_MOST_FORM_FIELDS = 16
_NUMBER = re.compile(r"-?[0-9]{1,18}")
_MOST_UNKNOWN_FIELDS = 16
_LONGEST_UNKNOWN_FIELD = 64
_PARSED: Mapping[type, tuple[type, str]] = {
    EmailAddress: (str, "Expected str"),
    Metadata: (dict, "Expected object"),
    NewPassword: (str, "Expected str"),
    Password: (str, "Expected str"),
    Username: (str, "Expected str"),
}
"""What domain values are parsed from, and how msgspec calls what is not that."""

_Input = TypeVar("_Input", bound=msgspec.Struct)
_Parse: TypeAlias = Callable[[type, Any], Any]


def check_size(body: bytes) -> None:
    """Bound a body before anything reads it.

    Raises:
        BodyTooLargeError: it is larger than any request needs to be.
    """
    if len(body) > LARGEST_BODY:
        raise BodyTooLargeError


def read_body(
    body: bytes,
    content_type: str | None,
    shape: type[_Input],
    shortest_password: int = SHORTEST_PASSWORD,
) -> _Input:
    """Read a JSON object into a struct; a new password has so many characters at the least.

    Raises:
        BodyTooLargeError: it is larger than any request needs to be.
        UnsupportedMediaTypeError: it does not say that it is JSON.
        InvalidInputError: it is not a JSON object, or a field is missing, unknown or wrong.
    """
    check_size(body)
    if body and not _is_media_type(content_type, _JSON):
        raise UnsupportedMediaTypeError
    fields = _json_object(body)
    errors = _unknown_fields(fields, shape)
    return _validate(fields, shape, errors, partial(_parse, shortest_password), strict=True)


def read_form(body: bytes, content_type: str | None, shape: type[_Input]) -> _Input:
    """Read what an HTML form sends into a struct (URL Standard, section 5.1).

    Raises:
        BodyTooLargeError: it is larger than any request needs to be.
        FormExpectedError: it does not say that it is a form's.
        InvalidInputError: it is not one, or a field is missing, unknown, twice there, or wrong.
    """
    check_size(body)
    if body and not _is_media_type(content_type, _FORM):
        raise FormExpectedError
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(body),
            errors="strict",
            max_num_fields=_MOST_FORM_FIELDS,
        )
    except ValueError:
        raise InvalidInputError({"body": "Not a valid form."}) from None
    fields = dict(pairs)
    errors = _unknown_fields(fields, shape)
    if len(fields) < len(pairs):
        raise InvalidInputError({"body": "Give each field once."})
    return _validate(fields, shape, errors, partial(_parse, SHORTEST_PASSWORD), strict=True)


def read_query(parameters: Mapping[str, Sequence[str]], shape: type[_Input]) -> _Input:
    """Read query parameters into a struct, ignoring those it does not know.

    Raises:
        InvalidInputError: a known parameter is given twice, or is wrong.
    """
    known = {field.encode_name for field in _fields_of(shape)}
    given = {name: values for name, values in parameters.items() if name in known}
    errors = {name: "Give it once." for name, values in given.items() if len(values) > 1}
    fields = {name: values[0] for name, values in given.items()}
    parse = partial(_parse, SHORTEST_PASSWORD)  # no query has a password
    return _validate(fields, shape, errors, parse, strict=False)


def _is_media_type(content_type: str | None, media_type: str) -> bool:
    """Tell whether a header says so, in any case and with whatever parameters."""
    return (content_type or "").partition(";")[0].strip().lower() == media_type


@cache
def _fields_of(shape: type[msgspec.Struct]) -> tuple[FieldInfo, ...]:
    """A struct's fields, which msgspec finds out anew each time that it is asked."""
    return msgspec.structs.fields(shape)


def _unknown_fields(fields: Mapping[str, Any], shape: type[msgspec.Struct]) -> dict[str, str]:
    unknown = fields.keys() - {field.encode_name for field in _fields_of(shape)}
    return {
        name[:_LONGEST_UNKNOWN_FIELD]: "Unknown field."
        for name in sorted(unknown)[:_MOST_UNKNOWN_FIELDS]
    }


def _validate(
    fields: Mapping[str, Any],
    shape: type[_Input],
    errors: dict[str, str],
    parse: _Parse,
    *,
    strict: bool,
) -> _Input:
    # Each field is converted on its own, because msgspec stops at the first that is wrong.
    values = {}
    for field in _fields_of(shape):
        name = field.encode_name
        if name not in fields:
            if field.required:
                errors.setdefault(name, "This field is required.")
            continue
        try:
            values[field.name] = _convert(fields[name], field, parse, strict=strict)
        except msgspec.ValidationError as fault:
            errors.setdefault(name, str(fault).replace("`", ""))
    if not errors:
        try:
            return shape(**values)
        except InvalidInputError as fault:  # a rule between fields, in __post_init__
            errors = fault.errors
    raise InvalidInputError(errors)


def _convert(value: Any, field: FieldInfo, parse: _Parse, *, strict: bool) -> Any:
    try:
        return msgspec.convert(value, field.type, dec_hook=parse)
    except msgspec.ValidationError:
        # A query's numbers are text. msgspec would take 5.0 and 5e0 for 5 as well.
        if strict or not _NUMBER.fullmatch(value):
            raise
    return msgspec.convert(int(value), field.type)


def _parse(shortest_password: int, kind: Any, value: Any) -> Any:
    """Parse a domain value; msgspec turns a ValueError into its ValidationError."""
    if kind not in _PARSED:
        raise TypeError(f"no parser for {kind.__name__}")
    expected, reason = _PARSED[kind]
    if not isinstance(value, expected):
        raise ValueError(reason)  # noqa: TRY004 - msgspec catches it
    if kind is NewPassword:
        return NewPassword.parse(str(value), shortest_password)
    return kind.parse(value)


def _json_object(body: bytes) -> dict[str, Any]:
    """Parse JSON as RFC 8259 has it, without what Python adds to it or leaves open."""
    try:
        value = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
        _check(value, DEEPEST_BODY)
    except (ValueError, RecursionError):
        raise InvalidInputError({"body": "Not a valid JSON document."}) from None
    if not isinstance(value, dict):
        raise InvalidInputError({"body": "Not a JSON object."})
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name is given twice")
    return value


def _refuse_constant(_name: str) -> Any:
    raise ValueError("NaN and the infinities are not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError("too large a number")
    return number


def _check(value: Any, levels: int) -> None:
    """Bound the depth, and refuse lone surrogates: they are not text, and no store takes them."""
    if isinstance(value, str):
        value.encode("utf-8")
    elif isinstance(value, dict | list):
        if levels == 0:
            raise ValueError("too deep")
        for part in (*value.keys(), *value.values()) if isinstance(value, dict) else value:
            _check(part, levels - 1)
