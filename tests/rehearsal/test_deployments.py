"""Deployments that break off, are refused, go back, and end: in this order, on one stage."""

import json
import re
from pathlib import Path

import boto3
import pytest
import requests

from infra.rehearsal.checkouts import copy_checkout
from infra.rehearsal.deployments import Deployer, Outcome
from tests.contract.client import Client
from tests.rehearsal.actions import actions
from tests.rehearsal.proxies import Network

STAGE = "staging"
DEPLOY_ROLE = Path(__file__).parents[2] / "infra" / "deploy-role.yaml"
BY_HAND = {
    "dynamodb:ListTables",
    "dynamodb:Scan",
    "iam:ListRoles",
    "lambda:ListFunctions",
    "logs:DescribeLogGroups",
    "ssm:DeleteParameter",
}
"""What these tests themselves ask, and no deployment does."""

pytestmark = pytest.mark.timeout(400)


def last_line(outcome: Outcome) -> str:
    """What is wrong and what to do: the last line before make's own."""
    lines = [line for line in outcome.output.splitlines() if line.startswith("accounts: ")]
    assert len(lines) == 1, outcome.output
    return lines[0]


def api_ids(aws: boto3.Session) -> list[str]:
    return [api["id"] for api in aws.client("apigateway").get_rest_apis()["items"]]


def health(deployer: Deployer) -> int:
    target = deployer.target(STAGE)
    return Client(target.url, target.host).get("/health").status_code


def test_a_first_deployment_that_breaks_off_and_is_run_again_ends_well(
    deployer: Deployer, network: Network, aws: boto3.Session
) -> None:
    # chalice deploy has made roles and functions by then, and nothing is in its state file.
    network.fault = lambda method, path: method == "PUT" and path.count("/") == 2
    broken = deployer.make("deploy", STAGE)
    network.fault = lambda _method, _path: False
    assert broken.status != 0
    assert "run it again" in last_line(broken)
    (made,) = api_ids(aws)
    again = deployer.make("deploy", STAGE)
    assert again.status == 0, again.output
    assert api_ids(aws) == [made]
    assert health(deployer) == 200
    secret = aws.client("ssm").get_parameter(
        Name=f"/accounts/{STAGE}/cursor-secret", WithDecryption=True
    )["Parameter"]["Value"]
    assert secret not in broken.output + again.output
    assert not any(
        secret in path.read_text("utf-8", "replace")
        for path in (deployer.checkout / ".chalice").rglob("*")
        if path.is_file()
    )


def test_what_is_uploaded_is_the_package_and_what_runs_is_what_the_stage_says(
    deployer: Deployer, aws: boto3.Session
) -> None:
    path = deployer.checkout / "build" / f"accounts-{STAGE}.zip"
    package = path.read_bytes()
    path.unlink()
    assert deployer.make("package", STAGE).status == 0
    assert path.read_bytes() == package
    functions = aws.client("lambda")
    for name, memory in ((f"accounts-{STAGE}", 1769), (f"accounts-{STAGE}-authorize", 512)):
        found = functions.get_function(FunctionName=name)
        assert found["Configuration"]["MemorySize"] == memory
        assert requests.get(found["Code"]["Location"], timeout=60).content == package
        assert found["Configuration"]["Environment"]["Variables"].keys() >= {
            "ACCOUNTS_ISSUER",
            "ACCOUNTS_CURSOR_SECRET",
        }


def test_the_gateway_limits_and_logs_without_tokens(aws: boto3.Session) -> None:
    (api_id,) = api_ids(aws)
    stage = aws.client("apigateway").get_stage(restApiId=api_id, stageName=STAGE)
    assert stage["methodSettings"]["*/*"]["throttlingRateLimit"] == 100
    assert stage["methodSettings"]["*/*"]["dataTraceEnabled"] is False
    logged = json.loads(stage["accessLogSettings"]["format"])
    assert not any(
        "header" in value.lower() or "query" in value.lower() for value in logged.values()
    )
    groups = aws.client("logs").describe_log_groups()["logGroups"]
    assert {group["logGroupName"]: group["retentionInDays"] for group in groups} == {
        f"/aws/apigateway/accounts-{STAGE}": 30,
        f"/aws/lambda/accounts-{STAGE}": 30,
        f"/aws/lambda/accounts-{STAGE}-authorize": 30,
    }


@pytest.mark.full
def test_a_release_that_fails_its_visit_is_taken_back(
    deployer: Deployer, tmp_path: Path, aws: boto3.Session
) -> None:
    ran = {
        name: aws.client("lambda").get_function(FunctionName=name)["Configuration"]["CodeSha256"]
        for name in (f"accounts-{STAGE}", f"accounts-{STAGE}-authorize")
    }
    bad = Deployer(copy_checkout(tmp_path / "bad"), deployer.endpoint)
    issuing = bad.checkout / "chalicelib" / "services" / "tokens.py"
    source = issuing.read_text("utf-8")
    assert '"iss": self._issuer,' in source
    # It starts, is healthy, registers: and refuses every token that it issued.
    issuing.write_text(source.replace('"iss": self._issuer,', '"iss": "elsewhere",'), "utf-8")
    outcome = bad.make("deploy", STAGE)
    assert outcome.status != 0
    assert "GET /user/me: 401" in last_line(outcome)
    assert "the previous release runs again" in last_line(outcome)
    for name, code in ran.items():
        found = aws.client("lambda").get_function(FunctionName=name)["Configuration"]
        assert found["CodeSha256"] == code
    target = deployer.target(STAGE)
    client = Client(target.url, target.host)
    assert client.get("/user/me", token=client.register().token).status_code == 200
    users = aws.client("dynamodb").scan(TableName=f"accounts-{STAGE}-users")["Items"]
    assert not any("smoke-" in item["pk"]["S"] for item in users)


