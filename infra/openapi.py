"""The OpenAPI document, made from the routes: `python -m infra.openapi` writes it.

What a route takes and gives is read from its declaration and its structs, and what it refuses from
the errors it declares. To these are added the refusals that come with every route of a kind,
whether the function makes them or API Gateway does.
"""

import json
import re
from collections.abc import Iterable, Mapping
from http import HTTPMethod
from inspect import cleandoc
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET

from chalicelib import __version__
from chalicelib.api import accounts, auth, documents, mailed_links, schemas
from chalicelib.api.errors import FAILURES, failure_body
from chalicelib.api.inputs import LARGEST_BODY
from chalicelib.api.routes import Document, Operation, Routes
from chalicelib.api.schemas import FailureView, ValidationFailureView
from chalicelib.domain import errors
from chalicelib.domain.changes import LARGEST_METADATA, Metadata
from chalicelib.domain.errors import AccountsError, InvalidInputError
from chalicelib.domain.names import LONGEST_EMAIL, LONGEST_USERNAME, EmailAddress, Username
from chalicelib.domain.passwords import LONGEST_PASSWORD, SHORTEST_PASSWORD, NewPassword, Password
from infra.gateway_responses import GATEWAY_RESPONSES

DOCUMENT = Path(documents.__file__).with_name("openapi.json")

_Json = dict[str, Any]

_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"
_HTML = "text/html"
_SCHEMA = "#/components/schemas/{name}"

_RESOURCES: Mapping[Routes, str] = {
    accounts.routes: "Who has an account here.",
    auth.routes: "Showing who you are, staying so, and ceasing to.",
    mailed_links.routes: "What links in mails lead to: HTML for people, in their language.",
    documents.routes: "What anyone may read: this page, the keys that tokens are signed with.",
}
"""Every resource, in the order of the page, and the line below its heading."""

_ABOUT = f"""
Accounts and tokens over HTTP: JSON in, JSON out.

* Register or log in, and show the token you are given: `Authorization: Bearer <token>`. Here,
  *Authorize* does it for you.
* An access token lives for minutes. Before it ends, spend the refresh token that came with it:
  `POST /auth/refresh` answers a new one of each. A session that was ended is dead at the next
  request.
* A failure is `{{"status": "fail", "code": "…", "message": "…"}}`, whatever made it. Branch on
  `code`; `message` is for people. A validation failure adds `errors`, a reason for each field.
* Times are RFC 3339 in UTC. Identifiers are opaque strings.
* A body has at most {LARGEST_BODY // 1024} KiB and no fields but those named here.
* A trailing slash makes no difference. `HEAD` answers as `GET` does, without the body. An unknown
  path is 404 `not_found`, and so may be a wrong method; otherwise that is 405
  `method_not_allowed`, with `Allow`.
* Quote `X-Request-Id`, which every response carries, when you report a problem.
"""

_BEARER = """
An access token, which `POST /user`, `POST /auth/login` and `POST /auth/refresh` answer in
`Authorization`. The bare token, without `Bearer`, is accepted too.
"""

_HEADERS: Mapping[str, _Json] = {
    "X-Request-Id": {
        "description": "What this request is called in the service's logs.",
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "After how many seconds another try makes sense.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "WWW-Authenticate": {
        "description": "The scheme, and what was wrong with the token (RFC 6750, section 3).",
        "schema": {"type": "string"},
    },
}

_PATH_PARAMETERS: Mapping[str, _Json] = {
    "public_id": {
        "description": "The user's `public_id`, or `me` for the caller's own.",
        "schema": {"type": "string"},
        "example": "me",
    },
    "session_id": {
        "description": "The session's `session_id`.",
        "schema": {"type": "string"},
        "example": "5f0f3c9e-27a8-4c53-a6ff-1c1c0c2b9b1e",
    },
    "name": {
        "description": "The file's name.",
        "schema": {"enum": sorted(documents.FILES)},
    },
}

