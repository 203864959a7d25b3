from typing import Any

import pytest

from chalicelib.domain.activity import Act
from chalicelib.domain.changes import LARGEST_METADATA, Changes, Metadata, Renaming


def _of_octets(count: int, letter: str = "a") -> dict[str, Any]:
    """Metadata whose compact JSON has so many octets."""
    frame = len('{"":""}')
    return {"": letter * ((count - frame) // len(letter.encode()))}


@pytest.mark.parametrize("letter", ["a", "🦊", "ö"])
def test_metadata_is_measured_in_octets_of_what_a_client_sends(letter: str) -> None:
    size = len(letter.encode())
    most = LARGEST_METADATA - (LARGEST_METADATA - 7) % size
    assert Metadata.parse(_of_octets(most, letter)) == _of_octets(most, letter)
    with pytest.raises(ValueError, match="4096 octets"):
        Metadata.parse(_of_octets(most + size, letter))


def test_blanks_do_not_count() -> None:
    numbers = {"n": [0] * ((LARGEST_METADATA - len('{"n":[]}') + 1) // 2)}
    assert Metadata.parse(numbers) == numbers
    with pytest.raises(ValueError, match="octets"):
        Metadata.parse({"n": [*numbers["n"], 0]})


@pytest.mark.parametrize(
    ("before", "after", "moves"),
    [("Zoe", "Zoë", True), ("Zoë", "ZOE\u0308", False), ("zoe", "Zoe", False), ("a", "a", False)],
)
def test_another_spelling_is_the_same_name(before: str, after: str, *, moves: bool) -> None:
    assert Renaming(before, after).moves_marker is moves


@pytest.mark.parametrize(
    ("changes", "takes_an_admin", "weakens", "ends_sessions"),
    [
        (Changes(), False, False, False),
        (Changes(renaming=Renaming("a", "b"), metadata={}), False, False, False),
        (Changes(admin=True), True, False, False),
        (Changes(admin=False), True, True, False),
        (Changes(disabled=True), True, True, True),
        (Changes(disabled=False), True, False, False),
        (Changes(password_change_required=True), True, False, True),
        (Changes(password_change_required=False), True, False, False),
    ],
)
def test_changes_say_what_they_take_and_do(
    changes: Changes, *, takes_an_admin: bool, weakens: bool, ends_sessions: bool
) -> None:
    assert changes.take_an_admin is takes_an_admin
    assert changes.weaken is weakens
    assert changes.end_sessions is ends_sessions


@pytest.mark.parametrize(("required", "told"), [(True, "yes"), (False, "no")])
def test_activity_says_whether_another_password_is_required(*, required: bool, told: str) -> None:
    acts = Changes(password_change_required=required).acts()
    assert list(acts) == [(Act.PASSWORD_CHANGE_REQUIRED, {"required": told})]
