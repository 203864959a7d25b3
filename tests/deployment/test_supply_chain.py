"""`make audit`: each check finds what it is there to find, and says what it could not look at."""

import hashlib
import json
import subprocess
from contextlib import suppress
from datetime import date
from email.message import Message
from importlib.metadata import PackageMetadata
from pathlib import Path
from typing import cast

import pytest

from infra.supply_chain import __main__ as audit
from infra.supply_chain.bill import bill_of_materials
from infra.supply_chain.explanations import load_explanations
from infra.supply_chain.findings import Findings
from infra.supply_chain.licences import check_licences, is_allowed, licence_of
from infra.supply_chain.locks import Pin, locked_on, read_lock
from infra.supply_chain.releases import check_releases, direct
from infra.supply_chain.releases import judge as judge_releases
from infra.supply_chain.secrets_scan import scan_history
from infra.supply_chain.vulnerabilities import find_vulnerabilities
from infra.supply_chain.vulnerabilities import judge as judge_vulnerabilities

ROOT = Path(__file__).resolve().parents[2]
SWAGGER_UI = ROOT / "chalicelib" / "api" / "swagger-ui"

FLAW = {"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["1.1"]}
FLAWED = {"name": "frail", "version": "1.0", "vulns": [FLAW]}
SOUND = {"name": "sound", "version": "1.0", "vulns": []}
LOCKED = date(2026, 1, 31)
UNKNOWN = {"name": "odd", "skip_reason": "not found"}


def report(*packages: object) -> dict[str, object]:
    return {"dependencies": list(packages)}


@pytest.mark.parametrize("lock", sorted(ROOT.glob("requirements*.txt")), ids=lambda path: path.name)
def test_every_lock_pins_with_hashes(lock: Path) -> None:
    assert all(pin.sha256 for pin in read_lock(lock))
    assert read_lock(lock)


@pytest.mark.parametrize("line", ["six==1.17.0\n", "six --hash=sha256:" + "0" * 64 + "\n"])
def test_a_lock_without_a_hash_or_a_version_is_an_error(tmp_path: Path, line: str) -> None:
    (tmp_path / "requirements.txt").write_text(line)
    with pytest.raises(ValueError, match="is not a pin with hashes"):
        read_lock(tmp_path / "requirements.txt")


def test_a_vulnerability_is_found_and_names_its_remedy() -> None:
    findings = judge_vulnerabilities({"requirements.txt": report(FLAWED, SOUND)}, {})
    assert findings.found == ("requirements.txt: frail 1.0 has PYSEC-1, mended in 1.1",)
    assert findings.looked_at == "2 packages"


@pytest.mark.parametrize("name", ["PYSEC-1", "CVE-1"])
def test_a_vulnerability_that_is_explained_is_accepted(name: str) -> None:
    findings = judge_vulnerabilities({"x": report(FLAWED)}, {name: "it does not reach us"})
    assert (findings.found, findings.not_checked) == ((), ())


def test_an_explanation_of_nothing_is_found() -> None:
    findings = judge_vulnerabilities({"x": report(SOUND)}, {"CVE-1": "long gone"})
    assert len(findings.found) == 1
    assert "CVE-1 explains nothing any more" in findings.found[0]


def test_what_the_advisories_do_not_know_is_not_taken_for_good() -> None:
    findings = judge_vulnerabilities({"x": report(UNKNOWN)}, {"CVE-1": "nobody could be asked"})
    assert findings.looked_at == "0 packages"
    assert findings.found == ()
    assert findings.not_checked == ("the advisory database that answered does not know odd",)


def test_a_lock_that_nobody_was_asked_about_is_not_taken_for_good(tmp_path: Path) -> None:
    explained = {"CVE-1": "nobody could be asked"}
    findings = find_vulnerabilities([tmp_path / "absent.txt"], explained)
    assert (findings.looked_at, findings.found) == ("0 packages", ())
    (line,) = findings.not_checked
    assert line.startswith("absent.txt: ")


def about(**fields: str) -> PackageMetadata:
    message = Message()
    message["Name"] = "some"
    for name, value in fields.items():
        message[name.replace("_", "-")] = value
    return cast("PackageMetadata", message)


def test_a_licence_is_read_where_it_is_said() -> None:
    assert licence_of(about(License_Expression="MIT"), {}) == "MIT"
    assert licence_of(about(License="apache-2.0"), {}) == "Apache-2.0"
    assert licence_of(about(License="Dual License"), {"some": "MIT OR ISC"}) == "MIT OR ISC"
    assert licence_of(about(License="Dual License"), {}) is None
    assert licence_of(about(), {}) is None


def test_a_licence_is_allowed_if_one_choice_is() -> None:
    assert is_allowed("GPL-3.0-only OR MIT")
    assert is_allowed("(Apache-2.0 AND MIT)")
    assert not is_allowed("GPL-3.0-only")
    assert is_allowed("MIT AND (Apache-2.0 OR GPL-3.0-only)")
    assert is_allowed("GPL-3.0-only OR (MIT AND (ISC OR GPL-3.0-only))")
    assert not is_allowed("")
    assert not is_allowed("MIT AND AGPL-3.0-only")
    assert not is_allowed("(MIT OR Apache-2.0) AND AGPL-3.0-only")
    assert not is_allowed("AGPL-3.0-only AND (MIT OR Apache-2.0)")
    assert not is_allowed("Apache-2.0 WITH LLVM-exception"), "nobody has allowed the exception"


def test_what_is_shipped_has_licences_that_are_allowed() -> None:
    shipped = read_lock(ROOT / "requirements.txt")
    licences = load_explanations().licences
    assert check_licences([*shipped, Pin("chalice", "0", ("0" * 64,))], licences).found == ()
    found = check_licences([Pin("python-dateutil", "0", ())], {}).found
    assert found == ("python-dateutil does not say its licence in SPDX's words",)


def test_a_package_without_a_release_in_a_year_is_found_unless_explained() -> None:
    now, before = {"still": "1.0", "alive": "2.0", "young": "1.0"}, {"still": "1.0", "alive": "1.9"}
    (found,) = judge_releases(now, before, {}).found
    assert found.startswith("still 1.0 was its newest release")
    assert judge_releases(now, before, {"still": "done"}).found == ()
    (stale,) = judge_releases(now, before, {"still": "done", "alive": "was still"}).found
    assert "alive explains nothing any more" in stale


def test_how_alive_a_package_is_is_asked_as_of_the_day_of_the_lock(tmp_path: Path) -> None:
    uv, asked = tmp_path / "uv", tmp_path / "asked"
    uv.write_text(f"""#!/bin/sh
while [ "$1" != --exclude-newer ]; do shift; done
echo "$2" >> {asked}
sed "s/$/==$(grep -c . {asked})/" "$3"
""")
    uv.chmod(0o700)
    assert check_releases(uv, ["six"], [], {}, LOCKED) == Findings("1 packages")
    assert [moment.partition("T")[0] for moment in asked.read_text().split()] == [
        "2026-01-31",
        "2025-01-31",
    ]


def test_a_lock_says_when_it_was_made(tmp_path: Path) -> None:
    locks = sorted(ROOT.glob("requirements*.txt"))
    assert len({locked_on(lock) for lock in locks}) == 1, "they are made together"
    lock = tmp_path / "requirements.txt"
    lock.write_text("#    make lock, on 2026-01-31\nsix==1.17.0\n")
    assert locked_on(lock) == LOCKED
    lock.write_text("#    make lock\nsix==1.17.0\n")
    with pytest.raises(ValueError, match=r"requirements.txt does not say when it was made"):
        locked_on(lock)


def test_releases_that_nobody_tells_are_not_taken_for_good(tmp_path: Path) -> None:
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\necho 'no network' >&2\nexit 2\n")
    uv.chmod(0o700)
    findings = check_releases(uv, ["six"], [], {"six": "nobody could be asked"}, LOCKED)
    assert findings == Findings("no package", not_checked=("no network",))


def test_the_inputs_of_the_locks_are_read() -> None:
    assert direct(ROOT / "requirements.in") == {"bcrypt", "msgspec", "pyjwt", "pynamodb"}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    run(tmp_path, "init", "--quiet")
    return tmp_path


def run(repository: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], cwd=repository, check=True)


