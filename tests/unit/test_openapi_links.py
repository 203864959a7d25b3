"""The document's links lead to operations that there are, with what their answers have."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.test_openapi import DOCUMENT, accepts

_FROM_BODY = re.compile(r"\$response\.body#/(.+)")


def _operations() -> dict[str, Any]:
    items = DOCUMENT["paths"].values()
    return {operation["operationId"]: operation for item in items for operation in item.values()}


def _links() -> Iterator[tuple[str, Any, Any]]:
    """Each link: what it is called, its answer's schema, and itself."""
    for name, operation in _operations().items():
        for answer in operation["responses"].values():
            for link_name, link in answer.get("links", {}).items():
                schema = answer["content"]["application/json"]["schema"]
                yield f"{name}, {link_name}", schema, link


LINKS = list(_links())
each_link = pytest.mark.parametrize(
    ("schema", "link"), [link[1:] for link in LINKS], ids=[link[0] for link in LINKS]
)


def _has(schema: Any, path: str) -> bool:
    """Whether an answer may have what a pointer points to."""
    for part in path.split("/"):
        if "$ref" in schema:
            schema = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        schema = schema.get("items") if part == "0" else schema.get("properties", {}).get(part)
        if schema is None:
            return False
    return True


def test_sessions_lists_and_users_are_linked() -> None:
    assert {name.partition(",")[0] for name, _, _ in LINKS} >= {
        *("register", "login", "refresh", "list_sessions", "list_users", "list_activity"),
        *("get_user", "change_user", "change_password"),
    }


@each_link
def test_a_link_leads_somewhere_with_what_its_answer_has(schema: Any, link: Any) -> None:
    operation = _operations()[link["operationId"]]
    known = {parameter["name"] for parameter in operation.get("parameters", [])}
    parameters, body = link.get("parameters", {}), link.get("requestBody", {})
    assert parameters.keys() <= known
    for expression in (*parameters.values(), *body.values()):
        pointed = _FROM_BODY.fullmatch(expression)
        assert expression.startswith("$request.path.") or (pointed and _has(schema, pointed[1]))
    if body:
        asked = operation["requestBody"]["content"]["application/json"]["schema"]
        assert accepts(asked, body)


@pytest.mark.parametrize(
    "body",
    [
        {"username": "Zoë"},
        {"email": "zoe@example.com", "current_password": "12345678", "username": "Zoë"},
        {"admin": True, "metadata": {}},
    ],
    ids=str,
)
def test_changes_that_go_together_are_allowed(body: dict[str, object]) -> None:
    assert accepts({"$ref": "#/components/schemas/ChangeUserBody"}, body)


@pytest.mark.parametrize(
    "body",
    [
        {"current_password": "12345678"},
        {},
        {"email": "zoe@example.com", "admin": True},
        {"email": "zoe@example.com", "disabled": False},
        {"email": "zoe@example.com", "password_change_required": True},
    ],
    ids=str,
)
def test_changes_that_do_not_go_together_are_not(body: dict[str, object]) -> None:
    assert not accepts({"$ref": "#/components/schemas/ChangeUserBody"}, body)
