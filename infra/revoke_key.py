"""`make revoke-key KID=…`: end every token of a signing key at once, and the key with them."""

import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from chalicelib.domain.errors import UnavailableError
from chalicelib.domain.times import system_clock
from infra.commands import RefusedError, open_stage, run_command
from infra.rotate_keys import moment

if TYPE_CHECKING:
    from chalicelib.services.key_revocation import Revoked


def main(arguments: Sequence[str]) -> int:
    """Revoke a key, of a deployed stage or (if its name is empty) locally; the status."""
    key_id, stage = arguments
    return run_command(lambda: _revoke(key_id, stage))


def _revoke(key_id: str, stage: str) -> None:
    """Revoke a key and report.

    Raises:
        RefusedError: there is no such key, or it could not be done in full.
    """
    from chalicelib.services.key_revocation import UnknownKeyError

    with open_stage(stage) as container:
        try:
            revoked = container.key_revocation.revoke(key_id)
        except UnknownKeyError as error:
            asked = f"there is no key {key_id!r}:" if key_id else "which key?"
            known = ", ".join(error.key_ids) or "none, since there are none"
            raise RefusedError(f"{asked} give KID=… one of {known}") from error
        except UnavailableError as error:
            raise RefusedError(
                "it could not be finished: run it again to go on from there"
            ) from error
        for line in _report(key_id, container.settings.stage, revoked, system_clock()):
            print(line)


def _report(key_id: str, stage: str, revoked: "Revoked", now: datetime) -> Iterator[str]:
    from chalicelib.services.key_revocation import Succession
    from chalicelib.services.key_rotation import NOTICE

    signing = revoked.signing.key_id
    how = {
        Succession.UNCHANGED: f"{signing} goes on signing",
        Succession.PROMOTED: f"{signing} signs now; it was published before",
        Succession.MADE: f"{signing} signs now; it is new",
    }
    yield f"Key {key_id} of stage {stage} is revoked:"
    yield "  its tokens are refused from the next request on"
    yield f"  {how[revoked.succession]}"
    yield f"  both its halves are {'deleted' if revoked.was_there else 'gone already'}"
    yield "Whoever verifies tokens without asking this API may keep the public keys until"
    yield f"{moment(now + NOTICE)}. Until they read them again, they believe the revoked key."
    changed = revoked.succession is not Succession.UNCHANGED
    if changed and now - revoked.signing.created_at < NOTICE:
        yield "And they may not know the one that signs now."


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
