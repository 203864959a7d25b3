"""The mapping that hands the outbox's stream over: found, kept, changed, put back, deleted."""

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from moto import mock_aws

from infra.deployment import status
from infra.deployment.aws import AwsAccount, open_account
from infra.deployment.errors import DeploymentError
from infra.deployment.mappings import (
    OLDEST_SECONDS,
    RETRIES,
    Mapping,
    adopt_mapping,
    configure_mapping,
    delete_mappings,
    find_mappings,
    find_stream,
    mapping_exists,
    put_mapping_back,
)
from infra.deployment.releases import remember_release
from infra.deployment.stages import Stage, read_stage
from infra.deployment.states import State
from infra.deployment.status import show_status
from infra.stacks import deploy_data_stack
from tests.deployment.test_stages import CHECKOUT

FUNCTION = "accounts-prod-deliver_mail"
NOTHING: State = {"resources": [{"name": "another", "resource_type": "iam_role"}]}
TRUST = {"Version": "2012-10-17", "Statement": []}


@pytest.fixture
def stage() -> Stage:
    return read_stage(CHECKOUT, "prod", {})


@pytest.fixture
def account() -> Iterator[AwsAccount]:
    """An account with the data stack, and the function that is to be called."""
    with mock_aws():
        account = open_account()
        deploy_data_stack(account.cloudformation, account.dynamodb, "prod")
        role = account.iam.create_role(
            RoleName="a-role", AssumeRolePolicyDocument=json.dumps(TRUST)
        )["Role"]["Arn"]
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as package:
            package.writestr("app.py", "")
        account.functions.create_function(
            FunctionName=FUNCTION,
            Runtime="python3.11",
            Role=role,
            Handler="app.app",
            Code={"ZipFile": archive.getvalue()},
        )
        yield account


def make_mapping(account: AwsAccount, stream: str) -> str:
    """As `chalice deploy` does."""
    made = account.functions.create_event_source_mapping(
        EventSourceArn=stream, FunctionName=FUNCTION, BatchSize=10, StartingPosition="TRIM_HORIZON"
    )
    return made["UUID"]


def another_stream(account: AwsAccount) -> str:
    """The stream of a table that was there before."""
    made: Any = account.dynamodb.create_table(
        TableName="before",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
    )
    return str(made["TableDescription"]["LatestStreamArn"])


def verify(parsed: dict[str, Any], **_: Any) -> None:
    if "Error" not in parsed:
        parsed["VerifiedForSendingStatus"] = True


def found(account: AwsAccount, stage: Stage) -> Mapping:
    (mapping,) = find_mappings(account, stage)
    return mapping


def test_the_stream_is_the_tables_own(account: AwsAccount, stage: Stage) -> None:
    table = account.dynamodb.describe_table(TableName="accounts-prod-outbox")["Table"]
    assert find_stream(account, stage) == table["LatestStreamArn"]


def test_a_table_without_a_stream_stops_the_deployment(account: AwsAccount, stage: Stage) -> None:
    account.dynamodb.update_table(
        TableName="accounts-prod-outbox", StreamSpecification={"StreamEnabled": False}
    )
    with pytest.raises(DeploymentError, match="accounts-prod-outbox has no stream"):
        find_stream(account, stage)


def test_a_mapping_that_the_state_does_not_know_is_not_made_again(
    account: AwsAccount, stage: Stage
) -> None:
    stream = find_stream(account, stage)
    assert adopt_mapping(account, stage, NOTHING, stream) == NOTHING
    uuid = make_mapping(account, stream)
    state = adopt_mapping(account, stage, NOTHING, stream)
    other, known = state["resources"]
    assert other == NOTHING["resources"][0]
    # By these, Chalice finds it: chalice.deploy.planner, _resource_exists_dynamodbeventsource.
    assert known == {
        "name": "deliver_mail-dynamodb-event-source",
        "resource_type": "dynamodb_event",
        "stream_arn": stream,
        "event_uuid": uuid,
        "lambda_arn": account.functions.get_function(FunctionName=FUNCTION)["Configuration"][
            "FunctionArn"
        ],
    }
    assert adopt_mapping(account, stage, state, stream) == state


def test_a_mapping_of_a_table_that_is_gone_is_replaced(account: AwsAccount, stage: Stage) -> None:
    old = another_stream(account)
    make_mapping(account, old)
    known = adopt_mapping(account, stage, NOTHING, old)
    assert adopt_mapping(account, stage, known, find_stream(account, stage)) == NOTHING
    assert find_mappings(account, stage) == []


def test_a_mapping_that_the_state_knows_and_nobody_has_is_forgotten(
    account: AwsAccount, stage: Stage
) -> None:
    stream = find_stream(account, stage)
    uuid = make_mapping(account, stream)
    state = adopt_mapping(account, stage, NOTHING, stream)
    assert mapping_exists(account, uuid)
    account.functions.delete_event_source_mapping(UUID=uuid)
    assert not mapping_exists(account, uuid)
    assert adopt_mapping(account, stage, state, stream) == NOTHING


