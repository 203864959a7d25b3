"""The headers that every response carries, whoever makes it."""

from collections.abc import Iterable

_ALWAYS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; object-src 'none'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_EXPOSED = "Allow, Retry-After, WWW-Authenticate, X-Request-Id"
_PREFLIGHT_SECONDS = 7_200
"""As long as Chromium remembers a preflight; other browsers would for longer."""


def common_headers(
    cors_origins: tuple[str, ...], origin: str | None, request_id: str
) -> dict[str, str]:
    """The request's id, what keeps browsers safe, and what lets the allowed origins read it.

    `origin` is the request's Origin header. There are no cookies, so `*` gives nothing away.
    """
    headers = _ALWAYS | {"X-Request-Id": request_id}
    if cors_origins == ("*",):
        headers["Access-Control-Allow-Origin"] = "*"
    elif cors_origins:
        headers["Vary"] = "Origin"
        if origin in cors_origins:
            headers["Access-Control-Allow-Origin"] = origin
    if "Access-Control-Allow-Origin" in headers:
        headers["Access-Control-Expose-Headers"] = _EXPOSED
    return headers


def preflight_headers(methods: Iterable[str]) -> dict[str, str]:
    """What a browser asks before it sends a request to a path with these methods."""
    return {
        "Access-Control-Allow-Headers": "Authorization, Content-Type",
        "Access-Control-Allow-Methods": ", ".join(methods),
        "Access-Control-Max-Age": str(_PREFLIGHT_SECONDS),
    }
