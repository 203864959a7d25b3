"""What a check comes to."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Findings:
    """What one check found, and what it could not look at.

    Without either, all is well. What was not checked is not taken for good: it is told, and counts
    as a finding where checks are required.
    """

    looked_at: str
    """What was checked, for a person: "83 packages"."""
    found: tuple[str, ...] = ()
    """One line each."""
    not_checked: tuple[str, ...] = field(default=())
    """One line each, with the reason."""
