"""The workflows of GitHub Actions that the project's users get."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

WORKFLOWS = Path(__file__).parents[2] / ".github" / "workflows"
PINNED = re.compile(r"- uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


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


def test_a_deployment_has_a_role_and_no_keys() -> None:
    text = (WORKFLOWS / "deploy.yml").read_text("utf-8")
    assert "secrets." not in text
    assert "aws-access-key-id" not in text
    assert "role-to-assume: ${{ vars.AWS_DEPLOY_ROLE_ARN }}" in text
    assert "id-token: write" in text
    assert "cancel-in-progress: false" in text
    assert "- run: make deploy\n" in text
