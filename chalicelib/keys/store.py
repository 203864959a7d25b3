"""Changing the key set in SSM Parameter Store."""

import logging
from datetime import datetime

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.errors import UnavailableError
from chalicelib.domain.tokens import KeyState, PublicKey
from chalicelib.keys.parameters import (
    Parameter,
    new_signing_key,
    private_name,
    public_name,
    read_public_key,
    write_public_key,
)
from chalicelib.keys.source import SsmKeySource, is_missing

_log = logging.getLogger(__name__)


class SsmKeyStore(SsmKeySource):
    """The key set below a stage's path, for whoever may change it.

    The public half is the record of a key. It is written last and deleted last: whatever breaks
    off in between, no key is published that cannot sign, and none is forgotten while its private
    half is still there.
    """

    def add(self, state: KeyState, now: datetime) -> PublicKey:
        """Make a key: its private half, then its public one.

        Raises:
            UnavailableError: Parameter Store did not answer, or refused.
        """
        private, public = new_signing_key(now, state)
        self._put(private)
        self._put(public)
        return read_public_key(public.name, public.value)

    def update(self, key: PublicKey) -> None:
        """Write what has been done with a key, in one write.

        Raises:
            UnavailableError: Parameter Store did not answer, or refused.
        """
        self._put(write_public_key(key))

    def delete(self, key_id: str) -> None:
        """Delete a key: its private half, then its public one. Repeatable.

        Raises:
            UnavailableError: Parameter Store did not answer, or refused.
        """
        self._delete(private_name(key_id))
        self._delete(public_name(key_id))

    def _put(self, parameter: Parameter) -> None:
        # A new key overwrites nothing: its name is its thumbprint. And a write that is repeated,
        # after an answer that was lost, finds its own value and must not fail.
        try:
            self._client.put_parameter(
                Name=f"{self._path}/{parameter.name}",
                Value=parameter.value,
                Type="SecureString" if parameter.secret else "String",
                Overwrite=True,
            )
        except (BotoCoreError, ClientError) as fault:
            raise _unchanged(fault) from fault

    def _delete(self, name: str) -> None:
        try:
            self._client.delete_parameter(Name=f"{self._path}/{name}")
        except (BotoCoreError, ClientError) as fault:
            if not is_missing(fault):
                raise _unchanged(fault) from fault


def _unchanged(fault: Exception) -> UnavailableError:
    _log.error("the key set could not be changed: %s", type(fault).__name__)
    return UnavailableError()
