"""Every operation and every function, run on what is left in the package."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from app import app
from chalicelib import container as composition
from chalicelib import settings
from chalicelib.container import Container, use
from chalicelib.domain.mailed_tokens import Purpose
from chalicelib.keys.parameters import read_public_key, write_public_key
from chalicelib.services.key_rotation import KEPT, NOTICE
from infra.local.children import CHECKOUT
from infra.local.cloud import LocalCloud
from infra.local.loopback import HOST, free_port
from infra.local.mails import sent_mails
from tests.api.client import Client, a_registration
from tests.api.test_policies import VISITS
from tests.aws import OUTBOX, STAGE, Cloud
from tests.package.conftest import Function, Functions
from tests.samples import (
    AN_HOUR_PASSED,
    FOREIGN_HASHES,
    FOREIGN_PASSWORD,
    PASSWORD,
    claims_of,
    inserted,
)

_API = "app.app"
_AUTHORIZE = "chalicelib.authorizer.authorize"
_KEYS = f"/accounts/{STAGE}/public-keys"
_TOKEN = re.compile(r"token=([\w.-]+)")
_LANDINGS = {
    Purpose.VERIFY: "/email/verify",
    Purpose.CONFIRM: "/email/confirm",
    Purpose.UNDO: "/email/undo",
    Purpose.RESET: "/password/reset",
}

# What the authorizer loads: a caller waits for each of these when it starts.
_AT_IMPORT = {
    "chalice",
    "chalicelib",
    "chalicelib.authorizer",
    "chalicelib.container",
    "chalicelib.deadlines",
    "chalicelib.domain",
    "chalicelib.domain.errors",
    "chalicelib.domain.times",
    "chalicelib.domain.tokens",
    "chalicelib.settings",
    "chalicelib.startup",
    "chalicelib.telemetry",
}
_BY_THE_FIRST_REQUEST = {
    "_cffi_backend",
    "bcrypt",
    "botocore",
    "chalicelib.domain.principals",
    "chalicelib.domain.users",
    "chalicelib.answers",
    "chalicelib.aws",
    "chalicelib.keys",
    "chalicelib.keys.parameters",
    "chalicelib.keys.source",
    "chalicelib.services",
    "chalicelib.services.authentication",
    "chalicelib.services.keyring",
    "chalicelib.services.tokens",
    "chalicelib.store",
    "chalicelib.store.faults",
    "chalicelib.store.items",
    "chalicelib.store.revocations",
    "chalicelib.store.standings",
    "chalicelib.store.user_rows",
    "cryptography",
    "dateutil",
    "jmespath",
    "jwt",
    "pynamodb",
    "six",
    "urllib3",
}
_WHY = "is it needed before an answer? If so, add it to the set here; if not, import it where used"
_LINKED = {("GET", landing) for landing in _LANDINGS.values()}


class _Service:
    """What API Gateway has in front of it: the app's routes, and two functions."""

    def __init__(self, api: Function, authorize: Function) -> None:
        self.api = api
        self.authorize = authorize
        self.routes = {
            path: {
                method: SimpleNamespace(authorizer=route.authorizer and authorize)
                for method, route in routes.items()
            }
            for path, routes in app.routes.items()
        }

    def __call__(self, event: Mapping[str, Any], context: object) -> Any:
        return self.api(event, context)


@dataclass(frozen=True, slots=True)
class _Post:
    """The outbox, and where its mails arrive."""

    cloud: Cloud
    endpoint: str
    deliver_mail: Function
    redeliver_mail: Function

    def deliver(self) -> None:
        """What the stream does with what was put there."""
        rows = self.cloud.rows(OUTBOX)
        self.deliver_mail(inserted(*(row["message_id"]["S"] for row in rows)))

    def redeliver(self) -> None:
        """What the schedule does with what has lain there for a while."""
        an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
        for row in self.cloud.rows(OUTBOX):
            row["created_at"] = {"S": an_hour_ago.strftime("%Y-%m-%dT%H:%M:%S.%f%z")}
            self.cloud.dynamodb.put_item(TableName=OUTBOX, Item=row)
        self.redeliver_mail(AN_HOUR_PASSED)

    def links(self, address: str) -> list[str]:
        """All that were mailed to an address, newest last."""
        mails = [mail for mail in sent_mails(self.endpoint) if mail.to == (address,)]
        return [link for mail in mails for link in mail.links]


