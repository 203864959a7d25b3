"""What a deployment checks before it counts, and what is put back if it does not."""

import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from moto import mock_aws

from infra.deployment import deploy
from infra.deployment.aws import AwsAccount, open_account
from infra.deployment.errors import DeploymentError
from infra.deployment.packages import Package
from infra.deployment.progress import Progress
from infra.deployment.releases import Release, _Function, put_back
from infra.deployment.stages import Stage, read_stage
from infra.deployment.states import State
from tests.deployment.test_stages import CHECKOUT

AUTHORIZER = "accounts-prod-authorize"
STATE: State = {"resources": [{"name": "rest_api", "rest_api_id": "a1b2c3"}]}


@pytest.fixture
def stage() -> Stage:
    return read_stage(CHECKOUT, "prod", {})


@pytest.fixture
def account() -> Iterator[AwsAccount]:
    with mock_aws():
        yield open_account()


def code(text: str) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as package:
        package.writestr("app.py", text)
    return archive.getvalue()


def make(account: AwsAccount, function: str, text: str) -> Any:
    role = account.iam.create_role(RoleName=function, AssumeRolePolicyDocument="{}")["Role"]
    return account.functions.create_function(
        FunctionName=function,
        Runtime="python3.11",
        Role=role["Arn"],
        Handler="app.app",
        Code={"ZipFile": code(text)},
    )


def allow(account: AwsAccount, action: str) -> str:
    policy = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}],
        }
    )
    account.iam.put_role_policy(RoleName=AUTHORIZER, PolicyName=AUTHORIZER, PolicyDocument=policy)
    return policy


def test_a_function_that_is_put_back_may_do_what_it_might_before_and_runs_what_it_ran(
    account: AwsAccount, stage: Stage
) -> None:
    made = make(account, AUTHORIZER, "old")
    policy = allow(account, "dynamodb:BatchGetItem")
    before = _Function(AUTHORIZER, made, code("old"), AUTHORIZER, policy)
    allow(account, "dynamodb:DeleteItem")
    account.functions.update_function_code(FunctionName=AUTHORIZER, ZipFile=code("new"))
    put_back(account, stage, Release((before,), None, {}), lambda _: None)
    held = account.iam.get_role_policy(RoleName=AUTHORIZER, PolicyName=AUTHORIZER)
    assert json.loads(policy) == held["PolicyDocument"]
    runs = account.functions.get_function_configuration(FunctionName=AUTHORIZER)["CodeSha256"]
    assert runs == made["CodeSha256"]


def test_a_release_of_which_a_function_runs_something_else_is_none(
    account: AwsAccount, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def project(*_: object) -> Iterator[Any]:
        yield SimpleNamespace(deploy=lambda _package: None, state=None)

    monkeypatch.setattr(deploy, "chalice_project", project)
    monkeypatch.setattr(deploy, "save_state", lambda *_: None)
    for function in stage.functions:
        make(account, stage.function_name(function), "another")
    package = Package(Path("build/accounts-prod.zip"), "0" * 64, 1)
    with pytest.raises(DeploymentError, match=r"accounts-prod does not run accounts-prod\.zip"):
        deploy._release(account, stage, STATE, package, {}, Progress(3))  # noqa: SLF001 - a part
