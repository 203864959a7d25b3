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
    TokenSetView,
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
    answer=TokenSetView,
    status=201,
    errors=(EmailTakenError, UsernameTakenError),
    counts="Registrations",
)
def register(body: RegisterBody, client: Client) -> TokenSetView:
    """Register an account.

    The email and the username must be free, whatever their case or Unicode form. The answer
    carries a token set: whoever registers is logged in.
    """
    accounts = container().accounts
    token_set = accounts.register(body.email, body.username, body.password, client)
    note(user=token_set.public_id)
    return TokenSetView.of(token_set, "Successfully registered.")


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
    errors=(NotAllowedError, UserNotFoundError, LastAdminError),
)
def change_user(
    caller: Principal, public_id: str, body: ChangeUserBody, client: Client
) -> UserView:
    """Change a user.

    For admins: `admin` gives the right or takes it away, from the next request on, whatever token
    is shown. `disabled` ends every session of the user, and keeps them from logging in. The last
    admin can be neither demoted nor disabled.
    """
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
