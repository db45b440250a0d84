"""Which kind of a device's noise matters: each left out, alone, and made worse.

The published noise is taken apart as `calibration.Severity` does. A coherent error, which no
snapshot publishes, is assumed beside it, and labelled so. Severities are those of ImageNet-C
(Hendrycks and Dietterich, arXiv 1903.12261): one kind at a time, with the mean and the worst kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Self

import numpy as np

from calibration import KINDS
from qhw.studies.finding import Axis, Cell, Estimate, Figure, Finding, Reference, Series, Table
from qhw.studies.measured.conditions import NOISELESS, Setting
from qhw.studies.measured.exact_features import acquire_exact, squared_errors
from qhw.studies.measured.kinds import COHERENT, TITLES, ZZ_ANGLE, alone, with_coherent, without
from qhw.studies.measured.seed_rows import SeedRows
from qhw.studies.statistics.bootstrap import Bootstrap, hierarchical_bootstrap
from qhw.studies.statistics.holm import ALPHA, holm
from qhw.studies.statistics.intervals import root, shown
from qhw.studies.study import Scope, Study

WHOLE = "everything published"
ADDED = "everything, and the coherent error"


class Parts(Study):
    """Error of the features and change of the return by kind of noise and by its severity."""

    name = "parts"
    question = "Which part of the noise matters?"
    about = "which part of the noise matters to such controllers"

    def acquire(self, scope: Scope) -> None:
        """Evaluate the features of every kind and severity, and play the kinds."""
        from qhw.studies.measured.playing import acquire_conditions

        acquire_exact(scope, _every(scope))
        rows = SeedRows.of_parts(scope)
        acquire_conditions(rows.scope, rows.conditions(_played(scope)))

    def analyse(self, scope: Scope) -> Finding:
        """Each kind's share, the matrix of severities, and which kind is worst."""
        errors, changes = _Errors.of(scope), _Changes.of(scope)
        rows = SeedRows.of_parts(scope)
        figures = [_error_figure(scope, errors), _change_figure(scope, changes)]
        tables = [_table(scope, errors, changes), _severity_table(scope, errors)]
        figures.append(_matrix(scope, errors.by_severity, "RMSE of <Z_i>", "severity_errors"))
        if scope.sizes.severe_returns:
            figures.append(
                _matrix(scope, changes.by_severity, "change of the return", "severity_returns")
            )
            tables.append(_severity_returns(scope, changes))
        return self.finding(
            f"{_error_words(scope.device, errors)} {_change_words(changes)}",
            rows.seeds,
            figures=figures,
            tables=tables,
            notes=(
                rows.note,
                changes.costs.flag,
                "A gate's published error is that of its decay (T1 and T2 over its duration) and "
                "of a depolarising rest; each is left out or taken alone with the other as it was. "
                "Errors of parts do not add up: features move by them in different directions.",
                f"The coherent error is assumed: no snapshot publishes one. It is a ZZ rotation of "
                f"{ZZ_ANGLE:g} rad after each two-qubit gate, 1.2e-4 of infidelity, and is off "
                "everywhere else on this page.",
                f"Severity multiplies probabilities of gates and read-out up to their physical "
                f"limit, times of decay, and the infidelity of the coherent error. Returns are on "
                f"{changes.costs.episodes} latents"
                + ("." if scope.sizes.severe_returns else "; `--full` plays every severity."),
            ),
            provenance={**changes.costs.facts, "device": scope.device},
        )


@dataclass(frozen=True)
class _Errors:
    """Root mean squared errors of the features.

    Attributes:
        whole: Of everything that is published.
        added: With the coherent error.
        left: By kind that is left out.
        by_severity: By kind and severity, alone.
    """

    whole: Estimate
    added: Estimate
    left: Mapping[str, Estimate]
    by_severity: Mapping[tuple[str, float], Estimate]

    @classmethod
    def of(cls, scope: Scope) -> Self:
        """Bootstrap all settings with common resamples."""
        settings = _every(scope)
        found = hierarchical_bootstrap([squared_errors(scope, each) for each in settings])
        roots = {each: root(found.estimate(k)) for k, each in enumerate(settings)}
        device = scope.device
        return cls(
            roots[Setting(device)],
            roots[with_coherent(device)],
            {kind: roots[without(device, kind)] for kind in KINDS},
            {(kind, times): roots[alone(device, kind, times)] for kind, times in _cells(scope)},
        )

    def alone(self, kind: str) -> Estimate:
        """One kind as it is published."""
        return self.by_severity[kind, 1.0]


