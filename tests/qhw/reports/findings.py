"""Findings as a real report might hold them: made up, deterministic, with every awkward case."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from qhw.studies.finding import (
    Axis,
    Cell,
    Column,
    Estimate,
    Figure,
    Finding,
    Gallery,
    GalleryRow,
    Reference,
    Series,
    Table,
    Verdict,
    write_finding,
)

SHOTS = (64, 256, 1024, 4096, 16384)
DEVICES = ("fake_brisbane", "fake_marrakesh", "fake_fez", "fake_nairobi", "fake_torino")
BIASES = (-0.031, -0.012, -0.016, None, -0.02)
EVIL = "<script>alert('x')</script> & \"quotes\" $1.60 and $2 {{ 7 * 7 }}"


def estimate(value: float, half: float) -> Estimate:
    return Estimate(value=value, low=value - half, high=value + half * 1.1)


def series(
    name: str, x: Sequence[float | str], y: Sequence[float | None], half: float = 0.0
) -> Series:
    low = tuple(None if v is None else v - half for v in y) if half else ()
    high = tuple(None if v is None else v + half for v in y) if half else ()
    return Series(name=name, x=tuple(x), y=tuple(y), low=low, high=high)


def features() -> Finding:
    def falling(floor: float, first: float) -> list[float | None]:
        return [round(float(np.hypot(floor, first / np.sqrt(n / 64))), 5) for n in SHOTS]

    figure = Figure(
        id="rmse_by_shots",
        title="Root-mean-square error of the circuit's outputs",
        kind="lines",
        x=Axis(label="shots per circuit", log=True),
        y=Axis(label="RMSE of <Z>", log=True),
        series=(
            Series(
                name="no mitigation",
                x=SHOTS,
                y=tuple(falling(0.048, 0.12)),
                low=tuple(v * 0.93 for v in falling(0.048, 0.12) if v),
                high=tuple(v * 1.08 for v in falling(0.048, 0.12) if v),
            ),
            series("readout", SHOTS, falling(0.0417, 0.125), 0.003),
            series("affine", SHOTS, falling(0.0053, 0.15), 0.0012),
            series("zero noise (ZNE)", SHOTS, falling(0.0103, 0.25), 0.004),
        ),
        references=(Reference(name="noise, exact shots", value=0.048),),
        reading="Lower is better: a line that flattens has met the device's own error, and more "
        "shots no longer help it.",
        alternative="Four falling lines over 64 to 16,384 shots; the unmitigated one flattens at "
        "0.048, the affine one falls to 0.011.",
    )
    bars = Figure(
        id="bias",
        title="Bias of the outputs, by device and mitigation",
        kind="bars",
        x=Axis(label="device"),
        y=Axis(label="bias of <Z>"),
        series=tuple(
            series(name, DEVICES, [None if v is None else v * factor for v in BIASES], 0.004)
            for name, factor in (("no mitigation", 1.0), ("readout", 0.8), ("affine", -0.1))
        ),
        reading="Bars near zero mean that errors cancel on average; a bar to the left means that "
        "outputs are pulled down.",
        alternative="Bars for five devices under three mitigations; affine is within 0.003 of 0.",
    )
    return Finding(
        study="features",
        question="How far do the circuit's outputs move under noise?",
        answer="On fake_brisbane noise shrinks <Z> to 0.79 of its ideal value. Affine calibration "
        "takes the error from 0.048 [0.045, 0.052] to 0.005 [0.004, 0.006] at no extra circuits.",
        figures=(figure, bars),
        tables=(feature_table(),),
        notes=(
            "64 random parameter sets, the same for every condition.",
            "Simulated noise has no coherent errors, crosstalk or drift: a best case.",
        ),
        provenance={"device": "fake_brisbane", "snapshot": "7c1f9e02", "parameter sets": 64},
    )


def feature_table() -> Table:
    rng = np.random.default_rng(1)
    rows: list[tuple[Cell, ...]] = []
    for device in DEVICES:
        for method in ("none", "readout", "affine"):
            value = float(rng.uniform(0.004, 0.05))
            missing = device == "fake_nairobi" and method == "affine"
            rows.append(
                (
                    device,
                    method,
                    4096.0,
                    None if missing else estimate(value, value / 8),
                    value * 90,
                )
            )
    return Table(
        id="rmse",
        title="Error of the outputs in every condition",
        columns=(
            Column(name="device"),
            Column(name="mitigation"),
            Column(name="shots", digits=0),
            Column(name="RMSE of <Z>", digits=3),
            Column(name="QPU time", unit="s", digits=2),
        ),
        rows=tuple(rows),
        reading="Every row is one device under one mitigation; QPU time is for all 64 sets.",
    )


def control() -> Finding:
    steps = tuple(range(1, 11))
    ideal = [2.6, 2.9, 3.0, 2.8, 2.5, 2.3, 2.1, 2.0, 1.9, 1.9]
    figure = Figure(
        id="guidance_trace",
        title="Guidance over the denoising steps",
        kind="lines",
        x=Axis(label="denoising step"),
        y=Axis(label="mean guidance scale g"),
        series=(
            series("ideal", steps, list(ideal), 0.05),
            series("fake_brisbane", steps, [v * 0.94 for v in ideal], 0.06),
            series("fake_brisbane, 1,024 shots", steps, [v * 0.93 for v in ideal], 0.11),
        ),
        references=(
            Reference(name="best constant", value=2.0),
            Reference(name="half of the pictures recognised", value=4.4, axis="x"),
        ),
        reading="Where the lines lie apart, the noisy controller steers differently.",
        alternative="Three lines that rise to 3 and fall to 1.9; the noisy ones run 6 % lower.",
    )
    return Finding(
        study="control",
        question="How far do the controller's decisions move?",
        answer="The guidance differs by 0.14 [0.12, 0.16] on average; the noisy policy is the "
        "ideal one with slightly less contrast.",
        figures=(figure,),
        notes=("500 latents, one training seed.",),
    )


def task() -> Finding:
    evaluated = ("ideal", "brisbane", "brisbane x 4")
    matrix = Figure(
        id="train_by_evaluation",
        title="Return by where the policy was trained and where it is played",
        kind="matrix",
        x=Axis(label="played on", order=evaluated),
        y=Axis(label="trained on"),
        series=(
            series("ideal", evaluated, [0.047, 0.041, -0.012], 0.012),
            series("brisbane", evaluated, [0.044, 0.043, 0.018], 0.012),
            series("brisbane x 4", evaluated, [0.021, 0.024, None], 0.015),
        ),
        reading="Numbers are the return minus the best constant's: above 0 the controller is "
        "worth having. Compare along a row for what noise costs a policy.",
        alternative="A matrix of three by three; best 0.047 for ideal on ideal, worst -0.012.",
    )
    log_p = Figure(
        id="judged",
        title="What the two judges make of the pictures, beside the best constant and the rule",
        kind="bars",
        x=Axis(label="arm"),
        y=Axis(label="Frechet distance minus the constants' at equal log p"),
        series=(
            series("judge 1", ("policy", "rule", "open loop"), [-0.8, -1.2, 0.3], 0.3),
            series("judge 2", ("policy", "rule", "open loop"), [-0.6, -1.1, 0.2], 0.35),
        ),
        references=(Reference(name="as good as a constant", value=0.0),),
        reading="Below 0 is better than the constants of the same log p.",
        alternative="Bars for policy, rule and open loop; policy and rule lie below 0.",
    )
    return Finding(
        study="task",
        question="What does noise cost in return and in pictures?",
        verdict=(
            Verdict(
                line="noise_cost",
                number="-0.0070 [-0.0150, +0.0010]",
                unit="of return",
                words="No change is seen; the confidence rule gains +0.051.",
                estimate=Estimate(value=-0.007, low=-0.015, high=0.001),
            ),
            Verdict(line="mitigation", number="none", words="Nothing gives return back."),
        ),
        refusal="There is one training seed: the numbers are shown, but whether training under "
        "noise helps is a statement about trainings. It takes 8 seeds for 80 % power at the "
        "difference seen.",
        observed="Trained and played under noise, the return is 0.041 above the best constant's.",
        figures=(matrix, log_p, differences()),
        galleries=(gallery(),),
        notes=("Intervals are over 2,000 latents within the one seed.",),
    )


def differences() -> Figure:
    names = ("noise, against none", "readout, against none", "affine, against none")
    return Figure(
        id="differences",
        title="What noise and mitigation change",
        kind="forest",
        x=Axis(label="what is compared", order=names),
        y=Axis(label="difference of return"),
        series=(
            series("ideal", names, [-0.007, 0.001, 0.004], 0.004),
            series("brisbane", names, [-0.001, None, 0.001], 0.005),
        ),
        references=(Reference(name="a tenth of the gain", value=-0.0056),),
        reading="An interval that meets the line at 0 cannot be told from chance.",
        alternative="Points with intervals; noise lies below 0 for controllers trained without.",
    )


def png(seed: int, size: int = 16) -> str:
    """A small picture in base64."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:size, 0:size] / size - 0.5
    shade = np.clip(
        1.2 - 3 * np.hypot(x * rng.uniform(0.7, 1.6), y) + 0.1 * rng.normal(size=x.shape), 0, 1
    )
    file = io.BytesIO()
    Image.fromarray((shade * 255).astype(np.uint8)).save(file, "png")
    return base64.b64encode(file.getvalue()).decode()