class _Caller(Client):
    """A client whose mails are delivered."""

    def __init__(self, cloud: Cloud, service: _Service, post: _Post) -> None:
        super().__init__(cloud, service)
        self.service = service
        self.cloud = cloud
        self.post_office = post

    def mailed(self, access: str, purpose: Purpose, address: str) -> str:
        """The token in the mail that arrived."""
        if purpose is Purpose.RESET:
            self.post("/auth/password/forgot", {"email": address})
        self.post_office.deliver()
        landing = _LANDINGS[purpose]
        links = [link for link in self.post_office.links(address) if landing in link]
        assert links, (access, purpose)
        (token,) = _TOKEN.findall(links[-1])
        return str(token)


@pytest.fixture(scope="module")
def cloud(stage: LocalCloud) -> Cloud:
    del stage
    return Cloud(boto3.client("dynamodb"), boto3.client("ssm"))


@pytest.fixture(scope="module")
def post(functions: Functions, cloud: Cloud, stage: LocalCloud) -> _Post:
    return _Post(
        cloud,
        stage.endpoint,
        functions.start("chalicelib.couriers.deliver_mail"),
        functions.start("chalicelib.couriers.redeliver_mail"),
    )


@pytest.fixture(scope="module")
def client(functions: Functions, cloud: Cloud, post: _Post) -> Iterator[_Caller]:
    service = _Service(functions.start(_API), functions.start(_AUTHORIZE))
    # API Gateway's own answers are made in this process, by the stage's settings.
    before = composition._current  # noqa: SLF001 - to be put back
    use(Container(settings.load()))
    yield _Caller(cloud, service, post)
    composition._current = before  # noqa: SLF001 - likewise


@pytest.fixture(scope="module")
def _first(client: _Caller) -> str:
    return client.register(1)


@pytest.fixture
def admin(client: _Caller, _first: str) -> str:
    """The first user's token, whom a visit may have made no admin."""
    client.make_admin(_first)
    return _first


def test_every_operation_of_the_document_is_visited() -> None:
    document = json.loads((CHECKOUT / "chalicelib" / "api" / "openapi.json").read_bytes())
    described = {
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method in operations.keys() - {"parameters"}
    }
    assert described == VISITS.keys()


@pytest.mark.parametrize("operation", VISITS, ids=" ".join)
def test_an_operation_works_in_the_package(
    client: _Caller, admin: str, operation: tuple[str, str]
) -> None:
    visited = VISITS[operation](client, admin)
    answers = visited if isinstance(visited, list) else [visited]
    statuses = [answer.status for answer in answers if hasattr(answer, "status")]
    # A page that was opened without a link's token says so.
    good = 401 if operation in _LINKED else 400
    assert any(status < good for status in statuses), statuses


def test_documents_are_all_there(client: _Caller) -> None:
    for name in ("page.js", "page.css", "swagger-ui.css", "swagger-ui-bundle.js"):
        assert client.get(f"/docs/{name}").status == 200


def test_refusals_are_made_in_the_package(client: _Caller, admin: str) -> None:
    wrong = {"email": "user-1@example.com", "password": "not the password"}
    refused = [
        client.post("/user", {"email": 1}),
        client.post("/user", body="{"),
        client.post("/user", body="a=1", headers={"Content-Type": "text/plain"}),
        client.post("/user", body=b"x" * 300_000, headers={"Content-Type": "application/json"}),
        client.post("/auth/login", wrong),
        client.post("/user", a_registration(300, password="password123")),
        client.get("/user/me", token="nonsense"),
        client.get("/user/me"),
        client.get("/user", token=client.register(301)),
        client.get("/user/nobody", token=admin),
        client.post("/user", a_registration(1)),
        client.post("/email/verify", body="token=x", headers=_FORM),
        client.post("/password/reset", body="token=x&new_password=x", headers=_FORM),
    ]
    assert {answer.status for answer in refused} == {400, 401, 403, 404, 409, 413, 415}


_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def test_too_many_attempts_are_refused_in_the_package(client: _Caller) -> None:
    client.register(302)
    wrong = {"email": "user-302@example.com", "password": "not the password"}
    statuses = [client.post("/auth/login", wrong).status for _ in range(21)]
    assert set(statuses) == {401, 429}


