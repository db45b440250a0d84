"""What the gradient rule `model` differentiates: a device as its calibration describes it.

The circuit in the device's gates with the published noise, simulated by the compiled engine, and on
top of it the mitigation that the measured values get: the two derivatives are of the same kind.
"""

from __future__ import annotations

from collections.abc import Callable

from calibration import Assumptions, DeviceSnapshot
from policy import DifferentiableBackend
from qhw.backends.backend import Backend
from qhw.backends.compiled import CompiledBackend
from qhw.backends.mitigation.method import Mitigation, Unmitigated
from qhw.backends.mitigation.simulated import MitigatedBackend, mitigated
from qhw.backends.opening import open_backend, open_published
from qhw.config import BackendConfig
from qhw.devices.backend import DeviceBackend
from qhw.errors import ConfigError
from qhw.files import Cache


def gradient_model(
    backend: Backend, settings: BackendConfig
) -> Callable[[], DifferentiableBackend]:
    """The model of a backend; each call gives it under the calibration of that moment.

    Args:
        backend: It measures the values.
        settings: It was opened with.

    Raises:
        ConfigError: If nothing is published of the backend.
        TooLargeError: If the compiled engine cannot hold the circuit.
        EngineMismatchError: If that engine does not agree with Aer.
    """
    if isinstance(backend, DeviceBackend):
        return DeviceModel(backend)
    if settings.name != "aer_noisy" or backend.facts().own:
        raise ConfigError(
            "gradient.rule = 'model' computes gradients from a device's calibration, and none is "
            f"published of {backend.facts().phrase}.",
            "Take --gradient shift: it measures them on any backend.",
        )
    published = open_backend(
        settings.name,
        backend.circuit,
        device=settings.device,
        assumptions=Assumptions(idle=settings.idle),
        engine="compiled",
    )
    assert isinstance(published, CompiledBackend)
    method = backend.method if isinstance(backend, MitigatedBackend) else Unmitigated()
    model = _joined(published, method)
    return lambda: model


class DeviceModel:
    """A device's model, opened anew when its calibration or its mitigation has changed.

    Args:
        backend: The device.
    """

    def __init__(self, backend: DeviceBackend) -> None:
        self._backend = backend
        self._last: tuple[DeviceSnapshot, Mitigation, DifferentiableBackend] | None = None

    def __call__(self) -> DifferentiableBackend:
        """The model under the calibration that the device's mitigation rests on."""
        self._backend.prepare()
        mitigation = self._backend.mitigation
        assert mitigation.correction is not None
        snapshot, correction = mitigation.snapshot, mitigation.correction
        last = self._last
        if last is None or last[0] is not snapshot or last[1] is not correction:
            last = self._last = snapshot, correction, self._opened(snapshot, correction)
        return last[2]

    def _opened(self, snapshot: DeviceSnapshot, correction: Mitigation) -> DifferentiableBackend:
        backend = self._backend
        if backend.mitigation.name == "native":
            # The platform mitigates before it answers: its values are near those without noise.
            return CompiledBackend(backend.circuit)
        published = open_published(backend.circuit, snapshot, backend.transpiled, Cache.of_user())
        return _joined(published, correction)


def _joined(published: CompiledBackend, method: Mitigation) -> DifferentiableBackend:
    model = mitigated([published], method)
    assert isinstance(model, DifferentiableBackend)  # zero-noise extrapolation is refused before
    return model
