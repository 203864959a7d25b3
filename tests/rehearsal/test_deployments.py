"""Deployments that break off, are refused, go back, and end: in this order, on one stage."""

import json
import re
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest
import requests

from chalicelib.couriers import BATCH_SIZE
from chalicelib.domain.tokens import PublicKey
from chalicelib.keys.parameters import read_public_key, write_public_key
from chalicelib.services.key_rotation import KEPT, NOTICE
from infra.deployment.mappings import OLDEST_SECONDS, RETRIES
from infra.local.mails import SentMail, sent_mails
from infra.rehearsal.checkouts import copy_checkout
from infra.rehearsal.deployments import Deployer, Outcome
from tests.contract.client import Client
from tests.rehearsal.actions import actions
from tests.rehearsal.conftest import STAGE
from tests.rehearsal.proxies import Network
from tests.samples import AN_HOUR_PASSED, claims_of, header_of

RULE = f"accounts-{STAGE}-rotate_keys-event"
REDELIVERY = f"accounts-{STAGE}-redeliver_mail-event"
OUTBOX = f"accounts-{STAGE}-outbox"
DEPLOY_ROLE = Path(__file__).parents[2] / "infra" / "deploy-role.yaml"
BY_HAND = {
    "dynamodb:ListTables",
    "dynamodb:PutItem",
    "dynamodb:Scan",
    "events:DisableRule",
    "events:ListRules",
    "events:ListTargetsByRule",
    "iam:ListRoles",
    "lambda:Invoke",
    "lambda:ListFunctions",
    "ses:CreateEmailIdentity",
    "ses:DeleteEmailIdentity",
    "ses:ListEmailIdentities",
    "logs:DescribeLogGroups",
    "logs:FilterLogEvents",
    "ssm:DeleteParameter",
}
"""What these tests themselves ask, or a command for administrators, and no deployment does."""

pytestmark = pytest.mark.timeout(400)


def last_line(outcome: Outcome) -> str:
    """What is wrong and what to do: the last line before make's own."""
    lines = [line for line in outcome.output.splitlines() if line.startswith("accounts: ")]
    assert len(lines) == 1, outcome.output
    return lines[0]


def api_ids(aws: boto3.Session) -> list[str]:
    return [api["id"] for api in aws.client("apigateway").get_rest_apis()["items"]]


def keys(aws: boto3.Session) -> dict[str, PublicKey]:
    """The stage's key set."""
    path = f"/accounts/{STAGE}/public-keys"
    found = aws.client("ssm").get_parameters_by_path(Path=path)["Parameters"]
    read = [read_public_key(parameter["Name"], parameter["Value"]) for parameter in found]
    return {key.key_id: key for key in read}


def age_keys(aws: boto3.Session, by: timedelta) -> None:
    """Let time go by, for the keys."""
    for key in keys(aws).values():
        since = key.signing_since and key.signing_since - by
        older = replace(key, created_at=key.created_at - by, signing_since=since)
        written = write_public_key(older)
        aws.client("ssm").put_parameter(
            Name=f"/accounts/{STAGE}/{written.name}", Value=written.value, Overwrite=True
        )


def run_schedule(aws: boto3.Session, function: str = "rotate_keys") -> str | None:
    """Call a scheduled function as its rule does; the fault that it ended with, if any."""
    answer = aws.client("lambda").invoke(
        FunctionName=f"accounts-{STAGE}-{function}", Payload=json.dumps(AN_HOUR_PASSED)
    )
    return answer.get("FunctionError")


def mapping(aws: boto3.Session) -> dict[str, Any]:
    """The one mapping that there is."""
    (found,) = aws.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    return dict(found)


def put_into_outbox(aws: boto3.Session, public_id: str, written: datetime) -> str:
    """Leave a message, as a registration does."""
    message_id = str(uuid4())
    row = {
        "message_id": {"S": message_id},
        "errand": {"S": "verify_email"},
        "created_at": {"S": written.strftime("%Y-%m-%dT%H:%M:%S.%f+0000")},
        "expires_at": {"N": str(int(written.timestamp()) + 86_400)},
        "public_id": {"S": public_id},
        "language": {"S": "de"},
    }
    aws.client("dynamodb").put_item(TableName=OUTBOX, Item=row)
    return message_id


def is_in_outbox(aws: boto3.Session, message_id: str) -> bool:
    key = {"message_id": {"S": message_id}}
    return "Item" in aws.client("dynamodb").get_item(TableName=OUTBOX, Key=key)


