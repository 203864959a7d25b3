"""What clients send and read: one struct a body or an answer. The OpenAPI document is made of them.

Fields of a domain type are parsed by it; see `chalicelib.api.inputs`.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from msgspec import UNSET, Meta, Struct, UnsetType, field

from chalicelib.domain.activity import OPERATOR, Event
from chalicelib.domain.changes import Metadata
from chalicelib.domain.errors import InvalidInputError
from chalicelib.domain.names import EmailAddress, Username
from chalicelib.domain.passwords import NewPassword, Password
from chalicelib.domain.principals import Principal
from chalicelib.domain.sessions import Session, TokenSet
from chalicelib.domain.users import User
from chalicelib.services.activity import Activity
from chalicelib.services.directory import Listing
from chalicelib.services.exports import Export

_Value = TypeVar("_Value")
_Time = Annotated[
    str, Meta(extra_json_schema={"format": "date-time"}, examples=["2026-01-02T03:04:05Z"])
]


_FOR_ADMINS = ("admin", "disabled", "password_change_required")
_Cursor = Annotated[
    str,
    Meta(description="The last page's `next_cursor`.", extra_json_schema={"minLength": 1}),
]
_MailedToken = Annotated[str, Meta(examples=["mt1_Gk5CqRhBQ9aY…"])]


class RegisterBody(Struct, forbid_unknown_fields=True):
    """What opens an account."""

    email: Annotated[EmailAddress, Meta(examples=["zoe@example.com"])]
    username: Annotated[Username, Meta(examples=["Zoë"])]
    password: Annotated[NewPassword, Meta(examples=["correct horse battery staple"])]


class LoginBody(Struct, forbid_unknown_fields=True, kw_only=True):
    """An account's password, and either its email or its username."""

    RULE: ClassVar[Mapping[str, Any]] = {
        "oneOf": [{"required": ["email"]}, {"required": ["username"]}]
    }
    """What JSON Schema calls the rule between fields."""

    email: Annotated[str, Meta(examples=["zoe@example.com"])] | UnsetType = UNSET
    username: str | UnsetType = UNSET
    password: Annotated[Password, Meta(examples=["correct horse battery staple"])]
    new_password: NewPassword | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Check the rule between fields."""
        if isinstance(self.email, str) == isinstance(self.username, str):
            reason = "Give either the email or the username."
            raise InvalidInputError({"email": reason, "username": reason})


class RefreshBody(Struct, forbid_unknown_fields=True):
    """What keeps a client logged in."""

    refresh_token: Annotated[str, Meta(examples=["rt1_MZNRt20hQB…"])]


class ChangePasswordBody(Struct, forbid_unknown_fields=True):
    """The caller's password, and the one to have instead."""

    current_password: Annotated[Password, Meta(examples=["correct horse battery staple"])]
    new_password: Annotated[NewPassword, Meta(examples=["staple battery horse correct"])]


class EmailBody(Struct, forbid_unknown_fields=True):
    """An address that a link is to be mailed to."""

    email: Annotated[EmailAddress, Meta(examples=["zoe@example.com"])]


class MailedTokenBody(Struct, forbid_unknown_fields=True):
    """What a mailed link carries as `token`."""

    token: _MailedToken


class ResetBody(Struct, forbid_unknown_fields=True):
    """What a mailed link carries as `token`, and the password to have."""

    token: _MailedToken
    new_password: Annotated[NewPassword, Meta(examples=["staple battery horse correct"])]


class LinkQuery(Struct):
    """What a mailed link carries."""

    token: Annotated[str, Meta(description="What the page's button will spend.")] = ""


class MailedTokenForm(Struct, forbid_unknown_fields=True):
    """What the button of a page sends."""

    token: _MailedToken


class ResetForm(Struct, forbid_unknown_fields=True):
    """What the form for a new password sends."""

    token: _MailedToken
    new_password: Annotated[Password, Meta(examples=["staple battery horse correct"])]


