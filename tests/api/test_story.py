"""What clients of the boilerplate do, from end to end."""

from tests.api.client import Client, a_registration
from tests.fakes import FakeClock
from tests.samples import PASSWORD, claims_of

LOGIN = {"email": "user-1@example.com", "password": PASSWORD}


def test_a_user_registers_logs_in_looks_and_logs_out(client: Client) -> None:
    registered = client.post("/user", a_registration())
    assert registered.status == 201
    assert registered.json() == {
        "status": "success",
        "message": "Successfully registered.",
        "Authorization": registered.json()["Authorization"],
        "token_type": "Bearer",
        "expires_in": 900,
        "refresh_token": registered.json()["refresh_token"],
        "session_id": claims_of(registered.json()["Authorization"])["sid"],
        "email_verified": False,
    }

    duplicate = client.post("/user", a_registration())
    assert duplicate.status == 409
    assert duplicate.json() == {
        "status": "fail",
        "code": "email_taken",
        "message": "User already exists. Please Log in.",
    }

    wrong = client.post("/auth/login", {**LOGIN, "password": "wrong"})
    assert wrong.status == 401
    assert wrong.json()["message"] == "email or password does not match."

    logged_in = client.post("/auth/login", LOGIN)
    assert logged_in.status == 200
    assert logged_in.json()["message"] == "Successfully logged in."
    token = logged_in.json()["Authorization"]

    me = client.get("/user/me", token=token)
    assert me.status == 200
    assert me.json()["public_id"] == claims_of(token)["sub"]

    forbidden = client.get("/user", token=token)
    assert forbidden.status == 403
    assert forbidden.json()["code"] == "not_allowed"

    logged_out = client.post("/auth/logout", token=token)
    assert logged_out.status == 200
    assert logged_out.json() == {"status": "success", "message": "Successfully logged out."}

    again = client.post("/auth/logout", token=token)
    assert again.status == 401
    assert again.json()["message"] == "Token blacklisted. Please log in again."
    assert client.get("/user/me", token=token).status == 401

    # The token of the registration is another one, and lives.
    assert client.get("/user/me", token=registered.json()["Authorization"]).status == 200


def test_an_admin_lists_the_users_under_data(client: Client) -> None:
    client.register(1)
    admin = client.register_admin(2)
    answer = client.get("/user", token=admin)
    assert answer.status == 200
    assert answer.json().keys() == {"data"}
    assert {user["username"] for user in answer.json()["data"]} == {"User 1", "User 2"}


def test_a_user_is_found_by_public_id_and_nobody_is_not(client: Client) -> None:
    token = client.register(1)
    other = claims_of(client.register(2))["sub"]
    assert client.get(f"/user/{other}", token=token).json()["username"] == "User 2"
    nobody = client.get("/user/00000000-0000-4000-8000-000000000000", token=token)
    assert nobody.status == 404
    assert nobody.json() == {
        "status": "fail",
        "code": "user_not_found",
        "message": "User not found.",
    }


def test_logging_out_says_what_is_wrong_with_a_token(client: Client, clock: FakeClock) -> None:
    def message(**how: object) -> str:
        answer = client.post("/auth/logout", **how)
        assert answer.status == 401
        return str(answer.json()["message"])

    token = client.register()
    assert message() == "Provide a valid auth token."
    assert message(headers={"Authorization": "Bearer "}) == "Provide a valid auth token."
    assert message(token="nonsense") == "Invalid token. Please log in again."
    assert message(token=token[:-4]) == "Invalid token. Please log in again."
    clock.step(seconds=905)
    assert message(token=token) == "Signature expired. Please log in again."


def test_a_token_is_sent_with_or_without_its_scheme(client: Client) -> None:
    token = client.register()
    for form in ("{}", "Bearer {}", "bearer {}", "BEARER  {}"):
        header = {"Authorization": form.format(token)}
        assert client.get("/user/me", headers=header).status == 200
    assert client.post("/auth/logout", headers={"authorization": token}).status == 200


def test_a_username_logs_in_as_well(client: Client) -> None:
    client.register()
    answer = client.post("/auth/login", {"username": "uSER 1", "password": PASSWORD})
    assert answer.status == 200


def test_names_are_compared_without_case_and_form_and_shown_as_given(client: Client) -> None:
    token = client.register(1, email="Zoë@Example.com", username="Zoë")
    for taken in ({"email": "ZOE\u0308@example.COM"}, {"username": "zoe\u0308"}):
        assert client.post("/user", a_registration(2, **taken)).status == 409
    answer = client.get("/user/me", token=token).json()
    assert (answer["email"], answer["username"]) == ("Zoë@Example.com", "Zoë")


def test_a_password_is_the_same_on_another_keyboard(client: Client) -> None:
    client.register(password="\xe5ngström-ångström")
    decomposed = {**LOGIN, "password": "a\u030angstro\u0308m-a\u030angstro\u0308m"}
    assert client.post("/auth/login", decomposed).status == 200
