"""The composition root: what is wired to what, made when it is first needed.

Each part is imported where it is made, so that a function's cold start pays for the parts it
uses: the authorizer has no password hasher. Time, ids and randomness enter here and nowhere else.
"""

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING
from uuid import uuid4

from chalicelib import settings as stage_settings
from chalicelib.domain.times import Clock, system_clock
from chalicelib.settings import Settings

if TYPE_CHECKING:
    from pynamodb.connection import Connection

    from chalicelib.services.accounts import AccountService
    from chalicelib.services.authentication import Authenticator
    from chalicelib.services.key_revocation import KeyRevocation
    from chalicelib.services.key_rotation import KeyRotation
    from chalicelib.services.keyring import KeyRing
    from chalicelib.services.passwords import PasswordHasher
    from chalicelib.services.sessions import SessionService
    from chalicelib.services.tokens import TokenIssuer
    from chalicelib.store.users import DynamoUserStore


def _new_uuid() -> str:
    return str(uuid4())


class Container:
    """The services of one stage, sharing one store client and one key ring."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock = system_clock,
        new_id: Callable[[], str] = _new_uuid,
    ) -> None:
        self.settings = settings
        self._clock = clock
        self._new_id = new_id

    @cached_property
    def accounts(self) -> "AccountService":
        """Registering and looking at accounts."""
        from chalicelib.services.accounts import AccountService
        from chalicelib.services.cursors import CursorSigner

        return AccountService(
            self._users,
            self._hasher,
            CursorSigner(self.settings.cursor_secret),
            clock=self._clock,
            new_id=self._new_id,
        )

    @cached_property
    def sessions(self) -> "SessionService":
        """Logging in and out."""
        from chalicelib.services.sessions import SessionService
        from chalicelib.store.revocations import DynamoRevocationStore

        self._connection  # noqa: B018 - binds the tables
        return SessionService(self._users, DynamoRevocationStore(), self._hasher, self.tokens)

    @cached_property
    def tokens(self) -> "TokenIssuer":
        """Signing access tokens."""
        from chalicelib.services.tokens import TokenIssuer

        settings = self.settings
        return TokenIssuer(
            self.keys,
            issuer=settings.issuer,
            audience=settings.audience,
            client_id=settings.client_id,
            lifetime_seconds=settings.access_token_seconds,
            clock=self._clock,
            new_id=self._new_id,
        )

    @cached_property
    def authenticator(self) -> "Authenticator":
        """Finding out who is asking."""
        from chalicelib.services.authentication import Authenticator
        from chalicelib.services.tokens import TokenVerifier
        from chalicelib.store.standings import DynamoStandingStore

        verifier = TokenVerifier(
            self.keys,
            issuer=self.settings.issuer,
            audience=self.settings.audience,
            clock=self._clock,
        )
        return Authenticator(verifier, DynamoStandingStore(self._connection, self._clock))

    @cached_property
    def keys(self) -> "KeyRing":
        """The keys that tokens are signed and verified with."""
        from chalicelib.keys.source import SsmKeySource
        from chalicelib.services.keyring import KeyRing

        return KeyRing(SsmKeySource(self.settings.keys_path), self._clock)

    @cached_property
    def key_rotation(self) -> "KeyRotation":
        """Moving the key set on."""
        from chalicelib.keys.store import SsmKeyStore
        from chalicelib.services.key_rotation import KeyRotation

        return KeyRotation(SsmKeyStore(self.settings.keys_path), self._clock)

    @cached_property
    def key_revocation(self) -> "KeyRevocation":
        """Ending a key in an emergency."""
        from chalicelib.keys.store import SsmKeyStore
        from chalicelib.services.key_revocation import KeyRevocation
        from chalicelib.store.revocations import DynamoRevocationStore

        self._connection  # noqa: B018 - binds the tables
        store = SsmKeyStore(self.settings.keys_path)
        return KeyRevocation(store, DynamoRevocationStore(), self._clock)

    @cached_property
    def _users(self) -> "DynamoUserStore":
        from chalicelib.store.users import DynamoUserStore

        return DynamoUserStore(self._connection)

    @cached_property
    def _hasher(self) -> "PasswordHasher":
        from chalicelib.services.passwords import PasswordHasher

        return PasswordHasher(self.settings.bcrypt_cost)

    @cached_property
    def _connection(self) -> "Connection":
        from chalicelib.store.items import MarkerItem, RevokedTokenItem, UserItem, bind

        users, revoked_tokens = self.settings.users_table, self.settings.revoked_tokens_table
        return bind({UserItem: users, MarkerItem: users, RevokedTokenItem: revoked_tokens})


_current: Container | None = None


def container() -> Container:
    """The process's container, made from the environment at the first request.

    Raises:
        SettingsError: the environment does not describe a stage that may start.
    """
    return _current or use(Container(stage_settings.load()))


def use(replacement: Container) -> Container:
    """Wire the process to a container: its own, or one that a test has made."""
    global _current  # noqa: PLW0603 - one for each process is the point
    _current = replacement
    return replacement
