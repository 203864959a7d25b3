"""`make rotate-keys` and `make revoke-key` on a stage that is deployed."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from moto import mock_aws

from chalicelib.domain.errors import UnavailableError
from chalicelib.domain.times import system_clock
from chalicelib.domain.tokens import PublicKey
from chalicelib.keys.parameters import read_public_key, write_public_key
from chalicelib.keys.source import SsmKeySource
from chalicelib.keys.store import SsmKeyStore
from chalicelib.services.key_rotation import KEPT, NOTICE
from chalicelib.services.keyring import KeyRing
from chalicelib.store.revocations import COPIES
from infra import revoke_key, rotate_keys
from infra.keys import ensure_signing_key
from infra.stacks import deploy_data_stack

PATH = "/accounts/staging"
MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


@pytest.fixture(autouse=True)
def _aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with mock_aws():
        deploy_data_stack(boto3.client("cloudformation"), boto3.client("dynamodb"), "staging")
        ensure_signing_key(boto3.client("ssm"), "staging")
        yield


def keys() -> list[PublicKey]:
    """The key set, oldest first."""
    found = boto3.client("ssm").get_parameters_by_path(Path=f"{PATH}/public-keys")["Parameters"]
    read = [read_public_key(parameter["Name"], parameter["Value"]) for parameter in found]
    return sorted(read, key=lambda key: key.created_at)


def private_ids() -> set[str]:
    found = boto3.client("ssm").get_parameters_by_path(Path=f"{PATH}/private-keys")["Parameters"]
    return {parameter["Name"].rpartition("/")[2] for parameter in found}


def signer() -> str:
    """Which key a function signs with that starts now."""
    return KeyRing(SsmKeySource(PATH), system_clock).signing_key().key_id


def age(by: timedelta) -> None:
    """Let time go by, for the keys."""
    ssm = boto3.client("ssm")
    for key in keys():
        since = key.signing_since and key.signing_since - by
        older = write_public_key(replace(key, created_at=key.created_at - by, signing_since=since))
        ssm.put_parameter(Name=f"{PATH}/{older.name}", Value=older.value, Overwrite=True)


def has_line(pattern: str, said: str) -> bool:
    return any(re.fullmatch(pattern, line) for line in said.splitlines())


def revoked() -> list[str]:
    rows = boto3.client("dynamodb").scan(TableName="accounts-staging-revoked-tokens")["Items"]
    return [row["token_id"]["S"] for row in rows]


def test_a_key_is_replaced_a_step_at_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    (old,) = keys()
    assert rotate_keys.main(["staging"]) == 0
    _, new = keys()
    said = capsys.readouterr().out
    assert re.fullmatch(
        rf"""Keys of stage staging:
  {new.key_id}  published   since {MOMENT}, 0 minutes old
  {old.key_id}  signing     since {MOMENT}, 0 minutes old
Done: {new.key_id} is published
Next: {new.key_id} signs, not before {MOMENT}: make rotate-keys STAGE=staging
""",
        said,
    )

    age(NOTICE)
    assert rotate_keys.main(["staging"]) == 0
    said = capsys.readouterr().out
    assert has_line(rf"  {new.key_id}  signing     since {MOMENT}, 2 hours old", said)
    assert has_line(rf"  {old.key_id}  superseded  since {MOMENT}, 2 hours old", said)
    assert f"\nDone: {new.key_id} is told to sign\n" in said
    assert has_line(
        rf"Next: {old.key_id} is retired, not before {MOMENT}: make rotate-keys STAGE=staging", said
    )

    age(KEPT)
    assert rotate_keys.main(["staging"]) == 0
    said = capsys.readouterr().out
    assert f"\nDone: {old.key_id} is retired\n" in said
    assert "\nNext: a new key is published, whenever you like: make rotate-keys" in said
    assert [key.key_id for key in keys()] == [new.key_id]
    assert private_ids() == {new.key_id}


def test_a_key_from_before_there_were_states_is_replaced_like_any_other(
    capsys: pytest.CaptureFixture[str],
) -> None:
    (key,) = keys()
    old = write_public_key(replace(key, state=None, signing_since=None))
    assert "state" not in old.value
    ssm = boto3.client("ssm")
    ssm.put_parameter(Name=f"{PATH}/{old.name}", Value=old.value, Overwrite=True)
    for wait in (timedelta(days=400), NOTICE):
        age(wait)
        assert signer() == key.key_id
        assert rotate_keys.main(["staging"]) == 0
    (new,) = (each for each in keys() if each.key_id != key.key_id)
    assert signer() == new.key_id
    said = capsys.readouterr().out
    assert has_line(rf"  {key.key_id}  superseded  since {MOMENT}, 400 days old", said)
    age(KEPT)
    assert rotate_keys.main(["staging"]) == 0
    assert [each.key_id for each in keys()] == [new.key_id]


def test_too_early_is_one_line_and_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    rotate_keys.main(["staging"])
    before = keys()
    due = before[1].created_at + NOTICE
    capsys.readouterr()
    for _ in range(2):
        assert rotate_keys.main(["staging"]) == 1
        said = capsys.readouterr()
        (line,) = said.err.splitlines()
        told = re.fullmatch(
            rf"accounts: too early: {before[1].key_id} signs, not before ({MOMENT});"
            r" nothing was changed, run make rotate-keys STAGE=staging then",
            line,
        )
        assert told
        assert timedelta(0) <= datetime.fromisoformat(told[1]) - due < timedelta(seconds=1)
        assert before[0].key_id in said.out
    assert keys() == before


def test_a_stage_without_keys_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    (key,) = keys()
    boto3.client("ssm").delete_parameter(Name=f"{PATH}/public-keys/{key.key_id}")
    assert rotate_keys.main(["staging"]) == 1
    assert capsys.readouterr().err == "accounts: there are no keys: make deploy makes the first\n"


def test_a_moment_is_told_in_utc_and_never_too_early() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert rotate_keys.moment(at) == "2026-01-02T03:04:05Z"
    assert rotate_keys.moment(at + timedelta(microseconds=1)) == "2026-01-02T03:04:06Z"


# Revoking


def test_a_key_that_signs_is_revoked_and_a_new_one_signs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    (leaked,) = keys()
    assert revoke_key.main([leaked.key_id, "staging"]) == 0
    (new,) = keys()
    assert sorted(revoked()) == sorted(f"key#{leaked.key_id}#{copy}" for copy in range(COPIES))
    assert private_ids() == {new.key_id}
    said = capsys.readouterr().out
    assert re.fullmatch(
        rf"""Key {leaked.key_id} of stage staging is revoked:
  its tokens are refused from the next request on
  {new.key_id} signs now; it is new
  both its halves are deleted
