"""Sessions over HTTP: what each route answers, and what a token is worth afterwards."""

import logging
from dataclasses import replace

import pytest

from chalicelib.container import Container, use
from chalicelib.domain.sessions import RefreshToken
from chalicelib.keys.parameters import new_signing_key
from chalicelib.settings import Settings
from tests.api.client import Client, a_registration
from tests.api.gateway import Answer
from tests.aws import SESSIONS, Cloud
from tests.fakes import FakeClock, public_id
from tests.samples import PASSWORD, claims_of, header_of

NEW_PASSWORD = "another horse altogether"
DAY = 24 * 60


def works(client: Client, token: str) -> bool:
    answer = client.get("/user/me", token=token)
    assert answer.status in (200, 401)
    return answer.status == 200


def refresh(client: Client, refresh_token: str) -> Answer:
    return client.post("/auth/refresh", {"refresh_token": refresh_token})


def is_refused(answer: Answer) -> bool:
    assert answer.status == 401
    assert answer.json() == {
        "status": "fail",
        "code": "refresh_token_invalid",
        "message": "This session has ended. Please log in again.",
    }
    return True


# Refreshing


def test_a_refresh_answers_a_token_set_of_the_same_session(client: Client) -> None:
    first = client.log_in()
    answer = refresh(client, first["refresh_token"])
    assert answer.status == 200
    second = answer.json()
    assert second.keys() == first.keys()
    assert second["message"] == "Successfully refreshed."
    assert (second["token_type"], second["expires_in"]) == ("Bearer", 900)
    assert second["session_id"] == first["session_id"]
    assert second["refresh_token"] != first["refresh_token"]
    assert claims_of(second["Authorization"])["sid"] == first["session_id"]
    assert works(client, first["Authorization"]), "older access tokens live until they expire"
    assert works(client, second["Authorization"])


