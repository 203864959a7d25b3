"""`make audit`: every check, and the bill of materials in build/accounts.cdx.json."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from chalicelib import __version__
from infra.supply_chain.bill import bill_of_materials
from infra.supply_chain.explanations import load_explanations
from infra.supply_chain.findings import Findings
from infra.supply_chain.licences import check_licences
from infra.supply_chain.locks import Pin, locked_on, read_lock
from infra.supply_chain.releases import check_releases
from infra.supply_chain.secrets_scan import scan_history
from infra.supply_chain.vulnerabilities import find_vulnerabilities

_CHECKOUT = Path(__file__).resolve().parents[2]
_LOCK = _CHECKOUT / "requirements.txt"
_BILL = _CHECKOUT / "build" / "accounts.cdx.json"
_VENDORED = "chalice"
"""It puts its runtime into the package, so that it is shipped without being a requirement."""


def main() -> int:
    """Run the checks; the exit status."""
    locks = sorted(_CHECKOUT.glob("requirements*.txt"))
    shipped = _shipped()
    explained = load_explanations()
    checks: dict[str, Callable[[], Findings]] = {
        "vulnerabilities": lambda: find_vulnerabilities(locks, explained.vulnerabilities),
        "licences": lambda: check_licences(shipped, explained.licences),
        "releases": lambda: check_releases(
            Path(sys.prefix, "bin", "uv"),
            (pin.name for pin in shipped),
            _CHECKOUT.glob("requirements*.in"),
            explained.quiet,
            locked_on(_LOCK),
        ),
        "secrets": lambda: scan_history(_CHECKOUT, explained.secrets),
    }
    found = [line for name, check in checks.items() for line in _told(name, check())]
    bill = bill_of_materials(
        __version__, shipped, _CHECKOUT / "chalicelib" / "api" / "swagger-ui", explained.licences
    )
    _BILL.parent.mkdir(exist_ok=True)
    _BILL.write_text(bill, "utf-8")
    print(f"bill of materials: {len(shipped) + 1} components, {_BILL.relative_to(_CHECKOUT)}")
    return 1 if found else 0


def _shipped() -> tuple[Pin, ...]:
    vendored = (
        pin for pin in read_lock(_CHECKOUT / "requirements-dev.txt") if pin.name == _VENDORED
    )
    return (*read_lock(_LOCK), *vendored)


def _told(name: str, findings: Findings) -> Iterator[str]:
    """Print what a check came to; what counts against it."""
    required = os.environ.get("ACCOUNTS_REQUIRE_AUDIT") == "1"
    counting = (*findings.found, *(findings.not_checked if required else ()))
    print(f"{name}: looked at {findings.looked_at}; {len(findings.found) or 'nothing'} found")
    for line in findings.found:
        print(f"  {line}")
    for line in findings.not_checked:
        print(f"  NOT CHECKED: {line}")
    yield from counting


if __name__ == "__main__":
    sys.exit(main())
