"""What a run is: typed settings, read from and written to TOML.

An unknown key is refused, and so is a key that the chosen actor or backend would not use: a
setting that is accepted does something.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from qhw.errors import ConfigError
from qhw.known import DeviceName

Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
OnDrift = Literal["warn", "refit", "stop"]
"""What a run on a device does when the device is recalibrated; see `qhw.devices.drift`."""


class Section(BaseModel):
    """A frozen table of the configuration that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CircuitConfig(Section):
    """The ansatz (paper, section 3); see `policy.RingCircuit`."""

    qubits: Annotated[int, Field(ge=1, le=12)] = 4
    depth: Annotated[int, Field(ge=1, le=12)] = 2
    encoding: Literal["dense", "paper", "linear", "reupload"] = "dense"
    entanglement: Literal["ring", "line", "full", "none"] = "ring"

    @model_validator(mode="after")
    def _all_features_fit(self) -> Self:
        if self.encoding in {"dense", "reupload"} and 2 * self.qubits < 6:
            raise ValueError(
                f"encoding {self.encoding!r} needs 2 x qubits >= 6 slots for the six state "
                f"features; qubits = {self.qubits} gives {2 * self.qubits}"
            )
        return self


class ActorConfig(Section):
    """The controller: the ring circuit, or a classical network for comparison."""

    kind: Literal["ring", "mlp", "mlp_matched"] = "ring"
    circuit: CircuitConfig = CircuitConfig()

    @model_validator(mode="after")
    def _circuit_is_used(self) -> Self:
        if self.kind != "ring" and "circuit" in self.model_fields_set:
            raise ValueError(f"actor.circuit does not apply to kind {self.kind!r}; remove it")
        return self


class BackendConfig(Section):
    """Where <Z> comes from.

    `mitigation = None` takes the backend's own default: none on simulators.
    """

    name: str = "aer_noisy"
    device: str = "fake_brisbane"
    noise_scale: NonNegative = 1.0
    shots: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    engine: Literal["auto", "aer", "compiled"] = "auto"
    mitigation: Literal["none", "readout", "affine", "zne", "native"] | None = None

    @property
    def takes_jobs(self) -> bool:
        """Whether it is a device, live or standing in for one."""
        return DeviceName(self.name).takes_jobs

    @model_validator(mode="after")
    def _noise_settings_are_used(self) -> Self:
        simulated = self.model_fields_set & {"device", "noise_scale", "engine"}
        if self.takes_jobs and simulated:
            raise ValueError(
                f"backend.{', backend.'.join(sorted(simulated))} applies to simulators; "
                f"{self.name!r} is a device of its own: remove it, or take 'aer_noisy'"
            )
        unused = self.model_fields_set & {"device", "noise_scale"}
        if self.name == "aer" and unused:
            raise ValueError(
                f"backend.{', backend.'.join(sorted(unused))} does not apply to the noiseless "
                "backend 'aer'; remove it or take 'aer_noisy'"
            )
        return self

    @model_validator(mode="after")
    def _mitigation_applies(self) -> Self:
        if self.name == "aer" and self.mitigation not in (None, "none"):
            raise ValueError(
                f"backend.mitigation = {self.mitigation!r} applies to noisy backends; remove it or "
                "take 'aer_noisy'"
            )
        if self.mitigation == "native" and not DeviceName(self.name).live:
            raise ValueError(
                f"backend.mitigation = 'native' is the platform's own mitigation; {self.name!r} is "
                "simulated here: take 'affine', 'readout' or 'zne', or an ibm_* device"
            )
        return self


class HardwareConfig(Section):
    """How a device is used: `ibm_*`, and `fake_*`, which takes the same path without a network."""

    mode: Literal["job", "batch", "session"] = "job"
    readout_errors: Literal["published", "measured"] = "published"
    max_qpu_seconds: Positive | None = None
    max_jobs: Annotated[int, Field(ge=1)] | None = None
    max_cost: Positive | None = None
    price: Positive = 1.60
    job_wait: Positive = 4 * 3600.0
    on_drift: OnDrift = "warn"


