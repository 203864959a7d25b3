"""What the functions tell about their work: one line of JSON a request, metrics included.

The line is also the metrics: CloudWatch reads them out of it (the Embedded Metric Format), which
costs no call. It says who, what, how it ended and how long it took; it has no field for a token,
a password or a mail address, and a failure is told by its type and place, never by its message,
which could quote one.
See https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import json
import logging
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from chalicelib import startup

NAMESPACE = "accounts"

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Record:
    """What is known of the request at hand so far."""

    facts: dict[str, Any]
    counts: str | None = None
    """A metric that goes up by one if the request succeeds."""
    failed: bool = False
    """It ended in a fault of ours, not in a refusal."""
    counted: list[str] = field(default_factory=list)
    """Metrics that go up by one however the request ends."""
    store_calls: int = 0
    store_ms: float = 0.0
    started: float = field(default_factory=time.perf_counter)

    def note(self, **facts: Any) -> None:
        """Add facts that were found on the way."""
        self.facts.update(facts)

    def count(self, metric: str) -> None:
        """Let a metric go up by one, whatever the outcome is."""
        self.counted.append(metric)


_current: ContextVar[Record | None] = ContextVar("record", default=None)


@contextmanager
def recording(event: str, **facts: Any) -> Iterator[Record]:
    """Write one line when the work inside is done: `outcome` is "ok" unless noted otherwise."""
    record = Record({"event": event, "stage": "unknown", "outcome": "ok", **facts})
    token = _current.set(record)
    try:
        yield record
    finally:
        _current.reset(token)
        _log.info(event, extra={"line": _line(record)})
        startup.end()


def note(**facts: Any) -> None:
    """Add facts to the record of the request at hand, if there is one."""
    if record := _current.get():
        record.note(**facts)


def security_event(name: str, **facts: str) -> None:
    """Write a line of its own about something that somebody may want to look into.

    It is also a metric, `SecurityEvents`, by stage and event.
    """
    record = _current.get()
    known = {} if record is None else record.facts
    line = {
        "event": name,
        "stage": known.get("stage", "unknown"),
        "request_id": known.get("request_id", "unknown"),
        **facts,
        "SecurityEvents": 1,
        "_aws": _embedded([_directive(["stage", "event"], {"SecurityEvents": ("Count", 1)})]),
    }
    _log.warning(name, extra={"line": line})


@contextmanager
def store_call() -> Iterator[None]:
    """Count and time a call to the store."""
    started = time.perf_counter()
    try:
        yield
    finally:
        if record := _current.get():
            record.store_calls += 1
            record.store_ms += _ms_since(started)


class JsonFormatter(logging.Formatter):
    """One line of JSON a log entry, whoever wrote it."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record's own line, or any other entry in the same form."""
        line = getattr(record, "line", None) or {"message": record.getMessage()}
        entry = {"level": record.levelname, "logger": record.name, **line}
        # Lambda's own handler knows the invocation, by which the access log is joined to the rest.
        if invocation := getattr(record, "aws_request_id", None):
            entry["lambda_request_id"] = invocation
        if record.exc_info and record.exc_info[0]:
            entry["exception"] = record.exc_info[0].__name__
            entry["stack"] = [
                f"{frame.filename}:{frame.lineno} in {frame.name}"
                for frame in traceback.extract_tb(record.exc_info[2])
            ]
        return json.dumps(entry, default=str)


def configure() -> None:
    """Make what Lambda (or `chalice local`) has set up for logging write JSON."""
    for handler in logging.getLogger().handlers:
        handler.setFormatter(JsonFormatter())
    logging.getLogger("chalicelib").setLevel(logging.INFO)


def _line(record: Record) -> dict[str, Any]:
    outcome = record.facts["outcome"]
    metrics: dict[str, tuple[str, float]] = {}
    if record.store_calls:
        metrics["StoreLatency"] = ("Milliseconds", round(record.store_ms, 1))
    for metric in record.counted:
        metrics[metric] = ("Count", 1)
    if record.failed:
        metrics["Failures"] = ("Count", 1)
    elif outcome == "ok" and record.counts:
        metrics[record.counts] = ("Count", 1)
    directives = [_directive(["stage"], metrics)] if metrics else []
    if outcome != "ok" and not record.failed:
        refusal = {"Refusals": ("Count", 1.0)}
        directives.append(_directive(["stage", "outcome"], refusal))
        metrics |= refusal
    line: dict[str, Any] = {
        **record.facts,
        "duration_ms": round(_ms_since(record.started), 1),
        "store_calls": record.store_calls,
        **{name: value for name, (_, value) in metrics.items()},
    }
    if directives:
        line["_aws"] = _embedded(directives)
    return line


def _embedded(directives: list[dict[str, Any]]) -> dict[str, Any]:
    return {"Timestamp": time.time_ns() // 1_000_000, "CloudWatchMetrics": directives}


def _directive(dimensions: list[str], metrics: dict[str, tuple[str, float]]) -> dict[str, Any]:
    return {
        "Namespace": NAMESPACE,
        "Dimensions": [dimensions],
        "Metrics": [{"Name": name, "Unit": unit} for name, (unit, _) in metrics.items()],
    }


def _ms_since(started: float) -> float:
    return (time.perf_counter() - started) * 1_000
