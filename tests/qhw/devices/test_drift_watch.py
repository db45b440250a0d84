"""A device that is recalibrated under a run: what is said, measured, recorded, and sent no more."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable

import numpy as np
import pytest

from policy.backend import FloatArray
from qhw.backends.mitigation.affine import AffineMap
from qhw.backends.mitigation.readout import ReadoutInversion
from qhw.backends.mitigation.zne import ZeroNoise
from qhw.config import parse_config
from qhw.devices.backend import DeviceBackend
from qhw.devices.mitigation import correction_to_json
from qhw.devices.opening import Requester
from qhw.errors import ConfigError, DriftError
from tests.clock import SteppedClock
from tests.ibm_cloud.cloud import Cloud
from tests.ibm_cloud.nairobi import OpenNairobi, ask_at

MUCH, LITTLE = 3.0, 1.02
"""Factors on every error: far beyond the thresholds, and within them."""
Open = Callable[..., DeviceBackend]


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def open_backend(open_nairobi: OpenNairobi, said: list[str]) -> Open:
    """Open it for the same run, as often as wanted."""

    def opening(mitigation: str = "affine", **hardware: object) -> DeviceBackend:
        command = "qhw run x --on-drift stop --resume"
        requester = Requester("run", command, clock=SteppedClock(), announce=said.append)
        return open_nairobi(requester, mitigation, **hardware)

    return opening


def ask(backend: DeviceBackend, step: int) -> FloatArray:
    return ask_at(backend, step, json.dumps(backend.random_state()).encode())


def recalibrate(cloud: Cloud, factor: float, day: int = 20) -> None:
    cloud.recalibrate("ibm_nairobi", factor, f"2026-11-{day}T08:00:00+00:00")


def calibration_circuits(backend: DeviceBackend) -> list[int]:
    entries = backend.work.ledger.entries(run="run")
    return [entry.circuits for entry in entries if entry.unit.phase.startswith("calibration")]


def meet(cloud: Cloud, backend: DeviceBackend, factor: float) -> None:
    """A job before, a job that meets the new calibration, and the one after it."""
    ask(backend, 0)
    recalibrate(cloud, factor)
    ask(backend, 1)
    ask(backend, 2)


@pytest.mark.parametrize(
    ("on_drift", "factor", "circuits"),
    [
        ("warn", LITTLE, [32, 8]),
        ("warn", MUCH, [32, 8, 32]),
        ("refit", LITTLE, [32, 8]),
        ("refit", MUCH, [32, 32]),
        ("stop", LITTLE, [32, 8]),
    ],
)
def test_each_setting_does_what_it_says(
    on_drift: str,
    factor: float,
    circuits: list[int],
    small_cloud: Cloud,
    open_backend: Open,
    said: list[str],
) -> None:
    backend = open_backend(on_drift=on_drift)
    meet(small_cloud, backend, factor)
    assert calibration_circuits(backend) == circuits
    line, *probed = said
    assert line.startswith("ibm_nairobi was recalibrated (2026-11-20T08:00:00+00:00), verdict")
    assert ("cx on" in line) is (factor == MUCH)
    (note,) = backend.drift.notes
    assert (note.text, note.step, note.action) == (line, 2, on_drift)
    assert note.verdict == ("refit" if factor == MUCH else "none")
    assert backend.facts().words()["on drift"] == on_drift
    assert line in str(backend.facts().words()["recalibrations"])
    assert len(probed) == (8 in circuits)
    fits = "no longer fits" if factor == MUCH else "still fits"
    assert all(f"was probed, and {fits}" in each for each in probed)
    before = list(said)
    ask(backend, 3)
    assert said == before


@pytest.mark.parametrize(
    ("on_drift", "factor"), [("warn", LITTLE), ("warn", MUCH), ("refit", MUCH)]
)
def test_what_was_found_under_way_is_not_paid_for_at_the_next_start(
    on_drift: str, factor: float, small_cloud: Cloud, open_backend: Open
) -> None:
    backend = open_backend(on_drift=on_drift)
    meet(small_cloud, backend, factor)
    again = open_backend(on_drift=on_drift)
    again.prepare()
    assert again.mitigation.calibrations == 0
    assert correction_to_json(again.mitigation.correction) == correction_to_json(
        backend.mitigation.correction
    )


def test_a_replay_leaves_a_map_that_was_fitted_since_alone(
    small_cloud: Cloud, open_backend: Open
) -> None:
    backend = open_backend()
    begin = json.loads(json.dumps(backend.random_state()))
    ask(backend, 0)
    fitted = backend.mitigation.correction
    assert isinstance(fitted, AffineMap)
    store, later = backend.mitigation.store, dataclasses.replace(fitted, date="2100-01-01T00:00:00")
    store.save(later)
    backend.restore_random_state(begin)
    backend.mitigation.correction = None
    backend.mitigation.renew(backend._calibrate, None)
    assert correction_to_json(backend.mitigation.correction) == correction_to_json(fitted)
    assert correction_to_json(store.load("ibm_nairobi", fitted.key)) == correction_to_json(later)


def test_stopping_sends_nothing_more_and_another_setting_goes_on(
    small_cloud: Cloud, open_backend: Open, said: list[str]
) -> None:
    backend = open_backend(on_drift="stop")
    with pytest.raises(DriftError, match=r"verdict refit: .* moved by") as raised:
        meet(small_cloud, backend, MUCH)
    assert raised.value.exit_code == 4
    assert "`qhw run x --resume --on-drift refit`" in raised.value.hint
    sent = len(small_cloud.jobs)
    assert sent == 3
    assert not said
    journal = backend.latest_journal()
    assert journal is not None
    for on_drift, more in (("stop", 0), ("refit", 2)):
        again = open_backend(on_drift=on_drift)
        again.restore_random_state(json.loads(journal))
        ask(again, 1)  # recalled
        assert len(small_cloud.jobs) == sent
        if on_drift == "stop":
            with pytest.raises(DriftError):
                ask(again, 2)
        else:
            ask(again, 2)
        assert len(small_cloud.jobs) == sent + more


def test_published_read_out_errors_are_read_anew(small_cloud: Cloud, open_backend: Open) -> None:
    backend = open_backend("readout", on_drift="refit")
    ask(backend, 0)
    before = backend.mitigation.correction
    assert isinstance(before, ReadoutInversion)
    for factor, day in ((LITTLE, 20), (2.0, 21)):
        recalibrate(small_cloud, factor, day)
        ask(backend, day)
        ask(backend, day + 10)
    after = backend.mitigation.correction
    assert isinstance(after, ReadoutInversion)
    np.testing.assert_allclose(after.p01, 2 * LITTLE * before.p01)
    np.testing.assert_allclose(after.p10, 2 * LITTLE * before.p10)
    assert "2026-11-21" in after.source
    assert not calibration_circuits(backend)


def test_the_read_out_of_extrapolation_is_read_anew(small_cloud: Cloud, open_backend: Open) -> None:
    backend = open_backend("zne", on_drift="refit")
    ask(backend, 0)
    before = backend.mitigation.correction
    recalibrate(small_cloud, 2.0)
    ask(backend, 1)
    ask(backend, 2)
    after = backend.mitigation.correction
    assert isinstance(before, ZeroNoise) and isinstance(after, ZeroNoise)
    assert before.readout is not None and after.readout is not None
    np.testing.assert_allclose(after.readout.p01, 2 * before.readout.p01)


def test_measured_read_out_errors_are_measured_anew_where_something_moved(
    small_cloud: Cloud, open_backend: Open
) -> None:
    backend = open_backend("readout", on_drift="refit", readout_errors="measured")
    meet(small_cloud, backend, LITTLE)
    assert calibration_circuits(backend) == [2]
    recalibrate(small_cloud, MUCH, 21)
    ask(backend, 3)
    ask(backend, 4)
    assert calibration_circuits(backend) == [2, 2]


def test_small_steps_add_up_where_nothing_is_renewed(
    small_cloud: Cloud, open_backend: Open
) -> None:
    """Each step is within the thresholds, their sum is not: it is judged from where it began."""
    backend = open_backend("readout", on_drift="warn")
    ask(backend, 0)
    for number in range(3):
        recalibrate(small_cloud, 1.12, 20 + number)
        ask(backend, 2 * number + 1)
        ask(backend, 2 * number + 2)
    assert [note.verdict for note in backend.drift.notes] == ["none", "refit", "refit"]


def test_a_resumed_run_says_and_does_the_same(
    small_cloud: Cloud, open_backend: Open, said: list[str]
) -> None:
    """Everything is recalled, under a device that has moved on since."""
    backend = open_backend("readout", on_drift="refit")
    backend.prepare()
    begin = json.loads(json.dumps(backend.random_state()))
    meet(small_cloud, backend, MUCH)
    values, first = ask(backend, 3), list(said)
    recalibrate(small_cloud, 1.5, 25)
    said.clear()
    again = open_backend("readout", on_drift="refit")
    again.restore_random_state(begin)
    replayed = [ask(again, step) for step in range(4)]
    np.testing.assert_array_equal(replayed[3], values)
    assert said == first
    assert again.random_state() == backend.random_state()
    assert len(small_cloud.jobs) == 4


@pytest.mark.parametrize("on_drift", ["warn", "refit"])
def test_a_recalibration_while_the_first_job_waits_is_noticed(
    on_drift: str, small_cloud: Cloud, open_backend: Open, said: list[str]
) -> None:
    backend = open_backend("readout", on_drift=on_drift)
    backend.prepare()
    before = backend.mitigation.correction
    recalibrate(small_cloud, MUCH)
    ask(backend, 0)
    assert not said
    ask(backend, 1)
    (line,) = said
    assert "2026-11-20" in line and "verdict refit" in line
    after = backend.mitigation.correction
    assert isinstance(before, ReadoutInversion) and isinstance(after, ReadoutInversion)
    factor = MUCH if on_drift == "refit" else 1.0
    np.testing.assert_allclose(after.p01, factor * before.p01)


@pytest.mark.parametrize("mitigation", ["affine", "none", "zne"])
def test_drift_starts_from_the_opened_snapshot_whatever_the_mitigation(
    mitigation: str, small_cloud: Cloud, open_backend: Open, said: list[str]
) -> None:
    open_backend(mitigation).prepare()  # fits the map that is kept
    backend = open_backend(mitigation)
    backend.prepare()
    recalibrate(small_cloud, MUCH)
    ask(backend, 0)
    ask(backend, 1)
    assert "verdict refit" in said[0]


@pytest.mark.parametrize("mitigation", ["readout", "affine", "none"])
def test_without_a_recalibration_nothing_is_said(
    mitigation: str, small_cloud: Cloud, open_backend: Open, said: list[str]
) -> None:
    backend = open_backend(mitigation)
    for step in range(3):
        ask(backend, step)
    assert not said
    assert not backend.drift.notes


def test_a_run_resumed_before_its_first_result_judges_from_where_it_was_opened(
    small_cloud: Cloud, open_backend: Open, said: list[str]
) -> None:
    backend = open_backend("readout", on_drift="refit")
    backend.prepare()
    journal = json.loads(json.dumps(backend.random_state()))
    recalibrate(small_cloud, MUCH)
    again = open_backend("readout", on_drift="refit")
    again.restore_random_state(journal)
    ask(again, 0)
    ask(again, 1)
    assert "verdict refit" in said[0]
    (before, after) = backend.mitigation.correction, again.mitigation.correction
    assert isinstance(before, ReadoutInversion) and isinstance(after, ReadoutInversion)
    np.testing.assert_allclose(after.p01, MUCH * before.p01)


def test_nothing_to_fit_cannot_be_refitted() -> None:
    for mitigation in ("none", "native"):
        with pytest.raises(ConfigError, match="has nothing to fit"):
            parse_config(
                {
                    "backend": {"name": "ibm_fez", "mitigation": mitigation},
                    "hardware": {"on_drift": "refit", "max_jobs": 3},
                }
            )


def test_simulators_have_no_drift() -> None:
    with pytest.raises(ConfigError, match=r"hardware\.on_drift applies to devices"):
        parse_config({"hardware": {"on_drift": "stop"}})


def test_a_refitted_map_is_the_one_in_use(small_cloud: Cloud, open_backend: Open) -> None:
    backend = open_backend(on_drift="refit")
    ask(backend, 0)
    before = backend.mitigation.correction
    recalibrate(small_cloud, MUCH)
    ask(backend, 1)
    ask(backend, 2)
    after = backend.mitigation.correction
    assert isinstance(before, AffineMap) and isinstance(after, AffineMap)
    assert (after.slope < before.slope).all()
