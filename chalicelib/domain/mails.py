"""Mails: one recipient each, as text and as HTML."""

from dataclasses import dataclass, field


class MailRefusedError(Exception):
    """This mail can never be sent, however often it is tried. It says nothing of what is in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail that is ready to be sent.

    Raises:
        MailRefusedError: what would be a header has a control character or a line's end in it. So
            nothing that a person has chosen can add a header.
    """

    address: str = field(repr=False)
    """Of whoever it is for."""
    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)

    def __post_init__(self) -> None:
        if not (self.address.isprintable() and self.subject.isprintable()):
            raise MailRefusedError
