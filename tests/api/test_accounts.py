import re

import pytest

from tests.api.client import Client, a_registration
from tests.aws import Cloud
from tests.fakes import FakeClock
from tests.samples import claims_of, header_of

LISTED = {"email", "email_verified", "admin", "disabled", "metadata"}
PRIVATE = LISTED | {"password_change_required"}
PUBLIC = {"public_id", "username", "registered_on"}


# Registering


def test_register_refuses_an_email_in_use(client: Client, cloud: Cloud) -> None:
    client.register(1)
    answer = client.post("/user", a_registration(2, email="USER-1@example.com"))
    assert answer.status == 409
    assert answer.json()["code"] == "email_taken"
    assert len(cloud.rows()) == 3


def test_register_refuses_a_username_in_use(client: Client, cloud: Cloud) -> None:
    client.register(1)
    answer = client.post("/user", a_registration(2, username="uSER 1"))
    assert answer.status == 409
    assert answer.json()["code"] == "username_taken"
    assert answer.json()["message"] == "User already exists. Please Log in."
    assert len(cloud.rows()) == 3


def test_registering_keeps_no_password(client: Client, cloud: Cloud) -> None:
    client.register(password="s3cret-s3cret")
    assert "s3cret" not in str(cloud.rows())


def test_a_token_set_holds_a_token_of_the_contract(client: Client) -> None:
    token = client.register()
    assert header_of(token)["typ"] == "at+jwt"
    claims = claims_of(token)
    assert claims.keys() == {
        "iss", "aud", "sub", "client_id", "iat", "exp", "jti", "sid", "scope", "ver",
    }  # fmt: skip
    assert claims["exp"] - claims["iat"] == 900
    assert claims["scope"] == "user"


