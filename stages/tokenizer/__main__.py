"""Reads data/pretokens, writes models/tokenizer, metrics/tokenizer.json and plots/tokenizer.csv.

Run alone: `python -m stages.tokenizer`.
"""

from pathlib import Path

from stages.tokenizer.config import Tokenizer
from stages.tokenizer.training import train_tokenizer
from tohum.config.loading import load
from tohum.process import run_stage


def main() -> None:
    train_tokenizer(
        load("tokenizer", Tokenizer),
        pretokens=Path("data/pretokens"),
        out=Path("models/tokenizer"),
        metrics=Path("metrics/tokenizer.json"),
        plot=Path("plots/tokenizer.csv"),
    )


if __name__ == "__main__":
    run_stage("tokenizer", main)
