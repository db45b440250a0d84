"""The controller on devices, and on dates, that it was not trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from qhw.backends.facts import BackendFacts
from qhw.known import DeviceName
from qhw.studies.finding import Axis, Figure, Finding, Reference, Series, Table
from qhw.studies.measured.conditions import NOISELESS, Setting
from qhw.studies.measured.layouts import Layouts, acquire_layouts, read_layouts
from qhw.studies.measured.seed_rows import SeedRows, backend_facts, constant_and_rule
from qhw.studies.statistics.bootstrap import Bootstrap, hierarchical_bootstrap
from qhw.studies.statistics.holm import ALPHA, holm
from qhw.studies.statistics.intervals import shown
from qhw.studies.statistics.power import nothing_seen, units_of
from qhw.studies.store import FloatArray, not_acquired
from qhw.studies.study import Scope, Study

FAMILIES = {
    "Eagle (ECR)": (
        "fake_brisbane", "fake_sherbrooke", "fake_kyiv", "fake_osaka", "fake_strasbourg",
        "fake_cusco",
    ),
    "Heron (CZ)": (
        "fake_torino", "fake_fez", "fake_kingston", "fake_marrakesh", "fake_boston",
        "fake_pittsburgh", "fake_aachen",
    ),
    "Nighthawk (CZ, square lattice)": ("fake_miami",),
}  # fmt: skip
"""Snapshots by the generation of the chip and its two-qubit gate; they ship with the client."""
PLACES = "places.json"
MATTERS = 0.1
"""Share of the gain on the report's device that would be worth seeing."""
WORTH = "{:.2g}, a tenth of the gain there,"


class Transfer(Study):
    """Return on snapshots the controller was not trained on."""

    name = "transfer"
    question = "Does the controller work on other devices, and on other days?"
    about = "how such controllers transfer"

    def acquire(self, scope: Scope) -> None:
        """Play the report's device, those of the families, and kept snapshots of the first."""
        from qhw.studies.measured.playing import acquire_conditions

        places = _Places(scope.device, tuple(_devices(scope)), tuple(_dates(scope)))
        places.write(scope)
        SeedRows.of_subject(scope).acquire(places.settings)
        acquire_layouts(scope, places.laid_out(scope))
        few = SeedRows.of_parts(scope)
        acquire_conditions(scope, few.conditions(_layout_settings(scope)))

    def analyse(self, scope: Scope) -> Finding:
        """Gain over the best constant by device, against that on the report's device."""
        controllers = SeedRows.of_subject(scope)
        places = _Places.read(scope)
        constant, rule = constant_and_rule(scope)
        returns = controllers.returns(places.settings)
        gains = hierarchical_bootstrap(returns - constant.returns)
        moved = hierarchical_bootstrap(returns - returns[1])
        facts = [backend_facts(controllers.first(each)) for each in places.settings]
        layouts = {name: read_layouts(scope, name) for name in places.laid_out(scope)}
        return self.finding(
            f"{_sentence(places, gains, moved)} {_layouts_in_words(places.home, layouts)}",
            controllers.seeds,
            figures=(
                _figure(places, gains, float((rule.returns - constant.returns).mean())),
                _layout_figure(layouts),
            ),
            tables=(
                _table(facts, places, gains, moved),
                _layout_table(layouts),
                *_layout_returns(scope, layouts[places.home]),
            ),
            notes=(
                f"{controllers.note} Nothing is fitted anew on the other devices; the circuit is "
                "laid out on the best qubits of each.",
                gains.flag,
                f"{scope.sizes.layouts} layouts at most: the one that is played, and each next on "
                "qubits that are left free. "
                + (
                    "Those at home are played, too."
                    if scope.sizes.layout_returns
                    else "They are seen in the features alone; `--full` plays those at home."
                ),
                "Simulated from published calibrations: no crosstalk, no coherent errors.",
                *_null_note(places, returns, gains, moved),
                _dates_note(places),
            ),
            provenance={
                **gains.facts,
                **{
                    name: each.calibration_phrase
                    for name, each in zip(places.names, facts, strict=True)
                    if each.calibration
                },
            },
        )