def test_a_refresh_token_may_be_repeated_for_ten_seconds_and_then_ends_the_session(
    client: Client, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    first = client.log_in()
    second = refresh(client, first["refresh_token"]).json()
    clock.step(seconds=9.9)
    assert (
        refresh(client, first["refresh_token"]).json()["refresh_token"] == second["refresh_token"]
    )
    clock.step(seconds=0.1)
    caplog.set_level(logging.WARNING)
    assert is_refused(refresh(client, first["refresh_token"]))
    assert "refresh_token_reused" in caplog.text
    assert is_refused(refresh(client, second["refresh_token"]))
    assert not works(client, first["Authorization"])
    assert not works(client, second["Authorization"])


def test_whatever_is_wrong_with_a_refresh_token_the_answer_is_the_same(
    client: Client, cloud: Cloud, clock: FakeClock
) -> None:
    token_set = client.log_in()
    text = token_set["refresh_token"]
    parsed = RefreshToken.parse(text)
    assert parsed
    ended = client.log_in()
    client.post("/auth/logout", token=ended["Authorization"])
    for bad in (
        "",
        "nonsense",
        text[:-1],
        text + "x",
        text.upper(),
        token_set["Authorization"],
        token_set["session_id"],
        replace(parsed, family=bytes(16)).text,
        replace(parsed, public_id=public_id(9)).text,
        replace(parsed, session_id=public_id(9)).text,
        ended["refresh_token"],
    ):
        assert is_refused(refresh(client, bad))
    assert refresh(client, text).status == 200, "and none of them has ended anything"
    gone, disabled = client.log_in(2), client.log_in(3)
    cloud.dynamodb.delete_item(
        TableName="accounts-test-users",
        Key={"pk": {"S": f"user#{claims_of(gone['Authorization'])['sub']}"}},
    )
    cloud.change(claims_of(disabled["Authorization"])["sub"], disabled={"BOOL": True})
    assert is_refused(refresh(client, gone["refresh_token"]))
    assert is_refused(refresh(client, disabled["refresh_token"]))
    lapsed = client.log_in(4)
    clock.step(minutes=30 * DAY)
    assert is_refused(refresh(client, lapsed["refresh_token"]))


@pytest.mark.parametrize(
    "body", [{}, {"refresh_token": None}, {"refresh_token": 5}, {"refresh_token": ["x"]}], ids=str
)
def test_a_refresh_without_a_token_is_no_refresh(client: Client, body: dict[str, object]) -> None:
    answer = client.post("/auth/refresh", body)
    assert answer.status == 400
    assert answer.json()["errors"].keys() == {"refresh_token"}


def test_no_refresh_token_is_kept_or_logged(
    client: Client, cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="chalicelib")
    first = client.log_in()
    second = refresh(client, first["refresh_token"]).json()
    kept = str(cloud.rows(SESSIONS))
    for token_set in (first, second):
        token = RefreshToken.parse(token_set["refresh_token"])
        assert token
        for part in (token.family, token.secret):
            assert str(part)[2:-1] not in kept
            assert part.hex() not in kept
        assert token_set["refresh_token"] not in caplog.text + str(vars(caplog.records[-1]))


def test_a_right_that_was_given_or_lost_counts_from_the_next_request_with_the_old_token(
    client: Client,
) -> None:
    admin = client.register_admin(1)
    token = client.register(2)
    whose = claims_of(token)["sub"]
    assert client.get("/user", token=token).status == 403
    client.patch(f"/user/{whose}", {"admin": True}, token=admin)
    assert client.get("/user", token=token).status == 200
    client.patch(f"/user/{whose}", {"admin": False}, token=admin)
    assert client.get("/user", token=token).status == 403


# Listing and ending


def test_sessions_are_listed_newest_first_with_what_is_known_of_them(
    client: Client, clock: FakeClock
) -> None:
    first = client.post("/user", a_registration()).json()
    clock.step(minutes=5)
    login = {"email": "user-1@example.com", "password": PASSWORD}
    second = client.post("/auth/login", login).json()
    clock.step(minutes=5)
    first = refresh(client, first["refresh_token"]).json()
    listed = client.get("/auth/sessions", token=first["Authorization"])
    assert listed.status == 200
    assert listed.json() == {
        "data": [
            {
                "session_id": second["session_id"],
                "created_at": "2026-01-02T03:09:05Z",
                "last_used_at": "2026-01-02T03:09:05Z",
                "expires_at": "2026-02-01T03:09:05Z",
                "ip": "192.0.2.1",
                "user_agent": "tests",
                "current": False,
            },
            {
                "session_id": first["session_id"],
                "created_at": "2026-01-02T03:04:05Z",
                "last_used_at": "2026-01-02T03:14:05Z",
                "expires_at": "2026-02-01T03:14:05Z",
                "ip": "192.0.2.1",
                "user_agent": "tests",
                "current": True,
            },
        ]
    }


def test_one_of_ones_sessions_is_ended_from_another(client: Client) -> None:
    phone, laptop = client.log_in(), client.log_in()
    target = f"/auth/sessions/{phone['session_id']}"
    answer = client.delete(target, token=laptop["Authorization"])
    assert answer.status == 200
    assert answer.json() == {"status": "success", "message": "The session has ended."}
    assert not works(client, phone["Authorization"])
    assert is_refused(refresh(client, phone["refresh_token"]))
    assert works(client, laptop["Authorization"])
    again = client.delete(target, token=laptop["Authorization"])
    assert again.status == 404
    assert again.json()["code"] == "session_not_found"


def test_ones_present_session_can_be_ended_like_any_other(client: Client) -> None:
    token_set = client.log_in()
    target = f"/auth/sessions/{token_set['session_id']}"
    assert client.delete(target, token=token_set["Authorization"]).status == 200
    assert not works(client, token_set["Authorization"])


@pytest.mark.parametrize("session_id", ["nonsense", "me", "%00", public_id(9), "a%2Fb", "x" * 999])
def test_a_session_that_is_not_the_callers_is_not_found(client: Client, session_id: str) -> None:
    token = client.register()
    assert client.delete(f"/auth/sessions/{session_id}", token=token).status == 404


def test_nobody_ends_the_session_of_somebody_else(client: Client) -> None:
    theirs = client.log_in(2)
    for other in (client.register(1), client.register_admin(3)):
        answer = client.delete(f"/auth/sessions/{theirs['session_id']}", token=other)
        assert answer.status == 404
    assert works(client, theirs["Authorization"])


def test_all_of_ones_sessions_end_at_once(client: Client) -> None:
    opened = [client.log_in() for _ in range(3)]
    others = client.log_in(2)
    answer = client.delete("/auth/sessions", token=opened[0]["Authorization"])
    assert answer.status == 200
    for token_set in opened:
        assert not works(client, token_set["Authorization"])
        assert is_refused(refresh(client, token_set["refresh_token"]))
    assert works(client, others["Authorization"])
    again = client.log_in()
    assert works(client, again["Authorization"])
    listed = client.get("/auth/sessions", token=again["Authorization"]).json()["data"]
    assert [session["session_id"] for session in listed] == [again["session_id"]]


def test_an_admin_ends_all_sessions_of_anybody_and_nobody_else_does(client: Client) -> None:
    token_set = client.log_in(2)
    target = f"/user/{claims_of(token_set['Authorization'])['sub']}/sessions"
    assert client.delete(target, token=token_set["Authorization"]).status == 403
    assert client.delete("/user/me/sessions", token=token_set["Authorization"]).status == 403
    assert works(client, token_set["Authorization"])
    admin = client.register_admin()
    assert client.delete(target, token=admin).status == 200
    assert not works(client, token_set["Authorization"])
    assert is_refused(refresh(client, token_set["refresh_token"]))
    for nobody in (public_id(9), "nobody"):
        answer = client.delete(f"/user/{nobody}/sessions", token=admin)
        assert (answer.status, answer.json()["code"]) == (404, "user_not_found")


def test_logging_out_ends_the_session_and_every_token_of_it(client: Client) -> None:
    first = client.log_in()
    second = refresh(client, first["refresh_token"]).json()
    assert client.post("/auth/logout", token=first["Authorization"]).status == 200
    for token_set in (first, second):
        assert not works(client, token_set["Authorization"])
        answer = client.post("/auth/logout", token=token_set["Authorization"])
        assert answer.json()["message"] == "Token blacklisted. Please log in again."
        assert is_refused(refresh(client, token_set["refresh_token"]))


def test_one_login_too_many_ends_the_oldest_session(
    client: Client, stage: Settings, clock: FakeClock
) -> None:
    use(Container(replace(stage, sessions_per_user=3), clock))
    opened = []
    for _ in range(8):
        clock.step(seconds=1)
        opened.append(client.log_in())
    alive = [works(client, token_set["Authorization"]) for token_set in opened]
    assert alive == [False] * 5 + [True] * 3
    for token_set in opened[:5]:
        assert is_refused(refresh(client, token_set["refresh_token"]))


def test_an_access_token_does_not_outlive_its_session(
    client: Client, stage: Settings, clock: FakeClock
) -> None:
    use(Container(replace(stage, session_absolute_seconds=100), clock))
    token_set = client.log_in()
    assert token_set["expires_in"] == 100
    clock.step(seconds=60)
    later = refresh(client, token_set["refresh_token"]).json()
    assert later["expires_in"] == 40
    clock.step(seconds=45)
    assert not works(client, later["Authorization"])
    assert is_refused(refresh(client, later["refresh_token"]))


# Passwords and accounts


def change_password(client: Client, token: str, current: str) -> Answer:
    passwords = {"current_password": current, "new_password": NEW_PASSWORD}
    return client.post("/auth/password/change", passwords, token=token)


def test_a_new_password_ends_every_session_but_a_new_one(client: Client) -> None:
    other, own = client.log_in(), client.log_in()
    answer = change_password(client, own["Authorization"], PASSWORD)
    assert answer.status == 200
    changed = answer.json()
    assert changed.keys() == own.keys()
    for token_set in (other, own):
        assert not works(client, token_set["Authorization"])
        assert is_refused(refresh(client, token_set["refresh_token"]))
    assert works(client, changed["Authorization"])
    assert refresh(client, changed["refresh_token"]).status == 200
    login = {"email": "user-1@example.com"}
    assert client.post("/auth/login", {**login, "password": PASSWORD}).status == 401
    assert client.post("/auth/login", {**login, "password": NEW_PASSWORD}).status == 200


def test_a_wrong_current_password_is_no_logout(client: Client) -> None:
    token_set = client.log_in()
    answer = change_password(client, token_set["Authorization"], "s3cret")
    assert (answer.status, answer.json()["code"]) == (403, "wrong_password")
    assert works(client, token_set["Authorization"])
    assert refresh(client, token_set["refresh_token"]).status == 200


@pytest.mark.parametrize("new", ["", "short", "x" * 129, None, 5])
def test_a_new_password_is_checked_like_a_first_one(client: Client, new: object) -> None:
    body = {"current_password": PASSWORD, "new_password": new}
    answer = client.post("/auth/password/change", body, token=client.register())
    assert answer.status == 400
    assert answer.json()["errors"].keys() == {"new_password"}


def test_disabling_ends_every_session_and_enabling_revives_none(client: Client) -> None:
    admin = client.register_admin(1)
    token_set = client.log_in(2)
    target = f"/user/{claims_of(token_set['Authorization'])['sub']}"
    answer = client.patch(target, {"disabled": True}, token=admin)
    assert answer.status == 200
    assert answer.json()["disabled"] is True
    assert not works(client, token_set["Authorization"])
    assert is_refused(refresh(client, token_set["refresh_token"]))
    login = {"email": "user-2@example.com", "password": PASSWORD}
    assert client.post("/auth/login", login).status == 401
    assert client.patch(target, {"disabled": False}, token=admin).json()["disabled"] is False
    assert not works(client, token_set["Authorization"])
    assert is_refused(refresh(client, token_set["refresh_token"]))
    assert client.post("/auth/login", login).status == 200


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"body"}),
        ({"admin": "yes"}, {"admin"}),
        ({"disabled": None}, {"disabled"}),
        ({"public_id": "x"}, {"public_id"}),
        ({"password": "x"}, {"password"}),
        ({"admin": True, "token_version": 0}, {"token_version"}),
    ],
    ids=str,
)
def test_nothing_else_of_a_user_is_changed(
    client: Client, body: dict[str, object], fields: set[str]
) -> None:
    admin = client.register_admin()
    answer = client.patch("/user/me", body, token=admin)
    assert answer.status == 400
    assert answer.json()["errors"].keys() == fields


