from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from qiskit import QuantumCircuit

from calibration import DeviceSnapshot
from policy import ExpectationBackend, RingCircuit
from policy.backend import FloatArray
from qhw.backends.aer import NoisyAerBackend
from qhw.backends.compiled import CompiledNoisyBackend
from qhw.backends.transpilation import TranspiledCircuit, TranspileOptions
from qhw.backends.transpile_cache import transpile_for
from qhw.errors import ConfigError, HardwareError, JobFailedError, MitigationError, RetryableError
from qhw.jobs.local.runner import LocalRunner
from qhw.jobs.local.store import StoredJob
from qhw.jobs.request import JobRequest, Pub
from qhw.known import open_snapshot
from tests.clock import SteppedClock

DEVICE = "fake_manila"
SHOTS = 4096
CIRCUIT = RingCircuit(3, 1)


@pytest.fixture(scope="module")
def snapshot() -> DeviceSnapshot:
    return open_snapshot(DEVICE)


@pytest.fixture(scope="module")
def transpiled(
    snapshot: DeviceSnapshot, tmp_path_factory: pytest.TempPathFactory
) -> TranspiledCircuit:
    folder = tmp_path_factory.mktemp("transpiled")
    return transpile_for(CIRCUIT, snapshot, TranspileOptions(seeds=2), folder)


@pytest.fixture
def runner(snapshot: DeviceSnapshot, tmp_path: Path) -> LocalRunner:
    return LocalRunner(DEVICE, tmp_path / "jobs", SteppedClock(), snapshot=snapshot)


def pub(transpiled: TranspiledCircuit, rows: int = 4, seed: int = 0) -> Pub:
    rng = np.random.default_rng(seed)
    width = len(transpiled.circuit.parameters)
    return Pub(transpiled.circuit, transpiled.output_qubits, rng.uniform(-3, 3, (rows, width)))


def request(
    transpiled: TranspiledCircuit, *tags: str, rows: int = 4, seed: int = 0, shots: int = SHOTS
) -> JobRequest:
    return JobRequest((pub(transpiled, rows, seed),), shots, tags=tags)


def exact_values(backend: ExpectationBackend, rows: FloatArray) -> FloatArray:
    """Values (rows, n) without sampling; columns stand in the order of names: angles first."""
    angles, weights = np.split(rows, [CIRCUIT.num_angles], axis=1)
    pairs = zip(angles[:, np.newaxis], weights[:, np.newaxis], strict=True)
    return np.stack([backend.evaluate(*pair).values[0, 0] for pair in pairs])


def test_values_are_the_noisy_backends_within_sampling_error(
    runner: LocalRunner, transpiled: TranspiledCircuit, snapshot: DeviceSnapshot
) -> None:
    asked = request(transpiled, rows=40)
    values = runner.collect(runner.submit(asked), asked.shapes)[0]
    for exact in (
        NoisyAerBackend(CIRCUIT, snapshot, transpiled),
        CompiledNoisyBackend(CIRCUIT, snapshot, transpiled),
    ):
        expected = exact_values(exact, asked.pubs[0].parameters)
        z = (values.values - expected) / np.sqrt((1 - expected**2) / SHOTS)
        assert np.abs(z).max() < 5
        assert 0.7 < z.std() < 1.3
    assert values.standard_errors == pytest.approx(np.sqrt((1 - values.values**2) / SHOTS))
    assert values.fault(40, 3) == ""


def test_a_circuit_is_run_as_it_is_folded_ones_too(
    runner: LocalRunner, transpiled: TranspiledCircuit, snapshot: DeviceSnapshot
) -> None:
    """Every two-qubit gate three times: the noise grows, and it is the folded circuit's own."""
    folded = transpiled.circuit.copy_empty_like()
    for item in transpiled.circuit.data:
        for _ in range(3 if len(item.qubits) == 2 else 1):
            folded.append(item)
    longer = dataclasses.replace(transpiled, circuit=folded)
    rows = pub(transpiled, 20).parameters
    pubs = [Pub(each.circuit, each.output_qubits, rows) for each in (transpiled, longer)]
    asked = JobRequest(tuple(pubs), 100_000, max_seconds=3600)
    plain, noisier = runner.collect(runner.submit(asked), asked.shapes)
    expected_plain, expected = (
        exact_values(NoisyAerBackend(CIRCUIT, snapshot, each), rows)
        for each in (transpiled, longer)
    )
    assert np.square(expected).mean() < 0.95 * np.square(expected_plain).mean()
    assert np.abs((plain.values - expected_plain) / plain.standard_errors).max() < 5
    assert np.abs((noisier.values - expected) / noisier.standard_errors).max() < 5
    assert np.abs((noisier.values - expected_plain) / noisier.standard_errors).max() > 10


