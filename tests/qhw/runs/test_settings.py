"""A setting that is accepted does something: each field of the configuration, one by one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import BaseModel

from qhw.commands.train import describe
from qhw.config import RunConfig, merge, parse_config
from qhw.errors import ConfigError, UnknownNameError
from qhw.training.trainer import Trainer

SMALL: dict[str, Any] = {
    "backend": {"name": "aer"},
    "environment": {"steps": 3},
    "ppo": {"updates": 3, "environments": 4, "epochs": 1, "minibatches": 2},
}
NOISY: dict[str, Any] = merge(SMALL, {"backend": {"name": "aer_noisy"}})
COHERENT: dict[str, Any] = merge(NOISY, {"backend": {"zz_angle": 0.3}})
PRUNED: dict[str, Any] = merge(SMALL, {"gradient": {"rule": "pruned"}})
COMPUTED: dict[str, Any] = merge(NOISY, {"gradient": {"rule": "model"}})
MODEL: dict[str, Any] = merge(
    COMPUTED,
    {
        "backend": {"zz_angle": 2.0},
        "gradient": {"canary": {"cosine": 1.0, "below": "tell"}},
    },
)
SPSA: dict[str, Any] = merge(SMALL, {"gradient": {"rule": "spsa"}})
BASED: dict[str, Any] = merge(SMALL, {"environment": {"cfg_base": 2.5}})
LOW: dict[str, Any] = merge(SMALL, {"environment": {"cfg_base": 1.2}})
PAYING: dict[str, Any] = merge(SMALL, {"environment": {"reward": {"lambda_act": 0.1}}})
GAINING: dict[str, Any] = merge(SMALL, {"environment": {"reward": {"beta": 0.2}}})
VARYING: dict[str, Any] = merge(SMALL, {"environment": {"reward": {"lambda_tv": 0.5}}})

CHANGES: list[tuple[str, Any, dict[str, Any]]] = [
    ("seed", 1, SMALL),
    ("actor.kind", "mlp", {k: v for k, v in SMALL.items() if k != "backend"}),
    ("actor.sigma", "state", SMALL),
    ("actor.circuit.qubits", 3, SMALL),
    ("actor.circuit.depth", 1, SMALL),
    ("actor.circuit.encoding", "reupload", SMALL),
    ("actor.circuit.entanglement", "line", SMALL),
    ("actor.head", "8", SMALL),
    ("backend.name", "aer_noisy", SMALL),
    ("backend.device", "fake_fez", NOISY),
    ("backend.noise_scale", 2.0, NOISY),
    ("backend.idle", "off", NOISY),
    ("backend.zz_angle", 0.1, NOISY),
    ("backend.over_rotation", 0.1, NOISY),
    ("backend.twirl", "pauli", COHERENT),
    ("backend.shots", 100, SMALL),
    ("backend.mitigation", "readout", NOISY),
    ("backend.engine", "aer", SMALL),
    ("gradient.rule", ("pruned", "frozen"), SMALL),
    ("gradient.pruned_fraction", 0.5, PRUNED),
    ("gradient.spsa_step", 0.3, SPSA),
    ("gradient.canary.every", 0, COMPUTED),
    ("gradient.canary.transitions", 2, MODEL),
    ("gradient.canary.cosine", 0.01, MODEL),
    ("gradient.canary.below", "shift", MODEL),
    ("environment.steps", 4, SMALL),
    ("environment.solver", "ddim", SMALL),
    ("environment.cfg_base", 4.0, SMALL),
    ("environment.guidance_min", 2.4, BASED),
    ("environment.guidance_max", 2.6, BASED),
    ("environment.previous_action", "asked", LOW),
    ("environment.reward.preset", "paper", SMALL),
    ("environment.reward.alpha", 2.0, SMALL),
    ("environment.reward.beta", 0.5, SMALL),
    ("environment.reward.log_cap", 0.01, SMALL),
    ("environment.reward.step_gain", "ssim", GAINING),
    ("environment.reward.lambda_act", 0.1, SMALL),
    ("environment.reward.lambda_act_mode", "step", PAYING),
    ("environment.reward.lambda_guidance", 0.3, SMALL),
    ("environment.reward.guidance_price", ("abs", "square"), SMALL),
    ("environment.reward.guidance_center", 1.7, SMALL),
    ("environment.reward.lambda_tv", 0.5, SMALL),
    ("environment.reward.lambda_tv_mode", "step", VARYING),
    ("environment.reward.realism", 0.5, SMALL),
    ("state.features", ["confidence", "time", "margin"], SMALL),
    ("ppo.environments", 5, SMALL),
    ("ppo.group", 2, SMALL),
    ("ppo.epochs", 2, SMALL),
    ("ppo.minibatches", 3, SMALL),
    ("ppo.gamma", 0.5, SMALL),
    ("ppo.gae_lambda", 0.1, SMALL),
    ("ppo.clip", 1e-5, SMALL),
    ("ppo.entropy", 0.5, SMALL),
    ("ppo.value_coefficient", 0.001, SMALL),
    ("ppo.max_gradient_norm", 0.001, SMALL),
    ("ppo.actor_rate", 0.05, SMALL),
    ("ppo.critic_rate", 0.05, SMALL),
    ("ppo.final_rate_fraction", 0.9, SMALL),
]
ELSEWHERE = {
    "defaults": "test_config.test_settings_without_a_version_are_of_this_one_and_...",
    "ppo.updates": "how many records there are",
    "torch_device": "test_a_missing_gpu_is_refused",
    "environment.batch": "commands/test_models_calibrate.test_a_batch_of_its_own_...",
    "environment.precision": "training/test_precision.test_pictures_change_with_...",
    "environment.bundle": "test_an_unknown_bundle_is_refused",
    "evaluation.latents": "the size of evaluation.json's latents",
    "evaluation.bootstrap": "the width of its intervals",
    "start_from": "test_device_training.test_fine_tuning_starts_from_another_runs_weights",
    "hardware.mode": "jobs/test_ibm.test_each_mode_gives_the_noise_models_values",
    "hardware.readout_errors": "jobs/test_work.test_measured_readout_errors_take_one_job_...",
    "hardware.max_qpu_seconds": "jobs/test_work.test_a_budget_stops_before_the_submission_...",
    "hardware.max_jobs": "test_device_training.test_a_budget_ends_a_training_...",
    "hardware.max_cost": "jobs/test_work.test_a_limit_in_dollars_counts_at_the_given_price",
    "hardware.price": "jobs/test_work.test_a_limit_in_dollars_counts_at_the_given_price",
    "hardware.on_drift": "jobs/test_drift.test_each_setting_does_what_it_says",
    "hardware.job_wait": "jobs/test_work.test_a_job_that_would_wait_for_ever_is_reported_in_time",
}


def leaves(model: type[BaseModel], prefix: str = "") -> set[str]:
    names = set()
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            names |= leaves(kind, f"{prefix}{name}.")
        else:
            names.add(f"{prefix}{name}")
    return names


def nested(path: str, value: Any) -> dict[str, Any]:
    head, _, rest = path.partition(".")
    return {head: nested(rest, value) if rest else value}


def outcome(values: dict[str, Any]) -> dict[str, Any]:
    """What two updates come to, and what they were made with."""
    torch.set_num_threads(1)
    trainer = Trainer(parse_config(values))
    records = [trainer.advance() for _ in range(2)]
    for record in records:
        del record["seconds"], record["cost"]
    weights = [float(p.detach().double().sum()) for p in trainer.actor.parameters()]
    critic = [float(p.detach().double().sum()) for p in trainer.critic.parameters()]
    facts = {k: v for k, v in describe(trainer).items() if k != "settings"}
    return {"records": records, "weights": weights, "critic": critic, "facts": facts}


def test_every_field_is_covered() -> None:
    assert {path for path, _, _ in CHANGES} | set(ELSEWHERE) == leaves(RunConfig)


@pytest.mark.parametrize(("path", "value", "base"), CHANGES, ids=[c[0] for c in CHANGES])
def test_the_field_changes_something(path: str, value: Any, base: dict[str, Any]) -> None:
    if isinstance(value, tuple):
        one, other = (merge(base, nested(path, each)) for each in value)
    else:
        one, other = base, merge(base, nested(path, value))
    assert outcome(one) != outcome(other)


def test_the_same_settings_give_the_same() -> None:
    assert outcome(SMALL) == outcome(SMALL)


def test_an_unknown_bundle_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="fashion-mnist"):
        Trainer(parse_config({"environment": {"bundle": "fashion-mnst"}}))


def test_a_base_outside_the_range_is_refused() -> None:
    settings = merge(SMALL, {"environment": {"cfg_base": 5.0, "guidance_max": 4.0}})
    with pytest.raises(ConfigError, match=r"cfg_base is 5\.0: choose it inside"):
        Trainer(parse_config(settings))


def test_a_missing_gpu_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="sees no GPU"):
        Trainer(parse_config({"torch_device": "cuda"}))