def mails_to(deployer: Deployer, address: str) -> list[SentMail]:
    return [mail for mail in sent_mails(deployer.endpoint) if mail.to == (address,)]


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


def signed_with(deployer: Deployer) -> str:
    """The key that the deployed API signs with now."""
    target = deployer.target(STAGE)
    key_id: str = header_of(Client(target.url, target.host).register().token)["kid"]
    return key_id


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
    for name, memory in (
        (f"accounts-{STAGE}", 1769),
        (f"accounts-{STAGE}-authorize", 512),
        (f"accounts-{STAGE}-rotate_keys", 512),
        (f"accounts-{STAGE}-deliver_mail", 512),
        (f"accounts-{STAGE}-redeliver_mail", 512),
    ):
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
        f"/aws/lambda/accounts-{STAGE}-deliver_mail": 30,
        f"/aws/lambda/accounts-{STAGE}-redeliver_mail": 30,
        f"/aws/lambda/accounts-{STAGE}-rotate_keys": 30,
    }


def test_a_function_of_its_own_is_called_every_hour_and_does_nothing_unasked(
    deployer: Deployer, aws: boto3.Session
) -> None:
    events, functions = aws.client("events"), aws.client("lambda")
    function = functions.get_function(FunctionName=f"accounts-{STAGE}-rotate_keys")["Configuration"]
    rule = events.describe_rule(Name=RULE)
    assert (rule["ScheduleExpression"], rule["State"]) == ("rate(1 hour)", "ENABLED")
    (target,) = events.list_targets_by_rule(Rule=RULE)["Targets"]
    assert target["Arn"] == function["FunctionArn"]
    assert RULE in functions.get_policy(FunctionName=function["FunctionName"])["Policy"]
    before = keys(aws)
    assert run_schedule(aws) is None
    assert keys(aws) == before
    said = deployer.make("status", STAGE).output
    assert f"{RULE}: rate(1 hour), enabled; keys are rotated by hand" in said
    report = deployer.make("report", STAGE)
    assert report.status == 0, report.output
    assert re.search(
        r"^accounts-\w+-rotate_keys\n  invocations  [1-9]", report.output, re.MULTILINE
    )
    assert re.search(r"^Keys +[\w-]{43}: signing, 0 days old, made ", said, re.MULTILINE)


def test_the_keys_of_a_stage_are_rotated_by_schedule_and_by_hand_and_revoked(
    deployer: Deployer, aws: boto3.Session
) -> None:
    first = signed_with(deployer)
    published = deployer.make("rotate-keys", STAGE)
    assert published.status == 0, published.output
    (second,) = keys(aws).keys() - {first}
    assert f"Done: {second} is published" in published.output
    assert "too early" in last_line(deployer.make("rotate-keys", STAGE))

    # The time comes, and the schedule goes on with what was begun by hand.
    age_keys(aws, NOTICE)
    functions = aws.client("lambda")
    name = f"accounts-{STAGE}-rotate_keys"
    variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    on = {**variables, "ACCOUNTS_KEY_ROTATION_DAYS": "90"}
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": on})
    assert run_schedule(aws) is None
    assert keys(aws)[second].signing_since is not None
    assert "keys are rotated after 90 days" in deployer.make("status", STAGE).output
    age_keys(aws, KEPT)
    assert run_schedule(aws) is None
    assert keys(aws).keys() == {second}

    revoked = deployer.make("revoke-key", STAGE, KID=second)
    assert revoked.status == 0, revoked.output
    (third,) = keys(aws)
    assert f"{third} signs now; it is new" in revoked.output
    again = deployer.make("revoke-key", STAGE, KID=second)
    assert again.status == 0, again.output
    assert keys(aws).keys() == {third}
    assert "there is no key" in last_line(deployer.make("revoke-key", STAGE, KID="nothing"))
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})


