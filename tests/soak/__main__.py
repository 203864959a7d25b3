"""`make soak`: so many users for so many minutes, and then more than there is room for."""

import argparse
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.rehearsal.checkouts import copy_checkout
from infra.rehearsal.cloud import rehearsal_cloud
from infra.rehearsal.deployments import Deployer
from infra.rehearsal.errors import RehearsalError
from tests.races.invariants import disagreements_of_names, is_admin, is_negative, is_user
from tests.soak.crowds import Crowd, SoakError
from tests.soak.memory import MOST_GROWTH, WARM_UP, Watch
from tests.soak.places import API, AUTHORIZER, STAGE, Place
from tests.soak.replies import Tally, WrongAnswerError
from tests.soak.reports import memory_table, table

LIMITED_SECONDS = 5.0
"""How long each limit lasts."""
MOST_REFUSED = 0.1
"""The part of all answers that may be 429 or 503 without a limit: a machine may be that busy."""
JUDGED_MINUTES = 2.0
"""In less, functions are still loading: what they take of memory is shown, and not judged."""


def main(arguments: list[str]) -> int:
    """Soak; the exit status."""
    parser = argparse.ArgumentParser("make soak")
    parser.add_argument("--minutes", default="", type=lambda text: float(text or 3))
    parser.add_argument("--users", default="", type=lambda text: int(text or 20))
    parser.add_argument(
        "--seed", default="", type=lambda text: int(text or secrets.randbelow(1_000_000))
    )
    parser.add_argument("--deployed", nargs=3, metavar=("CHECKOUT", "ENDPOINT", "CLOUD"))
    given = parser.parse_args(arguments)
    print(f"{given.users} users for {given.minutes:g} minutes, seed {given.seed}", flush=True)
    try:
        with _place(given.deployed) as place:
            soak(place, given.minutes, given.users, given.seed)
    except (RehearsalError, SoakError, WrongAnswerError) as error:
        print(f"soak: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nsoak: interrupted; nothing is left behind", file=sys.stderr)
        return 130
    return 0


@contextmanager
def _place(deployed: tuple[str, str, str] | None) -> Iterator[Place]:
    """What is deployed already, or a deployment for this alone."""
    if deployed is not None:
        checkout, endpoint, cloud = deployed
        yield Place(Deployer(Path(checkout), endpoint), Path(cloud))
        return
    with tempfile.TemporaryDirectory(prefix="accounts-soak-") as name:
        cloud_folder = Path(name) / "cloud"
        cloud_folder.mkdir()
        with rehearsal_cloud(cloud_folder) as endpoint:
            deployer = Deployer(copy_checkout(Path(name) / "checkout"), endpoint)
            outcome = deployer.make("deploy", STAGE)
            if outcome.status:
                raise RehearsalError(f"make deploy STAGE={STAGE} failed:\n{outcome.output}")
            yield Place(deployer, cloud_folder)


def soak(place: Place, minutes: float, users: int, seed: int) -> None:
    """Walk, go past each limit, and look at what is left.

    Raises:
        SoakError: something is not as it has to be.
    """
    crowd = Crowd.gather(place, users, seed)
    began = time.monotonic()
    with Watch(place.cloud_folder) as watch:
        tally = crowd.walk(60 * minutes, arriving=60 * minutes * WARM_UP / 2)
    seconds = time.monotonic() - began
    print(table(tally), f"\n{tally.total} answers in {seconds:.0f} s, each checked\n", flush=True)
    courses = watch.courses()
    print(memory_table(courses, watch), "\n", flush=True)
    past_the_limits(place, crowd)
    afterwards = crowd.walk(LIMITED_SECONDS)
    _say("after the limits", afterwards)
    if afterwards.refusals.total() > MOST_REFUSED * afterwards.total:
        raise SoakError(f"seed {seed}: refusals after the limits: {afterwards.refusals}")
    faults = list(left_behind(place))
    faults += [
        f"{name} grew by {course.growth:.1%}, and {MOST_GROWTH:.0%} is allowed"
        for name, course in courses.items()
        if minutes >= JUDGED_MINUTES and not course.flat
    ]
    if faults:
        raise SoakError("\n".join([f"seed {seed}:", *faults]))
    print("Users and names agree, no session is nobody's, an admin is left.")


def past_the_limits(place: Place, crowd: Crowd) -> None:
    """More at once than a function may run, and than the stage may take.

    Raises:
        SoakError: an answer was wrong, or nobody was refused, so that nothing was tried.
    """
    limits = {
        f"{API}, 2 at once": (place.at_most(API, 2), 503),
        f"{AUTHORIZER}, 1 at once": (place.at_most(AUTHORIZER, 1), 503),
        "the stage, 1 a second for each route": (place.throttled(1, 1), 429),
    }
    for name, (limit, status) in limits.items():
        with limit:
            tally = crowd.walk(LIMITED_SECONDS)
        _say(name, tally)
        if not tally.refusals[status]:
            raise SoakError(f"seed {crowd.seed}: {name}: nobody was refused with {status}")


def left_behind(place: Place) -> Iterator[str]:
    """What is not as it has to be in the tables, a line each."""
    tables = place.tables()
    users = {row["public_id"]["S"]: row for row in tables["users"] if is_user(row)}
    yield from disagreements_of_names(tables["users"], users)
    owners = {row["public_id"]["S"] for row in tables["sessions"]}
    if owners - users.keys():
        yield f"sessions of nobody: {owners - users.keys()}"
    if not any(map(is_admin, users.values())):
        yield "no admin is left"
    yield from (f"a negative count: {row}" for row in tables["attempts"] if is_negative(row))


def _say(what: str, tally: Tally) -> None:
    refused = ", ".join(f"{count} of {status}" for status, count in tally.refusals.items())
    print(f"{what}: {tally.total} answers, of which {refused}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
