import json
from typing import Any
from urllib.parse import urlencode

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

import app
from chalicelib.api.errors import FAILURES
from chalicelib.api.inputs import read_body, read_form
from chalicelib.api.routes import Operation
from chalicelib.api.schemas import LoginBody, RegisterBody
from chalicelib.domain.errors import InvalidInputError
from infra import openapi

DOCUMENT: dict[str, Any] = json.loads(openapi.DOCUMENT.read_bytes())
OPERATIONS = [operation for _, operation in openapi.operations()]

REGISTER = {"email": "zoe@example.com", "username": "Zoë", "password": "12345678"}


def described(operation: Operation) -> Any:
    return DOCUMENT["paths"][operation.path][operation.method.lower()]


def response(operation: Operation, status: int) -> Any:
    """A response, wherever the document keeps it."""
    found = described(operation)["responses"][str(status)]
    reference = found.get("$ref", "").removeprefix("#/components/responses/")
    return DOCUMENT["components"]["responses"][reference] if reference else found


def accepts(schema: Any, value: Any) -> bool:
    whole = {"components": DOCUMENT["components"], **schema}
    return bool(OAS31Validator(whole).is_valid(value))


def parses(shape: Any, value: Any) -> bool:
    try:
        read_body(json.dumps(value).encode(), "application/json", shape)
    except InvalidInputError:
        return False
    return True


each_operation = pytest.mark.parametrize(
    "operation", OPERATIONS, ids=[operation.view.__name__ for operation in OPERATIONS]
)


def test_the_document_is_what_the_routes_say_now() -> None:
    assert openapi.DOCUMENT.read_text("utf-8") == openapi.text(), "run `make openapi`"


