"""Changes of a user's row, and of the row that says who has a username."""

from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from chalicelib.domain.changes import Changes, Renaming
from chalicelib.domain.names import fold
from chalicelib.domain.users import FIRST_VERSION
from chalicelib.store.items import MarkerItem, UserItem


def username_marker(key: str) -> str:
    """The key of the row that says who has a username."""
    return f"username#{key}"


def move_username(transaction: TransactWrite, public_id: str, renaming: Renaming) -> None:
    """Free a username and take another, on condition that they are the user's and nobody's."""
    transaction.delete(
        MarkerItem(username_marker(fold(renaming.before))),
        condition=MarkerItem.public_id == public_id,
    )
    transaction.save(
        MarkerItem(username_marker(fold(renaming.after)), public_id=public_id),
        condition=MarkerItem.pk.does_not_exist(),
    )


def actions_of(changes: Changes) -> list[Action]:
    """What changes do to the row."""
    actions: list[Action] = []
    if changes.renaming is not None:
        actions.append(UserItem.username.set(changes.renaming.after))
    if changes.metadata is not None:
        actions.append(UserItem.metadata.set(dict(changes.metadata)))
    if changes.admin is not None:
        actions.append(UserItem.admin.set(changes.admin))
    if changes.disabled is not None:
        actions.append(UserItem.disabled.set(changes.disabled))
    if changes.password_change_required is not None:
        required = UserItem.password_change_required
        actions.append(
            required.set(True) if changes.password_change_required else required.remove()
        )
    if changes.end_sessions:
        actions.append(raised_version())
    return actions


def raised_version() -> Action:
    """The next token version, with which every session and access token has ended."""
    return UserItem.token_version.set((UserItem.token_version | FIRST_VERSION) + 1)
