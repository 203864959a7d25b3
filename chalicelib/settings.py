"""What differs between stages: the only reader of the environment.

Settings are typed, checked as a whole and frozen. They are read lazily, at the first request
rather than at import, because `chalice.test.Client` and `chalice local` put a stage's variables
in place only after the modules have been imported.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from chalicelib.domain.tokens import LONGEST_ACCESS_TOKEN_SECONDS, MOST_SESSIONS

LOCAL_STAGES = frozenset({"dev", "test"})

_PREFIX = "ACCOUNTS_"
_AUTHORIZER_CACHE = "AUTHORIZER_CACHE_SECONDS"
_DEVELOPMENT_SECRET = "development-only-cursor-secret"  # noqa: S105 - refused outside LOCAL_STAGES
_SHORTEST_SECRET = 32
_MINUTE = 60
_DAY = 86_400
_YEAR = 365 * _DAY
_USUAL_BCRYPT_COST = 12
_MOST_ATTEMPTS = 1_000
# Behind one address there may be a whole university.
_FEWEST_FAILURES = 200
_MOST_FAILURES = 100_000
_MOST_ACTIVITY_DAYS = 3_650
_MOST_ROTATION_DAYS = 3_650
# What API Gateway keeps a decision for if nobody says: it would take more, up to an hour.
_LONGEST_CACHE_SECONDS = 5 * _MINUTE
# The domain's own, which the authorizer would have to load Unicode's tables for.
_SHORTEST_MINIMUM = 8
_LONGEST_MINIMUM = 64
"""SP 800-63B-4, section 3.1.1.2, would have passwords of that length allowed."""
_BREACH_CHECKS = re.compile(r"off|range")
_EMAIL_VERIFICATIONS = re.compile(r"off|warn|require")
_LOOPBACK = re.compile(r"https?://(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?(/.*)?")
_URL = re.compile(r"https?://[^\s/?#]+(/[^\s?#]*)?")
_ORIGIN = re.compile(r"https?://[^\s/?#]+")
# As far as a header can say it plainly: an address of RFC 5321's simple form, and a name before it.
_ADDRESS = (
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z0-9-]{2,63}"
)
_SENDER = re.compile(rf"{_ADDRESS}|[^\s<>\"\\][^<>\"\\]{{0,63}} <{_ADDRESS}>")
_LOCAL_SENDER = "accounts <accounts@localhost.localdomain>"
_PRODUCT_NAME = re.compile(r"\S(.{0,58}\S)?")
_MOST_WORDS = 50
_WORD = re.compile(r"\S.{1,38}\S")
_NO_STREAM = "arn:aws:dynamodb:us-east-1:000000000000:table/none/stream/none"
_NUMBER = re.compile(r"[0-9]{1,9}")
_STAGE = re.compile(r"[a-z][a-z0-9-]{0,15}")


class SettingsError(Exception):
    """The environment does not describe a stage that may start. Names every fault at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One stage's settings; see docs/settings.md for what each is for."""

    stage: str
    issuer: str
    audience: str
    client_id: str
    access_token_seconds: int
    session_idle_seconds: int
    session_absolute_seconds: int
    refresh_grace_seconds: int
    sessions_per_user: int
    attempts_per_account: int
    attempts_window_seconds: int
    failures_per_address: int
    mails_per_hour: int
    """How many mails of one kind may be asked for, for one address or account."""
    bcrypt_cost: int
    password_min_length: int
    password_words: tuple[str, ...]
    """What nobody is to make a password of, besides the product's and the issuer's names."""
    breach_check: str
    """`range` if new passwords are looked up in Pwned Passwords, `off` if they are not."""
    email_verification: str
    """`off`, `warn` or `require`: what it takes to log in with an address that is not verified."""
    mail_sender: str | None
    """Whom mails are from: `address` or `Name <address>`; None if no mail is sent."""
    link_base_url: str
    """What the links in mails begin with."""
    product_name: str
    """What mails call the service."""
    activity_days: int
    """For how long it is kept what happened to an account."""
    authorizer_cache_seconds: int
    """For how long API Gateway may go by a decision of the authorizer; 0 if it asks every time."""
    key_rotation_days: int
    """How long a key signs before the schedule rotates it; 0 if the schedule does nothing."""
    cursor_secret: str = field(repr=False)
    cors_origins: tuple[str, ...]

    @property
    def host(self) -> str:
        """The issuer's host name."""
        return self.issuer.partition("://")[2].partition("/")[0].partition(":")[0]

    @property
    def users_table(self) -> str:
        """Named by infra/data.yaml."""
        return f"accounts-{self.stage}-users"

    @property
    def revoked_tokens_table(self) -> str:
        """Named by infra/data.yaml."""
        return f"accounts-{self.stage}-revoked-tokens"

    @property
    def sessions_table(self) -> str:
        """Named by infra/data.yaml."""
        return f"accounts-{self.stage}-sessions"

    @property
    def attempts_table(self) -> str:
        """Named by infra/data.yaml."""
        return f"accounts-{self.stage}-attempts"

    @property
    def activity_table(self) -> str:
        """Named by infra/data.yaml."""
        return f"accounts-{self.stage}-activity"

    @property
    def outbox_table(self) -> str:
        """Named by infra/data.yaml."""
        return f"accounts-{self.stage}-outbox"

    @property
    def keys_path(self) -> str:
        """The folder of this stage's key set in SSM Parameter Store."""
        return f"/accounts/{self.stage}"


