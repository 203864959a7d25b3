"""What the role that deploys may do, and who may take it on: infra/deploy-role.yaml."""

from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped] # it has no types

TEMPLATE = Path(__file__).parents[2] / "infra" / "deploy-role.yaml"


class _Loader(yaml.SafeLoader):  # type: ignore[misc] # likewise
    """Takes the tags of CloudFormation for plain values."""


_Loader.add_multi_constructor("!", lambda _loader, _tag, node: node.value)

RESOURCES: dict[str, Any] = yaml.load(TEMPLATE.read_text("utf-8"), _Loader)["Resources"]  # noqa: S506 - a safe one
ROLE: dict[str, Any] = RESOURCES["DeployRole"]["Properties"]
STATEMENTS: list[dict[str, Any]] = ROLE["Policies"][0]["PolicyDocument"]["Statement"]
STAGE = "${Stage}"
_PASSED = "iam:PassedToService"


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _granted(service: str) -> set[tuple[str, str]]:
    """What may be done to which resources of a service."""
    return {
        (action.partition(":")[2], resource)
        for statement in STATEMENTS
        for action in _listed(statement["Action"])
        for resource in _listed(statement["Resource"])
        if action.startswith(f"{service}:")
    }


def test_a_job_in_the_stages_environment_takes_it_on_and_nobody_else() -> None:
    (trust,) = ROLE["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert trust["Principal"].keys() == {"Federated"}
    assert trust["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": "repo:${Repository}:environment:${Stage}",
        }
    }


def test_it_may_do_no_more_than_its_statements_allow() -> None:
    assert {statement["Effect"] for statement in STATEMENTS} == {"Allow"}
    assert len(ROLE["Policies"]) == 1
    assert "ManagedPolicyArns" not in ROLE
    assert not [each for each in STATEMENTS if "NotAction" in each or "NotResource" in each]


def test_it_deletes_no_table_and_reads_no_row_but_what_a_visit_left() -> None:
    granted = {(action, resource.rpartition("/")[2]) for action, resource in _granted("dynamodb")}
    assert "DeleteTable" not in {action for action, _ in granted}
    reading = ("BatchGetItem", "GetItem", "PartiQLSelect", "Query", "Scan")
    assert {(action, table) for action, table in granted if action in reading} == {
        ("GetItem", f"accounts-{STAGE}-users"),
        ("Query", f"accounts-{STAGE}-activity"),
        ("Scan", f"accounts-{STAGE}-outbox"),
    }


def test_it_writes_keys_and_reads_none_that_is_private() -> None:
    readable = {
        resource.partition(":parameter")[2]
        for action, resource in _granted("ssm")
        if action.startswith("Get")
    }
    root = f"/accounts/{STAGE}"
    assert readable == {f"{root}/public-keys*", f"{root}/cursor-secret", f"{root}/deployed"}


def test_it_gives_each_role_to_what_it_is_for() -> None:
    passed = {
        (resource.partition(":role/")[2], statement["Condition"]["StringEquals"][_PASSED])
        for statement in STATEMENTS
        for resource in _listed(statement["Resource"])
        if "iam:PassRole" in _listed(statement["Action"])
    }
    functions = ("api_handler", "authorize", "rotate_keys", "deliver_mail", "redeliver_mail")
    assert passed == {
        *((f"accounts-{STAGE}-{name}", "lambda.amazonaws.com") for name in functions),
        ("accounts-api-gateway-logs", "apigateway.amazonaws.com"),
    }


def test_it_changes_no_role_but_those() -> None:
    changed = {resource.partition(":role/")[2] for _, resource in _granted("iam")}
    assert all(role.startswith("accounts-") and "*" not in role for role in changed)


def test_what_is_granted_for_everything_is_bound_to_a_function_or_only_looks() -> None:
    for statement in STATEMENTS:
        if statement["Resource"] == "*":
            actions = [action.partition(":")[2] for action in _listed(statement["Action"])]
            looks = all(action.startswith(("Get", "List")) for action in actions)
            assert looks or "lambda:FunctionArn" in statement["Condition"]["ArnEquals"]
