"""The identity of one unit of paid work: which evaluation of which run it is."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

TAG_PREFIX = "qhw-unit-"
DIGEST_PREFIX = "qhw-work-"


@dataclass(frozen=True, order=True)
class Unit:
    """One evaluation of one run; replaying the run comes by the same units in the same order.

    Attributes:
        run: The run's own id.
        phase: `calibration`, `rollout`, `gradient`, `evaluation` or `images`.
        update: PPO update, from 1; 0 outside training.
        step: Denoising step of a rollout, or minibatch of an update, from 0.
        part: Evaluations within that step, from 0.
    """

    run: str
    phase: str
    update: int
    step: int
    part: int

    @property
    def key(self) -> str:
        """The identity as one line, such as `3f2a.../rollout/1/7/0`."""
        return f"{self.run}/{self.phase}/{self.update}/{self.step}/{self.part}"

    @property
    def tag(self) -> str:
        """The tag by which the platform finds this unit's job, whichever attempt it was."""
        return TAG_PREFIX + hashlib.sha256(self.key.encode()).hexdigest()[:24]


def digest_tag(digest: str) -> str:
    """The tag that says what the job computes."""
    return DIGEST_PREFIX + digest[:24]
