"""Accounts: registering one, changing, administering and closing them."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from chalicelib.domain.activity import COMMAND, OPERATOR, Act
from chalicelib.domain.changes import Changes, Renaming, Unchanged
from chalicelib.domain.errors import (
    AccountsError,
    InvalidInputError,
    LastAdminError,
    NotAllowedError,
    UnavailableError,
    UserNotFoundError,
)
from chalicelib.domain.names import EmailAddress, Username
from chalicelib.domain.outbox import Errand, Message
from chalicelib.domain.passwords import NewPassword, Password
from chalicelib.domain.principals import Principal
from chalicelib.domain.sessions import Client, Opening, TokenSet
from chalicelib.domain.times import Clock
from chalicelib.domain.trails import NO_TRAIL, Trail
from chalicelib.domain.users import Removal, User, is_public_id
from chalicelib.services.credentials import CredentialService
from chalicelib.services.directory import UserReader, gone, read_user
from chalicelib.services.password_policy import PasswordPolicy
from chalicelib.services.passwords import PasswordHasher
from chalicelib.services.token_sets import TokenSetService
from chalicelib.services.trails import TrailService

_ATTEMPTS = 3


class UserStore(UserReader, Protocol):
    """Where users are kept, their email and username unique at every moment."""

    def add(
        self,
        user: User,
        password_hash: str,
        opening: Opening | None,
        *,
        trail: Trail = NO_TRAIL,
    ) -> bool:
        """Add a user, with a first session unless there is to be none, all or nothing.

        Answers False, having added nothing, if the key of the session's token was revoked.

        Raises:
            EmailTakenError, UsernameTakenError: another user has the name's key; the email is
                named first if both are taken.
            UnavailableError: the store cannot answer now.
        """

    def update(
        self,
        public_id: str,
        changes: Changes,
        *,
        other_admin: str | None = None,
        by_themselves: bool = False,
        trail: Trail = NO_TRAIL,
    ) -> User | Unchanged:
        """Change a user, all or nothing, and answer them as they now are.

        Changes that end sessions end every session and access token in the same step. If
        `other_admin` is given, it has to be an enabled admin just then; `by_themselves`, the user
        has to be one. A user who is to have another username has to have the one that it replaces.

        Raises:
            UsernameTakenError: another user has the new username's key.
            UserNotFoundError: there is no such user, and neither was the username to be another
                one nor the user to be an admin.
            UnavailableError: the store cannot answer now.
        """

    def remove(self, user: User, other_admin: str | None, *, trail: Trail = NO_TRAIL) -> Removal:
        """Remove a user and free their names, all or nothing, if they still are as they were read.

        If `other_admin` is given, it has to be an enabled admin just then.

        Raises:
            UnavailableError: the store cannot answer now.
        """

    def admins(self) -> Iterator[str]:
        """Find enabled admins, soon consistent; not all of them in a very large table.

        Raises:
            UnavailableError: the store cannot answer now.
        """


class UserSessionStore(Protocol):
    """Where the sessions of a user are, if there no longer is a user."""

    def forget(self, public_id: str) -> None:
        """Remove whatever is kept of a user's sessions.

        Raises:
            UnavailableError: the store cannot answer now; something may be left.
        """


class AccountService:
    """What can be done with accounts."""

    def __init__(
        self,
        users: UserStore,
        sessions: UserSessionStore,
        credentials: CredentialService,
        policy: PasswordPolicy,
        hasher: PasswordHasher,
        token_sets: TokenSetService,
        trails: TrailService,
        *,
        verifies_emails: bool,
        requires_verified_emails: bool,
        clock: Clock,
        new_id: Callable[[], str],
    ) -> None:
        self._users = users
        self._sessions = sessions
        self._credentials = credentials
        self._policy = policy
        self._hasher = hasher
        self._token_sets = token_sets
        self._trails = trails
        self._verifies_emails = verifies_emails
        self._requires_verified_emails = requires_verified_emails
        self._clock = clock
        self._new_id = new_id

    def register(
        self, email: EmailAddress, username: Username, password: NewPassword, client: Client
    ) -> TokenSet | None:
        """Open an account, and its first session, unless its address has to be verified before.

        Of any number of registrations that race for a name, one wins: the store decides, in one
        transaction, not a check made beforehand. A key to sign with is found first: without one
        there would be no token set to answer with.

        Raises:
            InvalidInputError: the password may not be chosen.
            EmailTakenError, UsernameTakenError: the name belongs to another account.
            UnavailableError: the store or the keys cannot answer now; there is no account.
        """
        self._policy.check(password, "password", email=email, username=username)
        key = self._token_sets.signing_key()
        user = self._new_user(email, username)
        if self._requires_verified_emails:
            trail = self._registered(user, client, None)
            self._users.add(user, self._hasher.hash(password), None, trail=trail)
            return None
        session, token = self._token_sets.draft(user, client)
        password_hash = self._hasher.hash(password)
        trail = self._registered(user, client, session.session_id)
        while not self._users.add(user, password_hash, Opening(session, key.key_id), trail=trail):
            key = self._token_sets.key_in_place_of(key)
        return self._token_sets.issue(user, session, token, key)

    def enrol(self, email: EmailAddress, username: Username, password: NewPassword) -> User:
        """Open an account on the operator's behalf: nobody is logged in by it.

        Raises:
            InvalidInputError: the password may not be chosen.
            EmailTakenError, UsernameTakenError: the name belongs to another account.
            UnavailableError: the store cannot answer now; there is no account.
        """
        self._policy.check(password, "password", email=email, username=username)
        user = self._new_user(email, username)
        event = self._trails.event(Act.REGISTERED, user.public_id, COMMAND, actor=OPERATOR)
        self._users.add(user, self._hasher.hash(password), None, trail=Trail((event,)))
        return user

    def promote(self, email: EmailAddress) -> bool:
        """Make the account of an email an admin's, for the operator of the service.

        Answers whether that changed anything.

        Raises:
            UserNotFoundError: there is no such account.
            UnavailableError: the store cannot answer now.
        """
        user = self._users.find_by_email(email.key)
        if user is None:
            raise UserNotFoundError
        if not user.admin:
            event = self._trails.event(Act.ADMIN_GRANTED, user.public_id, COMMAND, actor=OPERATOR)
            self._users.update(user.public_id, Changes(admin=True), trail=Trail((event,)))
        return not user.admin

    def change(
        self,
        caller: Principal,
        public_id: str,
        changes: Changes,
        client: Client,
        *,
        username: Username | None = None,
    ) -> User:
        """Change an account, all that is named or nothing; what is not named stays as it is.

        The username and the metadata are the user's own to change, and an admin's. The rest takes
        an admin. A new username or metadata ends no session. A new right, or its loss, counts from
        the next request on; disabling ends every session, and so does asking for a new password.
        Whoever gives a right or lets somebody in is an admin in the same step, however long ago the
        authorizer let them in: one who was demoted or disabled meanwhile cannot take that back.
        Whoever takes a right away stays an admin, or somebody else does: so of two admins who
        demote each other, one is left.

        Of any number of accounts that want one username, one gets it: the store decides. Of two
        changes of one account at once, the later counts for what both name.

        Raises:
            NotAllowedError: it is somebody else's or takes an admin, and the caller is none, or
                not any more.
            UsernameTakenError: the username belongs to another account.
            LastAdminError: nobody else is an admin.
            UserNotFoundError: there is no such user.
            TokenInvalidError: the caller's account was closed since the request began.
            UnavailableError: the store cannot answer now; nothing has changed.
        """
        public_id = caller.named(public_id)
        own = public_id == caller.user.public_id
        if changes.take_an_admin or not own:
            caller.require_admin()
        if not is_public_id(public_id):
            raise UserNotFoundError
        before = caller.user if own else None
        for _ in range(_ATTEMPTS):
            if username is not None:
                before = before or read_user(self._users, caller, public_id)
                changes = replace(changes, renaming=Renaming(before.username, str(username)))
            changed = self._change(caller, public_id, changes, client)
            if changed is not None:
                return changed
            # Somebody else has changed the username since it was read, or the user is gone.
            before = None
        raise UnavailableError

    def close(
        self, caller: Principal, public_id: str, password: Password | None, client: Client
    ) -> None:
        """Remove an account: one's own, with its password, or anybody's if one is an admin.

        Every token of the account stops working, and its email and username are free again.

        Raises:
            InvalidInputError: it is the caller's own, and the password is missing.
            WrongPasswordError: it is not the account's.
            TooManyRequestsError: there were too many wrong ones. Nobody is told what it was.
            NotAllowedError: it is somebody else's, and the caller is not an admin.
            LastAdminError: it is the last admin's.
            UserNotFoundError: there is no such user.
            UnavailableError: the store cannot answer now; the account is as it was.
        """
        public_id = caller.named(public_id)
        user: User | None = None
        if public_id != caller.user.public_id:
            caller.require_admin()
        elif password is None:
            raise InvalidInputError({"current_password": "This field is required."})
        else:
            user = self._credentials.confirm(caller, password, client)
        if not is_public_id(public_id):
            raise UserNotFoundError
        self._remove(caller, public_id, user, client)
        # Nobody can use them any more. What is left if this fails lapses in time.
        with suppress(UnavailableError):
            self._sessions.forget(public_id)

    def _change(
        self, caller: Principal, public_id: str, changes: Changes, client: Client
    ) -> User | None:
        """Change a user, if they still have the username that is to be replaced: else None."""
        actor = caller.user.public_id
        session_id = caller.session_id if public_id == actor else None
        events = (
            self._trails.event(
                act, public_id, client, actor=actor, session_id=session_id, **changed
            )
            for act, changed in changes.acts()
        )
        notices = self._trails.notices(changes, public_id, client)
        trail = Trail(tuple(events), notices)
        own = public_id == actor
        # Every transaction that has the caller's row in it waits for the others that have it, so
        # what harms nobody for long goes without: metadata may be written often.
        witnessed = changes.weaken or (changes.strengthen and not own)
        others = self._staying(caller, public_id) if witnessed else (None,)
        for other in others:
            try:
                changed = self._users.update(
                    public_id,
                    changes,
                    other_admin=other,
                    by_themselves=own and changes.take_an_admin,
                    trail=trail,
                )
            except UserNotFoundError as fault:
                raise gone(caller, public_id) from fault
            if isinstance(changed, User):
                return changed
            if changed is Unchanged.NOT_AS_CALLED:
                present = read_user(self._users, caller, public_id)
                if present.disabled or not present.admin:
                    raise NotAllowedError
            if changed is not Unchanged.NO_OTHER_ADMIN:
                return None
        raise _no_admin_stays(caller, public_id)

    def _new_user(self, email: EmailAddress, username: Username) -> User:
        return User(
            public_id=self._new_id(),
            email=str(email),
            username=str(username),
            registered_on=self._clock(),
        )

    def _registered(self, user: User, client: Client, session_id: str | None) -> Trail:
        event = self._trails.event(Act.REGISTERED, user.public_id, client, session_id=session_id)
        messages: tuple[Message, ...] = ()
        if self._verifies_emails:
            mail = self._trails.message(
                Errand.VERIFY_EMAIL, public_id=user.public_id, language=client.language
            )
            messages = (mail,)
        return Trail((event,), messages)

    def _deleted(self, caller: Principal, public_id: str, client: Client) -> Trail:
        actor = caller.user.public_id
        event = self._trails.event(Act.DELETED, public_id, client, actor=actor)
        return Trail((event,), (self._trails.message(Errand.ANONYMISE, public_id=public_id),))

    def _remove(self, caller: Principal, public_id: str, user: User | None, client: Client) -> None:
        """Remove a user, as they were read if they were."""
        trail = self._deleted(caller, public_id, client)
        for _ in range(_ATTEMPTS):
            user = user or self._users.get(public_id)
            if user is None:
                raise UserNotFoundError
            own = public_id == caller.user.public_id
            others = self._staying(caller, public_id) if user.admin or not own else (None,)
            for other in others:
                ended = self._users.remove(user, other, trail=trail)
                if ended is Removal.DONE:
                    return
                if ended is Removal.CHANGED:
                    user = None
                    break
            else:
                raise _no_admin_stays(caller, public_id)
        raise UnavailableError

    def _staying(self, caller: Principal, public_id: str) -> Iterable[str | None]:
        """Who is to be an admin still when somebody no longer is: the caller, or anybody else."""
        if public_id != caller.user.public_id:
            return (caller.user.public_id,)
        return (other for other in self._users.admins() if other != public_id)


def _no_admin_stays(caller: Principal, public_id: str) -> AccountsError:
    """Why nobody stayed: the caller is no admin any more, or was about to be the last."""
    return LastAdminError() if public_id == caller.user.public_id else NotAllowedError()