_SHOWN = "$response.body#/"
_LISTED = f"{_SHOWN}data/0/"
_REFRESH: _Json = {
    "operationId": "refresh",
    "requestBody": {"refresh_token": f"{_SHOWN}refresh_token"},
    "description": "The refresh token keeps its holder logged in.",
}
_END_SESSION: _Json = {
    "operationId": "end_session",
    "parameters": {"session_id": f"{_SHOWN}session_id"},
    "description": "The session can be ended from any other.",
}


def _about_user(operation: str, public_id: str) -> _Json:
    return {
        "operationId": operation,
        "parameters": {"public_id": public_id},
        "description": "The user can be looked at, changed and looked after.",
    }


def _next_page(operation: str, **parameters: str) -> _Json:
    return {
        "operationId": operation,
        "parameters": {**parameters, "cursor": f"{_SHOWN}next_cursor"},
        "description": "The next page, if there is a `next_cursor`.",
    }


_LINKS: Mapping[str, Mapping[str, _Json]] = {
    "register": {"refresh": _REFRESH, "endSession": _END_SESSION},
    "login": {"refresh": _REFRESH, "endSession": _END_SESSION},
    "refresh": {"refresh": _REFRESH, "endSession": _END_SESSION},
    "change_password": {"refresh": _REFRESH, "endSession": _END_SESSION},
    "list_sessions": {
        "endSession": {**_END_SESSION, "parameters": {"session_id": f"{_LISTED}session_id"}}
    },
    "list_users": {
        "next": _next_page("list_users"),
        "user": _about_user("get_user", f"{_LISTED}public_id"),
        "change": _about_user("change_user", f"{_LISTED}public_id"),
        "activity": _about_user("list_activity", f"{_LISTED}public_id"),
        "endSessions": _about_user("end_sessions_of", f"{_LISTED}public_id"),
        "close": _about_user("close_account", f"{_LISTED}public_id"),
    },
    "get_user": {
        "change": _about_user("change_user", f"{_SHOWN}public_id"),
        "activity": _about_user("list_activity", f"{_SHOWN}public_id"),
        "export": _about_user("export_user", f"{_SHOWN}public_id"),
        "endSessions": _about_user("end_sessions_of", f"{_SHOWN}public_id"),
        "close": _about_user("close_account", f"{_SHOWN}public_id"),
    },
    "change_user": {"user": _about_user("get_user", f"{_SHOWN}public_id")},
    "list_activity": {"next": _next_page("list_activity", public_id="$request.path.public_id")},
}
"""What the answer of an operation, by its name, is good for next."""

_DOMAIN_TYPES: Mapping[type, _Json] = {
    EmailAddress: {
        "type": "string",
        "format": "idn-email",
        "maxLength": LONGEST_EMAIL,
        "description": "Unique without regard to case or Unicode form, and shown as it is given.",
    },
    Username: {
        "type": "string",
        "minLength": 1,
        "maxLength": LONGEST_USERNAME,
        "description": (
            "Unique without regard to case or Unicode form, and shown as it is given. The length "
            "is that of the NFKC form. No control or invisible characters."
        ),
    },
    Metadata: {
        "type": "object",
        "description": (
            f"Any JSON object of at most {LARGEST_METADATA:,} octets, blanks not counted. Whole "
            "numbers are kept exactly, others as IEEE 754 doubles."
        ),
    },
    Password: {"type": "string", "format": "password", "writeOnly": True},
    NewPassword: {
        "type": "string",
        "format": "password",
        "writeOnly": True,
        "minLength": SHORTEST_PASSWORD,
        "maxLength": LONGEST_PASSWORD,
        "description": (
            "Any characters. The length is that of the NFC form; a service may ask for more. Not "
            "one of the most common passwords, neither the email, the username nor a part of them, "
            "and not made of the service's own names."
        ),
    },
}


def operations() -> list[tuple[str, Operation]]:
    """Every operation and its resource's name, in the order of the page."""
    return [(routes.tag, operation) for routes in _RESOURCES for operation in routes.operations]


