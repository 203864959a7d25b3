"""Whether the time of an answer tells what the answer does not: `make bench ONLY=timing`.

See docs/timing.md for what is compared, and for what the figures mean.
"""

import contextlib
import http.client
import json
import secrets
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from random import Random
from statistics import fmean

from bench.comparisons import Bounds, Comparison, compare
from bench.stages import BenchError, api, local_stage
from chalicelib import settings
from chalicelib.domain.mailed_tokens import SECRET_OCTETS as MAILED_SECRET_OCTETS
from chalicelib.domain.mailed_tokens import MailedToken
from chalicelib.domain.sessions import FAMILY_OCTETS, SECRET_OCTETS, RefreshToken
from chalicelib.store.user_rows import user_key
from infra.local.loopback import HOST
from infra.local.mails import sent_mails

MAILS = Bounds(slower=0.1, ratio=0.1)
"""Where nobody is looked up before the answer. The ratio leaves room for the courier beside it."""
NAMES = Bounds(slower=0.2, ratio=0.05)
"""Where a row that is there takes its time to be written and read. A read that is left out, or a
comparison of a password, is outside."""
TOKENS = Bounds(slower=0.35, ratio=0.1)
"""Likewise, where nothing hides that time. Whoever has such a token has not learned an address."""

VARIABLES = {
    # Cheap hashes: the rest of a login must not drown in them. One that is left out is still seen.
    "ACCOUNTS_BCRYPT_COST": "6",
    "ACCOUNTS_ATTEMPTS_PER_ACCOUNT": "1000",
    "ACCOUNTS_FAILURES_PER_ADDRESS": "100000",
    "ACCOUNTS_MAILS_PER_HOUR": "1000",
}

# Where no account's password was ever shown: the rest of Linux's loopback network is there as well.
_ELSEWHERE = "127.0.0.2"
_ACCOUNTS = 240
_ROUNDS = 200
_WARM_UP = 20
_TOKENS = 60
_ECHOES = 15
_ECHO_SECONDS = 0.5
_PEAK = 10
_ANSWER_SECONDS = 30
_MAIL_SECONDS = 60.0
_PAUSE_SECONDS = 0.2
_PASSWORD = "correct horse battery staple"  # noqa: S105 - of accounts that are gone in minutes
_ANOTHER = "battery staple horse correct"
_WRONG = "staple battery horse correct"
_MILLISECONDS = 1000


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, and how long it took."""

    status: int
    body: bytes
    seconds: float


class Connection:
    """One connection to the API, kept alive, from an address of this machine."""

    def __init__(self, port: int, address: str = HOST) -> None:
        self._connection = http.client.HTTPConnection(
            HOST, port, timeout=_ANSWER_SECONDS, source_address=(address, 0)
        )
        self._connection.connect()

    def post(self, path: str, body: Mapping[str, str], token: str = "") -> Answer:
        """Send a request, and read the answer to its end."""
        content = json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        begin = time.perf_counter()
        self._connection.request("POST", path, content, headers)
        response = self._connection.getresponse()
        answer = response.read()
        return Answer(response.status, answer, time.perf_counter() - begin)

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


@dataclass(frozen=True, slots=True)
class Question:
    """What is sent to one path, of several kinds that must take the same time."""

    name: str
    path: str
    kinds: Mapping[str, Sequence[Mapping[str, str]]]
    """The bodies to send in turn, by kind. The first is what the others are compared with."""
    bounds: Bounds


@dataclass(frozen=True, slots=True)
class People:
    """Who is registered, and what they were given."""

    verified: list[str] = field(default_factory=list)
    unverified: list[str] = field(default_factory=list)
    ended_sessions: list[str] = field(default_factory=list)
    spent_tokens: list[str] = field(default_factory=list)
    verification_tokens: list[str] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """Everybody's."""
        return self.verified + self.unverified


def run(times: int) -> bool:
    """Measure so many times as often as usual, and print the table; whether all is in its bounds.

    Raises:
        BenchError: an answer was another one than expected.
        LocalError: the local cloud does not start.
    """
    random = Random()  # noqa: S311 - it orders requests and resamples times
    rounds = _ROUNDS * times
    with (
        tempfile.TemporaryDirectory(prefix="accounts-bench-") as folder,
        local_stage(Path(folder), VARIABLES) as cloud,
    ):
        with api(courier=True) as port:
            people = _register(port, cloud)
            echoes = _echoes(port, people, random, _ECHOES * times)
            beside = [
                (question, _ask(port, question, random, rounds))
                for question in _mail_questions(people, ", courier at work")
            ]
        with api(courier=False) as port:
            near = _login_question("email, at home", "email", people.verified, _email)
            asked = [(near, _ask(port, near, random, rounds, HOST))]
            asked += [
                (question, _ask(port, question, random, rounds)) for question in _questions(people)
            ]
            reads = _reads(people, random, rounds)
    _print_heading()
    outcomes = [_report(question, times, random) for question, times in asked + beside]
    for name, pair in {**echoes, "one read of the local cloud, of a row": reads}.items():
        _print_row(name, "known", compare(*pair, MAILS, random), "not judged")
    return all(outcomes)


