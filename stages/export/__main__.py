"""Writes models/lm as models/lm.gguf, one file for llama.cpp and what is built on it.

No stage of the pipeline: run it when the model is trained.

    python -m stages.export                     as it was trained
    python -m stages.export --dtype float16     half the size
"""

import argparse
from pathlib import Path

from stages.export.gguf_file import DTYPES, write_gguf
from stages.process import run_stage

OUT = Path("models/lm.gguf")


def main() -> None:
    parser = argparse.ArgumentParser(
        "python -m stages.export", description="Writes models/lm as models/lm.gguf."
    )
    parser.add_argument("--dtype", choices=DTYPES, default="float32", help="(%(default)s)")
    for line in write_gguf(Path("models/lm"), OUT, parser.parse_args().dtype):
        print(line)


if __name__ == "__main__":
    run_stage("export", main)
