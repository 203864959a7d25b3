"""`make admin EMAIL=…`: make an account an admin's, opening it first if there is none."""

import getpass
import secrets
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from chalicelib.domain.errors import (
    EmailTakenError,
    InvalidInputError,
    UsernameTakenError,
    UserNotFoundError,
)
from chalicelib.domain.names import EmailAddress
from chalicelib.domain.passwords import NewPassword
from chalicelib.services.imports import made_username
from infra.commands import RefusedError, open_stage, run_command

if TYPE_CHECKING:
    from chalicelib.container import Container
    from chalicelib.domain.users import User
    from chalicelib.services.accounts import AccountService

_USERNAME_ATTEMPTS = 5


def main(arguments: Sequence[str]) -> int:
    """Make an admin of an address, on a deployed stage or (if it is empty) locally; the status."""
    address, stage = arguments
    return run_command(lambda: print(_make_admin(address, stage)))


def _make_admin(address: str, stage: str) -> str:
    """Promote an account, or open one and promote that; what to say about it."""
    if not address:
        raise RefusedError("whose account? make admin EMAIL=you@example.com")
    try:
        email = EmailAddress.parse(address)
    except ValueError as error:
        raise RefusedError(f"EMAIL: {error}") from error
    with open_stage(stage) as container:
        accounts = container.accounts
        found = _find(container, email)
        if found is None:
            password = _ask_password(email, container.settings.password_min_length)
            if not _register(accounts, email, password):
                found = _find(container, email)  # somebody has just registered it
        if found is not None and stage:
            _see_whose(found, stage)
        promoted = accounts.promote(email)
    return f"{email} is now an admin." if promoted else f"{email} is an admin already."


def _find(container: "Container", email: EmailAddress) -> "User | None":
    with suppress(UserNotFoundError):
        return container.operator.find(email)
    return None


def _see_whose(user: "User", stage: str) -> None:
    """See that an account is whose address it has: whoever registers says what that is.

    Raises:
        RefusedError: nobody has verified it, and whoever runs this does not know.
    """
    if user.admin or user.email_verified:
        return
    registered = f"{user.registered_on:%Y-%m-%d %H:%M} UTC"
    print(
        f"stage {stage}: {user.username} <{user.email}> has registered at {registered}, as"
        f" {user.public_id}. Nobody has verified that the address is theirs."
        " Type yes if you know that it is: ",
        end="",
        file=sys.stderr,
        flush=True,
    )
    if _read_line() != "yes":
        raise RefusedError("nothing was done")


def _read_line() -> str:
    try:
        return sys.stdin.readline().rstrip("\r\n")
    except UnicodeDecodeError:
        return ""


def _ask_password(email: EmailAddress, shortest: int) -> NewPassword:
    """Ask once: it is not shown, and a pipe's first line will do."""
    try:
        if sys.stdin.isatty():
            text = getpass.getpass(f"A new account. Password for {email}: ")
        else:
            text = sys.stdin.readline().rstrip("\r\n")
    except (EOFError, UnicodeDecodeError) as error:
        raise RefusedError("password: Not text.") from error
    try:
        return NewPassword.parse(text, shortest)
    except ValueError as error:
        raise RefusedError(f"password: {error}") from error


def _register(accounts: "AccountService", email: EmailAddress, password: NewPassword) -> bool:
    """Open an account, named after the address; digits follow if that name is taken.

    Answers False if the address is taken.
    """
    for attempt in range(_USERNAME_ATTEMPTS):
        digits = f"{secrets.randbelow(10_000):04}" if attempt else ""
        try:
            accounts.enrol(email, made_username(email, digits), password)
        except UsernameTakenError:
            continue
        except EmailTakenError:
            return False
        except InvalidInputError as error:
            raise RefusedError(f"password: {error.errors['password']}") from error
        except ValueError as error:
            raise RefusedError(f"username: {error}") from error
        return True
    raise UsernameTakenError


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
