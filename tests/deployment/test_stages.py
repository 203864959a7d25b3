import json
from pathlib import Path
from typing import Any

import pytest

from infra.deployment.errors import DeploymentError
from infra.deployment.stages import read_stage

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def configuration() -> dict[str, Any]:
    read: dict[str, Any] = json.loads((CHECKOUT / ".chalice" / "config.json").read_bytes())
    return read


def write(checkout: Path, configuration: object) -> Path:
    (checkout / ".chalice").mkdir()
    (checkout / ".chalice" / "config.json").write_text(json.dumps(configuration), "utf-8")
    return checkout


@pytest.mark.parametrize("name", ["dev", "staging", "prod"])
def test_every_stage_of_the_checkout_could_start(name: str) -> None:
    stage = read_stage(CHECKOUT, name, {})
    assert stage.architecture == "arm64"
    assert stage.tags == {"application": "accounts", "stage": name}
    assert stage.function_name("api_handler") == f"accounts-{name}"
    assert stage.function_name("authorize") == f"accounts-{name}-authorize"
    assert stage.function_name("rotate_keys") == f"accounts-{name}-rotate_keys"


def test_what_hashes_passwords_has_a_whole_processor(configuration: dict[str, Any]) -> None:
    # https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
    assert configuration["lambda_functions"]["api_handler"]["lambda_memory_size"] >= 1_769


@pytest.mark.parametrize("architecture", ["arm64", "x86_64"])
def test_the_architecture_can_be_overridden(architecture: str) -> None:
    assert read_stage(CHECKOUT, "prod", {"ARCH": architecture}).architecture == architecture


def test_an_unknown_architecture_is_refused() -> None:
    with pytest.raises(DeploymentError, match=r"ARCH=sparc is neither of arm64, x86_64"):
        read_stage(CHECKOUT, "prod", {"ARCH": "sparc"})


@pytest.mark.parametrize("name", ["production", "PROD", "../prod"])
def test_an_unknown_stage_is_refused(name: str) -> None:
    with pytest.raises(
        DeploymentError, match=r"there is no stage .*: give STAGE=… one of dev, pro"
    ):
        read_stage(CHECKOUT, name, {})


def test_no_stage_at_all_is_asked_for() -> None:
    with pytest.raises(DeploymentError, match=r"^which stage\? give STAGE=…"):
        read_stage(CHECKOUT, "", {})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"environment_variables": {}}, "ACCOUNTS_STAGE is missing"),
        ({"environment_variables": {"ACCOUNTS_STAGE": "dev"}}, "its ACCOUNTS_STAGE is dev"),
        (
            {"environment_variables": {"ACCOUNTS_STAGE": "prod", "ACCOUNTS_BCRYPT_COST": "4"}},
            "ACCOUNTS_BCRYPT_COST is not a whole number",
        ),
        (
            {"environment_variables": {"ACCOUNTS_STAGE": "prod", "ACCOUNTS_CURSOR_SECRET": "x"}},
            "ACCOUNTS_CURSOR_SECRET is in .chalice/config.json: take it out",
        ),
        ({"throttling": None}, "say throttling in .chalice/config.json"),
        ({"log_retention_in_days": None}, "say log_retention_in_days in .chalice/config.json"),
        ({"api_gateway_stage": "api"}, "its api_gateway_stage is api"),
    ],
)
def test_a_stage_that_could_not_start_is_refused(
    tmp_path: Path, configuration: dict[str, Any], changes: dict[str, Any], reason: str
) -> None:
    configuration["stages"]["prod"].update(changes)
    with pytest.raises(DeploymentError) as refusal:
        read_stage(write(tmp_path, configuration), "prod", {})
    assert reason in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_configuration_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DeploymentError, match=r"config\.json cannot be read"):
        read_stage(tmp_path, "prod", {})