def gallery() -> Gallery:
    names = ("T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker")
    conditions = ("ideal", "fake_brisbane", "fake_brisbane, errors x 4", "best constant")
    return Gallery(
        id="same_latents",
        title="The same latents under less and more noise",
        columns=names,
        rows=tuple(
            GalleryRow(name=name, pictures=tuple(png(7 * k) for k in range(len(names))))
            for name in conditions
        ),
        reading="Look down a column: it is one latent, drawn under different guidance.",
        alternative="Eight pictures of clothes in four conditions that can hardly be told apart.",
    )


def noise_scale() -> Finding:
    order = ("0", "0.5", "1", "2", "4", "8")
    x = (0, 0.5, 1, 2, 4, 8)
    figure = Figure(
        id="gain",
        title="Gain over the best constant as the device's errors are scaled",
        kind="lines",
        x=Axis(label="errors of fake_brisbane times", order=order),
        y=Axis(label="return minus the best constant's"),
        series=(
            series("trained without noise", x, [0.047, 0.045, 0.041, 0.03, -0.012, -0.06], 0.012),
            series("trained on fake_brisbane", x, [0.044, 0.044, 0.043, 0.037, 0.018, None], 0.012),
        ),
        references=(
            Reference(name="best constant", value=0.0),
            Reference(name="break point 3.4 [2.8, 4.3]", value=3.4, axis="x"),
        ),
        reading="Where a line crosses the dashed one, noise has eaten the controller's advantage.",
        alternative="Two falling lines; the first crosses 0 between 2 and 4 times the errors.",
    )
    return Finding(
        study="noise_scale",
        question="How much noise can the controller bear?",
        verdict=(
            Verdict(
                line="bearable_noise",
                number="3.4 [2.8, 4.3]",
                unit="times fake_brisbane's errors",
                words="There the advantage over the best constant is gone.",
                estimate=Estimate(value=3.4, low=2.8, high=4.3),
            ),
        ),
        answer="It beats the best constant up to 3.4 [2.8, 4.3] times the errors of fake_brisbane.",
        figures=(figure,),
        notes=("At 8 times, 3 of 26 two-qubit errors are capped at the fully depolarising value.",),
    )