def test_writing_it_again_changes_nothing(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written = tmp_path / "openapi.json"
    monkeypatch.setattr(openapi, "DOCUMENT", written)
    openapi.main()
    assert json.loads(written.read_bytes()) == DOCUMENT
    assert capsys.readouterr().out == f"openapi.json: {len(OPERATIONS)} operations\n"


def test_the_document_is_valid_openapi_3_1() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    assert list(OpenAPIV31SpecValidator(DOCUMENT).iter_errors()) == []


def test_every_route_of_the_app_is_in_it_and_no_other() -> None:
    routed = {
        (path, method.lower())
        for path, methods in app.app.routes.items()
        for method in methods
        if method not in ("HEAD", "OPTIONS")
    }
    documented = {(path, method) for path, item in DOCUMENT["paths"].items() for method in item}
    assert documented == routed


def test_operations_have_names_of_their_own() -> None:
    names = [described(operation)["operationId"] for operation in OPERATIONS]
    assert len(set(names)) == len(names)


@each_operation
def test_every_declared_error_is_told(operation: Operation) -> None:
    for error in operation.errors:
        refusal = response(operation, FAILURES[error].status)
        assert f"`{error.code}`" in refusal["description"]
        example = refusal["content"]["application/json"]["examples"][error.code]["value"]
        assert (example["code"], example["message"]) == (error.code, error.message)
        assert FAILURES[error].headers.keys() <= refusal["headers"].keys()


@each_operation
def test_the_refusals_that_nobody_declares_are_told(operation: Operation) -> None:
    expected = {operation.status, 429, 500, 503}
    if operation.body is not None:
        expected |= {400, 413, 415}
    if operation.query is not None:
        expected.add(400)
    if operation.authorizer is not None:
        expected.add(401)
    assert {str(status) for status in expected} <= described(operation)["responses"].keys()


@each_operation
def test_a_token_is_asked_for_where_one_is_needed(operation: Operation) -> None:
    needed = operation.authorizer is not None or operation.reads_token
    assert described(operation).get("security", []) == ([{"bearer": []}] if needed else [])


@each_operation
def test_every_answer_names_the_request_and_every_retry_its_time(operation: Operation) -> None:
    for status in map(int, described(operation)["responses"]):
        headers = response(operation, status)["headers"]
        assert "X-Request-Id" in headers
        assert ("Retry-After" in headers) == (status in (429, 503))
        assert ("WWW-Authenticate" in headers) == (status == 401)


@each_operation
def test_examples_are_of_their_schemas(operation: Operation) -> None:
    for status in map(int, described(operation)["responses"]):
        for media in response(operation, status)["content"].values():
            for example in media.get("examples", {}).values():
                assert accepts(media["schema"], example["value"])
    if operation.body is not None:
        media = described(operation)["requestBody"]["content"]["application/json"]
        assert accepts(media["schema"], media["example"])
        assert parses(operation.body, media["example"])
    if operation.form is not None:
        (media,) = described(operation)["requestBody"]["content"].values()
        assert accepts(media["schema"], media["example"])
        sent = urlencode(media["example"]).encode()
        form = read_form(sent, "application/x-www-form-urlencoded", operation.form)
        assert isinstance(form, operation.form)


@each_operation
def test_what_people_read_is_called_a_page(operation: Operation) -> None:
    for error in operation.errors:
        kinds = set(response(operation, FAILURES[error].status)["content"])
        assert ("text/html" in kinds) == (operation.explain is not None)


@each_operation
def test_every_parameter_is_described(operation: Operation) -> None:
    for parameter in described(operation).get("parameters", []):
        assert parameter["description"]
        assert "null" not in json.dumps(parameter["schema"])


@pytest.mark.parametrize(
    ("changes", "good"),
    [
        ({}, True),
        ({"password": "1234567"}, False),
        ({"password": "1" * 128}, True),
        ({"password": "1" * 129}, False),
        ({"username": "z"}, True),
        ({"username": ""}, False),
        ({"username": "z" * 64}, True),
        ({"username": "z" * 65}, False),
        ({"email": f"zoe@{'.'.join(['z' * 49] * 5)}"}, True),
        ({"email": f"zoe@{'.'.join(['z' * 50] * 5)}"}, False),
        ({"email": None}, False),
        ({"unknown": 1}, False),
    ],
)
def test_the_schema_of_a_registration_is_what_the_api_does(
    changes: dict[str, Any], *, good: bool
) -> None:
    body = REGISTER | changes
    schema = {"$ref": "#/components/schemas/RegisterBody"}
    assert (accepts(schema, body), parses(RegisterBody, body)) == (good, good)


@pytest.mark.parametrize(
    ("names", "good"),
    [
        ({"email": "zoe@example.com"}, True),
        ({"username": "Zoë"}, True),
        ({"email": "zoe@example.com", "username": "Zoë"}, False),
        ({}, False),
    ],
)
def test_the_schema_of_a_login_is_what_the_api_does(names: dict[str, str], *, good: bool) -> None:
    body = {"password": "12345678", **names}
    schema = {"$ref": "#/components/schemas/LoginBody"}
    assert (accepts(schema, body), parses(LoginBody, body)) == (good, good)


def test_a_new_password_has_the_bounds_that_hold_on_every_stage() -> None:
    registration = DOCUMENT["components"]["schemas"]["RegisterBody"]["properties"]["password"]
    change = DOCUMENT["components"]["schemas"]["ChangePasswordBody"]["properties"]["new_password"]
    for schema in (registration, change):
        assert (schema["minLength"], schema["maxLength"]) == (8, 128)
        assert "NFC" in schema["description"]
        assert "most common" in schema["description"]


def test_what_is_always_answered_is_required_and_what_is_not_is_not() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert {"status", "message", "Authorization", "token_type", "expires_in"} <= set(
        schemas["TokenSetView"]["required"]
    )
    assert schemas["UserView"]["required"] == ["public_id", "username", "registered_on"]
    assert schemas["UserListView"]["required"] == ["data"]
    assert set(schemas["ValidationFailureView"]["required"]) == {
        "status",
        "code",
        "message",
        "errors",
    }
