"""Reading the key set from SSM Parameter Store."""

import logging
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from chalicelib.answers import require_answers
from chalicelib.deadlines import CallLimits
from chalicelib.domain.errors import UnavailableError
from chalicelib.domain.tokens import PublicKey, SigningKey
from chalicelib.keys.parameters import PUBLIC_KEYS, private_name, read_public_key

LIMITS = CallLimits(connect_seconds=1, read_seconds=2, attempts=3)
_MISSING = "ParameterNotFound"

_log = logging.getLogger(__name__)


class SsmKeySource:
    """The key set below a stage's path. Keeps nothing: that is the key ring's business.

    botocore is used without boto3, whose import would cost every cold start as much again.
    """

    def __init__(self, path: str, session: Session | None = None) -> None:
        self._path = path
        self._session = session or Session()

    def public_keys(self) -> tuple[PublicKey, ...]:
        """Read all public keys, newest first.

        Raises:
            UnavailableError: Parameter Store cannot answer now, or holds something else.
        """
        try:
            keys = [
                read_public_key(parameter["Name"], parameter["Value"])
                for page in self._pages()
                for parameter in page["Parameters"]
            ]
        except (BotoCoreError, ClientError, KeyError, TypeError, ValueError) as fault:
            raise _unavailable(fault) from fault
        return tuple(sorted(keys, key=lambda key: (key.created_at, key.key_id), reverse=True))

    def signing_key(self, key_id: str) -> SigningKey | None:
        """Read and decrypt a private key; None if there is none (any more).

        Raises:
            UnavailableError: Parameter Store cannot answer now.
        """
        try:
            answer = self._client.get_parameter(
                Name=f"{self._path}/{private_name(key_id)}", WithDecryption=True
            )
            return SigningKey(key_id, answer["Parameter"]["Value"])
        except (BotoCoreError, ClientError, KeyError) as fault:
            if is_missing(fault):
                return None
            raise _unavailable(fault) from fault

    def _pages(self) -> Iterator[dict[str, Any]]:
        """The public parameters; botocore's paginator would be one more thing to load."""
        position: dict[str, str] = {}
        while True:
            page = self._client.get_parameters_by_path(
                Path=f"{self._path}/{PUBLIC_KEYS}", **position
            )
            yield page
            if not page.get("NextToken"):
                return
            position = {"NextToken": page["NextToken"]}

    @cached_property
    def _client(self) -> Any:
        client = self._session.create_client(
            "ssm",
            config=Config(
                connect_timeout=LIMITS.connect_seconds,
                read_timeout=LIMITS.read_seconds,
                retries={"mode": "standard", "total_max_attempts": LIMITS.attempts},
            ),
        )
        LIMITS.watch(client)
        require_answers(client)
        return client


def is_missing(fault: Exception) -> bool:
    """Whether a call failed only because there is no such parameter."""
    return isinstance(fault, ClientError) and fault.response["Error"].get("Code") == _MISSING


def _unavailable(fault: Exception) -> UnavailableError:
    _log.error("the key set could not be read: %s", type(fault).__name__)
    return UnavailableError()
