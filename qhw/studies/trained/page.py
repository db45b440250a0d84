"""A study's page: the verdict first, then the figures behind it."""

from __future__ import annotations

from collections.abc import Sequence

from qhw.evaluation.eyes import ALL_EYES, HELD_OUT
from qhw.studies.trained.catalogue import TrainedStudy
from qhw.studies.trained.circuit_facts import HEADINGS
from qhw.studies.trained.comparing import MARGIN, Difference, Row
from qhw.studies.trained.measures import MEASURES
from qhw.studies.trained.study_size import FIRST_LOOK


def page_of(
    study: TrainedStudy,
    rows: Sequence[Row],
    found: Sequence[Difference],
    *,
    latents: int,
    command: str,
    missing: Sequence[str] = (),
    first_look: bool = False,
) -> str:
    """Render what a study came to as Markdown."""
    return f"""# {study.question}
{_caveat(first_look)}
{_verdict(study, found)}

{study.trained} All play the same {latents:,} latents.
Differences are paired by seed and latent, intervals 95 % over both (over latents alone where there
is one seed), p-values adjusted by Holm's method. Within {MARGIN:g} two arms are called equal; that
was set beforehand, for the default reward.
{_missing(missing)}
| | seeds | parameters | two-qubit gates | return | interquartile mean | {_eyes_head()} |
|---|---|---|---|---|---|---|{"---|" * len(HELD_OUT)}
{_rows(rows)}
{_circuits(rows)}
| | against | difference of | | p (Holm) | probability of improvement | |
|---|---|---|---|---|---|---|
{_differences(found)}

Made by `{command}`.
"""


def _caveat(first_look: bool) -> str:
    return f"\n**{FIRST_LOOK}**\n" if first_look else ""


def _verdict(study: TrainedStudy, found: Sequence[Difference]) -> str:
    if not found:
        return f"Nothing to compare {study.reference} with yet."
    said = [
        f"- **{each.arm}** {each.verdict}: {_interval(each)} against {each.against}, "
        f"{each.seeds} seeds."
        for each in found
    ]
    return "\n".join(said)


def _missing(names: Sequence[str]) -> str:
    if not names:
        return ""
    return f"\n**Missing**: {len(names)} trainings are not done: {', '.join(names)}.\n"


def _eyes_head() -> str:
    judges = [f"{ALL_EYES[eye].title}: accuracy / Frechet" for eye in HELD_OUT]
    return " | ".join(["proxy: accuracy", *judges])


def _rows(rows: Sequence[Row]) -> str:
    lines = []
    for row in rows:
        eyes = [f"{row.accuracy[eye]:.3f} / {row.distance[eye]:.2f}" for eye in HELD_OUT]
        gates = "-" if row.two_qubit_gates is None else str(row.two_qubit_gates)
        counts = ["-" if n is None else f"{n:,}" for n in (row.seeds, row.parameters)]
        size = [*counts, gates]
        returns = [f"{row.mean_return:.4f}", f"{row.interquartile_mean:.4f}", f"{row.proxy:.3f}"]
        lines.append(f"| {row.arm} | {' | '.join([*size, *returns, *eyes])} |")
    return "\n".join(lines)


def _circuits(rows: Sequence[Row]) -> str:
    """What arms' circuits cost, how noise moves them, and how large their gradients are."""
    circuits = [(row.arm, row.circuit.columns) for row in rows if row.circuit]
    lines = [
        f"| {arm} | {' | '.join('-' if n is None else f'{n:.3g}' for n in columns)} |"
        for arm, columns in circuits
    ]
    head = [f"| | {' | '.join(HEADINGS)} |", f"|---|{'---|' * len(HEADINGS)}"]
    return "\n".join(["", *head, *lines, ""]) if lines else ""


def _differences(found: Sequence[Difference]) -> str:
    lines = []
    for each in found:
        title, p_value = MEASURES[each.measure].title, _p_value(each)
        names = f"{each.arm} | {each.against} | {title}"
        figures = f"{_interval(each)} | {p_value} | {each.improvement:.2f}"
        lines.append(f"| {names} | {figures} | {each.verdict} |")
    return "\n".join(lines)


def _p_value(each: Difference) -> str:
    return "-" if each.p_value is None else f"{each.p_value:.2g}"


def _interval(each: Difference) -> str:
    return f"{each.value:+.4f} [{each.low:+.4f}, {each.high:+.4f}]"
