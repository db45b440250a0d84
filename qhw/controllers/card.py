"""The page that comes with an exported controller, as a model hub shows it."""

from __future__ import annotations

from qhw.controllers.record import ControllerRecord
from qhw.training.parts import ring_circuit

PAPER = "arXiv 2509.14163"


def card_of(record: ControllerRecord) -> str:
    """Markdown with the hub's front matter: what it is, what it was measured to do, how to use."""
    low, high = (record.cfg_base + action for action in record.actions.range)
    return f"""---
library_name: qhw
tags: [quantum-machine-learning, diffusion, classifier-free-guidance, reinforcement-learning]
---

# {record.name}

A controller of classifier-free guidance. At every denoising step it reads
{", ".join(f"`{name}`" for name in record.config.state.features)}
and sets the guidance scale of each image, between {low:g} and {high:g}. {_actor(record)}

- trained by PPO for {record.updates} updates, seed {record.config.seed}, with qhw {record.qhw}
- circuit evaluated on: {record.trained_on or "nothing, it has no circuit"}
- pictures: bundle `{record.bundle}` ({record.bundle_digest}),
  {record.config.environment.steps} denoising steps
{_measured(record)}
One training run is one draw: what it says of the method is in the project's results, not here.
The weights have learned the statistics of that bundle's latents; on another model, train anew.

## Use

```python
import qhw

controller = qhw.load_controller("path/to/this/folder")
print(controller.features)  # the columns of the state (N, F)
guidance = controller.guidance(state)  # (N,)
```

In a diffusers pipeline: `qhw.diffusers.QuantumGuidance`. Method: {PAPER}.
"""


def _actor(record: ControllerRecord) -> str:
    config = record.config
    if config.actor.kind != "ring":
        return f"It is a classical network (`{config.actor.kind}`)."
    circuit = ring_circuit(config.actor.circuit)
    if record.own_circuit:
        return (
            f"It is a variational circuit of its maker's own on {circuit.num_qubits} qubits "
            f"({record.own_circuit}) with a small classical head."
        )
    return f"It is a variational quantum circuit ({circuit.summary}) with a small classical head."


def _measured(record: ControllerRecord) -> str:
    if record.mean_return is None or record.gain is None:
        return "- not evaluated: `qhw evaluate` before the export puts a table's numbers here\n"
    return (
        f"- mean return {_interval(record.mean_return)}, minus the best constant guidance "
        f"{_interval(record.gain)}: paired over {record.latents} latents, 95 % intervals over "
        "latents\n"
    )


def _interval(number: dict[str, float]) -> str:
    return f"{number['estimate']:+.3f} [{number['low']:+.3f}, {number['high']:+.3f}]"
