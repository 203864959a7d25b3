"""The command whose figures docs/verify.md quotes."""

import re
import subprocess
import sys

from infra.local.children import CHECKOUT


def test_a_logout_is_seen_at_once_by_one_and_at_expiry_by_the_other() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "infra.verification", "--seconds", "3", "--logouts", "3"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "| 0 of 3 | 3 of 3 |" in shown.stdout
    # The verifier's leeway, and however long this machine had other things to do.
    late = re.search(r"until (\d\.\d) s after its `exp`", shown.stdout)
    assert late
    assert 5.0 <= float(late[1]) < 7.0
    cpu, clock = (int(times) for times in re.findall(r"\| (\d+) \| 1 \|", shown.stdout))
    assert cpu > 1
    assert clock > 1
