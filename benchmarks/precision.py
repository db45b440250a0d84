"""What bf16 saves where a processor has it, and what it costs the pictures.

    python -m benchmarks.precision [NAME ...]

For each embedded bundle, and for the network of larger pictures in colour with random weights: both
noise predictions of 64 pictures on one thread, fp32 and bf16 taking turns in one process (CPU
milliseconds per image-step, medians). For the bundles then the same latents under the best constant
in both, in every eye; what bf16 changes is paired, latent by latent. Writes precision.json.
"""

from __future__ import annotations

import argparse
from typing import Any

import torch

from benchmarks.timing import Work, interleaved, significant, significant_interval, write_result
from diffusion.bundle import Bundle, load_bundle
from diffusion.comparison import bootstrap_mean
from diffusion.denoisers import PixelDenoiser, PixelDenoiserConfig
from diffusion.embedded import EMBEDDED
from diffusion.environment import GuidanceEnvironment, draw_labels, draw_latents
from diffusion.headroom import Candidate, play_candidate
from diffusion.precision import Precision
from qhw.evaluation.judges import Judges, Outcome, evaluation_latents
from qhw.threads import for_pictures, one_thread

BATCH, ROUNDS, LATENTS = 64, 9, 2000
NAMES = ("fashion-mnist", "fashion-mnist-28")
FP32: Precision = "fp32"
BF16: Precision = "bf16"


SPEED = "CPU milliseconds per image-step"
COLOUR = "32 x 32 in colour, random weights"


@one_thread()
def speed(denoiser: PixelDenoiser) -> dict[str, float]:
    """CPU milliseconds of an image-step in each precision, and how many times bf16 is faster."""
    latents = draw_latents(BATCH, 0, denoiser.sample_shape)
    labels = draw_labels(BATCH, denoiser.num_classes)

    def predicting(precision: Precision) -> Work:
        def work() -> None:
            denoiser.make_in(precision)
            denoiser.predict(latents, 500, labels)

        return work

    seconds = interleaved({each: predicting(each) for each in (FP32, BF16)}, ROUNDS)
    shown = {name: significant(1000 * each / BATCH) for name, each in seconds.items()}
    return {**shown, "ratio": significant(seconds[FP32] / seconds[BF16])}


def outcome(bundle: Bundle, judges: Judges, precision: Precision) -> Outcome:
    """The best constant on the evaluation's first latents."""
    bundle.fitted_denoiser.make_in(precision)
    card, paired = bundle.card, evaluation_latents(bundle, LATENTS)
    sampler = bundle.sampler(card.num_steps)
    environment = GuidanceEnvironment(sampler, bundle.proxy, card.reward, card.cfg_base).widened()
    candidate = Candidate(card.chosen.constant)
    with for_pictures():
        episode = play_candidate(environment, candidate, paired.latents, paired.labels)
    return judges.judge(episode, paired.labels)


def quality(bundle: Bundle) -> dict[str, Any]:
    """Return, accuracies and Frechet distances in both, and what bf16 changes of the return."""
    judges = Judges(bundle)
    found = {precision: outcome(bundle, judges, precision) for precision in (FP32, BF16)}
    change = bootstrap_mean(found[BF16].returns - found[FP32].returns)
    shown: dict[str, Any] = {
        precision: {
            "return": significant(float(each.returns.mean()), 4),
            "accuracy / Frechet": {
                eye: [
                    significant(float(score.arm.correct.mean()), 4),
                    significant(score.arm.distance, 4),
                ]
                for eye, score in each.scores.items()
            },
        }
        for precision, each in found.items()
    }
    return {**shown, "return changed by bf16": significant_interval(change)}


def main() -> None:
    """Both of every bundle."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=NAMES)
    colour = PixelDenoiser(PixelDenoiserConfig.of_pictures(3, 32, 10)).eval()
    bundles = {name: load_bundle(EMBEDDED[name]) for name in parser.parse_args().names}
    write_result(
        __file__,
        {
            "processor": torch.backends.cpu.get_cpu_capability(),
            "latents": LATENTS,
            **{
                name: {SPEED: speed(bundle.fitted_denoiser), **quality(bundle)}
                for name, bundle in bundles.items()
            },
            COLOUR: {SPEED: speed(colour)},
        },
    )


if __name__ == "__main__":
    main()
