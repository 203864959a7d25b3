"""The fake key source and Parameter Store keep one contract."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import botocore.exceptions
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from chalicelib.domain.errors import UnavailableError
from chalicelib.domain.tokens import KeyState, PublicKey
from chalicelib.keys.parameters import (
    Parameter,
    new_signing_key,
    read_public_key,
    thumbprint,
    write_public_key,
)
from chalicelib.keys.source import SsmKeySource
from chalicelib.services.keyring import KeySource
from tests.aws import Cloud, Wire
from tests.fakes import START, FakeKeySource

Put = Callable[[Parameter], None]


@pytest.fixture(scope="module")
def ssm_keys() -> SsmKeySource:
    """One for all tests: its client takes longer to make than a test to run."""
    return SsmKeySource("/accounts/test")


@pytest.fixture(params=["fake", "real"])
def source_and_put(
    request: pytest.FixtureRequest, key_parameters: tuple[Parameter, Parameter]
) -> Iterator[tuple[KeySource, Put]]:
    """A key set that holds the session's key, and how to add to it."""
    if request.param == "fake":
        fake = FakeKeySource()
        for parameter in key_parameters:
            fake.put(parameter)
        yield fake, fake.put
        return
    cloud: Cloud = request.getfixturevalue("cloud")
    added: list[Parameter] = []

    def put(parameter: Parameter) -> None:
        added.append(parameter)
        cloud.put(parameter)

    yield request.getfixturevalue("ssm_keys"), put
    for parameter in added:
        cloud.ssm.delete_parameter(Name=f"/accounts/test/{parameter.name}")


def _public(key_id: str, created_at: datetime) -> Parameter:
    held = {"kty": "RSA", "n": "n", "e": "AQAB", "created_at": created_at.isoformat()}
    return Parameter(f"public-keys/{key_id}", json.dumps(held), secret=False)


def test_a_published_key_is_read_back(
    source_and_put: tuple[KeySource, Put], key_parameters: tuple[Parameter, Parameter]
) -> None:
    source, _ = source_and_put
    private, public = key_parameters
    (key,) = source.public_keys()
    held = json.loads(public.value)
    key_id = public.name.rpartition("/")[2]
    assert key == PublicKey(key_id, START, held["n"], held["e"], KeyState.SIGNING, START)
    signing_key = source.signing_key(key.key_id)
    assert signing_key is not None
    assert signing_key.key_id == key.key_id
    assert signing_key.private_pem == private.value


def test_keys_are_read_newest_first_however_many_there_are(
    source_and_put: tuple[KeySource, Put],
) -> None:
    source, put = source_and_put
    for number in range(13):  # Parameter Store gives ten at a time
        put(_public(f"key-{number:02}", START + timedelta(days=number * 7 % 13 + 1)))
    found = source.public_keys()
    assert len(found) == 14
    assert [key.created_at for key in found] == sorted(
        (key.created_at for key in found), reverse=True
    )


def test_keys_of_the_same_moment_have_one_order(source_and_put: tuple[KeySource, Put]) -> None:
    source, put = source_and_put
    for key_id in ("b", "c", "a"):
        put(_public(key_id, START + timedelta(days=1)))
    assert [key.key_id for key in source.public_keys()][:3] == ["c", "b", "a"]


def test_a_key_without_its_private_half_has_none(source_and_put: tuple[KeySource, Put]) -> None:
    source, put = source_and_put
    put(_public("published-only", START))
    assert source.signing_key("published-only") is None


def test_a_key_from_before_there_were_states_has_none(
    source_and_put: tuple[KeySource, Put],
) -> None:
    source, put = source_and_put
    put(_public("old", START + timedelta(days=1)))
    assert source.public_keys()[0] == PublicKey("old", START + timedelta(days=1), "n", "AQAB")


@pytest.mark.parametrize(
    ("state", "since"), [(None, None), (KeyState.PUBLISHED, None), (KeyState.SIGNING, START)]
)
def test_what_was_done_with_a_key_is_read_as_it_was_written(
    state: KeyState | None, since: datetime | None
) -> None:
    key = PublicKey("key", START, "n", "AQAB", state, since)
    written = write_public_key(key)
    assert read_public_key(written.name, written.value) == key
    assert ("state" in json.loads(written.value)) is (state is not None)


def test_a_stage_without_keys_has_none(cloud: Cloud) -> None:
    assert SsmKeySource("/accounts/another").public_keys() == ()
    del cloud


