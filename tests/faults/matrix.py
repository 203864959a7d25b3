"""Trying every fault at every call of a scenario, and judging what comes of it.

A scenario is run once without faults: that says which calls it makes, what it leaves after each of
them, and how it ends. Then it is run again and again from the same beginning, with one fault each
time, and repeated as a client that was told to would repeat it.
"""

import json
import random
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chalicelib.telemetry import JsonFormatter
from tests.api.gateway import Answer
from tests.api.lines import Lines
from tests.faults.faults import FAULTS, Fault
from tests.faults.line import Attempt, Call, line
from tests.faults.scenarios import PASSWORDS, Act, Scenario, Stage
from tests.faults.world import Kept, Reader, Rows, State, broken

ROOT = Path(__file__).parents[2]
_FUNCTIONS = json.loads((ROOT / ".chalice" / "config.json").read_text())["lambda_functions"]
SECONDS = {name: float(facts["lambda_timeout"]) for name, facts in _FUNCTIONS.items()}
"""How long each function may take, as it is deployed."""

ONCE = "at its first attempt"
THROUGHOUT = "at every attempt"
FROM_THEN_ON = "from then on"
MODES = (ONCE, THROUGHOUT, FROM_THEN_ON)
NEARLY = "at all attempts but the last of every call"

_MOST_ATTEMPTS = {"sesv2": 2}
"""How often a service is asked, if not three times."""
_SEED = 20261124
_SECRET = re.compile(r"rt1_[\w-]{20}|eyJ[\w-]+\.eyJ|\$2b\$|PRIVATE KEY|@example\.com|nobody@")
"""What no line of the log ever has in it: tokens, hashes, keys, addresses."""
_TOKEN = re.compile(r"rt1_[\w-]{20}|eyJ[\w-]+\.eyJ|\$2b\$|PRIVATE KEY")


@dataclass(frozen=True, slots=True)
class Case:
    """A fault, at a call, counted from one, for so long."""

    number: int
    fault: Fault
    mode: str

    def fate(self, number: int, attempt: int, call: Call) -> Attempt | None:
        """What happens to an attempt. Later calls meet the fault if it can happen to them."""
        if self.mode == NEARLY:
            most = _MOST_ATTEMPTS.get(call.operation.partition(".")[0], 3)
            meets = attempt < most
        elif self.mode == FROM_THEN_ON:
            meets = number >= self.number and self.fault.happens_to(call.operation)
        else:
            meets = number == self.number and (attempt == 1 or self.mode == THROUGHOUT)
        return self.fault.attempt if meets else None

    def __str__(self) -> str:
        return f"{self.fault.name}, {self.mode} of call {self.number}"


@dataclass(slots=True)
class Context:
    """What Lambda tells a function of a call: the time is what the line has counted."""

    function: str
    started: float
    aws_request_id: str = "a-request"
    function_name: str = "accounts"
    function_version: str = "1"
    memory_limit_in_mb: int = 128

    def get_remaining_time_in_millis(self) -> int:
        return int((SECONDS[self.function] - (line.elapsed - self.started)) * 1_000)


@dataclass(slots=True)
class Functions:
    """Which functions were called in a run, and how long each took."""

    contexts: list[Context] = field(default_factory=list)

    def start(self, function: str) -> Context:
        """Start a function: its context."""
        context = Context(function, line.elapsed)
        self.contexts.append(context)
        return context

    def late(self) -> list[str]:
        """Those that would have been stopped."""
        ends = [context.started for context in self.contexts[1:]] + [line.elapsed]
        return [
            f"{context.function} took {end - context.started:.1f} s"
            for context, end in zip(self.contexts, ends, strict=True)
            if end - context.started > SECONDS[context.function]
        ]


@dataclass(frozen=True, slots=True)
class Clean:
    """A run without faults."""

    kept: Kept
    start: Rows
    reader: Reader
    act: Act
    answer: Answer
    calls: tuple[Call, ...]
    steps: tuple[State, ...]
    """What there was before the first call and after each."""
    secrets: tuple[str, ...]
    mails: int

    @property
    def end(self) -> State:
        return self.steps[-1]


@dataclass(slots=True)
class Result:
    """What became of a scenario's cases."""

    scenario: Scenario
    calls: tuple[str, ...]
    cases: int
    tried: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    @property
    def row(self) -> str:
        """Its row in the page's table."""
        ends = (str(self.ends[end] or "") for end in ENDS)
        calls = ", ".join(f"`{call}`" for call in self.calls) or "none"
        facts = (f"`{self.scenario.operation}`", self.scenario.outcome, calls)
        return f"| {' | '.join((*facts, str(self.cases), str(self.tried), *ends))} |"