@dataclass(frozen=True)
class _Places:
    """Where the policy is played.

    Attributes:
        home: The report's device.
        devices: Others, in the order of the families.
        dates: Kept snapshots of the report's device, as `DEVICE@DATE`.
    """

    home: str
    devices: tuple[str, ...]
    dates: tuple[str, ...]

    @property
    def settings(self) -> list[Setting]:
        """Noiseless, at home, elsewhere, on other dates."""
        return [NOISELESS, *(Setting(name) for name in (self.home, *self.devices, *self.dates))]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the settings, in order."""
        return tuple(setting.name for setting in self.settings)

    def laid_out(self, scope: Scope) -> tuple[str, ...]:
        """Where layouts are compared: at home, and on the first devices of each family in turn."""
        families = [[d for d in self.devices if _family(d) == each] for each in FAMILIES]
        turns = [device for turn in zip_longest(*reversed(families)) for device in turn if device]
        return (self.home, *turns)[: scope.sizes.layout_devices]

    def write(self, scope: Scope) -> None:
        """Keep what is played: the store of snapshots may grow before it is analysed."""
        scope.store(Transfer.name).keep_json(PLACES, [self.home, self.devices, self.dates])

    @classmethod
    def read(cls, scope: Scope) -> _Places:
        """What was played.

        Raises:
            DataError: If nothing was, or another device was at home.
        """
        missing = f"Transfer from {scope.device} was not measured"
        home, devices, dates = scope.store(Transfer.name).json(PLACES, missing)
        if home != scope.device:
            raise not_acquired(missing)
        return cls(home, tuple(devices), tuple(dates))


def _devices(scope: Scope) -> list[str]:
    """Devices of the families on which no run of the report was trained."""
    backends = [run.config.backend for run in scope.runs]
    names = (each.device if each.name == "aer_noisy" else each.name for each in backends)
    seen: set[str] = {DeviceName(name).local for name in names}
    seen.add(scope.device)
    fresh = [[name for name in names if name not in seen] for names in FAMILIES.values()]
    return [name for names in fresh for name in names[: scope.sizes.devices_per_family]]


def _dates(scope: Scope) -> list[str]:
    """Kept snapshots of the report's device whose numbers are not the ones it is played with."""
    from qhw.devices.snapshots import SnapshotStore
    from qhw.known import open_snapshot

    own = open_snapshot(scope.device).calibration_digest
    others = [each for each in SnapshotStore.of_user().of(scope.device) if each.digest != own]
    return [each.name for each in others[-(scope.sizes.dates or len(others)) :]]


def _family(name: str) -> str:
    device = name.partition("@")[0]
    return next((family for family, names in FAMILIES.items() if device in names), "")


def _sentence(places: _Places, gains: Bootstrap, moved: Bootstrap) -> str:
    """How many devices keep an advantage, and how many differ from home, Holm over the family."""
    away = range(2, len(places.settings))
    of_gains = holm(gains.p_value[2:])
    better = sum(bool(gains.value[k] > 0 and of_gains[k - 2] < ALPHA) for k in away)
    differ = _differing(moved)
    worst = min(away, key=lambda k: float(gains.value[k]))
    changes = ", ".join(f"{places.names[k]} {shown(moved.estimate(k), '{:+.4f}')}" for k in differ)
    least, home = (shown(gains.estimate(k), "{:+.3f}") for k in (worst, 1))
    return (
        f"On {better} of {len(away)} snapshots that it was not trained on, the controller's return "
        f"is above the best constant's (Holm); the least gain is {least} on {places.names[worst]}, "
        f"against {home} on {places.home}. "
        + (
            f"Paired with {places.home} the return differs on: {changes} (Holm)."
            if differ
            else f"None is seen to differ from {places.home} (Holm)."
        )
        + ("" if places.dates else f" Other days of {places.home} were not there to be played.")
    )


def _differing(moved: Bootstrap) -> list[int]:
    """Positions of the snapshots that differ from home, Holm over them."""
    adjusted = holm(moved.p_value[2:])
    return [k for k in range(2, len(moved.value)) if adjusted[k - 2] < ALPHA]


def _null_note(
    places: _Places, returns: FloatArray, gains: Bootstrap, moved: Bootstrap
) -> list[str]:
    """Where no difference is seen: the snapshot about which least is known."""
    alike = [k for k in range(2, len(returns)) if k not in _differing(moved)]
    worth = MATTERS * abs(float(gains.value[1]))
    if not alike or not worth:
        return []
    k = max(alike, key=lambda each: units_of(returns[each] - returns[1]).sd)
    units = units_of(returns[k] - returns[1])
    what = f"between {places.names[k]} and {places.home}"
    return [nothing_seen(what, units, worth, found=moved.estimate(k), form=WORTH)]


def _figure(places: _Places, gains: Bootstrap, rule: float) -> Figure:
    rows: dict[str, list[int]] = {}
    for k, name in enumerate(places.names):
        kind = "noiseless" if not k else _kind(places, name)
        rows.setdefault(kind, []).append(k)
    return Figure(
        id="gain_by_device",
        title="The controller's advantage on other devices",
        kind="bars",
        x=Axis(label="snapshot", order=places.names),
        y=Axis(label="return minus the best constant's"),
        series=tuple(
            Series.of(kind, [places.names[k] for k in row], [gains.estimate(k) for k in row])
            for kind, row in rows.items()
        ),
        references=(
            Reference(name="best constant", value=0.0),
            Reference(name="confidence rule", value=rule),
        ),
        reading=(
            "A bar above 0: on that device the controller earns more than the best constant "
            "guidance. All bars are the same controller on the same latents."
        ),
        alternative="Bars of the gain over the best constant: "
        + ", ".join(f"{name} {gains.value[k]:+.3f}" for k, name in enumerate(places.names))
        + ".",
    )


