"""What the packages show by name: the lists are pinned, so that no name goes or comes unseen."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

FACES = {
    "qhw": """
        BackendConfig ComparisonRequest Controller DeploymentRequest HardwareConfig QhwError
        Requester RunConfig RunDirectory compare evaluate export_controller list_runs load_config
        load_controller load_model open_backend open_device open_run open_snapshot parse_config
        plan_run plan_training plot run
        settings_on_backend train
    """,
    "policy": """
        Actor Adjoint Agreement Ansatz Cost Critic DifferentiableBackend Encoder Estimate
        ExpectationBackend Frozen GradientRule JointBackend MinibatchRecord MlpActor ModelGradient
        OwnCircuit ParameterShift PpoConfig PpoDiagnostics PrunedShift RingActor RingCircuit Rollout
        ShotNoise Spsa StateScaler UpdateProgress advice compare_gradients count_parameters
        expectations gae shot_noise update
    """,
    "diffusion": """
        PAPER_REWARD Bundle Ddim Denoiser DpmSolver Episode FitConfig GuidanceEnvironment
        GuidedSampler LpipsDistance RewardConfig baseline_schedules diversity draw_labels
        draw_latents fit_bundle frechet_distance kernel_distance load_bundle load_dataset play
        play_schedule psnr ssim
    """,
    "calibration": """
        ASSUMED Assumptions Change DeviceSnapshot Drift GateFacts Idle KINDS PUBLISHED QubitFacts
        ScaledSnapshot Severity Thresholds Twirl VENDOR compare confusion_matrices expected_error
        misread noise_model quiet_region republished scale_noise uncalibrated
    """,
}


@pytest.mark.parametrize("package", FACES)
def test_a_face_shows_these_names_and_each_is_there(package: str) -> None:
    module = importlib.import_module(package)
    assert sorted(module.__all__) == sorted(FACES[package].split())
    assert all(getattr(module, name) is not None for name in module.__all__)


@pytest.mark.parametrize("package", FACES)
def test_a_name_that_is_not_there_is_an_attribute_error(package: str) -> None:
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nothing'"):
        _ = importlib.import_module(package).nothing


@pytest.mark.parametrize("package", FACES)
def test_no_name_of_a_face_is_a_module_too(package: str) -> None:
    folder = Path(str(importlib.import_module(package).__file__)).parent
    assert not {path.stem for path in folder.iterdir()} & set(FACES[package].split())


@pytest.mark.parametrize("package", FACES)
def test_a_lazy_face_imports_nothing_heavy(package: str) -> None:
    code = (
        f"import {package}, sys\n"
        "heavy = {'torch', 'qiskit', 'numpy', 'diffusers', 'pydantic', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
