"""The paper's comparison done right: ring against MLPs on its metrics, with seeds and pairs.

    python -m benchmarks.paper_protocol [FOLDER] [--model fashion-mnist] [--seeds 5] [--data DIR]

The paper (arXiv 2509.14163, table I) trains each actor once and compares 160 pictures, 16 of each
class, in PSNR, SSIM and LPIPS. Here each is trained with several seeds, on the same latents, and
plays the first 160 of the evaluation's; differences are paired by seed and picture, intervals 95 %
over both (`qhw.studies.statistics.bootstrap`), Holm over the family. Two settings: the bundle's
own, and the paper's reward, sampler, steps and CFG_0 (120,000 transitions and our PPO in both).

A picture is compared with the same latent's under the base guidance; where the bundle holds real
pictures, or --data names a folder of `qhw fit --dataset images`, also with the k-th real one of its
class, which has nothing in common with it: that is nearest to what the paper seems to have done.
Runs lie in FOLDER (`runs-protocol`, which git ignores), what they came to in benchmarks/outcomes.
Resumable; writes paper_protocol.json and paper_protocol.md.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.outcomes import is_kept, keep, recall
from benchmarks.seeds import NO_TABLE, Estimate, file_name, interval, trained
from benchmarks.timing import significant, write_result
from diffusion.bundle import Bundle
from diffusion.datasets import load_dataset, shrink
from diffusion.references import References
from qhw.config import PRESETS, merge, parse_config
from qhw.evaluation.judges import Judges, Outcome, evaluation_latents
from qhw.evaluation.likeness import PER_CLASS, PaperMetrics
from qhw.evaluation.playing import play_policy
from qhw.studies.statistics.bootstrap import hierarchical_bootstrap
from qhw.studies.statistics.holm import holm
from qhw.threads import for_pictures
from qhw.training.player import Player

RING = "ring"
ACTORS: dict[str, dict[str, Any]] = {
    RING: {},
    "matched MLP": {"actor": {"kind": "mlp_matched"}},
    "the paper's MLP": {"actor": {"kind": "mlp"}},
}
"""What differs in the settings, by the name in the table."""
COLUMNS: dict[str, dict[str, Any]] = {
    "ours": {},
    "theirs": {
        "environment": PRESETS["paper"]["environment"],
        "ppo": {"updates": 24, "minibatches": 20},
    },
}
"""Settings by their names; fewer updates of longer episodes are as many transitions, and
more minibatches as many gradient steps."""
HEADINGS = {
    "ours": "The bundle's settings",
    "theirs": "The paper's reward, DDIM, 50 steps, CFG_0 = 5",
}
PUBLISHED = {"PSNR (dB)": (9.65, 9.95), "SSIM": (0.044, 0.044), "LPIPS": (0.222, 0.214)}
"""The paper's table I: its MLP of 9,282 parameters, then its ring; one training each."""

FloatArray = NDArray[np.float64]
Done = Mapping[str, list[Outcome]]
"""Actor to outcomes, by seed."""


@cache
def real_pictures(data: Path, size: int, class_names: tuple[str, ...]) -> References:
    """Test pictures (M, c, size, size) of a folder, and their classes.

    Raises:
        ValueError: If its classes are not the bundle's.
    """
    loaded = shrink(load_dataset("images", data, size), size)
    if loaded.class_names != class_names:
        raise ValueError(f"{data} holds {loaded.class_names}, the bundle knows {class_names}")
    return References(loaded.test.labels, loaded.test.images)


@cache
def digest_of(data: Path) -> str:
    """Of a folder of pictures, for the name of what they led to."""
    digest = hashlib.sha256()
    for path in sorted(path for path in data.rglob("*") if path.is_file()):
        digest.update(path.relative_to(data).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:8]


def with_real_pictures(bundle: Bundle, data: Path | None) -> Bundle:
    """The bundle with real pictures to be compared with, where there is a folder of them."""
    if data is None:
        return bundle
    card = bundle.card
    real = real_pictures(data, card.denoiser["image_size"], card.class_names)
    return replace(bundle, references=real)


def outcome_of(
    folder: Path, column: str, actor: str, seed: int, model: str, data: Path | None
) -> Outcome:
    """Train an actor and play it on the paper's number of pictures, or recall what it came to."""
    changed = merge(merge(COLUMNS[column], ACTORS[actor]), {"environment": {"bundle": model}})
    settings = {**changed, "seed": seed, **NO_TABLE}
    real = "" if data is None else f" real {digest_of(data)}"
    name = file_name(f"protocol {model} {column} {actor}{real}", seed)
    if not is_kept(name):
        run = trained(folder, file_name(f"protocol {model} {column} {actor}", seed), settings)
        player = Player.of(run)
        paired = evaluation_latents(player.bundle, PER_CLASS * player.bundle.denoiser.num_classes)
        with for_pictures():
            episode = play_policy(player, paired, "protocol")
            bundle = with_real_pictures(player.bundle, data)
            likeness = PaperMetrics(bundle, player.environment, paired).measure(episode.images)
        outcome = Judges(player.bundle).judge(episode, paired.labels)
        keep(name, replace(outcome, likeness=likeness), run.config)
    return recall(name, parse_config(settings))


