from typing import Any

import pytest

from chalicelib import settings
from chalicelib.domain.passwords import SHORTEST_PASSWORD
from chalicelib.domain.tokens import LONGEST_ACCESS_TOKEN_SECONDS
from chalicelib.settings import Settings, SettingsError, load

SECRET = "n0t-in-any-message-0123456789abcdef"
PROD = {
    "ACCOUNTS_STAGE": "prod",
    "ACCOUNTS_ISSUER": "https://accounts.example.com/api",
    "ACCOUNTS_CURSOR_SECRET": SECRET,
}


def _faults(environment: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as refusal:
        load(environment)
    return str(refusal.value).split("; ")


@pytest.mark.parametrize("stage", ["dev", "test"])
def test_a_local_stage_needs_nothing_but_its_name(stage: str) -> None:
    assert load({"ACCOUNTS_STAGE": stage}) == Settings(
        stage=stage,
        issuer="http://127.0.0.1:8000",
        audience="accounts",
        client_id="accounts",
        access_token_seconds=900,
        session_idle_seconds=30 * 86_400,
        session_absolute_seconds=365 * 86_400,
        refresh_grace_seconds=10,
        sessions_per_user=100,
        attempts_per_account=20,
        attempts_window_seconds=600,
        failures_per_address=300,
        mails_per_hour=5,
        bcrypt_cost=12,
        password_min_length=8,
        password_words=(),
        breach_check="off",
        email_verification="warn",
        mail_sender="accounts <accounts@localhost.localdomain>",
        link_base_url="http://127.0.0.1:8000",
        product_name="accounts",
        activity_days=90,
        authorizer_cache_seconds=0,
        key_rotation_days=0,
        cursor_secret="development-only-cursor-secret",
        cors_origins=("*",),
    )


def test_a_stage_on_aws_needs_an_issuer_and_a_secret() -> None:
    assert load(PROD) == Settings(
        stage="prod",
        issuer="https://accounts.example.com/api",
        audience="accounts",
        client_id="accounts",
        access_token_seconds=900,
        session_idle_seconds=30 * 86_400,
        session_absolute_seconds=365 * 86_400,
        refresh_grace_seconds=10,
        sessions_per_user=100,
        attempts_per_account=20,
        attempts_window_seconds=600,
        failures_per_address=300,
        mails_per_hour=5,
        bcrypt_cost=12,
        password_min_length=8,
        password_words=(),
        breach_check="off",
        email_verification="warn",
        mail_sender=None,
        link_base_url="https://accounts.example.com/api",
        product_name="accounts",
        activity_days=90,
        authorizer_cache_seconds=0,
        key_rotation_days=0,
        cursor_secret=SECRET,
        cors_origins=(),
    )


def test_everything_can_be_set() -> None:
    loaded = load(
        PROD
        | {
            "ACCOUNTS_AUDIENCE": "shop",
            "ACCOUNTS_CLIENT_ID": "web",
            "ACCOUNTS_ACCESS_TOKEN_SECONDS": "60",
            "ACCOUNTS_SESSION_IDLE_SECONDS": "3600",
            "ACCOUNTS_SESSION_ABSOLUTE_SECONDS": "7200",
            "ACCOUNTS_REFRESH_GRACE_SECONDS": "30",
            "ACCOUNTS_SESSIONS_PER_USER": "5",
            "ACCOUNTS_ATTEMPTS_PER_ACCOUNT": "5",
            "ACCOUNTS_ATTEMPTS_WINDOW_SECONDS": "900",
            "ACCOUNTS_FAILURES_PER_ADDRESS": "1000",
            "ACCOUNTS_BCRYPT_COST": "13",
            "ACCOUNTS_PASSWORD_MIN_LENGTH": "15",
            "ACCOUNTS_PASSWORD_WORDS": "Acme, Project Mercury,",
            "ACCOUNTS_BREACH_CHECK": "range",
            "ACCOUNTS_EMAIL_VERIFICATION": "require",
            "ACCOUNTS_MAIL_SENDER": "The Shop <no-reply@shop.example>",
            "ACCOUNTS_LINK_BASE_URL": "https://shop.example/accounts/",
            "ACCOUNTS_PRODUCT_NAME": "The Shop",
            "ACCOUNTS_ACTIVITY_DAYS": "400",
            "ACCOUNTS_AUTHORIZER_CACHE_SECONDS": "60",
            "ACCOUNTS_KEY_ROTATION_DAYS": "90",
            "ACCOUNTS_CORS_ORIGINS": "https://a.example, https://b.example:8443,",
        }
    )
    assert (loaded.audience, loaded.client_id) == ("shop", "web")
    assert (loaded.access_token_seconds, loaded.bcrypt_cost) == (60, 13)
    assert (loaded.session_idle_seconds, loaded.session_absolute_seconds) == (3_600, 7_200)
    assert (loaded.refresh_grace_seconds, loaded.sessions_per_user) == (30, 5)
    assert (loaded.password_min_length, loaded.breach_check) == (15, "range")
    assert loaded.password_words == ("Acme", "Project Mercury")
    assert (loaded.attempts_per_account, loaded.attempts_window_seconds) == (5, 900)
    assert loaded.failures_per_address == 1_000
    assert loaded.email_verification == "require"
    assert loaded.mail_sender == "The Shop <no-reply@shop.example>"
    assert loaded.link_base_url == "https://shop.example/accounts"
    assert loaded.product_name == "The Shop"
    assert (loaded.activity_days, loaded.key_rotation_days) == (400, 90)
    assert loaded.authorizer_cache_seconds == 60
    assert loaded.cors_origins == ("https://a.example", "https://b.example:8443")


def test_the_names_of_a_stage_carry_it() -> None:
    loaded = load(PROD)
    assert loaded.users_table == "accounts-prod-users"
    assert loaded.revoked_tokens_table == "accounts-prod-revoked-tokens"
    assert loaded.sessions_table == "accounts-prod-sessions"
    assert loaded.attempts_table == "accounts-prod-attempts"
    assert loaded.keys_path == "/accounts/prod"


@pytest.mark.parametrize("issuer", ["https://id.shop.example/api", "https://id.shop.example:8443"])
def test_the_issuer_has_a_host(issuer: str) -> None:
    assert load(PROD | {"ACCOUNTS_ISSUER": issuer}).host == "id.shop.example"


@pytest.mark.parametrize("words", ["ab", "a" * 41, ",".join(["word"] * 51)])
def test_words_that_are_none_are_refused(words: str) -> None:
    assert _faults(PROD | {"ACCOUNTS_PASSWORD_WORDS": words}) == [
        "ACCOUNTS_PASSWORD_WORDS is not up to 50 words with commas between them"
    ]


def test_an_issuer_does_not_end_in_a_slash() -> None:
    assert load(PROD | {"ACCOUNTS_ISSUER": "https://a.example/"}).issuer == "https://a.example"


def test_nobody_need_verify_an_address_that_nothing_can_be_mailed_to() -> None:
    required = PROD | {"ACCOUNTS_EMAIL_VERIFICATION": "require"}
    assert _faults(required) == [
        "ACCOUNTS_EMAIL_VERIFICATION needs ACCOUNTS_MAIL_SENDER to be required"
    ]
    load(required | {"ACCOUNTS_MAIL_SENDER": "shop@shop.example"})


@pytest.mark.parametrize(
    "sender", ["shop@shop.example", "Köln, GmbH & Co. <a.b+c@mail.shop.example>", "S <a@b.example>"]
)
def test_a_sender_is_an_address_and_may_have_a_name(sender: str) -> None:
    assert load(PROD | {"ACCOUNTS_MAIL_SENDER": sender}).mail_sender == sender


def test_a_product_may_have_any_name_that_can_be_seen() -> None:
    name = "Müller & Söhne™ 店"
    assert load(PROD | {"ACCOUNTS_PRODUCT_NAME": name}).product_name == name


@pytest.mark.parametrize("stage", ["dev", "test"])
def test_a_local_stage_may_be_told_to_allow_no_origin(stage: str) -> None:
    assert load({"ACCOUNTS_STAGE": stage, "ACCOUNTS_CORS_ORIGINS": ""}).cors_origins == ()


@pytest.mark.parametrize(
    "stage", ["", " ", "Prod", "1prod", "-prod", "prod_1", "a" * 17, "prod\n", "p/../d"]
)
def test_a_stage_has_a_short_lower_case_name(stage: str) -> None:
    assert _faults(PROD | {"ACCOUNTS_STAGE": stage})[0].startswith("ACCOUNTS_STAGE is")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ISSUER", ""),
        ("ISSUER", "accounts.example.com"),
        ("ISSUER", "ftp://accounts.example.com"),
        ("ISSUER", "https://accounts.example.com?a=b"),
        ("ISSUER", "https://accounts.example.com/#a"),
        ("ISSUER", "https://accounts example.com"),
        ("ISSUER", "https://"),
        ("ISSUER", "http://localhost"),
        ("ISSUER", "https://localhost:8000"),
        ("ISSUER", "http://127.0.0.1:8000"),
        ("ISSUER", "http://127.9.9.9/api"),
        ("ISSUER", "http://[::1]:8000/"),
        ("ISSUER", "https://[::1]:8000/"),
        ("MAIL_SENDER", "shop"),
        ("MAIL_SENDER", "shop@localhost"),
        ("MAIL_SENDER", "The Shop"),
        ("MAIL_SENDER", "The Shop shop@shop.example"),
        ("MAIL_SENDER", "<shop@shop.example>"),
        ("MAIL_SENDER", "The Shop <shop@shop.example> <a@shop.example>"),
        ("MAIL_SENDER", "a@shop.example, b@shop.example"),
        ("MAIL_SENDER", "Shop\r\nBcc: a@shop.example <shop@shop.example>"),
        ("MAIL_SENDER", "Shop\n <shop@shop.example>"),
        ("MAIL_SENDER", "Sh\u202eop <shop@shop.example>"),
        ("MAIL_SENDER", 'The "Shop <shop@shop.example>'),
        ("MAIL_SENDER", "shop@shop.example\n"),
        ("MAIL_SENDER", "a" * 65 + " <shop@shop.example>"),
        ("LINK_BASE_URL", "shop.example"),
        ("LINK_BASE_URL", "http://shop.example"),
        ("LINK_BASE_URL", "https://shop.example?a=b"),
        ("LINK_BASE_URL", "https://shop.example/#a"),
        ("LINK_BASE_URL", "https://localhost:8000"),
        ("LINK_BASE_URL", "http://127.0.0.1:8000"),
        ("PRODUCT_NAME", " shop"),
        ("PRODUCT_NAME", "shop "),
        ("PRODUCT_NAME", "s" * 61),
        ("PRODUCT_NAME", "shop\r\nBcc: a@shop.example"),
        ("PRODUCT_NAME", "sh\u2028op"),
        ("PRODUCT_NAME", "sh\u202eop"),
        ("AUDIENCE", " x"),
        ("AUDIENCE", "\n"),
        ("CLIENT_ID", " x"),
        ("CURSOR_SECRET", ""),
        ("CURSOR_SECRET", "development-only-cursor-secret"),
        ("CURSOR_SECRET", "x" * 31),
        ("MAILS_PER_HOUR", "0"),
        ("MAILS_PER_HOUR", "1001"),
        ("ACTIVITY_DAYS", "0"),
        ("ACTIVITY_DAYS", "3651"),
        ("EMAIL_VERIFICATION", "on"),
        ("EMAIL_VERIFICATION", "Require"),
        ("ATTEMPTS_PER_ACCOUNT", "0"),
        ("ATTEMPTS_PER_ACCOUNT", "1001"),
        ("ATTEMPTS_WINDOW_SECONDS", "0"),
        ("ATTEMPTS_WINDOW_SECONDS", "86401"),
        ("FAILURES_PER_ADDRESS", "199"),
        ("FAILURES_PER_ADDRESS", "100001"),
        ("ACCESS_TOKEN_SECONDS", "0"),
        ("ACCESS_TOKEN_SECONDS", "86401"),
        ("ACCESS_TOKEN_SECONDS", "-1"),
        ("ACCESS_TOKEN_SECONDS", "9e2"),
        ("ACCESS_TOKEN_SECONDS", "15m"),
        ("ACCESS_TOKEN_SECONDS", "\u0669\u0660"),
        ("ACCESS_TOKEN_SECONDS", "9" * 5_000),
        ("SESSION_IDLE_SECONDS", "0"),
        ("SESSION_IDLE_SECONDS", "315360001"),
        ("SESSION_ABSOLUTE_SECONDS", "0"),
        ("SESSION_ABSOLUTE_SECONDS", "315360001"),
        ("REFRESH_GRACE_SECONDS", "0"),
        ("REFRESH_GRACE_SECONDS", "301"),
        ("SESSIONS_PER_USER", "0"),
        ("SESSIONS_PER_USER", "257"),
        ("BCRYPT_COST", "11"),
        ("BCRYPT_COST", "4"),
        ("BCRYPT_COST", "17"),
        ("BCRYPT_COST", "x"),
        ("PASSWORD_MIN_LENGTH", "7"),
        ("PASSWORD_MIN_LENGTH", "65"),
        ("PASSWORD_MIN_LENGTH", "x"),
        ("BREACH_CHECK", "on"),
        ("BREACH_CHECK", "Range"),
        ("BREACH_CHECK", "off\n"),
        ("KEY_ROTATION_DAYS", "-1"),
        ("KEY_ROTATION_DAYS", "3651"),
        ("KEY_ROTATION_DAYS", "90d"),
        ("CORS_ORIGINS", "*,https://a.example"),
        ("CORS_ORIGINS", "https://a.example/"),
        ("CORS_ORIGINS", "a.example"),
        ("CORS_ORIGINS", "https://a.example https://b.example"),
        ("CORS_ORIGINS", "null"),
    ],
)
def test_a_stage_on_aws_refuses_a_value_that_is_wrong_or_for_development(
    name: str, value: str
) -> None:
    faults = _faults(PROD | {f"ACCOUNTS_{name}": value})
    assert len(faults) == 1
    assert faults[0].startswith(f"ACCOUNTS_{name} is ")


