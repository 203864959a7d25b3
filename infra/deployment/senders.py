"""Whom a stage's mails are from, and whether SES lets it send them."""

from botocore.exceptions import BotoCoreError, ClientError

from infra.deployment.aws import AwsAccount
from infra.deployment.stages import Stage, settings_of


def sender_standing(account: AwsAccount, stage: Stage) -> str:
    """Whether mails are sent, for a terminal. Nothing depends on it, so SES need not answer."""
    sender = settings_of(stage).mail_sender
    if sender is None:
        return "none is sent: ACCOUNTS_MAIL_SENDER is not set"
    address = sender.rpartition("<")[2].rstrip(">")
    names = (address, address.rpartition("@")[2])
    try:
        verified = any(_is_verified(account, name) for name in names)
    except (BotoCoreError, ClientError) as error:
        return f"from {sender}, of which SES does not tell ({type(error).__name__})"
    return f"from {sender}, which SES {'has verified' if verified else 'HAS NOT VERIFIED'}"


def _is_verified(account: AwsAccount, identity: str) -> bool:
    try:
        found = account.mails.get_email_identity(EmailIdentity=identity)
    except account.mails.exceptions.NotFoundException:
        return False
    verified: bool = found["VerifiedForSendingStatus"]
    return verified