@pytest.mark.parametrize("kind", FOREIGN_HASHES)
def test_a_hash_of_another_system_is_compared_in_the_package(client: _Caller, kind: str) -> None:
    number = 400 + list(FOREIGN_HASHES).index(kind)
    public_id = claims_of(client.register(number))["sub"]
    client.cloud.change(public_id, password_hash={"S": FOREIGN_HASHES[kind]})
    login = {"email": f"user-{number}@example.com", "password": FOREIGN_PASSWORD}
    assert client.post("/auth/login", login).status == 200


@pytest.mark.parametrize("language", ["en", "de"])
def test_mails_are_written_in_the_package(client: _Caller, post: _Post, language: str) -> None:
    address = f"{language}@example.com"
    registration = a_registration(500, email=address, username=f"Reads {language}")
    client.post("/user", registration, headers={"Accept-Language": language})
    post.redeliver()
    (mail,) = [mail for mail in sent_mails(post.endpoint) if mail.to == (address,)]
    assert f'lang="{language}"' in mail.html
    assert not post.cloud.rows(OUTBOX)


def test_an_outage_is_told_in_the_package(functions: Functions, client: _Caller) -> None:
    nowhere = {"AWS_ENDPOINT_URL": f"http://{HOST}:{free_port()}"}
    token = client.register(303)
    down = _Service(functions.start(_API, **nowhere), functions.start(_AUTHORIZE, **nowhere))
    caller = _Caller(client.cloud, down, client.post_office)
    login = {"email": "user-303@example.com", "password": PASSWORD}
    assert caller.post("/auth/login", login).status == 503
    assert caller.get("/user/me", token=token).status == 503


def test_functions_have_nothing_but_the_package(
    client: _Caller, admin: str, post: _Post, unpacked: Path
) -> None:
    client.get("/user/me", token=admin)
    library = Path(json.__file__).parents[1]
    for function in (client.service.api, client.service.authorize, post.deliver_mail):
        assert "botocore" in function.packaged
        for name, file in function.loaded.items():
            own = name == "__main__" or file is None
            assert own or Path(file or "").is_relative_to(unpacked) or _is_of(library, file), name


def _is_of(library: Path, file: str | None) -> bool:
    return Path(file or "").is_relative_to(library) and "site-packages" not in (file or "")


def test_the_authorizer_loads_these_modules_and_no_other(
    functions: Functions, client: _Caller
) -> None:
    authorize = functions.start(_AUTHORIZE)
    authorize(None)
    at_import = _ours_and_libraries(authorize)
    assert at_import == _AT_IMPORT, _WHY
    fresh = _Caller(client.cloud, _Service(client.service.api, authorize), client.post_office)
    assert fresh.get("/user/me", token=client.register(304)).status == 200
    assert _ours_and_libraries(authorize) - at_import == _BY_THE_FIRST_REQUEST, _WHY


def _ours_and_libraries(function: Function) -> set[str]:
    return {
        name if name.startswith("chalicelib") else name.partition(".")[0]
        for name in function.packaged
    }


# The last, since tokens that were signed before it are nobody's afterwards.
def test_keys_are_rotated_in_the_package(functions: Functions, cloud: Cloud) -> None:
    rotate_keys = functions.start(
        "chalicelib.schedules.rotate_keys", ACCOUNTS_KEY_ROTATION_DAYS="1"
    )
    before = _age_keys(cloud, timedelta(days=2))
    for waited in (NOTICE, KEPT, timedelta()):
        rotate_keys(AN_HOUR_PASSED)
        after = _age_keys(cloud, waited)
    assert before.isdisjoint(after)
    assert len(after) == 1


def _age_keys(cloud: Cloud, by: timedelta) -> set[str]:
    """Make the keys older than they are; their names."""
    found = cloud.ssm.get_parameters_by_path(Path=_KEYS, Recursive=True)["Parameters"]
    for parameter in found:
        key = read_public_key(parameter["Name"], parameter["Value"])
        told_at = key.signing_since and key.signing_since - by
        cloud.put(
            write_public_key(replace(key, created_at=key.created_at - by, signing_since=told_at))
        )
    return {parameter["Name"] for parameter in found}
