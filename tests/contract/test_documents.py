"""The public documents."""

import pytest

from tests.contract.client import Client


def test_health_tells_stage_and_version(api: Client) -> None:
    answer = api.get("/health").json()
    assert answer.keys() == {"status", "stage", "version"}
    assert answer["status"] == "ok"


def test_the_keys_have_no_private_part(api: Client) -> None:
    keys = api.get("/.well-known/jwks.json").json()["keys"]
    assert keys
    assert all(key.keys() == {"kty", "use", "alg", "kid", "n", "e"} for key in keys)


def test_the_keys_are_found_from_the_issuer(api: Client) -> None:
    found = api.get("/.well-known/openid-configuration").json()
    assert found["jwks_uri"] == f"{found['issuer']}/.well-known/jwks.json"


def test_the_openapi_document_names_the_routes(api: Client) -> None:
    document = api.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert {"/user", "/user/{public_id}", "/auth/login", "/auth/logout"} <= document["paths"].keys()


def test_the_page_and_its_files_are_served(api: Client) -> None:
    page = api.get("/")
    assert page.status_code == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    script = api.get("/docs/swagger-ui-bundle.js")
    assert script.status_code == 200
    assert script.headers["Content-Type"].startswith("text/javascript")
    assert "max-age" in script.headers["Cache-Control"]


@pytest.mark.parametrize("path", ["/openapi.json", "/.well-known/jwks.json"])
def test_documents_may_be_kept_for_a_while(api: Client, path: str) -> None:
    assert "public, max-age=" in api.get(path).headers["Cache-Control"]


def test_no_other_file_is_served(api: Client) -> None:
    assert api.get("/docs/index.html").status_code == 404
