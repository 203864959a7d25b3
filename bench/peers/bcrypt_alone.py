"""Comparing a password by bcrypt at cost 12, and nothing else."""

from collections.abc import Callable

import bcrypt

PASSWORD = b"correct horse battery staple"
HASH = bcrypt.hashpw(PASSWORD, bcrypt.gensalt(12))

Prepared = Callable[[], tuple[int, str]]


def login(_given: dict[str, str]) -> Prepared:
    """Compare."""

    def compare() -> tuple[int, str]:
        return (200 if bcrypt.checkpw(PASSWORD, HASH) else 401), "{}"

    return compare


OPERATIONS = {"login": login}
