from __future__ import annotations

import math

import pytest
import torch
from diffusers import DPMSolverMultistepScheduler
from torch import Tensor
from torch.testing import assert_close

from diffusion.environment import draw_labels, draw_latents
from diffusion.sampler import GuidedSampler
from diffusion.solvers import (
    SOLVERS,
    Ddim,
    DpmSolver,
    Level,
    Solver,
    dpm_solver_step,
    read_solver,
    second_order,
    solver_record,
)
from tests.diffusion.conftest import GaussianMixtureDenoiser

N = 6


def start(count: int = N) -> tuple[Tensor, Tensor]:
    return draw_latents(count, 0, (1, 16, 16)), draw_labels(count, 4)


# diffusers' scheduler makes an array of a tensor in a way that numpy is about to end.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("steps", [1, 2, 3, 10])
def test_dpm_solver_is_diffusers_multistep(denoiser: GaussianMixtureDenoiser, steps: int) -> None:
    sampler = GuidedSampler(denoiser, steps, clip_sample=False, solver=DpmSolver())
    latents, labels = start()
    scheduler = DPMSolverMultistepScheduler(beta_schedule="squaredcos_cap_v2")
    scheduler.set_timesteps(timesteps=list(sampler.timesteps))
    expected = latents
    for step, timestep in enumerate(sampler.timesteps):
        noise = sampler.predict(expected, step, labels).guided(torch.full((N,), 2.0))
        expected = scheduler.step(noise, timestep, expected).prev_sample
    assert_close(sampler.sample(latents, labels, 2.0), expected, atol=2e-5, rtol=1e-4)


def test_a_step_in_numbers() -> None:
    at, to = Level(0.6, 0.8), Level(0.8, 0.6)
    moved = dpm_solver_step(torch.tensor([1.0]), torch.tensor([0.5]), at, to)
    shrink = 1 - math.exp(-(math.log(0.8 / 0.6) - math.log(0.6 / 0.8)))
    assert float(moved) == pytest.approx(0.6 / 0.8 * 1.0 + 0.8 * shrink * 0.5)


def test_a_step_of_exact_predictions_keeps_the_noise() -> None:
    """x = alpha D + sigma e goes to alpha' D + sigma' e, whatever the levels."""
    at, to = Level(0.28, 0.96), Level(0.96, 0.28)
    clean, noise = torch.randn(2, 5, generator=torch.Generator().manual_seed(1))
    moved = dpm_solver_step(at.alpha * clean + at.sigma * noise, clean, at, to)
    assert_close(moved, to.alpha * clean + to.sigma * noise)


def test_second_order_carries_on_a_straight_line() -> None:
    levels = (Level(0.28, 0.96), Level(0.6, 0.8), Level(0.96, 0.28))
    past, at, to = (level.log_snr for level in levels)
    middle = second_order(torch.tensor(3 * at), torch.tensor(3 * past), levels)
    assert float(middle) == pytest.approx(3 * (at + to) / 2)


def test_second_order_is_nearer_to_the_end_of_a_fine_walk(
    denoiser: GaussianMixtureDenoiser,
) -> None:
    latents, labels = start(40)

    def sample(solver: Solver, steps: int) -> Tensor:
        sampler = GuidedSampler(denoiser, steps, clip_sample=False, solver=solver)
        return sampler.sample(latents, labels, 1.5)

    fine = sample(DpmSolver(980, 1), 490)
    errors = {name: float((sample(s, 10) - fine).norm()) for name, s in SOLVERS.items()}
    assert errors["dpmsolver++"] < 0.5 * min(errors["ddim"], errors["ddim-trailing"])


@pytest.mark.parametrize(
    ("solver", "first", "last"),
    [(Ddim(), 900, 0), (Ddim("trailing"), 999, 99), (DpmSolver(), 980, 20)],
)
def test_the_levels_that_are_visited(
    denoiser: GaussianMixtureDenoiser, solver: Solver, first: int, last: int
) -> None:
    timesteps = GuidedSampler(denoiser, 10, solver=solver).timesteps
    assert (timesteps[0], timesteps[-1], len(timesteps)) == (first, last, 10)
    assert sorted(set(timesteps), reverse=True) == list(timesteps)


@pytest.mark.parametrize("solver", [*SOLVERS.values(), DpmSolver(960, 50)])
def test_a_record_is_read_back(solver: Solver) -> None:
    assert read_solver(solver_record(solver)) == solver
    assert read_solver({}) == Ddim()


def test_what_does_not_fit_is_refused(denoiser: GaussianMixtureDenoiser) -> None:
    with pytest.raises(ValueError, match="spacing is 'even'"):
        Ddim("even")  # type: ignore[arg-type]
    for first, last in [(20, 980), (5, 5), (900, -1)]:
        with pytest.raises(ValueError, match=f"levels from {first} to {last}"):
            DpmSolver(first, last)
    with pytest.raises(ValueError, match="begins at level 1000"):
        GuidedSampler(denoiser, 10, solver=DpmSolver(1000, 20))
    with pytest.raises(ValueError, match="choose at most 11"):
        GuidedSampler(denoiser, 12, solver=DpmSolver(20, 10))
    with pytest.raises(ValueError, match="method is 'heun'"):
        read_solver({"method": "heun"})


def test_a_second_step_needs_what_the_first_one_predicted(
    denoiser: GaussianMixtureDenoiser,
) -> None:
    sampler = GuidedSampler(denoiser, 4, solver=DpmSolver())
    latents, labels = start()
    prediction = sampler.predict(latents, 1, labels)
    with pytest.raises(ValueError, match="step 1 of DPM-Solver"):
        sampler.step(latents, 1, prediction, torch.ones(N))