@pytest.mark.parametrize(("stage", "least"), [("test", 4), ("dev", 12), ("prod", 12)])
def test_only_tests_hash_cheaply(stage: str, least: int) -> None:
    environment = PROD | {"ACCOUNTS_STAGE": stage}
    assert load(environment | {"ACCOUNTS_BCRYPT_COST": str(least)}).bcrypt_cost == least
    assert _faults(environment | {"ACCOUNTS_BCRYPT_COST": str(least - 1)})


@pytest.mark.parametrize("length", [SHORTEST_PASSWORD, 15, 64])
def test_a_stage_may_ask_for_longer_passwords(length: int) -> None:
    loaded = load(PROD | {"ACCOUNTS_PASSWORD_MIN_LENGTH": str(length)})
    assert loaded.password_min_length == length


@pytest.mark.parametrize("seconds", ["0", "1", "300"])
def test_decisions_may_be_kept_for_a_while(seconds: str) -> None:
    environment = {"ACCOUNTS_AUTHORIZER_CACHE_SECONDS": seconds}
    assert load(PROD | environment).authorizer_cache_seconds == int(seconds)
    assert settings.authorizer_cache_seconds(environment) == int(seconds)


@pytest.mark.parametrize("seconds", ["301", "3600", "-1", "1.5", "x", "1e2", " "])
def test_decisions_are_not_kept_for_longer_and_then_for_no_time(seconds: str) -> None:
    environment = {"ACCOUNTS_AUTHORIZER_CACHE_SECONDS": seconds}
    assert _faults(PROD | environment) == [
        "ACCOUNTS_AUTHORIZER_CACHE_SECONDS is not a whole number from 0 to 300"
    ]
    assert settings.authorizer_cache_seconds(environment) == 0


