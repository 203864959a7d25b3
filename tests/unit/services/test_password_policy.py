"""Which passwords may be chosen."""

import json
import logging

import pytest

from chalicelib.domain.errors import InvalidInputError
from chalicelib.domain.passwords import NewPassword
from chalicelib.services.password_policy import PasswordPolicy, context_words
from chalicelib.telemetry import JsonFormatter
from tests.fakes import FakeBreachRegister, FakePasswordList
from tests.samples import COMMON, PASSWORD

LENGTH = "Must have 8 to 128 characters."
EMAIL = "Must not be your email address, or a part of it."
USERNAME = "Must not be your username, or a part of it."
MOST_COMMON = "This is one of the most common passwords. Take several unrelated words instead."
OUR_WORDS = "Must not be made of this service's names. Take several unrelated words instead."
BREACHED = "This password is known from a data breach. Take several unrelated words instead."
BREACHED_ONCE = "an old shoe of mine"


@pytest.fixture
def common() -> FakePasswordList:
    return FakePasswordList(COMMON)


@pytest.fixture
def breaches() -> FakeBreachRegister:
    return FakeBreachRegister(BREACHED_ONCE)


@pytest.fixture
def policy(common: FakePasswordList, breaches: FakeBreachRegister) -> PasswordPolicy:
    return PasswordPolicy(8, common, breaches)


def _reason(
    policy: PasswordPolicy,
    password: str,
    email: str = "zoe.washburne@example.com",
    username: str = "Zoë Washburne",
) -> str | None:
    try:
        policy.check(NewPassword(password), "new_password", email=email, username=username)
    except InvalidInputError as refusal:
        return refusal.errors.pop("new_password")
    return None


@pytest.mark.parametrize(
    "password", [PASSWORD, " " * 8, "a" * 8, "a" * 128, "83105274", "ALL CAPITALS", "🦊" * 8]
)
def test_a_password_may_be_of_any_composition(policy: PasswordPolicy, password: str) -> None:
    assert _reason(policy, password) is None


@pytest.mark.parametrize("password", ["", "a" * 7, "e\u0301" * 7, "a" * 129])
def test_the_length_has_bounds(policy: PasswordPolicy, password: str) -> None:
    assert _reason(policy, password) == LENGTH


def test_a_stage_may_ask_for_more_and_says_so(common: FakePasswordList) -> None:
    strict = PasswordPolicy(15, common)
    assert _reason(strict, "a" * 14) == "Must have 15 to 128 characters."
    assert _reason(strict, "e\u0301" * 14) == "Must have 15 to 128 characters."
    assert _reason(strict, "e\u0301" * 15) is None


@pytest.mark.parametrize("password", [COMMON, COMMON.upper(), "\uff30\uff41\uff53\uff53word123"])
def test_a_common_password_is_refused_in_any_form(policy: PasswordPolicy, password: str) -> None:
    assert _reason(policy, password) == MOST_COMMON


@pytest.mark.parametrize("password", [f"{COMMON}!", f"my {COMMON}", f" {COMMON}"])
def test_a_password_is_judged_as_a_whole(policy: PasswordPolicy, password: str) -> None:
    assert _reason(policy, password) is None


@pytest.mark.parametrize(
    "password",
    [
        "zoe.washburne@example.com",
        "ZOE.Washburne@Example.COM",
        "zoe.washburne",
        "washburne",
        "example.com",
        "\uff5a\uff4f\uff45.washburne",
    ],
)
def test_the_email_or_a_part_of_it_is_no_password(policy: PasswordPolicy, password: str) -> None:
    assert _reason(policy, password) == EMAIL


@pytest.mark.parametrize("password", ["Zoë Washburne", "ZOE\u0308 WASHBURNE", "ë washburne"])
def test_the_username_or_a_part_of_it_is_no_password(policy: PasswordPolicy, password: str) -> None:
    assert _reason(policy, password) == USERNAME


@pytest.mark.parametrize(
    "password", ["zoe.washburne rides again", "zoe-washburne", "Zoë  Washburne"]
)
def test_a_password_may_have_a_name_in_it(policy: PasswordPolicy, password: str) -> None:
    assert _reason(policy, password) is None


def test_a_breached_password_is_refused_in_the_spelling_that_was_breached(
    policy: PasswordPolicy,
) -> None:
    assert _reason(policy, BREACHED_ONCE) == BREACHED
    assert _reason(policy, BREACHED_ONCE.upper()) is None


def test_the_register_is_asked_only_about_what_would_be_accepted(
    policy: PasswordPolicy, breaches: FakeBreachRegister
) -> None:
    for password in ("short", COMMON, "zoe.washburne", "Zoë Washburne"):
        assert _reason(policy, password)
    assert breaches.calls == 0


def test_without_a_register_none_is_asked(common: FakePasswordList) -> None:
    assert _reason(PasswordPolicy(8, common), BREACHED_ONCE) is None


def test_an_outage_of_the_register_lets_a_password_pass_and_is_told(
    policy: PasswordPolicy, breaches: FakeBreachRegister, caplog: pytest.LogCaptureFixture
) -> None:
    breaches.down = True
    assert _reason(policy, BREACHED_ONCE) is None
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    line = json.loads(JsonFormatter().format(record))
    assert (line["event"], line["SecurityEvents"]) == ("breach_check_skipped", 1)
    assert BREACHED_ONCE not in json.dumps(line)


# The service's own words


@pytest.fixture
def words() -> frozenset[str]:
    return context_words("The Shöp", "id.shop.example", "Project Mercury")


def test_a_services_words_are_those_of_its_names(words: frozenset[str]) -> None:
    assert {
        *("the", "shöp", "theshöp"),
        *("shop", "example", "idshopexample"),
        *("project", "mercury", "projectmercury"),
    } == words


@pytest.mark.parametrize(
    "password",
    [
        "TheShöp1",
        "shopshop",
        "Mercury2026!",
        "The Shop 2026",
        "project-mercury",
        "!!SHOP.EXAMPLE!!",
        "\uff53\uff48\uff4f\uff501234567",
    ],
)
def test_the_services_words_make_no_password(
    common: FakePasswordList, words: frozenset[str], password: str
) -> None:
    assert _reason(PasswordPolicy(8, common, words=words), password) == OUR_WORDS
    assert _reason(PasswordPolicy(8, common), password) is None


@pytest.mark.parametrize(
    "password", ["mercury poisoning", "shop83105274", "83105274", PASSWORD, "the shopkeeper"]
)
def test_a_password_may_have_a_word_of_the_services_in_it(
    common: FakePasswordList, words: frozenset[str], password: str
) -> None:
    assert _reason(PasswordPolicy(8, common, words=words), password) is None


def test_a_word_within_another_does_not_hide_that_one(common: FakePasswordList) -> None:
    words = context_words("Bookshop", "shop.example")
    assert _reason(PasswordPolicy(8, common, words=words), "Bookshop2026") == OUR_WORDS
