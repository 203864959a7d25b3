"""What is soaked: an API that was really deployed, on a local cloud that is the caller's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from infra.rehearsal.cloud import deployer_environment
from infra.rehearsal.deployments import Deployer, Target
from infra.rehearsal.errors import RehearsalError

STAGE = "dev"
API = f"accounts-{STAGE}"
AUTHORIZER = f"accounts-{STAGE}-authorize"
_TABLES = ("users", "sessions", "attempts")

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """A deployment, and the cloud that it is on."""

    deployer: Deployer
    cloud_folder: Path

    @property
    def target(self) -> Target:
        """Where the API answers."""
        return self.deployer.target(STAGE)

    def promote(self, email: str) -> None:
        """Make an account an admin's, as the operator does.

        Raises:
            RehearsalError: the command fails.
        """
        outcome = self.deployer.make("admin", STAGE, typed="yes\n", EMAIL=email)
        if outcome.status:
            raise RehearsalError(f"make admin STAGE={STAGE} failed:\n{outcome.output}")

    def tables(self) -> dict[str, list[Row]]:
        """Every row of the tables that have to agree."""
        found = {}
        for table in _TABLES:
            pages = (
                self._aws("dynamodb")
                .get_paginator("scan")
                .paginate(TableName=f"accounts-{STAGE}-{table}", ConsistentRead=True)
            )
            found[table] = [row for page in pages for row in page["Items"]]
        return found

    @contextmanager
    def at_most(self, function: str, at_once: int) -> Iterator[None]:
        """Let a function run no more than so often at once."""
        functions = self._aws("lambda")
        functions.put_function_concurrency(
            FunctionName=function, ReservedConcurrentExecutions=at_once
        )
        try:
            yield
        finally:
            functions.delete_function_concurrency(FunctionName=function)

    @contextmanager
    def throttled(self, rate: int, burst: int) -> Iterator[None]:
        """Let the stage take so many requests a second, and no more than so many at once."""
        gateway = self._aws("apigateway")
        api_id = str(self.target.host).partition(".")[0]
        given = gateway.get_stage(restApiId=api_id, stageName=STAGE)["methodSettings"]["*/*"]

        def limit(rate: float, burst: int) -> None:
            values = {"rateLimit": rate, "burstLimit": burst}
            gateway.update_stage(
                restApiId=api_id,
                stageName=STAGE,
                patchOperations=[
                    {"op": "replace", "path": f"/*/*/throttling/{name}", "value": str(value)}
                    for name, value in values.items()
                ],
            )

        limit(rate, burst)
        try:
            yield
        finally:
            limit(given["throttlingRateLimit"], given["throttlingBurstLimit"])

    def _aws(self, service: str) -> Any:
        environment = deployer_environment(self.deployer.endpoint)
        make: Any = boto3.client
        return make(
            service,
            endpoint_url=self.deployer.endpoint,
            region_name=environment["AWS_DEFAULT_REGION"],
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        )