def test_a_batch_that_fails_is_given_up_in_time(account: AwsAccount, stage: Stage) -> None:
    uuid = make_mapping(account, find_stream(account, stage))
    calls: list[dict[str, Any]] = []

    def note(params: dict[str, Any], **_: Any) -> None:
        calls.append(params)

    # moto forgets all but the size of a batch.
    event = "provide-client-params.lambda.UpdateEventSourceMapping"
    account.functions.meta.events.register(event, note)
    assert configure_mapping(account, stage).uuid == uuid
    (call,) = calls
    assert json.loads(call["FilterCriteria"]["Filters"][0]["Pattern"]) == {"eventName": ["INSERT"]}
    assert call == {
        "UUID": uuid,
        "Enabled": True,
        "FilterCriteria": call["FilterCriteria"],
        "MaximumRetryAttempts": RETRIES,
        "MaximumRecordAgeInSeconds": OLDEST_SECONDS,
        "BisectBatchOnFunctionError": True,
    }


def test_a_mapping_that_is_being_changed_is_waited_for(
    account: AwsAccount, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.deployment.mappings._WAIT_SECONDS", 0.0)
    make_mapping(account, find_stream(account, stage))
    left = 2

    def refuse(**_: Any) -> tuple[Any, dict[str, Any]] | None:
        nonlocal left
        left -= 1
        error = {"Code": "ResourceInUseException", "Message": "it is in use"}
        refused = (SimpleNamespace(status_code=400), {"Error": error})
        return refused if left >= 0 else None

    event = "before-call.lambda.UpdateEventSourceMapping"
    hooks: Any = account.functions.meta.events
    hooks.register_first(event, refuse)
    configure_mapping(account, stage)
    assert left < 0
    left = 1_000
    with pytest.raises(DeploymentError, match="still changing"):
        configure_mapping(account, stage)


def test_a_mapping_that_does_not_come_to_be_stops_the_deployment(
    account: AwsAccount, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.deployment.mappings._WAIT_SECONDS", 0.0)
    with pytest.raises(DeploymentError, match="not there, or not ready"):
        configure_mapping(account, stage)


def test_a_release_is_remembered_with_its_mapping(account: AwsAccount, stage: Stage) -> None:
    make_mapping(account, find_stream(account, stage))
    # moto cannot be asked for a function's code over HTTP.
    account.functions.delete_function(FunctionName=FUNCTION)
    assert remember_release(account, stage, "no-api").mapping == found(account, stage)


def test_a_mapping_is_put_back_as_it_was(account: AwsAccount, stage: Stage) -> None:
    make_mapping(account, find_stream(account, stage))
    before = replace(found(account, stage), state="Disabled")
    put_mapping_back(account, stage, before)
    assert found(account, stage).state == "Disabled"
    put_mapping_back(account, stage, replace(before, state="Enabled"))
    assert found(account, stage).state == "Enabled"


def test_a_mapping_that_the_previous_release_had_not_is_deleted(
    account: AwsAccount, stage: Stage
) -> None:
    make_mapping(account, find_stream(account, stage))
    for _ in range(2):
        put_mapping_back(account, stage, None)
        assert find_mappings(account, stage) == []


def test_what_is_deleted_is_told(account: AwsAccount, stage: Stage) -> None:
    make_mapping(account, find_stream(account, stage))
    said: list[str] = []
    for _ in range(2):
        delete_mappings(account, stage, said.append)
    assert said == [f"mapping of {FUNCTION}"]
    assert find_mappings(account, stage) == []


def test_the_status_tells_whether_mails_go_out(
    account: AwsAccount,
    stage: Stage,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(status, "open_account", lambda: account)
    show_status(stage)
    said = capsys.readouterr().out
    assert "\nMails     the outbox's stream is delivered by nobody\n" in said
    assert "none is sent: ACCOUNTS_MAIL_SENDER is not set" in said
    make_mapping(account, find_stream(account, stage))
    variables = {"ACCOUNTS_STAGE": "prod", "ACCOUNTS_MAIL_SENDER": "Us <us@example.com>"}
    own = {"environment_variables": variables, "api_gateway_stage": "prod"}
    sending = replace(stage, configuration={**stage.configuration, "stages": {"prod": own}})
    show_status(sending)
    said = capsys.readouterr().out
    assert "\nMails     the outbox's stream is delivered: enabled\n" in said
    assert "from Us <us@example.com>, which SES HAS NOT VERIFIED" in said
    account.mails.create_email_identity(EmailIdentity="example.com")
    # In moto nobody ever clicks on the link, or publishes a key.
    account.mails.meta.events.register("after-call.sesv2.GetEmailIdentity", verify)
    show_status(sending)
    assert "from Us <us@example.com>, which SES has verified" in capsys.readouterr().out
    hooks: Any = account.mails.meta.events
    error = {"Code": "AccessDeniedException", "Message": "no"}
    refused = (SimpleNamespace(status_code=403), {"Error": error})
    hooks.register_first("before-call.sesv2.GetEmailIdentity", lambda **_: refused)
    show_status(sending)
    assert "of which SES does not tell (ClientError)" in capsys.readouterr().out
