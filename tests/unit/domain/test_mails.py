import pytest

from chalicelib.domain.mails import Mail, MailRefusedError

END = "\nBcc: b@example.com"


@pytest.mark.parametrize(("address", "subject"), [(END, ""), ("", END), (END, END)])
def test_neither_line_of_a_mails_head_has_a_second_one(address: str, subject: str) -> None:
    with pytest.raises(MailRefusedError):
        Mail(address="a@example.com" + address, subject="Hello" + subject, text="", html="")
