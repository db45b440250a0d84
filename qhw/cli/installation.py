"""Commands on what this machine holds: packages, model bundles, the cache."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from qhw.cli.command import speaks
from qhw.cli.completion import complete_model

DATASETS = (
    "fashion-mnist, cifar10, cifar100, stl10, medmnist, or images: DIR/train/CLASS/* and "
    "DIR/test/CLASS/*, or DIR/CLASS/*; PNG, JPEG or WebP."
)
LatentsOption = Annotated[
    int, typer.Option(min=20, help="Latents of the head-room table; half of them choose.")
]
cache_app = typer.Typer(help="Circuits and baselines kept on disk.", no_args_is_help=True)


def doctor(
    load: Annotated[
        bool, typer.Option("--load", help="Import torch and load the weights, too: seconds.")
    ] = False,
) -> None:
    """Check the installation: versions, GPU, weights, credentials, folders.

    The exit code is not 0 if something is wrong.

    Example: `qhw doctor --load`
    """
    from qhw.commands.doctor import print_checks

    print_checks(load=load)


def fit(
    data: Annotated[Path, typer.Option(help="Folder of the data set.")],
    dataset: Annotated[str, typer.Option(help=DATASETS)] = "fashion-mnist",
    out: Annotated[Path, typer.Option(help="Where the bundle goes.")] = Path("bundle"),
    resolution: Annotated[int, typer.Option(min=8, max=64, help="Side of the pictures.")] = 28,
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            help="Of training: CPU-minutes, or minutes of a GPU; 68 unless --pictures is given.",
        ),
    ] = None,
    pictures: Annotated[
        int | None,
        typer.Option(min=64, help="How many the denoiser sees in training, instead of minutes."),
    ] = None,
    accuracy: Annotated[
        float,
        typer.Option(min=0.05, max=1, help="Test accuracy that every classifier must reach."),
    ] = 0.88,
    latents: LatentsOption = 1000,
    precision: Annotated[
        Literal["fp32", "bf16"],
        typer.Option(help="Of training; bf16 is fast on GPUs and processors with avx512_bf16."),
    ] = "fp32",
    torch_device: Annotated[
        Literal["auto", "cpu", "cuda"],
        typer.Option(help="Where networks are trained, pictures made."),
    ] = "auto",
    references: Annotated[
        Literal["pictures", "features"],
        typer.Option(help="Real pictures stay in the bundle, or only what is seen in them."),
    ] = "pictures",
    start_from: Annotated[
        str | None,
        typer.Option(
            help="A bundle of these data whose denoiser is trained further; its classifiers are "
            "taken as they are.",
            autocompletion=complete_model,
        ),
    ] = None,
    mirror: Annotated[
        bool,
        typer.Option("--mirror", help="Half of the pictures are mirrored for the denoiser, too."),
    ] = False,
    seed: Annotated[
        int, typer.Option(min=0, max=4_294_967_295, help="Seed of everything random.")
    ] = 0,
) -> None:
    """Train a denoiser, a proxy and two judges, measure the head-room, write a bundle.

    Example: `qhw fit --dataset images --data photos --out my-bundle`
    """
    from qhw.commands.fit import fit_and_report

    fit_and_report(
        dataset,
        data,
        out,
        resolution=resolution,
        minutes=minutes,
        pictures=pictures,
        accuracy=accuracy,
        latents=latents,
        precision=precision,
        torch_device=torch_device,
        references=references,
        start_from=start_from,
        mirror=mirror,
        seed=seed,
    )


def remeasure(
    data: Annotated[Path, typer.Option(help="Folder of the data set it was fitted to.")],
    bundle: Annotated[Path, typer.Option(help="Folder of the bundle; its weights stay.")],
    dataset: Annotated[str, typer.Option(help=DATASETS)] = "fashion-mnist",
    latents: Annotated[
        int | None,
        typer.Option(min=20, help="Latents of the head-room table, 1,000 unless given."),
    ] = None,
    only: Annotated[
        Literal["all", "discriminator"],
        typer.Option(help="Everything, or what `environment.reward.realism` asks alone."),
    ] = "all",
) -> None:
    """Measure a bundle's networks again, choose its reward, CFG_0 and baselines again.

    Example: `qhw remeasure --data photos --dataset images --bundle my-bundle`
    """
    from qhw.commands.fit import fit_discriminator_again, measure_again

    if only == "all":
        measure_again(dataset, data, bundle, latents=latents or 1000)
    elif latents is not None:
        raise typer.BadParameter("--latents does nothing with --only discriminator: leave it out.")
    else:
        fit_discriminator_again(dataset, data, bundle)


@cache_app.command("ls")
@speaks
def cache_ls() -> None:
    """Show the cached circuits, their hits, and why the last miss happened.

    Example: `qhw cache ls`
    """
    from qhw.commands.cache import print_cache

    print_cache()


@cache_app.command("clear")
def cache_clear() -> None:
    """Delete everything in the cache; it is made anew when it is needed."""
    from qhw.commands.cache import clear_cache

    clear_cache()