@dataclass(frozen=True)
class _Changes:
    """Changes of the return, paired by latent.

    Attributes:
        costs: (1 + kinds,) against no noise: everything, then each of `TITLES` alone.
        regained: (kinds,) of each of `KINDS` left out, against everything.
        added: The coherent error beside everything, against everything.
        by_severity: Against no noise, by kind and severity; as many as were played.
        mean: By severity, over the kinds.
    """

    costs: Bootstrap
    regained: Bootstrap
    added: Estimate
    by_severity: Mapping[tuple[str, float], Estimate]
    mean: Mapping[float, Estimate]

    @classmethod
    def of(cls, scope: Scope) -> Self:
        """Compare what was played."""
        rows, device = SeedRows.of_parts(scope), scope.device
        everything = rows.returns([Setting(device)])[0]
        ideal = rows.returns([NOISELESS])[0]
        cells = [(kind, times) for kind, times in _cells(scope) if _is_played(scope, times)]
        apart = rows.returns([alone(device, kind, times) for kind, times in cells]) - ideal
        first = [k for k, (_, times) in enumerate(cells) if times == 1]
        found = hierarchical_bootstrap(apart)
        severities = dict.fromkeys(times for _, times in cells)
        means = {
            severity: apart[[k for k, (_, times) in enumerate(cells) if times == severity]].mean(0)
            for severity in severities
        }
        mean = hierarchical_bootstrap(list(means.values()))
        return cls(
            hierarchical_bootstrap(np.concatenate([(everything - ideal)[None], apart[first]])),
            hierarchical_bootstrap(
                rows.returns([without(device, kind) for kind in KINDS]) - everything
            ),
            hierarchical_bootstrap(
                rows.returns([with_coherent(device)])[0] - everything
            ).estimate(),
            {cell: found.estimate(k) for k, cell in enumerate(cells)},
            {severity: mean.estimate(k) for k, severity in enumerate(means)},
        )

    def worst(self, severity: float) -> tuple[str, Estimate]:
        """The kind that costs most at a severity."""
        at = {kind: found for (kind, times), found in self.by_severity.items() if times == severity}
        kind = min(at, key=lambda each: at[each].value)
        return kind, at[kind]


def _cells(scope: Scope) -> list[tuple[str, float]]:
    return list(product(TITLES, scope.sizes.severities))


def _is_played(scope: Scope, times: float) -> bool:
    return times == 1 or scope.sizes.severe_returns


def _single(scope: Scope) -> list[Setting]:
    """Everything, everything with the coherent error, and without each kind."""
    device = scope.device
    return [Setting(device), with_coherent(device), *(without(device, kind) for kind in KINDS)]


def _every(scope: Scope) -> list[Setting]:
    return [*_single(scope), *(alone(scope.device, *cell) for cell in _cells(scope))]


def _played(scope: Scope) -> list[Setting]:
    cells = [cell for cell in _cells(scope) if _is_played(scope, cell[1])]
    return [NOISELESS, *_single(scope), *(alone(scope.device, *cell) for cell in cells)]


def _error_words(device: str, errors: _Errors) -> str:
    most = max(KINDS, key=lambda kind: errors.alone(kind).value)
    least = min(KINDS, key=lambda kind: errors.alone(kind).value)
    missed = min(KINDS, key=lambda kind: errors.left[kind].value)
    left = shown(errors.left[missed])
    without_it = (
        f"without it {left} is left"
        if missed == most
        else f"the least, {left}, is left without {TITLES[missed]}"
    )
    return (
        f"Of {device}'s noise, the largest part for the features is {TITLES[most]}: "
        f"{shown(errors.alone(most))} of RMSE alone, against {shown(errors.whole)} of everything; "
        f"{without_it}. {TITLES[least][:1].upper()}{TITLES[least][1:]}: the least, "
        f"{shown(errors.alone(least))}. A coherent error of {ZZ_ANGLE:g} rad, which is assumed, "
        f"would be {shown(errors.alone(COHERENT))} alone, and everything with it "
        f"{shown(errors.added)}."
    )


def _change_words(changes: _Changes) -> str:
    adjusted = holm(changes.costs.p_value[1:])
    everything = shown(changes.costs.estimate(0), "{:+z.4f}")
    told = [
        f"{title} {shown(changes.costs.estimate(k + 1), '{:+z.4f}')}"
        for k, title in enumerate(TITLES.values())
        if adjusted[k] < ALPHA
    ]
    kinds = f"of single kinds, these change it (Holm): {'; '.join(told)}"
    return (
        f"The return changes by {everything} under everything; "
        f"{kinds if told else 'no single kind is seen to change it (Holm)'}."
    )


def _error_figure(scope: Scope, errors: _Errors) -> Figure:
    names = list(TITLES.values())
    published = [TITLES[kind] for kind in KINDS]
    return Figure(
        id="error_by_kind",
        title="Error of the features by kind of noise",
        kind="bars",
        x=Axis(label=f"kind of {scope.device}'s noise", order=tuple(names)),
        y=Axis(label="RMSE of <Z_i>"),
        series=(
            Series.of("alone", names, [errors.alone(kind) for kind in TITLES]),
            Series.of("everything without it", published, [errors.left[kind] for kind in KINDS]),
        ),
        references=(Reference(name="everything published", value=errors.whole.value),),
        reading=(
            "A kind matters where it does much alone and where little is left without it; bars "
            "that reach the line say that leaving it out gains nothing. The coherent error is "
            "assumed beside what is published. Bars are 95 % intervals."
        ),
        alternative="RMSE of the features, alone: "
        + ", ".join(f"{TITLES[kind]} {errors.alone(kind).value:.4f}" for kind in TITLES)
        + f"; everything {errors.whole.value:.4f}.",
    )


