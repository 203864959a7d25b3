"""The rule that has the keys rotated: put back with a release, told of, and deleted."""

from collections.abc import Iterator

import pytest
from moto import mock_aws

from infra.deployment.aws import AwsAccount, open_account
from infra.deployment.releases import Release, put_back, remember_release
from infra.deployment.rules import Rule, delete_rule, find_rule, rule_name
from infra.deployment.stages import Stage, read_stage
from infra.deployment.status import show_status
from tests.deployment.test_stages import CHECKOUT

NAME = "accounts-prod-rotate_keys-event"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:accounts-prod-rotate_keys"
BEFORE = Rule(NAME, "rate(2 hours)", "as it was", "DISABLED")


@pytest.fixture
def stage() -> Stage:
    return read_stage(CHECKOUT, "prod", {})


@pytest.fixture
def account() -> Iterator[AwsAccount]:
    with mock_aws():
        yield open_account()


def release(rule: Rule | None) -> Release:
    return Release(functions=(), deployment=None, rules={NAME: rule})


def make_rule(account: AwsAccount) -> None:
    """As `chalice deploy` does."""
    account.events.put_rule(Name=NAME, ScheduleExpression="rate(1 hour)", Description="as it is")
    account.events.put_targets(Rule=NAME, Targets=[{"Id": "1", "Arn": FUNCTION}])


def test_a_release_is_remembered_with_its_rule(account: AwsAccount, stage: Stage) -> None:
    assert rule_name(stage, "rotate_keys") == NAME
    redelivery = rule_name(stage, "redeliver_mail")
    assert remember_release(account, stage, "no-api").rules == {NAME: None, redelivery: None}
    make_rule(account)
    assert remember_release(account, stage, "no-api").rules == {
        NAME: Rule(NAME, "rate(1 hour)", "as it is", "ENABLED"),
        redelivery: None,
    }


def test_a_rule_is_put_back_as_it_was_and_calls_what_it_called(
    account: AwsAccount, stage: Stage
) -> None:
    make_rule(account)
    put_back(account, stage, release(BEFORE), lambda _line: None)
    assert find_rule(account, NAME) == BEFORE
    (target,) = account.events.list_targets_by_rule(Rule=NAME)["Targets"]
    assert target["Arn"] == FUNCTION


def test_a_rule_that_the_previous_release_had_not_is_deleted(
    account: AwsAccount, stage: Stage
) -> None:
    make_rule(account)
    for _ in range(2):
        put_back(account, stage, release(None), lambda _line: None)
        assert find_rule(account, NAME) is None


def test_a_rule_is_deleted_with_its_target_and_once(account: AwsAccount) -> None:
    make_rule(account)
    assert delete_rule(account, NAME)
    assert not delete_rule(account, NAME)
    assert account.events.list_rules()["Rules"] == []


def test_the_status_tells_of_the_rule(
    account: AwsAccount, stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    show_status(stage)
    assert "\nSchedule  none\n" in capsys.readouterr().out
    make_rule(account)
    show_status(stage)
    assert f"\nSchedule  {NAME}: rate(1 hour), and no function to call\n" in capsys.readouterr().out