def shots() -> Finding:
    x: tuple[float | str, ...] = (*SHOTS, "exact")
    figure = Figure(
        id="gain_by_shots",
        title="Gain by shots",
        kind="lines",
        x=Axis(label="shots per circuit"),
        y=Axis(label="return minus the best constant's"),
        series=(
            series("none", x, [0.006, 0.025, 0.036, 0.039, 0.041, 0.041], 0.011),
            series("affine", x, [-0.002, 0.024, 0.04, 0.045, 0.047, 0.047], 0.011),
        ),
        reading="Where a line becomes flat, further shots are wasted.",
        alternative="Two rising lines that are flat from 1,024 shots on.",
    )
    cost = Figure(
        id="time",
        title="QPU time of one picture",
        kind="lines",
        x=Axis(label="shots per circuit", log=True),
        y=Axis(label="QPU time", unit="s", log=True),
        series=(series("ibm_fez", SHOTS, [0.9, 1.1, 2.0, 5.6, 20.1], 0.1),),
        reading="Below 1,024 shots the fixed time of a job outweighs the shots.",
        alternative="One line that rises from 0.9 s at 64 shots to 20 s at 16,384.",
    )
    return Finding(
        study="shots",
        question="How many shots are enough?",
        answer="1,024: more shots gain less than 0.01 in return, and 4 times as many cost 3.6 s "
        "($5.76) more per picture.",
        figures=(figure, cost),
    )


def gradients() -> Finding:
    return Finding(
        study="gradients",
        question="Can gradients still be measured?",
        answer="At 1,024 shots the cosine with the ideal gradient is 0.97 [0.96, 0.98].",
        tables=(
            Table(
                id="cosine",
                title="Gradient against the ideal one",
                columns=(
                    Column(name="shots", digits=0),
                    Column(name="cosine"),
                    Column(name="signal to noise", digits=1),
                ),
                rows=tuple(
                    (float(n), estimate(1 - 2.5 / n**0.65, 0.3 / n**0.5), n**0.5 / 4) for n in SHOTS
                ),
                reading="A cosine of 1 points where the ideal gradient points.",
            ),
        ),
    )


