"""What the runs and this report took, and what they were made with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qhw.backends.facts import BackendFacts
from qhw.budget.limits import DOLLARS_PER_SECOND, OPEN_PLAN_DAYS, OPEN_PLAN_SECONDS
from qhw.budget.planned_jobs import DEFAULT_SHOTS
from qhw.config import RunConfig
from qhw.files import make_folder, read_json
from qhw.known import DeviceName
from qhw.runs.directory import RunDirectory
from qhw.studies.finding import Estimate, Finding, Table, Verdict
from qhw.studies.measured.conditions import all_facts, newest_update
from qhw.studies.questions.prices import MEASURED_RULES, training_quote
from qhw.studies.study import Scope, Study

PROVENANCE = "provenance.json"
REPORT = "this report"


class Cost(Study):
    """Circuits, shots and QPU seconds; seeds, versions, snapshots, digests, commands."""

    name = "cost"
    question = "What did it take, and what was it made with?"

    def acquire(self, scope: Scope) -> None:
        """Write down what this report is made with; nothing is measured."""
        folder = scope.store(self.name).folder
        make_folder(folder)
        facts = {"runs": [run.id for run in scope.runs], "full": scope.full}
        RunDirectory(folder).write_provenance(facts)

    def analyse(self, scope: Scope) -> Finding:
        """Add it all up, out of the runs' files and the conditions'."""
        missing = "What this report was made with was not written down"
        report = scope.store(self.name).json(PROVENANCE, missing)
        work = [*(each for run in scope.runs for each in _work_of(run)), _report_work(scope)]
        return self.finding(
            _answer(work),
            verdict=(_verdict(scope.runs[0].config),),
            tables=(
                _training_table(scope.runs[0].config),
                _work_table(work),
                _runs_table(scope.runs),
                _snapshots_table(scope),
            ),
            notes=(
                "QPU seconds are billed ones where the platform told them, else as quoted; dollars "
                "at the price that was told to the run, "
                f"${DOLLARS_PER_SECOND:.2f} per QPU second by default. Local stand-ins (fake_*) "
                "bill as a device would and cost nothing.",
                "Simulated circuits with exact values have no shots.",
                "The report's line counts every policy that was played into its folder, for an "
                "earlier device or version, too. What the sections on features, control and "
                "gradients simulate is not counted: no controller needs these circuits.",
            ),
            provenance={
                **report["versions"],
                "acquired": report["time"],
                "command": " ".join(report["command"]),
                "python": report["python"],
                "commit": _commit(report),
                **{
                    f"command of {run.name}": " ".join(run.read_json(PROVENANCE)["command"])
                    for run in scope.runs
                },
            },
        )


@dataclass(frozen=True)
class Work:
    """One line of the bill.

    Attributes:
        who: The run, or this report.
        phase: What for.
        circuits: With bound parameters.
        shots: In all; 0 where values are exact.
        jobs: Sent to a device.
        qpu_seconds: QPU time of a device.
        simulated: Seconds of this machine for simulated circuits.
        price: Dollars per second of a device; 0 where nobody bills.
    """

    who: str
    phase: str
    circuits: int = 0
    shots: int = 0
    jobs: int = 0
    qpu_seconds: float = 0.0
    simulated: float = 0.0
    price: float = 0.0

    @property
    def dollars(self) -> float:
        """What was billed."""
        return self.qpu_seconds * self.price


def _work_of(run: RunDirectory) -> list[Work]:
    """Cost of one run: as the ledger tells where it was on a device, else as the meter counted."""
    bills = [run.path / "cost.json", *sorted(run.path.glob("samples/*/cost.json"))]
    paid = [work for path in bills if path.exists() for work in _bill(run, path)]
    trained = [] if (run.path / "cost.json").exists() else _metered(run)
    return [*trained, *paid]


def _bill(run: RunDirectory, path: Path) -> list[Work]:
    """Lines of a `cost.json`; see `qhw.devices.bill`."""
    device = run.config.backend.name if path.parent == run.path else path.parent.name
    bill = read_json(path)
    price = bill["dollars per second"] if DeviceName(device).live else 0.0
    return [
        Work(
            run.name,
            f"{each['phase']}, {device}",
            each["circuits"],
            each["shots"],
            each["jobs"],
            each["billed_seconds"],
            price=price,
        )
        for each in bill["phases"]
    ]


def _metered(run: RunDirectory) -> list[Work]:
    """Out of the records of its updates: a simulator's, or a device's that left no bill."""
    device, price = run.config.backend.name, run.config.hardware.price
    return [
        Work(
            run.name,
            f"training, {phase}",
            *_counts(costs),
            int(_sum(costs, "jobs")),
            _sum(costs, "qpu_seconds"),
            0.0 if DeviceName(device).takes_jobs else _sum(costs, "seconds"),
            price if DeviceName(device).live else 0.0,
        )
        for phase, costs in _by_phase(record["cost"] for record in run.metrics()).items()
    ]


def _report_work(scope: Scope) -> Work:
    phases = _by_phase(facts["cost"] for facts in all_facts(scope) if "cost" in facts)
    costs = [cost for phase in phases.values() for cost in phase]
    return Work(REPORT, "policies played", *_counts(costs), simulated=_sum(costs, "seconds"))


def _by_phase(records: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    phases: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        for phase, cost in record.items():
            phases.setdefault(phase, []).append(cost)
    return phases


def _counts(costs: Sequence[dict[str, Any]]) -> tuple[int, int]:
    return int(_sum(costs, "circuits")), int(_sum(costs, "shots"))


def _sum(costs: Sequence[dict[str, Any]], name: str) -> float:
    return sum(float(cost[name]) for cost in costs)


def _answer(work: Sequence[Work]) -> str:
    """What the runs took and what the report played, apart; and what it was paid with."""
    runs, report = ([each for each in work if (each.who == REPORT) == own] for own in (False, True))
    seconds = sum(each.qpu_seconds for each in work if each.price)
    stand_in = sum(each.qpu_seconds for each in work if not each.price)
    paid = (
        f"{seconds:.1f} s of a QPU, ${sum(each.dollars for each in work):.2f}"
        if seconds
        else "no time on a QPU"
    )
    local = f" Local stand-ins would have billed {stand_in:.1f} s." if stand_in else ""
    return (
        f"The runs took {_counted(runs)}; playing their policies for this report took "
        f"{_counted(report)}: {paid}.{local}"
    )


def _verdict(config: RunConfig) -> Verdict:
    """The training as it was, by parameter shift, and the least that any rule asks."""
    shift = training_quote(config, "shift")
    others = [rule for rule in MEASURED_RULES if rule not in ("shift", "frozen")]
    quotes = {rule: training_quote(config, rule) for rule in others}
    least = min(quotes, key=lambda rule: quotes[rule].seconds)
    shots = config.backend.shots or DEFAULT_SHOTS
    return Verdict(
        line="training_cost",
        number=f"{_large(shift.seconds_low)} to {_large(shift.seconds)}",
        unit="QPU s",
        words=(
            f"${_large(shift.dollars_low)} to ${_large(shift.dollars)} for one training as this "
            f"({config.ppo.updates} updates) by parameter shift at {shots} shots per circuit: the "
            f"more PPO clips, the less. By {least} it is at most {_large(quotes[least].seconds)} "
            f"QPU s, ${_large(quotes[least].dollars)}; the Open plan gives "
            f"{OPEN_PLAN_SECONDS:.0f} QPU s in {OPEN_PLAN_DAYS} days."
        ),
        # A quote has no interval: its bounds are in the words.
        estimate=Estimate(value=shift.seconds, low=shift.seconds, high=shift.seconds),
    )


def _large(value: float) -> str:
    """Three digits, such as `16.8 million` or `787,000`."""
    if value >= 1e6:
        return f"{value / 1e6:.3g} million"
    return f"{float(f'{value:.3g}'):,.0f}"


def _training_table(config: RunConfig) -> Table:
    """What the same training would take on a device, by how the gradient is measured."""
    quotes = [training_quote(config, rule) for rule in MEASURED_RULES]
    shots = config.backend.shots or DEFAULT_SHOTS
    return Table.of_columns(
        "training_on_a_device",
        "The same training on a device",
        {
            "gradient rule": MEASURED_RULES,
            ("jobs", 0): [float(each.jobs) for each in quotes],
            ("circuits", 0): [float(each.circuits) for each in quotes],
            ("QPU time, at least", 0, "s"): [each.seconds_low for each in quotes],
            ("at most", 0, "s"): [each.seconds for each in quotes],
            ("price at most", 0, "$"): [each.dollars for each in quotes],
            ("Open plans", 1): [each.open_plan_share for each in quotes],
        },
        (
            f"One training with the first run's settings and {shots} shots per circuit, its "
            "evaluation included, without mitigation; `qhw plan train` quotes others. An Open plan "
            f"is what one gives in {OPEN_PLAN_DAYS} days. `frozen` trains no circuit."
        ),
    )


def _counted(work: Sequence[Work]) -> str:
    circuits, shots = sum(each.circuits for each in work), sum(each.shots for each in work)
    return f"{circuits:,} circuits " + (f"and {shots:,} shots" if shots else "with exact values")


def _work_table(work: Sequence[Work]) -> Table:
    return Table.of_columns(
        "work",
        "Circuits, shots, time",
        {
            "who": [each.who for each in work],
            "what for": [each.phase for each in work],
            ("circuits", 0): [float(each.circuits) for each in work],
            ("shots", 0): [float(each.shots) for each in work],
            ("jobs", 0): [float(each.jobs) for each in work],
            ("QPU time", 1, "s"): [each.qpu_seconds for each in work],
            ("price", 2, "$"): [each.dollars for each in work],
            ("simulation", 1, "s"): [each.simulated for each in work],
        },
        "A circuit is counted once for each set of angles that it was run with.",
    )


def _runs_table(runs: Sequence[RunDirectory]) -> Table:
    facts = [run.read_json(PROVENANCE) for run in runs]
    return Table.of_columns(
        "runs",
        "The runs",
        {
            "run": [run.name for run in runs],
            "identity": [run.id for run in runs],
            "seed": [str(each["seed"]) for each in facts],
            "updates": [f"{newest_update(run)} of {run.config.ppo.updates}" for run in runs],
            "gradient rule": [each["gradient_rule"] for each in facts],
            "begun": [str(each["time"]).replace("T", " ") for each in facts],
            "commit": [_commit(each) for each in facts],
            "model": [
                f"{each['bundle']['name']} {each['bundle']['digest'][:12]}" for each in facts
            ],
        },
        "Identity is the run's name in the ledger of jobs.",
    )


def _snapshots_table(scope: Scope) -> Table:
    """Devices that conditions were played on; a device once, on the layout that is its best."""
    usual = (facts for facts in all_facts(scope) if not facts.get("layout"))
    everything = (BackendFacts.read(facts.get("backend", {})) for facts in usual)
    known = {f"{each.device}{each.calibration_phrase}": each for each in everything}
    played = [known[key] for key in sorted(known) if known[key].calibration]
    return Table.of_columns(
        "snapshots",
        "Device snapshots",
        {
            "device": [each.device for each in played],
            "calibration": [each.calibration_phrase for each in played],
            "structure": [each.structure for each in played],
            "qubits": [str(list(each.layout)) for each in played],
            "2-qubit gates": [str(each.two_qubit_gates) for each in played],
            "engine": [each.engine for each in played],
        },
        (
            "Everything that policies were played on into this folder. In brackets the digest of "
            "all numbers of the calibration."
        ),
    )


def _commit(facts: dict[str, Any]) -> str:
    """The code's commit; a package that was installed has none."""
    return str(facts["git_commit"] or "installed")[:12]
