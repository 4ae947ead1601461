"""Reads models/weights, data/tokens, models/tokenizer and conf/prompts.txt, writes models/lm and
metrics/evaluate.json.

Run alone: `python -m stages.evaluate`.
"""

from pathlib import Path

from stages.evaluate.config import Evaluate
from tohum.config.loading import load
from tohum.process import run_stage, share_processor


def main() -> None:
    config = load("evaluate", Evaluate)
    share_processor()
    from stages.evaluate.evaluation import (
        evaluate,
    )  # torch takes seconds to import; report wrong values first

    evaluate(
        config,
        weights=Path("models/weights"),
        tokens=Path("data/tokens"),
        tokenizer_folder=Path("models/tokenizer"),
        prompts=Path("conf/prompts.txt"),
        out=Path("models/lm"),
        metrics=Path("metrics/evaluate.json"),
    )


if __name__ == "__main__":
    run_stage("evaluate", main)
