"""Reads data/jsonl, writes data/pretokens. Run alone: `python -m stages.pretokens`."""

from pathlib import Path

from stages.pretokens.config import Pretokenizer
from stages.pretokens.counting import count_corpus
from tohum.config.loading import load
from tohum.config.runtime import load_runtime
from tohum.process import run_stage


def main() -> None:
    count_corpus(
        load("pretokenizer", Pretokenizer),
        load_runtime(),
        Path("data/jsonl"),
        Path("data/pretokens"),
    )


if __name__ == "__main__":
    run_stage("pretokens", main)
