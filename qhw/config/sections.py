"""What a run is: typed settings, table by table.

An unknown key is refused, and so is a key that the chosen actor or backend would not use: a
setting that is accepted does something.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from calibration import Idle, Twirl
from diffusion.state_features import PAPER_FEATURES, check_features
from qhw.known import DeviceName


def unset(meaning: str) -> Any:
    """Say what holds where a setting that has no value by default is left out."""
    return Field(json_schema_extra={"unset": meaning})


Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Shots = Annotated[int, Field(ge=1, le=10_000_000)]
MOST_NOISE = 100.0
"""At a hundred times a device's errors every gate and every read-out of today's is past its limit,
where nothing is left to lose."""
LARGEST_SEED = 2**32 - 1
"""What every generator takes, and what is derived from it."""
Angle = Annotated[float, Field(ge=-math.pi, le=math.pi)]
Engine = Literal["auto", "aer", "compiled"]
NOISE_SETTINGS = {"device", "noise_scale", "idle", "zz_angle", "over_rotation", "twirl"}
"""What `aer_noisy` alone takes: a noiseless backend has none of it, a device has its own."""
MethodName = Literal["none", "readout", "affine", "zne", "native"]
"""How errors of a device are mitigated; see `qhw.backends.mitigation`."""
ZNE_SCALES = (1, 3)
"""Noise scales that `zne` extrapolates from, as multiples of the circuit's own gates."""
AFFINE_CIRCUITS, PROBE_CIRCUITS, READOUT_CIRCUITS = 32, 8, 2
"""What mitigation measures for its own sake: to fit an affine map, to see whether a kept one still
holds, and to measure read-out errors instead of taking the published ones."""
CALIBRATION_SHOTS = 4096
"""Of each of these circuits."""
NO_LIMIT = unset("none; ibm_* needs one limit")
OF_BUNDLE = unset("as the bundle's card or the preset says")
RING_HEAD, MLP_HEAD, NO_HEAD = "64-32", "128-64", "none"
"""Hidden layers after a circuit and of a classical network, as in the paper; and no layer."""
DEEPEST_HEAD, WIDEST_HEAD = 4, 4096
OnDrift = Literal["warn", "refit", "stop"]
"""What a run on a device does when the device is recalibrated; see `qhw.devices.drift`."""


class Section(BaseModel):
    """A frozen table of the configuration that refuses unknown keys.

    The line below a setting is its description wherever one is shown, on the command line too.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        defer_build=True,
    )


class CircuitConfig(Section):
    """The ansatz (paper, section 3); see `policy.RingCircuit`."""

    qubits: Annotated[int, Field(ge=1, le=12)] = 4
    """Qubits of the circuit."""
    depth: Annotated[int, Field(ge=1, le=12)] = 2
    """Layers of the circuit."""
    encoding: Literal["dense", "paper", "linear", "reupload"] = "dense"
    """How the state's features become angles."""
    entanglement: Literal["ring", "line", "full", "none"] = "ring"
    """Which pairs of qubits are entangled."""


class ActorConfig(Section):
    """The controller: the ring circuit, or a classical network for comparison."""

    kind: Literal["ring", "mlp", "mlp_matched"] = "ring"
    """What chooses the guidance, the circuit or a classical network."""
    circuit: CircuitConfig = Field(default_factory=CircuitConfig)
    """The circuit of the actor `ring`."""
    sigma: Literal["state", "shared"] = "shared"
    """Whether the spread of actions depends on the state, as in the paper, or is one number."""
    head: Annotated[str | None, unset("64-32 after a circuit, 128-64 of an mlp")] = None
    """Widths of the hidden layers, such as 64-32; none is a linear layer alone."""

    @field_validator("head")
    @classmethod
    def _head_is_widths(cls, head: str | None) -> str | None:
        if head is None:
            return None
        return "-".join(map(str, widths_of(head))) or NO_HEAD

    @model_validator(mode="after")
    def _settings_are_used(self) -> Self:
        if self.kind != "ring" and "circuit" in self.model_fields_set:
            raise ValueError(f"actor.circuit does not apply to kind {self.kind!r}; remove it")
        if self.kind == "mlp_matched" and self.head is not None:
            raise ValueError(
                f"actor.head = {self.head!r} does not apply to kind 'mlp_matched', whose size "
                "follows from the ring's: take 'mlp'"
            )
        return self

    @property
    def hidden(self) -> tuple[int, ...]:
        """Widths of the hidden layers of kinds `ring` and `mlp`; the default's are the paper's."""
        usual = {"ring": RING_HEAD, "mlp": MLP_HEAD}.get(self.kind, NO_HEAD)
        return widths_of(self.head or usual)


