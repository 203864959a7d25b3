"""`/auth`: logging in and out."""

from chalicelib.api.routes import Routes
from chalicelib.api.schemas import DoneView, LoginBody, TokenSetView
from chalicelib.container import container
from chalicelib.domain.errors import (
    TokenExpiredError,
    TokenInvalidError,
    TokenMissingError,
    TokenRevokedError,
    WrongCredentialsError,
)
from chalicelib.telemetry import note

routes = Routes(__name__, tag="Tokens and sessions")


@routes.post(
    "/auth/login",
    body=LoginBody,
    answer=TokenSetView,
    errors=(WrongCredentialsError,),
    counts="Logins",
)
def login(body: LoginBody) -> TokenSetView:
    """Log in, by email or by username.

    Whatever was wrong, the answer is the same and takes the same time.
    """
    sessions = container().sessions
    if isinstance(body.email, str):
        token = sessions.log_in_by_email(body.email, body.password)
    else:
        token = sessions.log_in_by_username(str(body.username), body.password)
    note(user=token.public_id)
    return TokenSetView.of(token, "Successfully logged in.")


@routes.post(
    "/auth/logout",
    answer=DoneView,
    reads_token=True,
    errors=(TokenMissingError, TokenInvalidError, TokenExpiredError, TokenRevokedError),
    counts="Logouts",
)
def logout(authorization: str) -> DoneView:
    """Log out: the token is dead from the next request on.

    Whatever is wrong with the token is said: that it is missing, malformed, expired, or logged
    out already.
    """
    # Verified here and not by the authorizer, although with its code: what API Gateway answers
    # for an authorizer cannot say why a token was refused.
    caller = container().authenticator.authenticate(authorization)
    note(user=caller.user.public_id)
    container().sessions.log_out(caller)
    return DoneView(message="Successfully logged out.")
