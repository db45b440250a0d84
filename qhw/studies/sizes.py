"""How much a report measures: every number that `--full` changes, and those that tests make small.

A circuit's noise is simulated in fractions of a second, and a report asks for it thousands of
times: the quick sizes make one in minutes, the full ones in an hour or more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Sizes:
    """The quick report's sizes.

    Attributes:
        latents: On which every policy is played; 500 are as many as the hand-made guidance that
            comes with a model was played on.
        states: Visited ones, one of each latent's episode.
        repeats: Measurements of every feature that has shots.
        shots: Of features and gradients per evaluation; None for exact values.
        other_devices: The one that is measured beside the report's: the first that is another.
        task_shots: Per circuit, with which the task is played.
        part_latents: On which the device's noise is played kind by kind.
        severities: That every kind of noise is multiplied by, alone; the first is 1.
        severe_returns: Whether severities above 1 are played, and not only seen in the features.
        gradient_depths: Of circuits with random weights.
        gradient_qubits: Of circuits with random weights, as deep as the trained one.
        gradient_draws: Minibatches, advantages and random weights of every depth.
        gradient_repeats: Measurements of every draw's gradient, where there are shots.
        plateau_qubits: Whose gradients' variances are compared.
        plateau_depths: Likewise, at `plateau_width` qubits.
        plateau_width: Qubits of the comparison by depth.
        plateau_layers: Depths of the comparison by qubits.
        plateau_draws: Random weight sets of every size.
        plateau_all_draws: Likewise, where every output and weight is looked at.
        devices_per_family: That a controller is carried over to; None for all.
        layouts: Places on a device that are compared, at most.
        layout_devices: On which they are, the report's first; None for all.
        layout_returns: Whether those of the report's device are played, too, and not only seen in
            the features.
        dates: Kept snapshots of the report's device, the newest; None for all.
    """

    latents: int = 500
    states: int = 128
    repeats: int = 6
    shots: tuple[int | None, ...] = (64, 256, 1024, 4096, 16_384, None)
    other_devices: tuple[str, str] = ("fake_marrakesh", "fake_brisbane")
    task_shots: tuple[int, ...] = (64, 256, 1024, 4096, 16_384)
    part_latents: int = 200
    severities: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0)
    severe_returns: bool = False
    gradient_depths: tuple[int, ...] = (1, 2, 4, 8)
    gradient_qubits: tuple[int, ...] = (2, 3, 4, 5, 6)
    gradient_draws: int = 24
    gradient_repeats: int = 4
    plateau_qubits: tuple[int, ...] = (2, 4, 6, 8, 10)
    plateau_depths: tuple[int, ...] = tuple(range(1, 13))
    plateau_width: int = 4
    plateau_layers: tuple[int, ...] = (2, 6)
    plateau_draws: int = 400
    plateau_all_draws: int = 100
    devices_per_family: int | None = 3
    layouts: int = 10
    layout_devices: int | None = 3
    layout_returns: bool = False
    dates: int | None = 3

    @classmethod
    def quick(cls) -> Self:
        """What a report takes by default."""
        return cls()

    @classmethod
    def full(cls) -> Self:
        """What `--full` takes: more latents, conditions and repetitions."""
        return cls(
            latents=2000,
            states=512,
            repeats=20,
            task_shots=(64, 128, 256, 512, 1024, 2048, 4096, 8192, 16_384),
            part_latents=500,
            severe_returns=True,
            gradient_depths=(1, 2, 3, 4, 6, 8, 12),
            gradient_draws=60,
            gradient_repeats=8,
            plateau_qubits=tuple(range(2, 11)),
            plateau_draws=4000,
            plateau_all_draws=400,
            devices_per_family=None,
            layout_devices=None,
            layout_returns=True,
            dates=None,
        )
