"""A stage as .chalice/config.json describes it, checked before anything is touched."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalicelib import settings
from infra.deployment.errors import DeploymentError

ARCHITECTURES = ("arm64", "x86_64")
# What is learned or made only while deploying. Their shape is checked like everything else.
_ISSUER_TO_COME = "https://issuer.example"
_SECRET_TO_COME = "a secret that is made, kept and read by the deployment alone"  # noqa: S105 - a placeholder


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage of the checkout's configuration."""

    name: str
    checkout: Path
    configuration: Mapping[str, Any]
    architecture: str

    @property
    def app_name(self) -> str:
        """The first part of every name that Chalice gives."""
        app_name: str = self.configuration["app_name"]
        return app_name

    @property
    def resource_prefix(self) -> str:
        """What the stage's functions, roles and log groups are called, or begin with."""
        return f"{self.app_name}-{self.name}"

    @property
    def functions(self) -> tuple[str, ...]:
        """What Chalice calls the functions: one for all routes, one for each of the others."""
        return tuple(self.configuration["lambda_functions"])

    @property
    def gateway_stage(self) -> str:
        """The last part of the API's own URL."""
        name: str = self.look_up("api_gateway_stage")
        return name

    @property
    def environment(self) -> dict[str, str]:
        """The functions' settings, but for what only a deployment knows."""
        return {
            **self.configuration.get("environment_variables", {}),
            **self._own.get("environment_variables", {}),
        }

    @property
    def throttling(self) -> tuple[int, int]:
        """Requests a second that API Gateway lets through, and how many at once."""
        limits = self.look_up("throttling")
        return limits["rate"], limits["burst"]

    @property
    def tags(self) -> dict[str, str]:
        """The tags of everything that is made for this stage."""
        return {**self.configuration.get("tags", {}), **self._own.get("tags", {})}

    def look_up(self, name: str) -> Any:
        """A value of the stage, or of the whole configuration.

        Raises:
            DeploymentError: neither says it.
        """
        value = self._own.get(name, self.configuration.get(name))
        if value is None:
            raise DeploymentError(f"stage {self.name}: say {name} in .chalice/config.json")
        return value

    def function_name(self, function: str) -> str:
        """What Lambda calls a function of ours."""
        if function == "api_handler":
            return self.resource_prefix
        return f"{self.resource_prefix}-{function}"

    @property
    def _own(self) -> Mapping[str, Any]:
        own: Mapping[str, Any] = self.configuration["stages"][self.name]
        return own


def read_stage(checkout: Path, name: str, environment: Mapping[str, str] = os.environ) -> Stage:
    """Read a stage; `ARCH` in the environment overrides its architecture.

    Chalice takes a stage that is not there for an empty one, and deploys it.

    Raises:
        DeploymentError: there is no such stage, or it could not start as it is described.
    """
    try:
        configuration = json.loads((checkout / ".chalice" / "config.json").read_bytes())
    except (OSError, ValueError) as error:
        raise DeploymentError(f".chalice/config.json cannot be read: {error}") from error
    if name not in configuration["stages"]:
        known = ", ".join(sorted(configuration["stages"]))
        asked = f"there is no stage {name!r}:" if name else "which stage?"
        raise DeploymentError(f"{asked} give STAGE=… one of {known}")
    stage = Stage(
        name=name,
        checkout=checkout,
        configuration=configuration,
        architecture=environment.get("ARCH")
        or configuration["stages"][name].get("lambda_architecture")
        or configuration.get("lambda_architecture", "x86_64"),
    )
    if stage.architecture not in ARCHITECTURES:
        raise DeploymentError(f"ARCH={stage.architecture} is neither of {', '.join(ARCHITECTURES)}")
    _check(stage)
    return stage


def settings_of(stage: Stage) -> settings.Settings:
    """The stage's settings, with something in the place of what only a deployment knows.

    Raises:
        DeploymentError: a setting is missing, or will not do.
    """
    if "ACCOUNTS_CURSOR_SECRET" in stage.environment:
        raise DeploymentError(
            "ACCOUNTS_CURSOR_SECRET is in .chalice/config.json: take it out, and out of the"
            " history; a deployment makes one and keeps it in Parameter Store"
        )
    to_come = {
        "ACCOUNTS_ISSUER": _ISSUER_TO_COME,
        "ACCOUNTS_CURSOR_SECRET": _SECRET_TO_COME,
    }
    try:
        read = settings.load({**to_come, **stage.environment})
    except settings.SettingsError as error:
        raise DeploymentError(
            f"stage {stage.name}: {error}; its environment_variables in .chalice/config.json"
        ) from error
    if read.stage != stage.name:
        raise DeploymentError(
            f"stage {stage.name}: its ACCOUNTS_STAGE is {read.stage}: .chalice/config.json"
        )
    return read


def _check(stage: Stage) -> None:
    settings_of(stage)
    if stage.gateway_stage != stage.name:
        raise DeploymentError(
            f"stage {stage.name}: its api_gateway_stage is {stage.gateway_stage}:"
            " .chalice/config.json; alarms and URLs go by one name"
        )
    _ = stage.throttling, stage.look_up("log_retention_in_days")