def test_decisions_are_not_kept_for_longer_than_a_token_lives() -> None:
    environment = PROD | {"ACCOUNTS_ACCESS_TOKEN_SECONDS": "30"}
    kept = load(environment | {"ACCOUNTS_AUTHORIZER_CACHE_SECONDS": "30"})
    assert kept.authorizer_cache_seconds == 30
    assert _faults(environment | {"ACCOUNTS_AUTHORIZER_CACHE_SECONDS": "31"}) == [
        "ACCOUNTS_AUTHORIZER_CACHE_SECONDS is longer than an access token lives"
    ]


def test_decisions_are_not_kept_unless_it_is_said() -> None:
    assert settings.authorizer_cache_seconds({}) == 0
    assert settings.authorizer_cache_seconds({"ACCOUNTS_AUTHORIZER_CACHE_SECONDS": ""}) == 0


@pytest.mark.parametrize("days", ["0", "1", "3650"])
def test_keys_are_rotated_after_days_or_never(days: str) -> None:
    assert load(PROD | {"ACCOUNTS_KEY_ROTATION_DAYS": days}).key_rotation_days == int(days)


def test_the_usual_minimum_of_a_password_is_the_domains() -> None:
    assert load(PROD).password_min_length == SHORTEST_PASSWORD


def test_the_longest_life_of_a_token_is_the_one_that_rotation_reckons_with() -> None:
    longest = str(LONGEST_ACCESS_TOKEN_SECONDS)
    loaded = load(PROD | {"ACCOUNTS_ACCESS_TOKEN_SECONDS": longest})
    assert loaded.access_token_seconds == LONGEST_ACCESS_TOKEN_SECONDS


