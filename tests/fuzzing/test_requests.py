"""A short run of what `make fuzz` does for long: requests by the document, answers held to it.

Always the same ones. What the run prints on a failure names the request, as a command of curl.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.stages import api, local_stage
from fuzz.__main__ import STAGE_SETTINGS
from fuzz.callers import NOBODY
from fuzz.requests_by_schema import send_requests
from infra.openapi import DOCUMENT
from tests.servers import QuietHandler, serving

SEED = 20_260_102
_ALWAYS = ("--generation-deterministic", "--no-shrink")
RUNS = {
    "admin": ("--phases", "coverage,stateful", "--max-examples", "5"),
    "user": ("--phases", "examples,fuzzing", "--max-examples", "8"),
    "nobody": ("--phases", "examples,fuzzing", "--max-examples", "4"),
}


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder: Path = tmp_path_factory.mktemp("fuzzing")
    with local_stage(folder, STAGE_SETTINGS), api(courier=False) as port:
        yield port


@pytest.mark.timeout(400)
@pytest.mark.parametrize("caller", RUNS)
def test_every_answer_is_one_that_the_document_knows(port: int, caller: str) -> None:
    assert send_requests(port, caller, SEED, *_ALWAYS, *RUNS[caller]) == 0


BROKEN = {
    "an answer that is none of the document's": (418, b"{}"),
    "one that breaks its schema": (200, b'{"status": 5}'),
    "a fault": (500, b'{"status": "fail", "code": "unexpected", "message": "Our fault."}'),
    "something other than JSON": (200, b"It works!"),
}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("how", BROKEN)
def test_an_api_that_breaks_its_document_is_found_out(how: str) -> None:
    status, content = BROKEN[how]

    class Handler(QuietHandler):
        def handle_request(self) -> None:
            if self.path == "/openapi.json":
                self.answer(200, DOCUMENT.read_bytes(), Content_Type="application/json")
            else:
                self.answer(status, content, Content_Type="application/json")

    with serving(Handler, "GET") as url:
        port = int(url.rpartition(":")[2])
        few = ("--phases", "examples,fuzzing", "--max-examples", "1", "--include-path", "/health")
        assert send_requests(port, NOBODY, SEED, *_ALWAYS, *few) == 1
