"""The custom authorizer: a Lambda of its own, asked before every authorized route.

API Gateway starts it as `chalicelib.authorizer.authorize`, so it never imports `app.py`, and a
cold start of it loads what is imported here and nothing more.
"""

import logging
from typing import Any

from chalice.app import AuthRequest, AuthResponse, Blueprint, ChaliceAuthorizer

from chalicelib.container import container
from chalicelib.deadlines import ending_in, seconds_left_of
from chalicelib.domain.errors import NotAuthenticatedError, UnavailableError
from chalicelib.settings import authorizer_cache_seconds
from chalicelib.telemetry import configure, recording


class _TimedAuthorizer(ChaliceAuthorizer):  # type: ignore[misc] # Chalice is not typed strictly
    """An authorizer that ends in time. Chalice tells its function nothing of the context."""

    def __call__(self, event: Any, context: Any) -> Any:
        """Decide, as Lambda calls it."""
        with ending_in(seconds_left_of(context)):
            return super().__call__(event, context)


class _Authorizers(Blueprint):  # type: ignore[misc] # likewise
    """A blueprint of such authorizers: Chalice has no other place to say which class they are."""

    def _wrap_handler(self, handler_type: str, handler_name: str, user_handler: Any) -> Any:
        del handler_type  # there is one kind here
        return _TimedAuthorizer(handler_name, user_handler)


authorizers = _Authorizers(__name__)

configure()
_log = logging.getLogger(__name__)

_UNDECIDED: dict[str, Any] = {"principalId": "nobody"}
"""An answer without a policy. API Gateway lets nobody in on it, and calls it its
`AUTHORIZER_CONFIGURATION_ERROR`, which reaches the client as 503 (infra/gateway_responses.py):
raising would do the same with a stack trace, and denying would tell the client to log in again."""


# API Gateway would keep a decision for 300 s unless told otherwise, and a token that was logged
# out would work on for as long. It asks every time unless a stage's settings give that up.
@authorizers.authorizer(ttl_seconds=authorizer_cache_seconds())  # type: ignore[untyped-decorator] # Chalice's own
def authorize(request: AuthRequest) -> AuthResponse | dict[str, Any]:
    """Let the owner of a good token in, everywhere; refuse everybody else; never raise.

    An allow covers all routes and a refusal covers none, since what a caller may do there is the
    services' to decide. So a decision that is kept is right for whichever route it is used. Its
    context carries the caller's facts, so that nothing is read twice.
    """
    return _decide(request)


def _decide(request: AuthRequest) -> AuthResponse | dict[str, Any]:
    with recording("authorization") as record:
        try:
            record.note(stage=container().settings.stage)
            caller = container().authenticator.authenticate(request.token)
            context = caller.to_context()
        except NotAuthenticatedError as refusal:
            record.note(outcome=refusal.code)
            return AuthResponse(routes=[], principal_id="nobody")
        except Exception as fault:  # noqa: BLE001 - whatever it is, nobody is let in
            # Neither the message nor the trace: either could quote the token.
            _log.error("no decision: %s", type(fault).__name__)
            record.note(outcome=UnavailableError.code)
            record.failed = True
            return _UNDECIDED
        record.note(user=caller.user.public_id)
        return AuthResponse(routes=["*"], principal_id=caller.user.public_id, context=context)