SUCCESS = "as without it"
LEFT = "as without it, the rest by a later turn"
NOTHING = "503, and nothing was done"
PART = "503, and a part was done"
DONE = "503, and it was done"
ENDS = (SUCCESS, LEFT, NOTHING, PART, DONE)


def cases(clean: Clean) -> list[Case]:
    """Every fault that can happen to each call of a run, for as long as it can last."""
    return [
        Case(number, fault, mode)
        for number, call in enumerate(clean.calls, start=1)
        for fault in FAULTS
        if fault.happens_to(call.operation)
        for mode in MODES
    ]


def sample(scenario: Scenario, every: list[Case]) -> list[Case]:
    """Some cases of each call, the same ones every time: those that hide most, and two others."""
    chosen = random.Random(f"{_SEED} {scenario.name}")  # noqa: S311 - it hides nothing
    calls: dict[int, dict[str, list[Case]]] = {}
    for case in every:
        calls.setdefault(case.number, {}).setdefault(case.fault.kind, []).append(case)
    picked = []
    for kinds in calls.values():
        always = [kind for kind in ("lost", "garbage") if kind in kinds]
        others = sorted(kinds.keys() - set(always))
        some = (*always, *chosen.sample(others, 2))
        picked += [chosen.choice(kinds[kind]) for kind in some]
    return picked