def test_nobody_gives_themselves_a_right(client: Client) -> None:
    token = client.register()
    for target in ("/user/me", f"/user/{claims_of(token)['sub']}"):
        for rights in ({"admin": True}, {"disabled": False}):
            assert client.patch(target, rights, token=token).status == 403
    assert client.get("/user/me", token=token).json()["admin"] is False


def test_the_last_admin_can_be_neither_demoted_nor_disabled_nor_deleted(client: Client) -> None:
    admin = client.register_admin(1)
    other = client.register(2)
    target = f"/user/{claims_of(admin)['sub']}"
    for answer in (
        client.patch(target, {"admin": False}, token=admin),
        client.patch("/user/me", {"disabled": True}, token=admin),
        client.delete("/user/me", {"current_password": PASSWORD}, token=admin),
    ):
        assert (answer.status, answer.json()["code"]) == (409, "last_admin")
    assert client.get("/user", token=admin).status == 200
    client.patch(f"/user/{claims_of(other)['sub']}", {"admin": True}, token=admin)
    assert client.patch("/user/me", {"admin": False}, token=admin).status == 200
    assert client.get("/user", token=admin).status == 403
    assert client.patch("/user/me", {"admin": False}, token=other).status == 409


def test_a_closed_account_is_gone_with_its_tokens_and_frees_its_names(
    client: Client, cloud: Cloud
) -> None:
    token_set = client.log_in()
    answer = client.delete(
        "/user/me", {"current_password": PASSWORD}, token=token_set["Authorization"]
    )
    assert answer.status == 200
    assert answer.json() == {"status": "success", "message": "Successfully deleted."}
    assert not works(client, token_set["Authorization"])
    assert is_refused(refresh(client, token_set["refresh_token"]))
    assert cloud.rows() == cloud.rows(SESSIONS) == []
    assert client.post("/user", a_registration()).status == 201


