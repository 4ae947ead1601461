"""How much a copy should count beside the model (`tohum.copying`), measured on held-out documents.

    python -m benchmarks.copying [--root .] [--documents 55] [--places 40]

At some places of each document, chosen at random, it takes what the model expects, and the longest
text before the place that stands earlier in the document too. For matches of each size it prints
how often the copy is right, and the weight with which the model and the copy together give the text
the highest probability; then the bits per byte of the model alone and with the weights in use. The
mixture is a distribution (it adds up to one) and knows only what is before each id.
"""

import argparse
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy

from benchmarks.targets import report
from tohum.copying import LEAST_MATCH, SEARCHED, longest_match, weight
from tohum.formats.tokens import read_split
from tohum.inference import LanguageModel, load_language_model

SIZES = (LEAST_MATCH, 12, 20, 40, 100, SEARCHED)
WEIGHTS = numpy.linspace(0, 0.98, 50)
FEWEST = 256  # ids before a place, or half of the document


class Place(NamedTuple):
    """An id: the size of the match before it, whether the copy has it, the model's probability of
    it, and its bytes.
    """

    match: int
    right: bool
    chance: float
    size: int


def places(
    model: LanguageModel, ids: numpy.ndarray[Any, Any], count: int, seed: int
) -> Iterator[Place]:
    """Yields places of a document, (n,) of ids with <|endoftext|> first."""
    words = model.vocabulary
    text = b"".join(words[id] for id in ids[1:])
    ends = numpy.cumsum([0, *(len(words[id]) for id in ids[1:])])
    generator = numpy.random.default_rng(seed)
    first = int(generator.integers(max(1, len(ids) - model.context)))
    last = min(len(ids) - 1, first + model.context)
    least = first + min(FEWEST, (last - first) // 2)
    chosen = generator.choice(range(least + 1, last), min(count, last - least - 1), replace=False)
    for place in sorted(chosen.tolist()):
        end = int(ends[place])
        logits = model.reader.logits(ids[first : place + 1].tolist())
        right = int(ids[place + 1])
        chance = float(logits.softmax(0)[right])
        match, draft = longest_match(text[max(0, end - SEARCHED) : end])
        copied = model.tokenizer.encode(draft.decode(errors="ignore"), add_special_tokens=False)
        is_right = bool(copied.ids) and copied.ids[0] == right
        yield Place(match, is_right, chance, len(words[right]))


def nats(found: numpy.ndarray[Any, Any], share: Any) -> float:
    """Returns the nats that the places take with a weight of the copy, or one for each."""
    chances = (1 - share) * found["chance"] + share * found["right"]
    return float(-numpy.log(chances).sum())


def main() -> None:
    """Prints the table; fails if the copies gain nothing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path(), help="the project")
    parser.add_argument("--documents", type=int, default=55, help="of the validation split")
    parser.add_argument("--places", type=int, default=40, help="in each document")
    arguments = parser.parse_args()
    model = load_language_model(arguments.root / "models/lm")
    split = read_split(arguments.root / "data/tokens", "val")
    rows = [
        tuple(place)
        for number in range(min(arguments.documents, len(split.offsets) - 1))
        if len(ids := split.document(number)) > 2 * LEAST_MATCH
        for place in places(model, ids, arguments.places, number)
    ]
    kinds = [("match", int), ("right", bool), ("chance", float), ("size", int)]
    found = numpy.array(rows, kinds)
    print(f"{len(found)} places")
    print(f"{'match, bytes':>14}{'places':>9}{'right':>8}{'best':>8}{'used':>8}")
    for least, most in pairwise(SIZES):
        some = found[(found["match"] >= least) & (found["match"] < most)]
        if not len(some):
            continue
        best = min(WEIGHTS, key=lambda share, some=some: nats(some, share))  # type: ignore[misc]
        used = numpy.mean([weight(match) for match in some["match"].tolist()])
        name = f"{least} to {most - 1}" if most < SEARCHED else f"{least} and more"
        right = some["right"].mean()
        print(f"{name:>14}{len(some):>9}{right:>8.2f}{best:>8.2f}{used:>8.2f}")
    weights = numpy.array([weight(match) if match else 0.0 for match in found["match"].tolist()])
    size = found["size"].sum() * numpy.log(2)
    alone, together = nats(found, 0.0) / size, nats(found, weights) / size
    print(f"bits per byte: {alone:.3f} alone, {together:.3f} with copies")
    sys.exit(not report("bits with copies over bits alone", together / alone, "at most", 0.97))


if __name__ == "__main__":
    main()
