"""Sessions' rows, and the sessions that are in them: nothing that the authorizer reads."""

from datetime import UTC, datetime

from chalicelib.domain.sessions import Client, Lineage, Session, SpentToken
from chalicelib.domain.times import epoch_seconds
from chalicelib.store.items import SessionItem


def session_row(session: Session) -> SessionItem:
    """The row of a session."""
    lineage = session.lineage
    return SessionItem(
        session.public_id,
        session.slot,
        session_id=session.session_id,
        token_version=session.token_version,
        created_at=session.created_at,
        last_used_at=session.last_used_at,
        expires_at=epoch_seconds(session.expires_at),
        ip=session.client.ip,
        user_agent=session.client.user_agent,
        family_hash=lineage.family_hash,
        token_hash=lineage.current_hash,
        spent=[
            [spent.secret_hash.hex(), spent.salt.hex(), spent.spent_at.isoformat()]
            for spent in lineage.spent
        ],
    )


def session_of(row: SessionItem) -> Session:
    """The session in a row."""
    return Session(
        public_id=row.public_id,
        session_id=row.session_id,
        token_version=int(row.token_version),
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        expires_at=datetime.fromtimestamp(row.expires_at, UTC),
        client=Client(row.ip, row.user_agent),
        lineage=Lineage(
            family_hash=row.family_hash,
            current_hash=row.token_hash,
            spent=tuple(
                SpentToken(
                    bytes.fromhex(secret_hash), bytes.fromhex(salt), datetime.fromisoformat(at)
                )
                for secret_hash, salt, at in row.spent
            ),
        ),
    )
