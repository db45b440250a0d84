"""Mitigation that does not go with what is asked."""

from __future__ import annotations

from qhw.backends.mitigation.zne import NO_GRADIENTS
from qhw.config import RunConfig
from qhw.errors import MitigationError

WITHOUT_CIRCUIT_GRADIENTS = frozenset({"frozen"})
"""Gradient rules that do not differentiate the circuit."""


def refuse_for_gradients(config: RunConfig) -> None:
    """Refuse to train through zero-noise extrapolation; using it to deploy a policy is fine.

    Raises:
        MitigationError: With the reason.
    """
    if config.actor.kind != "ring" or config.backend.mitigation != "zne":
        return
    if config.gradient.rule in WITHOUT_CIRCUIT_GRADIENTS:
        return
    raise MitigationError(
        f"--mitigation zne with the gradient rule {config.gradient.rule!r}: {NO_GRADIENTS}",
        "Take --mitigation affine or readout, or --gradient frozen; `qhw run` may use zne.",
    )
