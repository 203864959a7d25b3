"""What a rehearsal can fail with."""


class RehearsalError(Exception):
    """The rehearsal cannot go on, or did not end well. One line, for a terminal."""
