"""Draw the pictures of the pages on concepts: `python -m pages.pictures`, half a minute.

Each is made by the code that it explains; the same seeds give the same pictures.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle

from diffusion import GuidanceEnvironment, draw_labels, draw_latents, load_bundle, play_schedule
from diffusion.schedules import constant
from policy import RingCircuit
from qhw.backends.opening import open_backend
from qhw.budget.planning import plan_run, plan_training
from qhw.config import parse_config
from qhw.evaluation.baselines import Baselines
from qhw.evaluation.eyes import HELD_OUT
from qhw.evaluation.judges import Judges, evaluation_latents
from qhw.evaluation.plots import BLUE, ORANGE, figure_of, save_figure
from qhw.training.player import Player

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "images"
SCALES = (0.0, 1.0, 2.0, 4.0, 8.0)
TEN = 10
CONSTANTS = (1.0, 1.25, 1.5, 1.75, 2.0, 2.25, 2.5, 3.0, 4.0)
LATENTS = 2000
JUDGE = HELD_OUT[0]
ROWS = 150
NOISE_SCALES = {1.0: BLUE, 4.0: ORANGE}
DPI = 110


def guidance_scales() -> Figure:
    """The same ten latents under constant guidance of several scales."""
    bundle = load_bundle()
    card = bundle.card
    environment = GuidanceEnvironment(
        bundle.sampler(card.num_steps), bundle.proxy, card.reward, card.cfg_base, (0.0, 12.0)
    ).widened()
    latents, labels = draw_latents(TEN, 7, bundle.denoiser.sample_shape), draw_labels(TEN, TEN)
    figure = figure_of(9.0, 5.2)
    grid = figure.subplots(len(SCALES), TEN)
    for row, scale in zip(grid, SCALES, strict=True):
        episode = play_schedule(environment, latents, labels, constant(card.num_steps, scale))
        for axes, image in zip(row, episode.images, strict=True):
            axes.imshow(image[0].cpu().numpy(), cmap="gray", vmin=0, vmax=1)
            axes.set(xticks=[], yticks=[])
        row[0].set_ylabel(f"g = {scale:g}", rotation=0, ha="right", va="center", fontsize=11)
    for axes, label in zip(grid[0], labels, strict=True):
        axes.set_title(card.class_names[int(label)], fontsize=9)
    return figure


def guidance_trade() -> Figure:
    """What a judge sees in pictures of ever stronger constant guidance."""
    player = Player(parse_config({}))
    paired = evaluation_latents(player.bundle, LATENTS)
    played = Baselines.of(player, Judges(player.bundle), paired).constants()
    shown = [each for each in played if each.candidate.low in CONSTANTS]
    scales = [each.candidate.low for each in shown]
    arms = [each.outcome.scores[JUDGE].arm for each in shown]
    figure = figure_of(6.4, 3.4)
    surer, stranger = (axes := figure.add_subplot()), axes.twinx()
    surer.plot(scales, [arm.correct.mean() for arm in arms], color=BLUE, marker="o")
    stranger.plot(scales, [arm.distance for arm in arms], color=ORANGE, marker="s")
    surer.set_xlabel("constant guidance g")
    surer.set_ylabel("accuracy: it shows the class", color=BLUE)
    stranger.set_ylabel("Frechet distance to real ones", color=ORANGE)
    return figure


def circuit_drawing() -> Figure:
    """The default circuit, gate by gate, as Qiskit has it."""
    circuit = RingCircuit()
    figure = figure_of(11.0, 2.9)
    axes = figure.add_subplot()
    end = _draw_gates(axes, circuit)
    for qubit in range(circuit.num_qubits):
        axes.plot([-0.8, end + 0.6], [-qubit, -qubit], color="0.6", linewidth=1, zorder=0)
        axes.text(-0.9, -qubit, "|0⟩", ha="right", va="center")
        axes.text(end + 0.7, -qubit, f"⟨Z{qubit}⟩", ha="left", va="center")
    axes.set(xlim=(-1.6, end + 1.8), ylim=(0.6 - circuit.num_qubits, 0.6), aspect="equal")
    axes.axis("off")
    return figure


def _draw_gates(axes: Axes, circuit: RingCircuit) -> int:
    """Every gate in the first column that is free; the last column."""
    gates = circuit.quantum_circuit()
    free = [0] * circuit.num_qubits
    for gate in gates.data:
        qubits = [gates.find_bit(qubit).index for qubit in gate.qubits]
        span = range(min(qubits), max(qubits) + 1)
        column = max(free[qubit] for qubit in span)
        for qubit in span:
            free[qubit] = column + 1
        if len(qubits) == 2:
            _draw_cnot(axes, column, *qubits)
        else:
            encodes = "angle" in str(gate.operation.params[0])
            _draw_rotation(axes, column, qubits[0], gate.operation.name, encodes)
    return max(free) - 1


def _draw_cnot(axes: Axes, column: int, control: int, target: int) -> None:
    axes.plot([column, column], [-control, -target], color="black", linewidth=1, zorder=1)
    axes.add_patch(Circle((column, -control), 0.09, color="black", zorder=2))
    axes.add_patch(Circle((column, -target), 0.2, fill=False, zorder=2))
    axes.plot([column, column], [-target - 0.2, -target + 0.2], color="black", linewidth=1)


def _draw_rotation(axes: Axes, column: int, qubit: int, name: str, encodes: bool) -> None:
    box = Rectangle(
        (column - 0.38, -qubit - 0.32), 0.76, 0.64, facecolor=ORANGE if encodes else BLUE, zorder=2
    )
    axes.add_patch(box)
    axes.text(
        column, -qubit, name.upper(), ha="center", va="center", fontsize=9, color="white", zorder=3
    )


def contraction() -> Figure:
    """Values under a device's noise against the same values without, and with them mitigated."""
    circuit = RingCircuit()
    generator = np.random.default_rng(5)
    angles = generator.uniform(-np.pi, np.pi, (ROWS, circuit.num_angles))
    weights = generator.uniform(-np.pi, np.pi, (1, circuit.num_weights))
    ideal = open_backend("aer", circuit).evaluate(angles, weights).values.ravel()
    figure = figure_of(5.2, 4.6)
    axes = figure.add_subplot(xlabel="⟨Z⟩ without noise", ylabel="⟨Z⟩ under Brisbane's noise")
    axes.plot([-1, 1], [-1, 1], color="0.6", linewidth=1, label="no noise")
    for scale, colour in NOISE_SCALES.items():
        noisy = open_backend("aer_noisy", circuit, noise_scale=scale)
        values = noisy.evaluate(angles, weights).values.ravel()
        slope, offset = np.polyfit(ideal, values, 1)
        label = f"errors x {scale:g}: slope {slope:.2f}"
        axes.plot([-1, 1], [offset - slope, offset + slope], color=colour, linewidth=1)
        axes.scatter(ideal, values, s=6, color=colour, alpha=0.6, label=label)
    axes.legend()
    return figure