@pytest.mark.parametrize(
    "value",
    [
        "",
        "{",
        "[]",
        "{}",
        "null",
        '{"n": "n", "e": "AQAB", "created_at": "yesterday"}',
        '{"n": "n", "e": "AQAB", "created_at": "2026-01-02T03:04:05+00:00", "state": "asleep"}',
        '{"n": "n", "e": "AQAB", "created_at": "2026-01-02T03:04:05+00:00", "state": "signing"}',
    ],
)
def test_a_parameter_that_is_not_a_key_is_an_outage(
    cloud: Cloud, ssm_keys: SsmKeySource, value: str
) -> None:
    cloud.put(Parameter("public-keys/broken", value or " ", secret=False))
    try:
        with pytest.raises(UnavailableError):
            ssm_keys.public_keys()
    finally:
        cloud.withdraw("broken")


def test_reading_the_public_keys_decrypts_nothing(
    cloud: Cloud, wire: Wire, ssm_keys: SsmKeySource
) -> None:
    (key,) = ssm_keys.public_keys()
    ssm_keys.signing_key(key.key_id)
    public, private = wire.calls
    assert public.operation == "ssm.GetParametersByPath"
    assert public.body["Path"] == "/accounts/test/public-keys"
    assert not public.body.get("WithDecryption")
    assert private.operation == "ssm.GetParameter"
    assert private.body["Name"] == f"/accounts/test/private-keys/{key.key_id}"
    assert private.body["WithDecryption"] is True
    del cloud


def test_keys_that_cannot_be_read_are_an_outage(
    cloud: Cloud, wire: Wire, ssm_keys: SsmKeySource, caplog: pytest.LogCaptureFixture
) -> None:
    wire.refuse("ssm.", "AccessDeniedException")
    with pytest.raises(UnavailableError):
        ssm_keys.public_keys()
    wire.reset()
    timeout = botocore.exceptions.ReadTimeoutError(endpoint_url="https://secret.example")
    wire.raise_for("ssm.", timeout)
    with pytest.raises(UnavailableError):
        ssm_keys.signing_key("any")
    assert "AccessDenied" in caplog.text
    assert "ReadTimeoutError" in caplog.text
    assert "secret" not in caplog.text
    assert "quote" not in caplog.text
    del cloud


def test_an_answer_without_the_private_key_is_an_outage(
    cloud: Cloud, wire: Wire, ssm_keys: SsmKeySource
) -> None:
    wire.answer_for("ssm.GetParameter", {})
    with pytest.raises(UnavailableError):
        ssm_keys.signing_key("any")
    del cloud


def test_a_request_waits_for_the_keys_three_times_and_not_for_long(ssm_keys: SsmKeySource) -> None:
    config = ssm_keys._client.meta.config  # noqa: SLF001 - there is no other way to see it
    assert (config.connect_timeout, config.read_timeout) == (1, 2)
    assert config.retries == {"total_max_attempts": 3, "mode": "standard"}


def test_a_key_is_named_by_its_thumbprint(key_parameters: tuple[Parameter, Parameter]) -> None:
    private, public = key_parameters
    key_id = thumbprint(json.loads(public.value))
    assert public.name == f"public-keys/{key_id}"
    assert private.name == f"private-keys/{key_id}"
    assert (private.secret, public.secret) == (True, False)
    assert read_public_key(f"/accounts/test/{public.name}", public.value).key_id == key_id


def test_a_new_key_has_128_bits_of_strength(key_parameters: tuple[Parameter, Parameter]) -> None:
    """By NIST SP 800-57, part 1, table 2."""
    private, public = key_parameters
    key = load_pem_private_key(private.value.encode(), None)
    assert isinstance(key, RSAPrivateKey)
    assert key.key_size >= 3_072
    assert key.public_key().public_numbers().e == 65_537
    assert thumbprint(json.loads(public.value)) in private.name


def test_a_thumbprint_is_that_of_rfc_7638() -> None:
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc"
        "_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQ"
        "R0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bF"
        "TWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    jwk = {"kty": "RSA", "n": modulus, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"}
    assert thumbprint(jwk) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


def test_every_new_key_is_another(key_parameters: tuple[Parameter, Parameter]) -> None:
    assert new_signing_key(START)[0].name != key_parameters[0].name


def test_a_parameter_fits_the_store_and_prints_no_secret(
    key_parameters: tuple[Parameter, Parameter],
) -> None:
    for parameter in key_parameters:
        assert len(parameter.value) <= 4_096
        assert "PRIVATE" not in repr(parameter)
