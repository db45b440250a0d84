"""The noise model against the device, on circuits that both have run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qhw.studies.finding import Axis, Estimate, Figure, Finding, Series, Table
from qhw.studies.measured.probe_jobs import ProbeJob, model_file, read_probe_jobs
from qhw.studies.statistics.bootstrap import hierarchical_bootstrap
from qhw.studies.statistics.intervals import shown, transformed
from qhw.studies.store import FloatArray
from qhw.studies.study import Scope, Study

BEST_CASE = (
    "Simulated noise is a best case: it knows no crosstalk, no coherent errors and no drift since "
    "the calibration, and a device has all three."
)


class ModelVsDevice(Study):
    """What devices made of probe circuits, beside what the noise model says of them."""

    name = "model_vs_device"
    question = "Is the noise model true to the device?"

    def acquire(self, scope: Scope) -> None:
        """Look for jobs of the runs in the ledger; nothing is sent."""
        from qhw.studies.measured.probe_models import acquire_probes

        acquire_probes(scope)

    def analyse(self, scope: Scope) -> Finding:
        """Compare; where no device was asked, say what that means."""
        jobs = read_probe_jobs(scope)
        if not jobs:
            return self.refused(
                f"No device ran probe circuits for these runs, so {scope.device} stands for a "
                f"device all through this report. {BEST_CASE}"
            )
        compared = [_compare(scope, job) for job in jobs if job.calibrated]
        return self.finding(
            _answer(scope, compared),
            figures=(_figure(compared),) if compared else (),
            tables=(_table(compared),) if compared else (),
            notes=tuple(_notes(jobs, compared)),
            provenance={
                each.job.job: f"{each.job.device}, {each.job.finished}" for each in compared
            },
        )


@dataclass(frozen=True)
class _Compared:
    """One job; errors are root mean squares over circuits and outputs, without the shots' part.

    Attributes:
        job: What it was.
        device: Measured values against ideal.
        model: Noise model against ideal.
        apart: Measured values against noise model.
        excess: Mean square of the device's error minus that of the model's, paired by circuit.
        shots: What the shots alone would put between measured and model.
        chi2: Mean squared difference to the model in units of the shots' variance; 1 if that is
            all there is.
    """

    job: ProbeJob
    device: Estimate
    model: Estimate
    apart: Estimate
    excess: Estimate
    shots: float
    chi2: Estimate


def _compare(scope: Scope, job: ProbeJob) -> _Compared:
    arrays = scope.store(ModelVsDevice.name).arrays(model_file(job.job))
    measured, model, ideal = (arrays[name] for name in ("measured", "model", "ideal"))
    # An output that every shot agreed on has an estimated error of 0: one shot is its resolution.
    errors = arrays["errors"].clip(min=1 / job.shots)
    # What the shots add to a square on average is taken out: the model's values have no shots.
    device, apart = ((measured - other) ** 2 - errors**2 for other in (ideal, model))
    return _Compared(
        job,
        _rms(device),
        _rms((model - ideal) ** 2),
        _rms(apart),
        _mean(device - (model - ideal) ** 2),
        float(np.sqrt((errors**2).mean())),
        _mean(((measured - model) / errors) ** 2),
    )


def _mean(squares: FloatArray) -> Estimate:
    """Mean over (circuits, outputs); circuits are what is resampled."""
    return hierarchical_bootstrap(squares.mean(axis=1)[None]).estimate()


def _rms(squares: FloatArray) -> Estimate:
    return transformed(_mean(squares), math.sqrt, 0.0)


def _answer(scope: Scope, compared: Sequence[_Compared]) -> str:
    devices = [each for each in compared if not each.job.stand_in]
    if devices:
        return " ".join(_device_sentence(each) for each in devices[-3:])
    if not compared:
        return (
            f"No device ran probe circuits for these runs, so {scope.device} stands for a device "
            f"all through this report. {BEST_CASE}"
        )
    alike = shown(compared[-1].chi2, "{:.2f}")
    return (
        f"Only {compared[-1].job.device}, a local stand-in with the model's own noise, ran probe "
        f"circuits: squared differences to the model are {alike} of the shots' variance, which "
        f"checks the path of the jobs and not a device. {BEST_CASE}"
    )


def _device_sentence(found: _Compared) -> str:
    kind = "no difference in size is seen"
    if found.excess.low > 0:
        kind = "more than the model says"
    if found.excess.high < 0:
        kind = "less than the model says"
    shots = f"the {found.shots:.3g} of shot noise"
    apart = (
        f"differ by {shown(found.apart)} beyond {shots}"
        if found.chi2.low > 1
        else f"differ by no more than {shots}"
    )
    return (
        f"{found.job.device} was off the ideal by {shown(found.device)} (rms, without shot noise), "
        f"its noise model says {shown(found.model)}: {kind}. Value by value they {apart}."
    )


def _figure(compared: Sequence[_Compared]) -> Figure:
    names = tuple(
        f"{each.job.device}, {each.job.finished[:16] or each.job.job}" for each in compared
    )
    return Figure(
        id="model_against_device",
        title="Error of the probe circuits, measured and modelled",
        kind="bars",
        x=Axis(label="job", order=tuple(dict.fromkeys(names))),
        y=Axis(label="rms error of <Z>"),
        series=(
            Series.of("measured", names, [each.device for each in compared]),
            Series.of("noise model", names, [each.model for each in compared]),
            Series.of("measured minus model", names, [each.apart for each in compared]),
        ),
        reading=(
            "Where 'measured' is above 'noise model' the device is noisier than simulated; the "
            "third bar is what the model misses. Shot noise is taken out of all of them."
        ),
        alternative="Bars of rms errors: "
        + "; ".join(
            f"{name}: measured {each.device.value:.3f}, model {each.model.value:.3f}"
            for name, each in zip(names, compared, strict=True)
        )
        + ".",
    )


def _table(compared: Sequence[_Compared]) -> Table:
    jobs = [each.job for each in compared]
    return Table.of_columns(
        "model_against_device",
        "Probe circuits, job by job",
        {
            "job": [job.job for job in jobs],
            "device": [job.device for job in jobs],
            "finished": [job.finished[:16] for job in jobs],
            "model's calibration": [job.calibrated[:16] for job in jobs],
            ("circuits", 0): [float(job.circuits) for job in jobs],
            ("shots", 0): [float(job.shots) for job in jobs],
            ("measured - ideal, rms", 4): [each.device for each in compared],
            ("model - ideal, rms", 4): [each.model for each in compared],
            ("measured - model, rms", 4): [each.apart for each in compared],
            ("shots alone, rms", 4): [each.shots for each in compared],
            ("squared difference by shots' variance", 2): [each.chi2 for each in compared],
        },
        (
            "Shot noise is taken out of the errors. The last column is 1 where shots explain the "
            "whole difference between device and model; above 1 the model misses something. "
            "Intervals are 95 %, over the circuits."
        ),
    )


def _notes(jobs: Sequence[ProbeJob], compared: Sequence[_Compared]) -> list[str]:
    notes = [
        f"Job {job.job} of {job.device} ran probe circuits, but cannot be modelled: either its "
        "record holds no calibration, or no snapshot of the device is kept to lay it over "
        f"(`qhw calibrate --device {job.device}` keeps one)."
        for job in jobs
        if not job.calibrated
    ]
    if not compared:
        notes.append(
            "A training or `qhw run` on a device with --mitigation affine sends such circuits; the "
            "next report on that run compares them here."
        )
    return notes
