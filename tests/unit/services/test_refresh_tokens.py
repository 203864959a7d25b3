from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.domain.sessions import Lineage, RefreshToken
from chalicelib.services.refresh_tokens import RefreshTokens, Use
from tests.fakes import FakeClock, FakeRandom, public_id
from tests.samples import a_session

GRACE = timedelta(seconds=10)


@pytest.fixture
def line() -> RefreshTokens:
    return RefreshTokens(GRACE, FakeRandom().octets)


@pytest.fixture
def first(line: RefreshTokens) -> tuple[RefreshToken, Lineage]:
    return line.first(public_id(1), a_session().session_id)


def test_a_new_session_has_one_token_and_it_is_current(
    line: RefreshTokens, first: tuple[RefreshToken, Lineage], clock: FakeClock
) -> None:
    token, lineage = first
    assert lineage.spent == ()
    assert line.tell(token, lineage, clock()) is Use.CURRENT


def test_nothing_that_is_kept_is_part_of_a_token(
    line: RefreshTokens, first: tuple[RefreshToken, Lineage], clock: FakeClock
) -> None:
    token, lineage = first
    follower, lineage = line.advance(token, lineage, clock())
    kept = {lineage.family_hash, lineage.current_hash}
    kept |= {part for spent in lineage.spent for part in (spent.secret_hash, spent.salt)}
    assert not kept & {token.family, token.secret, follower.secret}
    assert len(kept) == 4


def test_a_token_is_spent_by_the_one_that_follows(
    line: RefreshTokens, first: tuple[RefreshToken, Lineage], clock: FakeClock
) -> None:
    token, lineage = first
    follower, advanced = line.advance(token, lineage, clock())
    assert (follower.public_id, follower.session_id) == (token.public_id, token.session_id)
    assert follower.family == token.family
    assert follower.secret != token.secret
    assert line.tell(follower, advanced, clock()) is Use.CURRENT
    assert line.tell(token, advanced, clock()) is Use.FORGIVEN


def test_a_spent_token_is_forgiven_for_the_grace_and_no_longer(
    line: RefreshTokens, first: tuple[RefreshToken, Lineage], clock: FakeClock
) -> None:
    token, lineage = first
    _, lineage = line.advance(token, lineage, clock())
    clock.step(seconds=9.999)
    assert line.tell(token, lineage, clock()) is Use.FORGIVEN
    clock.step(seconds=0.001)
    assert line.tell(token, lineage, clock()) is Use.REUSED


def test_whoever_is_forgiven_gets_the_one_token_that_works(
    line: RefreshTokens, first: tuple[RefreshToken, Lineage], clock: FakeClock
) -> None:
    token, lineage = first
    seen = [token]
    for _ in range(5):
        clock.step(seconds=1)
        token, lineage = line.advance(token, lineage, clock())
        seen.append(token)
    for spent in seen[:-1]:
        assert line.tell(spent, lineage, clock()) is Use.FORGIVEN
        assert line.catch_up(spent, lineage) == token
    assert line.catch_up(token, lineage) == token


def test_a_salt_is_kept_no_longer_than_it_is_of_use(
    line: RefreshTokens, first: tuple[RefreshToken, Lineage], clock: FakeClock
) -> None:
    token, lineage = first
    for _ in range(12):
        token, lineage = line.advance(token, lineage, clock())
        clock.step(seconds=4)
    assert len(lineage.spent) == 3
    assert [clock() - spent.spent_at for spent in lineage.spent] == [
        timedelta(seconds=seconds) for seconds in (12, 8, 4)
    ]


def test_a_client_in_a_loop_does_not_fill_the_row(
    line: RefreshTokens, first: tuple[RefreshToken, Lineage], clock: FakeClock
) -> None:
    token, lineage = first
    oldest = token
    for _ in range(100):
        token, lineage = line.advance(token, lineage, clock())
    assert len(lineage.spent) == 64
    assert line.tell(token, lineage, clock()) is Use.CURRENT
    assert line.tell(oldest, lineage, clock()) is Use.REUSED


@pytest.mark.parametrize("age", [0, 5, 11, 1_000])
def test_a_token_of_another_session_is_foreign_however_it_is_dressed(
    line: RefreshTokens, first: tuple[RefreshToken, Lineage], clock: FakeClock, age: int
) -> None:
    token, lineage = first
    other, _ = line.first(token.public_id, token.session_id)
    _, lineage = line.advance(token, lineage, clock())
    clock.step(seconds=age)
    assert line.tell(other, lineage, clock()) is Use.FOREIGN
    assert line.tell(replace(token, family=other.family), lineage, clock()) is Use.FOREIGN


def test_a_made_up_secret_of_the_right_family_is_a_copy_and_not_forgiven(
    line: RefreshTokens, first: tuple[RefreshToken, Lineage], clock: FakeClock
) -> None:
    token, lineage = first
    _, advanced = line.advance(token, lineage, clock())
    made_up = replace(token, secret=bytes(32))
    assert line.tell(made_up, lineage, clock()) is Use.REUSED
    assert line.tell(made_up, advanced, clock()) is Use.REUSED
