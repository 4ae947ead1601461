"""Reads the section `source`, writes data/raw. Run alone: `python -m stages.download`."""

from pathlib import Path

from stages.download.downloading import download
from tohum.config.runtime import load_runtime
from tohum.process import run_stage
from tohum.sources.config import load_source


def main() -> None:
    download(load_source(), Path("data/raw"), load_runtime())


if __name__ == "__main__":
    run_stage("download", main)
