"""Users' rows, and the users that are in them."""

from chalicelib.domain.users import FIRST_VERSION, User
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
    )
