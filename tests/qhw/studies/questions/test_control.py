"""What noise does to the controller's actions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from qhw.studies.finding import read_finding, write_finding
from qhw.studies.measured.noisy_features import Key, read_noisy
from qhw.studies.questions.control import (
    Control,
    _against,
    deviations_of,
    normal_divergence,
    own_movement,
    update_size,
)
from qhw.studies.questions.features import root_mean_squares
from qhw.studies.study import Scope
from tests.qhw.studies.by_hand import column, table_of, value_of
from tests.qhw.studies.made_up import plant_features
from tests.qhw.studies.tiny import DEVICE, TINY_SIZES, Acquired, acquired, nothing_opens

__all__ = ["acquired", "nothing_opens"]


def test_the_divergence_is_that_of_torch() -> None:
    rng = np.random.default_rng(1)
    mu, other_mu = rng.standard_normal((2, 50))
    sigma, other_sigma = rng.uniform(0.1, 1, (2, 50))
    found = normal_divergence(mu, sigma, other_mu, other_sigma)
    mine = Normal(torch.from_numpy(mu), torch.from_numpy(sigma))
    other = Normal(torch.from_numpy(other_mu), torch.from_numpy(other_sigma))
    assert found == pytest.approx(kl_divergence(mine, other).numpy())
    assert normal_divergence(mu, sigma, mu, sigma) == pytest.approx(np.zeros(50))


def test_errors_of_actions_fall_with_shots(acquired: Acquired) -> None:
    deviations = deviations_of(read_noisy(acquired("control", 1)))
    for part in (deviations.mu, deviations.guidance, deviations.divergence):
        few, many = (part[Key(DEVICE, "none", shots)].mean() for shots in (64, 16_384))
        assert few > many >= 0
    mu = root_mean_squares(deviations.mu).estimates
    assert mu[Key(DEVICE, "affine", 16_384)].value < mu[Key(DEVICE, "none", 16_384)].value


def test_ideal_features_give_the_ideal_actions(acquired: Acquired) -> None:
    """On exact values the affine map all but undoes the noise, through the head as well."""
    measured = read_noisy(acquired("control", 1))
    exact = measured.conditions[Key(DEVICE, "affine", None)]
    (visits,) = measured.visits
    moved = np.abs(exact.mu[0, 0] - visits.mu)
    by_slope = np.abs(((exact.values[0, 0] - visits.ideal) * visits.sensitivity).sum(axis=1))
    # The head is linear between its kinks; some states lie at one, so the median is compared.
    assert np.median(np.abs(moved - by_slope)) < 0.05 * np.median(by_slope)


def test_the_finding_is_whole_and_comes_back(acquired: Acquired, tmp_path: Path) -> None:
    scope = acquired("control", 1)
    finding = Control().analyse(scope)
    assert finding.answer is None and "One training seed" in (finding.refusal or "")
    assert (finding.observed or "").startswith("Without noise the controller moves")
    assert len(finding.figures) == 4 and finding.figures[0].references
    assert (update_size(scope) or 0) > 0 and finding.figures[2].references
    assert [table.id for table in finding.tables] == ["control_errors", "control_mitigation"]
    assert read_finding(write_finding(tmp_path, finding)) == finding


def test_nothing_is_measured_twice_and_analysis_opens_nothing(
    acquired: Acquired, nothing_opens: Callable[[], None]
) -> None:
    scope = acquired("features", 1)
    nothing_opens()
    Control().acquire(scope)
    Control().analyse(scope)


def test_the_own_movement_is_a_spread(acquired: Acquired) -> None:
    (visits,) = read_noisy(acquired("control", 1)).visits
    movement = own_movement([visits])
    assert movement.shape == (1, 24)
    assert movement.mean() == pytest.approx(visits.guidance.var(ddof=1))


def test_the_sentence_comes_out_either_way() -> None:
    """The movement is known from as few states as the error, and its own error counts."""
    rng = np.random.default_rng(2)
    movement = rng.chisquare(1, (1, 40))

    def against(size: float) -> str:
        return _against(size * rng.chisquare(1, (1, 40)), movement)

    assert "drowns" in against(9.0) and "% of that movement" in against(9.0)
    assert against(0.1) == "28% of that movement"
    assert "cannot be told" in against(1.0)
    assert "never moves" in _against(movement, np.zeros((1, 40)))


@pytest.mark.slow  # measures two runs
def test_several_seeds_are_the_unit(acquired: Acquired) -> None:
    finding = Control().analyse(acquired("control", 2))
    assert finding.answer is not None and "Without noise the 2 controllers move" in finding.answer
    assert finding.refusal is None


class TestNumbers:
    """The finding's numbers against the reactions that were planted."""

    def test_errors_and_divergences_are_those_of_the_arrays(
        self, seeds: Any, tmp_path: Path, rng: Any
    ) -> None:
        scope = Scope(seeds, tmp_path, DEVICE, TINY_SIZES)
        planted = plant_features(scope, rng)
        table = table_of(Control().analyse(scope), "control_errors")
        ideal = {name: values[:, None] for name, values in planted.ideal.items()}
        for k, columns in enumerate(planted.noisy.values()):
            away = {name: columns[name] - ideal[name] for name in ("mu", "guidance")}
            for name, heading in (("mu", "RMSE of mu"), ("guidance", "RMSE of the guidance")):
                found = value_of(column(table, heading)[k])
                assert found == pytest.approx(np.sqrt((away[name] ** 2).mean()))
            ratio = columns["sigma"] / ideal["sigma"]
            divergence = (ratio**2 + (away["mu"] / ideal["sigma"]) ** 2 - 1) / 2 - np.log(ratio)
            found = value_of(column(table, "KL(noisy || ideal)", "nats")[k])
            assert found == pytest.approx(divergence.mean())

    def test_the_own_movement_and_the_update_are_drawn_and_told(
        self, seeds: Any, tmp_path: Path, rng: Any
    ) -> None:
        scope = Scope(seeds, tmp_path, DEVICE, TINY_SIZES)
        planted = plant_features(scope, rng)
        finding = Control().analyse(scope)
        own = np.sqrt(planted.ideal["guidance"].var(axis=1, ddof=1).mean())
        guidance, _, divergence, _ = finding.figures
        assert [line.value for line in guidance.references] == [pytest.approx(own)]
        # The runs' records say so: see `made_up_run`.
        assert [line.value for line in divergence.references] == [pytest.approx(0.01)]
        assert finding.answer is not None
        assert f"the 3 controllers move the guidance by {own:.1f} [" in finding.answer
        noisy = planted.noisy[Key(DEVICE, "none", 1024)]["guidance"]
        error = np.sqrt(((noisy - planted.ideal["guidance"][:, None]) ** 2).mean())
        assert f"{error / own:.0%} of that movement; there" in finding.answer
