"""Fixtures for tests against the local platform; a conftest imports the ones it wants."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from qiskit_ibm_runtime.accounts import management

from tests.ibm_cloud.cloud import Cloud
from tests.ibm_cloud.remote import RemoteCloud
from tests.ibm_cloud.server import CloudServer

START_SECONDS, STOP_SECONDS = 300.0, 60.0
"""A busy machine takes a minute to import what the server needs."""


def _point_client(monkeypatch: pytest.MonkeyPatch, server: CloudServer, home: Path) -> None:
    for name in [name for name in os.environ if name.startswith("QISKIT_IBM")]:
        monkeypatch.delenv(name)
    for name, value in server.environment(home).items():
        monkeypatch.setenv(name, value)
    # The client reads the home folder once, when it is imported.
    account_file = str(home / ".qiskit" / "qiskit-ibm.json")
    monkeypatch.setattr(management, "_DEFAULT_ACCOUNT_CONFIG_JSON_FILE", account_file)


@pytest.fixture
def open_cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Cloud]:
    """An Open-plan account with `ibm_fez` and `ibm_nairobi`; the client is pointed at it."""
    with CloudServer(Cloud(plan="open")) as server:
        _point_client(monkeypatch, server, tmp_path)
        yield server.cloud
        assert not server.cloud.crashes


@pytest.fixture
def paid_cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Cloud]:
    """The same on a pay-as-you-go plan, which allows sessions."""
    with CloudServer(Cloud(plan="pay-as-you-go")) as server:
        _point_client(monkeypatch, server, tmp_path)
        yield server.cloud
        assert not server.cloud.crashes


@pytest.fixture
def small_cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Cloud]:
    """An Open-plan account with the 7-qubit `ibm_nairobi` alone: the quickest."""
    with CloudServer(Cloud({"ibm_nairobi": "fake_nairobi"})) as server:
        _point_client(monkeypatch, server, tmp_path)
        yield server.cloud
        assert not server.cloud.crashes


@pytest.fixture
def remote_cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[RemoteCloud]:
    """The platform in a process of its own; child processes inherit the way to it."""
    port_file = tmp_path / "cloud" / "port.json"
    port_file.parent.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.ibm_cloud", "--port-file", str(port_file)],
        cwd=Path(__file__).parents[2],
    )
    try:
        for name, value in _wait_for(port_file, process).items():
            monkeypatch.setenv(name, value)
        yield RemoteCloud(os.environ["CLOUD_URL"])
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the server; one that is not up yet holds the polite signal back."""
    process.terminate()
    try:
        process.wait(timeout=STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_for(port_file: Path, process: subprocess.Popen[bytes]) -> dict[str, str]:
    deadline = time.monotonic() + START_SECONDS
    while not port_file.exists():
        assert process.poll() is None, "the server ended before it listened"
        assert time.monotonic() < deadline, "the server did not come up"
        time.sleep(0.05)
    variables: dict[str, str] = json.loads(port_file.read_text(encoding="utf-8"))
    return variables
