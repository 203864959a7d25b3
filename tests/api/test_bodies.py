"""What a body may be: chalicelib.api.inputs, through the front door."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.client import Client, a_registration
from tests.aws import Cloud

JSON = {"Content-Type": "application/json"}
BOTH = pytest.mark.parametrize("target", ["/user", "/auth/login"])
GOOD = json.dumps(a_registration())


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/json;charset=UTF-8",
        "APPLICATION/JSON ; boundary=x",
        " application/json",
    ],
)
def test_json_may_be_called_so_in_any_case_and_with_parameters(
    client: Client, content_type: str
) -> None:
    answer = client.post("/user", body=GOOD, headers={"content-TYPE": content_type})
    assert answer.status == 201


@BOTH
@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "application/problem+json",
        "text/json",
        "json",
        "application/json, text/plain",
        "*/*",
        ";application/json",
    ],
)
def test_a_body_that_does_not_say_it_is_json_is_refused(
    client: Client, cloud: Cloud, target: str, content_type: str | None
) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    answer = client.post(target, body=GOOD, headers=headers)
    assert answer.status == 415
    assert answer.json()["code"] == "unsupported_media_type"
    assert cloud.rows() == []


def test_a_body_of_a_binary_type_is_refused_for_its_type(client: Client) -> None:
    headers = {"Content-Type": "application/octet-stream"}
    assert client.post("/user", body=GOOD, headers=headers, base64_body=True).status == 415


@BOTH
@pytest.mark.parametrize(
    "body",
    [
        None,
        b"",
        b" ",
        b"[]",
        b"[{}]",
        b"null",
        b"true",
        b'"text"',
        b"5",
        b"{",
        b"{}}",
        b"{},",
        b"{'a': 1}",
        b"{a: 1}",
        b'{"a": 1,}',
        b"// comment\n{}",
        b'{"email": NaN}',
        b'{"email": Infinity}',
        b'{"email": -Infinity}',
        b'{"email": 1e999}',
        b'{"email": -1e999}',
        b'{"email": ' + b"9" * 5_000 + b"}",
        b'{"email": 01}',
        b'{"email": "a@b.co", "email": "a@b.co"}',
        b'{"x": {"a": 1, "a": 1}}',
        b'{"x": [{"a": 1, "a": 2}]}',
        b'{"email": "\\ud800"}',
        b'{"\\udc00": 1}',
        b'{"x": ["\\ud800"]}',
        b'{"email": "\x01"}',
        b'{"email": "a\nb"}',
        b"\xef\xbb\xbf{}",
        b"[" * 60_000,
        b'{"a":' * 12_000,
        b'{"x": ' + b"[" * 32 + b"]" * 32 + b"}",
        b'{"x": ' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"a":1}\x00',
        b"email=a@b.co&password=s3cret",
    ],
    ids=lambda body: repr(body)[:40],
)
def test_a_body_that_is_not_a_json_object_is_refused(
    client: Client, cloud: Cloud, target: str, body: bytes | None
) -> None:
    answer = client.post(target, body=body, headers=JSON)
    assert answer.status == 400
    assert answer.json()["errors"].keys() == {"body"}
    assert cloud.rows() == []


@BOTH
@pytest.mark.parametrize(
    "body",
    [
        b"\xff\xfe",
        b'{"email": "\xff"}',
        b"\x80",
        b'{"email": "\xed\xa0\x80"}',
        GOOD.encode("utf-16"),
    ],
)
def test_a_body_that_is_not_utf_8_is_refused(client: Client, target: str, body: bytes) -> None:
    assert client.post(target, body=body, headers=JSON, base64_body=True).status == 400
    assert client.post(target, body=body, headers=JSON).status == 400


def test_a_body_may_come_in_base64(client: Client) -> None:
    assert client.post("/user", body=GOOD, headers=JSON, base64_body=True).status == 201


def test_a_body_of_one_hundred_thousand_brackets_is_too_large(client: Client) -> None:
    assert client.post("/user", body=b"[" * 100_000, headers=JSON).status == 413


@BOTH
def test_a_body_has_at_most_64_kib(client: Client, target: str) -> None:
    limit = 64 * 1_024
    body = GOOD.encode().ljust(limit)
    assert client.post("/user", body=body, headers=JSON).status == 201
    answer = client.post(target, body=body + b" ", headers=JSON)
    assert answer.status == 413
    assert answer.json()["code"] == "body_too_large"
    # Octets count, not characters, and the size is looked at before the type.
    assert client.post(target, body="é" * 32_769, headers={}).status == 413
    huge = b"x" * (limit + 1)
    assert client.post(target, body=huge, headers=JSON, base64_body=True).status == 413


def test_a_body_may_be_32_levels_deep(client: Client) -> None:
    deepest = b'{"deep": ' + b"[" * 31 + b"]" * 31 + b"}"
    answer = client.post("/auth/login", body=deepest, headers=JSON)
    assert answer.json()["errors"].keys() == {"deep", "password"}


def test_a_body_may_be_spaced_and_escaped_as_json_allows(client: Client) -> None:
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in "email")
    body = GOOD.replace('"email"', f'\r\n\t "{escaped}"\n')
    assert client.post("/user", body=body, headers=JSON).status == 201


def test_a_pair_of_surrogates_is_a_character(client: Client) -> None:
    body = GOOD.replace("User 1", "\\ud83e\\udd8a")
    token = client.post("/user", body=body, headers=JSON).json()["Authorization"]
    assert client.get("/user/me", token=token).json()["username"] == "🦊"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_body_where_none_is_expected_is_bounded_and_ignored(client: Client, method: str) -> None:
    assert client.send(method, "/health", body=b"\xff[", headers=JSON).status == 200
    assert client.send(method, "/health", body=b"x" * 65_537).status == 413


def test_no_value_that_was_sent_is_repeated(client: Client) -> None:
    # The client fixture asserts of every answer that none of these words is in it.
    for data in (
        {"email": "s3cret", "username": "s3cret\u200b", "password": "s3cret"},
        {"email": ["s3cret"], "username": {"a": "s3cret"}, "password": ["s3cret"]},
        {"email": "s3cret@example", "username": "s3cret" * 20, "password": "s3cret" * 40},
    ):
        assert client.post("/user", data).status == 400
    client.post("/auth/login", {"email": "s3cret", "password": "s3cret"})
    client.get("/user/s3cret", token=client.register())
    client.get("/user/me", token="s3cret")


_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True)
    | st.text(max_size=30)
    | st.sampled_from(["a@b.co", "User 1", "correct horse", "\ud800", "\x00", "x" * 300]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
_bodies = (
    st.binary(max_size=80)
    | st.text(max_size=80).map(lambda text: text.encode("utf-8", "replace"))
    | st.dictionaries(
        st.sampled_from(["email", "username", "password", "admin", ""]) | st.text(max_size=5),
        _values,
    ).map(lambda value: json.dumps(value).encode())
)
_headers = st.dictionaries(
    st.sampled_from(["Content-Type", "content-type", "Origin", "Accept", "X-Anything", "Host"]),
    st.sampled_from(
        ["application/json", "Application/Json;x", "*", "https://a.example", "image/png"]
    )
    | st.text(max_size=20),
    max_size=4,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(
    target=st.sampled_from(["/user", "/auth/login", "/auth/logout", "/user/"]),
    body=_bodies,
    headers=_headers,
    base64_body=st.booleans(),
)
def test_nothing_that_a_client_sends_is_a_fault_of_ours(
    client: Client,
    target: str,
    body: bytes,
    headers: dict[str, str],
    base64_body: bool,  # noqa: FBT001 - from hypothesis
) -> None:
    answer = client.post(target, body=body, headers=headers, base64_body=base64_body)
    assert answer.status < 500


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(
    target=st.sampled_from(["/auth/login", "/user"]),
    fields=st.fixed_dictionaries(
        {},
        optional={
            "email": st.sampled_from(["a@b.co", "ä@ö.de"]) | st.emails() | st.text(max_size=40),
            "username": st.text(max_size=70),
            "password": st.text(max_size=140),
        },
    ),
)
def test_no_text_in_a_known_field_is_a_fault_of_ours(
    client: Client, target: str, fields: dict[str, str]
) -> None:
    assert client.post(target, fields).status in (200, 201, 400, 401, 409)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(
    authorization=st.text(max_size=60) | st.binary(max_size=40).map(lambda b: b.decode("latin-1"))
)
def test_no_authorization_header_is_a_fault_of_ours(client: Client, authorization: str) -> None:
    headers = {"Authorization": authorization}
    assert client.get("/user/me", headers=headers).status == 401
    assert client.post("/auth/logout", headers=headers).status == 401