def refusals(operation: Operation) -> dict[int, list[type[AccountsError]]]:
    """What an operation may refuse, by status: what it declares, and what comes with its kind."""
    possible: set[type[AccountsError]] = {
        *operation.errors,
        errors.UnexpectedError,
        GATEWAY_RESPONSES["THROTTLED"],
        GATEWAY_RESPONSES["DEFAULT_5XX"],
    }
    if operation.method != HTTPMethod.GET:
        possible.add(errors.BodyTooLargeError)
    if operation.body is not None:
        possible |= {InvalidInputError, errors.UnsupportedMediaTypeError}
    if operation.form is not None:
        possible |= {InvalidInputError, errors.FormExpectedError}
    if operation.query is not None:
        possible.add(InvalidInputError)
    if operation.authorizer is not None:
        possible |= {
            GATEWAY_RESPONSES["UNAUTHORIZED"],
            GATEWAY_RESPONSES["ACCESS_DENIED"],
            GATEWAY_RESPONSES["AUTHORIZER_FAILURE"],
        }
    by_status: dict[int, list[type[AccountsError]]] = {}
    for error, failure in FAILURES.items():  # in the table's order, whatever the set's
        if error in possible:
            by_status.setdefault(failure.status, []).append(error)
    return by_status


def document() -> _Json:
    """The OpenAPI document of every route."""
    paths: dict[str, _Json] = {}
    responses: _Json = {}
    for tag, operation in operations():
        described = _describe_operation(tag, operation)
        for status, refused in refusals(operation).items():
            name = "Or".join(error.__name__.removesuffix("Error") for error in refused)
            if operation.explain is not None:
                name += "Page"
            responses[name] = _failure(refused, explained=operation.explain is not None)
            described["responses"][str(status)] = {"$ref": f"#/components/responses/{name}"}
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Accounts API",
            "version": __version__,
            "description": _ABOUT.strip(),
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        # Relative to this document, so that it is right below a stage's name as well.
        "servers": [{"url": "."}],
        "tags": [
            {"name": routes.tag, "description": about} for routes, about in _RESOURCES.items()
        ],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": _flowing(_BEARER),
                }
            },
            "headers": _HEADERS,
            "responses": dict(sorted(responses.items())),
            "schemas": _schemas(),
        },
    }


def text() -> str:
    """The document as it is kept: the same from the same routes, to the octet."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the document beside the route that answers it."""
    DOCUMENT.write_text(text(), encoding="utf-8")
    print(f"{DOCUMENT.name}: {len(operations())} operations")


def _describe_operation(tag: str, operation: Operation) -> _Json:
    summary, _, description = cleandoc(operation.view.__doc__ or "").partition("\n\n")
    described: _Json = {
        "tags": [tag],
        "operationId": operation.view.__name__,
        "summary": _flowing(summary).removesuffix("."),
    }
    if description:
        described["description"] = _flowing(description)
    if operation.authorizer is not None or operation.reads_token:
        described["security"] = [{"bearer": []}]
    if parameters := [*_path_parameters(operation.path), *_query_parameters(operation)]:
        described["parameters"] = parameters
    if operation.body is not None:
        described["requestBody"] = _request_body(_JSON, operation.body, operation.body_required)
    if operation.form is not None:
        described["requestBody"] = _request_body(_FORM, operation.form, required=True)
    answered = _success(operation)
    if links := _LINKS.get(operation.view.__name__):
        answered["links"] = links
    described["responses"] = {str(operation.status): answered}
    return described


def _success(operation: Operation) -> _Json:
    if operation.answer is Document:
        about = "The document."
        content = {
            kind: {"schema": {"type": "object" if kind == _JSON else "string"}}
            for kind in operation.media_types
        }
    else:
        about = _first_paragraph(operation.answer)
        content = {_JSON: {"schema": _reference(operation.answer)}}
    return {"description": about, "headers": _headers(()), "content": content}


