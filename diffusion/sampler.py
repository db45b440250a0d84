"""Guided sampling with one guidance scale per image and step.

The denoiser is asked once per step for both predictions (Ho and Salimans, arXiv 2207.12598). DDIM's
step is diffusers'; `diffusion.solvers` holds the other.

Clipped pixel models hide a trap: DDIM that clips the predicted picture but keeps the unclipped
noise throws high guidance far off, and so fakes an optimum at low guidance. The noise is therefore
always recomputed from the clipped picture (``use_clipped_model_output=True``).
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING

import torch
from diffusers import DDIMScheduler
from torch import Tensor

from diffusion.noise_schedule import FITTED_SCHEDULE, PREDICTION_TYPES, NoiseSchedule
from diffusion.solvers import FIRST_SOLVER, Ddim, Level, Solver, dpm_solver_step, second_order

if TYPE_CHECKING:
    from diffusion.denoisers import Denoiser


@dataclass(frozen=True)
class NoisePrediction:
    """The noise a denoiser sees in the same latents, without and with their labels.

    Attributes:
        eps_uncond: (N, C, H, W), for the null class.
        eps_cond: (N, C, H, W), for each image's label.
    """

    eps_uncond: Tensor
    eps_cond: Tensor

    def __post_init__(self) -> None:
        if self.eps_uncond.shape != self.eps_cond.shape:
            raise ValueError(
                f"eps_uncond has shape {tuple(self.eps_uncond.shape)}, eps_cond "
                f"{tuple(self.eps_cond.shape)}: a denoiser must return one of each per latent"
            )

    def guided(self, guidance: Tensor) -> Tensor:
        """Mix the two as eps_u + g (eps_c - eps_u); guidance is (N,), 1 is conditional sampling."""
        scale = guidance.to(self.eps_cond).reshape(-1, 1, 1, 1)
        return self.eps_uncond + scale * (self.eps_cond - self.eps_uncond)


@dataclass(eq=False, repr=False)
class GuidedSampler:
    """A deterministic sampler whose guidance may differ between images and between steps.

    Attributes:
        denoiser: Predicts both noises in one forward.
        num_steps: Denoising steps T of an episode, at least 1, at most as many as there are levels.
        noise_schedule: Noise levels the denoiser was trained on.
        clip_sample: Clip the predicted picture to [-1, 1]; True for pixels, False for latents.
        solver: How a step is taken, and which levels are visited.
        timesteps: The T noise levels visited, falling.

    Raises:
        ValueError: If num_steps is out of range, or the prediction type or a level is unknown.
    """

    denoiser: Denoiser
    num_steps: int
    noise_schedule: NoiseSchedule = FITTED_SCHEDULE
    clip_sample: bool = True
    _: KW_ONLY
    solver: Solver = FIRST_SOLVER
    timesteps: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        levels = self.noise_schedule.num_train_timesteps
        if not 1 <= self.num_steps <= levels:
            raise ValueError(f"num_steps is {self.num_steps}: choose 1 to {levels}")
        kind = self.denoiser.prediction_type
        if kind not in PREDICTION_TYPES:
            raise ValueError(f"prediction_type is {kind!r}: use one of {PREDICTION_TYPES}")
        self._scheduler = DDIMScheduler(
            **self.noise_schedule.record,
            clip_sample=self.clip_sample,
            timestep_spacing=self.solver.spacing if isinstance(self.solver, Ddim) else "leading",
        )
        self._alpha_bar: Tensor = self._scheduler.alphas_cumprod
        self.timesteps = self._visited()

    def _visited(self) -> tuple[int, ...]:
        """The solver's noise levels."""
        if isinstance(self.solver, Ddim):
            self._scheduler.set_timesteps(self.num_steps)
            visited = tuple(int(t) for t in self._scheduler.timesteps)
            if visited[0] >= self.noise_schedule.num_train_timesteps:
                raise ValueError(
                    f"{self.num_steps} steps with steps_offset {self.noise_schedule.steps_offset} "
                    f"begin at level {visited[0]}, beyond the last: take fewer"
                )
            return visited
        if self.solver.first >= self.noise_schedule.num_train_timesteps:
            raise ValueError(
                f"the solver begins at level {self.solver.first}: the denoiser was trained on "
                f"levels below {self.noise_schedule.num_train_timesteps}"
            )
        return self.solver.timesteps(self.num_steps)

    @torch.no_grad()
    def predict(self, latents: Tensor, step: int, labels: Tensor) -> NoisePrediction:
        """Ask the denoiser for both noises, in one forward.

        Args:
            latents: (N, C, H, W) at noise level ``timesteps[step]``.
            step: 0 for the first, noisiest step.
            labels: (N,) integers in [0, num_classes).
        """
        uncond, cond = self.denoiser.predict(latents, self.timesteps[step], labels)
        return NoisePrediction(
            self._as_noise(latents, step, uncond), self._as_noise(latents, step, cond)
        )

    @torch.no_grad()
    def step(
        self,
        latents: Tensor,
        step: int,
        prediction: NoisePrediction,
        guidance: Tensor,
        before: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Take one step under one guidance scale per image.

        Args:
            latents: (N, C, H, W) at noise level ``timesteps[step]``.
            step: 0 for the first, noisiest step.
            prediction: What ``predict`` returned for the same latents and step.
            guidance: (N,) guidance scales.
            before: (N, C, H, W) clean latents that the step before returned, from the second step
                on; DDIM does not look at them.

        Returns:
            The less noisy latents and the predicted clean latents, both (N, C, H, W).
        """
        if guidance.shape != latents.shape[:1]:
            raise ValueError(
                f"guidance has shape {tuple(guidance.shape)}: give one scale for each of "
                f"{latents.shape[0]} images"
            )
        noise = prediction.guided(guidance)
        if not isinstance(self.solver, Ddim):
            clean = self.predicted_clean(latents, step, noise)
            return self._dpm_step(latents, step, clean, before), clean
        previous, clean = self._scheduler.step(
            noise,
            self.timesteps[step],
            latents,
            use_clipped_model_output=True,
            return_dict=False,
        )
        return previous, clean

    @torch.no_grad()
    def predicted_clean(self, latents: Tensor, step: int, noise: Tensor) -> Tensor:
        """Predict the clean latents (N, C, H, W) if ``noise`` is what was added; clipped alike."""
        level = self.level(step)
        clean = (latents - level.sigma * noise) / level.alpha
        return clean.clamp(-1.0, 1.0) if self.clip_sample else clean

    @torch.no_grad()
    def sample(self, latents: Tensor, labels: Tensor, guidance: Tensor | float) -> Tensor:
        """Denoise to the end under a schedule that was fixed beforehand.

        Args:
            latents: (N, C, H, W) standard normal noise.
            labels: (N,) integers in [0, num_classes).
            guidance: One scale; (T,), one per step; or (T, N), one per step and image.

        Returns:
            (N, C, H, W) clean latents; ``denoiser.decode`` makes pictures of them.
        """
        schedule = self._expand_schedule(guidance, latents.shape[0]).to(latents)
        clean = None
        for step in range(self.num_steps):
            prediction = self.predict(latents, step, labels)
            latents, clean = self.step(latents, step, prediction, schedule[step], clean)
        return latents

    def carried_on(self, step: int, clean: Tensor, before: Tensor | None) -> Tensor:
        """Clean latents (N, C, H, W) as a step takes them: second order, after the first step.

        Args:
            step: Any but the last.
            clean: Predicted at this step.
            before: Predicted at the step before; DDIM does not look at them.

        Raises:
            ValueError: If the solver is of second order and they are missing.
        """
        if isinstance(self.solver, Ddim) or step == 0:
            return clean
        if before is None:
            raise ValueError(f"step {step} of DPM-Solver++ needs what step {step - 1} predicted")
        past, at, to = (self.level(place) for place in (step - 1, step, step + 1))
        return second_order(clean, before, (past, at, to))

    def _dpm_step(self, latents: Tensor, step: int, clean: Tensor, before: Tensor | None) -> Tensor:
        """Second order between the first and the last step; the last one ends at the picture."""
        if step + 1 == self.num_steps:
            return clean
        middle = self.carried_on(step, clean, before)
        return dpm_solver_step(latents, middle, self.level(step), self.level(step + 1))

    def _expand_schedule(self, guidance: Tensor | float, count: int) -> Tensor:
        schedule = torch.as_tensor(guidance, dtype=torch.float32)
        if schedule.ndim == 1:
            schedule = schedule[:, None]
        wanted = (self.num_steps, count)
        if schedule.ndim and (
            schedule.shape[0] != self.num_steps or schedule.shape[1] not in (1, count)
        ):
            raise ValueError(
                f"the guidance schedule has shape {tuple(schedule.shape)}: give a number, "
                f"({self.num_steps},) or {wanted}"
            )
        return schedule.expand(wanted)

    def level(self, step: int) -> Level:
        """Signal and noise amplitude (sqrt(alpha_bar), sqrt(1 - alpha_bar)) of one step."""
        alpha_bar = float(self._alpha_bar[self.timesteps[step]])
        return Level(alpha_bar**0.5, (1.0 - alpha_bar) ** 0.5)

    @property
    def final_level(self) -> Level:
        """Where the last step ends: without noise, or with what level 0 has."""
        if not isinstance(self.solver, Ddim) or self.noise_schedule.set_alpha_to_one:
            return Level(1.0, 0.0)
        alpha_bar = float(self._alpha_bar[0])
        return Level(alpha_bar**0.5, (1.0 - alpha_bar) ** 0.5)

    def _as_noise(self, latents: Tensor, step: int, output: Tensor) -> Tensor:
        """Turn the denoiser's output into noise; guidance commutes with this affine map."""
        level = self.level(step)
        if self.denoiser.prediction_type == "v_prediction":
            return level.alpha * output + level.sigma * latents
        if self.denoiser.prediction_type == "sample":
            return (latents - level.alpha * output) / level.sigma
        return output
