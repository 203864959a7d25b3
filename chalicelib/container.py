"""The composition root: what is wired to what, made when it is first needed.

Each part is imported where it is made, so that a function's cold start pays for the parts it
uses: the authorizer has no password hasher. Time, ids and randomness enter here and nowhere else.
"""

import os
from collections.abc import Callable
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING
from uuid import uuid4

from chalicelib import settings as stage_settings
from chalicelib.domain.times import Clock, system_clock
from chalicelib.settings import Settings

if TYPE_CHECKING:
    from botocore.session import Session
    from pynamodb.connection import Connection

    from chalicelib.services.accounts import AccountService
    from chalicelib.services.activity import ActivityService
    from chalicelib.services.administration import OperatorService
    from chalicelib.services.attempts import AttemptService
    from chalicelib.services.authentication import Authenticator
    from chalicelib.services.credentials import CredentialService
    from chalicelib.services.cursors import CursorSigner
    from chalicelib.services.directory import Directory
    from chalicelib.services.emails import EmailService
    from chalicelib.services.exports import ExportService
    from chalicelib.services.imports import ImportService
    from chalicelib.services.key_revocation import KeyRevocation
    from chalicelib.services.key_rotation import KeyRotation
    from chalicelib.services.keyring import KeyRing
    from chalicelib.services.mailed_tokens import MailedTokenReader
    from chalicelib.services.outbox import Outbox
    from chalicelib.services.password_policy import BreachRegister, PasswordPolicy
    from chalicelib.services.passwords import PasswordHasher
    from chalicelib.services.recovery import RecoveryService
    from chalicelib.services.refresh_tokens import RefreshTokens
    from chalicelib.services.sessions import SessionService
    from chalicelib.services.token_sets import TokenSetService
    from chalicelib.services.trails import TrailService
    from chalicelib.store.attempt_rows import AttemptRows
    from chalicelib.store.recoveries import DynamoRecoveryStore
    from chalicelib.store.sessions import DynamoSessionStore
    from chalicelib.store.trails import DynamoTrailStore
    from chalicelib.store.transactions import Transactions
    from chalicelib.store.users import DynamoUserStore


def _new_uuid() -> str:
    return str(uuid4())


def _random_below(bound: int) -> int:
    import secrets

    return secrets.randbelow(bound)


