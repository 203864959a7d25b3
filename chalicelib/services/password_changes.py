"""Where passwords are changed, as every service that changes one needs it.

In a module of its own: a login may change one, and must not load what else the others need.
"""

from typing import Protocol

from chalicelib.domain.attempts import Count, Outcome
from chalicelib.domain.sessions import Session
from chalicelib.domain.trails import NO_TRAIL, Trail
from chalicelib.domain.users import Credentials


class PasswordChangeStore(Protocol):
    """Where an account's password is put in another one's place."""

    def change_password(
        self,
        before: Credentials,
        new_hash: str,
        session: Session,
        below: Count,
        *,
        trail: Trail = NO_TRAIL,
    ) -> Outcome:
        """Set a new hash and the session's token version, and put the session, all or nothing.

        In the same step, its address is remembered and the trail written. No change of the
        password is required any more.

        Nothing is done if the count is not below its limit, or if the user has another hash or
        version than before.

        Raises:
            UnavailableError: the store cannot answer now.
        """
