"""datatrove in the cluster benchmark: JSON lines to token files, on its local executor.

    python -m benchmarks.cluster_contenders LINES TOKENIZER WORK

LINES is a folder with one file of JSON lines for each task, TOKENIZER a tokenizer.json, and WORK a
folder that does not exist yet. The pipelines are those of datatrove's own examples: a signature of
each document, the signatures that are there twice, and in the end the tokens of the others. Its
filters are for prose (words, stop words, languages), so the two sizes between which this project
keeps a document are a function of ours in its LambdaFilter. It hashes with SHA-1, as this project
does, and need not shuffle. In two respects it has less to do: it writes no JSON lines, and it
records no licences and origins.
"""

import argparse
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.jsonl import MAX_BYTES, MIN_BYTES
from tohum.formats.special_tokens import END_OF_TEXT_ID, SPECIAL_TOKENS

TASKS = 2
MODULES = {"datatrove": "datatrove"}
END_BYTES = 8  # an index has the end of each document, as uint64


def is_kept(document: Any) -> bool:
    """Whether a document has a size that this project keeps."""
    return MIN_BYTES <= len(document.text.encode()) <= MAX_BYTES


def text_of(document: Any) -> str:
    """Returns what two documents have in common that are duplicates."""
    text: str = document.text
    return text


def tokenize_by_datatrove(lines: Path, tokenizer: Path, work: Path) -> None:
    """Filters JSON lines, leaves out exact duplicates, and writes `work`/tokens."""
    from datatrove.executor.local import LocalPipelineExecutor
    from datatrove.pipeline.dedup.exact_dedup import (
        ExactDedupConfig,
        ExactDedupFilter,
        ExactDedupSignature,
        ExactFindDedups,
    )
    from datatrove.pipeline.filters import LambdaFilter
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.tokens import DocumentTokenizer
    from datatrove.utils.hashing import HashConfig

    config = ExactDedupConfig(text_of, hash_config=HashConfig(hash_fc="sha1"))
    signatures, twice = str(work / "signatures"), str(work / "twice")
    read = [JsonlReader(str(lines), text_key="code"), LambdaFilter(is_kept)]
    pipelines = {
        "sign": [*read, ExactDedupSignature(signatures, config, finder_workers=TASKS)],
        "find": [ExactFindDedups(signatures, twice, config)],
        "tokenize": [
            *read,
            ExactDedupFilter(twice, config),
            DocumentTokenizer(
                str(work / "tokens"),
                str(tokenizer),
                eos_token=SPECIAL_TOKENS[END_OF_TEXT_ID],
                shuffle_documents=False,
            ),
        ],
    }
    for name, pipeline in pipelines.items():
        LocalPipelineExecutor(pipeline, TASKS, logging_dir=str(work / "logs" / name)).run()


def split_lines(source: Path, folder: Path, parts: int) -> list[Path]:
    """Writes the lines of a file as so many files of about the same size, and returns these."""
    folder.mkdir(parents=True)
    share = source.stat().st_size / parts
    paths = [folder / f"{part:03d}.jsonl" for part in range(parts)]
    with source.open("rb") as lines:
        for number, path in enumerate(paths, start=1):
            with path.open("wb") as file:
                while lines.tell() < share * number and (line := lines.readline()):
                    file.write(line)
    return paths


def run_datatrove(lines: Path, tokenizer: Path, work: Path) -> None:
    """Runs this module in a process of its own; a failure ends the benchmark."""
    command = [sys.executable, "-m", "benchmarks.cluster_contenders"]
    done = subprocess.run(
        [*command, str(lines), str(tokenizer), str(work)], capture_output=True, check=False
    )
    if done.returncode:
        sys.exit(f"datatrove failed:\n{done.stderr.decode()}")


def documents_and_tokens(tokens: Path) -> tuple[int, int]:
    """Returns how many of both are in a folder that datatrove wrote."""
    documents = ids = 0
    for path in tokens.glob("*.index"):
        ends = path.read_bytes()
        documents += len(ends) // END_BYTES
        ids += struct.unpack("<Q", ends[-END_BYTES:])[0] if ends else 0
    return documents, ids


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    for name in ("lines", "tokenizer", "work"):
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    tokenize_by_datatrove(arguments.lines, arguments.tokenizer, arguments.work)


if __name__ == "__main__":
    main()