def _failure(refused: list[type[AccountsError]], *, explained: bool) -> _Json:
    """A response that is one of some errors of the same status: a page, where it is explained.

    What API Gateway refuses, and what nobody foresaw, is JSON there as well.
    """
    page = {_HTML: {"schema": {"type": "string"}}} if explained else {}
    shapes = {
        _reference(ValidationFailureView if error is InvalidInputError else FailureView)["$ref"]
        for error in refused
    }
    references = [{"$ref": shape} for shape in sorted(shapes)]
    return {
        "description": "\n\n".join(
            f"`{error.code}`: {_first_paragraph(error)}" for error in refused
        ),
        "headers": _headers(refused),
        "content": {
            **page,
            _JSON: {
                "schema": references[0] if len(references) == 1 else {"anyOf": references},
                "examples": {error.code: {"value": _example(error)} for error in refused},
            },
        },
    }


def _example(error: type[AccountsError]) -> _Json:
    given = InvalidInputError({"field": "reason"}) if error is InvalidInputError else error
    return failure_body(given)


def _headers(refused: Iterable[type[AccountsError]]) -> _Json:
    names = {"X-Request-Id"}.union(*(FAILURES[error].headers for error in refused))
    return {name: {"$ref": f"#/components/headers/{name}"} for name in sorted(names)}


def _path_parameters(path: str) -> list[_Json]:
    names: list[str] = re.findall(r"{(\w+)}", path)
    return [
        {"name": name, "in": "path", "required": True, **_PATH_PARAMETERS[name]} for name in names
    ]


def _query_parameters(operation: Operation) -> list[_Json]:
    if operation.query is None:
        return []
    schema = _components([operation.query])[operation.query.__name__]
    return [_query_parameter(name, shape) for name, shape in schema["properties"].items()]


def _query_parameter(name: str, schema: _Json) -> _Json:
    # None stands for a parameter that is not given; nobody can send it.
    for choice in schema.pop("anyOf", []):
        if choice["type"] != "null":
            schema = choice
    described = {"name": name, "in": "query"}
    if "description" in schema:
        described["description"] = schema.pop("description")
    return {**described, "schema": schema}


def _request_body(
    kind: str,
    body: type[msgspec.Struct],
    required: bool,  # noqa: FBT001 - as declared
) -> _Json:
    """A body, with an example of those fields that have one: it can be sent as it stands."""
    properties: dict[str, _Json] = _components([body])[body.__name__]["properties"]
    example = {
        name: schema["examples"][0] for name, schema in properties.items() if "examples" in schema
    }
    content = {kind: {"schema": _reference(body), "example": example}}
    return {"required": required, "content": content}


def _schemas() -> _Json:
    known = [operation for _, operation in operations()]
    bodies = {operation.body for operation in known if operation.body is not None}
    bodies |= {operation.form for operation in known if operation.form is not None}
    answers = {
        operation.answer for operation in known if issubclass(operation.answer, msgspec.Struct)
    }
    components = _components([*bodies, *answers, FailureView, ValidationFailureView])
    for name, schema in components.items():
        shape: type[msgspec.Struct] = vars(schemas)[name]
        schema.update(getattr(shape, "RULE", {}), description=_first_paragraph(shape))
        if shape not in bodies:
            _describe_answer(shape, schema)
    return dict(sorted(components.items()))


def _describe_answer(shape: type[msgspec.Struct], schema: _Json) -> None:
    """Say that what is always written is always there: msgspec's own view is that of a reader."""
    fields = msgspec.structs.fields(shape)
    schema["required"] = [field.encode_name for field in fields if field.default is not UNSET]
    for described in schema["properties"].values():
        described.pop("default", None)


def _components(shapes: Iterable[type[msgspec.Struct]]) -> dict[str, _Json]:
    _, components = msgspec.json.schema_components(
        shapes, schema_hook=lambda kind: dict(_DOMAIN_TYPES[kind]), ref_template=_SCHEMA
    )
    return components


def _reference(shape: type) -> _Json:
    return {"$ref": _SCHEMA.format(name=shape.__name__)}


def _first_paragraph(documented: type) -> str:
    return _flowing(cleandoc(documented.__doc__ or "").partition("\n\n")[0])


def _flowing(docstring: str) -> str:
    """A docstring with its paragraphs kept and its lines joined: pages break them as they can."""
    paragraphs = docstring.strip().split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


if __name__ == "__main__":
    main()
