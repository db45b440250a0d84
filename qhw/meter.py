"""What a backend was asked for, added up by phase."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from policy import Cost


@dataclass
class Meter:
    """Adds up what the backend was asked for, by phase."""

    costs: dict[str, Cost] = field(default_factory=dict)

    def record(self, phase: str, cost: Cost) -> None:
        """Add one evaluation."""
        self.costs[phase] = self.costs.get(phase, Cost()) + cost

    def state(self) -> dict[str, dict[str, float]]:
        """The sums so far, as plain JSON."""
        return {phase: dataclasses.asdict(cost) for phase, cost in self.costs.items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Put the sums back."""
        self.costs = {phase: Cost(**cost) for phase, cost in state.items()}

    def take(self) -> dict[str, dict[str, float]]:
        """The sums since the last call, as plain JSON."""
        taken = self.state()
        self.costs = {}
        return taken
