"""Typed settings: what they are, how they are checked, files that hold them."""

from qhw.config.assignments import assigned
from qhw.config.catalogue import every_setting
from qhw.config.file import dump_config, load_config
from qhw.config.parsing import PRESETS, parse_config
from qhw.config.sections import (
    AFFINE_CIRCUITS,
    CALIBRATION_SHOTS,
    PROBE_CIRCUITS,
    READOUT_CIRCUITS,
    ZNE_SCALES,
    BackendConfig,
    CanaryConfig,
    CircuitConfig,
    Engine,
    EnvironmentConfig,
    GradientConfig,
    HardwareConfig,
    MethodName,
    OnDrift,
    PpoSection,
    RewardSection,
    RunConfig,
)
from qhw.config.tables import dotted, merge, nested

__all__ = [
    "AFFINE_CIRCUITS",
    "CALIBRATION_SHOTS",
    "PRESETS",
    "PROBE_CIRCUITS",
    "READOUT_CIRCUITS",
    "ZNE_SCALES",
    "BackendConfig",
    "CanaryConfig",
    "CircuitConfig",
    "Engine",
    "EnvironmentConfig",
    "GradientConfig",
    "HardwareConfig",
    "MethodName",
    "OnDrift",
    "PpoSection",
    "RewardSection",
    "RunConfig",
    "assigned",
    "dotted",
    "dump_config",
    "every_setting",
    "load_config",
    "merge",
    "nested",
    "parse_config",
]
