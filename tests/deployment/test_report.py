"""`make report`: what it reads of CloudWatch, and how it ends."""

import time
from collections.abc import Iterator

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from infra import report
from infra.costs import PRICES
from infra.lambda_reports import Summary, read_report
from infra.report import cost, describe, main
from tests.unit.test_lambda_reports import COLD, LATE, RESTORED, TRACED, WARM, json_report

REGION = "eu-central-1"
API, AUTHORIZER = "accounts-staging", "accounts-staging-authorize"
HOUR = 3_600


@pytest.fixture(autouse=True)
def _aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws():
        yield


def log(function: str, *messages: str, hours_ago: float = 0.5) -> None:
    """Write lines of a function's log, each into a stream of its own."""
    logs = boto3.client("logs")
    group = f"/aws/lambda/{function}"
    if not logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
        logs.create_log_group(logGroupName=group)
    at = int((time.time() - hours_ago * HOUR) * 1_000)
    for number, message in enumerate(messages):
        stream = f"{hours_ago}-{number}"
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
        logs.put_log_events(
            logGroupName=group,
            logStreamName=stream,
            logEvents=[{"timestamp": at, "message": message}],
        )


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line of what went wrong."""
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("accounts: ")
    return line


def test_reports_are_counted_by_function(capsys: pytest.CaptureFixture[str]) -> None:
    line = '{"event":"request","route":"/user","agent":"REPORT RequestId: x platform.report"}'
    log(API, "START RequestId: x", line, WARM, COLD, LATE, "END RequestId: x")
    log(AUTHORIZER, json_report(), TRACED)
    assert main(["staging", ""]) == 0
    out = capsys.readouterr().out
    first, second = out[out.index(API + "\n") :].split("\n\n")[:2]
    assert "invocations  3, of which 1 cold (33.3%) and 1 failed" in first
    assert "memory       301 of 128 or 512 MB at the most" in first
    assert "  duration         396.0   3,000.0   3,000.0   3,000.0" in first
    assert "  start            265.7     265.7     265.7     265.7" in first
    assert second.startswith(AUTHORIZER + "\n")
    assert "invocations  2, of which 2 cold" in second
    assert "accounts-staging-rotate_keys: no log group" in out
    assert f"Stage staging in {REGION}, from 2" in out


def test_only_the_hours_that_are_asked_for_are_read(capsys: pytest.CaptureFixture[str]) -> None:
    log(API, WARM, hours_ago=0.5)
    log(API, COLD, hours_ago=30)
    assert main(["staging", "1"]) == 0
    assert "invocations  1, of which 0 cold" in capsys.readouterr().out
    assert main(["staging", "48"]) == 0
    assert "invocations  2, of which 1 cold" in capsys.readouterr().out


def test_all_pages_are_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(report, "_PAGE", 2)
    log(API, *[WARM] * 7)
    assert main(["staging", "24"]) == 0
    assert "invocations  7," in capsys.readouterr().out


def test_reading_has_an_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(report, "_PAGE", 2)
    monkeypatch.setattr(report, "MOST_REPORTS", 4)
    log(API, *[WARM] * 7)
    assert main(["staging", "24"]) == 0
    assert "only the first 4 that there are: ask for fewer HOURS" in capsys.readouterr().out


def test_a_function_that_was_not_invoked_has_no_figures(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log(API, "START RequestId: x")
    assert main(["staging", ""]) == 0
    assert f"{API}: not invoked" in capsys.readouterr().out


def test_a_stage_without_logs_is_not_deployed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["staging", ""]) == 1
    expected = f"stage staging has no log groups in {REGION}: make deploy STAGE=staging"
    assert expected in said(capsys)


@pytest.mark.parametrize("stage", ["", "production"])
def test_another_stage_is_refused(stage: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([stage, ""]) == 1
    assert "give STAGE=… one of dev, prod, staging" in said(capsys)


@pytest.mark.parametrize("hours", ["0", "745", "-1", "1.5", "a day", " ", "٣"])
def test_other_hours_are_refused(hours: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["staging", hours]) == 1
    assert f"HOURS={hours} is not a whole number from 1 to 744" in said(capsys)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (
            "AccessDeniedException",
            f"may not read /aws/lambda/{API}: they need logs:FilterLogEvents on it",
        ),
        ("ServiceUnavailableException", "AWS refused: "),
        ("UnrecognizedClientException", "AWS refused the credentials"),
    ],
)
def test_what_cloudwatch_refuses_is_one_line(
    code: str,
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refuse(*_: object) -> Iterator[list[str]]:
        raise ClientError({"Error": {"Code": code, "Message": "no"}}, "FilterLogEvents")
        yield []

    monkeypatch.setattr(report, "_pages", refuse)
    assert main(["staging", ""]) == 1
    assert expected in said(capsys)


def test_the_cost_is_that_of_what_was_billed() -> None:
    summary = Summary()
    summary.add(read for read in [read_report(RESTORED)] if read is not None)
    invocation, _ = PRICES["Lambda, arm64, an invocation"]
    second, _ = PRICES["Lambda, arm64, a GB-second"]
    expected = invocation + 0.061 * 1_769 / 1_024 * second
    assert cost(summary, "arm64") == pytest.approx(expected)
    assert cost(summary, "x86_64") > cost(summary, "arm64")


def test_a_warm_function_has_no_line_of_starts() -> None:
    summary = Summary()
    summary.add(read for read in [read_report(WARM)] if read is not None)
    assert not [line for line in describe({"f": summary}, "arm64") if "start" in line]
