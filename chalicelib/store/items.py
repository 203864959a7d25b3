"""The rows of the tables, as infra/data.yaml defines them."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TypeVar

import botocore
from botocore.config import Config
from botocore.session import Session
from pynamodb.attributes import (
    BinaryAttribute,
    BooleanAttribute,
    JSONAttribute,
    NumberAttribute,
    UnicodeAttribute,
    UTCDateTimeAttribute,
)
from pynamodb.connection import Connection
from pynamodb.exceptions import DoesNotExist
from pynamodb.indexes import GlobalSecondaryIndex, Projection
from pynamodb.models import Model

from chalicelib.answers import require_answers
from chalicelib.deadlines import CallLimits
from chalicelib.domain.errors import UnavailableError
from chalicelib.store.faults import translating_faults
from chalicelib.telemetry import store_call

# What hangs is tried again while there is time, and one call's worst leaves time for another one's.
# PynamoDB's own limits add up to two minutes.
LIMITS = CallLimits(connect_seconds=1, read_seconds=2, attempts=3)
_USER_AGENT = f"accounts Botocore/{botocore.__version__}"


class NewestFirstIndex(GlobalSecondaryIndex["UserItem"]):  # type: ignore[no-untyped-call] # its own
    """Users alone, newest first: markers have neither of its keys."""

    class Meta:
        """Read by PynamoDB."""

        index_name = "newest-first"
        projection = Projection()  # which attributes, infra/data.yaml says

    listed_in = UnicodeAttribute(hash_key=True)
    listed_at = UnicodeAttribute(range_key=True)


class UserItem(Model):
    """A user, under `user#<public_id>`."""

    class Meta:
        """Read by PynamoDB; the table's name is put in by `bind`."""

        table_name = ""

    pk = UnicodeAttribute(hash_key=True)
    public_id = UnicodeAttribute()
    email = UnicodeAttribute()
    username = UnicodeAttribute()
    password_hash = UnicodeAttribute(null=True)  # not projected into the index
    registered_on = UTCDateTimeAttribute()
    token_version = NumberAttribute()
    admin = BooleanAttribute()
    disabled = BooleanAttribute()
    email_verified = BooleanAttribute()
    pending_email = UnicodeAttribute(null=True)  # not projected into the index
    metadata = JSONAttribute(default=dict)
    former_emails = UnicodeAttribute(null=True)  # JSON, to be compared as it stands; likewise
    password_change_required = BooleanAttribute(null=True)  # not projected either; there if true
    listed_in = UnicodeAttribute()
    listed_at = UnicodeAttribute()

    newest_first = NewestFirstIndex()


class MarkerItem(Model):
    """Who has a unique name: `email#<key>` or `username#<key>`, in the same table as the users."""

    class Meta:
        """Read by PynamoDB; the table's name is put in by `bind`."""

        table_name = ""

    pk = UnicodeAttribute(hash_key=True)
    public_id = UnicodeAttribute()
    expires_at = NumberAttribute(null=True)  # of a former address, how long nobody else gets it


class MailedTokenItem(Model):
    """A token that was mailed, under `mailed#<its hash>`, in the same table as the users."""

    class Meta:
        """Read by PynamoDB; the table's name is put in by `bind`."""

        table_name = ""

    pk = UnicodeAttribute(hash_key=True)
    owner = UnicodeAttribute()
    purpose = UnicodeAttribute()
    expires_at = NumberAttribute()  # seconds since the epoch, as DynamoDB's TTL counts
    address = UnicodeAttribute()
    password_mark = UnicodeAttribute(null=True)


class RevokedTokenItem(Model):
    """Tokens that are refused before their time: those of a session, or of a signing key.

    `token_id` is the session's identifier or `key#<key id>#<copy>`: never a token itself.
    """

    class Meta:
        """Read by PynamoDB; the table's name is put in by `bind`."""

        table_name = ""

    token_id = UnicodeAttribute(hash_key=True)
    expires_at = NumberAttribute()  # seconds since the epoch, as DynamoDB's TTL counts


class SessionItem(Model):
    """A session, in one of its user's slots: what there is of a user is one query."""

    class Meta:
        """Read by PynamoDB; the table's name is put in by `bind`."""

        table_name = ""

    public_id = UnicodeAttribute(hash_key=True)
    slot = NumberAttribute(range_key=True)
    session_id = UnicodeAttribute()
    token_version = NumberAttribute()
    created_at = UTCDateTimeAttribute()
    last_used_at = UTCDateTimeAttribute()
    expires_at = NumberAttribute()  # seconds since the epoch, as DynamoDB's TTL counts
    ip = UnicodeAttribute()
    user_agent = UnicodeAttribute()
    family_hash = BinaryAttribute(legacy_encoding=False)
    token_hash = BinaryAttribute(legacy_encoding=False)
    spent = JSONAttribute()


class AttemptItem(Model):
    """How many attempts there were in a window, or that an address is known for an account.

    `attempt_id` is an HMAC of what is meant: no name and no address.
    """

    class Meta:
        """Read by PynamoDB; the table's name is put in by `bind`."""

        table_name = ""

    attempt_id = UnicodeAttribute(hash_key=True)
    expires_at = NumberAttribute()  # seconds since the epoch, as DynamoDB's TTL counts
    attempts = NumberAttribute(null=True)  # of a count
    token_version = NumberAttribute(null=True)  # of a known address


