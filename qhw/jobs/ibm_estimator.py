"""A request in the words of the client's Estimator, and its answer in the toolkit's.

One PUB per circuit: all rows in one parameter array, the n single-qubit Z in one measurement basis.
Every option is set, since the platform would choose mitigation of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from qhw.errors import RetryableError
from qhw.jobs.ibm_faults import ASK_AGAIN
from qhw.jobs.request import NATIVE_TWIRLS, JobRequest, Pub, Shapes
from qhw.jobs.runner import PubValues

if TYPE_CHECKING:
    from qiskit_ibm_runtime.options_models.estimator import EstimatorOptions


def estimator_options(request: JobRequest) -> EstimatorOptions:
    """Every option that bears on the numbers or the bill, spelled out."""
    from qiskit_ibm_runtime.options_models.dynamical_decoupling import DynamicalDecouplingOptions
    from qiskit_ibm_runtime.options_models.environment import EnvironmentOptions
    from qiskit_ibm_runtime.options_models.estimator import EstimatorOptions
    from qiskit_ibm_runtime.options_models.execution import ExecutionOptions
    from qiskit_ibm_runtime.options_models.resilience import ResilienceOptions
    from qiskit_ibm_runtime.options_models.twirling import TwirlingOptions

    twirls = min(NATIVE_TWIRLS, request.shots)
    return EstimatorOptions(
        default_shots=request.shots,
        resilience_level=0,
        resilience=ResilienceOptions(
            measure_mitigation=request.native, zne_mitigation=False, pec_mitigation=False
        ),
        twirling=TwirlingOptions(
            enable_gates=False,
            enable_measure=request.native,
            num_randomizations=twirls if request.native else "auto",
            shots_per_randomization="auto",
        ),
        dynamical_decoupling=DynamicalDecouplingOptions(enable=False),
        execution=ExecutionOptions(init_qubits=True, rep_delay=None),
        environment=EnvironmentOptions(job_tags=list(request.tags), private=False),
        max_execution_time=request.max_seconds,
    )


def values_from(job_id: str, result: object, shapes: Shapes) -> tuple[PubValues, ...]:
    """The values of every PUB, once they can be trusted.

    Raises:
        RetryableError: If this cannot be the answer to the request.
    """
    from qiskit.primitives.containers import PrimitiveResult

    if not isinstance(result, PrimitiveResult) or len(result) != len(shapes):
        raise RetryableError(
            f"The result of job {job_id} is a {type(result).__name__}, not the values of "
            f"{len(shapes)} PUBs.",
            ASK_AGAIN,
        )
    return tuple(
        _pub_values(job_id, got.data, shape) for got, shape in zip(result, shapes, strict=True)
    )


def _pub_values(job_id: str, data: Any, shape: tuple[int, int]) -> PubValues:
    values = PubValues(
        np.asarray(getattr(data, "evs", None), dtype=np.float64),
        np.asarray(getattr(data, "stds", None), dtype=np.float64),
    )
    fault = values.fault(*shape)
    if fault:
        raise RetryableError(f"The result of job {job_id} is damaged: {fault}.", ASK_AGAIN)
    return values


def estimator_pub(pub: Pub) -> tuple[Any, list[Any], Any]:
    """(circuit, n observables, parameters (rows, 1, P)): values come as (rows, n)."""
    from qiskit.quantum_info import SparsePauliOp

    width = pub.circuit.num_qubits
    observables = [SparsePauliOp.from_sparse_list([("Z", [q], 1.0)], width) for q in pub.outputs]
    return pub.circuit, observables, pub.parameters[:, None, :]