def widths_of(head: str) -> tuple[int, ...]:
    """The numbers in `64-32`; none in `none`.

    Raises:
        ValueError: If it is neither, or a width is out of range.
    """
    if head == NO_HEAD:
        return ()
    plain = (width.isascii() and width.isdecimal() for width in head.split("-"))
    widths = tuple(map(int, head.split("-"))) if all(plain) else (0,)
    if len(widths) > DEEPEST_HEAD or not all(1 <= width <= WIDEST_HEAD for width in widths):
        raise ValueError(
            f"{head!r} is no row of widths: type up to {DEEPEST_HEAD} numbers from 1 to "
            f"{WIDEST_HEAD}, such as {RING_HEAD}, or {NO_HEAD}"
        )
    return widths


class BackendConfig(Section):
    """Where <Z> comes from."""

    name: str = "aer_noisy"
    """Where the circuit is evaluated: aer, aer_noisy, fake_* or ibm_*."""
    device: str = "fake_brisbane"
    """Quantum device whose noise aer_noisy takes."""
    noise_scale: Annotated[float, Field(ge=0, le=MOST_NOISE)] = 1.0
    """Multiplies the device's errors."""
    shots: Annotated[Shots | None, unset("exact; 1024 on a device")] = None
    """Shots of each circuit."""
    engine: Engine = "auto"
    """How noise is simulated."""
    idle: Idle = "alap"
    """Whether waiting qubits decay: as circuits are scheduled as late as possible, or not."""
    zz_angle: Angle = 0.0
    """Coherent error assumed after each two-qubit gate: a ZZ rotation by this angle, in rad."""
    over_rotation: Angle = 0.0
    """Coherent error assumed after each sx: a further rotation about x, in rad."""
    twirl: Twirl = "off"
    """Whether the assumed coherent errors are averaged over Paulis."""
    mitigation: Annotated[
        MethodName | None, unset("none on simulators; affine or readout on a device")
    ] = None
    """How errors of the device are mitigated."""

    @property
    def takes_jobs(self) -> bool:
        """Whether it is a device, live or standing in for one."""
        return DeviceName(self.name).takes_jobs

    @model_validator(mode="after")
    def _noise_settings_are_used(self) -> Self:
        simulated = self.model_fields_set & {"engine", *NOISE_SETTINGS}
        if self.takes_jobs and simulated:
            raise ValueError(
                f"backend.{', backend.'.join(sorted(simulated))} applies to simulators; "
                f"{self.name!r} is a device of its own: remove it, or take 'aer_noisy'"
            )
        unused = self.model_fields_set & NOISE_SETTINGS
        if self.name == "aer" and unused:
            raise ValueError(
                f"backend.{', backend.'.join(sorted(unused))} does not apply to the noiseless "
                "backend 'aer'; remove it or take 'aer_noisy'"
            )
        return self

    @model_validator(mode="after")
    def _twirl_has_something_to_average(self) -> Self:
        if self.twirl != "off" and not (self.zz_angle or self.over_rotation):
            raise ValueError(
                "backend.twirl averages assumed coherent errors, and there are none; remove it or "
                "set backend.zz_angle or backend.over_rotation"
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
    """How jobs are grouped on the platform."""
    readout_errors: Literal["published", "measured"] = "published"
    """Read-out errors that mitigation readout and zne correct."""
    max_qpu_seconds: Annotated[Positive | None, NO_LIMIT] = None
    """QPU seconds that may be spent."""
    max_jobs: Annotated[Count | None, NO_LIMIT] = None
    """Jobs that may be sent."""
    max_cost: Annotated[Positive | None, NO_LIMIT] = None
    """Dollars that may be spent."""
    price: Positive = 1.60
    """Dollars per QPU second."""
    job_wait: Positive = 4 * 3600.0
    """Seconds that a job may take, queue included."""
    on_drift: OnDrift = "warn"
    """When the device is recalibrated; warn probes an affine map by 8 circuits."""


class CanaryConfig(Section):
    """How rule `model` is watched: a few transitions are differentiated by measuring, too."""

    every: Annotated[int, Field(ge=0)] = 10
    """Updates from one canary to the next, 0 for none; the first is at the first gradient."""
    transitions: Count = 4
    """Transitions that a canary measures, each with 2 circuits for every weight."""
    cosine: Annotated[float, Field(gt=0, le=1)] = 0.8
    """Least cosine of modelled and measured gradient; the interval must not lie below it whole."""
    below: Literal["stop", "shift", "tell"] = "stop"
    """What is done below it: stop, go on with rule `shift`, or tell it alone."""

    @model_validator(mode="after")
    def _options_are_used(self) -> Self:
        unused = sorted(self.model_fields_set - {"every"})
        if self.every == 0 and unused:
            raise ValueError(
                f"gradient.canary.{unused[0]} does nothing: gradient.canary.every is 0"
            )
        return self


class GradientConfig(Section):
    """How the circuit's gradient is measured."""

    rule: Literal["shift", "adjoint", "pruned", "spsa", "model", "frozen"] = "shift"
    """How the circuit's gradient is measured."""
    pruned_fraction: Share = 0.125
    """Share of the weights that rule `pruned` measures, drawn anew each time."""
    spsa_step: Positive = 0.1
    """Step of rule `spsa` along its random signs, in rad; at 0.1, 32 weights come 6 % short."""
    canary: CanaryConfig = Field(default_factory=CanaryConfig)
    """How rule `model` is watched."""

    @model_validator(mode="after")
    def _options_are_used(self) -> Self:
        of = (("pruned_fraction", "pruned"), ("spsa_step", "spsa"), ("canary", "model"))
        for option, rule in of:
            if option in self.model_fields_set and self.rule != rule:
                raise ValueError(
                    f"gradient.{option} applies to rule {rule!r} only, not to {self.rule!r}"
                )
        return self


class RewardSection(Section):
    """Weights of the reward; see `diffusion.rewards.RewardConfig` for the formula."""

    preset: Literal["bundle", "paper", "realism"] = "bundle"
    """What stands where no weight is given: the bundle's card, the paper, or realism's price."""
    alpha: Annotated[NonNegative | None, OF_BUNDLE] = None
    """Weight of the final picture's log-probability of its class, in nats."""
    beta: Annotated[NonNegative | None, OF_BUNDLE] = None
    """Weight of what each step gains."""
    log_cap: Annotated[Share | None, OF_BUNDLE] = None
    """Probability above which more certainty is not rewarded; 1 is no cap."""
    step_gain: Annotated[Literal["confidence", "lpips", "ssim"] | None, OF_BUNDLE] = None
    """What a step can gain."""
    lambda_act: Annotated[NonNegative | None, OF_BUNDLE] = None
    """Weight of the squared action."""
    lambda_act_mode: Annotated[Literal["mean", "step"] | None, OF_BUNDLE] = None
    """Whether the mean action is charged, or every step's in full."""
    lambda_guidance: Annotated[NonNegative | None, OF_BUNDLE] = None
    """Weight of the guidance's mean price."""
    guidance_price: Annotated[Literal["abs", "square"] | None, OF_BUNDLE] = None
    """How the price grows with the distance from `guidance_center`."""
    guidance_center: Annotated[float | None, OF_BUNDLE] = None
    """Guidance that costs nothing."""
    lambda_tv: Annotated[NonNegative | None, OF_BUNDLE] = None
    """Weight of the pictures' total variation."""
    lambda_tv_mode: Annotated[Literal["end", "step"] | None, OF_BUNDLE] = None
    """Whether the final picture is charged, or every predicted one, as in the paper."""
    realism: Annotated[NonNegative | None, OF_BUNDLE] = None
    """Weight of the final picture's log density ratio, real against generated, in nats."""


class EnvironmentConfig(Section):
    """The diffusion sampler as the policy sees it."""

    bundle: str = "fashion-mnist"
    """Model bundle: a name that ships with the package, a folder, or a card in one."""
    steps: Annotated[int, Field(ge=2, le=1000)] = 10
    """Sampling steps of a picture."""
    solver: Annotated[
        Literal["ddim", "ddim-trailing", "dpmsolver++"] | None, unset("as the bundle's card says")
    ] = None
    """How a sampling step is taken, and which noise levels are visited."""
    batch: Annotated[Count | None, unset("as the bundle's card says")] = None
    """Pictures of a text-prompted model in one forward; others are made in one."""
    precision: Annotated[
        Literal["fp32", "bf16"] | None,
        unset("as the bundle's card says, fp32 where bf16 is not computed with"),
    ] = None
    """What the denoiser computes with; a text-prompted model has its own."""
    cfg_base: Annotated[Positive | None, OF_BUNDLE] = None
    """Guidance that the action is added to."""
    guidance_min: NonNegative = 1.0
    """Weakest guidance."""
    guidance_max: Positive = 12.0
    """Strongest guidance."""
    previous_action: Literal["applied", "asked"] = "applied"
    """What the state holds of it: what was applied, or what was asked for, as in 0.1."""
    reward: RewardSection = Field(default_factory=RewardSection)
    """The reward's weights."""

    @model_validator(mode="after")
    def _range_is_ordered(self) -> Self:
        if self.guidance_min >= self.guidance_max:
            raise ValueError(
                f"guidance_min = {self.guidance_min} must lie below "
                f"guidance_max = {self.guidance_max}"
            )
        return self


class StateSection(Section):
    """What the policy is told of every image; see `diffusion.state_features`."""

    features: tuple[str, ...] = PAPER_FEATURES
    """Columns of the state, in their order; the paper's six unless others are named."""

    @field_validator("features")
    @classmethod
    def _features_are_known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        check_features(names)
        return names


class PpoSection(Section):
    """PPO settings; the defaults learn fast, `paper` in `PAPER_PPO` holds the paper's."""

    updates: Count = 120
    """PPO updates."""
    environments: Annotated[int, Field(ge=1, le=4096)] = 100
    """Trajectories in lockstep."""
    group: Annotated[Count | None, unset("the largest divisor of environments up to 5")] = None
    """Trajectories of one latent, whose mean advantage is subtracted; 1 for none."""
    epochs: Annotated[int, Field(ge=1, le=100)] = 6
    """Passes over every rollout."""
    minibatches: Count = 4
    """Parts of a rollout that are learned from one after the other."""
    gamma: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Discount of later rewards; 1 learns what is reported, the undiscounted return."""
    gae_lambda: Annotated[float, Field(ge=0, le=1)] = 0.95
    """Trace decay of the advantages."""
    clip: Annotated[float, Field(gt=0, lt=1)] = 0.15
    """Largest change of the probability ratio that still counts."""
    entropy: NonNegative = 0.005
    """Weight of the entropy bonus."""
    value_coefficient: Positive = 0.5
    """Weight of the critic's loss."""
    max_gradient_norm: Positive = 0.5
    """Norm at which gradients are clipped."""
    actor_rate: Share = 2e-3
    """Learning rate of the actor."""
    critic_rate: Share = 3e-3
    """Learning rate of the critic."""
    final_rate_fraction: Share = 0.2
    """Share of both learning rates that is left at the last update."""

    @property
    def group_size(self) -> int:
        """Trajectories of one latent, as configured or as many as divide the others, up to 5."""
        if self.group is not None:
            return self.group
        return max(size for size in range(1, 6) if self.environments % size == 0)

    @model_validator(mode="after")
    def _groups_are_whole(self) -> Self:
        if self.environments % self.group_size:
            raise ValueError(
                f"ppo.group = {self.group}: {self.environments} trajectories in lockstep are not "
                f"whole groups of {self.group}; take a divisor of {self.environments}"
            )
        return self


class EvaluationConfig(Section):
    """Paired evaluation: every arm on the same latents and labels."""

    latents: Annotated[int, Field(ge=20)] = 500
    """Paired latents of the evaluation; 20 on a device unless it is given."""
    bootstrap: Annotated[int, Field(ge=100)] = 2000
    """Resamples behind an interval."""


class RunConfig(Section):
    """Everything that defines a training run."""

    defaults: Literal["0.1", "0.2"] = "0.2"
    """Version whose defaults stand where nothing is set."""
    seed: Annotated[int, Field(ge=0, le=LARGEST_SEED)] = 0
    """Seed of everything random."""
    torch_device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where pictures are made."""
    actor: ActorConfig = Field(default_factory=ActorConfig)
    """What chooses the guidance."""
    backend: BackendConfig = Field(default_factory=BackendConfig)
    """Where the circuit is evaluated."""
    gradient: GradientConfig = Field(default_factory=GradientConfig)
    """How the circuit learns."""
    hardware: HardwareConfig = Field(default_factory=HardwareConfig)
    """How a device is used, and what may be spent."""
    start_from: Annotated[str | None, unset("fresh weights")] = None
    """Run whose weights are the start."""
    environment: EnvironmentConfig = Field(default_factory=EnvironmentConfig)
    """What is steered."""
    state: StateSection = Field(default_factory=StateSection)
    """What the policy sees of it."""
    ppo: PpoSection = Field(default_factory=PpoSection)
    """How the policy learns."""
    evaluation: EvaluationConfig = Field(default_factory=EvaluationConfig)
    """How it is judged."""

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
    def _features_have_slots(self) -> Self:
        circuit, count = self.actor.circuit, len(self.state.features)
        dense = self.actor.kind == "ring" and circuit.encoding in {"dense", "reupload"}
        if dense and 2 * circuit.qubits < count:
            raise ValueError(
                f"actor.circuit.encoding {circuit.encoding!r} needs 2 x qubits >= {count} slots "
                f"for the {count} features of the state; qubits = {circuit.qubits} gives "
                f"{2 * circuit.qubits}. Take {math.ceil(count / 2)} qubits or more, encoding "
                "'linear', or fewer state.features"
            )
        return self

    @model_validator(mode="after")
    def _minibatches_have_transitions(self) -> Self:
        episodes, steps = self.ppo.environments, self.environment.steps
        if self.ppo.minibatches > episodes * steps:
            raise ValueError(
                f"ppo.minibatches = {self.ppo.minibatches}: a rollout of {episodes} episodes x "
                f"{steps} steps has {episodes * steps} transitions; take at most as many, or more "
                "--environments"
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
                "device take 'shift', 'pruned', 'spsa', 'model' or 'frozen'"
            )
        if self.gradient.rule == "model" and self.backend.name == "aer":
            raise ValueError(
                "gradient.rule = 'model' computes the gradient of a device's noise model, and "
                "'aer' has no noise: take 'adjoint', which is exact there"
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
