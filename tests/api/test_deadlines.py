"""Whatever hangs, a function says how it ended before its time is up.

The clients and connections are real; what hangs does so when it is told to (tests/api/remote.py).
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.ses.models import ses_backends

from chalicelib import container as composition
from chalicelib.container import Container, container, use
from chalicelib.couriers import BATCH_SIZE, REDELIVERY_MINUTES, deliver_mail, redeliver_mail
from chalicelib.deadlines import ANSWER_SECONDS, PAUSE_SECONDS
from chalicelib.domain.trails import Trail
from chalicelib.keys import source
from chalicelib.mail import ses
from chalicelib.schedules import ScheduleError, rotate_keys
from chalicelib.services.outbox import ENOUGH_SECONDS
from chalicelib.settings import Settings
from chalicelib.store import items
from tests.api.client import a_registration
from tests.api.gateway import Answer, LambdaContext
from tests.api.lines import Lines
from tests.api.remote import Fault, Plan, Remote, listening
from tests.api.scenarios import SCENARIOS, Scenario, World
from tests.api.test_couriers import keep
from tests.api.test_deliveries import SENDER
from tests.aws import OUTBOX, Cloud
from tests.fakes import FakeClock
from tests.samples import AN_HOUR_PASSED, a_message, claims_of, inserted

_CONFIG = Path(__file__).parents[2] / ".chalice" / "config.json"
TIMEOUTS: dict[str, float] = {
    name: function["lambda_timeout"]
    for name, function in json.loads(_CONFIG.read_bytes())["lambda_functions"].items()
}
GATEWAY_SECONDS = 29
"""So long API Gateway waits for a function."""
_ASKED = (
    "POST /user: done",
    "POST /auth/login: by email",
    "POST /auth/refresh: done",
    "GET /user/{public_id}: oneself",
    "PATCH /user/{public_id}: email",
)
ASKED = {str(scenario): scenario for scenario in SCENARIOS if str(scenario) in _ASKED}
LONGEST, SHORTEST = ASKED["PATCH /user/{public_id}: email"], ASKED["GET /user/{public_id}: oneself"]


class Functions:
    """The functions, cold, in front of an AWS that does not do what it should."""

    def __init__(self, remote: Remote) -> None:
        self.remote = remote
        self.left: list[float] = []
        """The seconds that each function had left when it ended."""
        self._running: LambdaContext | None = None

    def start(self, function: str) -> LambdaContext:
        self.end()
        ends_at = self.remote.elapsed + TIMEOUTS[function]
        self._running = LambdaContext("1", function, seconds_left=lambda: self._until(ends_at))
        return self._running

    def end(self) -> None:
        if self._running is not None:
            self.left.append(self._running.seconds_left())
            self._running = None

    def _until(self, ends_at: float) -> float:
        return ends_at - self.remote.elapsed


Ask = Callable[[Scenario, Plan], tuple[Answer, Functions]]
Leave = Callable[[int], set[str]]


@pytest.fixture(scope="module")
def remote(_aws: Cloud, stage: Settings) -> Iterator[Remote]:
    with listening() as server:
        yield server
    # From here on the tables are asked for elsewhere.
    Container(stage)._connection  # noqa: B018, SLF001 - binds them


@pytest.fixture
def world(remote: Remote, cloud: Cloud, stage: Settings, monkeypatch: pytest.MonkeyPatch) -> World:
    """Functions that have read their keys. botocore tries again less often after many faults."""
    remote.follow(_all_is_well)
    monkeypatch.setattr(composition, "_current", None)
    return World(cloud, stage, FakeClock())


@pytest.fixture
def ask(world: World, remote: Remote) -> Ask:
    def send(scenario: Scenario, plan: Plan) -> tuple[Answer, Functions]:
        remote.follow(_all_is_well)
        world.start()
        target, how = scenario.prepare(world)
        remote.follow(plan)
        functions = Functions(remote)
        world.client.gateway.start = functions.start
        answer = world.client.send(scenario.method, target, **how)
        functions.end()
        world.client.gateway.start = LambdaContext.of
        return answer, functions

    return send


def _all_is_well(_number: int, _service: str) -> None:
    """Nothing happens to any attempt."""


def _two_of_three(fault: Fault) -> Plan:
    """Each call gets through at its last attempt."""
    return lambda number, _: fault if number % 3 != 2 else None


def _from(first: int, fault: Fault) -> Plan:
    return lambda number, _: fault if number >= first else None


def _only(one: int, fault: Fault) -> Plan:
    return lambda number, _: fault if number == one else None


def _is_in_time(functions: Functions) -> bool:
    return bool(functions.left) and min(functions.left) >= ANSWER_SECONDS


def _calls_of(scenario: Scenario) -> int:
    return len(scenario.authorizer or ()) + len(scenario.api or ())


def _is_unavailable(answer: Answer) -> bool:
    return answer.status == 503 and answer.headers["retry-after"] == "1"


@pytest.mark.parametrize("scenario", ASKED.values(), ids=ASKED)
def test_a_request_is_answered_in_time_if_every_call_hangs_twice(
    ask: Ask, scenario: Scenario
) -> None:
    answer, functions = ask(scenario, _two_of_three(Fault.HANGS))
    assert _is_in_time(functions)
    # As the API function is to be given up in the middle of its fourth call.
    assert _is_unavailable(answer) if len(scenario.api or ()) > 3 else answer.status < 300


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.HANGS])
@pytest.mark.parametrize("scenario", [SHORTEST, LONGEST], ids=str)
def test_a_request_is_answered_in_time_if_every_call_fails_twice(
    ask: Ask, scenario: Scenario, fault: Fault
) -> None:
    answer, functions = ask(scenario, _two_of_three(fault))
    assert _is_in_time(functions)
    assert answer.status == scenario.status or _is_unavailable(answer)


@pytest.mark.parametrize(
    ("fault", "calls_before"),
    [
        *((fault, 0) for fault in Fault if fault is not Fault.SLOW),
        (Fault.HANGS, 1),
        (Fault.HANGS, 4),
        (Fault.RESET, 6),
    ],
)
def test_a_request_that_gets_no_further_is_told_so_in_time(
    ask: Ask, fault: Fault, calls_before: int
) -> None:
    answer, functions = ask(LONGEST, _from(calls_before, fault))
    assert _is_unavailable(answer)
    assert answer.refused_by_gateway == (calls_before == 0)
    assert _is_in_time(functions)


@pytest.mark.parametrize("fault", [Fault.HANGS, Fault.RESET, Fault.BROKEN])
def test_a_request_survives_a_call_that_fails_once(ask: Ask, fault: Fault) -> None:
    for one in range(_calls_of(LONGEST)):
        answer, functions = ask(LONGEST, _only(one, fault))
        assert answer.status == LONGEST.status
        assert functions.remote.attempts == _calls_of(LONGEST) + 1
        assert _is_in_time(functions)


def test_a_request_survives_a_store_that_is_slow_all_the_time(ask: Ask) -> None:
    answer, functions = ask(LONGEST, lambda *_: Fault.SLOW)
    assert answer.status == LONGEST.status
    assert _is_in_time(functions)


@pytest.mark.parametrize(("late", "asked"), [("authorize", 0), ("api_handler", 1)])
def test_a_function_that_has_no_time_for_a_call_makes_none(
    world: World, remote: Remote, late: str, asked: int
) -> None:
    world.start()
    target, how = LONGEST.prepare(world)
    remote.follow(_all_is_well)
    left = {late: ANSWER_SECONDS + items.LIMITS.attempt_seconds - 0.1}
    world.client.gateway.start = lambda function: LambdaContext(
        "1", function, seconds_left=lambda: left.get(function, TIMEOUTS[function])
    )
    assert _is_unavailable(world.client.send(LONGEST.method, target, **how))
    world.client.gateway.start = LambdaContext.of
    assert remote.attempts == asked


def test_a_service_that_asks_for_a_long_pause_does_not_get_it(ask: Ask) -> None:
    answer, functions = ask(SHORTEST, _two_of_three(Fault.TOLD_TO_WAIT))
    assert answer.status == SHORTEST.status
    assert functions.remote.elapsed <= 2 * PAUSE_SECONDS


@pytest.mark.parametrize("fault", [Fault.HANGS, Fault.THROTTLED])
def test_keys_that_do_not_come_are_no_answer_in_time(
    world: World, remote: Remote, stage: Settings, fault: Fault
) -> None:
    remote.follow(_all_is_well)
    world.start()
    target, how = SHORTEST.prepare(world)
    use(Container(stage, world.clock))
    remote.follow(lambda _, service: fault if service == "ssm" else None)
    functions = Functions(remote)
    world.client.gateway.start = functions.start
    answers = [
        world.client.send(SHORTEST.method, target, **how),
        world.client.post("/user", a_registration(2)),
    ]
    functions.end()
    world.client.gateway.start = LambdaContext.of
    assert all(map(_is_unavailable, answers))
    assert _is_in_time(functions)


def test_a_connection_is_used_again_and_again(ask: Ask) -> None:
    for _ in range(2):
        _, functions = ask(LONGEST, _all_is_well)
        assert functions.remote.attempts == _calls_of(LONGEST)
        assert len(functions.remote.connections) == 1


# What nobody waits for


@pytest.fixture
def leave(world: World, cloud: Cloud) -> Iterator[Leave]:
    """Leaves so many messages in the outbox; SES knows the sender."""
    backend = ses_backends[DEFAULT_ACCOUNT_ID][cloud.dynamodb.meta.region_name]
    backend.verify_email_identity(SENDER)

    def messages(number: int) -> set[str]:
        world.start()
        public_id = claims_of(world.client.register())["sub"]
        cloud.clear(OUTBOX)
        left = tuple(a_message(one, public_id=public_id) for one in range(number))
        keep(container(), Trail(messages=left))
        return {message.message_id for message in left}

    yield messages
    backend.delete_identity(SENDER)


def _left(cloud: Cloud) -> set[str]:
    return {row["message_id"]["S"] for row in cloud.rows(OUTBOX)}


def test_what_is_just_to_be_mailed_is_left_in_time(
    leave: Leave, remote: Remote, cloud: Cloud, lines: Lines
) -> None:
    message_ids = leave(BATCH_SIZE)
    remote.follow(lambda _, service: Fault.HANGS if service == "ses" else None)
    functions = Functions(remote)
    deliver_mail(inserted(*message_ids), functions.start("deliver_mail"))
    functions.end()
    assert _is_in_time(functions)
    (told,) = lines.of("delivery_turn")
    assert told["outcome"] == "ok"
    assert told["failed"] > 1
    assert told["left"] > 1
    assert _left(cloud) == message_ids


def test_what_was_left_before_is_left_again_in_time(
    leave: Leave, remote: Remote, world: World, cloud: Cloud, lines: Lines
) -> None:
    message_ids = leave(3)
    world.clock.step(minutes=REDELIVERY_MINUTES)
    # Each call but the first gets through at its last attempt, which takes longer than there is.
    remote.follow(lambda number, _: Fault.HANGS if number % 3 else None)
    ends_at = ENOUGH_SECONDS + 1
    context = LambdaContext("1", "redeliver_mail", seconds_left=lambda: ends_at - remote.elapsed)
    redeliver_mail(AN_HOUR_PASSED, context)
    (told,) = lines.of("delivery_turn")
    assert (told["failed"], told["left"]) == (1, 2)
    assert context.seconds_left() >= ANSWER_SECONDS
    assert _left(cloud) == message_ids


def test_keys_are_left_as_they_are_if_there_is_no_time(
    remote: Remote, stage: Settings, clock: FakeClock, world: World
) -> None:
    world.start()
    use(Container(replace(stage, key_rotation_days=1), clock))
    remote.follow(lambda *_: Fault.HANGS)
    functions = Functions(remote)
    with pytest.raises(ScheduleError):
        rotate_keys(AN_HOUR_PASSED, functions.start("rotate_keys"))
    functions.end()
    assert _is_in_time(functions)
    short = LambdaContext("1", "rotate_keys", seconds_left=lambda: ANSWER_SECONDS + 1)
    remote.follow(_all_is_well)
    with pytest.raises(ScheduleError):
        rotate_keys(AN_HOUR_PASSED, short)
    assert remote.attempts == 0


# The constants


def test_each_function_has_time_for_the_worst_that_it_has_to_survive() -> None:
    store, keys, mail = items.LIMITS, source.LIMITS, ses.LIMITS
    worst = {
        "authorize": keys.call_seconds + store.attempt_seconds,
        "api_handler": 2 * store.call_seconds,
        "rotate_keys": 3 * keys.call_seconds,
        "deliver_mail": store.call_seconds + ENOUGH_SECONDS,
        "redeliver_mail": store.call_seconds + ENOUGH_SECONDS,
    }
    assert worst.keys() == TIMEOUTS.keys()
    for function, seconds in worst.items():
        assert seconds + ANSWER_SECONDS <= TIMEOUTS[function]
    assert mail.call_seconds + store.attempt_seconds <= ENOUGH_SECONDS
    assert TIMEOUTS["authorize"] < TIMEOUTS["api_handler"] < GATEWAY_SECONDS
