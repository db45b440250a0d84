"""How much noise the controller bears: the device's errors, multiplied."""

from __future__ import annotations

from collections.abc import Sequence

from qhw.studies.finding import Axis, Figure, Finding, Gallery, Reference, Series, Table, Verdict
from qhw.studies.measured.conditions import NOISELESS, Played, Setting
from qhw.studies.measured.seed_rows import SeedRows, backend_facts, constant_and_rule
from qhw.studies.questions.pictures import gallery_row
from qhw.studies.statistics.bootstrap import Bootstrap, hierarchical_bootstrap
from qhw.studies.statistics.break_point import BreakPoint, break_point
from qhw.studies.statistics.intervals import shown
from qhw.studies.study import Scope, Study

SCALES = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)


class NoiseScale(Study):
    """Return against the scale of the device's errors, and where the advantage is gone."""

    name = "noise_scale"
    question = "How much noise does the controller bear?"
    about = "how much noise such controllers bear"

    def acquire(self, scope: Scope) -> None:
        """Play every scale; scale 0 is the noiseless circuit."""
        SeedRows.of_subject(scope).acquire(_settings(scope))

    def analyse(self, scope: Scope) -> Finding:
        """Gain over the best constant by scale, with the break points."""
        controllers = SeedRows.of_subject(scope)
        settings = _settings(scope)
        constant, rule = constant_and_rule(scope)
        gains = controllers.gains(settings, constant)
        over_rule = controllers.gains(settings, rule)
        # Where there is no gain, none can be lost.
        lost = _break_point(gains) if float(gains.low[0]) > 0 else None
        rule_gain = hierarchical_bootstrap([rule.returns - constant.returns])
        return self.finding(
            _sentence(scope.device, gains, lost),
            controllers.seeds,
            verdict=(_verdict(scope.device, gains, lost),),
            figures=(_figure(scope.device, gains, float(rule_gain.value), lost),),
            tables=(_table(controllers, settings, gains, over_rule),),
            galleries=(_gallery(controllers, constant, settings, lost),),
            notes=(
                controllers.note,
                gains.flag,
                _rule_note(over_rule),
                "Scale 0 is the noiseless circuit. Gate and read-out errors are multiplied by the "
                "scale, T1 and T2 divided by it.",
                _caps_note(controllers, settings),
            ),
            provenance={**gains.facts, "device": scope.device},
        )


def _settings(scope: Scope) -> list[Setting]:
    return [Setting(scope.device, scale) if scale else NOISELESS for scale in SCALES]


def _break_point(gains: Bootstrap) -> BreakPoint:
    """Where the gain falls below 0."""
    return break_point(SCALES, gains.replicates, 0.0, y=gains.value)


def _sentence(device: str, gains: Bootstrap, lost: BreakPoint | None) -> str:
    noiseless = shown(gains.estimate(0), "{:+.3f}")
    if lost is None:
        return (
            f"There is no advantage that noise could eat: without noise the return is "
            f"{noiseless} against the best constant's."
        )
    own, most = (shown(gains.estimate(k), "{:+.3f}") for k in (SCALES.index(1.0), -1))
    rest = "" if lost.at else f"; at {SCALES[-1]:g} times them {most} is left"
    return (
        f"Over the best constant the controller gains {noiseless} without noise and {own} under "
        f"{device}'s. The break point, where that is gone, lies {lost.words()} times the device's "
        f"errors{rest}."
    )


def _verdict(device: str, gains: Bootstrap, lost: BreakPoint | None) -> Verdict:
    if lost is None:
        noiseless = shown(gains.estimate(0), "{:+.3f}")
        return Verdict(
            line="bearable_noise",
            number="no advantage to lose",
            words=f"Without noise the return is {noiseless} against the best constant's.",
        )
    return Verdict(
        line="bearable_noise",
        number=lost.words().removeprefix("at "),
        unit=f"times {device}'s errors",
        words="There the advantage over the best constant is gone.",
        estimate=lost.at,
    )


