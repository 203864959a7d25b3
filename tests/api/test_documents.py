from typing import Any

import pytest

from chalicelib import __version__
from chalicelib.api.documents import FILES
from chalicelib.container import Container, use
from chalicelib.settings import Settings
from tests.api.client import Client
from tests.api.gateway import Gateway
from tests.aws import Wire
from tests.fakes import FakeClock
from tests.samples import header_of


def test_health_tells_the_stage_and_the_version_and_asks_nobody(
    client: Client, wire: Wire, stage: Settings, clock: FakeClock
) -> None:
    use(Container(stage, clock))
    answer = client.get("/health")
    assert answer.json() == {"status": "ok", "stage": "test", "version": __version__}
    assert wire.calls == []


def test_the_published_keys_are_public_and_nothing_more(client: Client) -> None:
    answer = client.get("/.well-known/jwks.json")
    assert answer.json().keys() == {"keys"}
    (key,) = answer.json()["keys"]
    assert key.keys() == {"kty", "use", "alg", "kid", "n", "e"}
    assert (key["kty"], key["use"], key["alg"]) == ("RSA", "sig", "RS256")
    assert key["kid"] == header_of(client.register())["kid"]
    assert answer.headers["cache-control"] == "public, max-age=300"


def test_the_keys_are_found_from_the_issuer(client: Client) -> None:
    answer = client.get("/.well-known/openid-configuration")
    found = answer.json()
    assert found["jwks_uri"] == f"{found['issuer']}/.well-known/jwks.json"
    assert found["id_token_signing_alg_values_supported"] == ["RS256"]
    assert answer.headers["cache-control"].startswith("public, max-age=")


def test_the_page_is_html_from_below_the_stage(client: Client) -> None:
    answer = client.get("/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "{{base}}" not in answer.text
    assert "/api/" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_the_page_writes_its_own_place_as_text(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    event_of = Gateway._event  # noqa: SLF001 - what API Gateway says of the request

    def elsewhere(gateway: Gateway, *request: Any) -> tuple[dict[str, Any], Any]:
        event, entry = event_of(gateway, *request)
        event["requestContext"]["path"] = '/"><script>'
        return event, entry

    monkeypatch.setattr(Gateway, "_event", elsewhere)
    assert "<script>" not in client.get("/").text


@pytest.mark.parametrize("name", FILES)
def test_the_pages_files_are_ours(client: Client, name: str) -> None:
    answer = client.get(f"/docs/{name}")
    assert answer.status == 200
    assert answer.headers["content-type"] == FILES[name]
    assert answer.text
    assert f"docs/{name}" in client.get("/").text


@pytest.mark.parametrize(
    "name", ["index.html", "page.html", "..%2Fopenapi.json", "%2e%2e", "PAGE.JS", "page.js%00", "x"]
)
def test_no_other_file_is_served(client: Client, name: str) -> None:
    answer = client.get(f"/docs/{name}")
    assert answer.status == 404
    assert answer.json()["code"] == "not_found"


def test_the_openapi_document_is_served_as_json(client: Client) -> None:
    answer = client.get("/openapi.json")
    assert answer.json()["openapi"].startswith("3.1")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"].startswith("public, max-age=")
