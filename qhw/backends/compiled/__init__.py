"""The compiled engine: the Aer backends' numbers at a small part of their price."""

from __future__ import annotations

from qhw.backends.compiled.backend import (
    CompiledBackend,
    CompiledCircuit,
    CompiledNoisyBackend,
    TooLargeError,
)
from qhw.backends.compiled.transfer import CompileError

__all__ = [
    "CompileError",
    "CompiledBackend",
    "CompiledCircuit",
    "CompiledNoisyBackend",
    "TooLargeError",
]
