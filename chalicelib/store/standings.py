"""The authorizer's one question, in one round trip."""

from pynamodb.connection import Connection

from chalicelib.domain.errors import UnavailableError
from chalicelib.domain.principals import Standing
from chalicelib.domain.times import Clock, epoch_seconds
from chalicelib.store.faults import translating_faults
from chalicelib.store.items import RevokedTokenItem, UserItem
from chalicelib.store.users import user_key, user_of


class DynamoStandingStore:
    """Reads a user and a token's revocation together.

    One `BatchGetItem` over both tables costs about what one `GetItem` does; two reads cost two.
    PynamoDB batches within one table only, so this calls its connection.
    """

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    def standing(self, public_id: str, token_id: str) -> Standing:
        """Read both, strongly consistent.

        Raises:
            UnavailableError: the store did not answer in full. A key that it left unprocessed
                must not pass for a row that is not there.
        """
        users, revoked = UserItem.Meta.table_name, RevokedTokenItem.Meta.table_name
        request = {
            users: {"Keys": [{"pk": {"S": user_key(public_id)}}], "ConsistentRead": True},
            revoked: {"Keys": [{"token_id": {"S": token_id}}], "ConsistentRead": True},
        }
        with translating_faults():
            answer = self._connection.dispatch("BatchGetItem", {"RequestItems": request})
        if answer.get("UnprocessedKeys"):
            raise UnavailableError
        found = answer["Responses"]
        user_items = map(UserItem.from_raw_data, found.get(users, []))
        revocations = map(RevokedTokenItem.from_raw_data, found.get(revoked, []))
        now = epoch_seconds(self._clock())
        return Standing(
            user=next(map(user_of, user_items), None),
            # DynamoDB deletes what has expired hours later, so the expiry is checked here.
            revoked=any(item.expires_at > now for item in revocations),
        )