class Container:
    """The services of one stage, sharing one store client and one key ring."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock = system_clock,
        new_id: Callable[[], str] = _new_uuid,
        random_octets: Callable[[int], bytes] = os.urandom,
        random_below: Callable[[int], int] = _random_below,
    ) -> None:
        self.settings = settings
        self._clock = clock
        self._new_id = new_id
        self._random_octets = random_octets
        self._random_below = random_below

    @cached_property
    def accounts(self) -> "AccountService":
        """Registering accounts, changing, administering and closing them."""
        from chalicelib.services.accounts import AccountService

        return AccountService(
            self._users,
            self._sessions,
            self.credentials,
            self._password_policy,
            self._hasher,
            self._token_sets,
            self._trails,
            verifies_emails=self.settings.email_verification != "off",
            requires_verified_emails=self.settings.email_verification == "require",
            clock=self._clock,
            new_id=self._new_id,
        )

    @cached_property
    def directory(self) -> "Directory":
        """Looking at accounts."""
        from chalicelib.services.directory import Directory

        return Directory(lambda: self._users, self._cursors)

    @cached_property
    def sessions(self) -> "SessionService":
        """Logging in, staying so, logging out."""
        from chalicelib.services.sessions import SessionService

        return SessionService(
            self._users,
            self._sessions,
            self._hasher,
            self._token_sets,
            self._refresh_tokens,
            self._attempts,
            self._trails,
            requires_verified_emails=self.settings.email_verification == "require",
            rules=lambda: self._password_policy,
            clock=self._clock,
        )

    @cached_property
    def activity(self) -> "ActivityService":
        """Looking at what has happened to accounts."""
        from chalicelib.services.activity import ActivityService
        from chalicelib.store.activity import DynamoActivityStore

        self._connection  # noqa: B018 - binds the tables
        return ActivityService(DynamoActivityStore(self._clock), self._users, self._cursors)

    @cached_property
    def exports(self) -> "ExportService":
        """Gathering what is stored about a user."""
        from chalicelib.services.exports import ExportService

        return ExportService(self._users, self._sessions, self.activity, self._clock)

    @cached_property
    def credentials(self) -> "CredentialService":
        """Confirming and changing passwords."""
        from chalicelib.services.credentials import CredentialService

        return CredentialService(
            self._users,
            self._password_policy,
            self._hasher,
            self._token_sets,
            self._attempts,
            self._trails,
        )

    @cached_property
    def recovery(self) -> "RecoveryService":
        """Choosing another password by mail."""
        from chalicelib.services.recovery import RecoveryService

        return RecoveryService(
            self._recoveries,
            self._mailed_tokens,
            self._password_policy,
            self._hasher,
            self._attempts,
            self._trails,
        )

    @cached_property
    def emails(self) -> "EmailService":
        """Verifying emails, changing them, and undoing that."""
        from chalicelib.services.emails import EmailService

        return EmailService(
            self._recoveries,
            self._mailed_tokens,
            self.credentials,
            self._attempts,
            self._trails,
            clock=self._clock,
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

        return KeyRing(SsmKeySource(self.settings.keys_path, self._session), self._clock)

    @cached_property
    def key_rotation(self) -> "KeyRotation":
        """Moving the key set on."""
        from chalicelib.keys.store import SsmKeyStore
        from chalicelib.services.key_rotation import KeyRotation

        return KeyRotation(SsmKeyStore(self.settings.keys_path, self._session), self._clock)

    @cached_property
    def key_revocation(self) -> "KeyRevocation":
        """Ending a key in an emergency."""
        from chalicelib.keys.store import SsmKeyStore
        from chalicelib.services.key_revocation import KeyRevocation
        from chalicelib.store.revoked_keys import DynamoRevocationStore

        store = SsmKeyStore(self.settings.keys_path, self._session)
        return KeyRevocation(store, DynamoRevocationStore(self._transactions), self._clock)

    @cached_property
    def operator(self) -> "OperatorService":
        """Administering accounts at a command line."""
        from chalicelib.services.administration import OperatorService

        return OperatorService(self._users, self._sessions, self._trails)

    @cached_property
    def imports(self) -> "ImportService":
        """Importing accounts from another system."""
        import time

        from chalicelib.services.imports import ImportService

        return ImportService(
            self._users,
            self._hasher,
            self._trails,
            clock=self._clock,
            new_id=self._new_id,
            random_below=self._random_below,
            sleep=time.sleep,
        )

    @cached_property
    def outbox(self) -> "Outbox":
        """Delivering what changes have left to be done."""
        from chalicelib.mail.ses import SesMailer
        from chalicelib.mail.writing import TemplateWriter
        from chalicelib.services.courier import Courier
        from chalicelib.services.outbox import Outbox
        from chalicelib.store.activity_anonymiser import DynamoActivityAnonymiser
        from chalicelib.store.mailed_tokens import DynamoMailedTokenStore
        from chalicelib.store.outbox import DynamoOutboxStore

        settings = self.settings
        courier = Courier(
            self._users,
            DynamoMailedTokenStore(),
            DynamoActivityAnonymiser(),
            self._sessions,
            self._trails,
            TemplateWriter(settings.product_name),
            SesMailer(settings.mail_sender, self._session) if settings.mail_sender else None,
            counts=self._attempts,
            link_base_url=settings.link_base_url,
            clock=self._clock,
            random_octets=self._random_octets,
        )
        store = DynamoOutboxStore(self._connection)
        return Outbox(store, courier, stage=settings.stage, clock=self._clock)

    @cached_property
    def _token_sets(self) -> "TokenSetService":
        from chalicelib.services.token_sets import SessionLimits, TokenSetService
        from chalicelib.services.tokens import TokenIssuer

        settings = self.settings
        issuer = TokenIssuer(
            issuer=settings.issuer,
            audience=settings.audience,
            client_id=settings.client_id,
            lifetime_seconds=settings.access_token_seconds,
            clock=self._clock,
            new_id=self._new_id,
        )
        limits = SessionLimits(
            idle=timedelta(seconds=settings.session_idle_seconds),
            absolute=timedelta(seconds=settings.session_absolute_seconds),
            count=settings.sessions_per_user,
        )
        return TokenSetService(
            issuer,
            self._refresh_tokens,
            self.keys,
            limits,
            verifies_emails=settings.email_verification != "off",
            clock=self._clock,
            new_id=self._new_id,
            pick=self._random_below,
        )

    @cached_property
    def _refresh_tokens(self) -> "RefreshTokens":
        from chalicelib.services.refresh_tokens import RefreshTokens

        grace = timedelta(seconds=self.settings.refresh_grace_seconds)
        return RefreshTokens(grace, self._random_octets)

    @cached_property
    def _trails(self) -> "TrailService":
        from chalicelib.services.trails import TrailService

        kept_for = timedelta(days=self.settings.activity_days)
        return TrailService(self._trail_store, self._clock, self._new_id, kept_for)

    @cached_property
    def _cursors(self) -> "CursorSigner":
        from chalicelib.services.cursors import CursorSigner

        return CursorSigner(self.settings.cursor_secret)

    @cached_property
    def _trail_store(self) -> "DynamoTrailStore":
        from chalicelib.store.trails import DynamoTrailStore

        return DynamoTrailStore(self._transactions)

    @cached_property
    def _attempts(self) -> "AttemptService":
        from chalicelib.services.attempts import AttemptLimits, AttemptService
        from chalicelib.store.attempts import DynamoAttemptStore

        settings = self.settings
        limits = AttemptLimits(
            per_account=settings.attempts_per_account,
            window=timedelta(seconds=settings.attempts_window_seconds),
            per_address=settings.failures_per_address,
            mails=settings.mails_per_hour,
        )
        store = DynamoAttemptStore(self._transactions, self._attempt_rows)
        return AttemptService(store, limits, self._clock)

    @cached_property
    def _attempt_rows(self) -> "AttemptRows":
        from chalicelib.store.attempt_rows import AttemptRows

        return AttemptRows(self.settings.cursor_secret)

    @cached_property
    def _users(self) -> "DynamoUserStore":
        from chalicelib.store.users import DynamoUserStore

        return DynamoUserStore(
            self._connection, self._transactions, self._attempt_rows, self._clock
        )

    @cached_property
    def _sessions(self) -> "DynamoSessionStore":
        from chalicelib.store.sessions import DynamoSessionStore

        return DynamoSessionStore(self._connection, self._transactions, self._attempt_rows)

    @cached_property
    def _recoveries(self) -> "DynamoRecoveryStore":
        from chalicelib.store.recoveries import DynamoRecoveryStore

        return DynamoRecoveryStore(self._connection, self._transactions, self._clock)

    @cached_property
    def _mailed_tokens(self) -> "MailedTokenReader":
        from chalicelib.services.mailed_tokens import MailedTokenReader

        return MailedTokenReader(self._recoveries, self._attempts, self._clock)

    @cached_property
    def _transactions(self) -> "Transactions":
        from chalicelib.store.transactions import Transactions

        return Transactions(self._connection)

    @cached_property
    def _password_policy(self) -> "PasswordPolicy":
        from chalicelib.breaches.common import COMMON_PASSWORDS, CommonPasswords
        from chalicelib.services.password_policy import PasswordPolicy, context_words

        settings = self.settings
        words = context_words(settings.product_name, settings.host, *settings.password_words)
        common = CommonPasswords(COMMON_PASSWORDS)
        return PasswordPolicy(settings.password_min_length, common, self._breaches, words)

    @cached_property
    def _breaches(self) -> "BreachRegister | None":
        if self.settings.breach_check == "off":
            return None
        from chalicelib.breaches.ranges import ORIGIN, RangeRegister

        return RangeRegister(ORIGIN)

    @cached_property
    def _hasher(self) -> "PasswordHasher":
        from chalicelib.services.passwords import PasswordHasher

        return PasswordHasher(self.settings.bcrypt_cost)

    @cached_property
    def _connection(self) -> "Connection":
        from chalicelib.store.items import (
            AttemptItem,
            EventItem,
            MailedTokenItem,
            MarkerItem,
            MessageItem,
            RevokedTokenItem,
            SessionItem,
            UserItem,
            bind,
        )

        settings = self.settings
        return bind(
            {
                UserItem: settings.users_table,
                MarkerItem: settings.users_table,
                MailedTokenItem: settings.users_table,
                RevokedTokenItem: settings.revoked_tokens_table,
                SessionItem: settings.sessions_table,
                AttemptItem: settings.attempts_table,
                EventItem: settings.activity_table,
                MessageItem: settings.outbox_table,
            },
            self._session,
        )

    @cached_property
    def _session(self) -> "Session":
        """What clients are made by: it reads once what all of them need."""
        from chalicelib.aws import SharedSession

        return SharedSession()


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
