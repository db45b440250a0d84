"""What the toolkit asks of a backend, beyond the expectation values that the policy wants."""

from __future__ import annotations

from typing import Any, Protocol

from policy import Ansatz, DifferentiableBackend, Estimate, ExpectationBackend, RingCircuit
from policy.backend import FloatArray
from qhw.backends.facts import BackendFacts


class Backend(ExpectationBackend, Protocol):
    """A backend as the toolkit uses it: one that can say what it is and be resumed.

    Attributes:
        warning: What is to be known before its numbers are used; empty if nothing is.
    """

    warning: str

    def facts(self) -> BackendFacts:
        """What the numbers come from, for provenance."""

    def random_state(self) -> dict[str, Any]:
        """Where its random generator stands, as plain JSON."""

    def restore_random_state(self, state: dict[str, Any]) -> None:
        """Put its random generator back."""


class Adopted:
    """A backend of the user's own, made to say what it is; its answers are passed on unchanged.

    Args:
        backend: One class with `circuit` and `evaluate(angles, weights) -> Estimate`.
    """

    def __init__(self, backend: ExpectationBackend) -> None:
        self._backend = backend
        self.circuit: Ansatz = backend.circuit
        summary = (
            "" if isinstance(backend.circuit, RingCircuit) else f" ({backend.circuit.summary})"
        )
        self.name = f"{type(backend).__qualname__}{summary}"
        self.warning = ""

    def evaluate(self, angles: FloatArray, weights: FloatArray) -> Estimate:
        """See `policy.ExpectationBackend`."""
        return self._backend.evaluate(angles, weights)

    def facts(self) -> BackendFacts:
        """Name the class."""
        ring = isinstance(self.circuit, RingCircuit)
        return BackendFacts(self.name, own=True, own_circuit="" if ring else self.circuit.digest)

    def random_state(self) -> dict[str, Any]:
        """Nothing: a backend of one's own that samples is resumed with fresh random numbers."""
        return {}

    def restore_random_state(self, state: dict[str, Any]) -> None:
        """Nothing to put back."""


class AdoptedDifferentiable(Adopted):
    """One that differentiates itself, for the rule `adjoint`."""

    def __init__(self, backend: DifferentiableBackend) -> None:
        super().__init__(backend)
        self._differentiable = backend

    def vjp(self, angles: FloatArray, weights: FloatArray, upstream: FloatArray) -> FloatArray:
        """See `policy.backend.DifferentiableBackend`."""
        return self._differentiable.vjp(angles, weights, upstream)
