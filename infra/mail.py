"""`make mail`: the mails that `make run` has sent, newest last, and the links in them.

The local cloud sends them nowhere. It has them until it stops, and so `make run` does.
"""

import sys
import textwrap
from collections.abc import Sequence

from infra.commands import RefusedError, run_command
from infra.local.cloud import LocalError, home, running_endpoint
from infra.local.mails import SentMail, sent_mails

_RULE = "─" * 72


def main(arguments: Sequence[str]) -> int:
    """Print the mails; the exit status."""
    (wanted,) = arguments or ("",)
    return run_command(lambda: _show(wanted.strip()))


def _show(wanted: str) -> None:
    endpoint = running_endpoint(home())
    if endpoint is None:
        raise RefusedError("make run is not running; the mails it sends are there until it stops")
    try:
        mails = sent_mails(endpoint)
    except OSError as error:
        raise LocalError(f"the local cloud does not tell of mails ({error})") from error
    chosen = [mail for mail in mails if wanted.lower() in ", ".join(mail.to).lower()]
    if not chosen:
        to = f" to {wanted}" if wanted else ""
        print(f"No mail{to} yet; one is sent within a second.")
        return
    for mail in chosen:
        print(f"{_RULE}\n{written_out(mail)}")
    print(_RULE)


def written_out(mail: SentMail) -> str:
    """A mail for a terminal: who, what, the text, and its links to click on."""
    heads = {
        "To": ", ".join(mail.to),
        "From": mail.sender,
        "Sent": f"{mail.sent_at.astimezone():%Y-%m-%d %H:%M:%S}",
        "Subject": mail.subject,
    }
    lines = [f"{name + ':':9}{_printable(value)}" for name, value in heads.items()]
    text = "\n".join(map(_printable, mail.text.strip().splitlines()))
    lines += ["", textwrap.indent(text, "    "), ""]
    lines += [f"Link:    {_printable(link)}" for link in mail.links]
    return "\n".join(lines).rstrip()


def _printable(text: str) -> str:
    """Nothing that a terminal would obey: a name in a mail is a stranger's."""
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
