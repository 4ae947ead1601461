"""Reads data/jsonl, writes data/pretokens. Run alone: `python -m stages.pretokens`."""

from pathlib import Path

from stages.config import load, load_runtime
from stages.pretokens.counting import count_corpus
from stages.process import run_stage


def main() -> None:
    count_corpus(load().pretokenizer, load_runtime(), Path("data/jsonl"), Path("data/pretokens"))


if __name__ == "__main__":
    run_stage("pretokens", main)
