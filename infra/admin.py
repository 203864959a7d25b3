"""`make admin EMAIL=…`: make an account an admin's, opening it first if there is none.

It works through the API's own services, on the local cloud unless `STAGE=…` names a deployed
stage. With `make run` it shares the cloud that runs; otherwise it starts one on the same state,
and stops it afterwards.
"""

import getpass
import os
import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from chalicelib import settings
from chalicelib.domain.errors import (
    AccountsError,
    EmailTakenError,
    UsernameTakenError,
    UserNotFoundError,
)
from chalicelib.domain.names import LONGEST_USERNAME, EmailAddress, Username
from chalicelib.domain.passwords import NewPassword
from infra.deployment.errors import DeploymentError
from infra.local.children import CHECKOUT
from infra.local.cloud import LocalCloud, LocalError, home, running_endpoint
from infra.local.stages import enter_stage, prepare_stage

if TYPE_CHECKING:
    from chalicelib.services.accounts import AccountService

_USERNAME_ATTEMPTS = 5
_INTERRUPTED = 130
"""What a shell makes of a command that Ctrl-C ended."""


class _RefusedError(Exception):
    """Something that was given will not do. The message is one line, for a terminal."""


def main(arguments: Sequence[str]) -> int:
    """Make an admin of an address, on a deployed stage or (if it is empty) locally; the status."""
    address, stage = arguments
    try:
        print(_make_admin(address, stage))
    except (_RefusedError, DeploymentError, LocalError, settings.SettingsError) as error:
        print(f"accounts: {error}", file=sys.stderr)
        return 1
    except AccountsError as error:
        print(f"accounts: {error.message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return _INTERRUPTED
    return 0


def _make_admin(address: str, stage: str) -> str:
    """Promote an account, or open one and promote that; what to say about it."""
    if not address:
        raise _RefusedError("whose account? make admin EMAIL=you@example.com")
    try:
        email = EmailAddress.parse(address)
    except ValueError as error:
        raise _RefusedError(f"EMAIL: {error}") from error
    with _deployed_accounts(stage) if stage else _local_accounts() as accounts:
        try:
            promoted = accounts.promote(email)
        except UserNotFoundError:
            _register(accounts, email, _ask_password(email))
            promoted = accounts.promote(email)
    return f"{email} is now an admin." if promoted else f"{email} is an admin already."


@contextmanager
def _local_accounts() -> "Iterator[AccountService]":
    """The stage's accounts, on the local cloud that runs or on one that runs for this."""
    folder = home()
    endpoint = running_endpoint(folder)
    if endpoint is not None:
        enter_stage(endpoint)
        yield _accounts(settings.load())
        return
    with LocalCloud(folder) as cloud:
        enter_stage(cloud.endpoint)
        prepare_stage(cloud, settings.load().stage)
        yield _accounts(settings.load())


@contextmanager
def _deployed_accounts(name: str) -> "Iterator[AccountService]":
    """A deployed stage's accounts, with the rights of whoever runs this."""
    # Only this needs boto3, which takes its time.
    from infra.deployment.aws import open_account, plain_faults
    from infra.deployment.stages import read_stage, settings_of

    stage = settings_of(read_stage(CHECKOUT, name))
    account = open_account()
    with plain_faults():
        try:
            account.dynamodb.describe_table(TableName=stage.users_table)
        except account.dynamodb.exceptions.ResourceNotFoundException as error:
            raise DeploymentError(
                f"stage {name} has no tables in {account.region}: make deploy STAGE={name}"
            ) from error
    os.environ["AWS_DEFAULT_REGION"] = account.region  # botocore reads no other
    yield _accounts(stage)


def _accounts(stage: settings.Settings) -> "AccountService":
    # The container makes its client from the environment, which has only just been set.
    from chalicelib.container import Container

    return Container(stage).accounts


def _ask_password(email: EmailAddress) -> NewPassword:
    """Ask once: it is not shown, and a pipe's first line will do."""
    try:
        if sys.stdin.isatty():
            text = getpass.getpass(f"A new account. Password for {email}: ")
        else:
            text = sys.stdin.readline().rstrip("\r\n")
    except (EOFError, UnicodeDecodeError) as error:
        raise _RefusedError("password: Not text.") from error
    try:
        return NewPassword.parse(text)
    except ValueError as error:
        raise _RefusedError(f"password: {error}") from error


def _register(accounts: "AccountService", email: EmailAddress, password: NewPassword) -> None:
    """Open an account, named after the address; digits follow if that name is taken."""
    name = email.rpartition("@")[0]
    for attempt in range(_USERNAME_ATTEMPTS):
        digits = f"{secrets.randbelow(10_000):04}" if attempt else ""
        try:
            username = Username.parse(name[: LONGEST_USERNAME - len(digits)] + digits)
            accounts.register(email, username, password)
        except UsernameTakenError:
            continue
        except EmailTakenError:
            return  # somebody has just registered it: there is an account to promote
        except ValueError as error:
            raise _RefusedError(f"username: {error}") from error
        return
    raise UsernameTakenError


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
