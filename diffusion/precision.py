"""What networks compute with: fp32, or bf16 where the processor or GPU has it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Literal

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

Precision = Literal["fp32", "bf16"]
"""bf16 has the range of fp32 and 8 bits of its 24; weights and a product's sums stay fp32."""


def computes_in_bf16(device: torch.device) -> bool:
    """Whether a device has products in bf16; where it has none they are emulated, and slow."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return any(bool(capabilities.get(name)) for name in ("avx512_bf16", "amx_bf16", "bf16"))


@contextmanager
def computing_in(precision: Precision, device: torch.device) -> Iterator[None]:
    """Autocast; and plain attention where a processor trains in bf16, by a tenth the faster."""
    half = precision == "bf16"
    trained = half and device.type == "cpu" and torch.is_grad_enabled()
    plain = sdpa_kernel(SDPBackend.MATH) if trained else nullcontext()
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=half), plain:
        yield
