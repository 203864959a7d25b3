"""Users' rows, and the users that are in them."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime

from chalicelib.domain.times import epoch_seconds
from chalicelib.domain.users import FIRST_VERSION, FormerEmail, User
from chalicelib.store.items import UserItem


def user_key(public_id: str) -> str:
    """The key of a user's row."""
    return f"user#{public_id}"


def user_of(item: UserItem) -> User:
    """The user in a row. What an older row lacks has the value that it stood for then."""
    return User(
        public_id=item.public_id,
        email=item.email,
        username=item.username,
        registered_on=item.registered_on,
        token_version=int(item.token_version or FIRST_VERSION),
        admin=bool(item.admin),
        disabled=bool(item.disabled),
        email_verified=bool(item.email_verified),
        pending_email=item.pending_email,
        metadata=item.metadata or {},
        former_emails=_former_emails_in(item.former_emails),
        password_change_required=bool(item.password_change_required),
    )


def former_emails_text(former_emails: Iterable[FormerEmail]) -> str | None:
    """Former emails as a row has them: None, and no attribute, if there are none."""
    pairs = [[former.email, epoch_seconds(former.until)] for former in former_emails]
    return json.dumps(pairs, ensure_ascii=False) if pairs else None


def _former_emails_in(text: str | None) -> tuple[FormerEmail, ...]:
    pairs = json.loads(text) if text else []
    return tuple(FormerEmail(email, datetime.fromtimestamp(until, UTC)) for email, until in pairs)
