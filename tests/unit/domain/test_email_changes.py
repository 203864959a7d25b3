from datetime import timedelta

from chalicelib.domain.email_changes import confirmed, undone
from chalicelib.domain.users import FormerEmail
from tests.fakes import START
from tests.samples import a_user

FORMER = FormerEmail("former@example.com", START + timedelta(hours=1))


def test_no_other_change_is_pending_once_an_address_is_another() -> None:
    user = a_user(pending_email="wanted@example.com", former_emails=(FORMER,))
    assert confirmed(user, "wanted@example.com", START).pending_email is None
    back = undone(user, FORMER.email, START)
    assert back is not None
    assert back.pending_email is None
