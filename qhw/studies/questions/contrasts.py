"""Every claim about return as a paired difference, and what the held-out judges say of the same.

A judge took no part in training or in choosing anything: what return gains and no judge sees is the
proxy's own taste.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from qhw.evaluation.eyes import EYES, HELD_OUT
from qhw.studies.finding import Axis, Cell, Estimate, Figure, Reference, Series, Table
from qhw.studies.measured.conditions import NOISELESS, Played, Setting
from qhw.studies.measured.seed_rows import SeedRows
from qhw.studies.questions.remedies import SHOTS, plain, remedies
from qhw.studies.statistics.bootstrap import Bootstrap, hierarchical_bootstrap
from qhw.studies.statistics.holm import holm
from qhw.studies.statistics.intervals import shown
from qhw.studies.store import FloatArray

Pick = Callable[[Played], FloatArray]
NOISE = "noise, against none"
RULE = "under noise, against the confidence rule"


@dataclass(frozen=True)
class Contrast:
    """One thing against another, on the same latents.

    Attributes:
        name: Such as `affine, against none`.
        one: What a controller is played on.
        other: What it is compared with: another setting, or guidance by hand.
    """

    name: str
    one: Setting
    other: Setting | Played

    def differences(self, row: SeedRows, pick: Pick) -> FloatArray:
        """One minus other (S, N), pair by pair."""
        minuend = row.columns(self.one, pick)
        if isinstance(self.other, Played):
            difference: FloatArray = minuend - pick(self.other)
        else:
            difference = minuend - row.columns(self.other, pick)
        return difference


def contrasts(row: SeedRows, constant: Played, rule: Played) -> list[Contrast]:
    """What noise, shots and remedies change, and what the controller gains over guidance by hand.

    Without settings that a remedy does not fit.
    """
    noisy, sampled = Setting(row.scope.device), plain(row.scope.device)
    fitting = {
        name: each for name, each in remedies(row.scope.device).items() if not row.refusal(each)
    }
    return [
        Contrast(NOISE, noisy, NOISELESS),
        Contrast(f"{SHOTS} shots, against exact values", sampled, noisy),
        *(Contrast(f"{name}, against none", each, sampled) for name, each in fitting.items()),
        Contrast("noiseless, against the best constant", NOISELESS, constant),
        Contrast("under noise, against the best constant", noisy, constant),
        Contrast(RULE, noisy, rule),
    ]


def of_return(played: Played) -> FloatArray:
    """What training maximises."""
    return played.returns


def log_p_of(eye: str) -> Pick:
    """A judge's log p of the wanted class, in nats."""
    return lambda played: played.log_probability[eye]


def judged(row: SeedRows, contrast: Contrast) -> list[Estimate]:
    """What the held-out judges say of one difference: log p, in nats."""
    differences = [contrast.differences(row, log_p_of(eye)) for eye in HELD_OUT]
    return hierarchical_bootstrap(differences).estimates()


def judged_words(row: SeedRows, contrast: Contrast) -> str:
    """Such as `log p +0.012 [+0.003, +0.021] and ... in the held-out judges' eyes`."""
    told = " and ".join(shown(each, "{:+z.3f}") for each in judged(row, contrast))
    return f"log p {told} nats in the eyes of the held-out judges"


def forest(rows: Sequence[SeedRows], constant: Played, rule: Played, margin: float) -> Figure:
    """Paired differences of return; those to the best constant are in the matrix.

    Args:
        rows: A series each.
        constant: The best constant guidance.
        rule: The confidence rule.
        margin: A tenth of the noiseless gain over the best constant; 0 draws none.
    """
    return _forest(
        rows,
        constant,
        rule,
        of_return,
        identifier="paired_differences",
        title="What noise, shots and mitigation change, on the same latents",
        axis=Axis(label="difference of return"),
        references=tuple(
            Reference(name=name, value=value)
            for name, value in (("a tenth of the gain lost", -margin), ("a tenth won", margin))
            if margin
        ),
        reading=(
            "Points with 95 % intervals of paired differences; one that meets the line at 0 cannot "
            "be told from chance, one that lies within the dashed lines is less than a tenth of "
            "the noiseless gain over the best constant."
        ),
    )


def judges_forest(rows: Sequence[SeedRows], constant: Played, rule: Played, eye: str) -> Figure:
    """The same differences in a held-out judge's eyes."""
    return _forest(
        rows,
        constant,
        rule,
        log_p_of(eye),
        identifier=f"paired_differences_{eye}",
        title=f"The same differences in the eyes of {EYES[eye].title}",
        axis=Axis(label="difference of log p", unit="nats"),
        references=(),
        reading=(
            "This judge took no part in training. Where it sees nothing, a difference of return is "
            "the proxy's own."
        ),
    )


def _forest(
    rows: Sequence[SeedRows],
    constant: Played,
    rule: Played,
    pick: Pick,
    *,
    identifier: str,
    title: str,
    axis: Axis,
    references: tuple[Reference, ...],
    reading: str,
) -> Figure:
    series = []
    for row in rows:
        drawn = [each for each in contrasts(row, constant, rule) if each.other is not constant]
        found = hierarchical_bootstrap([each.differences(row, pick) for each in drawn])
        names = [each.name for each in drawn]
        series.append(Series.of(row.group.name, names, found.estimates()))
    told = "; ".join(
        f"{line.name}: "
        + ", ".join(f"{x} {y:+z.4f}" for x, y in zip(line.x, line.y, strict=True) if y is not None)
        for line in series
    )
    return Figure(
        id=identifier,
        title=title,
        kind="forest",
        x=Axis(label="what is compared"),
        y=axis,
        series=tuple(series),
        references=references,
        reading=reading,
        alternative=f"Points of paired differences. {told}.",
    )


def contrast_table(rows: Sequence[SeedRows], constant: Played, rule: Played) -> Table:
    """Every difference of return beside those of the held-out judges' log p."""
    measures = [of_return, *map(log_p_of, HELD_OUT)]
    asked = [(row, each) for row in rows for each in contrasts(row, constant, rule)]
    found = [
        hierarchical_bootstrap([each.differences(row, pick) for pick in measures])
        for row, each in asked
    ]
    # Holm over all differences and both judges: the claims are of return, the judges' are a check.
    adjusted = holm(np.concatenate([each.p_value[1:] for each in found]))
    p_values = adjusted.reshape(len(found), len(HELD_OUT))
    return Table.of(
        "differences",
        "Differences of return, and the same in the eyes of the held-out judges",
        [
            "controller",
            "what is compared",
            ("return", 4),
            *(
                heading
                for eye in HELD_OUT
                for heading in ((f"log p, {EYES[eye].title}", 3, "nats"), ("p (Holm)", 4))
            ),
        ],
        [_cells(*pair, each, p) for pair, each, p in zip(asked, found, p_values, strict=True)],
        (
            "Paired over the same latents; intervals are 95 %, the judges' p-values are adjusted "
            f"over all {adjusted.size} of this table."
        ),
    )


def _cells(
    row: SeedRows, contrast: Contrast, found: Bootstrap, p_values: FloatArray
) -> tuple[Cell, ...]:
    first, *judges = found.estimates()
    cells = [cell for pair in zip(judges, map(float, p_values), strict=True) for cell in pair]
    return row.group.name, contrast.name, first, *cells