def _register(port: int, cloud: str) -> People:
    """Have half of the accounts verified, some passwords reset, and nobody logged in."""
    people = People()
    with contextlib.closing(Connection(port)) as connection:
        _open_accounts(connection, people)
    tokens = _mailed_tokens(cloud, people.names)
    people.verification_tokens.extend(tokens[name] for name in people.unverified[-_TOKENS:])
    resetting = people.verified[-_TOKENS:]
    with contextlib.closing(Connection(port)) as connection:
        for name in people.verified:
            _expect(200, connection.post("/auth/email/verify", {"token": tokens[name]}))
        for name in resetting:
            _expect(202, connection.post("/auth/password/forgot", {"email": _email(name)}))
    people.spent_tokens.extend(_mailed_tokens(cloud, resetting, "/password/reset").values())
    with contextlib.closing(Connection(port)) as connection:
        for token in people.spent_tokens:
            _expect(200, connection.post("/auth/password/reset", _reset(token)))
    return people


def _open_accounts(connection: Connection, people: People) -> None:
    for number in range(_ACCOUNTS):
        name = f"person-{secrets.token_hex(6)}"
        body = {"email": _email(name), "username": name, "password": _PASSWORD}
        token_set = json.loads(_expect(201, connection.post("/user", body)).body)
        people.ended_sessions.append(token_set["refresh_token"])
        _expect(200, connection.post("/auth/logout", {}, token_set["Authorization"]))
        (people.verified if number % 2 else people.unverified).append(name)


def _mailed_tokens(cloud: str, names: Sequence[str], path: str = "/email/verify") -> dict[str, str]:
    """Wait for everybody's mail with a link to a page, and read the tokens."""
    deadline = time.monotonic() + _MAIL_SECONDS
    while True:
        tokens = {
            mail.to[0].partition("@")[0]: link.partition("token=")[2]
            for mail in sent_mails(cloud)
            for link in mail.links
            if f"{path}?" in link
        }
        if tokens.keys() >= set(names):
            return {name: tokens[name] for name in names}
        if time.monotonic() > deadline:
            raise BenchError("not all mails were sent")
        time.sleep(_PAUSE_SECONDS)


def _questions(people: People) -> list[Question]:
    return [
        _login_question("email", "email", people.unverified, _email),
        _login_question("username", "username", people.verified, str),
        *_mail_questions(people),
        Question(
            "reset",
            "/auth/password/reset",
            {
                "unknown": [_reset(token) for token in _made_up_mailed_tokens()],
                "malformed": [_reset(token[:-1]) for token in _made_up_mailed_tokens()],
                "spent": [_reset(token) for token in people.spent_tokens],
                "for another purpose": [_reset(token) for token in people.verification_tokens],
            },
            TOKENS,
        ),
        Question(
            "refresh",
            "/auth/refresh",
            {
                "unknown": [{"refresh_token": token} for token in _made_up_refresh_tokens()],
                "malformed": [{"refresh_token": token[:-1]} for token in _made_up_refresh_tokens()],
                "of an ended session": [
                    {"refresh_token": token} for token in people.ended_sessions[:_TOKENS]
                ],
            },
            TOKENS,
        ),
    ]


def _login_question(
    by: str, field_name: str, names: Sequence[str], spell: Callable[[str], str]
) -> Question:
    """Ask with a wrong password. Each name is used as often as any other, known or not."""
    unknown = _strangers(len(names))
    return Question(
        f"login by {by}",
        "/auth/login",
        {
            kind: [{field_name: spell(name), "password": _WRONG} for name in those]
            for kind, those in (("unknown", unknown), ("known", names))
        },
        NAMES,
    )


def _mail_questions(people: People, suffix: str = "") -> list[Question]:
    count = len(people.unverified)
    return [
        Question(
            f"{name}{suffix}",
            path,
            {
                "unknown": [{"email": _email(name)} for name in _strangers(count)],
                "unverified": [{"email": _email(name)} for name in people.unverified],
                "verified": [{"email": _email(name)} for name in people.verified],
            },
            MAILS,
        )
        for name, path in (
            ("forgot", "/auth/password/forgot"),
            ("resend", "/auth/email/resend"),
        )
    ]


def _strangers(count: int) -> list[str]:
    return [f"person-{secrets.token_hex(6)}" for _ in range(count)]


def _made_up_mailed_tokens() -> list[str]:
    return [
        MailedToken(_made_up_id(), secrets.token_bytes(MAILED_SECRET_OCTETS)).text
        for _ in range(_TOKENS)
    ]


def _made_up_refresh_tokens() -> list[str]:
    return [
        RefreshToken(
            _made_up_id(),
            _made_up_id(),
            secrets.token_bytes(FAMILY_OCTETS),
            secrets.token_bytes(SECRET_OCTETS),
        ).text
        for _ in range(_TOKENS)
    ]