def commit(repository: Path, name: str, text: str) -> None:
    path = repository / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    run(repository, "add", "--all")
    run(repository, "commit", "--quiet", "--message", "Change")


# Put together here, so that the file itself is none of the findings.
AWS_KEY = "AKIA" + "QYLPMN5HHHFPZAM2"
RANDOM = hashlib.sha256(b"accounts").hexdigest()


@pytest.mark.parametrize("name", ["infra/x.py", "tests/x.py", "requirements.txt"])
def test_a_secret_is_found_although_it_was_taken_out_again(repository: Path, name: str) -> None:
    commit(repository, name, f'key = "{AWS_KEY}"\n')
    commit(repository, name, "key = None\n")
    commit(repository, "more.py", "x = 1\n")
    findings = scan_history(repository, {})
    digest = hashlib.sha256(AWS_KEY.encode()).hexdigest()
    assert findings.found == (f"{name}: AWS Access Key, of SHA-256 {digest}",)
    assert findings.looked_at == "3 commits"
    assert scan_history(repository, {digest: "it was never a key"}).found == ()


@pytest.mark.parametrize("other", ["x.py", "y.py"], ids=["of a conflict", "without one"])
def test_a_secret_is_found_that_only_a_merge_brought(repository: Path, other: str) -> None:
    commit(repository, "x.py", "x = 1\n")
    run(repository, "switch", "--quiet", "--create", "side")
    commit(repository, other, "x = 2\n")
    run(repository, "switch", "--quiet", "-")
    commit(repository, "x.py", "x = 3\n")
    with suppress(subprocess.CalledProcessError):
        run(repository, "merge", "--no-commit", "side")
    commit(repository, "x.py", f'key = "{AWS_KEY}"\n')
    (found,) = scan_history(repository, {}).found
    assert found.startswith("x.py: AWS Access Key")


