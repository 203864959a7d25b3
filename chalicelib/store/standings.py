"""The authorizer's one question, in one round trip."""

from pynamodb.connection import Connection

from chalicelib.domain.principals import Standing
from chalicelib.domain.times import Clock, epoch_seconds
from chalicelib.domain.tokens import AccessClaims
from chalicelib.store.items import RevokedTokenItem, UserItem, read_together
from chalicelib.store.revocations import revocation_keys, revoked_key_row
from chalicelib.store.user_rows import user_key, user_of


class DynamoStandingStore:
    """Reads a user together with what may have been revoked: the session and the key."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    def standing(self, claims: AccessClaims) -> Standing:
        """Read all three, strongly consistent.

        Raises:
            UnavailableError: the store did not answer in full.
        """
        found = read_together(
            self._connection,
            {
                UserItem: [{"pk": {"S": user_key(claims.public_id)}}],
                RevokedTokenItem: revocation_keys(
                    claims.session_id, revoked_key_row(claims.key_id, claims.public_id)
                ),
            },
        )
        now = epoch_seconds(self._clock())
        return Standing(
            user=next(map(user_of, found[UserItem]), None),
            # DynamoDB deletes what has expired hours later, so the expiry is checked here.
            revoked=any(row.expires_at > now for row in found[RevokedTokenItem]),
        )