def test_all_faults_are_named_at_once() -> None:
    faults = _faults(
        {
            "ACCOUNTS_STAGE": "prod",
            "ACCOUNTS_BCRYPT_COST": "4",
            "ACCOUNTS_ACCESS_TOKEN_SECONDS": "0",
            "ACCOUNTS_CORS_ORIGINS": "x",
            "ACCOUNTS_AUDIENCE": " ",
        }
    )
    named = {fault.split()[0] for fault in faults}
    assert named == {
        "ACCOUNTS_ISSUER",
        "ACCOUNTS_CURSOR_SECRET",
        "ACCOUNTS_BCRYPT_COST",
        "ACCOUNTS_ACCESS_TOKEN_SECONDS",
        "ACCOUNTS_CORS_ORIGINS",
        "ACCOUNTS_AUDIENCE",
    }


def test_an_empty_environment_is_told_what_it_lacks() -> None:
    assert [fault.split()[0] for fault in _faults({})] == [
        "ACCOUNTS_STAGE",
        "ACCOUNTS_ISSUER",
        "ACCOUNTS_CURSOR_SECRET",
    ]


@pytest.mark.parametrize("secret", ["sh0rt-s3cret", "\ns3cret", " s3cret"])
def test_no_fault_quotes_a_secret(secret: str) -> None:
    faults = _faults(PROD | {"ACCOUNTS_CURSOR_SECRET": secret, "ACCOUNTS_BCRYPT_COST": "x"})
    assert len(faults) >= 2
    assert "s3cret" not in " ".join(faults)


