"""Things that tests are about, with a default for all that a test is not about."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from chalicelib.domain.activity import Act, Event
from chalicelib.domain.attempts import Admission, Count, Origin
from chalicelib.domain.outbox import Errand, Message
from chalicelib.domain.principals import Principal
from chalicelib.domain.sessions import Client, Lineage, Opening, Session, session_id_in
from chalicelib.domain.times import epoch_seconds
from chalicelib.domain.tokens import AccessClaims
from chalicelib.domain.users import User
from chalicelib.keys.parameters import Parameter, new_signing_key
from chalicelib.store.attempt_rows import AttemptRows
from tests.fakes import START, public_id

PASSWORD = "a tr0ubad0ur & three ponies"
COMMON = "password123"
"""As many people have it."""
AN_HOUR_PASSED = {
    "version": "0",
    "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "account": "123456789012",
    "time": "2026-01-02T03:04:05Z",
    "region": "us-east-1",
    "resources": ["arn:aws:events:us-east-1:123456789012:rule/accounts-test-rotate_keys-event"],
    "detail": {},
}
"""What EventBridge hands a scheduled function."""


def inserted(*message_ids: str) -> dict[str, Any]:
    """What Lambda hands a function of the outbox's stream, for messages that were put there."""
    return {"Records": [_stream_record("INSERT", message_id) for message_id in message_ids]}


def removed(message_id: str) -> dict[str, Any]:
    """Likewise, for one that was deleted."""
    return {"Records": [_stream_record("REMOVE", message_id)]}


def _stream_record(name: str, message_id: str) -> dict[str, Any]:
    table = "arn:aws:dynamodb:us-east-1:123456789012:table/accounts-test-outbox"
    return {
        "eventID": f"{name}-{message_id}",
        "eventName": name,
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": START.timestamp(),
            "Keys": {"message_id": {"S": message_id}},
            "SequenceNumber": "4421584500000000017450439091",
            "SizeBytes": 46,
            "StreamViewType": "KEYS_ONLY",
        },
        "eventSourceARN": f"{table}/stream/2026-01-02T03:04:05.006",
    }


def a_message(number: int, errand: Errand = Errand.VERIFY_EMAIL, **facts: Any) -> Message:
    """A message; two of different numbers share nothing."""
    defaults: dict[str, Any] = {
        "message_id": f"message-{number}",
        "errand": errand,
        "created_at": START,
        "expires_at": START + timedelta(days=1),
    }
    return Message(**defaults | facts)


@dataclass(frozen=True, slots=True)
class LambdaContext:
    """What Lambda tells a function of the call at hand, as far as ours ask."""

    seconds: float = 60

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds * 1_000)


def a_user(number: int = 1, **facts: Any) -> User:
    """A user; two of different numbers share nothing."""
    defaults: dict[str, Any] = {
        "public_id": public_id(number),
        "email": f"user-{number}@example.com",
        "username": f"User {number}",
        "registered_on": START,
    }
    return User(**defaults | facts)


CLIENT = Client("192.0.2.1", "tests")


def a_session(user: User | None = None, number: int = 0, **facts: Any) -> Session:
    """A session of a user, in the slot of its number."""
    owner = user or a_user()
    session_id = session_id_in(number, public_id(number))
    defaults: dict[str, Any] = {
        "public_id": owner.public_id,
        "session_id": session_id,
        "token_version": owner.token_version,
        "created_at": START,
        "last_used_at": START,
        "expires_at": START + timedelta(days=30),
        "client": CLIENT,
        "lineage": Lineage(b"a family's hash", b"a token's hash"),
    }
    return Session(**defaults | facts)


def claims(number: int = 1, session_id: str = "a-session", key_id: str = "a-key") -> AccessClaims:
    """What a verified token of a user of that number says."""
    return AccessClaims(
        public_id=public_id(number), session_id=session_id, token_version=1, key_id=key_id
    )


ROWS = AttemptRows("a secret that tests share")


def a_count(*of: str, limit: int = 3, number: int = 0, seconds: int = 60) -> Count:
    """A count in the window of that number after the one that tests begin in."""
    starts_at = epoch_seconds(START) // seconds * seconds + number * seconds
    return Count(
        of=of or ("account", public_id(1)),
        limit=limit,
        starts_at=starts_at,
        ends_at=starts_at + seconds,
    )


ORIGIN = Origin(
    CLIENT.ip, a_count("address", CLIENT.ip, limit=300), a_count("email", "nobody", seconds=600)
)
ADMISSION = Admission(a_count("an attempt"), remembers=False)


class _Users(Protocol):
    def add(self, user: User, password_hash: str, opening: Opening | None) -> bool: ...


def add(users: _Users, user: User, password_hash: str = "a hash") -> None:
    """Add a user, with a session that the test is not about."""
    assert users.add(user, password_hash, Opening(a_session(user), "a-key"))


