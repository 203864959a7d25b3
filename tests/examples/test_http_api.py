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
from tests.attacks.access_tokens import FAMILIES, Target
from tests.examples.issuers import AUDIENCE, Issuer, publishing
from tests.examples.test_attacks import FORGERIES, target_of
from tests.fakes import public_id
from tests.servers import QuietHandler, serving

SAMPLED = 7
"""Every so many of a family's attacks: each is a request."""
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


@pytest.fixture
def target(api: Api, key_parameters: tuple[Parameter, Parameter], foreign_pem: str) -> Target:
    return target_of(api.issuer, key_parameters[0].value, foreign_pem)


def test_every_good_token_is_taken(api: Api) -> None:
    for token in api.issuer.good_tokens().values():
        answer = api.ask("GET", token)
        assert (answer.status_code, answer.text) == (200, f"the orders of {public_id(1)}")


def test_every_bad_token_is_refused(api: Api) -> None:
    for name, token in api.issuer.bad_tokens().items():
        assert api.ask("GET", token).status_code == 401, name


# The local cloud does not look at `alg` before it verifies as RS256. So it takes what our own key
# signed so, whatever it is called; nobody else can make that.
@pytest.mark.parametrize("family", [family for family in FORGERIES if family != "algorithms"])
def test_no_forgery_is_taken(api: Api, family: str, target: Target) -> None:
    attacks = [
        attack
        for attack in FAMILIES[family](target)
        if _can_be_sent(attack.text) and not attack.name.endswith(", signed")
    ]
    assert api.ask("GET", target.good).ok
    for attack in attacks[::SAMPLED]:
        assert api.ask("GET", attack.text).status_code == 401, attack.name


def _can_be_sent(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text and 0 < len(text) < 5_000


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
