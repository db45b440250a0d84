from __future__ import annotations

import pytest
from qiskit_ibm_runtime.fake_provider import FakeBrisbane, FakeFez

from calibration import DeviceSnapshot


@pytest.fixture(scope="session")
def brisbane() -> DeviceSnapshot:
    return DeviceSnapshot.from_backend(FakeBrisbane())


@pytest.fixture(scope="session")
def fez() -> DeviceSnapshot:
    return DeviceSnapshot.from_backend(FakeFez())