def prices() -> Figure:
    """What pictures and one update of training would take of a device, as `qhw plan` says."""
    figure = figure_of(6.6, 3.0)
    axes = figure.add_subplot(xscale="log", xlabel="QPU seconds (the Open plan: 600 in 28 days)")
    device = {"name": "ibm_fez", "mitigation": "readout"}
    run = plan_run(parse_config({"backend": device}), images=16)
    bars = {"16 pictures": (run.seconds_low, run.seconds)}
    for rule in ("frozen", "spsa", "pruned", "shift"):
        tables = {"backend": device, "gradient": {"rule": rule}}
        small = {"ppo": {"updates": 1, "environments": 10}, "evaluation": {"latents": 20}}
        quote = plan_training(parse_config({**tables, **small}))
        bars[f"one update, {rule}"] = (quote.seconds_low, quote.seconds)
    for place, (low, high) in enumerate(bars.values()):
        axes.barh(place, high, color=BLUE, alpha=0.35)
        axes.barh(place, low, color=BLUE)
    axes.set_yticks(range(len(bars)), list(bars))
    axes.axvline(600, color=ORANGE, linestyle="--")
    axes.set_xlim(left=30)
    axes.invert_yaxis()
    return figure


PICTURES = {
    "guidance-scales": guidance_scales,
    "guidance-trade": guidance_trade,
    "circuit": circuit_drawing,
    "contraction": contraction,
    "prices": prices,
}


def main() -> None:
    """Draw each anew."""
    for name, draw in PICTURES.items():
        save_figure(draw(), FOLDER / f"{name}.png", dpi=DPI)


if __name__ == "__main__":
    main()