def _gallery(
    controllers: SeedRows, constant: Played, settings: Sequence[Setting], lost: BreakPoint | None
) -> Gallery:
    """Noiseless pictures, those at the played scale nearest to the break point, and the change."""
    place = SCALES[-1] if lost is None or lost.at is None else lost.at.value
    scale, setting = min(zip(SCALES, settings, strict=True), key=lambda pair: abs(pair[0] - place))
    before, after = (controllers.first(each).pictures for each in (NOISELESS, setting))
    told = "" if lost is None or lost.at is None else ", next to the break point"
    return Gallery(
        id="at_the_break_point",
        title=f"The same latents at {scale:g} times the errors{told}",
        columns=tuple(constant.facts["shown"]),
        rows=(
            gallery_row("noiseless", before),
            gallery_row(f"{scale:g} times the errors", after),
            gallery_row("difference", 0.5 + (after - before) / 2),
        ),
        reading=(
            "A column is one latent and the class that was asked for. In the last row grey is no "
            "change, lighter and darker is what noise made lighter and darker. Controller: "
            f"{controllers.group.runs[0].name}."
        ),
        alternative=f"Pictures of {len(before)} latents without noise, with it, and what changed.",
    )


def _rule_note(over_rule: Bootstrap) -> str:
    if not float(over_rule.low[0]) > 0:
        noiseless = shown(over_rule.estimate(0), "{:+.3f}")
        return f"Against the confidence rule there is no advantage to lose: {noiseless} noiseless."
    place = _break_point(over_rule).words()
    return f"Where the confidence rule is as good: {place} times the device's errors."


def _figure(device: str, gains: Bootstrap, rule: float, lost: BreakPoint | None) -> Figure:
    broken = [] if lost is None or lost.at is None else [(lost.words(), lost.at.value)]
    return Figure(
        id="gain_by_noise_scale",
        title="The controller's advantage as noise grows",
        kind="lines",
        x=Axis(label=f"errors of {device}, times", log=True, ticks=SCALES),
        y=Axis(label="return minus the best constant's"),
        series=(Series.of("controller", SCALES, gains.estimates()),),
        references=(
            Reference(name="best constant", value=0.0),
            Reference(name="confidence rule", value=rule),
            *(Reference(name=f"break point {at}", value=x, axis="x") for at, x in broken),
        ),
        reading=(
            "Above 0 the controller earns more than the best constant guidance on the same "
            "latents; where the line meets 0, noise has eaten its advantage. The band is the 95 % "
            "interval."
        ),
        alternative=(
            f"Line of the gain over the best constant: {gains.value[0]:+.3f} without noise, "
            f"{gains.value[-1]:+.3f} at {SCALES[-1]:g} times the errors of {device}."
        ),
    )


def _table(
    controllers: SeedRows, settings: Sequence[Setting], gains: Bootstrap, over_rule: Bootstrap
) -> Table:
    returns = hierarchical_bootstrap(controllers.returns(settings))
    guidance = [float(controllers.columns(each, lambda p: p.guidance).mean()) for each in settings]
    return Table.of_columns(
        "noise_scale",
        "Return by noise scale",
        {
            ("errors, times", 1): SCALES,
            ("return", 3): returns.estimates(),
            ("minus the constant's", 3): gains.estimates(),
            ("minus the rule's", 3): over_rule.estimates(),
            ("mean guidance", 2): guidance,
        },
        "Every row is the same controller on the same latents; intervals are 95 %.",
    )


def _caps_note(controllers: SeedRows, settings: Sequence[Setting]) -> str:
    """Where the scale is less than it says, on the qubits that carry the circuit."""
    # Pairs: the noiseless setting has a scale too, which is another setting's.
    caps = [
        (each.noise_scale, backend_facts(controllers.first(each)).noise_caps) for each in settings
    ]
    capped = [f"times {scale:g}: {'; '.join(lines)}" for scale, lines in caps if lines]
    if not capped:
        return "No error of the circuit's own gates and qubits meets its physical limit."
    return f"Errors of the circuit's own gates and qubits at their limit: {'; '.join(capped)}."
