"""Features that were measured in the rollout and serve the update too."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from policy.actors import Actor, RingActor
from policy.rollout import Rollout

Reuse = Literal["never", "first pass", "always", "carried"]
"""When an update uses the rollout's features: not at all, in its first pass over the data (paid
backends), as they are (a frozen circuit), or carried along by a model as the weights move."""


class KnownFeatures:
    """The rollout's features, as far as they need not be measured again.

    Carried ones follow the weights w from those of the rollout, w_0, by what a model says:

        <Z>(w) = <Z>_measured(w_0) + <Z>_model(w) - <Z>_model(w_0)

    They are the measured ones at w_0, and what the model gets wrong alike before and after a step
    is not in them.

    Args:
        actor: As it was in the rollout.
        rollout: Whole episodes.
        reuse: When its features serve.

    Raises:
        ValueError: If there are no features, or the actor has no model to carry them by.
    """

    def __init__(self, actor: Actor, rollout: Rollout, reuse: Reuse) -> None:
        if reuse != "never" and rollout.features is None:
            raise ValueError("the rollout holds no features to use again: collect them")
        self._states = rollout.states.flatten(0, 1)
        self._features = None if rollout.features is None else rollout.features.flatten(0, 1)
        self._reuse = reuse
        self._model: RingActor | None = None
        if reuse == "carried":
            if not isinstance(actor, RingActor):
                raise ValueError(f"{type(actor).__name__} has no circuit to carry features of")
            self._model, self._before = actor, actor.modelled(self._states)

    def of(self, chosen: Tensor, epoch: int) -> Tensor | None:
        """Features (M, n) of the chosen transitions; None where they are to be measured."""
        if self._features is None or self._reuse == "never":
            return None
        if self._reuse == "first pass" and epoch:
            return None
        known = self._features[chosen]
        if self._model is None:
            return known
        return known + self._model.modelled(self._states[chosen]) - self._before[chosen]
