"""Gradient rule `model` under watch: what a measured gradient says of it, and what follows."""

from __future__ import annotations

from dataclasses import dataclass

from policy import Agreement
from qhw.config import CanaryConfig
from qhw.errors import CanaryError


@dataclass(frozen=True)
class Canary:
    """A verdict on the model's gradient.

    Attributes:
        agreement: With the measured one.
        config: What is asked of it.
    """

    agreement: Agreement
    config: CanaryConfig

    @property
    def below(self) -> bool:
        """Whether the cosine's whole interval lies below the bar."""
        return self.agreement.high < self.config.cosine

    @property
    def stops(self) -> bool:
        """Whether training ends here."""
        return self.below and self.config.below == "stop"

    @property
    def falls_back(self) -> bool:
        """Whether gradients are measured from here on."""
        return self.below and self.config.below == "shift"

    @property
    def told(self) -> str:
        """For people, with what follows from it."""
        bar = f"{self.config.cosine:g}"
        if self.falls_back:
            return f"canary: {self.agreement.phrase}: below {bar}, so gradients are measured now"
        if self.below:
            return f"canary: {self.agreement.phrase}: below {bar}"
        if self.agreement.low < self.config.cosine:
            return f"canary: {self.agreement.phrase}; its shots cannot tell it from {bar}"
        return f"canary: {self.agreement.phrase}"

    def error(self, update: int) -> CanaryError:
        """What ends the training."""
        return CanaryError(
            f"Update {update}: {self.agreement.phrase}, below gradient.canary.cosine = "
            f"{self.config.cosine:g}. The device errs in ways its calibration does not publish.",
            "Go on from its weights with measured gradients, `qhw train --from RUN --gradient "
            "shift`; or let it fall back or tell it alone: --set gradient.canary.below=shift|tell.",
        )
