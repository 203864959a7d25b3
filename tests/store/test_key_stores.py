"""The fake key store and Parameter Store keep one contract."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Protocol

import botocore.exceptions
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from chalicelib.domain.errors import UnavailableError
from chalicelib.domain.tokens import KeyState
from chalicelib.keys.store import SsmKeyStore
from chalicelib.services.key_rotation import KeyStore
from chalicelib.services.keyring import KeySource
from tests.aws import Cloud, Wire
from tests.fakes import START, FakeKeyStore

PATH = "/accounts/changing"


class Store(KeyStore, KeySource, Protocol):
    """What both are."""


@pytest.fixture(scope="module")
def ssm_keys() -> SsmKeyStore:
    """One for all tests: its client takes longer to make than a test to run."""
    return SsmKeyStore(PATH)


@pytest.fixture(params=["fake", "real"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """An empty key set."""
    if request.param == "fake":
        yield FakeKeyStore()
        return
    cloud: Cloud = request.getfixturevalue("cloud")
    yield request.getfixturevalue("ssm_keys")
    for name in parameters(cloud):
        cloud.ssm.delete_parameter(Name=name)


def parameters(cloud: Cloud) -> dict[str, str]:
    """The parameters that there are, and the type of each."""
    found = cloud.ssm.get_parameters_by_path(Path=PATH, Recursive=True)["Parameters"]
    return {parameter["Name"]: parameter["Type"] for parameter in found}


@pytest.mark.parametrize("state", KeyState)
def test_a_key_that_was_added_is_in_the_set_and_can_sign(store: Store, state: KeyState) -> None:
    key = store.add(state, START)
    assert store.public_keys() == (key,)
    assert key.created_at == START
    assert key.state is state
    assert key.signing_since == (START if state is KeyState.SIGNING else None)
    private = store.signing_key(key.key_id)
    assert private is not None
    assert private.key_id == key.key_id


def test_no_two_keys_are_the_same(store: Store) -> None:
    first = store.add(KeyState.PUBLISHED, START)
    second = store.add(KeyState.PUBLISHED, START)
    assert {key.key_id for key in store.public_keys()} == {first.key_id, second.key_id}
    assert first.key_id != second.key_id


def test_what_is_done_with_a_key_is_kept_with_it(store: Store) -> None:
    key = store.add(KeyState.PUBLISHED, START)
    other = store.add(KeyState.PUBLISHED, START - timedelta(days=1))
    signing = replace(key, state=KeyState.SIGNING, signing_since=START + timedelta(hours=3))
    for _ in range(2):
        store.update(signing)
        assert store.public_keys() == (signing, other)
    assert store.signing_key(key.key_id) is not None


def test_a_key_that_was_deleted_is_gone_with_both_halves(store: Store) -> None:
    key = store.add(KeyState.SIGNING, START)
    other = store.add(KeyState.PUBLISHED, START)
    for _ in range(2):
        store.delete(key.key_id)
        assert store.public_keys() == (other,)
        assert store.signing_key(key.key_id) is None
    assert store.signing_key(other.key_id) is not None


def test_the_private_half_is_encrypted_and_the_public_one_is_not(
    cloud: Cloud, ssm_keys: SsmKeyStore
) -> None:
    key = ssm_keys.add(KeyState.SIGNING, START)
    assert parameters(cloud) == {
        f"{PATH}/private-keys/{key.key_id}": "SecureString",
        f"{PATH}/public-keys/{key.key_id}": "String",
    }
    private = ssm_keys.signing_key(key.key_id)
    assert private is not None
    assert isinstance(load_pem_private_key(private.private_pem.encode(), None), RSAPrivateKey)
    ssm_keys.delete(key.key_id)
    assert parameters(cloud) == {}


def test_a_key_is_written_so_that_it_is_published_last_and_deleted_so_that_it_is_forgotten_last(
    cloud: Cloud, wire: Wire, ssm_keys: SsmKeyStore
) -> None:
    key = ssm_keys.add(KeyState.SIGNING, START)
    ssm_keys.delete(key.key_id)
    private, public = f"{PATH}/private-keys/{key.key_id}", f"{PATH}/public-keys/{key.key_id}"
    assert [(call.operation, call.body["Name"]) for call in wire.calls] == [
        ("ssm.PutParameter", private),
        ("ssm.PutParameter", public),
        ("ssm.DeleteParameter", private),
        ("ssm.DeleteParameter", public),
    ]
    del cloud


def test_what_cannot_be_changed_is_an_outage(
    cloud: Cloud, wire: Wire, ssm_keys: SsmKeyStore, caplog: pytest.LogCaptureFixture
) -> None:
    key = ssm_keys.add(KeyState.SIGNING, START)
    wire.refuse("ssm.", "AccessDeniedException")
    with pytest.raises(UnavailableError):
        ssm_keys.add(KeyState.PUBLISHED, START)
    with pytest.raises(UnavailableError):
        ssm_keys.delete(key.key_id)
    wire.reset()
    timeout = botocore.exceptions.ReadTimeoutError(endpoint_url="https://secret.example")
    wire.raise_for("ssm.PutParameter", timeout)
    with pytest.raises(UnavailableError):
        ssm_keys.update(key)
    assert "the key set could not be changed: AccessDenied" in caplog.text
    assert "ReadTimeoutError" in caplog.text
    assert "secret" not in caplog.text
    assert "PRIVATE" not in caplog.text
    wire.reset()
    ssm_keys.delete(key.key_id)
    assert parameters(cloud) == {}
