from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from policy import RingCircuit
from qhw.backends.circuit_file import circuit_digest
from qhw.backends.mitigation import folded_cache
from qhw.backends.mitigation.folded_cache import folded_for
from qhw.backends.opening import open_backend
from qhw.backends.transpile_cache import list_entries
from qhw.errors import CacheError, MitigationError
from qhw.files import Cache
from tests.qhw.backends.mitigation.conftest import Layout


def test_a_circuit_is_folded_once(
    layout: Layout, circuit: RingCircuit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot, transpiled = layout("fake_fez")
    made = folded_for(circuit, snapshot, transpiled, 3, tmp_path)
    assert made.miss_reason == "not in the cache yet"
    assert made.score > transpiled.score
    monkeypatch.setattr(folded_cache, "fold", None)
    found = folded_for(circuit, snapshot, transpiled, 3, tmp_path)
    assert found.from_cache
    assert circuit_digest(found.circuit) == circuit_digest(made.circuit)
    assert found.circuit.layout.final_index_layout() == list(transpiled.output_qubits)
    assert (found.two_qubit_gates, found.score) == (made.two_qubit_gates, made.score)
    assert folded_for(circuit, snapshot, transpiled, 1, tmp_path) is transpiled


def test_scales_and_layouts_have_entries_of_their_own(
    layout: Layout, circuit: RingCircuit, tmp_path: Path
) -> None:
    for device in ("fake_fez", "fake_lima"):
        for scale in (3, 5):
            folded_for(circuit, *layout(device), scale, tmp_path)
    assert len(list(tmp_path.glob("fake_fez/*.qpy"))) == 2
    assert len(list(tmp_path.glob("fake_lima/*.qpy"))) == 2


@pytest.mark.parametrize("suffix", [".qpy", ".json"])
def test_damage_is_set_aside_and_mended(
    layout: Layout, circuit: RingCircuit, tmp_path: Path, suffix: str
) -> None:
    snapshot, transpiled = layout("fake_fez")
    folded_for(circuit, snapshot, transpiled, 3, tmp_path)
    (path,) = tmp_path.glob(f"fake_fez/*{suffix}")
    path.write_bytes(path.read_bytes()[:40])
    mended = folded_for(circuit, snapshot, transpiled, 3, tmp_path)
    assert "the entry was damaged" in mended.miss_reason
    assert folded_for(circuit, snapshot, transpiled, 3, tmp_path).from_cache
    assert len(list(tmp_path.glob("fake_fez/*.damaged-*"))) == 1


HIT = """
import sys
from pathlib import Path
from policy import RingCircuit
from qhw.backends.opening import open_backend
from qhw.files import Cache

kept = Cache(Path(sys.argv[1]))
open_backend("aer_noisy", RingCircuit(3, 1), device="fake_lima", mitigation="zne", cache=kept)
print("mitiq" in sys.modules, "cirq" in sys.modules)
"""


@pytest.mark.slow  # two processes, of which one imports Mitiq
def test_a_hit_needs_no_mitiq(noisy: Any, cache: Cache) -> None:
    noisy(device="fake_lima", mitigation="zne")
    command = [sys.executable, "-c", HIT, str(cache.root)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_folded_circuits_are_counted_apart_and_cleared(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    open_backend("aer_noisy", RingCircuit(3, 1), device="fake_lima", mitigation="zne", cache=cache)
    counts = cache.count()
    assert {kind: count for kind, count in counts.items() if count} == {
        "circuits": 1,
        "folded": 1,
        "verdicts": 2,
    }
    assert len(list_entries(cache.transpiled)) == 1
    assert cache.clear() == counts
    assert not any(cache.count().values())


def test_a_cache_that_cannot_be_written_is_reported(
    layout: Layout, circuit: RingCircuit, tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(CacheError, match="folded circuits"):
        folded_for(circuit, *layout("fake_fez"), 3, blocked)
    with pytest.raises(MitigationError, match="odd"):
        folded_for(circuit, *layout("fake_fez"), 2, tmp_path)
