"""`make admin STAGE=…`: the first admin of a stage that is deployed."""

import io
from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from infra import admin
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
