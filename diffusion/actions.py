"""From actions to guidance: g = clip(CFG_0 + clip(a))."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

ACTION_LIMIT = 2.0
"""Largest absolute action of the paper's environment."""


@dataclass(frozen=True)
class ActionMap:
    """What an action asks of the guidance.

    An action a is clipped to [-limit, limit], and to what keeps the guidance cfg_base + a in
    guidance_range.

    Attributes:
        cfg_base: Guidance CFG_0 of action 0; inside guidance_range.
        guidance_range: Smallest and largest guidance.
        limit: Largest absolute action.
        previous_action: Whether state and cost see the change of guidance that was ``applied``, or
            the action that was ``asked`` for within the limit, as 0.1 had it.

    Raises:
        ValueError: If CFG_0 lies outside the range, or the limit is not positive.
    """

    cfg_base: float
    guidance_range: tuple[float, float] = (1.0, 12.0)
    limit: float = ACTION_LIMIT
    previous_action: Literal["applied", "asked"] = "applied"

    def __post_init__(self) -> None:
        low, high = self.guidance_range
        if not low <= self.cfg_base <= high:
            raise ValueError(f"cfg_base is {self.cfg_base}: choose it inside [{low}, {high}]")
        if not self.limit > 0:
            raise ValueError(f"action_limit is {self.limit}: give a number > 0")

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest action that has an effect of its own."""
        low, high = (bound - self.cfg_base for bound in self.guidance_range)
        return max(-self.limit, low), min(self.limit, high)

    def clip(self, actions: Tensor) -> Tensor:
        """Clip actions to `range`, or to the limit alone where they count as asked for."""
        if self.previous_action == "asked":
            return actions.clamp(-self.limit, self.limit)
        return actions.clamp(*self.range)

    def guidance(self, actions: Tensor) -> Tensor:
        """The guidance that actions, clipped or not, give."""
        return (self.cfg_base + self.clip(actions)).clamp(*self.guidance_range)
