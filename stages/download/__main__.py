"""Reads the section `source`, writes data/raw. Run alone: `python -m stages.download`."""

from pathlib import Path

from stages.config import load
from stages.download.fetching import download
from stages.process import run_stage


def main() -> None:
    download(load().source, Path("data/raw"))


if __name__ == "__main__":
    run_stage("download", main)