def test_what_looks_random_is_found_outside_of_tests_and_locks(repository: Path) -> None:
    for name in ("tests/x.py", "requirements.txt", "infra/x.py"):
        commit(repository, name, f'token = "{RANDOM}"\n')
    (found,) = scan_history(repository, {}).found
    assert found.startswith("infra/x.py: Hex High Entropy String")
    assert RANDOM not in found


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("infra/x.py", f"key = '{AWS_KEY}'  # pragma: allowlist secret\n"),
        ("examples/package-lock.json", f'{{"key": "{AWS_KEY}"}}\n'),
        ("swagger-ui/x.js", f"key = '{AWS_KEY}'\n"),
        ("docs/octets", f"\0{AWS_KEY}\n"),
    ],
    ids=["allowed by its own line", "in a lock", "in Swagger UI", "among octets"],
)
def test_a_secret_is_found_wherever_it_is(repository: Path, name: str, text: str) -> None:
    commit(repository, name, text)
    (found,) = scan_history(repository, {}).found
    assert found.startswith(f"{name}: AWS Access Key, of SHA-256 ")


def test_a_secret_is_found_on_a_branch_that_nobody_is_on(repository: Path) -> None:
    commit(repository, "x.py", "x = 1\n")
    run(repository, "switch", "--quiet", "--create", "another")
    commit(repository, "y.py", f'key = "{AWS_KEY}"\n')
    run(repository, "switch", "--quiet", "-")
    findings = scan_history(repository, {})
    assert len(findings.found) == 1
    assert findings.looked_at == "2 commits"


def test_a_secret_is_found_that_came_with_a_merge(repository: Path) -> None:
    commit(repository, "x.py", "x = 1\n")
    run(repository, "switch", "--quiet", "--create", "another")
    commit(repository, "y.py", "y = 1\n")
    run(repository, "switch", "--quiet", "-")
    commit(repository, "z.py", "z = 1\n")
    run(repository, "merge", "--quiet", "--no-commit", "another")
    commit(repository, "x.py", f'x = "{AWS_KEY}"\n')
    (found,) = scan_history(repository, {}).found
    assert found.startswith("x.py: AWS Access Key, of SHA-256 ")


