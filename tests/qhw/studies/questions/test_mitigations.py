"""Which mitigation helps, and what is said of it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from qhw.studies.measured.noisy_features import Key
from qhw.studies.questions.features import root_mean_squares
from qhw.studies.questions.mitigations import (
    BETTER,
    UNSEEN,
    WORSE,
    best_in_words,
    compare_methods,
    comparison_table,
    null_notes,
    relative_change,
)

FloatArray = NDArray[np.float64]


def squares_of(changes: dict[str, float], scatter: float) -> dict[Key, FloatArray]:
    """Mitigations that change the squares of 100 states by these amounts on average."""
    rng = np.random.default_rng(5)
    squares: dict[Key, FloatArray] = {Key("d", "none", 1024): np.full((1, 100), 1.0)}
    for method, change in changes.items():
        noise = rng.standard_normal((1, 100))
        noise = (noise - noise.mean()) / noise.std(ddof=1)
        squares[Key("d", method, 1024)] = 1 + change + scatter * noise
    return squares


def told(changes: dict[str, float], scatter: float) -> tuple[list[str], str]:
    squares = squares_of(changes, scatter)
    comparisons = compare_methods(squares)
    words = best_in_words("d", comparisons, root_mean_squares(squares).estimates)
    notes = null_notes(["d"], comparisons, squares)
    return [each.verdict for each in comparisons], " ".join([words, *notes])


def test_one_that_helps_and_one_that_harms() -> None:
    verdicts, words = told({"affine": -0.36, "zne": 0.3}, 0.1)
    assert verdicts == [BETTER, WORSE]
    assert words.startswith("affine lowers it to 0.80")
    assert words.endswith("(Holm p < 0.001), and zne makes it worse")


def test_all_that_harm_are_named_and_nothing_is_called_unseen() -> None:
    verdicts, words = told({"affine": 0.2, "zne": 0.3}, 0.1)
    assert verdicts == [WORSE, WORSE]
    assert words == "mitigation does not lower it, and affine and zne make it worse"


def test_a_null_result_names_the_sample_and_the_harm() -> None:
    verdicts, words = told({"affine": 0.0, "zne": 3.0}, 1.0)
    assert verdicts == [UNSEEN, WORSE]
    assert words.startswith("mitigation is not seen to lower it, and zne makes it worse No diff")
    assert "of affine and no mitigation at 1024 shots on d (" in words
    assert "; to see one of 10% with" in words
    # Two comparisons: 80 % power at alpha .025, an effect of a tenth of the standard deviation.
    assert "takes 954 latents (there were 100)" in words


def test_nothing_fits() -> None:
    assert best_in_words("d", [], {}) == "no mitigation fits the device"


def test_a_method_that_does_the_same_to_every_controller_is_seen() -> None:
    """Controllers whose errors differ tenfold, all halved."""
    rng = np.random.default_rng(6)
    sizes = np.array([[1.0], [3.0], [10.0]])
    plain = sizes * rng.uniform(0.9, 1.1, (3, 50))
    squares = {Key("d", "none", 1024): plain, Key("d", "affine", 1024): plain / 2}
    (found,) = compare_methods(squares)
    assert found.verdict == BETTER and found.change == pytest.approx(-0.5)


def test_a_controller_without_errors_has_no_change() -> None:
    assert not relative_change(np.zeros((1, 3)), np.zeros((1, 3))).any()


def test_the_family_is_all_of_the_table() -> None:
    """Both devices, both numbers of shots; without effect one page in twenty cries wolf."""
    rng = np.random.default_rng(7)
    alarms = []
    for _ in range(200):
        squares = {
            Key(device, method, shots): rng.chisquare(4, (1, 60))
            for device in ("d", "e")
            for method in ("none", "readout", "affine", "zne")
            for shots in (64, 1024, None)
        }
        found = compare_methods(squares)
        alarms.append(any(each.verdict != UNSEEN for each in found))
    assert len(found) == 12 and not any(each.condition.shots == 64 for each in found)
    assert sum(alarms) <= binom.ppf(1 - 1e-3, 200, 0.05)
    table = comparison_table("features", "RMSE", found, root_mean_squares(squares).estimates)
    assert len(table.rows) == 12 and "all 12 comparisons" in table.reading
