"""`GET /user/{public_id}/export`: all that is stored of a user, and nothing that opens a door."""

import json
from collections.abc import Mapping
from datetime import timedelta

import pytest
from pynamodb.models import Model

from chalicelib.domain.times import epoch_seconds
from chalicelib.store import items
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
from tests.api.client import Client
from tests.aws import ATTEMPTS, SESSIONS, Cloud
from tests.fakes import START, FakeClock
from tests.samples import claims_of

KEY, CHECKED, OURS = "a key", "serves to check what the user has", "orders rows or ends sessions"
NOT_FOUND = "nothing leads from a user to it, and it lapses within days"
WHERE: Mapping[type[Model], Mapping[str, str]] = {
    UserItem: {
        "pk": KEY,
        "public_id": "user.public_id",
        "email": "user.email",
        "username": "user.username",
        "password_hash": CHECKED,
        "registered_on": "user.registered_on",
        "token_version": OURS,
        "admin": "user.admin",
        "disabled": "user.disabled",
        "email_verified": "user.email_verified",
        "pending_email": "pending_email",
        "former_emails": "former_emails",
        "metadata": "user.metadata",
        "password_change_required": "user.password_change_required",
        "listed_in": OURS,
        "listed_at": OURS,
    },
    MarkerItem: {"pk": KEY, "public_id": "user.public_id", "expires_at": NOT_FOUND},
    MailedTokenItem: dict.fromkeys(
        ("pk", "owner", "purpose", "expires_at", "address", "password_mark"), NOT_FOUND
    ),
    MessageItem: dict.fromkeys(
        (
            "message_id",
            "errand",
            "created_at",
            "expires_at",
            "public_id",
            "email_key",
            "address",
            "language",
        ),
        NOT_FOUND,
    ),
    RevokedTokenItem: dict.fromkeys(("token_id", "expires_at"), "of a session that is gone"),
    AttemptItem: dict.fromkeys(
        ("attempt_id", "expires_at", "attempts", "token_version"), "an HMAC: nobody can read it"
    ),
    SessionItem: {
        "public_id": "user.public_id",
        "slot": "sessions.session_id",
        "session_id": "sessions.session_id",
        "token_version": "sessions.ended",
        "created_at": "sessions.created_at",
        "last_used_at": "sessions.last_used_at",
        "expires_at": "sessions.expires_at",
        "ip": "sessions.ip",
        "user_agent": "sessions.user_agent",
        "family_hash": CHECKED,
        "token_hash": CHECKED,
        "spent": CHECKED,
    },
    EventItem: {
        "public_id": "user.public_id",
        "place": "activity.at",
        "act": "activity.event",
        "expires_at": "when it goes, which docs/settings.md says",
        "ip": "activity.ip",
        "user_agent": "activity.user_agent",
        "actor": "activity.by",
        "session_id": "activity.session_id",
        "changed": "activity.changed",
    },
}
"""Where each attribute of a row is in an export, or why it is not."""


@pytest.fixture
def token(client: Client) -> str:
    return client.register(1)


def test_it_is_decided_of_every_attribute_whether_it_is_exported() -> None:
    models = {
        model
        for model in vars(items).values()
        if isinstance(model, type) and issubclass(model, Model) and model is not Model
    }
    assert models == set(WHERE)
    for model, attributes in WHERE.items():
        assert set(model.get_attributes()) == set(attributes), model