@pytest.mark.full
def test_a_redeployment_that_breaks_off_is_taken_back_even_if_the_state_was_lost(
    deployer: Deployer, network: Network, aws: boto3.Session
) -> None:
    before = api_ids(aws)
    aws.client("ssm").delete_parameter(Name=f"/accounts/{STAGE}/deployed")
    network.fault = lambda method, path: method == "PUT" and "/gatewayresponses/" in path
    broken = deployer.make("deploy", STAGE)
    network.fault = lambda _method, _path: False
    assert broken.status != 0
    assert "cannot be reached" in last_line(broken)
    assert "the previous release runs again" in last_line(broken)
    assert health(deployer) == 200
    assert api_ids(aws) == before
    assert aws.client("ssm").get_parameter(Name=f"/accounts/{STAGE}/deployed")["Parameter"]


@pytest.mark.full
def test_a_table_is_not_replaced(deployer: Deployer, tmp_path: Path, aws: boto3.Session) -> None:
    other = Deployer(copy_checkout(tmp_path / "other"), deployer.endpoint)
    template = other.checkout / "infra" / "data.yaml"
    text = template.read_text("utf-8")
    assert text.count("AttributeName: token_id") == 2
    template.write_text(text.replace("AttributeName: token_id", "AttributeName: jti"), "utf-8")
    outcome = other.make("deploy", STAGE)
    assert outcome.status != 0
    assert "would remove or replace RevokedTokensTable" in last_line(outcome)
    table = aws.client("dynamodb").describe_table(TableName=f"accounts-{STAGE}-revoked-tokens")
    assert table["Table"]["KeySchema"] == [{"AttributeName": "token_id", "KeyType": "HASH"}]
    assert health(deployer) == 200


@pytest.mark.full
def test_an_api_that_was_deleted_by_hand_is_not_replaced_unasked(
    deployer: Deployer, aws: boto3.Session
) -> None:
    (api_id,) = api_ids(aws)
    aws.client("apigateway").delete_rest_api(restApiId=api_id)
    refused = deployer.make("deploy", STAGE)
    assert refused.status != 0
    assert f"the API {api_id} was deleted by hand" in last_line(refused)
    assert api_ids(aws) == []
    asked = deployer.make("deploy", STAGE, NEW_URL="yes")
    assert asked.status == 0, asked.output
    assert health(deployer) == 200


@pytest.mark.full
def test_a_stage_is_taken_down_but_for_its_data(deployer: Deployer, aws: boto3.Session) -> None:
    early = deployer.make("destroy-data", STAGE, typed=f"{STAGE}\n")
    assert early.status != 0
    assert f"make destroy STAGE={STAGE} first" in last_line(early)
    # Chalice would stop at what somebody has taken down already.
    aws.client("lambda").delete_function(FunctionName=f"accounts-{STAGE}-authorize")
    outcome = deployer.make("destroy", STAGE)
    assert outcome.status == 0, outcome.output
    assert api_ids(aws) == []
    assert aws.client("lambda").list_functions()["Functions"] == []
    roles = [role["RoleName"] for role in aws.client("iam").list_roles()["Roles"]]
    assert not any(name.startswith(f"accounts-{STAGE}") for name in roles)
    assert aws.client("logs").describe_log_groups()["logGroups"] == []
    assert f"accounts-{STAGE}-users" in aws.client("dynamodb").list_tables()["TableNames"]
    assert aws.client("ssm").get_parameters_by_path(Path=f"/accounts/{STAGE}/public-keys")[
        "Parameters"
    ]
    again = deployer.make("destroy", STAGE)
    assert again.status == 0, again.output


@pytest.mark.full
def test_what_a_deployment_left_that_broke_off_is_taken_down_too(
    deployer: Deployer, network: Network, aws: boto3.Session
) -> None:
    network.fault = lambda method, path: method == "PUT" and path.count("/") == 2
    broken = deployer.make("deploy", STAGE)
    network.fault = lambda _method, _path: False
    assert broken.status != 0
    assert len(aws.client("lambda").list_functions()["Functions"]) == 2
    outcome = deployer.make("destroy", STAGE)
    assert outcome.status == 0, outcome.output
    assert aws.client("lambda").list_functions()["Functions"] == []
    assert api_ids(aws) == []


def test_the_deploy_role_may_do_what_was_done(network: Network) -> None:
    # Whatever ran before this: in a whole rehearsal, deploying in every way, and taking down.
    done = actions(network.seen)
    assert {"lambda:CreateFunction", "iam:PutRolePolicy", "apigateway:PUT"} <= done
    template = DEPLOY_ROLE.read_text("utf-8")
    granted = set(re.findall(r"(?:- |Action: )([a-z]+:[A-Za-z*]+)$", template, re.MULTILINE))
    assert done - BY_HAND <= granted
    assert not any("*" in action for action in granted)


@pytest.mark.full
def test_the_data_goes_once_the_stage_is_named(deployer: Deployer, aws: boto3.Session) -> None:
    refused = deployer.make("destroy-data", STAGE, typed="yes\n")
    assert refused.status != 0
    assert "nothing is deleted" in last_line(refused)
    assert f"accounts-{STAGE}-users" in aws.client("dynamodb").list_tables()["TableNames"]
    outcome = deployer.make("destroy-data", STAGE, typed=f"{STAGE}\n")
    assert outcome.status == 0, outcome.output
    assert not any(
        name.startswith(f"accounts-{STAGE}-")
        for name in aws.client("dynamodb").list_tables()["TableNames"]
    )
    left = aws.client("ssm").get_parameters_by_path(Path=f"/accounts/{STAGE}", Recursive=True)
    assert left["Parameters"] == []
