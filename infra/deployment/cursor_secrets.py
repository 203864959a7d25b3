"""The secrets of a stage that no file holds: made once, kept in Parameter Store."""

import secrets

from infra.deployment.aws import AwsAccount
from infra.deployment.stages import Stage

_OCTETS = 48


def cursor_secret_name(stage: Stage) -> str:
    """The parameter that holds what list cursors are signed with."""
    return f"/{stage.app_name}/{stage.name}/cursor-secret"


def ensure_cursor_secret(account: AwsAccount, stage: Stage) -> tuple[str, bool]:
    """The secret, and whether it was made just now; one that is there is never overwritten."""
    name, ssm = cursor_secret_name(stage), account.ssm
    try:
        ssm.put_parameter(
            Name=name,
            Value=secrets.token_urlsafe(_OCTETS),
            Type="SecureString",
            Overwrite=False,
            Description="What list cursors are signed with. A new one ends the cursors there are.",
        )
    except ssm.exceptions.ParameterAlreadyExists:
        made = False
    else:
        made = True
    # Read back in either case: somebody else's deployment may have been first.
    return ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"], made
