"""Sending mails through Amazon SES."""

import logging
import re
import unicodedata
from email.header import Header
from email.utils import formataddr
from functools import cached_property
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from botocore.session import Session

from chalicelib.answers import require_answers
from chalicelib.deadlines import CallLimits
from chalicelib.domain.errors import UnavailableError
from chalicelib.domain.mails import Mail, MailRefusedError

LIMITS = CallLimits(connect_seconds=1, read_seconds=5, attempts=2)
_CHARSET = "UTF-8"
_LONGEST_WORD = 75
"""In characters, of an encoded word: RFC 2047, section 2."""
# What SES calls a request that is wrong in itself. All else can be mended without another mail:
# an operator verifies the sender (`MessageRejected`, `MailFromDomainNotVerifiedException`), has
# sending resumed (`AccountSuspendedException`, `SendingPausedException`) or a quota raised.
_PERMANENT = frozenset({"BadRequestException"})
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")

_log = logging.getLogger(__name__)


class SesMailer:
    """Sends mails through SES v2.

    A retry after a lost answer sends a mail twice, which is better than not at all. botocore is
    used without boto3, as for the keys.
    """

    def __init__(self, sender: str, session: Session | None = None) -> None:
        """`sender` is an address, or a name with an address in angle brackets."""
        self._session = session or Session()
        name, _, address = sender.rpartition(" <")
        self._sender = _mailbox(name, address.rstrip(">"))

    def send(self, mail: Mail) -> None:
        """Hand a mail over to SES.

        Raises:
            MailRefusedError: SES would refuse it every time.
            UnavailableError: it was not sent now, or the answer was lost.
        """
        address = ascii_address(mail.address)
        try:
            answer = self._client.send_email(
                FromEmailAddress=self._sender,
                Destination={"ToAddresses": [address]},
                Content={
                    "Simple": {
                        "Subject": _content(mail.subject),
                        "Body": {"Text": _content(mail.text), "Html": _content(mail.html)},
                        # So that no absence notice comes back: RFC 3834.
                        "Headers": [{"Name": "Auto-Submitted", "Value": "auto-generated"}],
                    }
                },
            )
        except (BotoCoreError, ClientError) as fault:
            code = fault.response["Error"].get("Code") if isinstance(fault, ClientError) else None
            _log.error("a mail was not sent: %s (%s)", type(fault).__name__, code)
            # Without a cause: its message could quote the address.
            if code in _PERMANENT or isinstance(fault, ParamValidationError):
                raise MailRefusedError from None
            raise UnavailableError from None
        if "MessageId" not in answer:
            _log.error("a mail was not sent, as far as can be told")
            raise UnavailableError

    @cached_property
    def _client(self) -> Any:
        client = self._session.create_client(
            "sesv2",
            config=Config(
                connect_timeout=LIMITS.connect_seconds,
                read_timeout=LIMITS.read_seconds,
                retries={"mode": "standard", "total_max_attempts": LIMITS.attempts},
            ),
        )
        LIMITS.watch(client)
        # The local cloud's SES identifies no request. Here it is the mail's identifier that counts.
        require_answers(client, identified=False)
        return client


def ascii_address(address: str) -> str:
    """An address as SES takes it: the domain in IDNA's letters.

    SES does not speak RFC 6531's SMTPUTF8, so a local part has to be ASCII. Other forms of its
    letters are written as these: in full-width ones, say, a stranger may have taken an address, and
    its owner is to get it back.

    Raises:
        MailRefusedError: it cannot be written so.
    """
    local, _, domain = unicodedata.normalize("NFKC", address).rpartition("@")
    labels = [_ascii_label(label) for label in domain.split(".")]
    if not (local and local.isascii() and all(map(_LABEL.fullmatch, labels))):
        raise MailRefusedError
    return f"{local}@{'.'.join(labels)}"


def _ascii_label(label: str) -> str:
    """A label as IDNA 2008 writes it, mapped as UTS 46 does without its transitional rules.

    Python's own codec is of IDNA 2003, which takes `ß` for `ss`: that is another domain by now, and
    may be somebody else's. A capital is made small by itself, as a final sigma is one of its own.
    """
    small = "".join(letter.lower() for letter in unicodedata.normalize("NFKC", label))
    normal = unicodedata.normalize("NFKC", small)
    return normal if normal.isascii() else "xn--" + normal.encode("punycode").decode("ascii")


def _mailbox(name: str, address: str) -> str:
    """An address and its name as a header has them: SES takes no other letters than ASCII there.

    A long name is several encoded words, as RFC 2047 has them.
    """
    if name.isascii():
        return formataddr((name, address))
    return f"{Header(name, 'utf-8', maxlinelen=_LONGEST_WORD).encode(linesep='')} <{address}>"


def _content(text: str) -> dict[str, str]:
    return {"Data": text, "Charset": _CHARSET}
