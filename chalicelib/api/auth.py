"""`/auth`: logging in, staying so, and out; sessions; the password."""

from chalicelib.api.routes import Routes
from chalicelib.api.schemas import (
    ChangePasswordBody,
    DoneView,
    LoginBody,
    RefreshBody,
    SessionListView,
    SessionView,
    TokenSetView,
)
from chalicelib.authorizer import authorize
from chalicelib.container import container
from chalicelib.domain.errors import (
    NotAllowedError,
    RefreshTokenInvalidError,
    SessionNotFoundError,
    TokenExpiredError,
    TokenInvalidError,
    TokenMissingError,
    TokenRevokedError,
    TooManyRequestsError,
    UserNotFoundError,
    WrongCredentialsError,
    WrongPasswordError,
)
from chalicelib.domain.principals import Principal
from chalicelib.domain.sessions import Client
from chalicelib.telemetry import note

routes = Routes(__name__, tag="Tokens and sessions")


@routes.post(
    "/auth/login",
    body=LoginBody,
    reads_client=True,
    answer=TokenSetView,
    errors=(WrongCredentialsError, TooManyRequestsError),
    counts="Logins",
)
def login(body: LoginBody, client: Client) -> TokenSetView:
    """Log in, by email or by username.

    Each login opens a session. Whatever was wrong, the answer is the same and takes the same time.
    After too many wrong passwords for a name, whoever has it, that is 429 for some minutes.
    """
    sessions = container().sessions
    if isinstance(body.email, str):
        token_set = sessions.log_in_by_email(body.email, body.password, client)
    else:
        token_set = sessions.log_in_by_username(str(body.username), body.password, client)
    note(user=token_set.public_id)
    return TokenSetView.of(token_set, "Successfully logged in.")


@routes.post(
    "/auth/refresh",
    body=RefreshBody,
    reads_client=True,
    answer=TokenSetView,
    errors=(RefreshTokenInvalidError, TooManyRequestsError),
    counts="Refreshes",
)
def refresh(body: RefreshBody, client: Client) -> TokenSetView:
    """Spend a refresh token on a new token set.

    Keep the new refresh token: the old one is spent. If the answer was lost, or another tab was
    faster, the old one still gets a working token set of the same session for some seconds. Used
    later than that it has been copied, and the session ends.
    """
    token_set = container().sessions.refresh(body.refresh_token, client)
    note(user=token_set.public_id)
    return TokenSetView.of(token_set, "Successfully refreshed.")


@routes.post(
    "/auth/logout",
    answer=DoneView,
    reads_token=True,
    reads_client=True,
    errors=(TokenMissingError, TokenInvalidError, TokenExpiredError, TokenRevokedError),
    counts="Logouts",
)
def logout(authorization: str, client: Client) -> DoneView:
    """Log out: the token and its session are dead from the next request on.

    Whatever is wrong with the token is said: that it is missing, malformed, expired, or logged
    out already.
    """
    # Verified here and not by the authorizer, although with its code: what API Gateway answers
    # for an authorizer cannot say why a token was refused.
    caller = container().authenticator.authenticate(authorization)
    note(user=caller.user.public_id)
    container().sessions.log_out(caller, client)
    return DoneView(message="Successfully logged out.")


@routes.get("/auth/sessions", answer=SessionListView, authorizer=authorize)
def list_sessions(caller: Principal) -> SessionListView:
    """List one's sessions, the newest first."""
    sessions = container().sessions.list(caller)
    return SessionListView([SessionView.of(session, caller) for session in sessions])


@routes.delete(
    "/auth/sessions",
    reads_client=True,
    answer=DoneView,
    authorizer=authorize,
    errors=(TokenInvalidError,),
)
def end_sessions(caller: Principal, client: Client) -> DoneView:
    """End all of one's sessions, this one too, from the next request on."""
    container().sessions.end_all(caller, client)
    return DoneView(message="All sessions have ended.")


@routes.delete(
    "/auth/sessions/{session_id}",
    reads_client=True,
    answer=DoneView,
    authorizer=authorize,
    errors=(SessionNotFoundError,),
)
def end_session(caller: Principal, session_id: str, client: Client) -> DoneView:
    """End one of one's sessions, from the next request on."""
    container().sessions.end(caller, session_id, client)
    return DoneView(message="The session has ended.")


@routes.delete(
    "/user/{public_id}/sessions",
    reads_client=True,
    answer=DoneView,
    authorizer=authorize,
    errors=(NotAllowedError, UserNotFoundError),
)
def end_sessions_of(caller: Principal, public_id: str, client: Client) -> DoneView:
    """End all sessions of a user, from the next request on.

    For admins.
    """
    container().sessions.end_all_of(caller, public_id, client)
    return DoneView(message="All sessions have ended.")


@routes.post(
    "/auth/password/change",
    body=ChangePasswordBody,
    reads_client=True,
    answer=TokenSetView,
    authorizer=authorize,
    errors=(TokenInvalidError, WrongPasswordError, TooManyRequestsError),
    counts="PasswordChanges",
)
def change_password(caller: Principal, body: ChangePasswordBody, client: Client) -> TokenSetView:
    """Change one's password.

    Every session ends, this one too. The answer carries the token set of a new one.
    """
    token_set = container().credentials.change(
        caller, body.current_password, body.new_password, client
    )
    return TokenSetView.of(token_set, "Successfully changed.")
