"""The real client against the local platform: what works."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import requests
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector

from policy import RingCircuit
from policy.backend import FloatArray
from qhw.backends.aer import NoisyAerBackend
from qhw.backends.transpilation import TranspiledCircuit, TranspileOptions
from qhw.backends.transpile_cache import transpile_for
from qhw.errors import BackendUnavailableError, CredentialsError, HardwareError, JobFailedError
from qhw.jobs.ibm.account import close_group, list_devices, open_service
from qhw.jobs.ibm.runner import IbmRunner
from qhw.jobs.ibm.single_post import SinglePostAdapter, refuse_other_connections
from qhw.jobs.request import JobRequest, Pub
from qhw.jobs.runner import Mode
from qhw.known import has_credentials
from tests.ibm_cloud.cloud import Cloud
from tests.ibm_cloud.remote import RemoteCloud

QUICK = TranspileOptions(seeds=1, optimization_level=1)
SHOTS = 4096


def small_request(rows: int = 3, shots: int = 64, *tags: str) -> JobRequest:
    """Two entangled qubits of `ibm_nairobi`, one parameter."""
    circuit = QuantumCircuit(7)
    (angle,) = ParameterVector("angle", 1)
    circuit.sx(0)
    circuit.rz(angle, 0)
    circuit.sx(0)
    circuit.cx(0, 1)
    values = np.random.default_rng(1).uniform(-3, 3, (rows, 1))
    return JobRequest((Pub(circuit, (1, 0), values),), shots, tags=tags)


def ring_request(
    circuit: RingCircuit, transpiled: TranspiledCircuit, angles: FloatArray, weights: FloatArray
) -> JobRequest:
    values = {f"angle[{i}]": angles[:, i] for i in range(circuit.num_angles)}
    values |= {f"weight[{i}]": np.full(len(angles), w) for i, w in enumerate(weights[0])}
    columns = np.stack([values[p.name] for p in transpiled.circuit.parameters], axis=1)
    pub = Pub(transpiled.circuit, transpiled.output_qubits, columns)
    return JobRequest((pub,), SHOTS, tags=("unit-tag", "work-tag"), max_seconds=120)


def check_values(runner: IbmRunner, folder: Path) -> str:
    """Submit a ring circuit and compare with the exact values under the snapshot's noise."""
    circuit, snapshot = RingCircuit(4, 1), runner.snapshot()
    transpiled = transpile_for(circuit, snapshot, QUICK, folder)
    rng = np.random.default_rng(0)
    angles = rng.uniform(-3, 3, (6, circuit.num_angles))
    weights = rng.uniform(-3, 3, (1, circuit.num_weights))
    request = ring_request(circuit, transpiled, angles, weights)
    job_id = runner.submit(request)
    (measured,) = runner.collect(job_id, request.shapes)
    exact = NoisyAerBackend(circuit, snapshot, transpiled).evaluate(angles, weights).values[0]
    expected_errors = np.sqrt((1 - exact**2) / SHOTS)
    assert np.abs(measured.standard_errors - expected_errors).max() < 3e-3
    assert np.abs((measured.values - exact) / expected_errors).max() < 5
    return job_id


@pytest.mark.parametrize("mode", ["job", "batch", "session"])
def test_each_mode_gives_the_noise_models_values(
    mode: Mode, paid_cloud: Cloud, tmp_path: Path
) -> None:
    groups: list[str] = []
    runner = IbmRunner.open("ibm_nairobi", mode, groups.append)
    assert runner.group_id == ""
    job_id = check_values(runner, tmp_path / "cache")
    assert paid_cloud.requests("POST", "/jobs") == 1
    (job,) = paid_cloud.jobs.values()
    assert (job.id, job.tags, job.cost) == (job_id, ["unit-tag", "work-tag"], 120)
    assert (job.circuits, job.shots) == (6, 6 * SHOTS)
    assert groups == ([] if mode == "job" else [runner.group_id])
    assert job.session_id == (runner.group_id or None)
    assert paid_cloud.open_sessions == groups
    runner.close()
    runner.close()
    assert paid_cloud.open_sessions == []
    assert runner.group_id == ""


def test_a_device_of_156_qubits(open_cloud: Cloud, tmp_path: Path) -> None:
    check_values(IbmRunner.open("ibm_fez"), tmp_path / "cache")
    assert open_cloud.executed == (6, 6 * SHOTS)


