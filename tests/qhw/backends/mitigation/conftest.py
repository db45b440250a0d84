from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from calibration import DeviceSnapshot
from policy import RingCircuit
from qhw.backends.opening import open_backend
from qhw.backends.transpilation import TranspiledCircuit, TranspileOptions
from qhw.backends.transpile_cache import transpile_for
from qhw.files import Cache
from qhw.known import open_snapshot

Layout = Callable[[str], tuple[DeviceSnapshot, TranspiledCircuit]]


@pytest.fixture(scope="session")
def circuit() -> RingCircuit:
    return RingCircuit(3, 1)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return Cache(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def layout(circuit: RingCircuit, cache: Cache) -> Layout:
    """Of the small circuit, on any device."""

    def lay_out(device: str) -> tuple[DeviceSnapshot, TranspiledCircuit]:
        snapshot = open_snapshot(device)
        options = TranspileOptions(seeds=2)
        return snapshot, transpile_for(circuit, snapshot, options, cache.transpiled)

    return lay_out


@pytest.fixture(scope="session")
def noisy(circuit: RingCircuit, cache: Cache) -> Callable[..., object]:
    """`open_backend` of the small circuit under noise, with the tests' cache."""
    return partial(open_backend, "aer_noisy", circuit, cache=cache)
