"""Lambda's reports, as AWS documents and writes them."""

import json
from typing import Any

import pytest

from infra.lambda_reports import Report, Summary, percentiles, read_report

WARM = (
    "REPORT RequestId: 8f507cfc-xmpl-4697-b07a-ac58fc914c95\tDuration: 15.74 ms\t"
    "Billed Duration: 16 ms\tMemory Size: 512 MB\tMax Memory Used: 56 MB\t\n"
)
COLD = (
    "REPORT RequestId: bf5f58db-ef7d-4cb2-b3c6-266eba1bbedb\tDuration: 395.99 ms\t"
    "Billed Duration: 662 ms\tMemory Size: 512 MB\tMax Memory Used: 301 MB\t"
    "Init Duration: 265.72 ms\t\n"
)
TRACED = (
    "REPORT RequestId: 8f507cfc-xmpl-4697-b07a-ac58fc914c95\tDuration: 15.74 ms\t"
    "Billed Duration: 147 ms\tMemory Size: 128 MB\tMax Memory Used: 56 MB\t"
    "Init Duration: 130.49 ms\t\n"
    "XRAY TraceId: 1-5e34a614-10bdxmplf1fb44f07bc535a1\tSegmentId: 07f5xmpl2d1f6f85\t"
    "Sampled: true\t\n"
)
RESTORED = (
    "REPORT RequestId: 5b7b1a0c-xmpl-4f0c-9d5b-0d6d1b9a3a55\tDuration: 20.10 ms\t"
    "Billed Duration: 21 ms\tMemory Size: 1769 MB\tMax Memory Used: 97 MB\t"
    "Restore Duration: 331.80 ms\tBilled Restore Duration: 40 ms\t\n"
)
LATE = (
    "REPORT RequestId: 6f747a63-xmpl-4e1b-8f2f-8b8f6b2ff3b1\tDuration: 3000.00 ms\t"
    "Billed Duration: 3000 ms\tMemory Size: 128 MB\tMax Memory Used: 31 MB\tStatus: timeout\n"
)
CRASHED = (
    "REPORT RequestId: 6f747a63-xmpl-4e1b-8f2f-8b8f6b2ff3b1\tDuration: 21.44 ms\t"
    "Billed Duration: 22 ms\tMemory Size: 128 MB\tMax Memory Used: 128 MB\t"
    "Status: error\tError Type: Runtime.OutOfMemory\n"
)
JSON: dict[str, Any] = {
    "time": "2026-11-24T12:00:00.000Z",
    "type": "platform.report",
    "record": {
        "requestId": "6f747a63-xmpl-4e1b-8f2f-8b8f6b2ff3b1",
        "metrics": {
            "durationMs": 101.51,
            "billedDurationMs": 219,
            "memorySizeMB": 512,
            "maxMemoryUsedMB": 33,
            "initDurationMs": 116.67,
        },
        "status": "success",
    },
}


def json_report(status: str = "success", **metrics: Any) -> str:
    record = {**JSON["record"], "status": status}
    record["metrics"] = {**record["metrics"], **metrics}
    return json.dumps({**JSON, "record": record})


def _report(
    duration: float,
    billed: float,
    sizes: tuple[int, int],
    start: float | None = None,
    *,
    failed: bool = False,
) -> Report:
    memory, used = sizes
    return Report(
        duration_ms=duration,
        billed_ms=billed,
        memory_mb=memory,
        used_mb=used,
        start_ms=start,
        failed=failed,
    )


@pytest.mark.parametrize(
    ("message", "report"),
    [
        (WARM, _report(15.74, 16, (512, 56))),
        (COLD, _report(395.99, 662, (512, 301), 265.72)),
        (TRACED, _report(15.74, 147, (128, 56), 130.49)),
        (RESTORED, _report(20.10, 61, (1769, 97), 331.80)),
        (LATE, _report(3000, 3000, (128, 31), failed=True)),
        (CRASHED, _report(21.44, 22, (128, 128), failed=True)),
        (json.dumps(JSON), _report(101.51, 219, (512, 33), 116.67)),
        (json_report("timeout"), _report(101.51, 219, (512, 33), 116.67, failed=True)),
    ],
)
def test_a_report_is_read(message: str, report: Report) -> None:
    assert read_report(message) == report


@pytest.mark.parametrize(
    "message",
    [
        "",
        "START RequestId: 8f507cfc-xmpl-4697-b07a-ac58fc914c95 Version: $LATEST\n",
        "END RequestId: 8f507cfc-xmpl-4697-b07a-ac58fc914c95\n",
        "INIT_REPORT Init Duration: 10010.00 ms\tPhase: init\tStatus: timeout\n",
        "a REPORT RequestId: x\tDuration: 1 ms\tBilled Duration: 1 ms\t",
        "REPORT RequestId: x\tDuration: 15.74 ms\n",
        WARM.replace("15.74", "soon"),
        WARM.replace("15.74", "nan"),
        WARM.replace("15.74", "-1"),
        "{",
        "{}",
        "[" * 100_000,
        '{"type":' + "[" * 100_000,
        json.dumps([JSON]),
        json.dumps({**JSON, "type": "platform.start"}),
        json.dumps({**JSON, "record": None}),
        json.dumps({**JSON, "record": {"metrics": []}}),
        json_report(durationMs="x"),
        json_report(durationMs=None),
        json.dumps({"event": "request", "agent": f"{WARM} platform.report"}),
    ],
)
def test_nothing_else_is_taken_for_one(message: str) -> None:
    assert read_report(message) is None


def test_many_are_summed_up() -> None:
    summary = Summary()
    summary.add(read for read in map(read_report, [WARM, COLD, LATE]) if read is not None)
    assert (summary.invocations, summary.failures, summary.starts) == (3, 1, [265.72])
    assert (summary.used_mb, summary.memory_mb) == (301, {128, 512})
    assert summary.gb_seconds == pytest.approx(0.678 * 0.5 + 3 * 0.125)


def test_percentiles_are_values_that_there_were() -> None:
    hundred = [float(number) for number in range(100, 0, -1)]
    assert percentiles(hundred, (50, 90, 99, 100)) == [50, 90, 99, 100]
    assert percentiles([7.0], (1, 50, 100)) == [7, 7, 7]
    assert percentiles([1.0, 2.0, 3.0], (50, 90)) == [2, 3]