Whoever verifies tokens without asking this API may keep the public keys until
{MOMENT}. Until they read them again, they believe the revoked key.
And they may not know the one that signs now.
""",
        said,
    )
    assert revoke_key.main([leaked.key_id, "staging"]) == 0
    again = capsys.readouterr().out
    assert f"{new.key_id} goes on signing\n  both its halves are gone already\n" in again
    assert keys() == [new]


def test_what_breaks_off_says_that_it_is_to_be_run_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (leaked,) = keys()

    def unavailable(*_: object) -> None:
        raise UnavailableError

    with monkeypatch.context() as outage:
        outage.setattr(SsmKeyStore, "delete", unavailable)
        assert revoke_key.main([leaked.key_id, "staging"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "accounts: it could not be finished: run it again to go on from there"
    assert revoke_key.main([leaked.key_id, "staging"]) == 0
    assert leaked.key_id not in {key.key_id for key in keys()}
    assert len(keys()) == 1


@pytest.mark.parametrize(("published_for", "known"), [(timedelta(0), False), (NOTICE, True)])
def test_a_published_key_takes_over(
    capsys: pytest.CaptureFixture[str], published_for: timedelta, *, known: bool
) -> None:
    rotate_keys.main(["staging"])
    age(published_for)
    leaked, published = keys()
    assert revoke_key.main([leaked.key_id, "staging"]) == 0
    assert [key.key_id for key in keys()] == [published.key_id]
    said = capsys.readouterr().out
    assert f"{published.key_id} signs now; it was published before" in said
    assert ("they may not know the one that signs now" in said) is not known


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [("", "which key? give"), ("-x'\"$(id)", "there is no key '-x\\'\"$(id)': give")],
)
def test_a_key_that_there_is_not_is_one_line(
    capsys: pytest.CaptureFixture[str], asked: str, complaint: str
) -> None:
    (key,) = keys()
    assert revoke_key.main([asked, "staging"]) == 1
    assert capsys.readouterr().err == f"accounts: {complaint} KID=… one of {key.key_id}\n"
    assert keys() == [key]
    assert revoked() == []


@pytest.mark.parametrize("command", [rotate_keys, revoke_key])
@pytest.mark.parametrize(
    ("stage", "reason"),
    [
        ("prod", "stage prod has no tables in eu-central-1: make deploy STAGE=prod"),
        ("production", "there is no stage 'production': give STAGE="),
    ],
)
def test_a_stage_that_is_not_there_is_one_line(
    capsys: pytest.CaptureFixture[str], command: object, stage: str, reason: str
) -> None:
    arguments = [stage] if command is rotate_keys else ["a-key", stage]
    assert command.main(arguments) == 1  # type: ignore[attr-defined] # either of two modules
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"accounts: {reason}")


def test_a_first_key_signs_at_once_and_is_made_once() -> None:
    (key,) = keys()
    assert key.signing_since == key.created_at
    assert not ensure_signing_key(boto3.client("ssm"), "staging")
    assert keys() == [key]
