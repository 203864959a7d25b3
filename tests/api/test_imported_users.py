"""Users who come from another system log in with the password that they had there."""

import pytest

from chalicelib.container import Container
from chalicelib.domain.imports import Outcome
from chalicelib.domain.passwords import NO_PASSWORD
from chalicelib.services.imports import Row
from tests.api.client import Client
from tests.api.gateway import Answer
from tests.aws import SESSIONS, Cloud
from tests.fakes import FakeClock
from tests.samples import FOREIGN_HASHES, FOREIGN_PASSWORD, PASSWORD

EMAIL = "zoe@example.com"
PUBLIC_ID = "11111111-2222-4333-8444-555555555555"


@pytest.fixture
def imports(client: Client, _container: Container) -> Container:
    del client
    return _container


def arrive(stage: Container, **fields: object) -> None:
    row = Row(1, {"email": EMAIL, "public_id": PUBLIC_ID, "email_verified": True, **fields})
    (result,) = stage.imports.run([row])
    assert result.outcome is Outcome.IMPORTED


def log_in(client: Client, password: str = FOREIGN_PASSWORD) -> Answer:
    return client.post("/auth/login", {"email": EMAIL, "password": password})


def stored_hash(stage: Container) -> str:
    (account,) = stage.operator.export(with_hashes=True)
    return account.password_hash


@pytest.mark.parametrize("password_hash", FOREIGN_HASHES.values(), ids=FOREIGN_HASHES.keys())
def test_a_hash_of_another_system_lets_its_owner_in_and_is_replaced(
    client: Client, imports: Container, password_hash: str
) -> None:
    arrive(imports, password_hash=password_hash)
    assert log_in(client, "another password").status == 401
    assert stored_hash(imports) == password_hash
    first = log_in(client)
    assert first.status == 200
    replaced = stored_hash(imports)
    assert replaced.startswith("$bcrypt-sha256$v=2,t=2b,r=4$")
    assert log_in(client).status == 200
    assert stored_hash(imports) == replaced
    me = client.get("/user/me", token=first.json()["Authorization"]).json()
    assert (me["public_id"], me["username"]) == (PUBLIC_ID, "zoe")


def test_what_bcrypt_did_not_read_counts_from_the_first_login_on(
    client: Client, imports: Container
) -> None:
    # Of 72 times x and more, by Passlib.
    arrive(
        imports,
        password_hash="$2b$05$8dHqAs2YVB7OYc0ilXvt5uilP.z96Q3YtI/LYGArr74FYd/F251cm",
    )
    assert log_in(client, "x" * 72 + "and more").status == 200
    assert log_in(client, "x" * 72 + "and less").status == 401
    assert log_in(client, "x" * 72 + "and more").status == 200


def test_an_imported_password_confirms_what_passwords_confirm(
    client: Client, imports: Container, cloud: Cloud
) -> None:
    foreign = FOREIGN_HASHES["argon2id"]
    arrive(imports, password_hash=foreign)
    token = log_in(client).json()["Authorization"]
    # As if the first login had found no way to replace it.
    cloud.change(PUBLIC_ID, password_hash={"S": foreign})
    body = {"current_password": FOREIGN_PASSWORD, "new_password": PASSWORD}
    assert client.post("/auth/password/change", body, token=token).status == 200
    assert log_in(client).status == 401
    assert log_in(client, PASSWORD).status == 200


@pytest.mark.parametrize("spoilt", [NO_PASSWORD, "spoilt", "$2b$31$" + "." * 53])
def test_a_hash_that_nothing_matches_is_a_wrong_password_like_any_other(
    client: Client, imports: Container, cloud: Cloud, spoilt: str
) -> None:
    arrive(imports)
    cloud.change(PUBLIC_ID, password_hash={"S": spoilt})
    for password in (FOREIGN_PASSWORD, "", spoilt):
        known = log_in(client, password)
        unknown = client.post("/auth/login", {"email": "no@example.com", "password": password})
        assert (known.status, known.json()) == (unknown.status, unknown.json())
        assert known.status in (400, 401)


def test_a_disabled_user_arrives_disabled(client: Client, imports: Container) -> None:
    arrive(imports, password_hash=FOREIGN_HASHES["bcrypt 2y"], disabled=True)
    assert log_in(client).status == 401


def test_no_token_of_a_closed_account_works_when_it_is_imported_again(
    client: Client, imports: Container, cloud: Cloud, clock: FakeClock
) -> None:
    arrive(imports, password_hash=FOREIGN_HASHES["bcrypt 2b"])
    for _ in range(2):
        opened = log_in(client).json()
        token = opened["Authorization"]
        sessions = cloud.rows(SESSIONS)
        body = {"current_password": FOREIGN_PASSWORD}
        assert client.delete("/user/me", body, token=token).status == 200
        clock.step(seconds=1)
        arrive(imports, password_hash=FOREIGN_HASHES["bcrypt 2b"])
        for row in sessions:  # as if they could not be removed
            cloud.dynamodb.put_item(TableName=SESSIONS, Item=row)
        assert client.get("/user/me", token=token).status == 401
        refresh = {"refresh_token": opened["refresh_token"]}
        assert client.post("/auth/refresh", refresh).status == 401
        token = log_in(client).json()["Authorization"]
        assert client.get("/user/me", token=token).status == 200


def test_an_imported_email_is_taken(client: Client, imports: Container) -> None:
    arrive(imports)
    body = {"email": EMAIL.upper(), "username": "Somebody", "password": PASSWORD}
    assert client.post("/user", body).json()["code"] == "email_taken"
