"""The workflows of GitHub Actions that the project's users get."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped] # it has no types

WORKFLOWS = Path(__file__).parents[2] / ".github" / "workflows"
PINNED = re.compile(r"- uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


def read(name: str) -> Any:
    return yaml.safe_load((WORKFLOWS / name).read_text("utf-8"))


@pytest.mark.parametrize("name", ["ci.yml", "deploy.yml"])
def test_a_workflow_is_one_by_githubs_schema(name: str) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema"]
    done = subprocess.run(
        [*command, "vendor.github-workflows", str(WORKFLOWS / name)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["ci.yml", "deploy.yml"])
def test_every_action_is_pinned_by_its_commit(name: str) -> None:
    lines = (WORKFLOWS / name).read_text("utf-8").splitlines()
    used = [line.strip() for line in lines if line.strip().startswith("- uses:")]
    assert used
    assert all(PINNED.fullmatch(line) for line in used)


def test_ci_runs_what_a_developer_runs() -> None:
    commands = re.findall(r"- run: (.+)", (WORKFLOWS / "ci.yml").read_text("utf-8"))
    assert commands == [".ci/run", "make rehearse"]


@pytest.mark.parametrize("name", ["ci.yml", "deploy.yml"])
def test_a_job_may_read_the_repository_and_keeps_no_credentials(name: str) -> None:
    workflow = read(name)
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert set(job.get("permissions", {}).values()) <= {"read", "write"}
        assert job.get("permissions", {}).get("contents", "read") == "read"
        for step in job.get("steps", ()):
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


def test_ci_takes_nothing_unchecked_for_good() -> None:
    job = read("ci.yml")["jobs"]["test"]
    assert job["env"]["ACCOUNTS_REQUIRE_AUDIT"] == "1"
    assert job["steps"][0]["with"]["fetch-depth"] == 0
    commands = (WORKFLOWS.parents[1] / ".ci" / "run").read_text("utf-8").splitlines()
    assert {"make lint", "make audit", "ACCOUNTS_REQUIRE_BROWSER=1 make test"} <= set(commands)
    assert "set -euo pipefail" in commands


def test_a_deployment_is_checked_before_and_let_by_its_environment() -> None:
    jobs = read("deploy.yml")["jobs"]
    assert jobs["check"]["uses"] == "./.github/workflows/ci.yml"
    assert jobs["deploy"]["needs"] == "check"
    assert jobs["deploy"]["environment"] == jobs["deploy"]["env"]["STAGE"]
    assert jobs["deploy"]["permissions"] == {"contents": "read", "id-token": "write"}


def test_a_deployment_has_a_role_and_no_keys() -> None:
    text = (WORKFLOWS / "deploy.yml").read_text("utf-8")
    assert "secrets." not in text
    assert "aws-access-key-id" not in text
    assert "role-to-assume: ${{ vars.AWS_DEPLOY_ROLE_ARN }}" in text
    assert "id-token: write" in text
    assert "cancel-in-progress: false" in text
    assert "- run: make deploy\n" in text