class Matrix:
    """Runs scenarios on a stage that is theirs alone."""

    def __init__(self, stage: Stage, functions: Functions, lines: Lines) -> None:
        self._stage = stage
        self._world = stage.world
        self._functions = functions
        self._lines = lines
        lines.setFormatter(JsonFormatter())
        ring = stage.container.keys
        self._cold = dict(vars(ring))
        ring.signing_key()
        self._warm = dict(vars(ring))
        self._nothing = self._world.keep()

    def record(self, scenario: Scenario) -> Clean:
        """Prepare a scenario and run it without faults, twice: it has to be the same each time."""
        self._begin(self._nothing, cold=False)
        self._stage.secrets = {*PASSWORDS, self._stage.container.settings.cursor_secret}
        act = scenario.prepare(self._stage)
        kept, start = self._world.keep(), self._world.rows()
        reader = Reader(self._stage.container, start, PASSWORDS)
        self._begin(kept, cold=scenario.cold)
        steps = [reader.state(self._world)]
        line.watch = lambda: steps.append(reader.state(self._world))
        answer = act()
        assert answer.status == scenario.status, (answer.status, answer.text)
        calls, mails = tuple(line.calls), line.carried.count("sesv2.SendEmail")
        assert not broken(start, self._world.rows(), self._world.clock())
        hashes = {row["password_hash"] for row in start["accounts-test-users"] if "email" in row}
        secrets = tuple(sorted(self._stage.secrets | hashes))
        return Clean(kept, start, reader, act, answer, calls, tuple(steps), secrets, mails)

    def run(self, scenario: Scenario, *, whole: bool) -> Result:
        """Try a scenario's cases, all of them or a sample, and collect what is wrong."""
        clean = self.record(scenario)
        every = cases(clean)
        result = Result(scenario, tuple(map(_said, clean.calls)), len(every))
        for case in every if whole or scenario.whole else sample(scenario, every):
            result.tried += 1
            end, problems = self._try(scenario, clean, case)
            result.ends[end] += 1
            result.problems += [f"{scenario.name}: {case}: {problem}" for problem in problems]
        return result

    def hang(self, scenario: Scenario) -> list[str]:
        """Have every call hang as long and as often as it may, and collect what is wrong."""
        clean = self.record(scenario)
        return [
            f"{fault.name}: {problem}"
            for fault in FAULTS
            if fault.name.endswith("in time")
            for problem in self._try(scenario, clean, Case(1, fault, NEARLY))[1]
        ]

    def _begin(self, kept: Kept, *, cold: bool) -> None:
        line.reset()
        self._functions.contexts.clear()
        self._lines.text = ""
        vars(self._stage.container.keys).update(self._cold if cold else self._warm)
        self._world.put_back(kept)

    def _try(self, scenario: Scenario, clean: Clean, case: Case) -> tuple[str, list[str]]:
        self._begin(clean.kept, cold=scenario.cold)
        line.fate = case.fate
        problems: list[str] = []
        try:
            answer = clean.act()
        except AssertionError as fault:
            return SUCCESS, [f"the answer is not the contract's: {_short(fault)}"]
        problems += self._functions.late()
        state = self._judge_state(clean, problems)
        self._judge_secrets(clean, answer, problems)
        end = self._judge_answer(scenario, clean, answer, state, problems)
        if end != SUCCESS:
            self._judge_again(scenario, clean, state, problems)
        return end, problems

    def _judge_state(self, clean: Clean, problems: list[str]) -> State:
        line.fate = _nothing
        rows, now = self._world.rows(), self._world.clock()
        problems += broken(clean.start, rows, now)
        state = clean.reader.state(self._world)
        problems += [
            "an attempt is counted less than it was"
            for key, number in clean.steps[0].counts.items()
            if state.counts.get(key, 0) < min(number, clean.end.counts.get(key, 0))
        ]
        return state

    def _judge_secrets(self, clean: Clean, answer: Answer, problems: list[str]) -> None:
        logged = self._lines.text
        problems += ["a secret is in the log" for one in clean.secrets if one in logged]
        problems += [f"the log has {found}" for found in set(_SECRET.findall(logged))]
        if answer.status >= 500:
            page = "<form" in answer.text  # which has the token that it was sent, to send it again
            secrets = () if page else clean.secrets
            problems += ["a secret is in the answer" for one in secrets if one in answer.text]
            problems += [f"the answer has {found}" for found in _TOKEN.findall(answer.text)]
            problems += [
                "the answer quotes AWS" for one in ("Exception", "amazon") if one in answer.text
            ]

    def _judge_answer(
        self, scenario: Scenario, clean: Clean, answer: Answer, state: State, problems: list[str]
    ) -> str:
        told = state.difference(clean.end)
        if answer.status == scenario.status:
            if _shape(answer) != _shape(clean.answer):
                problems.append(f"answered {_short(answer.text)}")
            if scenario.later is not None and told:
                return LEFT
            self._judge_counts(clean, state, problems)
            if told - scenario.lacks:
                problems.append(f"succeeded, and left {sorted(told)}")
            return SUCCESS
        if answer.status != 503 or "retry-after" not in answer.headers:
            problems.append(f"answered {answer.status} {_short(answer.text)}")
        if scenario.in_steps and state.things not in [step.things for step in clean.steps]:
            nearest = min((state.difference(step) for step in clean.steps), key=len)
            problems.append(f"half-done: {sorted(nearest)}")
        if state.things == clean.steps[0].things:
            return NOTHING if state.things != clean.end.things or not told else DONE
        if told - scenario.lacks and "/" in scenario.operation:
            problems.append(f"half-done, though in steps: {sorted(told)}")
        return PART if told else DONE

    def _judge_again(
        self, scenario: Scenario, clean: Clean, before: State, problems: list[str]
    ) -> None:
        """Repeat it, without faults now, and see that it ends as if it had worked once."""
        self._world.clock.step(seconds=1)
        try:
            again = scenario.later(self._stage) if scenario.later else clean.act()
        except AssertionError as fault:
            problems.append(f"repeated, the answer is not the contract's: {_short(fault)}")
            return
        rows, now = self._world.rows(), self._world.clock()
        problems += [f"repeated: {one}" for one in broken(clean.start, rows, now)]
        state = clean.reader.state(self._world)
        told = state.difference(clean.end)
        was_done = before.things != clean.steps[0].things or before.counts != clean.steps[0].counts
        expected = {scenario.status} | ({scenario.twice} if was_done and scenario.twice else set())
        if again.status not in expected:
            problems.append(f"repeated, it is answered {again.status} {_short(again.text)}")
        if told - (scenario.leaves | scenario.lacks if was_done else frozenset()):
            problems.append(f"repeated, it left {sorted(told)}")
        self._judge_counts(clean, state, problems)
        if line.carried.count("sesv2.SendEmail") < clean.mails:
            problems.append("a mail was never sent")
        if again.status != scenario.status and scenario.way_in is not None:
            found = self._stage.client.post("/auth/login", scenario.way_in)
            if found.status != 200:
                problems.append(f"there is no way in: {found.status}")

    def _judge_counts(self, clean: Clean, state: State, problems: list[str]) -> None:
        problems += [
            "an attempt was not counted"
            for key, number in clean.end.counts.items()
            if state.counts.get(key, 0) < number
        ]


def _nothing(_number: int, _attempt: int, _call: Call) -> None:
    """What happens to the attempts of a repetition."""


def _said(call: Call) -> str:
    operation = call.operation.partition(".")[2]
    return f"{operation} {'+'.join(call.tables)}".strip()


def _shape(answer: Answer) -> object:
    """An answer without its values."""
    if not answer.text.startswith("{"):
        return answer.headers.get("content-type")
    return sorted(answer.json())


def _short(what: Any) -> str:
    return " ".join(str(what).split())[:200]