def test_what_is_in_the_outbox_is_mailed_by_the_function_behind_its_stream(
    deployer: Deployer, aws: boto3.Session
) -> None:
    found = mapping(aws)
    assert found["FunctionArn"].endswith(f":accounts-{STAGE}-deliver_mail")
    assert f":table/{OUTBOX}/stream/" in found["EventSourceArn"]
    assert found["StartingPosition"] == "TRIM_HORIZON"
    assert (found["BatchSize"], found["MaximumRetryAttempts"]) == (BATCH_SIZE, RETRIES)
    assert found["MaximumRecordAgeInSeconds"] == OLDEST_SECONDS
    assert found["BisectBatchOnFunctionError"] is True
    (pattern,) = (filter_["Pattern"] for filter_ in found["FilterCriteria"]["Filters"])
    assert json.loads(pattern) == {"eventName": ["INSERT"]}

    target = deployer.target(STAGE)
    client = Client(target.url, target.host)
    person = client.register()
    public_id = client.get("/user/me", token=person.token).json()["public_id"]
    message_id = put_into_outbox(aws, public_id, datetime.now(UTC))
    wait_until(lambda: not is_in_outbox(aws, message_id))
    german = [mail for mail in mails_to(deployer, person.email) if "Bestätigen" in mail.subject]
    (link,) = german[0].links
    issuer = claims_of(person.token)["iss"]
    assert link.startswith(f"{issuer}/email/verify?token=")
    assert "which SES has verified" in deployer.make("status", STAGE).output


def test_what_is_left_in_the_outbox_is_mailed_by_schedule(
    deployer: Deployer, aws: boto3.Session
) -> None:
    rule = aws.client("events").describe_rule(Name=REDELIVERY)
    assert (rule["ScheduleExpression"], rule["State"]) == ("rate(5 minutes)", "ENABLED")
    target = deployer.target(STAGE)
    client = Client(target.url, target.host)
    person = client.register()
    public_id = client.get("/user/me", token=person.token).json()["public_id"]
    mails = aws.client("sesv2")
    (sender,) = (
        identity["IdentityName"] for identity in mails.list_email_identities()["EmailIdentities"]
    )
    mails.delete_email_identity(EmailIdentity=sender)
    assert "which SES HAS NOT VERIFIED" in deployer.make("status", STAGE).output
    message_id = put_into_outbox(aws, public_id, datetime.now(UTC) - timedelta(minutes=10))
    assert run_schedule(aws, "redeliver_mail") is None
    assert is_in_outbox(aws, message_id)
    mails.create_email_identity(EmailIdentity=sender)
    assert run_schedule(aws, "redeliver_mail") is None
    assert not is_in_outbox(aws, message_id)
    assert mails_to(deployer, person.email)


@pytest.mark.full
def test_a_release_that_fails_its_visit_is_taken_back(
    deployer: Deployer, tmp_path: Path, aws: boto3.Session
) -> None:
    ran = {
        name: aws.client("lambda").get_function(FunctionName=name)["Configuration"]["CodeSha256"]
        for name in (f"accounts-{STAGE}", f"accounts-{STAGE}-authorize")
    }
    # Somebody has stopped the schedule, which a deployment starts again.
    aws.client("events").disable_rule(Name=RULE)
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
    assert aws.client("events").describe_rule(Name=RULE)["State"] == "DISABLED"
    assert mapping(aws)["BatchSize"] == BATCH_SIZE
    target = deployer.target(STAGE)
    client = Client(target.url, target.host)
    assert client.get("/user/me", token=client.register().token).status_code == 200
    users = aws.client("dynamodb").scan(TableName=f"accounts-{STAGE}-users")["Items"]
    assert not any("smoke-" in item["pk"]["S"] for item in users)


@pytest.mark.full
def test_a_redeployment_that_breaks_off_is_taken_back_even_if_the_state_was_lost(
    deployer: Deployer, network: Network, aws: boto3.Session
) -> None:
    before, mapped = api_ids(aws), mapping(aws)["UUID"]
    aws.client("ssm").delete_parameter(Name=f"/accounts/{STAGE}/deployed")
    network.fault = lambda method, path: method == "PUT" and "/gatewayresponses/" in path
    broken = deployer.make("deploy", STAGE)
    network.fault = lambda _method, _path: False
    assert broken.status != 0
    assert "cannot be reached" in last_line(broken)
    assert "the previous release runs again" in last_line(broken)
    assert health(deployer) == 200
    assert api_ids(aws) == before
    assert mapping(aws)["UUID"] == mapped
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
    assert aws.client("events").list_rules()["Rules"] == []
    assert aws.client("lambda").list_event_source_mappings()["EventSourceMappings"] == []
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
    assert len(aws.client("lambda").list_functions()["Functions"]) == 5
    # As if it had broken off a little later, when the schedule is made.
    aws.client("events").put_rule(Name=RULE, ScheduleExpression="rate(1 hour)")
    outcome = deployer.make("destroy", STAGE)
    assert outcome.status == 0, outcome.output
    assert aws.client("events").list_rules()["Rules"] == []
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