def test_every_option_is_spelled_out(small_cloud: Cloud) -> None:
    runner = IbmRunner.open("ibm_nairobi")
    runner.submit(small_request())
    (job,) = small_cloud.jobs.values()
    program = job.params["quantum_program"]
    options = program["passthrough_data"]["post_processor"]["options"]
    assert options["resilience_level"] == 0
    assert not options["resilience"]["measure_mitigation"]
    assert not options["resilience"]["zne_mitigation"]
    assert not options["resilience"]["pec_mitigation"]
    assert not options["twirling"]["enable_gates"]
    assert not options["twirling"]["enable_measure"]
    assert not options["dynamical_decoupling"]["enable"]
    assert options["default_shots"] == program["shots"] == 64
    assert job.params["options"]["init_qubits"]


def test_native_mitigation_inverts_the_readout(small_cloud: Cloud) -> None:
    circuit = QuantumCircuit(7)
    circuit.x(3)
    pub = Pub(circuit, (3, 0), np.zeros((1, 0)))
    runner = IbmRunner.open("ibm_nairobi")
    values = {}
    for native in (False, True):
        request = JobRequest((pub,), SHOTS, native=native)
        (got,) = runner.collect(runner.submit(request), request.shapes)
        values[native] = got
    ideal = np.array([[-1.0, 1.0]])
    assert np.abs(values[False].values - ideal).min() > 0.02
    assert np.abs((values[True].values - ideal) / values[True].standard_errors).max() < 5
    mitigated = list(small_cloud.jobs.values())[1].params["quantum_program"]
    twirling = mitigated["passthrough_data"]["post_processor"]["options"]["twirling"]
    assert twirling["enable_measure"]
    assert twirling["num_randomizations"] == 32


def test_two_pubs_are_one_job(small_cloud: Cloud) -> None:
    pub = small_request().pubs[0]
    other = Pub(pub.circuit, (0,), pub.parameters[:1])
    request = JobRequest((pub, other), 64)
    runner = IbmRunner.open("ibm_nairobi")
    first, second = runner.collect(runner.submit(request), request.shapes)
    assert (first.values.shape, second.values.shape) == ((3, 2), (1, 1))
    assert small_cloud.requests("POST", "/jobs") == 1


def test_a_job_is_reported_from_queue_to_bill(small_cloud: Cloud) -> None:
    small_cloud.queue_polls, small_cloud.run_polls = 1, 1
    small_cloud.devices["ibm_nairobi"].queue = 4
    runner = IbmRunner.open("ibm_nairobi")
    job_id = runner.submit(small_request(3, 64, "a-tag"))
    assert runner.queue_length() == 5
    queued, running, done = (runner.report(job_id) for _ in range(3))
    assert (queued.state, queued.queue_position, queued.usage_seconds) == ("queued", 4, None)
    assert (running.state, running.queue_position) == ("running", None)
    assert done.state == "done"
    assert done.final
    assert done.usage_seconds == pytest.approx(2 + 0.00035 * 3 * 64)
    assert "" < done.created < done.started < done.finished
    assert done.tags == ("a-tag",)


def test_jobs_are_found_by_tag_oldest_first(small_cloud: Cloud) -> None:
    small_cloud.max_pending = None
    runner = IbmRunner.open("ibm_nairobi")
    ids = [runner.submit(small_request(1, 8, "wanted")) for _ in range(2)]
    runner.submit(small_request(1, 8, "other"))
    assert [report.job_id for report in runner.find("wanted")] == ids
    assert runner.find("unknown") == []
    assert small_cloud.paid() == {"wanted": 2, "other": 1}


def test_many_jobs_of_one_tag_come_in_pages(small_cloud: Cloud) -> None:
    runner = IbmRunner.open("ibm_nairobi")
    job_id = runner.submit(small_request(1, 8, "wanted"))
    copies = [replace(small_cloud.jobs[job_id], id=f"d{i}", stuck=True) for i in range(40)]
    small_cloud.jobs.update({job.id: job for job in copies})
    found = [report.job_id for report in runner.find("wanted")]
    assert found == [job_id, *(job.id for job in copies)]


