from typing import Any

import pytest

from tohum.commands.report.figures import MEASURES, bits_per_byte_lines, completion_lines

BASELINES = {"gzip -9": 1.8, "xz -9e": 1.7, "zstd -19": 1.3, "PPMd order 10": 1.2, "5-gram": 2.0}


def completion(model: float, ngram: float, copy: float) -> dict[str, Any]:
    figures = {"model": model, "n-gram": ngram, "copy": copy}
    measured: dict[str, Any] = {
        name: dict.fromkeys(MEASURES, value) for name, value in figures.items()
    }
    for key in ("middle_exact", "middle_similarity"):
        del measured["n-gram"][key]
    return {"places": 200, "identifiers": 400, "characters": 5000, **measured}


@pytest.mark.parametrize(
    ("bits", "said"),
    [
        (1.25, "The model does not beat PPMd order 10."),
        (1.3, "The model does not beat zstd -19 and PPMd order 10."),
        (1.1, None),
    ],
)
def test_what_the_model_does_not_beat_is_named(bits: float, said: str | None) -> None:
    model = {"bits_per_byte": bits, "baselines": BASELINES, "baseline_bytes": 44_200_000}
    lines = [line.strip() for line in bits_per_byte_lines(model)]
    assert f"this model     {bits:.3f}" in lines
    assert "xz -9e         1.700   each document compressed alone" in lines
    assert "zstd -19       1.300   after 44.2 MB of the training text" in lines
    assert [line for line in lines if line.startswith("The model")] == ([said] if said else [])


def test_a_model_that_beats_both_baselines_is_said_to() -> None:
    lines = completion_lines(completion(0.5, 0.1, 0.4))
    assert lines[-1].strip() == "The model beats n-gram and copy in every measure."
    assert "  next line right                 50.0%      10.0%      40.0%" in lines
    assert "  line between others right       50.0%          -      40.0%" in lines


@pytest.mark.parametrize("better", ["n-gram", "copy"])
def test_a_measure_in_which_one_baseline_is_as_good_is_named(better: str) -> None:
    measured = completion(0.5, 0.1, 0.4)
    measured[better]["keystrokes_saved"] = 0.5
    measured[better]["line_similarity"] = 0.6
    last = completion_lines(measured)[-1].strip()
    between = ", line between others (edit similarity)" if better == "n-gram" else ""
    assert last == (
        f"The model does not beat n-gram and copy in: next line (edit similarity){between}, "
        "keystrokes saved."
    )


def test_nothing_is_said_of_what_was_not_measured() -> None:
    assert completion_lines(None) == []
    measured = completion(0.5, 0.1, 0.4)
    del measured["n-gram"]
    assert completion_lines(measured)[-1].strip() == "The model beats copy in every measure."


def test_the_model_with_copies_is_compared_apart() -> None:
    measured = completion(0.3, 0.1, 0.4)
    measured["model+copy"] = dict.fromkeys(MEASURES, 0.5)
    *_, alone, together = (line.strip() for line in completion_lines(measured))
    assert alone.startswith("The model does not beat n-gram and copy in: next line right, ")
    assert together == "With copies it beats n-gram and copy in every measure."
