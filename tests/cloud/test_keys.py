"""Keys that are moved on and revoked on the local cloud, by several at once and by hand."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from chalicelib.domain.tokens import KeyState, PublicKey
from chalicelib.keys.source import SsmKeySource
from chalicelib.keys.store import SsmKeyStore
from chalicelib.services.key_revocation import KeyRevocation
from chalicelib.services.key_rotation import KEPT, NOTICE, KeyRotation
from chalicelib.services.keyring import FRESH, KeyRing
from infra.local.children import CHECKOUT
from tests.cloud.test_make_run import ADA, MAKE, Run
from tests.fakes import START, FakeClock, FakeRevocationStore

AT_ONCE = 4


@pytest.fixture
def keys(cloud_stage: str, request: pytest.FixtureRequest) -> SsmKeyStore:
    """A key set of the test's own, with a key that signs."""
    del cloud_stage
    store = SsmKeyStore(f"/accounts/{request.node.name.replace('[', '-').rstrip(']')}")
    store.add(KeyState.SIGNING, START)
    return store


def at_once(*works: Callable[[], object]) -> None:
    """Do all of it at the same moment; whatever one fails with, fails the test."""
    barrier = threading.Barrier(len(works))
    faults: list[Exception] = []

    def run(work: Callable[[], object]) -> None:
        barrier.wait()
        try:
            work()
        except Exception as fault:  # noqa: BLE001 - it is raised below, by the test
            faults.append(fault)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


def signer(keys: SsmKeySource, clock: FakeClock) -> str:
    """Which key a function signs with that starts now, seen to verify as well."""
    ring = KeyRing(keys, clock)
    key_id = ring.signing_key().key_id
    assert ring.find(key_id) is not None
    return key_id


def ids(keys: SsmKeySource) -> set[str]:
    return {key.key_id for key in keys.public_keys()}


def test_several_who_rotate_at_once_do_what_one_would_have_done(
    keys: SsmKeyStore, clock: FakeClock
) -> None:
    (first,) = ids(keys)
    rotations = [KeyRotation(keys, clock).advance for _ in range(AT_ONCE)]
    at_once(*rotations)
    published = ids(keys) - {first}
    assert 1 <= len(published) <= AT_ONCE
    assert signer(keys, clock) == first

    clock.now += NOTICE
    at_once(*rotations)
    told = [key for key in keys.public_keys() if key.state is KeyState.SIGNING]
    assert len(told) == 2
    assert signer(keys, clock) in published

    clock.now += KEPT
    at_once(*rotations)
    assert first not in ids(keys)
    assert keys.signing_key(first) is None
    assert signer(keys, clock) in published


def test_a_key_that_is_revoked_while_it_is_told_to_sign_leaves_a_set_that_signs(
    keys: SsmKeyStore, clock: FakeClock
) -> None:
    revocation = KeyRevocation(keys, FakeRevocationStore(), clock)
    rotation = KeyRotation(keys, clock)
    (published,) = (key for key in published_keys(rotation, keys))
    clock.now += NOTICE
    at_once(rotation.advance, lambda: revocation.revoke(published.key_id))
    assert signer(keys, clock) != published.key_id
    revocation.revoke(published.key_id)
    assert published.key_id not in ids(keys)
    assert signer(keys, clock) in ids(keys)


def test_two_keys_that_are_revoked_at_once_leave_a_set_that_signs(
    keys: SsmKeyStore, clock: FakeClock
) -> None:
    revocation = KeyRevocation(keys, FakeRevocationStore(), clock)
    for _ in range(5):
        keys.add(KeyState.PUBLISHED, clock.now)
        both = sorted(ids(keys))
        at_once(*(partial(revocation.revoke, key_id) for key_id in both))
        assert not ids(keys) & set(both)
        assert signer(keys, clock) in ids(keys)
        if len(ids(keys)) > 1:
            revocation.revoke(max(ids(keys)))


def published_keys(rotation: KeyRotation, keys: SsmKeyStore) -> list[PublicKey]:
    rotation.advance()
    return [key for key in keys.public_keys() if key.state is KeyState.PUBLISHED]


def test_a_function_that_goes_on_running_picks_every_change_up(
    keys: SsmKeyStore, clock: FakeClock
) -> None:
    ring = KeyRing(keys, clock)
    first = ring.signing_key().key_id
    rotation = KeyRotation(keys, clock)
    rotation.advance()
    clock.now += FRESH
    assert ids(keys) == {key.key_id for key in ring.public_keys()}
    clock.now = START + NOTICE
    rotation.advance()
    clock.now += FRESH
    second = ring.signing_key().key_id
    assert second != first
    assert ring.find(first) is not None
    clock.now += KEPT
    rotation.advance()
    clock.now += FRESH
    assert ring.find(first) is None
    assert ring.signing_key().key_id == second


# By hand


def make(folder: Path, *what: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*MAKE, *what],
        cwd=CHECKOUT,
        env=os.environ | {"ACCOUNTS_LOCAL_DIR": str(folder / "local")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_keys_are_rotated_and_revoked_with_make_run_and_without(tmp_path: Path) -> None:
    with Run(tmp_path) as run:
        assert run.ask("POST", "/user", json=ADA).status_code == 201
        published = make(tmp_path, "rotate-keys")
        assert (published.returncode, published.stderr) == (0, "")
        title, new, old, done, following = published.stdout.splitlines()
        assert title == "Keys of stage dev:"
        new_id, old_id = new.split()[0], old.split()[0]
        assert (new.split()[1], old.split()[1]) == ("published", "signing")
        assert done == f"Done: {new_id} is published"
        assert following.startswith(f"Next: {new_id} signs, not before ")
        assert following.endswith(": make rotate-keys")
        os.kill(run.make.pid, signal.SIGTERM)
        run.assert_gone()

    # The state was kept, and is as far on as it was.
    early = make(tmp_path, "rotate-keys")
    assert early.returncode == 2  # make's own; the command's is 1
    assert early.stderr.startswith(f"accounts: too early: {new_id} signs, not before ")

    ended = make(tmp_path, "revoke-key", f"KID={old_id}")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert f"{new_id} signs now; it was published before" in ended.stdout

    with Run(tmp_path) as run:
        listed = run.ask("GET", "/.well-known/jwks.json").json()["keys"]
        assert [key["kid"] for key in listed] == [new_id]
        login = {name: ADA[name] for name in ("email", "password")}
        token = run.ask("POST", "/auth/login", json=login).json()["Authorization"]
        assert run.ask("GET", "/user/me", token).status_code == 200


def test_a_key_that_there_is_not_is_one_line(tmp_path: Path) -> None:
    for kid in ("", "KID=nothing"):
        refused = make(tmp_path, "revoke-key", *filter(None, [kid]))
        assert refused.returncode == 2
        assert refused.stdout == ""
        assert "give KID=… one of " in refused.stderr.splitlines()[0]
        assert "Traceback" not in refused.stderr
