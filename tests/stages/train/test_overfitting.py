from typing import Any

from stages.train.overfitting import IN_A_ROW, Parting, parting


def rows(*figures: tuple[float, float | None]) -> list[dict[str, Any]]:
    """Rows of plots/train.csv, ten steps apart: (training, validation) in bits per byte."""
    found: list[dict[str, Any]] = []
    for number, (training, validation) in enumerate(figures, 1):
        row = {"step": 10 * number, "train_bits_per_byte": f"{training:.4f}"}
        found.append(row if validation is None else {**row, "bits_per_byte": f"{validation:.4f}"})
    return found


PARTING = rows((3, 3.2), (2.5, 3.0), (2, 3.1), (1.5, 3.2), (1, 3.3), (0.5, 3.4))


def test_curves_part_where_three_measurements_are_above_the_lowest() -> None:
    assert parting(PARTING) == Parting(best_step=20, best=3.0, noticed_step=50, noticed=3.3)
    assert parting(PARTING[:4]) is None


def test_the_first_parting_is_told_however_long_the_run_goes_on() -> None:
    later = rows((3, 3.2), (2.5, 3.0), (2, 3.1), (1.5, 3.2), (1, 3.3), (0.9, 2.9), (0.8, 2.8))
    assert parting(later) == parting(later[:5])


def test_rows_without_a_measurement_are_passed_over() -> None:
    figures = [(3.0, 3.0), (2.5, None), (2.0, 3.1), (1.5, None), (1.0, 3.2), (0.5, 3.3)]
    found = parting(rows(*figures))
    assert found is not None
    assert (found.best_step, found.noticed_step) == (10, 60)


def test_a_rise_of_both_curves_is_not_learning_by_heart() -> None:
    assert parting(rows((2, 2.0), (2.5, 2.5), (2.5, 2.6), (2.6, 2.7), (2.7, 2.8))) is None


def test_noise_and_a_single_bad_measurement_say_nothing() -> None:
    noise = [(3 - 0.1 * number, 2 + 0.03 * (number % 2)) for number in range(12)]
    assert parting(rows(*noise)) is None
    level = [(3 - 0.1 * number, 2.02) for number in range(12)]
    assert parting(rows((3.1, 2.0), *level)) is None
    assert parting([]) is None


def test_the_sentence_has_both_figures_and_what_helps() -> None:
    told = Parting(20, 3.0, 20 + 10 * IN_A_ROW, 3.3).told
    for expected in ("step 20", "3.000", "3.300", "More data", "train.steps", "by heart"):
        assert expected in told
