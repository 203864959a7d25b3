"""ministack with what `chalice deploy` needs beyond it: `python -m infra.rehearsal.bridge`.

Runs in the local cloud's own environment, and ships nowhere. ministack 1.5 has an importer for
API definitions and uses it for CloudFormation alone: PutRestApi, which Chalice sends, falls on
deaf ears. And it runs functions with its own packages in reach, so that one whose package lacks a
module would find it all the same. Functions are ready at once here: Chalice looks whether they are
only every five seconds, which would add up to minutes. Where a function crashed or was throttled,
API Gateway gives its gateway response for a failed integration; ministack tells the caller what
went wrong inside.
"""

# ruff: noqa: SLF001 - ministack offers nothing else

import json
import sys
from typing import Any

from ministack import app  # type: ignore[import-not-found] # it is in .venv-cloud
from ministack.core import lambda_runtime  # type: ignore[import-not-found] # likewise
from ministack.services import apigateway_v1 as gateway  # type: ignore[import-not-found] # likewise
from ministack.services import lambda_svc

_handle_request = gateway.handle_request
_invoke_proxy = gateway._invoke_lambda_proxy_v1
_proxy_response = gateway._lambda_proxy_response
_worker_of = lambda_runtime._detect_runtime_binary


async def _bridged(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
    match path.strip("/").split("/"):
        case ["restapis", api_id] if method == "PUT":
            return _put_rest_api(api_id, json.loads(body))
        case _:
            return await _handle_request(method, path, headers, body, query)


def _put_rest_api(api_id: str, definition: dict[str, Any]) -> Any:
    """Put a definition in the place of an API's own, as PutRestApi does in its mode `overwrite`.

    Authorizers and gateway responses go with the routes, as on AWS.
    """
    if api_id not in gateway._rest_apis:
        return gateway._v1_error("NotFoundException", "Invalid API identifier specified", 404)
    (root,) = (item for item in gateway._resources[api_id].values() if item["path"] == "/")
    gateway._resources[api_id] = {root["id"]: {**root, "resourceMethods": {}}}
    gateway._authorizers_v1[api_id] = {}
    gateway._gateway_responses[api_id] = {}
    schemes = gateway._import_security_schemes(api_id, definition)
    for route, item in definition["paths"].items():
        gateway._import_path_item(api_id, route, item, schemes)
    binary_types = definition["x-amazon-apigateway-binary-media-types"]
    gateway._rest_apis[api_id]["binaryMediaTypes"] = binary_types
    return gateway._get_rest_api(api_id)


class _NoAnswerError(Exception):
    """The function did not answer: it crashed, was too late, or was not run at all."""


def _answered(result: dict[str, Any]) -> Any:
    if result.get("error"):
        raise _NoAnswerError
    return _proxy_response(result)


async def _invoked(*integration: Any, **request: Any) -> Any:
    try:
        return await _invoke_proxy(*integration, **request)
    except _NoAnswerError:
        return gateway._gw_error("INTEGRATION_FAILURE", "Internal server error")


def _isolated(runtime: str) -> tuple[str, str]:
    """Ministack's worker, run by an interpreter that has nothing but its standard library."""
    _, worker = _worker_of(runtime)
    return sys._base_executable, worker  # type: ignore[attr-defined] # untyped, and there


if __name__ == "__main__":
    gateway.handle_request = _bridged
    gateway._lambda_proxy_response = _answered
    gateway._invoke_lambda_proxy_v1 = _invoked
    lambda_runtime._detect_runtime_binary = _isolated
    lambda_svc._LAMBDA_STATE_TRANSITION_DELAY = 0.0
    app.main()
