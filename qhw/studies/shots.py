"""How many shots the task needs, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qhw.config import RunConfig
from qhw.studies.conditions import FloatArray, Setting
from qhw.studies.finding import Axis, Column, Figure, Finding, Reference, Series, Table
from qhw.studies.gathered import Gathered, claimed, constant_and_rule, hand_made
from qhw.studies.groups import subject
from qhw.studies.prices import ASSUMED, dollars, picture_seconds, quoted
from qhw.studies.statistics import (
    Bootstrap,
    hierarchical_bootstrap,
    paired_difference,
    sample_size,
    shown,
)
from qhw.studies.study import Scope

QUICK_SHOTS = (64, 256, 1024, 4096, 16_384)
FULL_SHOTS = (64, 128, 256, 512, 1024, 2048, 4096, 8192, 16_384)
MARGIN_SHARE = 0.25
"""A loss below this share of the exact gain over the best constant counts as none."""


class Shots:
    """Return against shots, and the number beyond which the task no longer gains."""

    name = "shots"
    question = "How many shots does the task need?"

    def acquire(self, scope: Scope) -> None:
        """Play every number of shots, and exact values."""
        from qhw.studies.playing import acquire_conditions

        gathered = Gathered(scope, subject(scope.runs))
        settings = [Setting(scope.device), *_settings(scope)]
        acquire_conditions(scope, [*hand_made(scope), *gathered.conditions(settings)])

    def analyse(self, scope: Scope) -> Finding:
        """Gain over the best constant by shots, against that of exact values."""
        gathered = Gathered(scope, subject(scope.runs))
        exact, settings = Setting(scope.device), _settings(scope)
        constant, _ = constant_and_rule(scope)
        returns = gathered.returns([exact, *settings])
        gains = hierarchical_bootstrap(returns - constant.returns)
        losses = paired_difference(returns[1:], np.broadcast_to(returns[0], returns[1:].shape))
        margin = MARGIN_SHARE * float(gains.value[0])
        enough = _enough(losses, margin) if float(gains.low[0]) > 0 else None
        config, shots = scope.runs[0].config, _shots(scope)
        sentence = _sentence(config, shots, gains, margin, enough)
        said, own = claimed(gathered, sentence, "how many shots such controllers need")
        return Finding(
            study=self.name,
            question=self.question,
            answer=said.answer,
            refusal=said.refusal,
            figures=(
                _figure(scope.device, shots, gains),
                _loss_figure(scope.device, shots, losses, margin),
            ),
            tables=(_table(config, shots, gains, losses),),
            notes=(
                *own,
                gains.flag,
                f"Margin: a loss below {margin:.3g} of return, a quarter of the gain that exact "
                "values bring, counts as none; the interval of the paired difference to exact "
                "values must lie inside it, at this number of shots and at every larger one.",
                *_power_note(returns, losses, margin, enough),
                ASSUMED,
            ),
            provenance={**gains.facts, "device": scope.device, "margin": margin},
        )


def _shots(scope: Scope) -> tuple[int, ...]:
    return FULL_SHOTS if scope.full else QUICK_SHOTS


def _settings(scope: Scope) -> list[Setting]:
    return [Setting(scope.device, shots=shots) for shots in _shots(scope)]


def _enough(losses: Bootstrap, margin: float) -> int | None:
    """Position of the least shots from which on every interval lies inside the margin."""
    inside = (losses.low > -margin) & (losses.high < margin)
    outside = np.flatnonzero(~inside)
    first = int(outside[-1]) + 1 if outside.size else 0
    return first if first < len(inside) else None


def _sentence(
    config: RunConfig,
    shots: Sequence[int],
    gains: Bootstrap,
    margin: float,
    enough: int | None,
) -> str:
    exact = shown(gains.estimate(0), "{:+.3f}")
    if not float(gains.low[0]) > 0:
        return (
            f"Shots cannot buy an advantage that is not there: with exact values the return is "
            f"{exact} against the best constant's."
        )
    if enough is None:
        return (
            f"Exact values gain {exact} over the best constant; that {shots[-1]} shots or fewer "
            f"lose less than {margin:.3g} of it could not be shown."
        )
    seconds = picture_seconds(quoted(config, shots[enough]))
    return (
        f"From {shots[enough]} shots per circuit on the task gains nothing more: what is lost "
        f"against exact values ({exact} over the best constant) is below {margin:.3g}. A picture "
        f"then takes {seconds:.1f} QPU s, ${dollars(seconds):.2f}."
    )


def _power_note(
    returns: FloatArray,
    losses: Bootstrap,
    margin: float,
    enough: int | None,
) -> list[str]:
    """Latents it would take to see a loss as large as the margin at the most shots."""
    if enough is not None or margin <= 0:
        return []
    spread = float((returns[-1] - returns[0]).mean(axis=0).std(ddof=1))
    needed = sample_size(spread, margin)
    return [
        f"To see a loss of {margin:.3g} at the largest number of shots with 80 % power takes "
        f"{needed} latents (there were {losses.episodes}); --full takes more."
    ]


def _figure(device: str, shots: Sequence[int], gains: Bootstrap) -> Figure:
    exact = float(gains.value[0])
    return Figure(
        id="gain_by_shots",
        title="The controller's advantage by shots per circuit",
        kind="lines",
        x=Axis(label="shots per circuit", log=True),
        y=Axis(label="return minus the best constant's"),
        series=(
            Series(
                name=f"noise of {device}",
                x=tuple(map(float, shots)),
                y=tuple(gains.value[1:].tolist()),
                low=tuple(gains.low[1:].tolist()),
                high=tuple(gains.high[1:].tolist()),
            ),
        ),
        references=(
            Reference(name="exact values", value=exact),
            Reference(name="best constant", value=0.0),
        ),
        reading=(
            "Above 0 the controller earns more than the best constant guidance, which needs no "
            "circuit; the line rises towards the exact values as shot noise fades."
        ),
        alternative=(
            f"Line of the gain over the best constant: {gains.value[1]:+.3f} at {shots[0]} shots, "
            f"{gains.value[-1]:+.3f} at {shots[-1]}, {exact:+.3f} with exact values."
        ),
    )


def _loss_figure(device: str, shots: Sequence[int], losses: Bootstrap, margin: float) -> Figure:
    """Paired differences to exact values: much better known than the gains themselves."""
    return Figure(
        id="loss_by_shots",
        title="What is lost against exact values",
        kind="lines",
        x=Axis(label="shots per circuit", log=True),
        y=Axis(label="return minus that of exact values"),
        series=(
            Series(
                name=f"noise of {device}",
                x=tuple(map(float, shots)),
                y=tuple(losses.value.tolist()),
                low=tuple(losses.low.tolist()),
                high=tuple(losses.high.tolist()),
            ),
        ),
        references=(
            Reference(name="nothing lost", value=0.0),
            Reference(name="margin", value=-abs(margin)),
        ),
        reading=(
            "From where on the whole band stays above the margin, more shots buy nothing for the "
            "task."
        ),
        alternative=(
            f"Line of the loss: {losses.value[0]:+.4f} at {shots[0]} shots, "
            f"{losses.value[-1]:+.4f} at {shots[-1]}; the margin is {-abs(margin):+.4f}."
        ),
    )


def _table(config: RunConfig, shots: Sequence[int], gains: Bootstrap, losses: Bootstrap) -> Table:
    seconds = [picture_seconds(quoted(config, each)) for each in shots]
    rows = [
        (str(each), gains.estimate(k + 1), losses.estimate(k), seconds[k], dollars(seconds[k]))
        for k, each in enumerate(shots)
    ]
    return Table(
        id="shots",
        title="Return and price by shots",
        columns=(
            Column(name="shots per circuit"),
            Column(name="minus the constant's", digits=3),
            Column(name="minus exact values'", digits=4),
            Column(name="QPU time per picture", unit="s", digits=2),
            Column(name="price per picture", unit="$", digits=2),
        ),
        rows=(*rows, ("exact", gains.estimate(0), None, None, None)),
        reading="Differences are paired over the same latents; intervals are 95 %.",
    )