def test_an_admins_next_token_says_so(client: Client) -> None:
    client.register_admin(1)
    login = {"email": "user-1@example.com", "password": a_registration()["password"]}
    token = client.post("/auth/login", login).json()["Authorization"]
    assert claims_of(token)["scope"] == "user admin"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"email": "nonsense"}, "email"),
        ({"email": ""}, "email"),
        ({"email": None}, "email"),
        ({"email": 5}, "email"),
        ({"email": ["a@b.co"]}, "email"),
        ({"email": "a@b.co\n"}, "email"),
        ({"email": "a" * 60_000 + "@b.co"}, "email"),
        ({"username": ""}, "username"),
        ({"username": "a" * 65}, "username"),
        ({"username": "zero\u200bwidth"}, "username"),
        ({"username": True}, "username"),
        ({"username": {"$ne": None}}, "username"),
        ({"password": "s3cret"}, "password"),
        ({"password": "s3cret" * 22}, "password"),
        ({"password": 12345678}, "password"),
        ({"password": None}, "password"),
        ({"password": ["s3cret-s3cret"]}, "password"),
        ({"admin": True}, "admin"),
        ({"public_id": "x"}, "public_id"),
        ({"": 1}, ""),
        ({"Email": "a@b.co"}, "Email"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_registering_names_the_field_at_fault(
    client: Client, cloud: Cloud, changes: dict[str, object], field: str
) -> None:
    answer = client.post("/user", a_registration(1, **changes))
    assert answer.status == 400
    assert answer.json()["code"] == "validation_failed"
    assert answer.json()["errors"].keys() == {field}
    assert cloud.rows() == []


def test_registering_names_all_fields_at_fault(client: Client) -> None:
    answer = client.post("/user", {"email": "x", "password": "x", "admin": True})
    assert answer.json()["errors"].keys() == {"email", "username", "password", "admin"}


def test_many_unknown_fields_are_not_all_repeated(client: Client) -> None:
    fields = {f"field-{number}-{'x' * 200}": 1 for number in range(200)}
    answer = client.post("/user", {**a_registration(), **fields})
    assert answer.status == 400
    assert len(answer.text) < 4_000
    answer = client.post("/user", {**a_registration(), "x" * 60_000: 1})
    assert answer.status == 400
    assert len(answer.text) < 300


@pytest.mark.parametrize("password", ["83105274", "x" * 128, " " * 8, "\0" * 8, "🦊" * 8])
def test_any_password_of_the_right_length_logs_in(client: Client, password: str) -> None:
    client.register(password=password)
    login = {"email": "user-1@example.com", "password": password}
    assert client.post("/auth/login", login).status == 200
    assert client.post("/auth/login", {**login, "password": password[:-1]}).status == 401


# Looking


def test_a_user_sees_all_of_their_own_account(client: Client) -> None:
    token = client.register()
    public_id = claims_of(token)["sub"]
    for name in ("me", public_id):
        assert client.get(f"/user/{name}", token=token).json() == {
            "public_id": public_id,
            "username": "User 1",
            "registered_on": "2026-01-02T03:04:05Z",
            "email": "user-1@example.com",
            "email_verified": False,
            "admin": False,
            "disabled": False,
            "metadata": {},
            "password_change_required": False,
        }


def test_another_user_sees_what_is_public(client: Client) -> None:
    token = client.register(1)
    other = claims_of(client.register(2))["sub"]
    assert client.get(f"/user/{other}", token=token).json().keys() == PUBLIC


def test_an_admin_sees_all_of_any_account(client: Client) -> None:
    admin = client.register_admin()
    other = claims_of(client.register(2))["sub"]
    answer = client.get(f"/user/{other}", token=admin).json()
    assert answer.keys() == PUBLIC | PRIVATE
    assert answer["email"] == "user-2@example.com"


def test_metadata_is_shown_as_it_is_kept(client: Client, cloud: Cloud) -> None:
    token = client.register()
    cloud.change(claims_of(token)["sub"], metadata={"S": '{"a": ["\\u00f6", null, 1.5], "b": {}}'})
    answer = client.get("/user/me", token=token).json()
    assert answer["metadata"] == {"a": ["ö", None, 1.5], "b": {}}


def test_a_moment_is_told_in_utc_and_whole_seconds(client: Client, clock: FakeClock) -> None:
    clock.step(seconds=0.987654)
    at = client.get("/user/me", token=client.register()).json()["registered_on"]
    assert at == "2026-01-02T03:04:05Z"


@pytest.mark.parametrize(
    "name",
    [
        "you",
        "ME",
        "null",
        "00000000-0000-4000-8000-00000000000A",
        "%6De%20",
        "..%2F..",
        "%00",
        "x" * 2_000,
        "user%23me",
        "%F0%9F%A6%8A",
    ],
)
def test_an_identifier_that_is_nobodys_is_not_found(client: Client, name: str) -> None:
    answer = client.get(f"/user/{name}", token=client.register())
    assert answer.status == 404
    assert answer.json()["code"] == "user_not_found"


@pytest.mark.parametrize("target", ["/user/me", "/user", f"/user/{'0' * 8}"])
def test_looking_needs_a_token(client: Client, target: str) -> None:
    for headers, code in (
        ({}, "token_missing"),
        ({"Authorization": ""}, "token_missing"),
        ({"Authorization": "nonsense"}, "token_invalid"),
        ({"Authorization": "Bearer"}, "token_invalid"),
        ({"Authorization": "Basic eDp5"}, "token_invalid"),
    ):
        answer = client.get(target, headers=headers)
        assert answer.status == 401
        assert answer.json()["code"] == code
        assert answer.refused_by_gateway


def test_an_expired_token_looks_at_nothing(client: Client, clock: FakeClock) -> None:
    token = client.register()
    clock.step(seconds=904)
    assert client.get("/user/me", token=token).status == 200
    clock.step(seconds=1)
    assert client.get("/user/me", token=token).status == 401


@pytest.mark.parametrize(
    ("name", "value"), [("disabled", {"BOOL": True}), ("token_version", {"N": "2"})]
)
def test_a_token_ends_at_the_next_request_when_the_store_says_so(
    client: Client, cloud: Cloud, name: str, value: dict[str, object]
) -> None:
    token = client.register()
    assert client.get("/user/me", token=token).status == 200
    cloud.change(claims_of(token)["sub"], **{name: value})
    assert client.get("/user/me", token=token).status == 401
    assert client.post("/auth/logout", token=token).status == 401


def test_a_right_and_its_loss_count_from_the_next_request_on(client: Client, cloud: Cloud) -> None:
    token = client.register()
    assert client.get("/user", token=token).status == 403
    client.make_admin(token)
    assert client.get("/user", token=token).status == 200
    cloud.change(claims_of(token)["sub"], admin={"BOOL": False})
    assert client.get("/user", token=token).status == 403


# Listing


@pytest.fixture
def admin(client: Client) -> str:
    """The token of an admin, who is the only user."""
    return client.register_admin(0)


@pytest.fixture
def seven(client: Client, clock: FakeClock, admin: str) -> str:
    """The token of an admin, after whom users 1 to 6 have registered, one a second."""
    for number in range(1, 7):
        clock.step(seconds=1)
        client.register(number)
    return admin


def _names(answer_json: dict[str, list[dict[str, str]]]) -> list[str]:
    return [user["username"] for user in answer_json["data"]]


def test_users_are_listed_newest_first_with_all_that_an_admin_sees(
    client: Client, seven: str
) -> None:
    answer = client.get("/user", token=seven).json()
    assert _names(answer) == [f"User {number}" for number in (6, 5, 4, 3, 2, 1, 0)]
    assert all(user.keys() == PUBLIC | LISTED for user in answer["data"])
    assert "next_cursor" not in answer


@pytest.mark.parametrize("limit", [1, 3, 6, 7, 8, 100])
def test_pages_follow_each_other_by_cursor(client: Client, seven: str, limit: int) -> None:
    names: list[str] = []
    query = f"?limit={limit}"
    for _ in range(8):
        answer = client.get(f"/user{query}", token=seven).json()
        names += _names(answer)
        if "next_cursor" not in answer:
            break
        assert len(answer["data"]) == limit
        query = f"?limit={limit}&cursor={answer['next_cursor']}"
    assert names == [f"User {number}" for number in (6, 5, 4, 3, 2, 1, 0)]


def test_a_page_has_fifty_unless_told(client: Client, cloud: Cloud, admin: str) -> None:
    (row,) = [row for row in cloud.rows() if "listed_at" in row]
    for number in range(50):
        at = f"2026-01-01T00:00:00.{number:06}Z#{number}"
        lists = f"users-{number % 4}"
        cloud.copy(row, pk={"S": f"user#{number}"}, listed_at={"S": at}, listed_in={"S": lists})
    answer = client.get("/user", token=admin).json()
    assert len(answer["data"]) == 50
    assert "next_cursor" in answer


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("email=USER-3@example.com", ["User 3"]),
        ("username=uSER%203", ["User 3"]),
        ("username=uSER+3", ["User 3"]),
        ("email=user-3@example.com&username=User%203", ["User 3"]),
        ("email=user-3@example.com&username=User%200", []),
        ("email=nobody@example.com", []),
        ("username=nobody", []),
        ("email=", []),
        ("username=", []),
        ("email=nonsense", []),
        ("username=%00", []),
        ("email=user-3@example.com&limit=1&cursor=nonsense", ["User 3"]),
    ],
)
def test_email_and_username_find_one_or_none(
    client: Client, admin: str, query: str, names: list[str]
) -> None:
    client.register(3)
    answer = client.get(f"/user?{query}", token=admin)
    assert answer.status == 200
    assert _names(answer.json()) == names
    assert answer.json().keys() == {"data"}


