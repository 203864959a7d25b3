from collections.abc import Iterator

import pytest
from pynamodb.connection import Connection

from chalicelib.keys.parameters import Parameter
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
from chalicelib.store.transactions import Transactions
from tests import aws
from tests.aws import ACTIVITY, ATTEMPTS, OUTBOX, REVOKED_TOKENS, SESSIONS, USERS, Cloud, Wire


@pytest.fixture(scope="package")
def _aws(key_parameters: tuple[Parameter, Parameter]) -> Iterator[Cloud]:
    with aws.started(key_parameters) as cloud:
        yield cloud


@pytest.fixture(scope="package")
def connection(_aws: Cloud) -> Connection:
    return bind(
        {
            UserItem: USERS,
            MarkerItem: USERS,
            MailedTokenItem: USERS,
            RevokedTokenItem: REVOKED_TOKENS,
            SessionItem: SESSIONS,
            AttemptItem: ATTEMPTS,
            EventItem: ACTIVITY,
            MessageItem: OUTBOX,
        }
    )


@pytest.fixture
def transactions(connection: Connection) -> Transactions:
    return Transactions(connection)


@pytest.fixture
def wire() -> Iterator[Wire]:
    aws.wire.reset()
    yield aws.wire
    aws.wire.reset()


@pytest.fixture
def cloud(_aws: Cloud, connection: Connection, wire: Wire) -> Cloud:
    """AWS, its tables empty and nothing on the wire."""
    _aws.clear()
    wire.reset()
    del connection
    return _aws
