"""qhw: hardware-in-the-loop quantum experiments on guided diffusion."""

from __future__ import annotations

__version__ = "0.1.0"
