"""What a deployment can fail with."""


class DeploymentError(Exception):
    """The command cannot go on. One line: what is wrong, and what to do about it."""