class GradientConfig(Section):
    """How the circuit's gradient is measured."""

    rule: Literal["shift", "adjoint", "pruned", "spsa", "frozen"] = "shift"
    pruned_fraction: Annotated[float, Field(gt=0, le=1)] = 0.125
    spsa_step: Positive = 0.1

    @model_validator(mode="after")
    def _options_are_used(self) -> Self:
        for option, rule in (("pruned_fraction", "pruned"), ("spsa_step", "spsa")):
            if option in self.model_fields_set and self.rule != rule:
                raise ValueError(
                    f"gradient.{option} applies to rule {rule!r} only, not to {self.rule!r}"
                )
        return self


class RewardSection(Section):
    """Weights of the reward; see `diffusion.rewards.RewardConfig` for the formula.

    A `None` takes what the model bundle's card (or the preset) says; `log_cap = 1` is no cap.
    """

    preset: Literal["bundle", "paper"] = "bundle"
    alpha: NonNegative | None = None
    beta: NonNegative | None = None
    log_cap: Annotated[float, Field(gt=0, le=1)] | None = None
    step_gain: Literal["confidence", "lpips", "ssim"] | None = None
    lambda_act: NonNegative | None = None
    lambda_act_mode: Literal["mean", "step"] | None = None
    lambda_guidance: NonNegative | None = None
    guidance_price: Literal["abs", "square"] | None = None
    guidance_center: float | None = None
    lambda_tv: NonNegative | None = None


class EnvironmentConfig(Section):
    """The diffusion sampler as the policy sees it."""

    bundle: str = "fashion-mnist"
    steps: Annotated[int, Field(ge=2, le=1000)] = 10
    cfg_base: Positive | None = None
    guidance_min: NonNegative = 1.0
    guidance_max: Positive = 12.0
    reward: RewardSection = RewardSection()

    @model_validator(mode="after")
    def _range_is_ordered(self) -> Self:
        if self.guidance_min >= self.guidance_max:
            raise ValueError(
                f"guidance_min = {self.guidance_min} must lie below "
                f"guidance_max = {self.guidance_max}"
            )
        return self


class PpoSection(Section):
    """PPO settings; the defaults learn fast, `paper` in `PAPER_PPO` holds the paper's."""

    updates: Annotated[int, Field(ge=1)] = 60
    environments: Annotated[int, Field(ge=1, le=4096)] = 100
    epochs: Annotated[int, Field(ge=1, le=100)] = 6
    minibatches: Annotated[int, Field(ge=1)] = 4
    gamma: Annotated[float, Field(ge=0, le=1)] = 0.995
    gae_lambda: Annotated[float, Field(ge=0, le=1)] = 0.95
    clip: Positive = 0.15
    entropy: NonNegative = 0.005
    value_coefficient: Positive = 0.5
    max_gradient_norm: Positive = 0.5
    actor_rate: Positive = 2e-3
    critic_rate: Positive = 3e-3
    final_rate_fraction: Annotated[float, Field(gt=0, le=1)] = 0.2


class EvaluationConfig(Section):
    """Paired evaluation: every arm on the same latents and labels."""

    latents: Annotated[int, Field(ge=20)] = 500
    bootstrap: Annotated[int, Field(ge=100)] = 2000