def load(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read and check the environment.

    A local stage (`dev`, `test`) has a default for everything but its own name. Any other stage
    must be told its issuer and a secret of its own, and may not hash passwords more cheaply than
    usual.

    Raises:
        SettingsError: a value is missing, malformed, or meant for development only.
    """
    reader = _Reader(environment)
    stage = reader.text("STAGE", _STAGE, "a short lower-case name, such as prod")
    local = stage in LOCAL_STAGES
    issuer = reader.text(
        "ISSUER", _URL, "the API's public URL", "http://127.0.0.1:8000" if local else None
    ).rstrip("/")
    link_base_url = reader.visible("LINK_BASE_URL", _URL, "the URL that links begin with", "")
    settings = Settings(
        stage=stage,
        issuer=issuer,
        audience=reader.text("AUDIENCE", _ANY, "a name", "accounts"),
        client_id=reader.text("CLIENT_ID", _ANY, "a name", "accounts"),
        access_token_seconds=reader.number(
            "ACCESS_TOKEN_SECONDS", 1, LONGEST_ACCESS_TOKEN_SECONDS, 15 * _MINUTE
        ),
        session_idle_seconds=reader.number("SESSION_IDLE_SECONDS", 1, 10 * _YEAR, 30 * _DAY),
        session_absolute_seconds=reader.number("SESSION_ABSOLUTE_SECONDS", 1, 10 * _YEAR, _YEAR),
        refresh_grace_seconds=reader.number("REFRESH_GRACE_SECONDS", 1, 5 * _MINUTE, 10),
        sessions_per_user=reader.number("SESSIONS_PER_USER", 1, MOST_SESSIONS, 100),
        attempts_per_account=reader.number("ATTEMPTS_PER_ACCOUNT", 1, _MOST_ATTEMPTS, 20),
        attempts_window_seconds=reader.number("ATTEMPTS_WINDOW_SECONDS", 1, _DAY, 10 * _MINUTE),
        failures_per_address=reader.number(
            "FAILURES_PER_ADDRESS", _FEWEST_FAILURES, _MOST_FAILURES, 300
        ),
        mails_per_hour=reader.number("MAILS_PER_HOUR", 1, _MOST_ATTEMPTS, 5),
        bcrypt_cost=reader.number(
            "BCRYPT_COST", 4 if stage == "test" else _USUAL_BCRYPT_COST, 16, _USUAL_BCRYPT_COST
        ),
        password_min_length=reader.number(
            "PASSWORD_MIN_LENGTH", _SHORTEST_MINIMUM, _LONGEST_MINIMUM, _SHORTEST_MINIMUM
        ),
        password_words=reader.words("PASSWORD_WORDS"),
        breach_check=reader.text("BREACH_CHECK", _BREACH_CHECKS, "off or range", "off"),
        email_verification=reader.text(
            "EMAIL_VERIFICATION", _EMAIL_VERIFICATIONS, "off, warn or require", "warn"
        ),
        mail_sender=reader.visible(
            "MAIL_SENDER",
            _SENDER,
            "an address, or a name with an address in angle brackets",
            _LOCAL_SENDER if local else "",
        )
        or None,
        link_base_url=(link_base_url or issuer).rstrip("/"),
        product_name=reader.visible(
            "PRODUCT_NAME", _PRODUCT_NAME, "a name of 1 to 60 visible characters", "accounts"
        ),
        activity_days=reader.number("ACTIVITY_DAYS", 1, _MOST_ACTIVITY_DAYS, 90),
        authorizer_cache_seconds=reader.number(_AUTHORIZER_CACHE, 0, _LONGEST_CACHE_SECONDS, 0),
        key_rotation_days=reader.number("KEY_ROTATION_DAYS", 0, _MOST_ROTATION_DAYS, 0),
        cursor_secret=reader.text(
            "CURSOR_SECRET", _ANY, "a random secret", _DEVELOPMENT_SECRET if local else None
        ),
        cors_origins=reader.origins("CORS_ORIGINS", "*" if local else ""),
    )
    if settings.authorizer_cache_seconds > settings.access_token_seconds:
        reader.refuse(_AUTHORIZER_CACHE, "is longer than an access token lives")
    if not local:
        reader.refuse_local("ISSUER", settings.issuer)
        reader.refuse_local("LINK_BASE_URL", link_base_url)
        if settings.email_verification == "require" and settings.mail_sender is None:
            reader.refuse("EMAIL_VERIFICATION", "needs ACCOUNTS_MAIL_SENDER to be required")
        if settings.cursor_secret == _DEVELOPMENT_SECRET:
            reader.refuse("CURSOR_SECRET", "is the development secret")
        elif 0 < len(settings.cursor_secret) < _SHORTEST_SECRET:
            reader.refuse("CURSOR_SECRET", f"is shorter than {_SHORTEST_SECRET} characters")
    reader.finish()
    return settings


def outbox_stream(environment: Mapping[str, str] = os.environ) -> str:
    """The ARN of the outbox's stream, which Chalice asks for while the app is imported.

    A deployment says it. Nowhere else does anything listen to the stream, so there it has none of
    the name.
    """
    return environment.get("ACCOUNTS_OUTBOX_STREAM", "") or _NO_STREAM


def authorizer_cache_seconds(environment: Mapping[str, str] = os.environ) -> int:
    """For how long API Gateway may go by a decision, which Chalice asks for likewise.

    What `load` would refuse is 0 here, which asks every time.
    """
    return _Reader(environment).number(_AUTHORIZER_CACHE, 0, _LONGEST_CACHE_SECONDS, 0)


_ANY = re.compile(r"[^\s].*")


class _Reader:
    """Reads one variable at a time and keeps what is wrong, so that one error names it all."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._faults: list[str] = []

    def refuse(self, name: str, reason: str) -> None:
        self._faults.append(f"{_PREFIX}{name} {reason}")

    def refuse_local(self, name: str, url: str) -> None:
        if _LOOPBACK.fullmatch(url):
            self.refuse(name, "is a development address")
        elif url.startswith("http:"):
            self.refuse(name, "is not an https address")

    def visible(self, name: str, shape: re.Pattern[str], what: str, default: str) -> str:
        """A value that people will see, or the default, which may be nothing."""
        value = self._environment.get(_PREFIX + name, "") or default
        if value and not (shape.fullmatch(value) and value.isprintable()):
            self.refuse(name, f"is not {what}")
        return value

    def text(self, name: str, shape: re.Pattern[str], what: str, default: str | None = None) -> str:
        value = self._environment.get(_PREFIX + name, "") or default
        if value is None:
            self.refuse(name, f"is missing: give {what}")
            return ""
        if not shape.fullmatch(value):
            self.refuse(name, f"is not {what}")
        return value

    def number(self, name: str, least: int, most: int, default: int) -> int:
        value = self._environment.get(_PREFIX + name, "") or str(default)
        if not (_NUMBER.fullmatch(value) and least <= int(value) <= most):
            self.refuse(name, f"is not a whole number from {least} to {most}")
            return default
        return int(value)

    def origins(self, name: str, default: str) -> tuple[str, ...]:
        value = self._environment.get(_PREFIX + name, default)
        origins = tuple(origin.strip() for origin in value.split(",") if origin.strip())
        if origins != ("*",) and not all(_ORIGIN.fullmatch(origin) for origin in origins):
            self.refuse(name, "is not * or a comma-separated list of origins")
        return origins

    def words(self, name: str) -> tuple[str, ...]:
        value = self._environment.get(_PREFIX + name, "")
        words = tuple(word.strip() for word in value.split(",") if word.strip())
        if len(words) > _MOST_WORDS or not all(_WORD.fullmatch(word) for word in words):
            self.refuse(name, f"is not up to {_MOST_WORDS} words with commas between them")
        return words

    def finish(self) -> None:
        if self._faults:
            raise SettingsError("; ".join(self._faults))
