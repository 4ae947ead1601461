"""Writes models/lm as models/lm.gguf, one file for llama.cpp and what is built on it.

No stage of the pipeline: run it when the model is trained.

    tohum export                     as it was trained
    tohum export --dtype float16     half the size
"""

import argparse
from pathlib import Path

from tohum.commands.export.gguf_file import DTYPES, write_gguf
from tohum.process import run_stage

OUT = Path("models/lm.gguf")


def main() -> None:
    parser = argparse.ArgumentParser(
        "tohum export", description="Writes models/lm as models/lm.gguf."
    )
    parser.add_argument("--dtype", choices=DTYPES, default="float32", help="(%(default)s)")
    for line in write_gguf(Path("models/lm"), OUT, parser.parse_args().dtype):
        print(line)


if __name__ == "__main__":
    run_stage("export", main)