def test_the_calibration_of_a_job_is_the_one_it_ran_under(small_cloud: Cloud) -> None:
    runner = IbmRunner.open("ibm_nairobi")
    before = runner.snapshot()
    job_id = runner.submit(small_request())
    runner.report(job_id)
    small_cloud.recalibrate("ibm_nairobi", 2.0, "2026-01-01T00:00:00Z")
    assert runner.snapshot() == before
    after = runner.snapshot(refresh=True)
    assert after.taken_at.startswith("2026-01-01")
    assert after.structure_digest == before.structure_digest
    assert after.qubits[0].p01 == pytest.approx(2 * before.qubits[0].p01)
    kept = json.loads(runner.calibration(job_id))
    assert not kept["last_update_date"].startswith("2026-01-01")
    assert kept["backend_name"] == "ibm_nairobi"


def test_what_is_published_is_worded_as_for_a_job_that_ran_under_it(small_cloud: Cloud) -> None:
    runner = IbmRunner.open("ibm_nairobi")
    job_id = runner.submit(small_request())
    runner.report(job_id)
    assert runner.published() == runner.calibration(job_id)
    small_cloud.recalibrate("ibm_nairobi", 2.0, "2026-01-01T00:00:00Z")
    assert runner.published() == runner.calibration(job_id), "as the snapshot is"
    runner.snapshot(refresh=True)
    assert json.loads(runner.published())["last_update_date"].startswith("2026-01-01")


def test_the_calibration_of_a_retired_device_is_gone(open_cloud: Cloud) -> None:
    runner = IbmRunner.open("ibm_nairobi")
    job_id = runner.submit(small_request())
    assert runner.calibration(job_id)
    open_cloud.retire("ibm_nairobi")
    assert runner.calibration(job_id) == ""
    assert IbmRunner.open("ibm_fez").calibration(job_id) == ""


def test_the_snapshot_is_the_devices_own(small_cloud: Cloud) -> None:
    read, kept = (
        IbmRunner.open("ibm_nairobi").snapshot(),
        small_cloud.devices["ibm_nairobi"].snapshot,
    )
    assert read.name == "ibm_nairobi"
    assert read.qubits == kept.qubits
    assert {g for g in read.gates if g.error} == {g for g in kept.gates if g.error}


def test_cancelling(small_cloud: Cloud) -> None:
    small_cloud.stuck = True
    runner = IbmRunner.open("ibm_nairobi")
    request = small_request()
    job_id = runner.submit(request)
    runner.cancel(job_id)
    runner.cancel(job_id)
    assert runner.report(job_id).state == "cancelled"
    with pytest.raises(JobFailedError, match=r"cancelled: Cancelled by the user"):
        runner.collect(job_id, request.shapes)
    assert small_cloud.paid() == {}


def test_limits_of_the_open_plan(small_cloud: Cloud) -> None:
    small_cloud.used_seconds = 420.0
    runner = IbmRunner.open("ibm_nairobi")
    limits = runner.limits()
    assert (limits.plan, limits.max_pending, limits.posts_per_minute) == ("open", 3, 5)
    assert (limits.seconds_left, limits.sessions) == (180.0, False)


def test_limits_of_a_paid_plan(paid_cloud: Cloud) -> None:
    runner = IbmRunner.open("ibm_nairobi")
    limits = runner.limits()
    assert (limits.plan, limits.max_pending) == ("pay-as-you-go", None)
    assert (limits.posts_per_minute, limits.seconds_left, limits.sessions) == (None, None, True)
    assert paid_cloud.requests("POST", "/sessions") == 0


def test_a_session_on_the_open_plan_is_refused_before_it_is_asked_for(open_cloud: Cloud) -> None:
    with pytest.raises(CredentialsError, match=r"1352") as caught:
        IbmRunner.open("ibm_nairobi", "session")
    assert "--mode batch" in caught.value.hint
    assert open_cloud.requests("POST", "/sessions") == 0
    assert open_cloud.requests("POST", "/jobs") == 0


def test_a_batch_on_the_open_plan_works(small_cloud: Cloud) -> None:
    runner = IbmRunner.open("ibm_nairobi", "batch")
    request = small_request()
    runner.collect(runner.submit(request), request.shapes)
    assert len(small_cloud.open_sessions) == 1


def test_a_group_is_closed_from_a_new_process(paid_cloud: Cloud) -> None:
    runner = IbmRunner.open("ibm_nairobi", "session")
    runner.submit(small_request())
    close_group(runner.group_id)
    assert paid_cloud.open_sessions == []
    close_group("s-unknown")


