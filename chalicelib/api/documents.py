"""The public documents: the documentation page, the OpenAPI document, the keys, the health."""

import html
from functools import cache
from pathlib import Path

from chalicelib import __version__
from chalicelib.api.routes import Document, Routes
from chalicelib.api.schemas import DiscoveryView, HealthView, JwksView, JwkView
from chalicelib.container import container
from chalicelib.domain.errors import NotFoundError
from chalicelib.services.keyring import FRESH

routes = Routes(__name__, tag="Public documents")

_HERE = Path(__file__).parent
PAGE = _HERE / "swagger-ui"
FILES = {
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
}
_HOUR = 3_600
_DAY = 86_400
_KEYS_MAX_AGE = int(FRESH.total_seconds())
"""How long verifiers may keep the keys: see `chalicelib.services.keyring`."""
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)


@cache
def _text(path: Path) -> str:
    return path.read_text("utf-8")


@routes.get("/", answer=Document, media_types=("text/html",))
def page() -> Document:
    """Read about the API, and try it.

    Swagger UI, from this service's own files.
    """
    # Behind API Gateway the API lives below its stage's name, with or without a slash at the end.
    base = routes.current_request.context["path"].rstrip("/") + "/"
    text = _text(PAGE / "index.html").replace("{{base}}", html.escape(base))
    policy = {"Content-Security-Policy": PAGE_POLICY}
    return Document(text, "text/html; charset=utf-8", _HOUR, policy)


@routes.get(
    "/docs/{name}",
    answer=Document,
    media_types=("text/css", "text/javascript"),
    errors=(NotFoundError,),
)
def page_file(name: str) -> Document:
    """Read a file of the documentation page."""
    if name not in FILES:
        raise NotFoundError
    return Document(_text(PAGE / name), FILES[name], _DAY)


@routes.get("/openapi.json", answer=Document)
def openapi() -> Document:
    """Read this API's OpenAPI document."""
    return Document(_text(_HERE / "openapi.json"), "application/json", _HOUR)


@routes.get("/.well-known/jwks.json", answer=JwksView, max_age=_KEYS_MAX_AGE)
def jwks() -> JwksView:
    """Read the public keys that tokens are signed with (RFC 7517)."""
    return JwksView([JwkView(**key.to_jwk()) for key in container().keys.public_keys()])


@routes.get("/.well-known/openid-configuration", answer=DiscoveryView, max_age=_HOUR)
def openid_configuration() -> DiscoveryView:
    """Find the keys from the issuer's name.

    What API Gateway's JWT authorizer and verifier libraries look for (OpenID Connect
    Discovery 1.0). There is no OpenID Connect provider here: tokens are RFC 9068 access tokens.
    """
    issuer = container().settings.issuer
    return DiscoveryView(
        issuer=issuer,
        jwks_uri=f"{issuer}/.well-known/jwks.json",
        id_token_signing_alg_values_supported=["RS256"],
        response_types_supported=["token"],
        subject_types_supported=["public"],
    )


@routes.get("/health", answer=HealthView)
def health() -> HealthView:
    """Ask whether the service is up, without touching the store."""
    return HealthView(stage=container().settings.stage, version=__version__)
