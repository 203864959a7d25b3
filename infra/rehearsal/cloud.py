"""The cloud that a deployment is rehearsed on: empty at the start, gone at the end."""

import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chalicelib import settings
from infra.local.children import CHECKOUT, Child
from infra.local.cloud import stage_variables
from infra.local.loopback import HOST, free_port, is_healthy
from infra.local.stages import ensure_sender
from infra.rehearsal.errors import RehearsalError

_NO_PROXY = "127.0.0.1,localhost"

_INTERPRETER = CHECKOUT / ".venv-cloud" / "bin" / "python"
_SERVICES = "apigateway,cloudformation,dynamodb,events,iam,lambda,logs,ses,ssm,sts"
_START_SECONDS = 60.0
_PAUSE_SECONDS = 0.05


@contextmanager
def rehearsal_cloud(folder: Path) -> Iterator[str]:
    """Run a cloud with its files in a folder of its own; its endpoint.

    Raises:
        RehearsalError: it does not start.
    """
    port = free_port()
    endpoint = f"http://{HOST}:{port}"
    log_file = folder / "cloud.log"
    with log_file.open("wb") as log:
        child = Child(
            _INTERPRETER,
            "infra.rehearsal.bridge",
            environment=_cloud_environment(folder, port),
            output=log,
        )
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not is_healthy(f"{endpoint}/_ministack/health"):
            if child.ended or time.monotonic() > deadline:
                raise RehearsalError(f"the local cloud did not start: see {log_file}")
            time.sleep(_PAUSE_SECONDS)
        _verify_sender(endpoint)
        yield endpoint
    finally:
        child.stop()


def deployer_environment(endpoint: str) -> dict[str, str]:
    """What `make deploy` finds there: another endpoint, this machine's architecture, no more.

    Whatever of AWS the developer is signed in to is out of reach.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "ACCOUNTS_"))
    }
    return kept | {
        "ARCH": {"aarch64": "arm64"}.get(platform.machine(), platform.machine()),
        "AWS_ACCESS_KEY_ID": "rehearsal",
        "AWS_SECRET_ACCESS_KEY": "rehearsal",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,
        "NO_PROXY": _NO_PROXY,
        "no_proxy": _NO_PROXY,
    }


def _verify_sender(endpoint: str) -> None:
    """What docs/deploying.md asks of the account's owner before a stage sends mails."""
    # Only this needs boto3, which takes its time.
    import boto3

    sender = settings.load(stage_variables()).mail_sender
    place = deployer_environment(endpoint)
    mails = boto3.client(
        "sesv2",
        endpoint_url=endpoint,
        region_name=place["AWS_DEFAULT_REGION"],
        aws_access_key_id=place["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=place["AWS_SECRET_ACCESS_KEY"],
    )
    if sender is not None:
        ensure_sender(mails, sender)


def _cloud_environment(folder: Path, port: int) -> dict[str, str]:
    temporary = folder / "tmp"
    temporary.mkdir(parents=True)
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "TMPDIR": str(temporary),
        "BIND_HOST": HOST,
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",
        "SERVICES": _SERVICES,
        "DOCKER_HOST": f"unix://{folder / 'no-docker.sock'}",
    }