def _kind(places: _Places, name: str) -> str:
    if name == places.home:
        return "this report's device"
    if name in places.dates:
        return "the same device, other days"
    return _family(name)


def _table(
    facts: Sequence[BackendFacts], places: _Places, gains: Bootstrap, moved: Bootstrap
) -> Table:
    gates = [each.two_qubit_gates for each in facts]
    from_home = moved.estimates()
    return Table.of_columns(
        "transfer",
        "Return by snapshot",
        {
            "snapshot": places.names,
            "family": [_family(name) or None for name in places.names],
            "calibrated": [each.calibrated[:10] or None for each in facts],
            ("two-qubit gates", 0): [None if count is None else float(count) for count in gates],
            ("minus the constant's", 3): gains.estimates(),
            ("minus at home", 3): [from_home[0], None, *from_home[2:]],
        },
        (
            f"At home: on {places.home}. Differences are paired over the same latents; intervals "
            "are 95 %."
        ),
    )


def _layouts_in_words(home: str, layouts: Mapping[str, Layouts]) -> str:
    """How much the choice of qubits matters at home, in the features."""
    found = layouts[home]
    if len(found.rmse) == 1:
        return f"{home} has place for one layout of the circuit alone."
    return (
        f"Over {len(found.rmse)} layouts on {home} the features' RMSE is {found.median:.4f} in the "
        f"median, from {found.rmse.min():.4f} to {found.rmse.max():.4f}; the one that is played "
        f"has {found.rmse[0]:.4f}."
    )


def _layout_figure(layouts: Mapping[str, Layouts]) -> Figure:
    names, found = list(layouts), list(layouts.values())
    return Figure(
        id="error_by_layout",
        title="Error of the features over layouts of the circuit",
        kind="bars",
        x=Axis(label="snapshot", order=tuple(names)),
        y=Axis(label="RMSE of <Z_i>"),
        series=(
            Series.of("layouts, median and range", names, [each.range for each in found]),
            Series(name="the one played", x=tuple(names), y=tuple(float(e.rmse[0]) for e in found)),
        ),
        reading=(
            "Bars reach from the best to the worst layout; they are no intervals. Where they are "
            "long, it matters which qubits a circuit is on, and a device's name says little."
        ),
        alternative="RMSE over layouts: "
        + "; ".join(
            f"{name} {each.median:.4f}, from {each.rmse.min():.4f} to {each.rmse.max():.4f}"
            for name, each in layouts.items()
        )
        + ".",
    )


def _layout_table(layouts: Mapping[str, Layouts]) -> Table:
    found = list(layouts.values())
    return Table.of_columns(
        "layouts",
        "Layouts of the circuit by snapshot",
        {
            "snapshot": list(layouts),
            ("layouts", 0): [float(len(each.rmse)) for each in found],
            ("two-qubit gates, fewest", 0): [float(each.gates.min()) for each in found],
            ("most", 0): [float(each.gates.max()) for each in found],
            ("RMSE of the one played", 4): [float(each.rmse[0]) for each in found],
            ("RMSE, median", 4): [each.median for each in found],
            ("least", 4): [float(each.rmse.min()) for each in found],
            ("largest", 4): [float(each.rmse.max()) for each in found],
            ("expected error of the one played", 3): [float(each.scores[0]) for each in found],
        },
        "RMSE of the features under exact noise, over the states that all training seeds visit.",
    )


def _layout_settings(scope: Scope) -> list[Setting]:
    """The layouts of the report's device, where they are played."""
    if not scope.sizes.layout_returns:
        return []
    count = len(read_layouts(scope, scope.device).rmse)
    return [Setting(scope.device, layout=k) for k in range(count)]


def _layout_returns(scope: Scope, found: Layouts) -> list[Table]:
    """Return by layout at home, where they were played."""
    settings = _layout_settings(scope)
    if len(settings) < 2:
        return []
    returns = SeedRows.of_parts(scope).returns(settings)
    moved = hierarchical_bootstrap(returns - returns[0]).estimates()
    changes = returns.mean(axis=(1, 2)) - returns[0].mean()
    return [
        Table.of_columns(
            "return_by_layout",
            f"Return by layout on {scope.device}",
            {
                ("layout", 0): [float(k + 1) for k in range(len(settings))],
                ("RMSE", 4): list(map(float, found.rmse)),
                ("expected error", 3): list(map(float, found.scores)),
                ("return minus the first's", 4): [None, *moved[1:]],
            },
            (
                f"The first is the one that is played everywhere else. Median "
                f"{float(np.median(changes)):+.4f}, from {changes.min():+.4f} to "
                f"{changes.max():+.4f}; paired over {returns.shape[2]} latents, intervals 95 %."
            ),
        )
    ]


def _dates_note(places: _Places) -> str:
    if places.dates:
        return f"Other days of {places.home}: the circuit stays on the qubits it has today."
    return (
        f"No other calibration of {places.home} is kept here, so nothing is said about other days; "
        f"`qhw calibrate --device {places.home}` keeps one."
    )