class ChangeUserBody(Struct, forbid_unknown_fields=True, kw_only=True):
    """What is to change of a user. What is not named stays as it is."""

    RULE: ClassVar[Mapping[str, Any]] = {
        "anyOf": [{"required": [name]} for name in ("username", "metadata", "email", *_FOR_ADMINS)],
        "dependentSchemas": {"email": {"properties": dict.fromkeys(_FOR_ADMINS, False)}},
    }
    """What JSON Schema calls the rules between fields."""

    username: Annotated[Username, Meta(examples=["Zoë"])] | UnsetType = UNSET
    metadata: Annotated[Metadata, Meta(examples=[{"theme": "dark"}])] | UnsetType = UNSET
    email: EmailAddress | UnsetType = UNSET
    current_password: Password | UnsetType = UNSET
    admin: bool | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET
    password_change_required: bool | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Check the rules between fields."""
        changed = {
            name
            for name in self.__struct_fields__
            if name != "current_password" and getattr(self, name) is not UNSET
        }
        if not changed:
            raise InvalidInputError({"body": "Give at least one field to change."})
        if "email" in changed and not changed <= {"email", "username", "metadata"}:
            raise InvalidInputError({"email": "Change it without what takes an admin."})


class CloseBody(Struct, forbid_unknown_fields=True, kw_only=True):
    """The caller's password, if the account is their own."""

    current_password: (
        Annotated[Password, Meta(examples=["correct horse battery staple"])] | UnsetType
    ) = UNSET


class ListQuery(Struct):
    """Which users to list."""

    limit: Annotated[int, Meta(ge=1, le=100, description="How many at the most.")] = 50
    cursor: _Cursor | None = None
    email: Annotated[str, Meta(description="Find the one user of this email.")] | None = None
    username: Annotated[str, Meta(description="Find the one user of this name.")] | None = None

    def __post_init__(self) -> None:
        """Refuse an empty cursor also where none is read."""
        if self.cursor == "":
            raise InvalidInputError({"cursor": "Not a cursor of this list."})


class ActivityQuery(Struct):
    """Which part of an account's activity to list."""

    limit: Annotated[int, Meta(ge=1, le=100, description="How many at the most.")] = 50
    cursor: _Cursor | None = None


class DoneView(Struct, kw_only=True):
    """Something was done, and there is nothing to show for it."""

    status: Literal["success"] = "success"
    message: str


_AccessToken = Annotated[
    str, Meta(description="The access token, a JWT (RFC 9068).", examples=["eyJhbGciOiJSUz…"])
]
_Seconds = Annotated[int, Meta(description="Seconds.", examples=[900])]
_RefreshToken = Annotated[
    str,
    Meta(description="For `POST /auth/refresh`, once. Opaque.", examples=["rt1_MZNRt20hQB…"]),
]
_SessionId = Annotated[str, Meta(examples=["5f0f3c9e-27a8-4c53-a6ff-1c1c0c2b9b1e"])]
_Unverified = Annotated[
    Literal[False], Meta(description="There as long as the address is to be verified.")
]


class TokenSetView(DoneView, kw_only=True):
    """What a client shows from now on: in the `Authorization` header, after `Bearer`."""

    authorization: _AccessToken = field(name="Authorization")
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the scheme's name
    expires_in: _Seconds
    refresh_token: _RefreshToken
    session_id: _SessionId
    email_verified: _Unverified | UnsetType = UNSET

    @classmethod
    def of(cls, token_set: TokenSet, message: str) -> Self:
        """The token set that was just issued."""
        return cls(
            message=message,
            authorization=token_set.access_token,
            expires_in=token_set.expires_in,
            refresh_token=token_set.refresh_token,
            session_id=token_set.session_id,
            email_verified=False if token_set.verification_pending else UNSET,
        )


class RegisteredView(DoneView, kw_only=True):
    """A token set, unless the stage has the address verified before anybody is logged in."""

    authorization: _AccessToken | UnsetType = field(name="Authorization", default=UNSET)
    token_type: Literal["Bearer"] | UnsetType = UNSET
    expires_in: _Seconds | UnsetType = UNSET
    refresh_token: _RefreshToken | UnsetType = UNSET
    session_id: _SessionId | UnsetType = UNSET
    email_verified: _Unverified | UnsetType = UNSET

    @classmethod
    def of(cls, token_set: TokenSet) -> Self:
        """Somebody who is logged in by registering."""
        return cls(
            message="Successfully registered.",
            authorization=token_set.access_token,
            token_type="Bearer",  # noqa: S106 - the scheme's name
            expires_in=token_set.expires_in,
            refresh_token=token_set.refresh_token,
            session_id=token_set.session_id,
            email_verified=False if token_set.verification_pending else UNSET,
        )