def plateaus() -> Finding:
    depths = tuple(range(1, 13))
    figure = Figure(
        id="variance",
        title="Variance of a gradient's component by depth",
        kind="lines",
        x=Axis(label="depth"),
        y=Axis(label="variance of the gradient", log=True),
        series=tuple(
            Series(
                name=f"{n} qubits",
                x=depths,
                y=tuple(0.2 * 2.0**-n * np.exp(-d / 3) + 0.3 * 4.0**-n for d in depths),
                low=tuple(0.17 * 2.0**-n * np.exp(-d / 3) + 0.2 * 4.0**-n for d in depths),
                high=tuple(0.23 * 2.0**-n * np.exp(-d / 3) + 0.4 * 4.0**-n for d in depths),
            )
            for n in (2, 4, 6, 8, 10)
        ),
        reading="A line that falls straight loses its gradient exponentially with depth; lines a "
        "constant step apart lose it exponentially with qubits.",
        alternative="Five falling lines, lower for more qubits, flat from depth 8 on.",
    )
    return Finding(
        study="plateaus",
        question="Do gradients vanish with depth and qubits?",
        answer="Per qubit the variance falls to 0.27 [0.24, 0.31]; the 4-qubit ring at depth 2 is "
        "far from a plateau.",
        figures=(figure,),
    )


def cost() -> Finding:
    return Finding(
        study="cost",
        question="What did this report cost, and what was it made with?",
        answer="184,320 circuits, all simulated; on a device they would take 412 QPU seconds.",
        tables=(
            Table(
                id="spent",
                title="Circuits and shots by study",
                columns=(
                    Column(name="study"),
                    Column(name="circuits", digits=0),
                    Column(name="shots", digits=0),
                ),
                rows=(
                    ("features", 46080.0, 1.2e8),
                    ("control", 9216.0, None),
                    ("empty", None, None),
                ),
                reading="Exact simulations take no shots.",
            ),
        ),
        provenance={
            "command": "qhw report noise runs/a",
            "run": "runs/a-very-long-name-of-a-run-that-goes-on-and-on-20261124-230118-ring-seed0",
            "digest": "4c8a7f0b5d9e13264c8a7f0b5d9e13264c8a7f0b5d9e13264c8a7f0b5d9e1326",
            "seed of the bootstrap": 7,
            "learning rate": 0.002,
        },
    )


def evil() -> Finding:
    """Markup in every text, names too long, nothing measured; of a study nobody knows."""
    long = "a very long name that says more than anybody would want to read in a legend " + EVIL
    axis = Axis(label=EVIL, unit=EVIL)
    nothing = Series(name=long, x=("a", EVIL), y=(None, None))
    figures = tuple(
        Figure(
            id=f"evil_{kind}",
            title=EVIL,
            kind=kind,
            x=axis,
            y=axis,
            series=(nothing, series(EVIL, ("a", EVIL, "\x00\x1b"), [1.0, 2.0, None], 0.5)),
            references=() if kind == "matrix" else (Reference(name=long, value=0.5),),
            reading=EVIL,
            alternative=EVIL,
        )
        for kind in ("lines", "bars", "forest", "matrix")
    )
    table = Table(
        id="evil",
        title=EVIL,
        columns=(Column(name=EVIL, unit=EVIL),),
        rows=((EVIL,),),
        reading=EVIL,
    )
    pictures = Gallery(
        id="evil",
        title=EVIL,
        columns=(EVIL,),
        rows=(GalleryRow(name=EVIL, pictures=(png(1),)),),
        reading=EVIL,
        alternative=EVIL,
    )
    return Finding(
        study="zz_unknown",
        question=EVIL,
        refusal=EVIL,
        figures=figures,
        tables=(table,),
        galleries=(pictures,),
        notes=(EVIL,),
        provenance={EVIL: EVIL},
    )


def realistic() -> tuple[Finding, ...]:
    """All but transfer and the model against a device, which were not acquired."""
    return (
        features(), control(), task(), noise_scale(), shots(), gradients(), plateaus(), cost(),
    )  # fmt: skip


def write_report(folder: Path, findings: Sequence[Finding]) -> Path:
    """Lay findings out as a report's folder."""
    for finding in findings:
        write_finding(folder / "analysis", finding)
    return folder