def test_ones_own_account_is_not_closed_without_its_password(client: Client) -> None:
    token = client.register()
    for body, status, code in (
        (None, 400, "validation_failed"),
        ({}, 400, "validation_failed"),
        ({"current_password": None}, 400, "validation_failed"),
        ({"current_password": "s3cret"}, 403, "wrong_password"),
    ):
        answer = client.delete("/user/me", body, token=token)
        assert (answer.status, answer.json()["code"]) == (status, code)
    assert works(client, token)


def test_an_admin_closes_anybodys_account_and_nobody_else_does(client: Client) -> None:
    token = client.register(2)
    target = f"/user/{claims_of(token)['sub']}"
    assert client.delete(target, token=client.register(3)).status == 403
    admin = client.register_admin(1)
    assert client.delete(target, token=admin).status == 200
    assert not works(client, token)
    assert client.delete(target, token=admin).status == 404


# Keys


def test_a_token_of_a_revoked_key_is_dead_and_its_session_is_not(
    client: Client, cloud: Cloud, stage: Settings, clock: FakeClock
) -> None:
    use(Container(stage, clock))  # whose keys are read anew, and nobody else's
    token_set = client.log_in()
    revoked = header_of(token_set["Authorization"])["kid"]
    cloud.revoke_key("another")
    assert works(client, token_set["Authorization"])
    for parameter in new_signing_key(clock()):
        cloud.put(parameter)
    cloud.revoke_key(revoked)
    withdrawn = cloud.ssm.get_parameter(Name=f"/accounts/test/public-keys/{revoked}")["Parameter"]
    cloud.withdraw(revoked)
    try:
        assert not works(client, token_set["Authorization"])
        answers = [
            refresh(client, token_set["refresh_token"]),
            client.post("/user", a_registration(2)),
            client.post("/auth/login", {"email": "user-1@example.com", "password": PASSWORD}),
        ]
        for answer in answers:
            token = answer.json()["Authorization"]
            assert header_of(token)["kid"] != revoked
            assert works(client, token)
    finally:
        (other,) = client.get("/.well-known/jwks.json").json()["keys"]
        cloud.withdraw(other["kid"])
        cloud.ssm.put_parameter(
            Name=withdrawn["Name"], Value=withdrawn["Value"], Type="String", Overwrite=True
        )
