"""`make deploy STAGE=…`: everything from a checkout to an API that has been visited.

Each step finds what the steps of earlier runs left, so it can be run again at any time. Until
`chalice deploy` begins, nothing that runs is changed. From there on, whatever fails, the release
that ran before is put back.
"""

import base64
from pathlib import Path

from chalicelib import __version__
from infra.deployment.apis import api_url, ensure_api
from infra.deployment.aws import AwsAccount, open_account, plain_faults
from infra.deployment.chalice_runs import chalice_project
from infra.deployment.cursor_secrets import ensure_cursor_secret
from infra.deployment.errors import DeploymentError
from infra.deployment.gateways import configure_gateway, ensure_logs_role
from infra.deployment.logs import ensure_log_groups
from infra.deployment.mappings import (
    OLDEST_SECONDS,
    RETRIES,
    adopt_mapping,
    configure_mapping,
    find_stream,
)
from infra.deployment.packages import Package, build_package
from infra.deployment.progress import Progress
from infra.deployment.regions import refuse_second_region
from infra.deployment.releases import Release, put_back, remember_release
from infra.deployment.senders import sender_standing
from infra.deployment.smoke import smoke_test
from infra.deployment.stages import Stage
from infra.deployment.states import State, api_id_of, load_state, save_state
from infra.keys import ensure_signing_key
from infra.stacks import deploy_data_stack

_STEPS = 11


def package_path(stage: Stage) -> Path:
    """Where a stage's package is left."""
    return stage.checkout / "build" / f"{stage.app_name}-{stage.name}.zip"


def make_package(stage: Stage, progress: Progress) -> Package:
    """Build and check the package, the same for `make package` and `make deploy`.

    Raises:
        DeploymentError: it cannot be built, or would not start.
    """
    package = build_package(stage.checkout, stage.architecture, package_path(stage))
    shown = package.path.relative_to(stage.checkout)
    progress.say(f"{shown} for {stage.architecture}: {package.size / 1e6:.1f} MB")
    progress.say(f"SHA-256 {package.sha256}")
    return package


def deploy(stage: Stage, *, new_url: bool) -> None:
    """Deploy a stage.

    Raises:
        DeploymentError: it is not deployed, and the message says what to do.
    """
    progress = Progress(_STEPS)
    with plain_faults():
        progress.step("Account")
        account = open_account()
        refuse_second_region(account, stage)
        progress.say(f"stage {stage.name} of account {account.id}, in {account.region}")

        progress.step("Package")
        package = make_package(stage, progress)

        progress.step("Tables")
        deploy_data_stack(account.cloudformation, account.dynamodb, stage.name, progress.say)

        progress.step("Signing key")
        made = ensure_signing_key(account.ssm, stage.name)
        progress.say("made" if made else "there is one already")

        progress.step("Cursor secret")
        secret, made = ensure_cursor_secret(account, stage)
        progress.say("made" if made else "there is one already")

        progress.step("API")
        state = ensure_api(account, stage, load_state(account, stage), new_url=new_url)
        url = api_url(account, stage, _api_id(state))
        progress.say(url)

        progress.step("Log groups")
        ensure_log_groups(account, stage)
        ensure_logs_role(account)

        before = remember_release(account, stage, _api_id(state))
        stream = find_stream(account, stage)
    environment = {
        "ACCOUNTS_ISSUER": url,
        **stage.environment,
        "ACCOUNTS_CURSOR_SECRET": secret,
        "ACCOUNTS_OUTBOX_STREAM": stream,
    }
    try:
        with plain_faults():
            state = adopt_mapping(account, stage, state, stream)
            _release(account, stage, state, package, environment, progress)
            progress.step("Smoke test")
            smoke_test(stage, url, __version__, progress.say)
    except DeploymentError as error:
        _go_back(account, stage, before, error, progress)
    progress.say(f"{stage.name} runs {__version__} at {url}")


def _api_id(state: State) -> str:
    api_id = api_id_of(state)
    if api_id is None:
        raise DeploymentError("Chalice's state names no API: run this again")
    return api_id


def _release(
    account: AwsAccount,
    stage: Stage,
    state: State,
    package: Package,
    environment: dict[str, str],
    progress: Progress,
) -> None:
    progress.step("chalice deploy")
    with chalice_project(stage, account, state, environment, progress) as project:
        project.deploy(package)
        state = project.state or state
        save_state(account, stage, state)
    _check_uploaded(account, stage, package)
    progress.step("Outbox")
    configure_mapping(account, stage)
    minutes = OLDEST_SECONDS // 60
    progress.say(f"delivered from its stream, tried {RETRIES} times more within {minutes} minutes")
    progress.say(f"mails: {sender_standing(account, stage)}")
    progress.step("API Gateway")
    configure_gateway(account, stage, _api_id(state))
    rate, burst = stage.throttling
    progress.say(f"gateway responses, access log, at most {rate}/s with bursts of {burst}")


def _check_uploaded(account: AwsAccount, stage: Stage, package: Package) -> None:
    """See that every function runs the package that was checked, byte for byte."""
    for function in stage.functions:
        name = stage.function_name(function)
        runs = account.functions.get_function_configuration(FunctionName=name)["CodeSha256"]
        if base64.b64decode(runs).hex() != package.sha256:
            raise DeploymentError(f"{name} does not run {package.path.name}: run this again")


def _go_back(
    account: AwsAccount, stage: Stage, before: Release, error: DeploymentError, progress: Progress
) -> None:
    """Put the previous release back.

    Raises:
        DeploymentError: always: what failed, and what runs now.
    """
    if not before.ran:
        raise DeploymentError(
            f"{error}; there was no earlier release to put back: mend it and run this again"
        ) from error
    progress.say(f"failed: {error}")
    progress.say("putting the previous release back …")
    try:
        put_back(account, stage, before, progress.say)
    except DeploymentError as second:
        raise DeploymentError(f"{error}; {second}") from error
    raise DeploymentError(f"{error}; the previous release runs again") from error
