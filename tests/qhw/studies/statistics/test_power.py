"""Sample sizes, and null results in words."""

from __future__ import annotations

import numpy as np
import pytest

from qhw.studies.finding import Estimate
from qhw.studies.statistics.bootstrap import hierarchical_bootstrap
from qhw.studies.statistics.power import LARGEST_SAMPLE, Units, nothing_seen, sample_size, units_of


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    return np.random.default_rng([len(request.node.name), 7])


def test_sample_sizes_are_those_of_the_tables() -> None:
    """Cohen (1988), tables 2.3: d = .5 takes 34 pairs, or 64 in each arm; d = .2 takes 394."""
    assert sample_size(2.0, 1.0) == 34
    assert sample_size(2.0, -1.0, paired=False) == 64
    assert sample_size(5.0, 1.0, paired=False) == 394
    assert sample_size(1.0, 1e-9) == LARGEST_SAMPLE
    assert sample_size(0.0, 1.0) == 2


def test_the_sample_size_has_its_power(rng: np.random.Generator) -> None:
    count = sample_size(1.0, 0.6)
    seen = hierarchical_bootstrap(rng.standard_normal((4000, 1, count)) + 0.6, resamples=10)
    assert (seen.p_value < 0.05).mean() == pytest.approx(0.8, abs=0.03)


def test_an_interval_within_the_margin_is_told_as_equivalence() -> None:
    units, form = Units(0.01, 5, "training seeds"), "{:.2g}, a tenth of the gain,"
    found = Estimate(value=-0.0007, low=-0.0044, high=0.0026)
    assert nothing_seen("between a and b", units, 0.0056, found=found, form=form) == (
        "No difference between a and b matters: -0.0007 [-0.0044, +0.0026] lies within +-0.0056, "
        "a tenth of the gain."
    )
    told = nothing_seen("between a and b", units, 0.004, found=found)
    assert told.startswith("No difference is seen between a and b (-0.0007 [-0.0044, +0.0026]); to")


def test_a_null_result_names_the_sample_it_would_take(rng: np.random.Generator) -> None:
    told = nothing_seen("between a and b", Units(2.0, 10, "training seeds"), 1.0)
    assert "No difference is seen" in told and "34 training seeds (there were 10)" in told
    enough = nothing_seen("between a and b", Units(2.0, 40, "latents"), 1.0)
    assert "would have been (80 % power takes 34 latents, and there were 40)" in enough
    share = nothing_seen("between a and b", Units(0.2, 10, "latents"), 0.1, form="{:.0%}")
    assert "one of 10% with 80 % power takes 34 latents" in share
    of_family = nothing_seen("between a and b", Units(2.0, 40, "latents"), 1.0, alpha=0.05 / 12)
    assert "takes 60 latents (there were 40)" in of_family
    values = rng.standard_normal((1, 30))
    assert units_of(values) == (values.std(ddof=1), 30, "latents")
    several = np.vstack([values, values + 1])
    found = units_of(several)
    assert found.sd == pytest.approx(np.sqrt(0.5)) and found[1:] == (2, "training seeds")