def test_circuits_without_parameters_read_out_errors(
    runner: LocalRunner, snapshot: DeviceSnapshot
) -> None:
    zero = QuantumCircuit(snapshot.num_qubits)
    one = zero.copy()
    one.x(2)
    nothing = np.zeros((3, 0))
    asked = JobRequest((Pub(zero, (2, 4), nothing), Pub(one, (2, 4), nothing)), 100_000)
    low, high = runner.collect(runner.submit(asked), asked.shapes)
    qubit = snapshot.qubits[2]
    assert low.values.shape == (3, 2)
    assert len(np.unique(low.values[:, 0])) > 1, "rows must be drawn one by one"
    assert low.values[:, 0] == pytest.approx(1 - 2 * qubit.p01, abs=0.01)
    assert high.values[:, 0] == pytest.approx(2 * qubit.p10 - 1, abs=0.01)
    assert high.values[:, 1] == pytest.approx(1 - 2 * snapshot.qubits[4].p01, abs=0.01)


def test_a_job_lives_on_disk_and_gives_the_same_answer_ever_after(
    runner: LocalRunner, transpiled: TranspiledCircuit, snapshot: DeviceSnapshot, tmp_path: Path
) -> None:
    asked = request(transpiled, "unit-1", "work-7")
    job_id = runner.submit(asked)
    folder = tmp_path / "jobs" / job_id
    other = LocalRunner(DEVICE, tmp_path / "jobs", SteppedClock(), snapshot=snapshot)
    assert [report.state for report in other.find("unit-1")] == ["queued"]
    assert other.find("unit-2") == []
    report = other.report(job_id)
    assert (report.state, report.tags) == ("done", ("unit-1", "work-7"))
    assert report.usage_seconds == pytest.approx(2 + 0.00035 * 4 * SHOTS)
    assert report.created and report.started and report.finished
    assert not (folder / "circuits.qpy").exists(), "inputs are not kept once they are used"
    first, second = other.collect(job_id, asked.shapes), runner.collect(job_id, asked.shapes)
    assert np.array_equal(first[0].values, second[0].values)
    assert runner.find("unit-1") == [report]


