from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow  # copies and builds the distribution
def test_the_wheel_holds_the_packages_and_nothing_else(tmp_path: Path) -> None:
    # Built outside the checkout, whose own build folder may hold modules of the past.
    (tmp_path / "extra.cfg").write_text(f"[build]\nbuild_base={tmp_path / 'build'}\n")
    subprocess.run(
        [
            sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation",
            "--wheel-dir", str(tmp_path), str(ROOT),
        ],
        check=True,
        capture_output=True,
        env={**os.environ, "DIST_EXTRA_CONFIG": str(tmp_path / "extra.cfg")},
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    packages = {"calibration", "diffusion", "policy", "qhw"}
    assert {top for top in tops if not top.endswith(".dist-info")} == packages
    modules = {
        str(path.relative_to(ROOT)) for name in packages for path in (ROOT / name).rglob("*.py")
    }
    assert {name for name in names if name.endswith(".py")} == modules
    templates = {path.name for path in (ROOT / "qhw/reports/templates").iterdir()}
    assert {f"qhw/reports/templates/{name}" for name in templates} <= set(names)
    weights = {name for name in names if name.startswith("diffusion/pretrained/")}
    assert "diffusion/pretrained/fashion-mnist/card.json" in weights
    assert "diffusion/pretrained/alexnet_features.safetensors" in weights
    assert any(name.startswith("diffusion/pretrained/fashion-mnist/baselines/") for name in weights)
    assert any(name.endswith("licenses/NOTICE") for name in names)
