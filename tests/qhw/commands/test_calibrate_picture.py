from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from calibration import DeviceSnapshot
from qhw.commands.calibrate_picture import (
    OUTLINE,
    Layout,
    _is_dark,
    _ticks,
    draw_device,
    pair_errors,
    save_picture,
)
from qhw.commands.calibrate_places import _distances, couplings, positions
from qhw.known import open_snapshot

LAYOUT = Layout((0, 1, 3), ((0, 1), (1, 3)), "the circuit's qubits")


@pytest.fixture(scope="module")
def nairobi() -> DeviceSnapshot:
    return open_snapshot("fake_nairobi")


@pytest.mark.parametrize(
    "device", ["fake_fez", "fake_brisbane", "fake_miami", "fake_nairobi", "fake_washington"]
)
def test_published_places_put_neighbours_side_by_side(device: str) -> None:
    snapshot = open_snapshot(device)
    places = positions(snapshot)
    assert places.shape == (snapshot.num_qubits, 2)
    assert len(np.unique(places, axis=0)) == snapshot.num_qubits
    lengths = [np.ptp(places[sorted(edge)], axis=0).sum() for edge in couplings(snapshot)]
    assert set(lengths) == {1.0}


@pytest.mark.parametrize("device", ["fake_belem", "fake_guadalupe", "fake_brooklyn"])
def test_places_that_nobody_publishes_keep_neighbours_near_and_others_apart(device: str) -> None:
    snapshot = open_snapshot(device)
    places, edges = positions(snapshot), couplings(snapshot)
    assert np.array_equal(places, positions(snapshot))
    lengths = [np.linalg.norm(np.subtract(*places[sorted(edge)])) for edge in edges]
    assert min(lengths) > 0.5 and max(lengths) < 1.6
    between = np.linalg.norm(places[:, None] - places[None], axis=-1)
    apart = between[np.triu_indices(len(places), 1)]
    assert apart.min() > 0.5


def test_one_qubit_and_separate_parts_have_places() -> None:
    assert positions(open_snapshot("fake_armonk")).tolist() == [[0.0, 0.0]]
    distances = _distances(4, [frozenset((0, 1)), frozenset((2, 3))])
    assert np.isfinite(distances).all()
    assert distances[0, 2] > distances[0, 1]


def test_gates_that_are_not_calibrated_have_no_error(nairobi: DeviceSnapshot) -> None:
    gates = [
        dataclasses.replace(gate, error=1.0) if set(gate.qubits) == {0, 1} else gate
        for gate in nairobi.gates
    ]
    errors = pair_errors(dataclasses.replace(nairobi, gates=tuple(gates)))
    assert errors[frozenset((0, 1))] is None
    assert errors[frozenset((1, 3))] == pytest.approx(0.00679, abs=1e-5)
    assert len(errors) == 6


def test_the_drawing_says_what_is_what(nairobi: DeviceSnapshot) -> None:
    figure = draw_device(nairobi, LAYOUT, "fake_nairobi, calibrated 2024-05-27")
    drawing, readout, gates = figure.axes
    assert drawing.get_title() == "fake_nairobi, calibrated 2024-05-27"
    assert [text.get_text() for text in drawing.texts] == list("0123456")
    assert [t.get_text() for t in drawing.texts if t.get_fontweight() == "bold"] == list("013")
    assert readout.get_xlabel() == "read-out error of a qubit"
    assert gates.get_xlabel() == "error of a two-qubit gate"
    assert all(label.get_text().endswith(" %") for label in readout.get_xticklabels())
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["the circuit's qubits"]


def test_the_same_figure_is_the_same_file(nairobi: DeviceSnapshot, tmp_path: Path) -> None:
    contents = []
    for folder in ("one", "other"):
        figure = draw_device(nairobi, LAYOUT, "title")
        paths = save_picture(figure, tmp_path / folder / "map")
        assert [path.name for path in paths] == ["map.png", "map.svg"]
        contents.append([path.read_bytes() for path in paths])
    assert contents[0] == contents[1]
    assert OUTLINE in contents[0][1].decode()


@pytest.mark.parametrize(("low", "high"), [(0.0021, 0.0289), (0.006, 0.0126), (0.0182, 0.058)])
def test_scales_have_enough_round_ticks(low: float, high: float) -> None:
    ticks = _ticks(low, high)
    assert 3 <= len(ticks) <= 8
    assert all(low <= tick <= high for tick in ticks)
    assert ticks == sorted(set(ticks))


def test_numbers_stand_out_from_their_discs() -> None:
    assert _is_dark((0.0, 0.13, 0.3))
    assert not _is_dark((0.99, 0.9, 0.2))


def test_errors_of_zero_can_be_drawn(nairobi: DeviceSnapshot) -> None:
    qubits = tuple(dataclasses.replace(qubit, p01=0.0, p10=0.0) for qubit in nairobi.qubits)
    gates = tuple(dataclasses.replace(gate, error=0.0) for gate in nairobi.gates)
    perfect = dataclasses.replace(nairobi, qubits=qubits, gates=gates)
    draw_device(perfect, LAYOUT, "perfect").canvas.draw()
