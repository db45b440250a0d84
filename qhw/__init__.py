"""qhw: hardware-in-the-loop quantum experiments on guided diffusion."""

from __future__ import annotations

import os

__version__ = "0.1.0"

# Threads that spin while they wait make a batch of pictures three times slower than one thread as
# soon as anything else wants the cores. OpenMP reads this when torch is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