def test_an_explanation_of_no_secret_is_found(repository: Path) -> None:
    commit(repository, "x.py", "x = 1\n")
    (found,) = scan_history(repository, {"0" * 64: "long gone"}).found
    assert "explains nothing any more" in found


def test_a_shallow_clone_is_not_taken_for_the_history(repository: Path, tmp_path: Path) -> None:
    for number in range(3):
        commit(repository, "x.py", f"x = {number}\n")
    clone = tmp_path / "clone"
    run(tmp_path, "clone", "--quiet", "--depth", "1", f"file://{repository}", str(clone))
    findings = scan_history(clone, {"0" * 64: "perhaps in an older commit"})
    assert findings.found == ()
    assert findings.not_checked == ("the clone is shallow: older commits are not here",)


def test_the_bill_names_all_that_is_shipped_and_is_the_same_each_time() -> None:
    pins = read_lock(ROOT / "requirements.txt")
    licences = load_explanations().licences
    bill = bill_of_materials("1.0", pins, SWAGGER_UI, licences)
    assert bill == bill_of_materials("1.0", pins, SWAGGER_UI, licences)
    document = json.loads(bill)
    components = {component["name"]: component for component in document["components"]}
    assert components.keys() == {pin.name for pin in pins} | {"swagger-ui-dist"}
    assert all(component["licenses"] for component in components.values())
    assert {found["content"] for found in components["six"]["hashes"]} == {
        digest for pin in pins if pin.name == "six" for digest in pin.sha256
    }
    needs = {entry["ref"]: entry.get("dependsOn", []) for entry in document["dependencies"]}
    by_name = {ref.split("==")[0]: refs for ref, refs in needs.items()}
    assert any(ref.startswith("botocore==") for ref in by_name["pynamodb"])


CHECKS = ("find_vulnerabilities", "check_licences", "check_releases", "scan_history")


@pytest.fixture
def well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`make audit` in a checkout of its own, where every check has nothing to say; its bill."""
    for path in ROOT.glob("requirements*.txt"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    swagger_ui = tmp_path / SWAGGER_UI.relative_to(ROOT)
    swagger_ui.parent.mkdir(parents=True)
    swagger_ui.symlink_to(SWAGGER_UI)
    bill = tmp_path / "build" / "accounts.cdx.json"
    monkeypatch.setattr(audit, "_CHECKOUT", tmp_path)
    monkeypatch.setattr(audit, "_BILL", bill)
    monkeypatch.delenv("ACCOUNTS_REQUIRE_AUDIT", raising=False)
    for check in CHECKS:
        monkeypatch.setattr(audit, check, lambda *_: Findings("all of it"))
    return bill


def test_an_audit_without_findings_is_good_and_leaves_the_bill(well: Path) -> None:
    assert audit.main() == 0
    names = {component["name"] for component in json.loads(well.read_bytes())["components"]}
    assert {"pynamodb", "chalice", "swagger-ui-dist"} <= names


@pytest.mark.usefixtures("well")
@pytest.mark.parametrize("check", CHECKS)
def test_what_any_check_finds_fails_the_audit(
    check: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(audit, check, lambda *_: Findings("all of it", ("something",)))
    assert audit.main() == 1
    assert "  something\n" in capsys.readouterr().out


@pytest.mark.usefixtures("well")
@pytest.mark.parametrize("check", CHECKS)
def test_what_was_not_checked_is_told_and_fails_where_checks_are_required(
    check: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(audit, check, lambda *_: Findings("none of it", not_checked=("a reason",)))
    assert audit.main() == 0
    assert "  NOT CHECKED: a reason\n" in capsys.readouterr().out
    monkeypatch.setenv("ACCOUNTS_REQUIRE_AUDIT", "1")
    assert audit.main() == 1
