"""The lines that the functions write to their logs."""

import json
import logging
from typing import Any

from chalicelib.telemetry import JsonFormatter


class Lines(logging.Handler):
    """Keeps them as Lambda does, to be read."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonFormatter())
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text += self.format(record) + "\n"

    def of(self, event: str) -> list[dict[str, Any]]:
        """Those that tell of an event."""
        entries = [json.loads(line) for line in self.text.splitlines()]
        return [entry for entry in entries if entry.get("event") == event]
