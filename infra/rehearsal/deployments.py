"""`make deploy` and its neighbours, run from a checkout against the rehearsal's cloud."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from infra.rehearsal.cloud import deployer_environment

# Make takes the environments, which the checkouts share, as they are.
_MAKE = ("make", "--no-print-directory", "-o", ".venv/.installed", "-o", ".venv-cloud/.installed")


@dataclass(frozen=True, slots=True)
class Target:
    """Where an API answers, and under which name if the address alone does not tell."""

    url: str
    host: str | None = None
    mails_at: str | None = None
    """The local cloud that has the mails which were sent."""

    @property
    def environment(self) -> dict[str, str]:
        """What the contract's suite is told."""
        host = {} if self.host is None else {"ACCOUNTS_API_HOST": self.host}
        mails = {} if self.mails_at is None else {"ACCOUNTS_MAILS_AT": self.mails_at}
        return {"ACCOUNTS_API_URL": self.url, **host, **mails}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended, and what it said."""

    status: int
    output: str


@dataclass(frozen=True, slots=True)
class Deployer:
    """Somebody with a checkout and an account."""

    checkout: Path
    endpoint: str

    def make(
        self,
        command: str,
        stage: str,
        *,
        typed: str = "",
        show: bool = False,
        **variables: str,
    ) -> Outcome:
        """Run `make COMMAND STAGE=…`, as it would be typed, with an answer to what it asks."""
        assignments = [f"{name}={value}" for name, value in variables.items()]
        process = subprocess.Popen(
            [*_MAKE, command, f"STAGE={stage}", *assignments],
            cwd=self.checkout,
            env=deployer_environment(self.endpoint),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        lines = []
        with process:
            if process.stdin is not None:
                process.stdin.write(typed)
                process.stdin.close()
            for line in process.stdout or ():
                lines.append(line)
                if show:
                    print(f"  {line}", end="", flush=True)
        return Outcome(process.returncode, "".join(lines))

    def target(self, stage: str) -> Target:
        """Where the deployed API answers: its URL is in the state that every deployment leaves."""
        state_file = self.checkout / ".chalice" / "deployed" / f"{stage}.json"
        (url,) = (
            resource["rest_api_url"]
            for resource in json.loads(state_file.read_bytes())["resources"]
            if resource["name"] == "rest_api"
        )
        api_id, _, _ = urlsplit(url).netloc.partition(".")
        port = urlsplit(self.endpoint).port
        host = f"{api_id}.execute-api.localhost:{port}"
        return Target(f"{self.endpoint}/{stage}", host, self.endpoint)

    def change_stage(self, stage: str, changes: Mapping[str, object]) -> None:
        """Change what .chalice/config.json says of a stage, in this checkout."""
        path = self.checkout / ".chalice" / "config.json"
        configuration = json.loads(path.read_bytes())
        configuration["stages"][stage].update(changes)
        path.write_text(json.dumps(configuration, indent=2), encoding="utf-8")
