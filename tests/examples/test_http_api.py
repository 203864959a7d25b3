"""API Gateway's own JWT authorizer, as the local cloud has it, made from the example's template."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import pytest
import requests

from chalicelib.keys.parameters import Parameter
from infra.local.children import CHECKOUT
from infra.rehearsal.cloud import rehearsal_cloud
from tests.examples.issuers import AUDIENCE, Issuer, publishing
from tests.fakes import public_id
from tests.servers import QuietHandler, serving

TEMPLATE = CHECKOUT / "examples" / "verify" / "http-api.yaml"


@dataclass(frozen=True, slots=True)
class Api:
    """The example's API, and who issues its tokens."""

    url: str
    host: str
    issuer: Issuer

    def ask(self, method: str, token: str = "", **headers: str) -> requests.Response:
        if token:
            headers["Authorization"] = f"Bearer {token}"
        sent = {"Host": self.host, **headers}
        return requests.request(method, f"{self.url}/orders", headers=sent, timeout=30)


@contextmanager
def _orders() -> Iterator[str]:
    """A service that takes API Gateway's word for who calls."""

    class Handler(QuietHandler):
        def handle_request(self) -> None:
            self.answer(200, f"the orders of {self.headers['X-User']}".encode())

    with serving(Handler, "GET", "DELETE") as url:
        yield f"{url}/orders"


@pytest.fixture(scope="module")
def api(
    tmp_path_factory: pytest.TempPathFactory,
    key_parameters: tuple[Parameter, Parameter],
    foreign_pem: str,
) -> Iterator[Api]:
    folder: Path = tmp_path_factory.mktemp("http-api")
    with (
        publishing(key_parameters, foreign_pem) as issuer,
        _orders() as backend,
        rehearsal_cloud(folder) as endpoint,
    ):
        cloudformation = boto3.client("cloudformation", endpoint_url=endpoint)
        given = {"Issuer": issuer.url, "Audience": AUDIENCE, "Backend": backend}
        cloudformation.create_stack(
            StackName="orders",
            TemplateBody=TEMPLATE.read_text("utf-8"),
            Parameters=[
                {"ParameterKey": key, "ParameterValue": value} for key, value in given.items()
            ],
        )
        waiter = cloudformation.get_waiter("stack_create_complete")
        waiter.wait(StackName="orders", WaiterConfig={"Delay": 1, "MaxAttempts": 60})
        (stack,) = cloudformation.describe_stacks(StackName="orders")["Stacks"]
        made = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
        yield Api(endpoint, urlsplit(made["Url"]).netloc, issuer)


def test_every_good_token_is_taken(api: Api) -> None:
    for token in api.issuer.good_tokens().values():
        answer = api.ask("GET", token)
        assert (answer.status_code, answer.text) == (200, f"the orders of {public_id(1)}")


def test_every_bad_token_is_refused(api: Api) -> None:
    for name, token in api.issuer.bad_tokens().items():
        assert api.ask("GET", token).status_code == 401, name


def test_nobody_is_let_in_without_a_token(api: Api) -> None:
    assert api.ask("GET").status_code == 401


def test_a_route_for_admins_takes_no_other_users_token(api: Api) -> None:
    tokens = api.issuer.good_tokens()
    assert api.ask("DELETE", tokens["a user's"]).status_code == 403
    assert api.ask("DELETE", tokens["an admin's"]).status_code == 200


def test_callers_cannot_say_who_they_are(api: Api) -> None:
    answer = api.ask("GET", api.issuer.issue(), **{"X-User": "somebody else"})
    assert answer.text == f"the orders of {public_id(1)}"


def test_the_keys_are_found_from_the_issuers_name_and_kept(api: Api) -> None:
    assert api.ask("GET", api.issuer.issue()).ok
    assert api.issuer.fetched == ["/.well-known/openid-configuration", "/.well-known/jwks.json"]


def test_another_type_of_token_is_not_told_apart_but_by_its_scope(api: Api) -> None:
    """docs/verify.md says so, and why the routes have scopes."""
    for token in api.issuer.mistakable_tokens().values():
        assert api.ask("GET", token).ok
    assert api.ask("GET", api.issuer.unscoped_token()).status_code == 403
