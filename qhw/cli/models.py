"""`qhw models`: bundles by name or folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from qhw.cli.command import speaks
from qhw.cli.completion import complete_model

models_app = typer.Typer(help="Model bundles: networks and their cards.", no_args_is_help=True)
ModelArgument = Annotated[
    str,
    typer.Argument(
        metavar="MODEL", help="A name that ships, or a folder.", autocompletion=complete_model
    ),
]


@models_app.command("list")
@speaks
def models_list() -> None:
    """Show the bundles that ship with the package.

    Example: `qhw models list`
    """
    from qhw.commands.models import print_models

    print_models()


@models_app.command("card")
@speaks
def models_card(model: ModelArgument) -> None:
    """Show what a bundle is, how it was made, and how good it is.

    Example: `qhw models card fashion-mnist`
    """
    from qhw.commands.models import print_card

    print_card(model)


@models_app.command("check")
@speaks
def models_check(model: ModelArgument) -> None:
    """Check a bundle's files and networks; the exit code is not 0 if one is not as its card says.

    Example: `qhw models check my-bundle`
    """
    from qhw.commands.models import check_model

    check_model(model)


@models_app.command("calibrate")
def models_calibrate(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="Stable Diffusion 1.x or 2.x: a folder in diffusers' layout, or OWNER/NAME.",
        ),
    ],
    prompts: Annotated[
        str, typer.Option(help="A prompt with {label} where the class's name goes.")
    ],
    eyes: Annotated[
        str,
        typer.Option(
            help="Bundle, or folder of `qhw models eyes`, whose classifiers look at its pictures.",
            autocompletion=complete_model,
        ),
    ],
    labels: Annotated[
        str | None,
        typer.Option(help="Names of the classes, with commas between; those of the eyes if none."),
    ] = None,
    negative_prompt: Annotated[str, typer.Option(help="What guidance leads away from.")] = "",
    out: Annotated[Path, typer.Option(help="Where the bundle goes.")] = Path("bundle"),
    revision: Annotated[
        str | None, typer.Option(help="Branch, tag or commit on the hub; the newest if none.")
    ] = None,
    steps: Annotated[int, typer.Option(min=2, max=1000, help="Of every picture.")] = 10,
    latents: Annotated[
        int, typer.Option(min=20, help="Of the head-room table; half of them choose.")
    ] = 200,
    resolution: Annotated[
        int | None, typer.Option(min=8, help="Side of the model's pictures; its own if none.")
    ] = None,
    price: Annotated[
        Literal["best", "abs(g - 1)", "(g - 1)^2", "(g - 2)^2"],
        typer.Option(help="Form of the price on guidance; `best` refuses where none gains."),
    ] = "best",
    batch: Annotated[int, typer.Option(min=1, help="Pictures in one forward.")] = 8,
    precision: Annotated[
        Literal["auto", "fp32", "bf16", "fp16"],
        typer.Option(
            help="Of its networks; auto is fp16 on a GPU, fp32 on a processor. For half precision "
            "smaller weights are downloaded where they are."
        ),
    ] = "auto",
    torch_device: Annotated[
        Literal["auto", "cpu", "cuda"], typer.Option(help="Where pictures are made.")
    ] = "auto",
    seed: Annotated[
        int, typer.Option(min=0, max=4_294_967_295, help="Seed of everything random.")
    ] = 0,
) -> None:
    """Measure a text-prompted model, choose its reward and CFG_0, write a bundle that names it.

    Stopped, it goes on where it was when the command is repeated.

    Example: `qhw models calibrate sd15 --prompts "a photo of a {label}" --eyes my-bundle`
    """
    from qhw.commands.models_calibrate import Asked, calibrate_and_report

    asked = Asked(model, revision, prompts, labels, negative_prompt, eyes)
    calibrate_and_report(
        asked,
        out,
        steps=steps,
        latents=latents,
        resolution=resolution,
        price=price,
        batch=batch,
        precision=precision,
        torch_device=torch_device,
        seed=seed,
    )


@models_app.command("eyes")
@speaks
def models_eyes(
    data: Annotated[Path, typer.Option(help="Folder of labelled pictures to measure them on.")],
    proxy: Annotated[
        str,
        typer.Option(
            help="Gives the reward: clip:FOLDER, clip:OWNER/NAME (@COMMIT) or "
            "torchvision:ARCHITECTURE:FILE.safetensors."
        ),
    ],
    judge: Annotated[list[str], typer.Option(help="Only reports; given twice, each another.")],
    dataset: Annotated[str, typer.Option(help="As in `qhw fit`.")] = "images",
    prompts: Annotated[
        str, typer.Option(help="Of CLIP, with {label} where the class's name goes.")
    ] = "a photo of a {label}",
    label_map: Annotated[
        Path | None,
        typer.Option(help="JSON from each class to ImageNet's, for classifiers of torchvision."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the eyes go.")] = Path("eyes"),
    resolution: Annotated[
        int | None, typer.Option(min=8, help="Side of what they look at; 224 of `images` if none.")
    ] = None,
    accuracy: Annotated[
        float, typer.Option(min=0.05, max=1, help="Test accuracy that each must reach.")
    ] = 0.88,
    torch_device: Annotated[
        Literal["auto", "cpu", "cuda"], typer.Option(help="Where they look.")
    ] = "auto",
    seed: Annotated[
        int,
        typer.Option(min=0, max=4_294_967_295, help="Of the test pictures, if there is no test/."),
    ] = 0,
) -> None:
    """Measure classifiers of others on your pictures, to look at a text-prompted model's.

    They are named with their checksums, not copied; of your pictures what they see is kept.

    Example: `qhw models eyes --data photos --proxy clip:me/a --judge clip:me/b --judge clip:me/c`
    """
    from qhw.commands.models_eyes import AskedEyes, make_and_report_eyes

    asked = AskedEyes(proxy, tuple(judge), prompts, label_map)
    make_and_report_eyes(
        asked,
        dataset,
        data,
        out,
        resolution=resolution,
        accuracy=accuracy,
        torch_device=torch_device,
        seed=seed,
    )
