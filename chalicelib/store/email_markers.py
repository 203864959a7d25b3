"""The rows that say who has an email, or had it and has it held for them."""

from datetime import datetime

from pynamodb.attributes import UnicodeAttribute
from pynamodb.expressions.condition import Condition

from chalicelib.domain.email_changes import held_emails
from chalicelib.domain.names import fold
from chalicelib.domain.times import epoch_seconds
from chalicelib.domain.users import User
from chalicelib.store.items import MarkerItem


def email_marker(key: str) -> str:
    """The key of the row that says who has an email."""
    return f"email#{key}"


def held_keys(user: User, now: datetime) -> dict[str, datetime]:
    """Until when which keys are held for a user, besides that of the address that they have."""
    keys = {fold(former.email): former.until for former in held_emails(user, now)}
    keys.pop(fold(user.email), None)
    return keys


def has(attribute: UnicodeAttribute, value: str | None) -> Condition:
    """The row has this text there, or none."""
    condition: Condition = attribute.does_not_exist() if value is None else attribute == value
    return condition


def has_lapsed(now: datetime) -> Condition:
    """The marker only held a former address, and does so no longer: DynamoDB deletes it late."""
    condition: Condition = MarkerItem.expires_at <= epoch_seconds(now)
    return condition


def is_gone_or_of(public_id: str) -> Condition:
    """There is no such marker, or it is this user's."""
    condition: Condition = MarkerItem.pk.does_not_exist() | (MarkerItem.public_id == public_id)
    return condition