class RunConfig(Section):
    """Everything that defines a training run."""

    seed: Annotated[int, Field(ge=0)] = 0
    torch_device: Literal["auto", "cpu", "cuda"] = "auto"
    actor: ActorConfig = ActorConfig()
    backend: BackendConfig = BackendConfig()
    gradient: GradientConfig = GradientConfig()
    hardware: HardwareConfig = HardwareConfig()
    start_from: str | None = None
    environment: EnvironmentConfig = EnvironmentConfig()
    ppo: PpoSection = PpoSection()
    evaluation: EvaluationConfig = EvaluationConfig()

    @model_validator(mode="after")
    def _quantum_settings_are_used(self) -> Self:
        unused = self.model_fields_set & {"backend", "gradient", "hardware"}
        if self.actor.kind != "ring" and unused:
            raise ValueError(
                f"{', '.join(sorted(unused))} does not apply to the classical actor "
                f"{self.actor.kind!r}; remove it"
            )
        return self

    @model_validator(mode="after")
    def _refitting_has_something_to_fit(self) -> Self:
        if self.hardware.on_drift == "refit" and self.backend.mitigation in ("none", "native"):
            raise ValueError(
                "hardware.on_drift = 'refit' fits mitigation affine, readout or zne anew, and "
                f"{self.backend.mitigation!r} has nothing to fit: take 'warn' or 'stop'"
            )
        return self

    @model_validator(mode="after")
    def _hardware_settings_are_used(self) -> Self:
        if "hardware" in self.model_fields_set and not self.backend.takes_jobs:
            raise ValueError(
                f"hardware.{', hardware.'.join(sorted(self.hardware.model_fields_set))} applies to "
                f"devices (fake_*, ibm_*), not to the simulator {self.backend.name!r}; remove it"
            )
        if self.backend.takes_jobs and self.gradient.rule == "adjoint":
            raise ValueError(
                "gradient.rule = 'adjoint' needs a simulator that differentiates itself; on a "
                "device take 'shift', 'pruned', 'spsa' or 'frozen'"
            )
        if self.hardware.readout_errors == "measured" and self.backend.mitigation not in (
            "readout",
            "zne",
        ):
            raise ValueError(
                "hardware.readout_errors = 'measured' is used by mitigation 'readout' and 'zne', "
                f"not by {self.backend.mitigation!r}; choose one of them or remove it"
            )
        return self


PAPER_PPO: dict[str, Any] = {
    "environments": 8,
    "epochs": 4,
    "clip": 0.1,
    "entropy": 0.01,
    "actor_rate": 1e-4,
    "critic_rate": 1e-3,
    "final_rate_fraction": 1.0,
    "minibatches": 50,
}
"""The paper's PPO settings (section 4); 8 environments x 50 steps, minibatches of 8."""

PRESETS: dict[str, dict[str, Any]] = {
    "default": {},
    "paper": {
        "ppo": PAPER_PPO,
        "environment": {"cfg_base": 5.0, "steps": 50, "reward": {"preset": "paper"}},
    },
}


def parse_config(values: dict[str, Any]) -> RunConfig:
    """Validate settings.

    Raises:
        ConfigError: Naming each field, its value and the range it must lie in.
    """
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_describe(error), "`qhw train --help` lists the options.") from error


def _describe(error: ValidationError) -> str:
    lines = []
    for item in error.errors():
        field = ".".join(str(part) for part in item["loc"]) or "settings"
        value = item["input"] if not isinstance(item["input"], (dict, BaseModel)) else None
        shown = "" if value is None else f" = {value!r}"
        told = item["msg"].removeprefix("Value error, ")
        names_itself = not item["loc"] or told.startswith(f"{field}.")
        lines.append(told if names_itself and not shown else f"{field}{shown}: {told}")
    return "\n".join(lines)


def load_config(path: Path) -> dict[str, Any]:
    """Read settings from a TOML file, not validated yet, so that options may override them.

    Raises:
        ConfigError: When the file is missing or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"There is no file {str(path)!r}.", "Check the path.") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}", "Mend that line.") from error


def dump_config(config: RunConfig) -> str:
    """Render as TOML only what was set, so that reading it back gives the same object."""
    text: str = tomli_w.dumps(config.model_dump(mode="json", exclude_unset=True, exclude_none=True))
    return text


def merge(base: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """Return `base` with `overrides` laid over it, table by table; `None` overrides nothing."""
    merged = dict(base)
    for key, value in overrides.items():
        if isinstance(value, dict):
            table = merge(merged.get(key, {}), value)
            if table:
                merged[key] = table
        elif value is not None:
            merged[key] = value
    return merged
