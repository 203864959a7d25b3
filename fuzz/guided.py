"""The parsers under atheris, which looks for input that reaches new code.

`python -m fuzz.guided FOLDER …`, in the environment of requirements-fuzz.txt; what follows the
folder is libFuzzer's: https://llvm.org/docs/LibFuzzer.html#options
"""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["chalicelib", "json", "jwt"]):
    from fuzz.parsers import check

_SEEDS = (
    b'{"email": "zoe@example.com", "username": "Zo\xc3\xab", "password": "12345678"}',
    b'{"metadata": {"a": [1, 2.5, null, true, "\\u00e9"]}, "admin": false}',
    b"token=mt1_AAAA&new_password=12345678",
    b"limit=50&cursor=AAAA&email=zoe%40example.com",
    b"zoe@example.com",
    "Zoë 🦊".encode(),
    b"rt1_" + b"A" * 107,
    b"mt1_" + b"A" * 64,
    b"de-AT, de;q=0.9, en;q=0.8, *;q=0.1",
    b"eyJhbGciOiJSUzI1NiIsImtpZCI6ImEta2V5IiwidHlwIjoiYXQrand0In0.e30.AAAA",
)


def main(folder: Path, options: list[str]) -> None:
    """Fuzz until libFuzzer's options say that it is over; what fails is written to the folder."""
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(_SEEDS):
        for parser in range(16):
            (corpus / f"seed-{number}-{parser}").write_bytes(bytes([parser]) + seed)
    findings = f"-artifact_prefix={folder}/"
    atheris.Setup([sys.argv[0], findings, *options, str(corpus)], check)
    atheris.Fuzz()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
