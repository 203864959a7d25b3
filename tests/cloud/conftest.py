"""The local cloud, for tests of what only a running one can show."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pynamodb.connection import Connection

from chalicelib import settings
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
from infra.local.cloud import LocalCloud, client_environment
from infra.local.stages import prepare_stage


@pytest.fixture(scope="session")
def local_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """One local cloud for all tests, with the tables and the key of the stage `test`."""
    folder: Path = tmp_path_factory.mktemp("cloud")
    with LocalCloud(folder) as cloud, pytest.MonkeyPatch.context() as patch:
        _become_client(cloud, patch)
        prepare_stage(cloud, settings.load().stage)
        patch.undo()
        yield cloud


@pytest.fixture
def cloud_stage(local_cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> str:
    """This process as a client of the stage `test` on the local cloud; the stage's name."""
    _become_client(local_cloud, monkeypatch)
    return settings.load().stage


@pytest.fixture
def cloud_store(cloud_stage: str) -> Iterator[Connection]:
    """The tables of the stage; whatever the models were bound to before comes back."""
    stage = settings.load()
    assert stage.stage == cloud_stage
    tables = {
        UserItem: stage.users_table,
        MarkerItem: stage.users_table,
        MailedTokenItem: stage.users_table,
        RevokedTokenItem: stage.revoked_tokens_table,
        SessionItem: stage.sessions_table,
        AttemptItem: stage.attempts_table,
        EventItem: stage.activity_table,
        MessageItem: stage.outbox_table,
    }
    before = [(model, model.Meta.table_name, model._connection) for model in tables]  # noqa: SLF001 - as `bind` does
    connection = bind(tables)
    _ = connection.client  # made once, before threads need it
    yield connection
    for model, table_name, known_connection in before:
        model.Meta.table_name = table_name
        model._connection = known_connection  # noqa: SLF001 - as `bind` does


def _become_client(cloud: LocalCloud, patch: pytest.MonkeyPatch) -> None:
    for name, value in client_environment(cloud.endpoint).items():
        patch.setenv(name, value)
    patch.setenv("ACCOUNTS_STAGE", "test")
    patch.setenv("ACCOUNTS_BCRYPT_COST", "4")
    # All races come from one address, and a fast machine runs many of them in one minute.
    patch.setenv("ACCOUNTS_FAILURES_PER_ADDRESS", "100000")