def test_random_numbers_follow_from_the_id(
    runner: LocalRunner,
    transpiled: TranspiledCircuit,
    own_seed: Callable[[LocalRunner, StoredJob], int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A process that died while computing is replaced by one that draws the same."""
    monkeypatch.setattr(LocalRunner, "_seed", own_seed)
    asked = request(transpiled, rows=2000, shots=16)
    job_id = runner.submit(asked)
    values = runner.collect(job_id, asked.shapes)[0].values
    again = runner._measure(replayed(runner, asked, job_id))[0]
    assert np.array_equal(values, again)
    assert not np.array_equal(values, runner.collect(runner.submit(asked), asked.shapes)[0].values)


def replayed(runner: LocalRunner, asked: JobRequest, job_id: str) -> StoredJob:
    """The job as it was before it ended, its inputs put back."""
    from qhw.jobs.local import store

    store._write_inputs(runner._store.folder / job_id, asked)
    return runner._store.read(job_id)


def test_the_folder_is_private_and_nothing_is_pickled(
    runner: LocalRunner, transpiled: TranspiledCircuit, tmp_path: Path
) -> None:
    job_id = runner.submit(request(transpiled))
    folder = tmp_path / "jobs"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / job_id).stat().st_mode & 0o777 == 0o700
    np.load(folder / job_id / "parameters.npz", allow_pickle=False)["arr_0"]
    assert json.loads((folder / job_id / "job.json").read_text())["shots"] == SHOTS


def test_the_default_folder_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert LocalRunner("fake_fez")._store.folder == tmp_path / "qhw" / "local_jobs" / "fake_fez"


def test_jobs_are_found_oldest_first(runner: LocalRunner, transpiled: TranspiledCircuit) -> None:
    sent = [runner.submit(request(transpiled, "same")) for _ in range(4)]
    assert [report.job_id for report in runner.find("same")] == sent


def test_a_cancelled_job_is_never_computed(
    runner: LocalRunner, transpiled: TranspiledCircuit
) -> None:
    asked = request(transpiled, "unit")
    job_id = runner.submit(asked)
    assert runner.calibration(job_id) == ""
    runner.cancel(job_id)
    report = runner.report(job_id)
    assert (report.state, report.usage_seconds) == ("cancelled", 0)
    with pytest.raises(JobFailedError, match=f"{job_id} cancelled"):
        runner.collect(job_id, asked.shapes)


def test_cancelling_what_has_ended_changes_nothing(
    runner: LocalRunner, transpiled: TranspiledCircuit
) -> None:
    asked = request(transpiled)
    job_id = runner.submit(asked)
    values = runner.collect(job_id, asked.shapes)[0].values
    runner.cancel(job_id)
    assert np.array_equal(runner.collect(job_id, asked.shapes)[0].values, values)


def test_a_job_beyond_its_limit_fails_as_on_a_device(
    runner: LocalRunner, transpiled: TranspiledCircuit
) -> None:
    asked = dataclasses.replace(request(transpiled, rows=1000), max_seconds=60)
    job_id = runner.submit(asked)
    report = runner.report(job_id)
    assert (report.state, report.usage_seconds) == ("failed", 60)
    assert "1436 QPU s" in report.reason
    with pytest.raises(JobFailedError, match="its limit is 60 s"):
        runner.collect(job_id, asked.shapes)


def test_aers_own_failure_is_told(
    runner: LocalRunner, transpiled: TranspiledCircuit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("Aer failed: out of memory")

    monkeypatch.setattr(runner._device, "measure", fail)
    job_id = runner.submit(request(transpiled))
    report = runner.report(job_id)
    assert (report.state, report.reason) == ("failed", "Aer failed: out of memory")


def test_the_calibration_is_told_once_it_ran(
    runner: LocalRunner, transpiled: TranspiledCircuit, snapshot: DeviceSnapshot
) -> None:
    asked = request(transpiled)
    job_id = runner.submit(asked)
    runner.collect(job_id, asked.shapes)
    told = json.loads(runner.calibration(job_id))
    assert told["calibration_digest"] == snapshot.calibration_digest
    assert runner.snapshot(refresh=True) is snapshot


def test_what_the_device_says_of_itself(runner: LocalRunner) -> None:
    limits = runner.limits()
    assert (limits.plan, limits.sessions, limits.max_pending) == ("local", False, None)
    assert (runner.mode, runner.group_id, runner.queue_length()) == ("job", "", 0)
    runner.close()


def test_the_platforms_own_mitigation_is_refused(
    runner: LocalRunner, transpiled: TranspiledCircuit
) -> None:
    asked = dataclasses.replace(request(transpiled), native=True)
    with pytest.raises(MitigationError, match="ibm_"):
        runner.submit(asked)
    assert not runner._store.jobs()


def test_circuits_of_another_device_are_refused(
    runner: LocalRunner, snapshot: DeviceSnapshot
) -> None:
    nothing = np.zeros((1, 0))
    foreign = QuantumCircuit(snapshot.num_qubits)
    foreign.cz(0, 4)
    with pytest.raises(HardwareError, match=r"no gate 'cz' on qubits \(0, 4\)"):
        runner.submit(JobRequest((Pub(foreign, (0, 4), nothing),), 10))
    with pytest.raises(HardwareError, match="has 5 qubits; the circuit has 2"):
        runner.submit(JobRequest((Pub(QuantumCircuit(2), (0, 1), nothing),), 10))


def test_too_many_qubits_are_refused_with_the_estimate(tmp_path: Path) -> None:
    fez = LocalRunner("fake_fez", tmp_path)
    wide = Pub(QuantumCircuit(156), tuple(range(9)), np.zeros((1, 0)))
    with pytest.raises(ConfigError, match="MiB"):
        fez.submit(JobRequest((wide,), 10))


def test_another_request_is_not_answered(
    runner: LocalRunner, transpiled: TranspiledCircuit
) -> None:
    job_id = runner.submit(request(transpiled))
    with pytest.raises(HardwareError, match="was asked for"):
        runner.collect(job_id, request(transpiled, rows=5).shapes)


@pytest.mark.parametrize("job_id", ["local-0", "../../etc", "local-" + "0" * 24])
def test_an_unknown_id(runner: LocalRunner, job_id: str) -> None:
    with pytest.raises(HardwareError, match="no local job"):
        runner.report(job_id)


def test_a_disk_that_refuses_leaves_nothing_behind(
    transpiled: TranspiledCircuit, snapshot: DeviceSnapshot, tmp_path: Path
) -> None:
    (tmp_path / "jobs").write_text("a file where the folder should be")
    runner = LocalRunner(DEVICE, tmp_path / "jobs", SteppedClock(), snapshot=snapshot)
    with pytest.raises(HardwareError, match="could not be stored"):
        runner.submit(request(transpiled))


def test_a_half_written_job_is_not_seen(runner: LocalRunner, transpiled: TranspiledCircuit) -> None:
    runner.submit(request(transpiled, "tag"))
    (runner._store.folder / ".local-1.partial").mkdir()
    assert len(runner.find("tag")) == 1


def test_while_another_process_computes_a_job_runs(
    runner: LocalRunner, transpiled: TranspiledCircuit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qhw.jobs.local.runner.COMPUTE_SECONDS", 0.01)
    asked = request(transpiled)
    job_id = runner.submit(asked)
    with runner._store.lock(job_id, 1):
        assert runner.report(job_id).state == "running"
        with pytest.raises(RetryableError, match="Another process"):
            runner.collect(job_id, asked.shapes)
        with pytest.raises(RetryableError, match="being computed"):
            runner.cancel(job_id)
    assert runner.report(job_id).state == "done"


COLLECT = """
import sys
from pathlib import Path
import numpy as np
from qhw.jobs.local.runner import LocalRunner
from qhw.jobs.request import JobRequest

runner = LocalRunner("fake_manila", Path(sys.argv[1]))
(found,) = runner.find("shared")
job = runner._store.read(found.job_id)
request = JobRequest(runner._store.pubs(job), job.shots)
print("ready", flush=True)
sys.stdin.readline()
values = runner.collect(found.job_id, request.shapes)[0].values
print(values.shape, values.sum(), values.tobytes().hex()[:64])
"""


def test_processes_that_collect_at_once_get_the_same(
    runner: LocalRunner, transpiled: TranspiledCircuit
) -> None:
    runner.submit(request(transpiled, "shared", rows=300, shots=1000))
    processes = [_python(COLLECT, runner._store.folder) for _ in range(2)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    first, second = (process.communicate(timeout=120)[0] for process in processes)
    assert first == second
    assert first.startswith("(300, 3)")


SUBMIT_AND_DIE = """
import os, signal, sys
from pathlib import Path
import numpy as np
from qiskit import QuantumCircuit
from qhw.jobs.local.runner import LocalRunner
from qhw.jobs.request import JobRequest, Pub

circuit = QuantumCircuit(5)
circuit.x(1)
request = JobRequest((Pub(circuit, (0, 1), np.zeros((2, 0))),), 64, tags=("orphan",))
LocalRunner("fake_manila", Path(sys.argv[1])).submit(request)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_job_of_a_killed_process_is_found_and_collected(runner: LocalRunner) -> None:
    process = _python(SUBMIT_AND_DIE, runner._store.folder)
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    (found,) = runner.find("orphan")
    circuit = QuantumCircuit(5)
    circuit.x(1)
    asked = JobRequest((Pub(circuit, (0, 1), np.zeros((2, 0))),), 64)
    assert runner.collect(found.job_id, asked.shapes)[0].values[:, 1].max() < 0


def _python(script: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