def test_a_user_called_null_is_found(client: Client, admin: str) -> None:
    client.register(7, username="null")
    for name in ("null", "NULL"):
        assert _names(client.get(f"/user?username={name}", token=admin).json()) == ["null"]


@pytest.mark.parametrize(
    "limit",
    ["0", "101", "-1", "abc", "", "%205", "5%20", "%2B5", "%D9%A5", "5.0", "5e0", "0x5", "5_0",
     "null", "true", "5%0A", "9" * 30, "9" * 5_000, "NaN"],
)  # fmt: skip
def test_a_limit_is_a_number_from_1_to_100(client: Client, admin: str, limit: str) -> None:
    answer = client.get(f"/user?limit={limit}", token=admin)
    assert answer.status == 400
    assert answer.json()["errors"].keys() == {"limit"}


@pytest.mark.parametrize("name", ["limit", "cursor", "email", "username"])
def test_a_parameter_given_twice_is_refused(client: Client, admin: str, name: str) -> None:
    answer = client.get(f"/user?{name}=5&{name}=5", token=admin)
    assert answer.status == 400
    assert answer.json()["errors"] == {name: "Give it once."}


def test_unknown_parameters_are_ignored(client: Client, admin: str) -> None:
    answer = client.get("/user?sort=name&Limit=0&x=1&x=2&%00=%00&=", token=admin)
    assert len(answer.json()["data"]) == 1
    assert client.get("/health?limit=0").status == 200


def test_a_cursor_that_is_not_of_this_list_is_refused(client: Client, admin: str) -> None:
    client.register(1)
    cursor = client.get("/user?limit=1", token=admin).json()["next_cursor"]
    assert re.fullmatch(r"[\w-]+", cursor)
    for other in ("", "x", cursor[:-1], cursor[1:], cursor + "A", cursor.swapcase(), "%00", "%FF"):
        answer = client.get(f"/user?cursor={other}", token=admin)
        assert answer.status == 400
        assert answer.json()["errors"] == {"cursor": "Not a cursor of this list."}


def test_a_cursor_does_not_tell_who_is_where(client: Client, admin: str) -> None:
    token = client.register(8)
    cursor = client.get("/user?limit=1", token=admin).json()["next_cursor"]
    assert client.get(f"/user?cursor={cursor}", token=token).status == 403


@pytest.mark.parametrize("found_by", ["", "&email=user-1@example.com", "&username=nobody"])
def test_an_empty_cursor_is_refused_whatever_is_looked_for(client: Client, found_by: str) -> None:
    admin = client.register_admin()
    answer = client.get(f"/user?cursor={found_by}", token=admin)
    assert answer.status == 400
    assert answer.json()["errors"] == {"cursor": "Not a cursor of this list."}
