"""What is mailed, wherever the mails of an API can be read."""

from tests.contract.client import Client
from tests.contract.conftest import Mailbox


def test_whoever_registers_is_mailed_a_link_to_verify_the_address(
    api: Client, mailbox: Mailbox
) -> None:
    person = api.register()
    mail = mailbox.wait_for(person.email)
    (link,) = mail.links
    assert link.startswith(f"{api.get('/.well-known/openid-configuration').json()['issuer']}/")
    assert "/email/verify?token=" in link
    # The two forms of a mail say the same.
    assert link in mail.html
    assert person.username not in mail.subject
    assert person.password not in mail.text + mail.html
