"""The model card of a text-prompted model: what it is asked, who looks, and what was chosen."""

from __future__ import annotations

from diffusion.bundle import BundleCard
from diffusion.latent.description import LatentDescription
from diffusion.model_card import form_rows
from diffusion.solvers import Ddim


def latent_model_card(card: BundleCard) -> str:
    """Render a card as Markdown."""
    model, made, chosen = LatentDescription.of(card.denoiser), card.made, card.chosen
    revision = f" at {model.revision}" if model.revision else ""
    looks = f"{model.image_size} x {model.image_size}"
    colour = "in colour" if model.image_channels == 3 else "in grey"
    return f"""# Model bundle `{card.name}`

`{model.model}`{revision}, frozen, asked for {len(card.class_names)} classes in
{card.num_steps} steps of DDIM over {_spacing(card)} levels of its own scheduler.
Pictures of {model.side} x {model.side}, computed in {model.precision}, {model.batch} in one
forward. Its weights are not here: the card names them, with their checksums.
Made by `{made["command"]}`.

| class | prompt |
|---|---|
{_prompt_rows(card, model)}

Guidance leads away from {f'"{model.negative_prompt}"' if model.negative_prompt else "no prompt"}.
{_cut(made["cut"])}
## Who looks

Proxy, judges and real pictures are those of `{model.eyes}`; they look at pictures shrunk to
{looks}, {colour}. Their test accuracy on real pictures: {_accuracies(card)}.
Between the steps the proxy looks at a preview, a linear map from latents that explains
{made["preview_explains"]:.1%} of the variance of what the autoencoder makes; the last picture is
always the autoencoder's.

## How the reward and CFG_0 were chosen

On {made["config"]["latents"]} latents, half of which chose, by the rules of a fitted bundle.

| price form | best constant | best rule | gain in return | Frechet at equal log p | inside |
|---|---|---|---|---|---|
{form_rows(made["price_forms"])}

| chosen | |
|---|---|
| price | {card.reward.lambda_guidance:g}, {_how(made["config"]["price"])} |
| best constant | {chosen.constant:g} |
| best rule | {chosen.rule_low:g} + {chosen.rule_slope:g} (1 - p) |
| CFG_0 | {card.cfg_base:g} |

## Limits

A classifier of small pictures looks at large ones: what it cannot see in {looks}, the reward does
not price. Its mistakes are the reward's mistakes.
"""


def _spacing(card: BundleCard) -> str:
    return card.solver.spacing if isinstance(card.solver, Ddim) else ""


def _prompt_rows(card: BundleCard, model: LatentDescription) -> str:
    pairs = zip(card.class_names, model.prompts, strict=True)
    return "\n".join(f"| {name} | {prompt} |" for name, prompt in pairs)


def _cut(cut: dict[str, str]) -> str:
    lines = [
        f'\n"{text}" is longer than the window and was cut to "{left}".'
        for text, left in cut.items()
    ]
    return "".join(f"{line}\n" for line in lines)


def _accuracies(card: BundleCard) -> str:
    named = card.made.get("eyes", {}).get("classifiers", card.classifiers)
    return ", ".join(
        f"{name} ({named[name]}) {share:.3f}" for name, share in card.accuracies.items()
    )


def _how(price: str) -> str:
    return "chosen among the forms" if price == "best" else f"{price}, as it was asked for"