def test_retired_and_unknown_devices_name_the_live_ones(open_cloud: Cloud) -> None:
    with pytest.raises(BackendUnavailableError, match="'ibm_brisbane' is retired") as retired:
        IbmRunner.open("ibm_brisbane")
    assert "ibm_fez, ibm_nairobi" in retired.value.hint
    assert "--backend fake_brisbane" in retired.value.hint
    with pytest.raises(BackendUnavailableError, match="'ibm_fes' is none of") as unknown:
        IbmRunner.open("ibm_fes")
    assert "fake_" not in unknown.value.hint
    assert open_cloud.requests("POST", "/jobs") == 0


def test_live_devices(open_cloud: Cloud) -> None:
    open_cloud.devices["ibm_fez"].queue = 7
    open_cloud.devices["ibm_nairobi"].status = "maintenance"
    fez, nairobi = list_devices(open_service())
    assert (fez.name, fez.num_qubits, fez.pending_jobs, fez.operational) == (
        "ibm_fez",
        156,
        7,
        True,
    )
    assert not nairobi.operational


def test_credentials_are_found_without_asking(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("QISKIT_IBM_TOKEN", raising=False)
    assert not has_credentials()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / ".qiskit").mkdir()
    account = {"channel": "ibm_quantum_platform", "token": "a-token"}
    (tmp_path / ".qiskit" / "qiskit-ibm.json").write_text(json.dumps({"default": account}))
    assert has_credentials()


def test_an_account_file_will_do(
    small_cloud: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    account = {
        "channel": "ibm_quantum_platform",
        "token": os.environ["QISKIT_IBM_TOKEN"],
        "url": os.environ["QISKIT_IBM_URL"],
    }
    for name in ("QISKIT_IBM_TOKEN", "QISKIT_IBM_URL", "QISKIT_IBM_INSTANCE"):
        monkeypatch.delenv(name)
    (tmp_path / ".qiskit").mkdir()
    (tmp_path / ".qiskit" / "qiskit-ibm.json").write_text(json.dumps({"default": account}))
    runner = IbmRunner.open("ibm_nairobi")
    assert runner.limits().plan == "open"
    request = small_request()
    runner.collect(runner.submit(request), request.shapes)
    assert small_cloud.requests("POST", "/jobs") == 1


def test_the_place_where_the_repost_is_switched_off_has_not_moved() -> None:
    from qiskit_ibm_runtime.api import session

    client = session.RetrySession("http://127.0.0.1:1")
    assert set(client.adapters) == {"http://", "https://"}
    if not isinstance(client.adapters["http://"], SinglePostAdapter):
        retry = client.adapters["http://"].max_retries
        assert type(retry) is session.PostForcelistRetry
        assert retry.is_retry("POST", 503)
        with pytest.raises(HardwareError, match="sent twice"):
            refuse_other_connections(client)
    from qhw.jobs.ibm.single_post import forbid_reposts

    forbid_reposts()
    client = session.RetrySession("http://127.0.0.1:1")
    assert set(client.adapters) == {"http://", "https://"}
    refuse_other_connections(client)
    for adapter in client.adapters.values():
        assert not adapter.max_retries.is_retry("POST", 503)
        assert adapter.max_retries.is_retry("GET", 503)
    with pytest.raises(HardwareError, match="HTTPAdapter"):
        refuse_other_connections(requests.Session())


CHILD = """
import os, signal, sys
from tests.qhw.jobs.ibm.test_runner import small_request
from qhw.jobs.ibm.runner import IbmRunner
runner = IbmRunner.open("ibm_nairobi")
print(runner.submit(small_request(2, 16, "killed")), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_job_outlives_the_process_that_sent_it(remote_cloud: RemoteCloud) -> None:
    child = subprocess.run(
        [sys.executable, "-c", CHILD],
        cwd=Path(__file__).parents[4],
        env=os.environ,
        stdout=subprocess.PIPE,
        check=False,
    )
    assert child.returncode == -signal.SIGKILL
    runner = IbmRunner.open("ibm_nairobi")
    (report,) = runner.find("killed")
    assert report.job_id == child.stdout.decode().strip()
    (values,) = runner.collect(report.job_id, small_request(2, 16, "killed").shapes)
    assert values.values.shape == (2, 2)
    summary = remote_cloud.summary()
    assert sum(summary["counts"].values()) < 30, "nothing is asked again and again"
    assert summary["counts"]["POST /jobs"] == 1
    assert summary["paid"] == {"killed": 1}
