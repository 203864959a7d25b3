"""`/user`: registering, listing, looking, rights, closing."""

from typing import TypeVar

from msgspec import UnsetType

from chalicelib.api.routes import Routes
from chalicelib.api.schemas import (
    ChangeUserBody,
    CloseBody,
    DoneView,
    ListQuery,
    RegisterBody,
    RegisteredView,
    UserListView,
    UserView,
)
from chalicelib.authorizer import authorize
from chalicelib.container import container
from chalicelib.domain.errors import (
    EmailTakenError,
    InvalidInputError,
    LastAdminError,
    NotAllowedError,
    TokenInvalidError,
    TooManyRequestsError,
    UsernameTakenError,
    UserNotFoundError,
    WrongPasswordError,
)
from chalicelib.domain.principals import Principal
from chalicelib.domain.sessions import Client
from chalicelib.telemetry import note

routes = Routes(__name__, tag="Accounts")

_Value = TypeVar("_Value")


@routes.post(
    "/user",
    body=RegisterBody,
    reads_client=True,
    answer=RegisteredView,
    status=201,
    errors=(EmailTakenError, UsernameTakenError),
    counts="Registrations",
)
def register(body: RegisterBody, client: Client) -> RegisteredView:
    """Register an account.

    The email and the username must be free, whatever their case or Unicode form. The answer
    carries a token set: whoever registers is logged in. If the stage has addresses verified
    before that, there is none, but a mail with a link.
    """
    accounts = container().accounts
    token_set = accounts.register(body.email, body.username, body.password, client)
    if token_set is None:
        return RegisteredView(message="Successfully registered. Please verify your email address.")
    note(user=token_set.public_id)
    return RegisteredView.of(token_set)


@routes.get(
    "/user",
    query=ListQuery,
    answer=UserListView,
    authorizer=authorize,
    errors=(InvalidInputError, NotAllowedError),
)
def list_users(caller: Principal, query: ListQuery) -> UserListView:
    """List the users, newest first.

    For admins. `email` and `username` find the one user who has them, or none, and go without
    pages.
    """
    accounts = container().accounts
    if query.email is None and query.username is None:
        listing = accounts.list(caller, query.limit, query.cursor)
    else:
        listing = accounts.find(caller, email=query.email, username=query.username)
    return UserListView.of(listing, caller)


@routes.get("/user/{public_id}", answer=UserView, authorizer=authorize, errors=(UserNotFoundError,))
def get_user(caller: Principal, public_id: str) -> UserView:
    """Look at a user.

    `me` stands for the caller. `email` and the fields for admins are shown to the user and to
    admins.
    """
    return UserView.of(container().accounts.get(caller, public_id), caller)


@routes.patch(
    "/user/{public_id}",
    body=ChangeUserBody,
    reads_client=True,
    answer=UserView,
    authorizer=authorize,
    errors=(
        NotAllowedError,
        WrongPasswordError,
        TooManyRequestsError,
        UserNotFoundError,
        EmailTakenError,
        LastAdminError,
        TokenInvalidError,
    ),
)
def change_user(
    caller: Principal, public_id: str, body: ChangeUserBody, client: Client
) -> UserView:
    """Change a user.

    For the user: `email`, with `current_password` and nothing else, is `pending_email` until the
    link is followed that is mailed to it, and only then takes the old one's place. Then every
    session ends, and the old address is told, with a link that undoes it for 72 hours. Until
    that time is over nobody else gets it. The present `email` takes `pending_email` back.

    For admins: `admin` gives the right or takes it away, from the next request on, whatever token
    is shown. `disabled` ends every session of the user, and keeps them from logging in. The last
    admin can be neither demoted nor disabled.
    """
    if isinstance(body.email, str):
        user = container().emails.request_change(
            caller, public_id, body.email, _given(body.current_password), client
        )
        return UserView.of(user, caller)
    user = container().accounts.set_rights(
        caller, public_id, client, admin=_given(body.admin), disabled=_given(body.disabled)
    )
    return UserView.of(user, caller)


@routes.delete(
    "/user/{public_id}",
    body=CloseBody,
    body_required=False,
    reads_client=True,
    answer=DoneView,
    authorizer=authorize,
    errors=(
        NotAllowedError,
        WrongPasswordError,
        TooManyRequestsError,
        UserNotFoundError,
        LastAdminError,
    ),
    counts="Closings",
)
def close_account(caller: Principal, public_id: str, body: CloseBody, client: Client) -> DoneView:
    """Close an account.

    One's own, with `current_password`, or anybody's for admins. Every token of the account is
    dead, and its email and username are free again. The last admin's account stays.
    """
    container().accounts.close(caller, public_id, _given(body.current_password), client)
    return DoneView(message="Successfully deleted.")


def _given(value: _Value | UnsetType) -> _Value | None:
    return None if isinstance(value, UnsetType) else value
