"""Recovery: another password for whoever has the account's address."""

from typing import Protocol

from chalicelib.domain.activity import Act
from chalicelib.domain.errors import UnavailableError
from chalicelib.domain.mailed_tokens import MailedTokenRecord, Purpose
from chalicelib.domain.names import EmailAddress
from chalicelib.domain.outbox import Errand
from chalicelib.domain.passwords import NewPassword
from chalicelib.domain.sessions import Client
from chalicelib.domain.trails import NO_TRAIL, Trail
from chalicelib.domain.users import Credentials
from chalicelib.services.attempts import AttemptService
from chalicelib.services.mailed_tokens import MailedTokenReader
from chalicelib.services.password_policy import PasswordPolicy
from chalicelib.services.passwords import PasswordHasher
from chalicelib.services.trails import TrailService

_ATTEMPTS = 3


class ResetStore(Protocol):
    """Where passwords are replaced by whoever has a token for it."""

    def reset_password(
        self,
        token: MailedTokenRecord,
        before: Credentials,
        new_hash: str,
        *,
        trail: Trail = NO_TRAIL,
    ) -> bool:
        """Spend a token, set a hash, end all sessions and count the address as verified.

        All of it or nothing: False if the token is spent, or the user's password, address or
        token version is not as it was read, or the user is disabled. An address that waits to be
        confirmed is forgotten.

        Raises:
            UnavailableError: the store cannot answer now.
        """


class RecoveryService:
    """Lets the owner of an address choose another password."""

    def __init__(
        self,
        resets: ResetStore,
        tokens: MailedTokenReader,
        policy: PasswordPolicy,
        hasher: PasswordHasher,
        attempts: AttemptService,
        trails: TrailService,
    ) -> None:
        self._resets = resets
        self._tokens = tokens
        self._policy = policy
        self._hasher = hasher
        self._attempts = attempts
        self._trails = trails

    def forgot(self, email: EmailAddress, client: Client) -> None:
        """Have a link mailed to an address, if it is anybody's.

        Whether it is, nobody looks up here: the same is counted and the same is written for every
        address, so neither the answer nor its time can tell.

        Raises:
            TooManyRequestsError: there were too many for this address, or from the client's.
            UnavailableError: the store cannot answer now; no mail will come.
        """
        self._attempts.count_mail((Errand.RESET_PASSWORD, email.key), client)
        message = self._trails.message(
            Errand.RESET_PASSWORD, email_key=email.key, language=client.language
        )
        self._trails.write(Trail(messages=(message,)))

    def reset(self, text: str, new: NewPassword, client: Client) -> None:
        """Set the password of whoever was mailed the token. All of their sessions end.

        Of two with one token, one wins: the token is spent in the step that sets the password. A
        password that is refused does not spend it.

        Raises:
            MailedTokenInvalidError: the token is not good, or not any more.
            InvalidInputError: the password may not be chosen.
            TooManyRequestsError: the token is not good, and too many from this address were not.
            UnavailableError: the store cannot answer now; nothing has changed.
        """
        for _ in range(_ATTEMPTS):
            token, before = self._tokens.read(text, client, Purpose.RESET)
            user = before.user
            self._policy.check(new, "new_password", email=user.email, username=user.username)
            trail = Trail(
                events=(self._trails.event(Act.PASSWORD_RESET, user.public_id, client),),
                messages=(
                    self._trails.message(
                        Errand.PASSWORD_CHANGED,
                        public_id=user.public_id,
                        address=user.email,
                        language=client.language,
                    ),
                ),
            )
            new_hash = self._hasher.hash(new)
            if self._resets.reset_password(token, before, new_hash, trail=trail):
                return
            # Somebody was faster. If it was not with this token, it may be good still.
        raise UnavailableError
