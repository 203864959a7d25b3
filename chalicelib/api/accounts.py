"""`/user`: registering, listing, looking."""

from chalicelib.api.routes import Routes
from chalicelib.api.schemas import (
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
    NotAllowedError,
    UsernameTakenError,
    UserNotFoundError,
)
from chalicelib.domain.principals import Principal
from chalicelib.telemetry import note

routes = Routes(__name__, tag="Accounts")


@routes.post(
    "/user",
    body=RegisterBody,
    answer=TokenSetView,
    status=201,
    errors=(EmailTakenError, UsernameTakenError),
    counts="Registrations",
)
def register(body: RegisterBody) -> TokenSetView:
    """Register an account.

    The email and the username must be free, whatever their case or Unicode form. The answer
    carries a token set: whoever registers is logged in.
    """
    # Without a key there is no token set to answer with, so one is found before anything is kept.
    container().keys.signing_key()
    user = container().accounts.register(body.email, body.username, body.password)
    note(user=user.public_id)
    return TokenSetView.of(container().tokens.issue(user), "Successfully registered.")


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
