"""`make rotate-keys`: take the next step of replacing the signing key, and say what comes next."""

import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from chalicelib.domain.times import system_clock
from infra.commands import RefusedError, open_stage, run_command

if TYPE_CHECKING:
    from chalicelib.services.key_rotation import Step, Turn

_SECOND = timedelta(seconds=1)
_AGES = (
    (timedelta(days=2), timedelta(days=1), "days"),
    (timedelta(hours=2), timedelta(hours=1), "hours"),
    (timedelta(0), timedelta(minutes=1), "minutes"),
)
_DONE = {"publish": "published", "sign": "told to sign", "retire": "retired"}
_DOES = {"publish": "is published", "sign": "signs", "retire": "is retired"}


def main(arguments: Sequence[str]) -> int:
    """Take a step, on a deployed stage or (if its name is empty) locally; the status."""
    (stage,) = arguments
    return run_command(lambda: _rotate(stage))


def _rotate(stage: str) -> None:
    """Take a step and report.

    Raises:
        RefusedError: it is too early, or there are no keys.
    """
    from chalicelib.services.key_rotation import NoKeysError

    with open_stage(stage) as container:
        try:
            turn = container.key_rotation.advance()
        except NoKeysError as error:
            raise RefusedError("there are no keys: make deploy makes the first") from error
        for line in _report(container.settings.stage, turn, system_clock()):
            print(line, flush=True)
    again = f"make rotate-keys STAGE={stage}" if stage else "make rotate-keys"
    if turn.done is None:
        raise RefusedError(
            f"too early: {_expected(turn.next)}, not before {moment(turn.next.not_before)};"
            f" nothing was changed, run {again} then"
        )
    print(f"Next: {_expected(turn.next)}, {_from(turn.next)}: {again}")


def _report(stage: str, turn: "Turn", now: datetime) -> Iterator[str]:
    yield f"Keys of stage {stage}:"
    for standing in turn.keys:
        age = _age(now - standing.key.created_at)
        yield f"  {standing.key.key_id}  {standing.role:10}  since {moment(standing.since)}, {age}"
    if turn.done is not None:
        yield f"Done: {turn.done.key_id} is {_DONE[turn.done.action]}"


def _expected(step: "Step") -> str:
    return f"{step.key_id or 'a new key'} {_DOES[step.action]}"


def _from(step: "Step") -> str:
    if step.key_id is None:
        return "whenever you like"
    return f"not before {moment(step.not_before)}"


def moment(at: datetime) -> str:
    """A moment as RFC 3339 has it, in UTC; a part of a second counts as a whole one."""
    whole = at.astimezone(UTC).replace(microsecond=0)
    return f"{whole + _SECOND if at.microsecond else whole:%Y-%m-%dT%H:%M:%SZ}"


def _age(age: timedelta) -> str:
    """How old, as coarse as one would say it; a clock that is behind makes nothing younger."""
    known = max(age, timedelta(0))
    unit, name = next((unit, name) for least, unit, name in _AGES if known >= least)
    return f"{known // unit} {name} old"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
