"""Counting what AWS is asked for a request: `make round-trips` writes it into docs/performance.md.

The counts are of warm functions, on tables in memory: both have read the keys, and nobody repeats a
call. What is expected of each request, `scenarios.py` says; here it is looked at.
"""

import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalicelib import settings
from chalicelib.keys.parameters import new_signing_key
from tests import aws
from tests.api.gateway import LambdaContext
from tests.api.scenarios import SCENARIOS, Scenario, World
from tests.aws import STAGE, Call
from tests.fakes import START, FakeClock

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
_BEGIN, _END = "<!-- round trips: written by `make round-trips` -->", "<!-- end of round trips -->"


@dataclass(frozen=True, slots=True)
class Trips:
    """What a request took, by function; None for one that was not asked."""

    status: int
    authorizer: tuple[Call, ...] | None
    api: tuple[Call, ...] | None


def count(scenario: Scenario, world: World) -> Trips:
    """Send a scenario's request in a world of its own, and put each call down to its function."""
    world.start()
    target, how = scenario.prepare(world)
    aws.wire.reset()
    begun: dict[str, int] = {}

    def start(function: str) -> LambdaContext:
        begun[function] = len(aws.wire.calls)
        return LambdaContext.of(function)

    world.client.gateway.start = start
    try:
        answer = world.client.send(scenario.method, target, **how)
    finally:
        world.client.gateway.start = LambdaContext.of
    calls = tuple(aws.wire.calls)
    aws.wire.reset()
    api = begun.get("api_handler", len(calls))
    return Trips(
        answer.status,
        calls[begun["authorize"] : api] if "authorize" in begun else None,
        calls[api:] if "api_handler" in begun else None,
    )


def names(calls: Iterable[Call]) -> tuple[str, ...]:
    """What calls are called, DynamoDB's without its name."""
    return tuple(call.operation.removeprefix("dynamodb.") for call in calls)


def table(counted: Iterable[tuple[Scenario, Trips]]) -> str:
    """The page's table, in Markdown."""
    lines = [
        "| request | | status | authorizer | API function | octets sent | received |",
        "|---|---|---:|---|---|---:|---:|",
    ]
    before = ""
    for scenario, trips in counted:
        calls = [*(trips.authorizer or ()), *(trips.api or ())]
        cells = (
            "" if scenario.operation == before else f"`{scenario.operation}`",
            scenario.outcome,
            str(trips.status),
            _told(trips.authorizer),
            _told(trips.api),
            f"{sum(call.sent for call in calls):,}",
            f"{sum(call.received for call in calls):,}",
        )
        lines.append(f"| {' | '.join(cells)} |")
        before = scenario.operation
    return "\n".join(lines)


def _told(calls: tuple[Call, ...] | None) -> str:
    if calls is None:
        return "not asked"
    if not calls:
        return "none"
    parts: list[list[Any]] = []
    for name in names(calls):
        if parts and parts[-1][0] == name:
            parts[-1][1] += 1
        else:
            parts.append([name, 1])
    if len(parts) == 1:
        return f"{len(calls)} {parts[0][0]}"
    told = ", ".join(name if times == 1 else f"{times} {name}" for name, times in parts)
    return f"{len(calls)}: {told}"


def shown() -> str:
    """The table that the page has."""
    return PAGE.read_text("utf-8").partition(_BEGIN)[2].partition(_END)[0].strip()


def main() -> None:
    """Count everything, and write it into the page."""
    os.environ["AWS_DEFAULT_REGION"] = "us-east-1"
    logging.disable(logging.CRITICAL)
    stage = settings.load({"ACCOUNTS_STAGE": STAGE, "ACCOUNTS_BCRYPT_COST": "4"})
    with aws.started(new_signing_key(START)) as cloud:
        world = World(cloud, stage, FakeClock())
        counted = table((scenario, count(scenario, world)) for scenario in SCENARIOS)
    text = PAGE.read_text("utf-8")
    before, _, rest = text.partition(_BEGIN)
    after = rest.partition(_END)[2]
    PAGE.write_text(f"{before}{_BEGIN}\n\n{counted}\n\n{_END}{after}", "utf-8")


if __name__ == "__main__":
    main()