def test_what_is_to_be_exported_is_there(client: Client, token: str, cloud: Cloud) -> None:
    public_id = claims_of(token)["sub"]
    former = json.dumps([["old@example.com", epoch_seconds(START + timedelta(days=3))]])
    cloud.change(public_id, pending_email={"S": "new@example.com"}, former_emails={"S": former})
    client.patch("/user/me", {"username": "Zoë", "metadata": {"a": 1}}, token=token)
    client.patch(f"/user/{public_id}", {"username": "Zoe"}, token=client.register_admin())
    export = client.get("/user/me/export", token=token).json()
    assert export["pending_email"] == "new@example.com"
    assert export["former_emails"] == [
        {"email": "old@example.com", "held_until": "2026-01-05T03:04:05Z"}
    ]
    shown = {f"user.{name}" for name in export["user"]}
    shown |= {f"sessions.{name}" for session in export["sessions"] for name in session}
    shown |= {f"activity.{name}" for event in export["activity"]["data"] for name in event}
    wanted = {
        where
        for attributes in WHERE.values()
        for where in attributes.values()
        if where.startswith(("user.", "sessions.", "activity."))
    }
    assert wanted <= shown


def test_an_export_is_a_file_of_ones_own(client: Client, token: str) -> None:
    public_id = claims_of(token)["sub"]
    for name in ("me", public_id):
        answer = client.get(f"/user/{name}/export", token=token)
        assert answer.status == 200
        assert answer.headers["content-disposition"] == 'attachment; filename="account.json"'
        assert answer.headers["cache-control"] == "no-store"
        export = answer.json()
        assert export["user"] == client.get("/user/me", token=token).json()
        (session,) = export["sessions"]
        assert session["session_id"] == claims_of(token)["sid"]
        assert (session["current"], session["ended"]) == (True, False)
        assert all(export["left_out"])


def test_nothing_that_opens_a_door_is_in_it(client: Client, token: str, cloud: Cloud) -> None:
    client.patch("/user/me", {"metadata": {"a": 1}}, token=token)
    text = client.get("/user/me/export", token=token).text
    (user,) = [row for row in cloud.rows() if "password_hash" in row]
    assert user["password_hash"]["S"] not in text
    (session,) = cloud.rows(SESSIONS)
    for name in ("family_hash", "token_hash"):
        assert session[name]["B"].hex() not in text
    assert not any(row["attempt_id"]["S"] in text for row in cloud.rows(ATTEMPTS))
    for word in ("hash", "token_version", "listed_in", "spent"):
        assert f'"{word}' not in text


def test_sessions_that_ended_are_marked(client: Client, token: str, clock: FakeClock) -> None:
    client.delete("/auth/sessions", token=token)
    clock.step(seconds=1)
    current = client.log_in(1)["Authorization"]
    export = client.get("/user/me/export", token=current).json()
    told = [(session["current"], session["ended"]) for session in export["sessions"]]
    # One login in a hundred takes the very slot of the session that has ended.
    assert told in ([(True, False), (False, True)], [(True, False)])


def test_an_admins_address_is_not_the_users_to_export(client: Client, token: str) -> None:
    admin = client.register_admin()
    public_id = claims_of(token)["sub"]
    client.patch(f"/user/{public_id}", {"username": "Zoë"}, token=admin, source_ip="203.0.113.99")
    text = client.get("/user/me/export", token=token).text
    assert '"by":"admin"' in text
    assert "203.0.113.99" not in text
    assert claims_of(admin)["sub"] not in text


def test_an_admins_own_export_names_no_other_admin(client: Client) -> None:
    first, second = client.register_admin(1), client.register_admin(2)
    client.patch(f"/user/{claims_of(second)['sub']}", {"username": "Zoë"}, token=first)
    text = client.get("/user/me/export", token=second).text
    assert '"by":"admin"' in text
    assert claims_of(first)["sub"] not in text


def test_nobody_exports_another(client: Client, token: str) -> None:
    public_id = claims_of(token)["sub"]
    for reader in (client.register(2), client.register_admin()):
        for whose in (public_id, "00000000-0000-4000-8000-000000000000", "nobody"):
            answer = client.get(f"/user/{whose}/export", token=reader)
            assert (answer.status, answer.json()["code"]) == (403, "not_allowed")
    assert client.get("/user/me/export").status == 401


def test_other_answers_are_no_files(client: Client, token: str) -> None:
    for target in ("/user/me", "/user/me/activity", "/health"):
        assert "content-disposition" not in client.get(target, token=token).headers
