"""What clients send and read: one struct a body or an answer. The OpenAPI document is made of them.

Fields of a domain type are parsed by it; see `chalicelib.api.inputs`.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal, Self

from msgspec import UNSET, Meta, Struct, UnsetType, field

from chalicelib.domain.errors import InvalidInputError
from chalicelib.domain.names import EmailAddress, Username
from chalicelib.domain.passwords import NewPassword, Password
from chalicelib.domain.principals import Principal
from chalicelib.domain.tokens import AccessToken
from chalicelib.domain.users import User
from chalicelib.services.accounts import Listing


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

    def __post_init__(self) -> None:
        """Check the rule between fields."""
        if isinstance(self.email, str) == isinstance(self.username, str):
            reason = "Give either the email or the username."
            raise InvalidInputError({"email": reason, "username": reason})


class ListQuery(Struct):
    """Which users to list."""

    limit: Annotated[int, Meta(ge=1, le=100, description="How many at the most.")] = 50
    cursor: Annotated[str, Meta(description="The last page's `next_cursor`.")] | None = None
    email: Annotated[str, Meta(description="Find the one user of this email.")] | None = None
    username: Annotated[str, Meta(description="Find the one user of this name.")] | None = None


class DoneView(Struct, kw_only=True):
    """Something was done, and there is nothing to show for it."""

    status: Literal["success"] = "success"
    message: str


class TokenSetView(DoneView, kw_only=True):
    """What a client shows from now on: in the `Authorization` header, after `Bearer`."""

    authorization: Annotated[
        str, Meta(description="The access token, a JWT (RFC 9068).", examples=["eyJhbGciOiJSUz…"])
    ] = field(name="Authorization")
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the scheme's name
    expires_in: Annotated[int, Meta(description="Seconds.", examples=[900])]

    @classmethod
    def of(cls, token: AccessToken, message: str) -> Self:
        """The token set of a token that was just issued."""
        return cls(message=message, authorization=token.text, expires_in=token.expires_in)


class UserView(Struct, omit_defaults=True):
    """A user. The optional fields are shown to the user and to admins, nobody else."""

    public_id: Annotated[str, Meta(extra_json_schema={"format": "uuid"})]
    username: Annotated[str, Meta(examples=["Zoë"])]
    registered_on: Annotated[
        str, Meta(extra_json_schema={"format": "date-time"}, examples=["2026-01-02T03:04:05Z"])
    ]
    email: Annotated[str, Meta(examples=["zoe@example.com"])] | UnsetType = UNSET
    email_verified: bool | UnsetType = UNSET
    admin: Annotated[bool, Meta(examples=[False])] | UnsetType = UNSET
    disabled: Annotated[bool, Meta(examples=[False])] | UnsetType = UNSET
    metadata: dict[str, Any] | UnsetType = UNSET

    @classmethod
    def of(cls, user: User, reader: Principal) -> Self:
        """A user as this reader may see them."""
        view = cls(user.public_id, user.username, format_time(user.registered_on))
        if reader.user.admin or reader.user.public_id == user.public_id:
            view.email = user.email
            view.email_verified = user.email_verified
            view.admin = user.admin
            view.disabled = user.disabled
            view.metadata = dict(user.metadata)
        return view


class UserListView(Struct, omit_defaults=True):
    """Some users, and the cursor of the next page, which the last page has not."""

    data: list[UserView]
    next_cursor: str | UnsetType = UNSET

    @classmethod
    def of(cls, listing: Listing, reader: Principal) -> Self:
        """A listing as this reader may see it."""
        users = [UserView.of(user, reader) for user in listing.users]
        return cls(users, UNSET if listing.next_cursor is None else listing.next_cursor)


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


def format_time(moment: datetime) -> str:
    """A moment as the contract writes it: RFC 3339, in UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
