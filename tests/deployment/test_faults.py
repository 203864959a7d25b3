"""What somebody reads whose account, network or region is not as it should be: one line."""

import dataclasses
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ProfileNotFound
from botocore.stub import Stubber
from moto import mock_aws

from infra.deployment import __main__ as command
from infra.deployment import aws
from infra.deployment.apis import api_url, ensure_api
from infra.deployment.aws import AwsAccount, open_account, plain_faults
from infra.deployment.cursor_secrets import ensure_cursor_secret
from infra.deployment.destroy import destroy_data
from infra.deployment.errors import DeploymentError
from infra.deployment.policies import read_policy
from infra.deployment.regions import refuse_second_region
from infra.deployment.stages import Stage, read_stage
from infra.deployment.states import api_id_of, load_state, save_state, state_name, with_api
from infra.keys import ensure_signing_key
from infra.stacks import StackError, deploy_data_stack
from tests.deployment.test_stages import CHECKOUT

_NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws, "_CONFIG", Config(retries={"total_max_attempts": 1}))


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """The stage prod of a checkout that may be written to."""
    (tmp_path / ".chalice").mkdir()
    for source in (CHECKOUT / ".chalice").glob("*.json"):
        (tmp_path / ".chalice" / source.name).write_bytes(source.read_bytes())
    return read_stage(tmp_path, "prod", {})


@pytest.fixture
def account() -> Iterator[AwsAccount]:
    with mock_aws():
        yield open_account()


