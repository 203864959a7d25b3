import os
import signal
from pathlib import Path

import boto3
import pytest

from infra.keys import ensure_signing_key
from infra.local.cloud import (
    LocalCloud,
    StateInUseError,
    client_environment,
    running_endpoint,
    stage_variables,
)
from infra.stacks import DATA_TEMPLATE, TABLES, StackError, deploy_data_stack

STAGE = "trial"
USERS = "accounts-trial-users"


def enter(cloud: LocalCloud, patch: pytest.MonkeyPatch) -> None:
    cloud.wait_until_ready()
    for name, value in client_environment(cloud.endpoint).items():
        patch.setenv(name, value)


def deploy() -> None:
    deploy_data_stack(boto3.client("cloudformation"), boto3.client("dynamodb"), STAGE)


def users() -> int:
    return boto3.client("dynamodb").scan(TableName=USERS)["Count"]


def add_user() -> None:
    boto3.client("dynamodb").put_item(TableName=USERS, Item={"pk": {"S": "user#1"}})


# The cloud


def test_the_data_survives_a_stop_and_so_does_its_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LocalCloud(tmp_path) as cloud:
        enter(cloud, monkeypatch)
        deploy()
        add_user()
    with LocalCloud(tmp_path) as cloud:
        enter(cloud, monkeypatch)
        deploy()
        assert users() == 1


def test_a_state_has_one_cloud_at_a_time(tmp_path: Path) -> None:
    with LocalCloud(tmp_path) as cloud:
        with pytest.raises(StateInUseError), LocalCloud(tmp_path):
            pass
        assert not cloud.child.ended
    with LocalCloud(tmp_path):
        pass


def test_a_running_cloud_is_found_once_it_has_been_announced(tmp_path: Path) -> None:
    assert running_endpoint(tmp_path) is None
    with LocalCloud(tmp_path) as cloud:
        cloud.wait_until_ready()
        cloud.announce()
        assert running_endpoint(tmp_path) == cloud.endpoint
    assert running_endpoint(tmp_path) is None


def test_an_address_that_a_killed_cloud_left_behind_is_not_believed(tmp_path: Path) -> None:
    with LocalCloud(tmp_path) as cloud:
        cloud.wait_until_ready()
        cloud.announce()
        os.kill(cloud.child.pid, signal.SIGKILL)
        address = (tmp_path / "endpoint").read_text()
    (tmp_path / "endpoint").write_text(address)
    assert running_endpoint(tmp_path) is None


def test_a_client_of_the_local_cloud_knows_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "work")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "secret")
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "https://elsewhere.example")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/home/ada/.aws/config")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/home/ada/.aws/credentials")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
    monkeypatch.setenv("NO_PROXY", "elsewhere.example")
    environment = client_environment("http://127.0.0.1:4566")
    assert (
        not {"AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_DYNAMODB"} & environment.keys()
    )
    assert environment["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4566"
    files = (environment["AWS_CONFIG_FILE"], environment["AWS_SHARED_CREDENTIALS_FILE"])
    assert files == (os.devnull, os.devnull)
    assert environment["AWS_EC2_METADATA_DISABLED"] == "true"
    assert environment["NO_PROXY"] == environment["no_proxy"] == "127.0.0.1"
    assert environment.items() >= stage_variables("dev").items()


# The data stack


def test_deploying_again_changes_nothing(cloud_stage: str) -> None:
    cloudformation = boto3.client("cloudformation")
    name = f"accounts-{cloud_stage}-data"
    before = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    deploy_data_stack(cloudformation, boto3.client("dynamodb"), cloud_stage)
    assert cloudformation.describe_stack_events(StackName=name)["StackEvents"] == before
    summaries = cloudformation.list_change_sets(StackName=name)["Summaries"]
    assert not [summary for summary in summaries if summary["Status"] == "FAILED"]


def test_every_table_of_the_template_is_known_by_name(cloud_stage: str) -> None:
    name = f"accounts-{cloud_stage}-data"
    resources = boto3.client("cloudformation").describe_stack_resources(StackName=name)
    tables = {
        resource["LogicalResourceId"]: resource["PhysicalResourceId"]
        for resource in resources["StackResources"]
    }
    assert tables == {
        resource: f"accounts-{cloud_stage}-{suffix}" for resource, suffix in TABLES.items()
    }


@pytest.mark.usefixtures("cloud_stage")
def test_tables_without_their_stack_are_taken_in_with_what_they_hold() -> None:
    cloudformation = boto3.client("cloudformation")
    deploy()
    add_user()
    cloudformation.delete_stack(StackName=f"accounts-{STAGE}-data")  # it retains the tables
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName=f"accounts-{STAGE}-data", WaiterConfig={"Delay": 1, "MaxAttempts": 10}
    )
    assert users() == 1
    deploy()
    assert users() == 1
    taken_in = cloudformation.describe_stack_resources(StackName=f"accounts-{STAGE}-data")
    assert {
        resource["LogicalResourceId"] for resource in taken_in["StackResources"]
    } == TABLES.keys()


@pytest.mark.usefixtures("cloud_stage")
@pytest.mark.parametrize(
    ("old", "new"),
    [("AttributeName: pk", "AttributeName: id"), ("accounts-${Stage}-users", "${Stage}-users")],
)
def test_a_change_that_would_replace_a_table_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str
) -> None:
    deploy()
    add_user()
    changed = tmp_path / "data.yaml"
    changed.write_text(DATA_TEMPLATE.read_text().replace(old, new))
    monkeypatch.setattr("infra.stacks.DATA_TEMPLATE", changed)
    with pytest.raises(StackError, match="would remove or replace UsersTable"):
        deploy()
    assert users() == 1


# The signing key


def test_a_stage_gets_one_key_and_keeps_it(cloud_stage: str) -> None:
    ssm = boto3.client("ssm")
    root = f"/accounts/{cloud_stage}/"

    def parameters() -> list[tuple[str, str, int]]:
        found = ssm.get_parameters_by_path(Path=root, Recursive=True)["Parameters"]
        return sorted((each["Name"], each["Type"], each["Version"]) for each in found)

    before = parameters()
    assert [kind for _, kind, _ in before] == ["SecureString", "String"]
    assert [name.split("/")[3] for name, _, _ in before] == ["private-keys", "public-keys"]
    ensure_signing_key(ssm, cloud_stage)
    assert parameters() == before


def test_a_key_whose_making_was_interrupted_is_made_again(cloud_stage: str) -> None:
    del cloud_stage
    ssm = boto3.client("ssm")
    ssm.put_parameter(
        Name="/accounts/broken/private-keys/lost", Value="secret", Type="SecureString"
    )
    ensure_signing_key(ssm, "broken")
    public = ssm.get_parameters_by_path(Path="/accounts/broken/public-keys/")["Parameters"]
    assert len(public) == 1
