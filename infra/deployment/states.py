"""What Chalice knows of a stage that it deployed, kept in the account.

Chalice writes `.chalice/deployed/<stage>.json` at the end of a deployment that went well, and one
that does not find the file makes a second API, with another URL. So the account has the file, and
every deployment, from whatever checkout, begins with it.
"""

import json
from typing import Any

from infra.deployment.aws import AwsAccount
from infra.deployment.errors import DeploymentError
from infra.deployment.stages import Stage

REST_API = "rest_api"

State = dict[str, Any]


def state_name(stage: Stage) -> str:
    """The parameter that holds the state."""
    return f"/{stage.app_name}/{stage.name}/deployed"


def load_state(account: AwsAccount, stage: Stage) -> State:
    """The state, empty if nothing is deployed.

    Raises:
        DeploymentError: the parameter holds something else.
    """
    try:
        text = account.ssm.get_parameter(Name=state_name(stage))["Parameter"]["Value"]
    except account.ssm.exceptions.ParameterNotFound:
        return {"resources": [], "schema_version": "2.0", "backend": "api"}
    try:
        state: State = json.loads(text)
        _ = [resource["name"] for resource in state["resources"]]
    except (ValueError, KeyError, TypeError) as error:
        raise DeploymentError(
            f"the parameter {state_name(stage)} is not Chalice's: delete it, and run this again;"
            " the API is found by its tags"
        ) from error
    return state


def save_state(account: AwsAccount, stage: Stage, state: State) -> None:
    """Save the state to the account, and to the checkout for Chalice's own commands."""
    text = json.dumps(state, indent=1, sort_keys=True)
    account.ssm.put_parameter(
        Name=state_name(stage),
        Value=text,
        Type="String",
        Overwrite=True,
        # A standard parameter takes 4,096 characters; a longer state makes it an advanced one.
        Tier="Intelligent-Tiering",
        Description="What chalice deploy made. Lost, it is found again by the API's tags.",
    )
    copy = stage.checkout / ".chalice" / "deployed" / f"{stage.name}.json"
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_text(text, encoding="utf-8")


def forget_state(account: AwsAccount, stage: Stage) -> None:
    """Delete the state, here and in the account."""
    account.ssm.delete_parameters(Names=[state_name(stage)])
    (stage.checkout / ".chalice" / "deployed" / f"{stage.name}.json").unlink(missing_ok=True)


def api_id_of(state: State) -> str | None:
    """The API's identifier, or None if there is none yet."""
    for resource in state["resources"]:
        if resource["name"] == REST_API:
            api_id: str = resource["rest_api_id"]
            return api_id
    return None


def with_api(state: State, api_id: str, url: str) -> State:
    """The state with this API and no other, as Chalice writes it."""
    api = {
        "name": REST_API,
        "resource_type": REST_API,
        "rest_api_id": api_id,
        "rest_api_url": f"{url}/",
    }
    others = [resource for resource in state["resources"] if resource["name"] != REST_API]
    return {**state, "resources": [*others, api]}
