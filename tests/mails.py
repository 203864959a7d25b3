"""What stands in for the outbox and the post, and for the tables that the courier writes to."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from chalicelib.domain.errors import UnavailableError
from chalicelib.domain.mailed_tokens import MailedTokenRecord
from chalicelib.domain.mails import Mail, MailRefusedError
from chalicelib.domain.outbox import Errand, Message
from tests.fakes import START, public_id


def a_message(number: int = 1, errand: Errand = Errand.VERIFY_EMAIL, **facts: object) -> Message:
    """A message about the user of that number; two of different numbers share nothing."""
    defaults: dict[str, object] = {
        "message_id": public_id(1_000 + number),
        "errand": errand,
        "created_at": START,
        "expires_at": START + timedelta(days=1),
        "public_id": public_id(number),
    }
    return Message(**defaults | facts)  # type: ignore[arg-type] # named by the tests


class FakeMailer:
    """Keeps what was sent. `down` makes it unavailable, `refuses` makes it refuse an address."""

    def __init__(self) -> None:
        self.sent: list[Mail] = []
        self.down = False
        self.refuses: set[str] = set()

    def send(self, mail: Mail) -> None:
        if mail.address in self.refuses:
            raise MailRefusedError
        if self.down:
            raise UnavailableError
        self.sent.append(mail)

    @property
    def only(self) -> Mail:
        (mail,) = self.sent
        return mail


class FakeMailedTokenStore:
    """Records in memory, by the hash of what was mailed."""

    def __init__(self) -> None:
        self.records: dict[str, MailedTokenRecord] = {}
        self.down = False

    def add(self, record: MailedTokenRecord) -> None:
        if self.down:
            raise UnavailableError
        self.records[record.secret_hash] = record


class FakeActivityAnonymiser:
    """Remembers whose activity was made anonymous."""

    def __init__(self) -> None:
        self.anonymised: list[str] = []
        self.down = False

    def anonymise(self, public_id: str) -> None:
        if self.down:
            raise UnavailableError
        self.anonymised.append(public_id)


class FakeOutboxStore:
    """Messages in memory."""

    def __init__(self) -> None:
        self.rows: dict[str, Message] = {}
        self.down = False
        self.stuck: set[str] = set()
        """What cannot be removed."""

    def put(self, *messages: Message) -> None:
        self.rows |= {message.message_id: message for message in messages}

    def read(self, message_ids: Iterable[str]) -> tuple[Message, ...]:
        self._called()
        wanted = set(message_ids)
        return tuple(row for message_id, row in self.rows.items() if message_id in wanted)

    def pending(self, older_than: datetime, limit: int) -> tuple[Message, ...]:
        self._called()
        return tuple(row for row in self.rows.values() if row.created_at < older_than)[:limit]

    def remove(self, message_id: str) -> None:
        self._called()
        if message_id in self.stuck:
            raise UnavailableError
        self.rows.pop(message_id, None)

    def _called(self) -> None:
        if self.down:
            raise UnavailableError