def run(*arguments: str) -> int:
    return command.main(arguments)


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line of what went wrong."""
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("accounts: ")
    return line


@pytest.mark.parametrize("what", ["deploy", "status", "destroy", "destroy-data"])
def test_without_credentials_nothing_is_done(
    what: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    assert run(what, "prod") == 1
    assert "no AWS credentials: sign in" in said(capsys)


def test_without_a_region_nothing_is_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert run("status", "prod") == 1
    assert "which region? set AWS_REGION" in said(capsys)


@pytest.mark.parametrize("region", ["us-esat-1", "us east 1"])
def test_a_region_that_there_is_not_is_refused(
    region: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    assert run("deploy", "prod") == 1
    assert f"there is no region '{region}'" in said(capsys)


def test_the_region_is_the_one_that_other_tools_would_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    with mock_aws():
        assert open_account().region == "eu-west-1"


def test_without_a_network_it_can_be_run_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", _NOWHERE)
    assert run("deploy", "prod") == 1
    assert "AWS cannot be reached" in said(capsys)


def test_an_unknown_stage_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("deploy", "production") == 1
    assert "give STAGE=… one of dev, prod, staging" in said(capsys)


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("ExpiredToken", "AWS refused the credentials (ExpiredToken): sign in again"),
        ("AccessDenied", "these credentials may not do this"),
        ("LimitExceeded", "AWS refused: "),
    ],
)
def test_a_refusal_of_aws_is_one_line(code: str, advice: str) -> None:
    with pytest.raises(DeploymentError) as refusal, plain_faults():
        raise ClientError({"Error": {"Code": code, "Message": "several\nlines"}}, "PutThing")
    assert advice in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_profile_that_there_is_not_is_one_line() -> None:
    with pytest.raises(DeploymentError, match="AWS_PROFILE"), plain_faults():
        raise ProfileNotFound(profile="nobody")


def test_a_stage_is_not_deployed_to_a_second_region(
    account: AwsAccount, stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    refuse_second_region(account, stage)
    role = "accounts-prod-authorize"
    account.iam.create_role(RoleName=role, AssumeRolePolicyDocument="{}")
    policy = json.dumps(read_policy(stage, account, "authorize"))
    account.iam.put_role_policy(RoleName=role, PolicyName=role, PolicyDocument=policy)
    refuse_second_region(account, stage)
    elsewhere = policy.replace("us-east-1", "eu-west-1")
    account.iam.put_role_policy(RoleName=role, PolicyName=role, PolicyDocument=elsewhere)
    with pytest.raises(DeploymentError, match=r"is deployed in eu-west-1, not in us-east-1"):
        refuse_second_region(account, stage)
    for what in ("deploy", "destroy"):
        assert run(what, "prod") == 1
        assert "is deployed in eu-west-1" in said(capsys)


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        ("ROLLBACK_COMPLETE", "aws cloudformation delete-stack --stack-name accounts-prod-data"),
        ("UPDATE_ROLLBACK_FAILED", "aws cloudformation continue-update-rollback"),
        ("UPDATE_IN_PROGRESS", "run this again when that is done"),
    ],
)
def test_a_stack_that_takes_no_change_says_what_to_do(status: str, advice: str) -> None:
    cloudformation = boto3.client("cloudformation")
    stack = {"StackName": "accounts-prod-data", "StackStatus": status, "CreationTime": "2026-01-02"}
    with Stubber(cloudformation) as stubber:
        stubber.add_response("describe_stacks", {"Stacks": [stack]})
        with pytest.raises(StackError) as refusal:
            deploy_data_stack(cloudformation, boto3.client("dynamodb"), "prod")
    assert status in str(refusal.value)
    assert advice in str(refusal.value)


@pytest.mark.parametrize(
    "loss",
    [
        {"Action": "Remove"},
        {"Action": "Modify", "Replacement": "True"},
        {"Action": "Modify", "Replacement": "Conditional"},
    ],
    ids=str,
)
def test_a_change_that_could_take_a_table_away_is_not_made(loss: dict[str, Any]) -> None:
    cloudformation = boto3.client("cloudformation")
    stack = {
        "StackName": "accounts-prod-data",
        "StackStatus": "UPDATE_COMPLETE",
        "CreationTime": "2026-01-02",
    }
    change = {"Type": "Resource", "ResourceChange": {"LogicalResourceId": "UsersTable", **loss}}
    with Stubber(cloudformation) as stubber:
        stubber.add_response("describe_stacks", {"Stacks": [stack]})
        stubber.add_response("create_change_set", {"Id": "changes"})
        stubber.add_response("describe_change_set", {"Status": "CREATE_COMPLETE"})
        stubber.add_response("describe_change_set", {"Changes": [change]})
        with pytest.raises(StackError, match="would remove or replace UsersTable"):
            deploy_data_stack(cloudformation, boto3.client("dynamodb"), "prod")


def test_the_api_is_made_once_and_remembered(account: AwsAccount, stage: Stage) -> None:
    state = ensure_api(account, stage, load_state(account, stage), new_url=False)
    assert load_state(account, stage) == state
    again = ensure_api(account, stage, load_state(account, stage), new_url=False)
    assert api_id_of(again) == api_id_of(state)
    assert len(account.gateway.get_rest_apis()["items"]) == 1


def test_an_api_whose_state_is_lost_is_found_by_its_tags(account: AwsAccount, stage: Stage) -> None:
    other = read_stage(stage.checkout, "staging", {})
    others = ensure_api(account, other, load_state(account, other), new_url=False)
    state = ensure_api(account, stage, load_state(account, stage), new_url=False)
    assert api_id_of(state) != api_id_of(others)
    account.ssm.delete_parameter(Name=state_name(stage))
    found = ensure_api(account, stage, load_state(account, stage), new_url=False)
    assert api_id_of(found) == api_id_of(state)


def test_of_two_apis_none_is_chosen(account: AwsAccount, stage: Stage) -> None:
    for _ in range(2):
        account.gateway.create_rest_api(name="accounts", tags=stage.tags)
    with pytest.raises(DeploymentError, match="there are 2 APIs of stage prod"):
        ensure_api(account, stage, load_state(account, stage), new_url=False)


def test_an_api_that_was_deleted_by_hand_is_replaced_only_if_asked(
    account: AwsAccount, stage: Stage
) -> None:
    gone = with_api(load_state(account, stage), "abc123", api_url(account, stage, "abc123"))
    save_state(account, stage, gone)
    with pytest.raises(DeploymentError, match=r"the API abc123 was deleted by hand.*NEW_URL=yes"):
        ensure_api(account, stage, load_state(account, stage), new_url=False)
    assert api_id_of(load_state(account, stage)) == "abc123"
    made = ensure_api(account, stage, load_state(account, stage), new_url=True)
    assert api_id_of(made) not in {"abc123", None}


def test_a_state_that_is_not_chalices_is_refused(account: AwsAccount, stage: Stage) -> None:
    account.ssm.put_parameter(Name=state_name(stage), Value="{}", Type="String")
    with pytest.raises(DeploymentError, match="delete it, and run this again"):
        load_state(account, stage)


def test_no_data_is_deleted_before_the_stage_is_named(
    account: AwsAccount, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy_data_stack(account.cloudformation, account.dynamodb, "prod")
    for typed in ("", "yes\n", "PROD\n", "production\n"):
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        with pytest.raises(DeploymentError, match="nothing is deleted"):
            destroy_data(stage)
    assert "accounts-prod-users" in account.dynamodb.list_tables()["TableNames"]


def test_with_the_data_every_key_and_secret_of_the_stage_goes(
    account: AwsAccount, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy_data_stack(account.cloudformation, account.dynamodb, "prod")
    ensure_signing_key(account.ssm, "prod")
    ensure_signing_key(account.ssm, "staging")
    ensure_cursor_secret(account, stage)
    monkeypatch.setattr(sys, "stdin", io.StringIO("prod\n"))
    destroy_data(stage)
    assert account.dynamodb.list_tables()["TableNames"] == []
    left = account.ssm.describe_parameters()["Parameters"]
    assert {parameter["Name"].split("/")[2] for parameter in left} == {"staging"}


def test_no_data_of_a_stage_that_is_deployed_is_deleted(
    account: AwsAccount, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy_data_stack(account.cloudformation, account.dynamodb, "prod")
    ensure_api(account, stage, load_state(account, stage), new_url=False)
    monkeypatch.setattr(sys, "stdin", io.StringIO("prod\n"))
    with pytest.raises(DeploymentError, match="make destroy STAGE=prod first"):
        destroy_data(stage)
    assert "accounts-prod-users" in account.dynamodb.list_tables()["TableNames"]


def test_a_cursor_secret_is_made_once(account: AwsAccount, stage: Stage) -> None:
    secret, made = ensure_cursor_secret(account, stage)
    assert made
    assert len(secret) >= 32
    assert ensure_cursor_secret(account, stage) == (secret, False)
    kept = account.ssm.describe_parameters()["Parameters"]
    assert [(parameter["Name"], parameter["Type"]) for parameter in kept] == [
        ("/accounts/prod/cursor-secret", "SecureString")
    ]


@pytest.mark.parametrize(
    "text", [None, "{", '{"Statement": ["${Acount}"]}'], ids=["missing", "no JSON", "misspelt"]
)
def test_a_policy_that_cannot_be_made_out_is_none(
    account: AwsAccount, stage: Stage, text: str | None
) -> None:
    policy = stage.checkout / ".chalice" / "policy-authorize.json"
    if text is None:
        policy.unlink()
    else:
        policy.write_text(text)
    with pytest.raises(DeploymentError, match=r"policy-authorize\.json cannot be used"):
        read_policy(stage, account, "authorize")


@pytest.mark.parametrize("asked", [True, False])
def test_a_function_may_send_traces_if_the_stage_asks_for_them(
    account: AwsAccount, stage: Stage, *, asked: bool
) -> None:
    configuration = {**stage.configuration, "xray": asked}
    traced = dataclasses.replace(stage, configuration=configuration)
    statements = read_policy(traced, account, "authorize")["Statement"]
    assert ("Tracing" in {statement["Sid"] for statement in statements}) is asked