def test_the_development_secret_is_refused_as_what_it_is() -> None:
    secret = load({"ACCOUNTS_STAGE": "dev"}).cursor_secret
    (fault,) = _faults(PROD | {"ACCOUNTS_CURSOR_SECRET": secret})
    assert fault == "ACCOUNTS_CURSOR_SECRET is the development secret"


def test_settings_that_are_printed_tell_no_secret() -> None:
    assert PROD["ACCOUNTS_CURSOR_SECRET"] not in repr(load(PROD))


def test_settings_cannot_be_changed() -> None:
    loaded: Any = load(PROD)
    with pytest.raises(AttributeError):
        loaded.stage = "dev"


def test_the_environment_is_what_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCOUNTS_STAGE", "dev")
    assert load().stage == "dev"


def test_local_stages_are_two() -> None:
    assert {"dev", "test"} == settings.LOCAL_STAGES


def test_the_outboxs_stream_is_what_a_deployment_says_and_else_nobodys() -> None:
    stream = "arn:aws:dynamodb:eu-central-1:123456789012:table/accounts-prod-outbox/stream/now"
    assert settings.outbox_stream({"ACCOUNTS_OUTBOX_STREAM": stream}) == stream
    assert settings.outbox_stream({}) == settings.outbox_stream({"ACCOUNTS_OUTBOX_STREAM": ""})
    assert ":table/none/" in settings.outbox_stream({})