class UserView(Struct, omit_defaults=True):
    """A user. The optional fields are shown to the user and to admins, nobody else."""

    public_id: Annotated[str, Meta(extra_json_schema={"format": "uuid"})]
    username: Annotated[str, Meta(examples=["Zoë"])]
    registered_on: _Time
    email: Annotated[str, Meta(examples=["zoe@example.com"])] | UnsetType = UNSET
    email_verified: bool | UnsetType = UNSET
    pending_email: (
        Annotated[
            str, Meta(description="What `email` becomes once it is confirmed. No list has it.")
        ]
        | UnsetType
    ) = UNSET
    admin: Annotated[bool, Meta(examples=[False])] | UnsetType = UNSET
    disabled: Annotated[bool, Meta(examples=[False])] | UnsetType = UNSET
    metadata: dict[str, Any] | UnsetType = UNSET
    password_change_required: (
        Annotated[bool, Meta(description="Lists do not tell.", examples=[False])] | UnsetType
    ) = UNSET

    @classmethod
    def of(cls, user: User, reader: Principal) -> Self:
        """A user as this reader may see them."""
        view = cls(user.public_id, user.username, format_time(user.registered_on))
        if reader.user.admin or reader.user.public_id == user.public_id:
            view.email = user.email
            view.email_verified = user.email_verified
            if user.pending_email is not None:
                view.pending_email = user.pending_email
            view.admin = user.admin
            view.disabled = user.disabled
            view.metadata = dict(user.metadata)
            view.password_change_required = user.password_change_required
        return view


class UserListView(Struct, omit_defaults=True):
    """Some users, and the cursor of the next page, which the last page has not."""

    data: list[UserView]
    next_cursor: str | UnsetType = UNSET

    @classmethod
    def of(cls, listing: Listing, reader: Principal) -> Self:
        """A listing as this reader may see it."""
        users = [UserView.of(user, reader) for user in listing.users]
        for user in users:
            # The index that lists are read from does not have it, and cannot be given it.
            user.password_change_required = UNSET
        return cls(users, UNSET if listing.next_cursor is None else listing.next_cursor)


class SessionView(Struct, kw_only=True):
    """A login on some device, or in some program."""

    session_id: Annotated[str, Meta(examples=["5f0f3c9e-27a8-4c53-a6ff-1c1c0c2b9b1e"])]
    created_at: _Time
    last_used_at: Annotated[_Time, Meta(description="When it was last refreshed.")]
    expires_at: Annotated[_Time, Meta(description="When it ends, unless it is refreshed.")]
    ip: Annotated[str, Meta(description="Whence it was last used.", examples=["192.0.2.1"])]
    user_agent: Annotated[str, Meta(examples=["Mozilla/5.0 (X11; Linux x86_64)"])]
    current: Annotated[bool, Meta(description="It is the one that is asking.")]

    @classmethod
    def of(cls, session: Session, reader: Principal) -> Self:
        """A session as its owner sees it."""
        return cls(
            session_id=session.session_id,
            created_at=format_time(session.created_at),
            last_used_at=format_time(session.last_used_at),
            expires_at=format_time(session.expires_at),
            ip=session.client.ip,
            user_agent=session.client.user_agent,
            current=session.session_id == reader.session_id,
        )


class SessionListView(Struct):
    """The caller's sessions, the newest first. There are no pages: they are not many."""

    data: list[SessionView]


class EventView(Struct, omit_defaults=True, kw_only=True):
    """Something that happened to an account."""

    event: Annotated[str, Meta(examples=["username_changed"])]
    at: _Time
    ip: (
        Annotated[str, Meta(description="Whence it was done.", examples=["192.0.2.1"])] | UnsetType
    ) = UNSET
    user_agent: Annotated[str, Meta(examples=["Mozilla/5.0 (X11; Linux x86_64)"])] | UnsetType = (
        UNSET
    )
    session_id: str | UnsetType = UNSET
    changed: (
        Annotated[dict[str, str], Meta(examples=[{"from": "Zoe", "to": "Zoë"}])] | UnsetType
    ) = UNSET
    by: (
        Annotated[Literal["admin", "operator"], Meta(description="Who did it, if not the user.")]
        | UnsetType
    ) = UNSET
    actor: Annotated[str, Meta(description="The admin's `public_id`. For admins.")] | UnsetType = (
        UNSET
    )

    @classmethod
    def of(cls, event: Event, *, admin: bool) -> Self:
        """An event as an admin may see it, or as the account's user may."""
        view = cls(event=event.act.value, at=format_time(event.at))
        if event.actor is not None:
            view.by = "operator" if event.actor == OPERATOR else "admin"
        if admin and event.actor not in (None, OPERATOR):
            view.actor = event.actor
        # Where an admin was when they did it is for admins to know.
        if admin or event.actor is None:
            view.ip = event.client.ip or UNSET
            view.user_agent = event.client.user_agent or UNSET
        view.session_id = event.session_id or UNSET
        view.changed = dict(event.changed) or UNSET
        return view


