from __future__ import annotations

from typing import Any

import pytest

from qhw.commands.train import refuse_for_gradients
from qhw.config import parse_config
from qhw.errors import ConfigError, MitigationError


@pytest.mark.parametrize("rule", ["shift", "pruned", "spsa", "model", "adjoint"])
def test_gradients_through_extrapolation_are_refused(rule: str) -> None:
    config = parse_config({"backend": {"mitigation": "zne"}, "gradient": {"rule": rule}})
    with pytest.raises(MitigationError, match=r"'" + rule + r"'.*\.925") as caught:
        refuse_for_gradients(config)
    assert "--mitigation affine" in caught.value.hint


@pytest.mark.parametrize("mitigation", [None, "none", "readout", "affine"])
def test_gradients_through_anything_else_are_not(mitigation: str | None) -> None:
    backend = {"mitigation": mitigation} if mitigation else {}
    refuse_for_gradients(parse_config({"backend": backend}))


def test_frozen_circuits_and_classical_actors_are_not() -> None:
    frozen = {"backend": {"mitigation": "zne"}, "gradient": {"rule": "frozen"}}
    refuse_for_gradients(parse_config(frozen))
    refuse_for_gradients(parse_config({"actor": {"kind": "mlp"}}))


@pytest.mark.parametrize(
    ("backend", "said"),
    [
        ({"name": "aer", "mitigation": "readout"}, "applies to noisy backends"),
        ({"name": "aer_noisy", "mitigation": "native"}, "platform's own"),
        ({"mitigation": "mitiq"}, "backend.mitigation = 'mitiq'"),
    ],
)
def test_mitigation_that_does_not_apply_is_refused(backend: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config({"backend": backend})
    assert said in caught.value.message


def test_mitigation_that_applies_is_taken() -> None:
    parse_config({"backend": {"name": "aer", "mitigation": "none"}})
    parse_config({"backend": {"name": "ibm_fez", "mitigation": "native"}})
