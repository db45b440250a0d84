"""The model card: what a bundle is, in words, with its measured figures."""

from __future__ import annotations

from typing import Any

from diffusion.bundle import BundleCard
from diffusion.solvers import Ddim, Solver


def model_card(card: BundleCard) -> str:
    """Render a bundle's card as Markdown."""
    made, side = card.made, card.denoiser["image_size"]
    size = f"{side} x {side}"
    reward, chosen, config = card.reward, card.chosen, made["config"]
    distance = f"g - {reward.guidance_center:g}"
    price = f"|{distance}|" if reward.guidance_price == "abs" else f"({distance})^2"
    # As it is typed today.
    command = made["command"].replace(" --size ", " --resolution ")
    return f"""# Model bundle `{card.name}`

A class-conditional diffusion model of {size} pictures, a proxy classifier that gives reward,
and two judges that only report. Made by `{command}`.{_besides(made)}

{len(card.class_names)} classes: {", ".join(card.class_names)}.

## Parts

| file | what | test accuracy |
|---|---|---|
| denoiser.safetensors | {_architecture(card.denoiser)} | |
{_classifier_rows(card)}
{_references_row(config.get("references", "pictures"))}
| discriminator.safetensors | real against generated, in AlexNet's features | |
| curve.csv | Frechet distance over the training; its head names the features | |
| headroom.csv | every constant and every rule lo + k (1 - p) that was tried | |
| baselines/ | outcomes of guidance that needs no training, on the evaluation's latents | |

The proxy was trained on one half of the training pictures, the judges on the other half.

## How good the pictures are

Frechet distance of {made["realism_pictures"]:,} pictures to as many real ones, and in brackets how
many times that is the distance between two such sets of real ones ({card.num_steps} steps of
{_solver(card.solver)}; the aim was 3):

| constant guidance | in the proxy's features | in AlexNet's, trained on ImageNet |
|---|---|---|
{_realism_rows(made["realism"])}

## How the default reward and CFG_0 were chosen

Constants g and rules g = lo + k (1 - p) were played on {config["headroom_latents"]:,} latents of
their own, and judged by the proxy alone.

1. For every price form, the constant and the rule of the largest mean return are found on one half
   of the latents: the best of a grid, refined from there to two decimals. A form whose best
   constant or rule lies at the edge of its grid is left out.
2. On the other half, the forms whose rule beats their constant in return are kept.
3. Among them the one is taken whose rule has the smallest Frechet distance, in the proxy's
   features, against the constants at equal proxy log p.
4. CFG_0 is half-way between that rule's lo, or 1 where lo lies below, and that constant.

| price form | best constant | best rule | gain in return | Frechet at equal log p | inside |
|---|---|---|---|---|---|
{form_rows(made["price_forms"])}

| chosen | |
|---|---|
| price | {reward.lambda_guidance:g} x {price}, log p capped at log {reward.log_cap} |
| best constant | {chosen.constant:g} |
| best rule | {chosen.rule_low:g} + {chosen.rule_slope:g} (1 - p) |
| CFG_0 | {card.cfg_base:g} |

## Limits

Small pictures of one kind; the classifiers' mistakes are the reward's mistakes. Frechet distances
in features of small classifiers do not compare with published Inception distances.
"""


def _besides(made: dict[str, Any]) -> str:
    """What the command does not tell of how it was made."""
    return f"\n{made['besides']}" if "besides" in made else ""


def _references_row(kept: str) -> str:
    if kept == "features":
        return "| seen.safetensors | what all eyes see in 1,000 real test pictures | |"
    return "| references.safetensors | 1,000 real test pictures | |"


def _solver(solver: Solver) -> str:
    if isinstance(solver, Ddim):
        return f"DDIM over {solver.spacing} levels"
    return f"DPM-Solver++ 2M over levels {solver.first} to {solver.last}"


def _architecture(denoiser: dict[str, Any]) -> str:
    grid = denoiser["image_size"] // denoiser["patch"]
    stored = "8 bits" if denoiser.get("storage") == "int8" else "fp16"
    made = denoiser.get("pictures", "fp32")
    return f"UNet on pixels folded to {grid} x {grid}, predicts v; {stored}, computed in {made}"


def _realism_rows(realism: dict[str, dict[str, dict[str, float]]]) -> str:
    def shown(seen: dict[str, float]) -> str:
        return f"{seen['generated']:.3f} ({seen['generated'] / seen['real']:.1f} x)"

    return "\n".join(
        f"| {guidance} | {shown(eyes['proxy'])} | {shown(eyes['AlexNet'])} |"
        for guidance, eyes in realism.items()
    )


def _classifier_rows(card: BundleCard) -> str:
    roles = {"proxy": "gives reward", "judge_0": "reports only", "judge_1": "reports only"}
    return "\n".join(
        f"| {name}.safetensors | {card.classifiers[name]}, {role} | {card.accuracies[name]:.4f} |"
        for name, role in roles.items()
    )


def form_rows(forms: list[dict[str, Any]]) -> str:
    """Rows of the table of price forms, as Markdown."""
    return "\n".join(
        f"| {form['form']} | {form['constant']['low']:g} "
        f"| {form['rule']['low']:g} + {form['rule']['slope']:g} (1 - p) "
        f"| {_interval(form['gain'], 4)} | {_interval(form['frechet_difference'], 2)} "
        f"| {'yes' if form['inside'] else 'no'} |"
        for form in forms
    )


def _interval(values: dict[str, float], digits: int) -> str:
    shown = [f"{values[name]:+.{digits}f}" for name in ("estimate", "low", "high")]
    return f"{shown[0]} [{shown[1]}, {shown[2]}]"
