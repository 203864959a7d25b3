"""The signing keys of a stage, in SSM Parameter Store."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from chalicelib.keys.parameters import new_signing_key

if TYPE_CHECKING:
    from types_boto3_ssm import SSMClient


def ensure_signing_key(ssm: "SSMClient", stage: str) -> bool:
    """Give the stage its first key set; one that it has already is left alone, whatever it is.

    Tells whether it made one.

    The private part is written first and the public part last, and a set exists once a public
    part does: what an interrupted run leaves is a private key that nobody looks for.
    """
    root = f"/accounts/{stage}"
    if ssm.get_parameters_by_path(Path=f"{root}/public-keys/", MaxResults=1)["Parameters"]:
        return False
    for parameter in new_signing_key(datetime.now(UTC)):
        ssm.put_parameter(
            Name=f"{root}/{parameter.name}",
            Value=parameter.value,
            Type="SecureString" if parameter.secret else "String",
            Overwrite=False,
        )
    return True
