"""The noise levels that a denoiser was trained on, and its sampler therefore visits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

PREDICTION_TYPES = ("epsilon", "v_prediction", "sample")
_KNOWN_BETAS = ("linear", "scaled_linear", "squaredcos_cap_v2")


@dataclass(frozen=True)
class NoiseSchedule:
    """A schedule of a variance-preserving diffusion, in diffusers' words.

    Attributes:
        num_train_timesteps: Noise levels.
        beta_schedule: ``linear``, ``scaled_linear`` or ``squaredcos_cap_v2``.
        beta_start: First noise variance; unused by ``squaredcos_cap_v2``.
        beta_end: Last noise variance; likewise.
        steps_offset: Added to the levels that are visited with ``leading`` spacing.
        set_alpha_to_one: Whether the last step of DDIM ends without noise; otherwise at level 0,
            which has a little.

    Raises:
        ValueError: If the schedule's name is unknown, or there are no levels.
    """

    num_train_timesteps: int = 1000
    beta_schedule: str = "squaredcos_cap_v2"
    beta_start: float = 1e-4
    beta_end: float = 2e-2
    steps_offset: int = 0
    set_alpha_to_one: bool = True

    def __post_init__(self) -> None:
        if self.beta_schedule not in _KNOWN_BETAS:
            raise ValueError(f"beta_schedule is {self.beta_schedule!r}: use one of {_KNOWN_BETAS}")
        if self.num_train_timesteps < 1:
            raise ValueError(f"num_train_timesteps is {self.num_train_timesteps}: need 1 or more")

    @classmethod
    def of_scheduler(cls, config: Mapping[str, Any]) -> Self:
        """The schedule in a diffusers scheduler's configuration; which sampler it was is no matter.

        Raises:
            ValueError: If it is of another family, or has what cannot be sampled with here.
        """
        if config.get("trained_betas") is not None:
            raise ValueError("the scheduler lists its betas one by one (trained_betas)")
        if config.get("rescale_betas_zero_snr"):
            raise ValueError(
                "the scheduler begins without any signal (rescale_betas_zero_snr), where the state "
                "of the controller is not defined"
            )
        if "beta_schedule" not in config:
            raise ValueError(
                f"a {config.get('_class_name', 'scheduler')} has no beta_schedule: a flow, or no "
                "variance-preserving diffusion"
            )
        fields = {name: config[name] for name in cls.__dataclass_fields__ if name in config}
        return cls(**fields)

    @property
    def record(self) -> dict[str, Any]:
        """All fields as plain values; ``NoiseSchedule(**record)`` is the same again."""
        return asdict(self)


FITTED_SCHEDULE = NoiseSchedule()
"""Of all denoisers that are fitted here (squared cosine, arXiv 2102.09672)."""
