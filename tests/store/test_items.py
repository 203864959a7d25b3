"""The rows: what the code writes and reads is what infra/data.yaml defines."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped] # it has no types
from pynamodb.connection import Connection
from pynamodb.models import Model

from chalicelib.domain.activity import Act
from chalicelib.domain.attempts import Outcome
from chalicelib.domain.changes import Changes
from chalicelib.domain.email_changes import EmailChange, confirmed
from chalicelib.domain.mailed_tokens import MailedTokenRecord, Purpose
from chalicelib.domain.sessions import Lineage, SpentToken
from chalicelib.domain.trails import Trail
from chalicelib.domain.users import Credentials, Removal, User
from chalicelib.store.items import (
    AttemptItem,
    EventItem,
    MailedTokenItem,
    MarkerItem,
    MessageItem,
    RevokedTokenItem,
    SessionItem,
    UserItem,
)
from chalicelib.store.mailed_tokens import DynamoMailedTokenStore
from chalicelib.store.recoveries import DynamoRecoveryStore
from chalicelib.store.sessions import DynamoSessionStore
from chalicelib.store.standings import DynamoStandingStore
from chalicelib.store.transactions import Transactions
from chalicelib.store.users import LISTS, DynamoUserStore
from infra.stacks import DATA_TEMPLATE, TABLES
from tests.aws import ACTIVITY, REVOKED_TOKENS, SESSIONS, USERS, Cloud
from tests.fakes import START, FakeClock, public_id
from tests.mailed import mailed
from tests.samples import ADMISSION, ORIGIN, ROWS, a_count, a_session, a_user, add, an_event, claims


def _cloudformation(text: str) -> Any:
    """Read a template, the tags of CloudFormation taken for plain values."""
    loader = yaml.SafeLoader(text)
    loader.yaml_constructors = {
        **loader.yaml_constructors,
        "!Sub": lambda _, node: node.value,
        "!Ref": lambda _, node: node.value,
        "!GetAtt": lambda _, node: node.value,
    }
    return loader.get_data()


TEMPLATE: dict[str, Any] = _cloudformation(DATA_TEMPLATE.read_text(encoding="utf-8"))
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]
MODELS: dict[str, list[type[Model]]] = {
    "UsersTable": [UserItem, MarkerItem, MailedTokenItem],
    "RevokedTokensTable": [RevokedTokenItem],
    "SessionsTable": [SessionItem],
    "AttemptsTable": [AttemptItem],
    "ActivityTable": [EventItem],
    "OutboxTable": [MessageItem],
}
every_table = pytest.mark.parametrize("resource", RESOURCES)
INDEX: dict[str, Any] = RESOURCES["UsersTable"]["Properties"]["GlobalSecondaryIndexes"][0]


def test_the_template_holds_the_tables_and_nothing_else() -> None:
    assert {resource["Type"] for resource in RESOURCES.values()} == {"AWS::DynamoDB::Table"}
    assert set(RESOURCES) == set(MODELS) == set(TABLES)


@every_table
def test_a_tables_data_outlives_its_stack(resource: str) -> None:
    table = RESOURCES[resource]
    assert table["DeletionPolicy"] == "Retain"
    assert table["UpdateReplacePolicy"] == "Retain"


@every_table
def test_a_table_is_protected_and_encrypted(resource: str) -> None:
    properties = RESOURCES[resource]["Properties"]
    assert properties["DeletionProtectionEnabled"] is True
    # The rows of two tables are of no use a day later.
    recovered = resource not in ("AttemptsTable", "OutboxTable")
    assert properties["PointInTimeRecoverySpecification"] == {
        "PointInTimeRecoveryEnabled": recovered
    }
    assert properties["SSESpecification"] == {"SSEEnabled": True}
    assert properties["BillingMode"] == "PAY_PER_REQUEST"


@every_table
def test_a_tables_name_carries_the_stage(resource: str) -> None:
    name = RESOURCES[resource]["Properties"]["TableName"]
    assert name == f"accounts-${{Stage}}-{TABLES[resource]}"


@every_table
def test_a_tables_key_is_the_models(resource: str) -> None:
    properties = RESOURCES[resource]["Properties"]
    types = {
        attribute["AttributeName"]: attribute["AttributeType"]
        for attribute in properties["AttributeDefinitions"]
    }
    for key in properties["KeySchema"]:
        for model in MODELS[resource]:
            attribute = model.get_attributes()[key["AttributeName"]]
            assert attribute.is_hash_key == (key["KeyType"] == "HASH")
            assert attribute.is_range_key == (key["KeyType"] == "RANGE")
            assert attribute.attr_type == types[attribute.attr_name]


def test_a_stream_names_the_rows_of_the_outbox_and_tells_nothing_of_them() -> None:
    streams = {
        resource: table["Properties"]["StreamSpecification"]
        for resource, table in RESOURCES.items()
        if "StreamSpecification" in table["Properties"]
    }
    assert streams == {"OutboxTable": {"StreamViewType": "KEYS_ONLY"}}


def test_what_lapses_goes_away_by_itself_and_users_do_not() -> None:
    assert "expires_at" not in UserItem.get_attributes()
    for resource, model in (
        ("RevokedTokensTable", RevokedTokenItem),
        ("SessionsTable", SessionItem),
        ("AttemptsTable", AttemptItem),
        ("UsersTable", MailedTokenItem),
        ("UsersTable", MarkerItem),
        ("ActivityTable", EventItem),
        ("OutboxTable", MessageItem),
    ):
        lapse = RESOURCES[resource]["Properties"]["TimeToLiveSpecification"]
        assert lapse == {"AttributeName": "expires_at", "Enabled": True}
        assert model.expires_at.attr_name == "expires_at"
        assert model.expires_at.attr_type == "N"


def test_the_index_is_the_models() -> None:
    assert INDEX["IndexName"] == UserItem.newest_first.Meta.index_name
    assert [(key["AttributeName"], key["KeyType"]) for key in INDEX["KeySchema"]] == [
        ("listed_in", "HASH"),
        ("listed_at", "RANGE"),
    ]


def test_the_index_holds_all_that_a_list_shows_and_no_hash() -> None:
    projected = set(INDEX["Projection"]["NonKeyAttributes"])
    assert INDEX["Projection"]["ProjectionType"] == "INCLUDE"
    assert "password_hash" not in projected
    # The index is older, and is not made anew.
    unlisted = {"password_change_required", "pending_email", "former_emails"}
    shown = User.__dataclass_fields__.keys() - unlisted
    assert shown <= projected
    assert projected <= set(UserItem.get_attributes())


def test_a_listed_user_is_the_user_without_the_hash(cloud: Cloud, connection: Connection) -> None:
    user = a_user(metadata={"a": 1}, email_verified=True, token_version=4)
    add(DynamoUserStore(connection, Transactions(connection), ROWS), user)
    listed = [row for name in LISTS for row in UserItem.newest_first.query(name, page_size=5)]
    (row,) = listed
    assert row.password_hash is None
    assert row.public_id == public_id(1)
    del cloud


def test_markers_are_in_no_list(cloud: Cloud, connection: Connection) -> None:
    add(DynamoUserStore(connection, Transactions(connection), ROWS), a_user())
    rows = {row["pk"]["S"]: row for row in cloud.rows()}
    assert rows.keys() == {
        f"user#{public_id(1)}",
        "email#user-1@example.com",
        "username#user 1",
    }
    for pk, row in rows.items():
        assert ("listed_in" in row) == pk.startswith("user#")
        if not pk.startswith("user#"):
            assert row == {"pk": {"S": pk}, "public_id": {"S": public_id(1)}}


def test_users_are_spread_over_all_lists(cloud: Cloud, connection: Connection) -> None:
    users = DynamoUserStore(connection, Transactions(connection), ROWS)
    for number in range(24):
        add(users, a_user(number))
    lists = [row["listed_in"]["S"] for row in cloud.rows() if "listed_in" in row]
    assert set(lists) == set(LISTS)
    assert max(map(lists.count, LISTS)) < 12


NEWER_ATTRIBUTES = ("token_version", "admin", "disabled", "email_verified", "metadata")


@pytest.mark.parametrize("name", NEWER_ATTRIBUTES)
def test_a_row_older_than_an_attribute_reads_as_it_was_meant(
    cloud: Cloud, connection: Connection, clock: FakeClock, name: str
) -> None:
    users = DynamoUserStore(connection, Transactions(connection), ROWS)
    add(users, a_user())
    cloud.change(public_id(1), **{name: None})
    assert users.get(public_id(1)) == a_user()
    assert users.page(10, None).users == (a_user(),)
    assert users.find_by_email("user-1@example.com") == a_user()
    found = users.login_by_username("user 1", "a-key", ORIGIN).credentials
    assert found is not None
    assert found.password_hash == "a hash"
    standing = DynamoStandingStore(connection, clock).standing(claims())
    assert standing.user == a_user()
    assert users.update(public_id(1), Changes(admin=True)) == a_user(admin=True)


@pytest.mark.parametrize("name", NEWER_ATTRIBUTES)
def test_a_row_older_than_an_attribute_is_changed_like_any_other(
    cloud: Cloud, connection: Connection, name: str
) -> None:
    users = DynamoUserStore(connection, Transactions(connection), ROWS)

    def older(number: int, **facts: Any) -> None:
        add(users, a_user(number, **facts))
        cloud.change(public_id(number), **{name: None})

    older(1)
    users.raise_token_version(public_id(1))
    assert users.get(public_id(1)) == a_user(1, token_version=2)
    older(2)
    assert users.update(public_id(2), Changes(disabled=True)) == a_user(
        2, disabled=True, token_version=2
    )
    older(3)
    before = Credentials(a_user(3), "a hash")
    session = a_session(a_user(3, token_version=2))
    changed = users.change_password(before, "new", session, a_count("an attempt"))
    assert changed is Outcome.DONE
    assert users.get(public_id(3)) == a_user(3, token_version=2)
    older(4)
    assert users.remove(a_user(4)) is Removal.DONE
    if name != "admin":
        older(5, admin=True)
        assert set(users.admins()) == {public_id(5)}
        disabled = users.update(public_id(1), Changes(disabled=True), other_admin=public_id(5))
        assert disabled == a_user(1, disabled=True, token_version=3)


@pytest.mark.parametrize("name", NEWER_ATTRIBUTES)
def test_a_row_older_than_an_attribute_is_changed_by_mail_like_any_other(
    cloud: Cloud, connection: Connection, clock: FakeClock, name: str
) -> None:
    transactions = Transactions(connection)
    users = DynamoUserStore(connection, transactions, ROWS)
    recoveries = DynamoRecoveryStore(connection, transactions, clock)

    def older(number: int, purpose: Purpose) -> MailedTokenRecord:
        add(users, a_user(number))
        cloud.change(public_id(number), **{name: None})
        _, record = mailed(public_id(number), purpose, a_user(number).email)
        DynamoMailedTokenStore().add(record)
        return record

    assert recoveries.verify_email(older(1, Purpose.VERIFY), a_user(1))
    token = older(2, Purpose.RESET)
    assert recoveries.reset_password(token, Credentials(a_user(2), "a hash"), "a new hash")
    token = older(3, Purpose.CONFIRM)
    assert recoveries.request_email(a_user(3), "new@example.com") is EmailChange.DONE
    before = a_user(3, pending_email="new@example.com")
    after = confirmed(before, "new@example.com", START)
    assert recoveries.change_email(token, before, after) is EmailChange.DONE


def test_a_row_newer_than_the_code_keeps_what_the_code_does_not_know(
    cloud: Cloud, connection: Connection
) -> None:
    users = DynamoUserStore(connection, Transactions(connection), ROWS)
    add(users, a_user())
    cloud.change(public_id(1), from_the_future={"S": "precious"})
    users.update(public_id(1), Changes(admin=True))
    users.replace_password_hash(public_id(1), "a hash", "a better hash")
    (row,) = [row for row in cloud.rows() if row["pk"]["S"].startswith("user#")]
    assert row["from_the_future"] == {"S": "precious"}
    assert users.get(public_id(1)) == a_user(admin=True)


def test_a_row_is_kept_as_it_always_was(cloud: Cloud, connection: Connection) -> None:
    # Rows like this one are in tables already: whatever changes here must still read them.
    add(
        DynamoUserStore(connection, Transactions(connection), ROWS),
        a_user(registered_on=datetime(2026, 1, 2, 3, 4, 5, 6, UTC), metadata={"a": "ö"}),
    )
    (row,) = [row for row in cloud.rows() if row["pk"]["S"].startswith("user#")]
    listed_in = row.pop("listed_in")
    assert listed_in["S"] in LISTS
    assert row == {
        "pk": {"S": "user#00000000-0000-4000-8000-000000000001"},
        "public_id": {"S": "00000000-0000-4000-8000-000000000001"},
        "email": {"S": "user-1@example.com"},
        "username": {"S": "User 1"},
        "password_hash": {"S": "a hash"},
        "registered_on": {"S": "2026-01-02T03:04:05.000006+0000"},
        "token_version": {"N": "1"},
        "admin": {"BOOL": False},
        "disabled": {"BOOL": False},
        "email_verified": {"BOOL": False},
        "metadata": {"S": '{"a": "\\u00f6"}'},
        "listed_at": {"S": "2026-01-02T03:04:05.000006Z#00000000-0000-4000-8000-000000000001"},
    }


def test_the_stages_tables_are_the_ones_that_are_used(cloud: Cloud, connection: Connection) -> None:
    add(DynamoUserStore(connection, Transactions(connection), ROWS), a_user(registered_on=START))
    assert len(cloud.rows(USERS)) == 3
    assert len(cloud.rows(SESSIONS)) == 1
    assert cloud.rows(REVOKED_TOKENS) == []


def test_a_sessions_row_is_kept_as_it_always_was(cloud: Cloud, connection: Connection) -> None:
    # Rows like this one are in tables already: whatever changes here must still read them.
    spent = SpentToken(b"\x01", b"\x02", START)
    lineage = Lineage(b"family", b"token", (spent,))
    session = a_session(number=7, lineage=lineage, expires_at=START + timedelta(days=30))
    store = DynamoSessionStore(connection, Transactions(connection), ROWS)
    assert store.open(session, None, 0, ADMISSION) is Outcome.DONE
    assert cloud.rows(SESSIONS) == [
        {
            "public_id": {"S": public_id(1)},
            "slot": {"N": "7"},
            "session_id": {"S": "07000000-0000-4000-8000-000000000007"},
            "token_version": {"N": "1"},
            "created_at": {"S": "2026-01-02T03:04:05.000000+0000"},
            "last_used_at": {"S": "2026-01-02T03:04:05.000000+0000"},
            "expires_at": {"N": "1769915045"},
            "ip": {"S": "192.0.2.1"},
            "user_agent": {"S": "tests"},
            "family_hash": {"B": b"family"},
            "token_hash": {"B": b"token"},
            "spent": {"S": '[["01", "02", "2026-01-02T03:04:05+00:00"]]'},
        }
    ]
    assert store.of_user(public_id(1)) == (session,)


def test_a_mark_that_few_users_have_is_there_only_if_it_is_so(
    cloud: Cloud, connection: Connection
) -> None:
    users = DynamoUserStore(connection, Transactions(connection), ROWS)
    add(users, a_user())
    for required in (True, False):
        users.update(public_id(1), Changes(password_change_required=required))
        (row,) = [row for row in cloud.rows() if row["pk"]["S"].startswith("user#")]
        assert row.get("password_change_required") == ({"BOOL": True} if required else None)


def test_an_events_row_is_kept_as_it_always_was(cloud: Cloud, connection: Connection) -> None:
    # Rows like these are in tables already: whatever changes here must still read them.
    users = DynamoUserStore(connection, Transactions(connection), ROWS)
    add(users, a_user())
    event = an_event(
        1,
        act=Act.USERNAME_CHANGED,
        actor=public_id(2),
        session_id="a-session",
        changed={"from": "Zoe", "to": "Zoë"},
    )
    users.update(public_id(1), Changes(metadata={}), trail=Trail((event,)))
    (row,) = cloud.rows(ACTIVITY)
    assert row == {
        "public_id": {"S": public_id(1)},
        "place": {"S": f"2026-01-02T03:04:06.000000Z#{public_id(1)}"},
        "act": {"S": "username_changed"},
        "expires_at": {"N": "1775099046"},
        "ip": {"S": "192.0.2.1"},
        "user_agent": {"S": "tests"},
        "actor": {"S": public_id(2)},
        "session_id": {"S": "a-session"},
        "changed": {"S": '{"from": "Zoe", "to": "Zo\\u00eb"}'},
    }