class ActivityView(Struct, omit_defaults=True):
    """Some of an account's activity, and the cursor of the next page, if there is one."""

    data: list[EventView]
    next_cursor: str | UnsetType = UNSET

    @classmethod
    def of(cls, activity: Activity, *, admin: bool) -> Self:
        """A page as an admin may see it, or as the account's user may."""
        events = [EventView.of(event, admin=admin) for event in activity.events]
        return cls(events, UNSET if activity.next_cursor is None else activity.next_cursor)


class ExportedSessionView(SessionView, kw_only=True):
    """A session of which something is stored."""

    ended: Annotated[bool, Meta(description="Nobody can use it any more.")]


class FormerEmailView(Struct):
    """An address that the user had, and until when nobody else gets it."""

    email: Annotated[str, Meta(examples=["zoe@example.com"])]
    held_until: _Time


class ExportView(Struct, omit_defaults=True, kw_only=True):
    """All that is stored about a user, but for what `left_out` names."""

    user: UserView
    pending_email: (
        Annotated[str, Meta(description="The user wants to have it, and has not shown it theirs.")]
        | UnsetType
    ) = UNSET
    former_emails: list[FormerEmailView]
    sessions: list[ExportedSessionView]
    activity: Annotated[
        ActivityView,
        Meta(
            description=(
                "The newest 1,000. If there are more, `next_cursor` is where "
                "`GET /user/me/activity` goes on."
            )
        ),
    ]
    left_out: Annotated[list[str], Meta(description="What else is stored, and why it is not here.")]

    @classmethod
    def of(cls, export: Export, reader: Principal) -> Self:
        """What was gathered, as its user sees it."""
        sessions = []
        for session, ended in export.sessions:
            shown = SessionView.of(session, reader)
            fields = {name: getattr(shown, name) for name in shown.__struct_fields__}
            sessions.append(ExportedSessionView(**fields, ended=ended))
        return cls(
            user=UserView.of(export.user, reader),
            pending_email=export.user.pending_email or UNSET,
            former_emails=[
                FormerEmailView(former.email, format_time(former.until))
                for former in export.user.former_emails
            ],
            sessions=sessions,
            activity=ActivityView.of(export.activity, admin=False),
            left_out=list(_LEFT_OUT),
        )


_LEFT_OUT = (
    "The hashes of your password and of the tokens that you were given: they serve to check them.",
    "Numbers that order rows and end sessions.",
    "Addresses where you have logged in, for 30 days, as HMACs that nobody can read.",
    "Mails that are to be sent to you, links that were, a former address: for three days at most.",
)


class HealthView(Struct, kw_only=True):
    """The service is up; whether its store is, it does not say."""

    status: Literal["ok"] = "ok"
    stage: str
    version: str


class JwkView(Struct):
    """A public key (RFC 7517, section 4)."""

    kty: str
    use: str
    alg: str
    kid: str
    n: str
    e: str


class JwksView(Struct):
    """The public keys that tokens are signed with (RFC 7517, section 5)."""

    keys: list[JwkView]


class DiscoveryView(Struct):
    """Where verifiers find the keys (OpenID Connect Discovery 1.0, section 3)."""

    issuer: str
    jwks_uri: str
    id_token_signing_alg_values_supported: list[str]
    response_types_supported: list[str]
    subject_types_supported: list[str]


class FailureView(Struct, kw_only=True):
    """What was refused, in a word for programs and a sentence for people."""

    status: Literal["fail"] = "fail"
    code: str
    message: str


class ValidationFailureView(FailureView, kw_only=True):
    """What was wrong with the input: a reason for each field at fault."""

    errors: dict[str, str]


def given(value: _Value | UnsetType) -> _Value | None:
    """What was sent in a field; None if nothing was."""
    return None if isinstance(value, UnsetType) else value


def format_time(moment: datetime) -> str:
    """A moment as the contract writes it: RFC 3339, in UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
