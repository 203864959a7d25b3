"""What all tests share: an environment that reaches nobody, a clock, and one signing key."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from chalicelib.keys.parameters import Parameter
from tests.fakes import FakeClock
from tests.samples import a_made_key

# The same examples everywhere and every time: a failure is one that anybody can repeat.
settings.register_profile("accounts", deadline=None, derandomize=True, database=None)
settings.load_profile("accounts")
# But for `make fuzz`, which names a seed, and has time for more.
if "ACCOUNTS_FUZZ_EXAMPLES" in os.environ:
    examples = int(os.environ["ACCOUNTS_FUZZ_EXAMPLES"])
    settings.register_profile("fuzz", deadline=None, database=None, max_examples=examples)
    settings.load_profile("fuzz")


@pytest.fixture(autouse=True, scope="session")
def _nobodys_environment() -> Iterator[None]:
    """No settings and no AWS account of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as environment:
        for name in [name for name in os.environ if name.startswith(("ACCOUNTS_", "AWS_"))]:
            if not name.startswith("ACCOUNTS_REQUIRE_"):
                environment.delenv(name)
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        environment.setenv("AWS_ACCESS_KEY_ID", "nobody")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
        environment.setenv("AWS_CONFIG_FILE", os.devnull)
        environment.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        environment.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="session")
def key_parameters() -> tuple[Parameter, Parameter]:
    """The session's signing key: its private parameter and its public one."""
    return a_made_key(1)


@pytest.fixture(scope="session")
def foreign_pem() -> str:
    """A private key that is not ours."""
    private, _ = a_made_key(2)
    return private.value
