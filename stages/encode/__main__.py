"""Reads data/jsonl and models/tokenizer, writes data/tokens and metrics/encode.json.

Run alone: `python -m stages.encode`.
"""

from pathlib import Path

from stages.encode.config import Encode
from stages.encode.encoding import encode_corpus
from tohum.config.loading import load
from tohum.config.runtime import load_runtime
from tohum.process import run_stage


def main() -> None:
    encode_corpus(
        load("encode", Encode),
        load_runtime(),
        jsonl=Path("data/jsonl"),
        tokenizer_folder=Path("models/tokenizer"),
        out=Path("data/tokens"),
        metrics=Path("metrics/encode.json"),
    )


if __name__ == "__main__":
    run_stage("encode", main)
