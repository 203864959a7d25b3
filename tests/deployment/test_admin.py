"""`make admin STAGE=…`: the first admin of a stage that is deployed."""

import io
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from chalicelib.domain.imports import Outcome
from chalicelib.services.imports import Row
from infra import admin
from infra.commands import open_stage
from infra.stacks import deploy_data_stack

ADA = "ada@example.com"


@pytest.fixture(autouse=True)
def _aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse battery staple\n"))
    with mock_aws():
        yield


def make_tables(stage: str) -> None:
    deploy_data_stack(boto3.client("cloudformation"), boto3.client("dynamodb"), stage)


def is_admin(stage: str) -> list[bool]:
    items = boto3.client("dynamodb").scan(TableName=f"accounts-{stage}-users")["Items"]
    return [item["admin"]["BOOL"] for item in items if "email" in item]


def test_an_admin_is_made_in_the_stage_that_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    make_tables("staging")
    make_tables("prod")
    assert admin.main([ADA, "staging"]) == 0
    assert capsys.readouterr().out == f"{ADA} is now an admin.\n"
    assert is_admin("staging") == [True]
    assert is_admin("prod") == []


def test_an_admin_of_the_stage_stays_one(capsys: pytest.CaptureFixture[str]) -> None:
    make_tables("staging")
    assert admin.main([ADA, "staging"]) == 0
    assert admin.main([ADA.upper(), "staging"]) == 0
    assert capsys.readouterr().out.endswith("is an admin already.\n")
    assert is_admin("staging") == [True]


def register(stage: str, **marks: bool) -> None:
    with open_stage(stage) as container:
        row = Row(1, {"email": ADA, "username": "Mallory", **marks})
        (result,) = container.imports.run([row])
    assert result.outcome is Outcome.IMPORTED


@pytest.mark.parametrize("answer", ["", "y", "correct horse battery staple"])
def test_whoever_has_registered_the_address_is_made_no_admin_unasked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    make_tables("staging")
    register("staging")
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{answer}\n"))
    assert admin.main([ADA, "staging"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert f"Mallory <{ADA}> has registered at " in err
    assert err.endswith("accounts: nothing was done\n")
    assert is_admin("staging") == [False]
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    assert admin.main([ADA, "staging"]) == 0
    assert is_admin("staging") == [True]


def test_whoever_has_verified_the_address_is_whose_it_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_tables("staging")
    register("staging", email_verified=True)
    assert admin.main([ADA, "staging"]) == 0
    assert capsys.readouterr() == (f"{ADA} is now an admin.\n", "")


def test_whoever_registers_the_address_while_the_password_is_asked_for_is_no_admin(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tables("staging")

    class Slow(io.StringIO):
        def readline(self, *size: Any) -> Any:
            if self.tell() == 0:
                register("staging")
            return super().readline(*size)

    monkeypatch.setattr("sys.stdin", Slow("correct horse battery staple\n"))
    assert admin.main([ADA, "staging"]) == 1
    assert capsys.readouterr().err.endswith("accounts: nothing was done\n")
    assert is_admin("staging") == [False]


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("short", "Must have 8 to 128 characters."),
        (
            "password123",
            "This is one of the most common passwords. Take several unrelated words instead.",
        ),
        ("ADA@example.com", "Must not be your email address, or a part of it."),
    ],
)
def test_an_admins_password_is_chosen_like_any_other(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    password: str,
    reason: str,
) -> None:
    make_tables("staging")
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{password}\n"))
    assert admin.main([ADA, "staging"]) == 1
    assert capsys.readouterr().err == f"accounts: password: {reason}\n"
    assert is_admin("staging") == []


@pytest.mark.parametrize(
    ("stage", "reason"),
    [
        ("prod", "stage prod has no tables in eu-central-1: make deploy STAGE=prod"),
        ("production", "there is no stage 'production': give STAGE="),
    ],
)
def test_a_stage_that_is_not_there_is_one_line(
    capsys: pytest.CaptureFixture[str], stage: str, reason: str
) -> None:
    assert admin.main([ADA, stage]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"accounts: {reason}")