class EventItem(Model):
    """Something that happened to an account: its activity is one query, by time."""

    class Meta:
        """Read by PynamoDB; the table's name is put in by `bind`."""

        table_name = ""

    public_id = UnicodeAttribute(hash_key=True)
    place = UnicodeAttribute(range_key=True)  # the moment and a UUID: unique, and in order
    act = UnicodeAttribute()
    expires_at = NumberAttribute()  # seconds since the epoch, as DynamoDB's TTL counts
    ip = UnicodeAttribute(null=True)
    user_agent = UnicodeAttribute(null=True)
    actor = UnicodeAttribute(null=True)
    session_id = UnicodeAttribute(null=True)
    changed = UnicodeAttribute(null=True)


class MessageItem(Model):
    """What is still to be done for a change. The table's stream hands it to who does it."""

    class Meta:
        """Read by PynamoDB; the table's name is put in by `bind`."""

        table_name = ""

    message_id = UnicodeAttribute(hash_key=True)
    errand = UnicodeAttribute()
    created_at = UTCDateTimeAttribute()
    expires_at = NumberAttribute()  # seconds since the epoch, as DynamoDB's TTL counts
    public_id = UnicodeAttribute(null=True)
    email_key = UnicodeAttribute(null=True)
    address = UnicodeAttribute(null=True)
    language = UnicodeAttribute()


class _TimedConnection(Connection):
    """Counts and times every call, retries included, for the request's log line.

    Each attempt is begun only if it can end in time.
    """

    _watched: Any = None

    def __init__(self, session: Session, **limits: Any) -> None:
        super().__init__(**limits)
        session.set_default_client_config(Config(user_agent=_USER_AGENT))
        self._session = session

    @property
    def client(self) -> Any:
        """The client, made when it is first needed, and again while it has no credentials."""
        client = super().client
        if client is not self._watched:
            LIMITS.watch(client)
            require_answers(client)
            self._watched = client
        return client

    @property
    def session(self) -> Session:
        """The process's session, for a client that has a name to give to AWS.

        Without one, botocore puts its own together twice for each call: a tenth of a login's CPU.
        PynamoDB would make a session of its own.
        """
        return self._session

    def _make_api_call(self, operation_name: str, operation_kwargs: dict[str, Any]) -> Any:
        # PynamoDB asks DynamoDB to tell the capacity that each call consumes. Nobody here reads it.
        operation_kwargs.pop("ReturnConsumedCapacity", None)
        with store_call():
            return super()._make_api_call(operation_name, operation_kwargs)


def bind(tables: Mapping[type[Model], str], session: Session | None = None) -> Connection:
    """Point the models at a stage's tables, all through one client of the process.

    PynamoDB would make a client for each model and one more for transactions, and every client
    costs a cold start about a tenth of a second of CPU and 11 MB.
    """
    connection = _TimedConnection(
        session or Session(),
        connect_timeout_seconds=LIMITS.connect_seconds,
        read_timeout_seconds=LIMITS.read_seconds,
        max_retry_attempts=LIMITS.attempts - 1,
    )
    bound = set()
    for model, table_name in tables.items():
        model.Meta.table_name = table_name
        model._connection = None  # noqa: SLF001 - PynamoDB has no other way to share a client
        table = model._get_connection()  # noqa: SLF001 - likewise
        if table_name not in bound:
            connection.add_meta_table(table.get_meta_table())
            bound.add(table_name)
        table.connection = connection
    return connection


def read_together(
    connection: Connection, keys: Mapping[type[Model], list[dict[str, Any]]]
) -> dict[type[Model], list[Any]]:
    """Read rows of several tables by their keys in one round trip, strongly consistent.

    One `BatchGetItem` costs about what one `GetItem` does; two reads cost two. PynamoDB batches
    within one table only, so this calls its connection. A row that is not there is not in the
    answer.

    Raises:
        UnavailableError: the store did not answer in full. A key that it left unprocessed must
            not pass for a row that is not there.
    """
    request: dict[str, dict[str, Any]] = {}
    for model, wanted in keys.items():
        table = request.setdefault(model.Meta.table_name, {"Keys": [], "ConsistentRead": True})
        table["Keys"] += wanted
    with translating_faults():
        answer = connection.dispatch("BatchGetItem", {"RequestItems": request})
    if "Responses" not in answer or answer.get("UnprocessedKeys"):
        raise UnavailableError
    return {
        model: [
            model.from_raw_data(row)
            for row in answer["Responses"].get(model.Meta.table_name, [])
            if any(row.items() >= key.items() for key in wanted)  # two models may share a table
        ]
        for model, wanted in keys.items()
    }


_Row = TypeVar("_Row", bound=Model)


def read(model: type[_Row], key: str, range_key: int | None = None) -> _Row | None:
    """Read one row by its key, strongly consistent.

    Raises:
        UnavailableError: the store cannot answer now.
    """
    with translating_faults(), suppress(DoesNotExist):
        return model.get(key, range_key, consistent_read=True)
    return None