def a_caller(user: User | None = None, *, admin: bool = False) -> Principal:
    """Somebody whom the authorizer let in."""
    owner = user or a_user(admin=admin)
    return Principal(owner, a_session(owner).session_id)


@cache
def a_made_key(number: int) -> tuple[Parameter, Parameter]:
    """A signing key, made once for the process: `make mutants` forks one for every mutant."""
    del number
    return new_signing_key(START)


def encode(octets: bytes) -> str:
    """Base64url as RFC 7515 has it."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")


def decode(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def header_of(token: str) -> Any:
    return json.loads(decode(token.partition(".")[0]))


def claims_of(token: str) -> Any:
    return json.loads(decode(token.split(".")[1]))


def signed(header: bytes | Mapping[str, Any], claims: bytes | Mapping[str, Any], pem: str) -> str:
    """A token with any header and any claims, and an RS256 signature that is right for them."""
    parts = [
        encode(part if isinstance(part, bytes) else json.dumps(part).encode())
        for part in (header, claims)
    ]
    key = load_pem_private_key(pem.encode(), None)
    assert isinstance(key, RSAPrivateKey)
    signature = key.sign(".".join(parts).encode(), PKCS1v15(), SHA256())
    return ".".join((*parts, encode(signature)))


def an_event(number: int = 1, owner: int = 1, **facts: Any) -> Event:
    """An event of a user; each is a second later than the one of the number before."""
    at = START + timedelta(seconds=number)
    defaults: dict[str, Any] = {
        "public_id": public_id(owner),
        "event_id": public_id(number),
        "act": Act.LOGGED_IN,
        "at": at,
        "expires_at": at + timedelta(days=90),
        "client": CLIENT,
    }
    return Event(**defaults | facts)


FOREIGN_PASSWORD = "Grüße, Zoë & 🦊"
FOREIGN_HASHES = {
    "bcrypt 2a": "$2a$05$Qfj.o6/mixlm1XB0GkbhAOfBOc1M4r9HN1KWqnq6yj8HtpbFectCm",
    "bcrypt 2b": "$2b$05$yuMW0bWrney5CudeQA17h.T/Jc70yZbqq/TtGvlDxK5nOWy9iXjQC",
    "bcrypt 2y": "$2y$05$9cqqip/mjvzMCgj8RoBinuJf1Smi1y3W5JWtfpoG4bjUIBup9eTeG",
    "Django bcrypt": "bcrypt$$2b$05$54hEQhaw4BZyvIyyNL42Q.S1N6i7b5HXyRsd3biL7q0xJ0eoty8Ia",
    "Django bcrypt_sha256": (
        "bcrypt_sha256$$2b$05$60/wmuTXsp3dDCOM4Eky2e8R.xsslCeFKbYppxy2xLCOYpG8pxpT6"
    ),
    "argon2id": (
        "$argon2id$v=19$m=1024,t=2,p=2$keLJkC/VDwinxPGfjMVWcg"
        "$oJZWMFgWYOqy0Xzb9Qanj8bmZBBIamFZoBV1JTii4qk"
    ),
    "Passlib argon2id": (
        "$argon2id$v=19$m=1024,t=2,p=1$NuacE0LI+b9XKgUA4Lx3rg"
        "$R7UWu/3LmG55ugAjTUMDoeVOaXFJqUS4G3h2zf6s7y8"
    ),
    "Django argon2id": (
        "argon2$argon2id$v=19$m=1024,t=2,p=8$R2dWaVI0M1Q4b000TWl4V3RCTER2Ng"
        "$xD8T4vdg5jWyPJKmgeLSbqKAbfDVf9aSCZlUODqlliY"
    ),
    "Passlib scrypt": (
        "$scrypt$ln=10,r=8,p=1$ubfWmlPqvbd2znkPgTAGYA$Z0X4DvETjYukdCdkk/2E7kQdxF/J8Wv/hsoMX9F87O0"
    ),
    "Passlib scrypt, side by side": (
        "$scrypt$ln=8,r=16,p=3$TclZyxnjXGtNKWUshXBOaQ$VH92NLMRoczXSFe7CCFBgmvRXaROflubRrU0vmpfPG4"
    ),
    "Django scrypt": (
        "scrypt$1024$wRTesJfDbYcQskpKazQV4K$8$5"
        "$uqWnTpcFCm29I0S35Un5GNQjb1sPogyx5zXKh5nd2X7kPeEs8QbDVTmT9j0ETbiKJ7w8j2xidZGb5wqaNOV+uQ=="
    ),
    "Django pbkdf2_sha256": (
        "pbkdf2_sha256$1000$bauWCGO7UgR0IieUH5zoii$fVqcxsvNXHoRXCgjyKCEMFeUafgjHRurVQSyiz/nj08="
    ),
}
"""Of that password, as other systems write them: see tests/unit/services/test_foreign_hashes.py."""