def _change_figure(scope: Scope, changes: _Changes) -> Figure:
    names, published = list(TITLES.values()), [TITLES[kind] for kind in KINDS]
    return Figure(
        id="return_by_kind",
        title="Change of the return by kind of noise",
        kind="bars",
        x=Axis(label=f"kind of {scope.device}'s noise", order=(WHOLE, *names)),
        y=Axis(label="change of the return"),
        series=(
            Series.of("alone, against no noise", [WHOLE, *names], changes.costs.estimates()),
            Series.of("left out, against everything", published, changes.regained.estimates()),
        ),
        references=(Reference(name="nothing changes", value=0.0),),
        reading=(
            "Below 0 a kind costs return when it is alone; above 0 return comes back when it is "
            "left out. Bars are 95 % intervals of differences that are paired by latent; one that "
            "meets 0 shows no change."
        ),
        alternative="Change of the return, alone: "
        + ", ".join(
            f"{name} {value:+.4f}"
            for name, value in zip([WHOLE, *names], changes.costs.value, strict=True)
        )
        + ".",
    )


def _matrix(
    scope: Scope, cells: Mapping[tuple[str, float], Estimate], what: str, identifier: str
) -> Figure:
    severities = scope.sizes.severities
    columns = [f"x {times:g}" for times in severities]
    return Figure(
        id=identifier,
        title=f"One kind at a time, made worse: {what}",
        kind="matrix",
        x=Axis(label="severity", order=tuple(columns)),
        y=Axis(label="kind"),
        series=tuple(
            Series.of(title, columns, [cells[kind, times] for times in severities])
            for kind, title in TITLES.items()
        ),
        reading=(
            "Rows are kinds of noise, each alone; columns what it is multiplied by. The deeper the "
            "colour, the larger the number."
        ),
        alternative=f"Matrix of the {what} by kind and severity: "
        + "; ".join(
            f"{title} " + ", ".join(f"{cells[kind, times].value:.4f}" for times in severities)
            for kind, title in TITLES.items()
        )
        + ".",
    )


def _table(scope: Scope, errors: _Errors, changes: _Changes) -> Table:
    none = [None, None]
    return Table.of_columns(
        "parts",
        f"The noise of {scope.device} by kind",
        {
            "kind": [WHOLE, ADDED, *TITLES.values()],
            ("RMSE alone", 4): [errors.whole, errors.added, *map(errors.alone, TITLES)],
            ("RMSE of the rest", 4): [*none, *(errors.left[kind] for kind in KINDS), None],
            ("return alone, minus no noise", 4): [
                changes.costs.estimate(0),
                None,
                *changes.costs.estimates()[1:],
            ],
            ("return of the rest, minus everything", 4): [
                None,
                changes.added,
                *changes.regained.estimates(),
                None,
            ],
        },
        (
            "The rest is everything that is published without this kind. Differences of the return "
            "are paired over the same latents; intervals are 95 %."
        ),
    )


def _severity_table(scope: Scope, errors: _Errors) -> Table:
    severities = scope.sizes.severities
    rows: list[list[Cell]] = [
        [title, *(errors.by_severity[kind, times] for times in severities)]
        for kind, title in TITLES.items()
    ]
    values = np.array(
        [[errors.by_severity[kind, times].value for times in severities] for kind in TITLES]
    )
    rows.append(["mean over the kinds", *map(float, values.mean(axis=0))])
    rows.append(["worst kind", *map(float, values.max(axis=0))])
    return Table.of(
        "severity_errors",
        "RMSE of the features, one kind at a time, by severity",
        ["kind", *((f"x {times:g}", 4) for times in severities)],
        rows,
        (
            "Severity 1 is what the device publishes, or what is assumed; mean and worst take the "
            "assumed one in. Intervals are 95 %."
        ),
    )


def _severity_returns(scope: Scope, changes: _Changes) -> Table:
    severities: Sequence[float] = scope.sizes.severities
    worst = [changes.worst(times) for times in severities]
    rows: list[list[Cell]] = [
        [title, *(changes.by_severity[kind, times] for times in severities)]
        for kind, title in TITLES.items()
    ]
    rows.append(["mean over the kinds", *(changes.mean[times] for times in severities)])
    rows.append(["worst kind", *(found for _, found in worst)])
    return Table.of(
        "severity_returns",
        "Change of the return, one kind at a time, by severity",
        ["kind", *((f"x {times:g}", 4) for times in severities)],
        rows,
        (
            "Against the noiseless circuit on the same latents. Worst: "
            + ", ".join(
                f"{TITLES[kind]} at {times:g}"
                for times, (kind, _) in zip(severities, worst, strict=True)
            )
            + ". The worst was chosen after seeing it, so its interval is too narrow."
        ),
    )
