"""Which passwords may be chosen, after NIST SP 800-63B-4, section 3.1.1.2.

Long enough, not cut, of any composition, and not what somebody who guesses tries first. It is
asked where a password is chosen and nowhere else: whoever has one that would be refused today
still logs in with it. A refusal says what makes a better one, as that section asks.
"""

import re
from collections.abc import Iterable
from typing import Protocol

from chalicelib.domain.errors import InvalidInputError, UnavailableError
from chalicelib.domain.names import fold
from chalicelib.domain.passwords import SHORTEST_PASSWORD, NewPassword, Password
from chalicelib.telemetry import security_event


class PasswordList(Protocol):
    """A list of passwords that many people have."""

    def __contains__(self, password: Password, /) -> bool:
        """Tell whether a password is on it, in whatever case or Unicode form."""


class BreachRegister(Protocol):
    """A register of passwords that were found in breaches."""

    def knows(self, password: Password) -> bool:
        """Tell whether a password is in it.

        Raises:
            UnavailableError: the register cannot answer now.
        """


_SHORTEST_WORD = 3
"""In characters. What is shorter says nothing of whose service it is: `no`, `eu`."""


def context_words(*texts: str) -> frozenset[str]:
    """The words by which a service is known, from its names: each, and those of a name as one."""
    words = set()
    for text in texts:
        parts = re.findall(r"\w+", fold(text))
        words |= {*parts, "".join(parts)}
    return frozenset(word for word in words if len(word) >= _SHORTEST_WORD)


class PasswordPolicy:
    """Judges passwords that are chosen. Whole ones: none is refused for a part that it has."""

    def __init__(
        self,
        shortest: int,
        common: PasswordList,
        breaches: BreachRegister | None = None,
        words: Iterable[str] = (),
    ) -> None:
        """`breaches` is None if new passwords are not to be looked up anywhere.

        `words` are the service's own, folded: see `context_words`.
        """
        self._shortest = shortest
        self._words = sorted(words, key=len, reverse=True)
        self._common = common
        self._breaches = breaches

    def check(self, password: NewPassword, field: str, *, email: str, username: str) -> None:
        """See that a password may be an account's; `field` is where it was sent.

        The register is asked last, since it may be somebody else's. If it cannot answer, the
        password is accepted: its outage must not be ours.

        Raises:
            InvalidInputError: it may not. The reason says why, and does not quote it.
        """
        reason = self._fault_of(password, email, username)
        if reason is not None:
            raise InvalidInputError({field: reason})

    def _fault_of(self, password: NewPassword, email: str, username: str) -> str | None:
        try:
            password.require_length(self._shortest)
        except ValueError as fault:
            return str(fault)
        reason = self._name_in(fold(password.text), email, username)
        if reason is not None:
            return reason
        if password in self._common:
            return "This is one of the most common passwords. Take several unrelated words instead."
        if self._is_breached(password):
            return (
                "This password is known from a data breach. Take several unrelated words instead."
            )
        return None

    def _name_in(self, folded: str, email: str, username: str) -> str | None:
        if folded in fold(email):
            return "Must not be your email address, or a part of it."
        if folded in fold(username):
            return "Must not be your username, or a part of it."
        if self._is_of_our_words(folded):
            return "Must not be made of this service's names. Take several unrelated words instead."
        return None

    def _is_of_our_words(self, folded: str) -> bool:
        """Tell whether the service's words are all of it, but for a few digits and signs."""
        rest = folded
        for word in self._words:
            rest = rest.replace(word, "")
        few = len(rest) < SHORTEST_PASSWORD
        return rest != folded and few and not any(letter.isalpha() for letter in rest)

    def _is_breached(self, password: NewPassword) -> bool:
        if self._breaches is None:
            return False
        try:
            return self._breaches.knows(password)
        except UnavailableError:
            security_event("breach_check_skipped")
            return False
