"""`make status STAGE=…`: what is deployed."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from chalicelib import __version__
from chalicelib.keys.parameters import PUBLIC_KEYS, read_public_key
from chalicelib.services.key_rotation import standings
from infra.deployment.apis import api_exists, api_url
from infra.deployment.aws import AwsAccount, open_account, plain_faults
from infra.deployment.errors import DeploymentError
from infra.deployment.mappings import find_mappings
from infra.deployment.regions import refuse_second_region
from infra.deployment.rules import find_rule, rule_name
from infra.deployment.senders import sender_standing
from infra.deployment.smoke import PublicApi
from infra.deployment.stages import Stage
from infra.deployment.states import api_id_of, load_state
from infra.stacks import TABLES


def show_status(stage: Stage) -> None:
    """Print what is deployed, changing nothing.

    Raises:
        DeploymentError: AWS does not say.
    """
    with plain_faults():
        account = open_account()
        refuse_second_region(account, stage)
        print(f"Stage     {stage.name} of account {account.id}, in {account.region}")
        for kind, lines in (
            ("API", _api(account, stage)),
            ("Functions", _functions(account, stage)),
            ("Tables", _tables(account, stage)),
            ("Keys", _keys(account, stage)),
            ("Schedule", _schedule(account, stage)),
            ("Mails", _mails(account, stage)),
        ):
            for line in lines:
                print(f"{kind:9} {line}")
                kind = ""  # noqa: PLW2901 - once for each group


def _api(account: AwsAccount, stage: Stage) -> Iterator[str]:
    api_id = api_id_of(load_state(account, stage))
    if api_id is None:
        yield f"none: make deploy STAGE={stage.name}"
        return
    url = api_url(account, stage, api_id)
    if not api_exists(account, api_id):
        yield f"{url} was deleted by hand: make deploy STAGE={stage.name} NEW_URL=yes"
        return
    yield url
    try:
        answer = PublicApi(url).call("GET", "/health")
        version = answer.json()["version"] if answer.ok else f"none: {answer.status_code}"
    except (DeploymentError, ValueError, KeyError) as error:
        version = f"none: {error}"
    yield f"version {version} (this checkout: {__version__})"


def _functions(account: AwsAccount, stage: Stage) -> Iterator[str]:
    for function in stage.functions:
        name = stage.function_name(function)
        try:
            found = account.functions.get_function_configuration(FunctionName=name)
        except account.functions.exceptions.ResourceNotFoundException:
            yield f"{name}: none"
            continue
        architecture = found.get("Architectures", ["x86_64"])[0]
        yield (
            f"{name}: {found['Runtime']} on {architecture}, {found['MemorySize']} MB,"
            f" deployed {found['LastModified']}"
        )


def _tables(account: AwsAccount, stage: Stage) -> Iterator[str]:
    for suffix in TABLES.values():
        name = f"{stage.resource_prefix}-{suffix}"
        try:
            table = account.dynamodb.describe_table(TableName=name)["Table"]
        except account.dynamodb.exceptions.ResourceNotFoundException:
            yield f"{name}: none"
            continue
        protected = "protected" if table.get("DeletionProtectionEnabled") else "NOT PROTECTED"
        yield f"{name}: {table['TableStatus']}, some {table['ItemCount']:,} items, {protected}"


def _keys(account: AwsAccount, stage: Stage) -> Iterator[str]:
    path = f"/{stage.app_name}/{stage.name}/{PUBLIC_KEYS}"
    keys = [
        read_public_key(parameter["Name"], parameter["Value"])
        for page in account.ssm.get_paginator("get_parameters_by_path").paginate(Path=path)
        for parameter in page["Parameters"]
    ]
    if not keys:
        yield "none"
        return
    now = datetime.now(UTC)
    keys.sort(key=lambda key: key.created_at, reverse=True)
    for standing in standings(keys, now):
        made = standing.key.created_at
        days = (now - made) // timedelta(days=1)
        yield f"{standing.key.key_id}: {standing.role}, {days} days old, made {made:%Y-%m-%d}"


def _schedule(account: AwsAccount, stage: Stage) -> Iterator[str]:
    yield _rotation(account, stage)
    rule = find_rule(account, rule_name(stage, "redeliver_mail"))
    if rule is not None:
        yield f"{rule.name}: {rule.expression}, {rule.state.lower()}"


def _rotation(account: AwsAccount, stage: Stage) -> str:
    rule = find_rule(account, rule_name(stage, "rotate_keys"))
    if rule is None:
        return "none"
    name = stage.function_name("rotate_keys")
    try:
        found = account.functions.get_function_configuration(FunctionName=name)
    except account.functions.exceptions.ResourceNotFoundException:
        return f"{rule.name}: {rule.expression}, and no function to call"
    variables = found.get("Environment", {}).get("Variables", {})
    days = variables.get("ACCOUNTS_KEY_ROTATION_DAYS") or "0"
    what = "keys are rotated by hand" if days == "0" else f"keys are rotated after {days} days"
    return f"{rule.name}: {rule.expression}, {rule.state.lower()}; {what}"


def _mails(account: AwsAccount, stage: Stage) -> Iterator[str]:
    mappings = find_mappings(account, stage)
    for mapping in mappings:
        yield f"the outbox's stream is delivered: {mapping.state.lower()}"
    if not mappings:
        yield "the outbox's stream is delivered by nobody"
    yield sender_standing(account, stage)
