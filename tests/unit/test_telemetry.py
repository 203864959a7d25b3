"""One line of JSON a request, which is also its metrics."""

import json
import logging
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest

from chalicelib import telemetry


@pytest.fixture
def written() -> Iterator[StringIO]:
    """What a function's log handler writes, once `configure` has put it in form."""
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    root.addHandler(handler)
    telemetry.configure()
    yield stream
    root.removeHandler(handler)


def only_line(stream: StringIO) -> dict[str, Any]:
    (line,) = stream.getvalue().splitlines()
    entry = json.loads(line)
    assert isinstance(entry, dict)
    return entry


def metrics_of(line: dict[str, Any]) -> dict[tuple[str, ...], list[str]]:
    """The metrics that CloudWatch reads out of a line, by their dimensions."""
    return {
        tuple(directive["Dimensions"][0]): [metric["Name"] for metric in directive["Metrics"]]
        for directive in line.get("_aws", {"CloudWatchMetrics": []})["CloudWatchMetrics"]
    }


def test_a_success_counts_what_it_was_declared_to_count(written: StringIO) -> None:
    with telemetry.recording("request", stage="test", route="POST /user") as record:
        record.counts = "Registrations"
        telemetry.note(user="a-user")
    line = only_line(written)
    assert line["event"] == "request"
    assert (line["stage"], line["route"], line["user"]) == ("test", "POST /user", "a-user")
    assert line["outcome"] == "ok"
    assert line["Registrations"] == 1
    assert metrics_of(line) == {("stage",): ["Registrations"]}


def test_what_is_counted_on_the_way_counts_however_the_request_ends(written: StringIO) -> None:
    with telemetry.recording("request", stage="test") as record:
        record.count("MailsFailed")
        record.note(outcome="unavailable")
    line = only_line(written)
    assert line["MailsFailed"] == 1
    assert metrics_of(line) == {("stage",): ["MailsFailed"], ("stage", "outcome"): ["Refusals"]}


def test_a_refusal_counts_by_its_reason_and_not_as_a_success(written: StringIO) -> None:
    with telemetry.recording("request", stage="test") as record:
        record.counts = "Logins"
        record.note(outcome="wrong_credentials")
    line = only_line(written)
    assert line["outcome"] == "wrong_credentials"
    assert "Logins" not in line
    assert metrics_of(line) == {("stage", "outcome"): ["Refusals"]}


def test_a_fault_counts_as_a_failure_and_not_as_a_refusal(written: StringIO) -> None:
    with telemetry.recording("request", stage="test") as record:
        record.note(outcome="unavailable")
        record.failed = True
    assert metrics_of(only_line(written)) == {("stage",): ["Failures"]}


def test_calls_to_the_store_are_counted_and_timed(written: StringIO) -> None:
    with telemetry.recording("request", stage="test"):
        for _ in range(2):
            with telemetry.store_call():
                pass
    line = only_line(written)
    assert line["store_calls"] == 2
    assert 0 <= line["StoreLatency"] <= line["duration_ms"] + 0.1
    assert metrics_of(line) == {("stage",): ["StoreLatency"]}


def test_every_metric_of_a_line_has_a_value_and_every_dimension_too(written: StringIO) -> None:
    with telemetry.recording("request", stage="test") as record:
        record.note(outcome="email_taken")
        with telemetry.store_call():
            pass
    line = only_line(written)
    for dimensions, names in metrics_of(line).items():
        assert set(dimensions) <= line.keys()
        assert all(isinstance(line[name], int | float) for name in names)
    assert line["_aws"]["Timestamp"] > 1_700_000_000_000, "milliseconds"


def test_a_line_is_written_even_when_the_work_raises(written: StringIO) -> None:
    with pytest.raises(KeyError), telemetry.recording("request", stage="test"):
        raise KeyError
    assert only_line(written)["event"] == "request"


def test_what_is_noted_outside_a_request_goes_nowhere(written: StringIO) -> None:
    telemetry.note(user="a-user")
    with telemetry.store_call():
        pass
    assert written.getvalue() == ""


def test_a_line_names_the_invocation_where_lambda_tells_it() -> None:
    record = logging.makeLogRecord({"msg": "hello", "aws_request_id": "an-invocation"})
    entry = json.loads(telemetry.JsonFormatter().format(record))
    assert entry["lambda_request_id"] == "an-invocation"


def divulge() -> None:
    raise ValueError("hunter2")


def test_a_failure_is_told_by_type_and_place_never_by_message(written: StringIO) -> None:
    try:
        divulge()
    except ValueError:
        logging.getLogger("chalicelib.api").exception("it failed")
    line = only_line(written)
    assert line["message"] == "it failed"
    assert line["exception"] == "ValueError"
    assert line["stack"][-1].startswith(f"{__file__}:")
    assert line["stack"][-1].endswith(" in divulge")
    assert "hunter2" not in written.getvalue()


def test_a_security_event_is_a_line_and_a_metric_of_its_own(written: StringIO) -> None:
    with telemetry.recording("request", stage="test", request_id="7"):
        telemetry.security_event("refresh_token_reused", user="a-user", session="a-session")
    event, request = map(json.loads, written.getvalue().splitlines())
    assert event["level"] == "WARNING"
    assert event["event"] == "refresh_token_reused"
    assert (event["stage"], event["request_id"]) == ("test", "7")
    assert (event["user"], event["session"]) == ("a-user", "a-session")
    assert event["SecurityEvents"] == 1
    assert metrics_of(event) == {("stage", "event"): ["SecurityEvents"]}
    assert "SecurityEvents" not in request


def test_a_security_event_outside_of_a_request_is_told_too(written: StringIO) -> None:
    telemetry.security_event("refresh_token_reused")
    assert only_line(written)["stage"] == "unknown"
