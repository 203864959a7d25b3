"""The AWS account and region that a command works in, and the clients to work with."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's own
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    WaiterError,
)

from infra.deployment.errors import DeploymentError
from infra.stacks import StackError

if TYPE_CHECKING:
    from types_boto3_apigateway import APIGatewayClient
    from types_boto3_cloudformation import CloudFormationClient
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_events import EventBridgeClient
    from types_boto3_iam import IAMClient
    from types_boto3_lambda import LambdaClient
    from types_boto3_logs import CloudWatchLogsClient
    from types_boto3_ssm import SSMClient

# PutGatewayResponse and its like are throttled at a few calls a second: "standard" waits that out.
_CONFIG = Config(
    connect_timeout=5, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 6}
)
_NOT_SIGNED_IN = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_NOT_ALLOWED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})


@dataclass(frozen=True)
class AwsAccount:
    """An account in one of its regions. Clients are made when they are first needed."""

    session: boto3.Session
    id: str
    partition: str
    region: str

    @cached_property
    def gateway(self) -> "APIGatewayClient":
        """API Gateway, its REST APIs."""
        return self.session.client("apigateway", config=_CONFIG)

    @cached_property
    def cloudformation(self) -> "CloudFormationClient":
        """CloudFormation."""
        return self.session.client("cloudformation", config=_CONFIG)

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        """DynamoDB, its tables; rows are the store's business."""
        return self.session.client("dynamodb", config=_CONFIG)

    @cached_property
    def events(self) -> "EventBridgeClient":
        """EventBridge."""
        return self.session.client("events", config=_CONFIG)

    @cached_property
    def iam(self) -> "IAMClient":
        """IAM."""
        return self.session.client("iam", config=_CONFIG)

    @cached_property
    def functions(self) -> "LambdaClient":
        """Lambda."""
        return self.session.client("lambda", config=_CONFIG)

    @cached_property
    def logs(self) -> "CloudWatchLogsClient":
        """CloudWatch Logs."""
        return self.session.client("logs", config=_CONFIG)

    @cached_property
    def mails(self) -> Any:
        """SES."""
        return self.session.client("sesv2", config=_CONFIG)

    @cached_property
    def ssm(self) -> "SSMClient":
        """Systems Manager, its Parameter Store."""
        return self.session.client("ssm", config=_CONFIG)

    @property
    def dns_suffix(self) -> str:
        """What the region's host names end in."""
        return "amazonaws.com.cn" if self.partition == "aws-cn" else "amazonaws.com"

    def arn(self, service: str, resource: str) -> str:
        """The name of a resource in this account and region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.id}:{resource}"


def open_account() -> AwsAccount:
    """Find out which account and region the environment's credentials are for.

    Raises:
        DeploymentError: there are none, or they are not good there.
    """
    # botocore, and so Chalice and PynamoDB, read AWS_DEFAULT_REGION alone; what else there is of
    # AWS's tools reads AWS_REGION first. They should not work in two regions.
    if region := os.environ.get("AWS_REGION"):
        os.environ["AWS_DEFAULT_REGION"] = region
    with plain_faults():
        session = boto3.Session()
        if session.region_name is None:
            raise NoRegionError
        if session.region_name not in _regions(session):
            raise DeploymentError(
                f"there is no region {session.region_name!r}: set AWS_REGION to one of AWS's"
            )
        caller = session.client("sts", config=_CONFIG).get_caller_identity()
        return AwsAccount(
            session=session,
            id=caller["Account"],
            partition=session.get_partition_for_region(session.region_name),
            region=session.region_name,
        )


def _regions(session: boto3.Session) -> set[str]:
    return {
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("apigateway", partition)
    }


@contextmanager
def plain_faults() -> Iterator[None]:
    """Say in one line what an AWS call failed with, and what to do about it.

    Raises:
        DeploymentError: a call failed.
    """
    try:
        yield
    except StackError as error:
        raise DeploymentError(" ".join(str(error).split())) from error
    except (BotoCoreError, ClientError) as error:
        raise DeploymentError(_plain(error)) from error


def _plain(error: BotoCoreError | ClientError) -> str:  # noqa: PLR0911 - a table in all but name
    text = " ".join(str(error).split())
    if isinstance(error, ProfileNotFound):
        return f"{text}: AWS_PROFILE names another one than ~/.aws/config has"
    if isinstance(error, NoRegionError):
        return "which region? set AWS_REGION"
    if isinstance(
        error, NoCredentialsError | PartialCredentialsError | CredentialRetrievalError | SSOError
    ):
        return f"no AWS credentials: sign in, or set AWS_PROFILE ({text.rstrip('.')})"
    if isinstance(error, EndpointConnectionError | ConnectionError | HTTPClientError):
        return f"AWS cannot be reached: {text.rstrip('.')}; nothing is lost, run it again"
    if isinstance(error, WaiterError):
        return f"AWS did not finish: {text.rstrip('.')}; run it again"
    if isinstance(error, ClientError):
        code = error.response["Error"].get("Code", "")
        if code in _NOT_SIGNED_IN:
            return f"AWS refused the credentials ({code}): sign in again"
        if code in _NOT_ALLOWED:
            return f"these credentials may not do this: {text}; see infra/deploy-role.yaml"
    return f"AWS refused: {text.rstrip('.')}; nothing is lost, run it again when that is mended"
