import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.errors import InvalidInputError
from chalicelib.services.cursors import CursorSigner

signer = CursorSigner("a secret")
POSITION = "2026-01-02T03:04:05.000006Z#00000000-0000-4000-8000-000000000001"


@given(st.text(max_size=80))
def test_a_cursor_leads_back_to_its_position(position: str) -> None:
    cursor = signer.sign(position)
    assert signer.read(cursor) == position


def test_a_cursor_can_stand_in_a_url_as_it_is() -> None:
    for length in range(3):  # in base64, each ends in another number of "="
        cursor = signer.sign(POSITION + "x" * length)
        assert all(letter.isalnum() or letter in "-_" for letter in cursor)


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "null",
        POSITION,
        signer.sign(POSITION)[:-1],
        signer.sign(POSITION)[:43],
        signer.sign(POSITION)[1:],
        signer.sign(POSITION) + "AAAA",
        signer.sign(POSITION).swapcase(),
        signer.sign(POSITION) + "~",
        signer.sign(POSITION) + "=",
        " " + signer.sign(POSITION),
        signer.sign(POSITION)[:9] + "\n" + signer.sign(POSITION)[9:],
        CursorSigner("another secret").sign(POSITION),
        base64.urlsafe_b64encode(POSITION.encode()).decode(),
        base64.urlsafe_b64encode(bytes(32) + POSITION.encode()).decode(),
        "\u0665" * 44,
        "\x00",
        "\ud800",  # half a character, which JSON can spell
        "A" * 100_000,
    ],
)
def test_a_cursor_that_was_not_signed_here_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        signer.read(cursor)
    assert refusal.value.errors == {"cursor": "Not a cursor of this list."}


@given(st.integers(0, 8 * 32 - 1))
def test_a_cursor_with_one_bit_changed_in_its_signature_is_refused(bit: int) -> None:
    octets = bytearray(base64.urlsafe_b64decode(signer.sign(POSITION) + "=="))
    octets[bit // 8] ^= 1 << bit % 8
    with pytest.raises(InvalidInputError):
        signer.read(base64.urlsafe_b64encode(octets).decode())


@given(st.text(max_size=200))
def test_a_cursor_that_somebody_made_up_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidInputError):
        signer.read(cursor)


@pytest.mark.parametrize(
    ("signed_for", "read_for"), [("", "/a"), ("/a", ""), ("/a", "/b"), ("/a", "/a/b")]
)
def test_a_cursor_leads_nowhere_in_another_list(signed_for: str, read_for: str) -> None:
    cursor = signer.sign(POSITION, signed_for)
    assert signer.read(cursor, signed_for) == POSITION
    with pytest.raises(InvalidInputError):
        signer.read(cursor, read_for)