def _made_up_id() -> str:
    return str(uuid.uuid4())


def _email(name: str) -> str:
    return f"{name}@example.com"


def _reset(token: str) -> dict[str, str]:
    return {"token": token, "new_password": _ANOTHER}


def _ask(
    port: int, question: Question, random: Random, rounds: int, address: str = _ELSEWHERE
) -> dict[str, list[float]]:
    """Ask in rounds, one of each kind in each, in another order every time; the times by kind.

    Raises:
        BenchError: the answers themselves tell the kinds apart.
    """
    times: dict[str, list[float]] = {kind: [] for kind in question.kinds}
    order, answers = list(question.kinds), set()
    with contextlib.closing(Connection(port, address)) as connection:
        for turn in range(-_WARM_UP, rounds):
            random.shuffle(order)
            for kind in order:
                bodies = question.kinds[kind]
                answer = connection.post(question.path, bodies[turn % len(bodies)])
                answers.add((answer.status, answer.body))
                if turn >= 0:
                    times[kind].append(answer.seconds * _MILLISECONDS)
    if len(answers) > 1:
        statuses = ", ".join(str(status) for status, _ in answers)
        raise BenchError(f"{question.name}: the answers differ ({statuses})")
    return times


def _echoes(
    port: int, people: People, random: Random, count: int
) -> dict[str, tuple[list[float], list[float]]]:
    """Ask for somebody's mail, known or not, and time what else is asked in the next moment.

    By then the courier does what was asked for, here beside the API. By what an observer may look
    at: the times after known addresses, and after unknown ones.
    """
    known, unknown = cycle(people.unverified), cycle(_strangers(count))
    means: dict[bool, list[float]] = {True: [], False: []}
    peaks: dict[bool, list[float]] = {True: [], False: []}
    with contextlib.closing(Connection(port, _ELSEWHERE)) as connection:
        for _ in range(count):
            for is_known in random.sample((True, False), 2):
                name = next(known if is_known else unknown)
                _expect(202, connection.post("/auth/password/forgot", {"email": _email(name)}))
                end = time.monotonic() + _ECHO_SECONDS
                times = []
                while time.monotonic() < end:
                    answer = connection.post("/auth/refresh", {"refresh_token": "x"})
                    times.append(answer.seconds * _MILLISECONDS)
                means[is_known].append(fmean(times))
                peaks[is_known].append(fmean(sorted(times)[-_PEAK:]))
    return {
        "next half second after forgot: mean": (means[True], means[False]),
        f"next half second after forgot: slowest {_PEAK}": (peaks[True], peaks[False]),
    }


def _reads(people: People, random: Random, rounds: int) -> tuple[list[float], list[float]]:
    """Read users' rows without anything of ours in between: those that are there, and others."""
    import boto3

    cloud, table = boto3.client("dynamodb"), settings.load().users_table
    tokens = map(MailedToken.parse, people.verification_tokens)
    known = [token.public_id for token in tokens if token]
    times: dict[bool, list[float]] = {True: [], False: []}
    for turn in range(-_WARM_UP, rounds):
        for is_known in random.sample((True, False), 2):
            public_id = known[turn % len(known)] if is_known else _made_up_id()
            key = {"pk": {"S": user_key(public_id)}}
            begin = time.perf_counter()
            found = cloud.batch_get_item(
                RequestItems={table: {"Keys": [key], "ConsistentRead": True}}
            )
            seconds = time.perf_counter() - begin
            if len(found["Responses"][table]) != is_known:
                raise BenchError("the local cloud has other rows than expected")
            if turn >= 0:
                times[is_known].append(seconds * _MILLISECONDS)
    return times[True], times[False]


def _expect(status: int, answer: Answer) -> Answer:
    if answer.status != status:
        raise BenchError(f"{status} was expected, and not {answer.status}: {answer.body!r}")
    return answer


def _print_heading() -> None:
    print(
        f"\n{'what':42}{'kind':21}{'medians, ms':>15}{'ratio (99 %)':>25}"
        f"{'slower (99 %)':>25}{'visible':>9}"
    )


def _report(question: Question, times: Mapping[str, Sequence[float]], random: Random) -> bool:
    reference, *others = question.kinds
    fine = True
    for kind in others:
        comparison = compare(times[kind], times[reference], question.bounds, random)
        within = comparison.is_within(question.bounds)
        _print_row(question.name, kind, comparison, "same" if within else "TOLD APART")
        fine = fine and within
    return fine


def _print_row(name: str, kind: str, found: Comparison, verdict: str) -> None:
    ratio, slower = found.ratio_interval, found.slower_interval
    print(
        f"{name:42}{kind:21}{found.median:7.2f} {found.reference_median:7.2f}"
        f"{found.ratio:8.3f} ({ratio.low:.3f} to {ratio.high:.3f})"
        f"{found.slower:8.3f} ({slower.low:.3f} to {slower.high:.3f})"
        f"{found.visible:9.2f}  {verdict}"
    )
