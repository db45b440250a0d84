"""Published methods are tuned on latents of their own, and cited where they are shown."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from diffusion import schedules
from diffusion.bundle import Bundle, load_bundle
from diffusion.environment import GuidanceEnvironment
from qhw.evaluation.baselines import Baselines
from qhw.evaluation.citations import CITED, citations
from qhw.evaluation.judges import Judges, evaluation_latents
from qhw.evaluation.published import published

FEW = 20
STARTS = ("best interval", "best rising ramp", "best exponential", "CFG++", "FBG")


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle()


@pytest.fixture
def environment(bundle: Bundle) -> GuidanceEnvironment:
    card = bundle.card
    return GuidanceEnvironment(bundle.sampler(2), bundle.proxy, card.reward, card.cfg_base)


@pytest.mark.slow  # chooses for six methods
def test_every_method_is_chosen_played_and_recalled(
    bundle: Bundle, environment: GuidanceEnvironment, tmp_path: Path
) -> None:
    paired = evaluation_latents(bundle, FEW)
    made = Baselines(bundle, Judges(bundle), environment, paired, tmp_path)
    rows = made.published()
    assert [row.name.startswith(start) for row, start in zip(rows, STARTS, strict=True)] == [
        True
    ] * 5
    files = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert len(files) == 1 + 2 * 5, "the constant's choice, and a choice and an outcome of each"
    again = Baselines(bundle, Judges(bundle), environment, paired, tmp_path).published()
    assert [row.name for row in again] == [row.name for row in rows]
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == files


def test_where_a_method_can_be_the_constant_the_search_begins_there(
    bundle: Bundle, environment: GuidanceEnvironment
) -> None:
    drawn = evaluation_latents(bundle, 4)
    for method in published(environment.widened(), 2.5):
        if method.search.name in ("interval", "exponential"):
            episode = method.search.play(method.search.coarse[0])(drawn.latents, drawn.labels)
            assert set(episode.guidance.flatten().tolist()) == {2.5}


def test_the_exponential_rises_towards_the_picture_by_hand() -> None:
    told = schedules.exponential(4, 3.0, 0.8)
    wanted = [3 * 2.718281828 ** (-0.8 * time) for time in (0.875, 0.625, 0.375, 0.125)]
    assert told.tolist() == pytest.approx(wanted)
    assert torch.equal(schedules.exponential(4, 2.0, 0.0), torch.full((4,), 2.0))


def test_the_foot_of_the_table_names_the_sources_of_what_was_played() -> None:
    told = citations(["policy", "rule 1.5 + 2(1-p)", "greedy feedback", "FBG"])
    assert all(number in told for number in ("2411.15393", "2509.16131", "2506.06085"))
    assert "2404.07724" not in told
    assert all(start in CITED for start in STARTS)
    assert citations(["policy"]) == ""
