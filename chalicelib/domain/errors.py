"""Everything that can be refused, in one tree.

Each class has a stable `code`, which clients may branch on, and a message for a person. Neither
ever names an account, a value that was sent, or how the service is built. What they mean in HTTP
is said once, in `chalicelib.api.errors`.
"""

from collections.abc import Mapping
from typing import ClassVar


class AccountsError(Exception):
    """The root: whatever is raised on purpose."""

    code: ClassVar[str]
    message: ClassVar[str]

    def __init__(self) -> None:
        super().__init__(self.message)


class InvalidInputError(AccountsError):
    """What was sent does not have the shape that was asked for."""

    code = "validation_failed"
    message = "Input payload validation failed"

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__()
        self.errors = dict(errors)
        """A reason for each field at fault. Reasons never quote the value."""


class MailedTokenInvalidError(AccountsError):
    """Not a mailed token of ours, or spent, expired, for something else, or out of date."""

    code = "token_invalid"
    message = "This link is no longer valid."


class BodyTooLargeError(AccountsError):
    """The body is longer than any request of this API needs to be."""

    code = "body_too_large"
    message = "The body is too large."


class UnsupportedMediaTypeError(AccountsError):
    """The body does not say that it is JSON."""

    code = "unsupported_media_type"
    message = "Send the body as application/json."


class FormExpectedError(AccountsError):
    """The body does not say that it is what a form sends."""

    code = "form_expected"
    message = "Send the body as application/x-www-form-urlencoded."


class NotAuthenticatedError(AccountsError):
    """Whoever is asking has not shown who they are."""


class TokenMissingError(NotAuthenticatedError):
    """There is no access token where one is needed."""

    code = "token_missing"
    message = "Provide a valid auth token."


class TokenInvalidError(NotAuthenticatedError):
    """Not an access token of ours, or its owner is gone, disabled, or has ended all sessions."""

    code = "token_invalid"
    message = "Invalid token. Please log in again."


class TokenExpiredError(NotAuthenticatedError):
    """An access token of ours, past its time."""

    code = "token_expired"
    message = "Signature expired. Please log in again."


class TokenRevokedError(NotAuthenticatedError):
    """An access token of ours that was logged out."""

    code = "token_revoked"
    message = "Token blacklisted. Please log in again."


class WrongCredentialsError(NotAuthenticatedError):
    """No such account, a wrong password, or a disabled account: never said which."""

    code = "wrong_credentials"
    message = "email or password does not match."


class RefreshTokenInvalidError(NotAuthenticatedError):
    """Not a refresh token of ours, or one whose session has ended: never said which."""

    code = "refresh_token_invalid"
    message = "This session has ended. Please log in again."


class NotAllowedError(AccountsError):
    """The caller is known, and may not do this."""

    code = "not_allowed"
    message = "You are not allowed to do this."


class EmailNotVerifiedError(AccountsError):
    """The password is right, and the account's address has to be verified before it is let in."""

    code = "email_not_verified"
    message = "Verify your email address first: follow the link that was mailed to it."


class PasswordChangeRequiredError(AccountsError):
    """The password is right, and an admin wants another one before anybody logs in."""

    code = "password_change_required"
    message = "Choose a new password, and send it as new_password beside the present one."


class WrongPasswordError(AccountsError):
    """The caller is logged in, and gave another password than the account's."""

    code = "wrong_password"
    message = "The current password is not right."


class NotFoundError(AccountsError):
    """There is no such path or resource."""

    code = "not_found"
    message = "There is nothing here."


class UserNotFoundError(NotFoundError):
    """There is no user of this identifier."""

    code = "user_not_found"
    message = "User not found."


class SessionNotFoundError(NotFoundError):
    """The caller has no session of this identifier, or it has ended."""

    code = "session_not_found"
    message = "Session not found."


class MethodNotAllowedError(AccountsError):
    """The path exists, and does not answer to this method."""

    code = "method_not_allowed"
    message = "This method is not allowed here."


class UserExistsError(AccountsError):
    """A unique name is in use. Which one is in the code."""

    message = "User already exists. Please Log in."


class EmailTakenError(UserExistsError):
    """Another account has this email, in this or another spelling."""

    code = "email_taken"


class UsernameTakenError(UserExistsError):
    """Another account has this username, in this or another spelling."""

    code = "username_taken"


class LastAdminError(AccountsError):
    """Nobody would be left who can administer the service."""

    code = "last_admin"
    message = "The last admin has to stay. Make somebody else an admin first."


class TooManyRequestsError(AccountsError):
    """More requests than the service takes, or more wrong passwords or tokens.

    Whether there is such an account, this does not tell.
    """

    code = "too_many_requests"
    message = "Too many requests. Please try again later."

    def __init__(self, retry_after: int = 1) -> None:
        super().__init__()
        self.retry_after = retry_after
        """In seconds: then another try makes sense."""


class UnavailableError(AccountsError):
    """The store or the keys cannot answer now. Nothing was half-done."""

    code = "unavailable"
    message = "The service cannot answer now. Please try again."


class UnexpectedError(AccountsError):
    """A fault of ours that nobody foresaw. The log knows more than the client may."""

    code = "internal_error"
    message = "Something went wrong on our side."
