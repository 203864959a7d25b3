"""A stage's REST API: one for ever, so that its URL stays.

The API is made here, empty, before `chalice deploy` fills it. So its URL, which tokens name as
their issuer, is known before the first function is configured, and a deployment that breaks
off at any point leaves nothing that the next one would not find.
"""

from infra.deployment.aws import AwsAccount
from infra.deployment.errors import DeploymentError
from infra.deployment.stages import Stage
from infra.deployment.states import State, api_id_of, save_state, with_api


def api_url(account: AwsAccount, stage: Stage, api_id: str) -> str:
    """The API's own URL, without a slash at the end."""
    host = f"{api_id}.execute-api.{account.region}.{account.dns_suffix}"
    return f"https://{host}/{stage.gateway_stage}"


def ensure_api(account: AwsAccount, stage: Stage, state: State, *, new_url: bool) -> State:
    """Find the stage's API, or make it; the state with it, saved already.

    Raises:
        DeploymentError: the API was deleted by hand, and `new_url` does not say that another one
            will do; or there are two, and nothing says which one clients know.
    """
    api_id = api_id_of(state)
    if api_id is not None and api_exists(account, api_id):
        return state
    if api_id is not None and not new_url:
        raise DeploymentError(
            f"the API {api_id} was deleted by hand, and {api_url(account, stage, api_id)} with it:"
            f" make deploy STAGE={stage.name} NEW_URL=yes makes another one, with another URL"
        )
    tagged = tagged_apis(account, stage)
    if len(tagged) > 1:
        raise DeploymentError(
            f"there are {len(tagged)} APIs of stage {stage.name} ({', '.join(tagged)}):"
            " delete those that clients do not use"
        )
    api_id = tagged[0] if tagged else _make_api(account, stage)
    state = with_api(state, api_id, api_url(account, stage, api_id))
    save_state(account, stage, state)
    return state


def api_exists(account: AwsAccount, api_id: str) -> bool:
    """Whether the API is still there."""
    try:
        account.gateway.get_rest_api(restApiId=api_id)
    except account.gateway.exceptions.NotFoundException:
        return False
    return True


def tagged_apis(account: AwsAccount, stage: Stage) -> list[str]:
    """The APIs that were made for the stage: one, unless somebody made another."""
    wanted = stage.tags.items()
    return [
        api["id"]
        for page in account.gateway.get_paginator("get_rest_apis").paginate()
        for api in page["items"]
        if api["name"] == stage.app_name and wanted <= api.get("tags", {}).items()
    ]


def _make_api(account: AwsAccount, stage: Stage) -> str:
    made = account.gateway.create_rest_api(
        name=stage.app_name,
        endpointConfiguration={"types": [stage.look_up("api_gateway_endpoint_type")]},
        tags=stage.tags,
    )
    return made["id"]
