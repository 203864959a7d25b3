"""`make report STAGE=…`: what Lambda has reported of a stage's functions, and what it costs.

It reads the lines that Lambda writes at the end of each invocation, and no others. CloudWatch
charges nothing for that, where Logs Insights would be paid by what is searched.
"""

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from infra.commands import RefusedError, run_command
from infra.lambda_reports import PATTERNS, Summary, percentiles, read_report
from infra.local.children import CHECKOUT
from infra.progress_bars import ProgressBar

if TYPE_CHECKING:
    from infra.deployment.aws import AwsAccount
    from infra.deployment.stages import Stage

MOST_HOURS = 24 * 31
MOST_REPORTS = 500_000
"""Of one function. It is some 100 MB of memory here, and a minute or so of CloudWatch's."""

_USUAL_HOURS = "24"
_HOURS = re.compile(r"[0-9]{1,3}")
_SHARES = (50, 90, 99, 100)
_PAGE = 10_000
_MILLISECONDS = 1_000
_X86_GB_SECOND = 0.0000166667
"""https://aws.amazon.com/lambda/pricing/"""
_DENIED = frozenset({"AccessDenied", "AccessDeniedException"})


def main(arguments: Sequence[str]) -> int:
    """Print the reports of a stage, for so many hours or (if that is empty) a day; the status."""
    stage, hours = arguments
    return run_command(lambda: _show(stage, hours))


def _show(name: str, hours: str) -> None:
    """Read and print.

    Raises:
        RefusedError: the hours will not do, or there is nothing to report.
        DeploymentError: there is no such stage, or AWS does not let whoever runs this at it.
    """
    until = datetime.now(UTC)
    since = until - _period(hours or _USUAL_HOURS)

    # Only this needs boto3, which takes its time.
    from infra.deployment.aws import open_account, plain_faults
    from infra.deployment.stages import read_stage

    stage = read_stage(CHECKOUT, name)
    with plain_faults():
        account = open_account()
        summaries = {
            stage.function_name(function): _read(account, stage, function, since, until)
            for function in stage.functions
        }
    if all(summary is None for summary in summaries.values()):
        raise RefusedError(
            f"stage {name} has no log groups in {account.region}: make deploy STAGE={name}"
        )
    print(
        f"Stage {name} in {account.region}, from {since:%Y-%m-%d %H:%M} to"
        f" {until:%Y-%m-%d %H:%M} UTC"
    )
    for line in describe(summaries, stage.architecture):
        print(line)


def _period(hours: str) -> timedelta:
    if not (_HOURS.fullmatch(hours) and 1 <= int(hours) <= MOST_HOURS):
        raise RefusedError(f"HOURS={hours} is not a whole number from 1 to {MOST_HOURS}")
    return timedelta(hours=int(hours))


def _read(
    account: "AwsAccount", stage: "Stage", function: str, since: datetime, until: datetime
) -> Summary | None:
    """Read one function's reports; None if it has no log group.

    Raises:
        RefusedError: whoever runs this may not read it.
    """
    from botocore.exceptions import ClientError

    from infra.deployment.logs import function_group

    group = function_group(stage, function)
    progress = ProgressBar(sys.stderr, f"reports of {stage.function_name(function)}")
    summary = Summary()
    try:
        for messages in _pages(account, group, since, until):
            summary.add(report for report in map(read_report, messages) if report is not None)
            progress.show(summary.invocations, None)
            if summary.invocations >= MOST_REPORTS:
                break
    except account.logs.exceptions.ResourceNotFoundException:
        return None
    except ClientError as error:
        if error.response["Error"].get("Code") in _DENIED:
            raise RefusedError(
                f"these credentials may not read {group}: they need logs:FilterLogEvents on it"
                " (docs/performance.md)"
            ) from error
        raise
    finally:
        progress.clear()
    return summary


def _pages(
    account: "AwsAccount", group: str, since: datetime, until: datetime
) -> Iterator[list[str]]:
    """The lines that may be reports, as CloudWatch gives them: a page may well be empty."""
    pages = account.logs.get_paginator("filter_log_events")
    for pattern in PATTERNS:
        for page in pages.paginate(
            logGroupName=group,
            filterPattern=pattern,
            startTime=int(since.timestamp() * _MILLISECONDS),
            endTime=int(until.timestamp() * _MILLISECONDS),
            PaginationConfig={"PageSize": _PAGE},
        ):
            yield [event.get("message", "") for event in page.get("events", [])]


def describe(summaries: dict[str, Summary | None], architecture: str) -> Iterator[str]:
    """What was read, for a terminal; by the functions' names."""
    whole = 0.0
    for name, summary in summaries.items():
        yield ""
        if summary is None:
            yield f"{name}: no log group"
        elif not summary.invocations:
            yield f"{name}: not invoked"
        else:
            dollars = cost(summary, architecture)
            whole += dollars
            yield name
            yield from _described(summary)
            seconds = f"{summary.gb_seconds:,.1f} GB-seconds"
            yield f"  cost         {dollars:.4f} US dollars, for {seconds}"
    yield ""
    yield f"In all {whole:.4f} US dollars, at us-east-1's list price of Lambda on {architecture},"
    yield "without the free tier and without what else a request costs (docs/costs.md)."


def _described(summary: Summary) -> Iterator[str]:
    count = summary.invocations
    cold = len(summary.starts)
    if count >= MOST_REPORTS:
        yield f"  (only the first {count:,} that there are: ask for fewer HOURS)"
    yield (
        f"  invocations  {count:,}, of which {cold:,} cold ({cold / count:.1%}) and"
        f" {summary.failures:,} failed"
    )
    sizes = " or ".join(f"{size:,}" for size in sorted(summary.memory_mb))
    yield f"  memory       {summary.used_mb:,} of {sizes} MB at the most"
    yield f"  {'ms':11}  {'p50':>9} {'p90':>9} {'p99':>9} {'most':>9}"
    yield _row("duration", summary.durations)
    yield _row("billed", summary.billed)
    if summary.starts:
        yield _row("start", summary.starts)


def _row(name: str, values: Sequence[float]) -> str:
    cells: Callable[[float], str] = "{:>9,.1f}".format
    return f"  {name:11}  {' '.join(map(cells, percentiles(values, _SHARES)))}"


def cost(summary: Summary, architecture: str) -> float:
    """The US dollars of a function's invocations, at us-east-1's list prices."""
    from infra.costs import PRICES

    price = {name: dollars for name, (dollars, _) in PRICES.items()}
    arm = architecture == "arm64"
    return summary.invocations * price["Lambda, arm64, an invocation"] + summary.gb_seconds * (
        price["Lambda, arm64, a GB-second"] if arm else _X86_GB_SECOND
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
