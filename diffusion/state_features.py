"""What a policy may be told about an image under way: the columns of the environment's state."""

from __future__ import annotations

STATE_FEATURES: dict[str, str] = {
    "time": "t / T, the noise level",
    "latent_norm": "|x_t| / sqrt(d)",
    "noise_norm": "|eps_cond| / sqrt(d)",
    "overlap": "<x_t, eps_cond> / d",
    "previous_action": "the previous action",
    "confidence": "p, the proxy's confidence",
}
"""Name to meaning, in the order of the columns; those of arXiv 2509.14163. d = C H W."""
