"""Which action of IAM a request asks for, told from nothing but the request."""

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import botocore.session

from tests.rehearsal.proxies import Seen

_SCOPE = re.compile(r"Credential=[^/]+/\d{8}/[^/]+/(?P<service>[a-z]+)/aws4_request")
_NEEDS_NO_RIGHT = {"sts:GetCallerIdentity"}


def actions(seen: list[Seen]) -> set[str]:
    """The actions of all requests that were signed for AWS."""
    return {action for request in seen for action in _actions(request)} - _NEEDS_NO_RIGHT


def _actions(request: Seen) -> Iterator[str]:
    scope = _SCOPE.search(request.headers.get("Authorization", ""))
    if scope is None:
        return
    service = scope["service"]
    if service == "apigateway":
        yield f"apigateway:{request.method}"
    elif target := request.headers.get("X-Amz-Target"):
        operation = target.rpartition(".")[2]
        if operation == "TransactWriteItems":
            parts = set(re.findall(rb'"(Put|Update|Delete|ConditionCheck)"', request.body))
            yield from (f"dynamodb:{part.decode()}Item" for part in parts)
        else:
            yield f"{service}:{operation}"
    elif service == "lambda":
        yield f"lambda:{_operation('lambda', request)}"
    elif service == "ses":
        yield f"ses:{_operation('sesv2', request)}"
    else:
        (operation,) = parse_qs(request.body.decode())["Action"]
        yield f"{service}:{operation}"


def _operation(service: str, request: Seen) -> str:
    """The operation whose method and path these are, the most literal path first."""
    model = botocore.session.get_session().get_service_model(service)
    path = urlsplit(request.path).path
    found = []
    for name in model.operation_names:
        http = model.operation_model(name).http
        pattern = re.sub(r"\{[^}]+\}", r"[^/]+", http["requestUri"].partition("?")[0])
        if http["method"] == request.method and re.fullmatch(pattern.rstrip("/") + "/?", path):
            found.append((pattern.count("[^/]+"), name))
    assert found, request.path
    return min(found)[1]
