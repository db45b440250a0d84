"""What an image-step of each embedded bundle costs: both noise predictions, then the proxy.

    python -m benchmarks.bundle_cost

The bundles take turns in one process on one thread, 64 pictures at a time; CPU milliseconds per
picture, medians. Machines differ, with AVX-512 or without, so the ratios to the first are what
counts. Writes bundle_cost.json.
"""

from __future__ import annotations

import torch

from benchmarks.timing import Work, interleaved, significant, write_result
from diffusion.bundle import Bundle, load_bundle
from diffusion.embedded import EMBEDDED
from diffusion.environment import draw_labels, draw_latents
from qhw.threads import one_thread

BATCH, ROUNDS = 64, 15
NAMES = ("fashion-mnist", "fashion-mnist-28", "cifar10")


def image_step(bundle: Bundle) -> Work:
    """One step of the denoiser, and the proxy's look at what it leads to."""
    latents = draw_latents(BATCH, 0, bundle.denoiser.sample_shape)
    labels = draw_labels(BATCH, bundle.denoiser.num_classes)

    @torch.no_grad()
    def work() -> None:
        _, cond = bundle.denoiser.predict(latents, 500, labels)
        bundle.proxy(bundle.denoiser.decode(cond))

    return work


@one_thread()
def main() -> None:
    """Time them."""
    peers = {name: image_step(load_bundle(EMBEDDED[name])) for name in NAMES}
    seconds = interleaved(peers, ROUNDS)
    milliseconds = {name: significant(1000 * each / BATCH) for name, each in seconds.items()}
    first = seconds[NAMES[0]]
    write_result(
        __file__,
        {
            "processor": torch.backends.cpu.get_cpu_capability(),
            "CPU milliseconds per image-step": milliseconds,
            "ratios": {name: significant(each / first) for name, each in seconds.items()},
        },
    )


if __name__ == "__main__":
    main()
