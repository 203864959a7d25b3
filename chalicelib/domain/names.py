"""Emails and usernames: shown as they were given, compared without regard to case or form.

Two names that a person would read as one must not belong to two accounts, so names are compared
by their key. Parsing is the only way in: whatever holds one of these values holds a valid one.
"""

import re
import unicodedata
from typing import Self

LONGEST_USERNAME = 64
LONGEST_EMAIL = 254
"""In octets of UTF-8, as SMTP carries a path: RFC 5321, section 4.5.3.1.3."""
_LONGEST_LOCAL_PART = 64
_LONGEST_DECOMPOSITION = 4
"""In characters: no character of any normal form has more canonical parts than this."""
_LONGEST_KEY = 1_024
"""In octets of UTF-8. A name's key is part of a DynamoDB key, which may have 2,048."""

# What HTML calls a valid email address, and RFC 6531's letters, with a domain of two labels or
# more, so that mail can reach it. Quoted local parts are refused, and RFC 2047's encoded words:
# nobody has one, parsers differ, and some would mail to the address that is inside.
_ATOM = r"[^\s\x00-\x20\x7f-\x9f()<>\[\]:;@\\,.\"]+"
_LABEL = r"(?!-)[a-zA-Z0-9\x80-\U0010ffff-]{1,63}(?<!-)"
_ENCODED_WORD = r"[^@]*=\?[^@?]+\?[bqBQ]\?"
_EMAIL = re.compile(rf"(?!{_ENCODED_WORD})({_ATOM}(?:\.{_ATOM})*)@({_LABEL}(?:\.{_LABEL})+)")
# Many scripts cannot be written without them, and `\w` does not know them: भारत, ไทย.
_MARKS = frozenset({"Mn", "Mc"})

_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
# Letters and marks that show nothing although their category says otherwise: the rest of
# Unicode's Default_Ignorable_Code_Point, and the blank Braille pattern.
_INVISIBLE_LETTERS = frozenset(
    chr(point)
    for first, last in (
        (0x034F, 0x034F),
        (0x115F, 0x1160),
        (0x17B4, 0x17B5),
        (0x180B, 0x180F),
        (0x2800, 0x2800),
        (0x3164, 0x3164),
        (0xFE00, 0xFE0F),
        (0xFFA0, 0xFFA0),
    )
    for point in range(first, last + 1)
)
_VARIATION_SELECTORS_SUPPLEMENT = ("\U000e0100", "\U000e01ef")


def fold(text: str) -> str:
    """The key under which a name is unique: NFKC, case-folded.

    Folding can undo the normal form and normalising can bring back a capital, so both are done
    twice, as compatibility caseless matching asks (Unicode Standard, section 3.13, D146).
    """
    for _ in range(2):
        text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return text


def _shows(letter: str) -> bool:
    first, last = _VARIATION_SELECTORS_SUPPLEMENT
    return not (
        unicodedata.category(letter) in _INVISIBLE_CATEGORIES
        or letter in _INVISIBLE_LETTERS
        or first <= letter <= last
    )


def _is_domain(text: str) -> bool:
    """Tell whether each label has letters, digits and hyphens, with marks on them."""
    return all(
        label[0].isalnum()
        and all(
            letter == "-" or letter.isalnum() or unicodedata.category(letter) in _MARKS
            for letter in label
        )
        for label in text.split(".")
    )


def _octets(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


class EmailAddress(str):
    """An address that mail can be sent to, as it was given."""

    __slots__ = ()

    @property
    def key(self) -> str:
        """What makes it unique."""
        return fold(self)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an address.

        Raises:
            ValueError: it is not one; the reason is for a person and does not quote it.
        """
        # Before it is folded: putting many marks in order takes the square of their number.
        if len(text) > LONGEST_EMAIL:
            raise ValueError("This email address is too long.")
        # The key is checked as well: normalising must not turn something else into an address
        # (a full-width @ becomes an @), or one address into another shape.
        for form in (text, fold(text)):
            match = _EMAIL.fullmatch(form)
            if not match or not _is_domain(match[2]) or not all(map(_shows, form)):
                raise ValueError("Not a valid email address.")
            if _octets(match[1]) > _LONGEST_LOCAL_PART or _octets(form) > LONGEST_EMAIL:
                raise ValueError("This email address is too long.")
        return cls(text)


class Username(str):
    """What other users see, as it was given."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a username: 1 to 64 visible characters after NFKC.

        Raises:
            ValueError: it is not one; the reason is for a person and does not quote it.
        """
        too_long = len(text) > LONGEST_USERNAME * _LONGEST_DECOMPOSITION  # seen without folding
        normal = "" if too_long else unicodedata.normalize("NFKC", text)
        if not 1 <= len(normal) <= LONGEST_USERNAME:
            raise ValueError(f"Must have 1 to {LONGEST_USERNAME} characters.")
        if not (all(map(_shows, text)) and all(map(_shows, normal))):
            raise ValueError("Must not have control or invisible characters.")
        if normal != normal.strip():
            raise ValueError("Must not begin or end with a space.")
        return cls(text)


def lookup_key(text: str) -> str | None:
    """The key of a name somebody gave to find an account by, or None if no account can have it.

    Unlike parsing, this refuses nothing: at a login, a malformed name is an unknown one.
    """
    if len(text) > _LONGEST_KEY:
        return None
    key = fold(text)
    return key if 0 < _octets(key) <= _LONGEST_KEY else None