def values_of(outcomes: list[Outcome], measure: str) -> FloatArray:
    """(S, M) of one measure."""
    return np.stack([outcome.likeness[measure] for outcome in outcomes])


def difference(one: FloatArray, other: FloatArray) -> Estimate:
    """Mean of one minus other (S, M) each, over seeds and pictures."""
    found = hierarchical_bootstrap(one - other)
    numbers = (found.value, found.low, found.high, found.p_value)
    return Estimate(*(float(number) for number in numbers))


def compared(done: Done) -> dict[str, Any]:
    """Every measure of every actor, and what the ring's is more than the others'."""
    measures = list(done[RING][0].likeness)
    rivals = [name for name in done if name != RING]
    found = {
        (measure, rival): difference(
            values_of(done[RING], measure), values_of(done[rival], measure)
        )
        for measure in measures
        for rival in rivals
    }
    adjusted = holm([estimate.p_value for estimate in found.values()])
    return {
        "seeds": len(done[RING]),
        "means": {
            name: {
                measure: significant(float(values_of(outcomes, measure).mean()), 4)
                for measure in measures
            }
            for name, outcomes in done.items()
        },
        "ring minus": {
            f"{rival}, {measure}": {**estimate.record, "p, Holm": significant(float(p))}
            for ((measure, rival), estimate), p in zip(found.items(), adjusted, strict=True)
        },
    }


def table(result: dict[str, Any]) -> Iterator[str]:
    """Means, then differences."""
    measures = list(next(iter(result["means"].values())))
    yield "| | " + " | ".join(measures) + " |"
    yield "|---" * (len(measures) + 1) + "|"
    for name, means in result["means"].items():
        yield f"| {name} | " + " | ".join(f"{means[measure]:.4g}" for measure in measures) + " |"
    yield ""
    yield "| the ring minus | difference | p (Holm) |"
    yield "|---|---|---|"
    for name, record in result["ring minus"].items():
        yield f"| {name} | {interval(record, 4)} | {record['p, Holm']:.2g} |"


def page(result: dict[str, Any], model: str) -> str:
    """The result as Markdown."""
    published = "\n".join(
        f"| {measure} | {mlp:g} | {ring:g} |" for measure, (mlp, ring) in PUBLISHED.items()
    )
    columns = "\n\n".join(
        f"## {HEADINGS[column]}, {each['seeds']} seeds\n\n" + "\n".join(table(each))
        for column, each in result["settings"].items()
    )
    return f"""# The paper's comparison, with seeds and pairs, on `{model}`

Ten classes of 16 pictures, the same latents for all; `same latent` compares a picture with the same
latent's under the base guidance, `real` with a test picture of its class. Differences are paired by
seed and picture; intervals 95 % over both. By `benchmarks/paper_protocol.py`.

{columns}

## Beside the paper's table I

| | its MLP | its ring |
|---|---|---|
{published}

One training each, 160 pictures that are compared with pictures it does not name. Ours and its
numbers cannot be set side by side: another diffusion model, another size, other references. What
can be compared is the claim: whether a ring's pictures are nearer to the references than an MLP's.
"""


def write(done: Mapping[str, Done], model: str) -> None:
    """The result so far, of the settings in which every actor has two seeds."""
    ready = {column: each for column, each in done.items() if len(each[RING]) > 1}
    if not ready:
        return
    settings = {column: compared(each) for column, each in ready.items()}
    result = {"model": model, "published": PUBLISHED, "settings": settings}
    Path(__file__).with_suffix(".md").write_text(page(result, model), encoding="utf-8")
    write_result(__file__, result)


def main() -> None:
    """Train, play and compare, seed by seed."""
    parser = argparse.ArgumentParser(description="The paper's comparison, with seeds and pairs.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("runs-protocol"))
    parser.add_argument("--model", default="fashion-mnist")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--data", type=Path)
    chosen = parser.parse_args()
    done: dict[str, dict[str, list[Outcome]]] = {
        column: {actor: [] for actor in ACTORS} for column in COLUMNS
    }
    for seed in range(chosen.seeds):
        for column in COLUMNS:
            for actor in ACTORS:
                facts = (chosen.folder, column, actor, seed, chosen.model, chosen.data)
                done[column][actor].append(outcome_of(*facts))
        write(done, chosen.model)


if __name__ == "__main__":
    main()
