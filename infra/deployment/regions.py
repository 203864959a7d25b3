"""One stage, one region: the guard against a deployment with the wrong AWS_REGION."""

import json
import re

from infra.deployment.aws import AwsAccount
from infra.deployment.errors import DeploymentError
from infra.deployment.releases import role_name
from infra.deployment.stages import Stage

_REGION = re.compile(r"arn:[a-z-]+:dynamodb:([a-z0-9-]+):")


def refuse_second_region(account: AwsAccount, stage: Stage) -> None:
    """See that the stage is not deployed in another region.

    Roles belong to no region, and what Chalice calls them names none: a second deployment would
    take the first one's rights away.

    Raises:
        DeploymentError: it is.
    """
    for function in stage.functions:
        role = role_name(stage, function)
        try:
            held = account.iam.get_role_policy(RoleName=role, PolicyName=role)
        except account.iam.exceptions.NoSuchEntityException:
            continue
        regions = set(_REGION.findall(json.dumps(held["PolicyDocument"])))
        if regions - {account.region}:
            (other, *_) = sorted(regions)
            raise DeploymentError(
                f"stage {stage.name} is deployed in {other}, not in {account.region}:"
                f" set AWS_REGION={other}"
            )
