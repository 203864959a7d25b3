"""What Lambda says of each invocation at its end, and what many of them come to.

A function that logs text has a line for it, `REPORT RequestId: …`; one that logs JSON an event,
`platform.report`. Nothing else that a function logs is taken for either.
See https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html and
https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html
"""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

PATTERNS = ('"REPORT RequestId:"', '"platform.report"')
"""CloudWatch's filter patterns that leave such lines and few others: a line matches one of them."""

_BEGINNING = "REPORT RequestId: "
_FIELD = re.compile(r"([A-Z][A-Za-z ]{2,40}): (\S+)(?: (?:ms|MB))? *")
_TEXT_NAMES = {
    "Duration": "durationMs",
    "Billed Duration": "billedDurationMs",
    "Memory Size": "memorySizeMB",
    "Max Memory Used": "maxMemoryUsedMB",
    "Init Duration": "initDurationMs",
    "Restore Duration": "restoreDurationMs",
    "Billed Restore Duration": "billedRestoreDurationMs",
}
_SUCCESS = "success"
_MILLISECONDS = 1_000
_MB_IN_GB = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One invocation."""

    duration_ms: float
    billed_ms: float
    """What is paid for, the start included as far as it is."""
    memory_mb: int
    """What the function may use."""
    used_mb: int
    """The most that its environment has used so far."""
    start_ms: float | None
    """How long it took to start or to be restored; None if it was warm."""
    failed: bool
    """It crashed, was too late or ran out of memory. What the code answered does not count."""


def read_report(message: str) -> Report | None:
    """Read a line of a function's log; None if it is none of Lambda's reports."""
    if message.startswith(_BEGINNING):
        return _read_text(message)
    if message.startswith("{"):
        return _read_json(message)
    return None


def _read_text(message: str) -> Report | None:
    fields = {}
    for part in re.split(r"[\t\n]", message):
        if matched := _FIELD.fullmatch(part):
            fields[matched[1]] = matched[2]
    try:
        metrics = {
            name: float(fields[said]) for said, name in _TEXT_NAMES.items() if said in fields
        }
    except ValueError:
        return None
    return _report(metrics, fields.get("Status", _SUCCESS))


def _read_json(message: str) -> Report | None:
    try:
        event = json.loads(message)
        if event["type"] != "platform.report":
            return None
        record = event["record"]
        metrics = {name: float(value) for name, value in record["metrics"].items()}
        return _report(metrics, record.get("status", _SUCCESS))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _report(metrics: Mapping[str, float], status: str) -> Report | None:
    if not all(math.isfinite(value) and value >= 0 for value in metrics.values()):
        return None
    start = metrics.get("initDurationMs", metrics.get("restoreDurationMs"))
    try:
        return Report(
            duration_ms=metrics["durationMs"],
            billed_ms=metrics["billedDurationMs"] + metrics.get("billedRestoreDurationMs", 0),
            memory_mb=int(metrics["memorySizeMB"]),
            used_mb=int(metrics["maxMemoryUsedMB"]),
            start_ms=start,
            failed=status != _SUCCESS,
        )
    except KeyError:
        return None


@dataclass(slots=True)
class Summary:
    """Many invocations of one function."""

    durations: list[float] = field(default_factory=list)
    billed: list[float] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)
    failures: int = 0
    used_mb: int = 0
    memory_mb: set[int] = field(default_factory=set)
    """More than one if it was changed meanwhile."""
    gb_seconds: float = 0.0

    @property
    def invocations(self) -> int:
        """How many there were."""
        return len(self.durations)

    def add(self, reports: Iterable[Report]) -> None:
        """Count some more."""
        for report in reports:
            self.durations.append(report.duration_ms)
            self.billed.append(report.billed_ms)
            if report.start_ms is not None:
                self.starts.append(report.start_ms)
            self.failures += report.failed
            self.used_mb = max(self.used_mb, report.used_mb)
            self.memory_mb.add(report.memory_mb)
            seconds = report.billed_ms / _MILLISECONDS
            self.gb_seconds += seconds * report.memory_mb / _MB_IN_GB


def percentiles(values: Sequence[float], shares: Sequence[int]) -> list[float]:
    """The values that so many per cent do not exceed, by nearest rank; `values` are not empty."""
    ordered = sorted(values)
    return [ordered[max(math.ceil(len(ordered) * share / 100), 1) - 1] for share in shares]
