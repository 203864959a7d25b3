"""`/user`: registering, listing, looking, changing, exporting, closing."""

from chalicelib.api.routes import Routes
from chalicelib.api.schemas import (
    ActivityQuery,
    ActivityView,
    ChangeUserBody,
    CloseBody,
    DoneView,
    ExportView,
    ListQuery,
    RegisterBody,
    RegisteredView,
    UserListView,
    UserView,
    given,
)
from chalicelib.authorizer import authorize
from chalicelib.container import container
from chalicelib.domain.changes import Changes
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
    directory = container().directory
    if query.email is None and query.username is None:
        listing = directory.list(caller, query.limit, query.cursor)
    else:
        listing = directory.find(caller, email=query.email, username=query.username)
    return UserListView.of(listing, caller)


@routes.get(
    "/user/{public_id}",
    answer=UserView,
    authorizer=authorize,
    errors=(TokenInvalidError, UserNotFoundError),
)
def get_user(caller: Principal, public_id: str) -> UserView:
    """Look at a user.

    `me` stands for the caller. `email` and the fields for admins are shown to the user and to
    admins.
    """
    return UserView.of(container().directory.get(caller, public_id), caller)


@routes.patch(
    "/user/{public_id}",
    body=ChangeUserBody,
    reads_client=True,
    answer=UserView,
    authorizer=authorize,
    errors=(
        TokenInvalidError,
        NotAllowedError,
        WrongPasswordError,
        TooManyRequestsError,
        UserNotFoundError,
        EmailTakenError,
        UsernameTakenError,
        LastAdminError,
    ),
)
def change_user(
    caller: Principal, public_id: str, body: ChangeUserBody, client: Client
) -> UserView:
    """Change a user: all fields that are given, or none if one of them is refused.

    Users change their own `username` and `metadata`, admins anybody's. That ends no session. The
    `username` must be free, whatever its case or Unicode form. `metadata` is replaced whole.

    For the user: `email`, with `current_password`, is `pending_email` until the link is followed
    that is mailed to it, and only then takes the old one's place. Then every session ends, and the
    old address is told, with a link that undoes it for 72 hours. Until that time is over nobody
    else gets it. The present `email` takes `pending_email` back.

    The rest is for admins. `admin` gives the right or takes it away, from the next request on,
    whatever token is shown. `disabled` ends every session of the user, and keeps them from logging
    in. The last admin can be neither demoted nor disabled. `password_change_required` ends every
    session as well; the user logs in again with a `new_password` beside the present one, or by
    another way to a new password.
    """
    changes = Changes(
        metadata=given(body.metadata),
        admin=given(body.admin),
        disabled=given(body.disabled),
        password_change_required=given(body.password_change_required),
    )
    username = given(body.username)
    if isinstance(body.email, str):
        password = given(body.current_password)
        user = container().emails.request_change(
            caller, public_id, body.email, password, client, changes, username=username
        )
    else:
        user = container().accounts.change(caller, public_id, changes, client, username=username)
    return UserView.of(user, caller)


@routes.get(
    "/user/{public_id}/activity",
    query=ActivityQuery,
    answer=ActivityView,
    authorizer=authorize,
    errors=(NotAllowedError, UserNotFoundError),
)
def list_activity(caller: Principal, public_id: str, query: ActivityQuery) -> ActivityView:
    """List what has happened to an account, newest first.

    For its user, and for admins. What an admin or the service's operator did says so in `by`; who
    and whence, only admins are told. Of an account that is gone, admins see what is kept.
    """
    activity = container().activity.list(caller, public_id, query.limit, query.cursor)
    return ActivityView.of(activity, admin=caller.user.admin)


@routes.get(
    "/user/{public_id}/export",
    answer=ExportView,
    filename="account.json",
    authorizer=authorize,
    errors=(TokenInvalidError, NotAllowedError),
)
def export_user(caller: Principal, public_id: str) -> ExportView:
    """Download all that is stored about oneself, as one document.

    For nobody else, admins neither. What is left out is named in `left_out`.
    """
    return ExportView.of(container().exports.export(caller, public_id), caller)


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
    container().accounts.close(caller, public_id, given(body.current_password), client)
    return DoneView(message="Successfully deleted.")
