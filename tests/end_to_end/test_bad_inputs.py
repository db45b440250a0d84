"""What people type wrong, over all commands: one message that echoes it, and what to type instead.

Nothing here may end in a traceback: `main` is called as the console script calls it, and only a
known error or a usage error makes it exit.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from diffusion.embedded import DEFAULT, EMBEDDED
from qhw.cli.app import main
from qhw.config import merge, parse_config
from qhw.runs.directory import create_run

SMALL: dict[str, Any] = {
    "actor": {"circuit": {"qubits": 3, "depth": 1}},
    "backend": {"name": "aer"},
    "environment": {"steps": 3},
    "ppo": {"updates": 1, "environments": 4, "epochs": 1, "minibatches": 2},
    "evaluation": {"latents": 20},
}
TOO_LONG = "a" * 300
FILES = {
    "file": b"something else",
    "binary.toml": b"\x7fELF\xf0\x28\x00\xff",
    "cut.toml": b"[ppo]\nupdates = [",
    "unknown.toml": b"[ppo]\nlearning_rate = 1e-3\n",
    "table.toml": b"ppo = 3\n",
    "clip.toml": b"[ppo]\nclip = 1.5\n",
    "rate.toml": b"[ppo]\nactor_rate = 1000.0\n",
    "infinite.toml": b"[environment]\nguidance_max = inf\n",
    "range.toml": b"[environment]\nguidance_min = 9.0\nguidance_max = 2.0\n",
    "features.toml": b'[state]\nfeatures = ["tame"]\n',
    "idle.toml": b"[environment.reward]\nlambda_guidance = 0.0\nguidance_price = 'abs'\n",
    "group.toml": b"[ppo]\nenvironments = 10\ngroup = 3\n",
    "no_bundle.toml": b'[environment]\nbundle = "fashion-minst"\n',
    "file_bundle.toml": b'[environment]\nbundle = "file"\n',
    "cut_bundle.toml": b'[environment]\nbundle = "cut_bundle"\n',
    "binary.json": b"\x7fELF\xf0\x28\x00\xff",
    "cut.json": b'{"name": "fake_li',
    "list.json": b"[]",
}
"""By name; what is in each."""


class Bad(NamedTuple):
    """A line, and what its message must name."""

    line: str
    echoed: str


USAGE = [
    Bad("nonsense", "nonsense"),
    Bad("trian", "trian"),
    Bad("train --nonsense 3", "--nonsense"),
    Bad("train --lr 1e-3", "No such option: --lr. Did you mean --set ppo.actor_rate=VALUE or"),
    Bad("train --updatez 3", "Possible options: --updates"),
    Bad("train --qubits", "--qubits"),
    Bad("train --qubits many", "many"),
    Bad("train --depth 2.5", "2.5"),
    Bad("train --updates ''", "--updates"),
    Bad("train --noise-scale loud", "loud"),
    Bad("run --images 0", "'0'"),
    Bad("run --images 1001", "1001"),
    Bad("run --images some", "some"),
    Bad("run --seed -1", "-1"),
    Bad("run --seed 18446744073709551616", "18446744073709551616"),
    Bad("run --query-every 0", "'0'"),
    Bad("evaluate --latents 19", "19"),
    Bad("evaluate --shots 3", "--shots"),
    Bad("compare", "RUN_A"),
    Bad("compare runs/a", "RUN_B"),
    Bad("compare runs/a runs/trained --latents 5", "'5'"),
    Bad("runs extra", "extra"),
    Bad("devices extra", "extra"),
    Bad("doctor --lod", "--lod"),
    Bad("drift fake_lima", "B"),
    Bad("fit", "--data"),
    Bad("fit --data folder --resolution 7", "'7'"),
    Bad("fit --data folder --resolution 65", "65"),
    Bad("fit --data folder --minutes 0", "'0'"),
    Bad("fit --data folder --precision fp8", "fp8"),
    Bad("fit --data folder --seed 99999999999", "99999999999"),
    Bad("remeasure --data folder", "--bundle"),
    Bad("remeasure --data folder --bundle folder --latents 3", "'3'"),
    Bad("remeasure --data folder --bundle folder --only proxy", "'proxy'"),
    Bad("remeasure --data folder --bundle folder --only discriminator --latents 30", "--latents"),
    Bad("plan nonsense", "nonsense"),
    Bad("plan train --queue -1", "-1"),
    Bad("jobs nonsense", "nonsense"),
    Bad("jobs show", "JOB"),
    Bad("cache nonsense", "nonsense"),
    Bad("report nonsense", "nonsense"),
    Bad("report noise", "RUN"),
]
OUT_OF_RANGE = [
    Bad("train --qubits 0", "qubits = 0"),
    Bad("train --qubits 13", "qubits = 13"),
    Bad("train --depth 0", "depth = 0"),
    Bad("train --depth 13", "depth = 13"),
    Bad("train --shots 0", "shots = 0"),
    Bad("train --shots 99999999", "shots = 99999999"),
    Bad("train --updates 0", "updates = 0"),
    Bad("train --environments 0", "environments = 0"),
    Bad("train --environments 5000", "environments = 5000"),
    Bad("train --latents 3", "latents = 3"),
    Bad("train --seed -1", "seed = -1"),
    Bad("train --seed 18446744073709551616", "seed = 18446744073709551616"),
    Bad("train --noise-scale -1", "noise_scale = -1"),
    Bad("train --noise-scale inf", "noise_scale = inf"),
    Bad("train --noise-scale nan", "noise_scale = nan"),
    Bad("train --noise-scale 1e6", "noise_scale = 1000000"),
    Bad("train --backend fake_fez --max-jobs 0", "max_jobs = 0"),
    Bad("train --backend fake_fez --max-cost -1", "max_cost = -1"),
    Bad("train --backend fake_fez --max-qpu-seconds inf", "max_qpu_seconds = inf"),
    Bad("train --backend fake_fez --price 0", "price = 0"),
    Bad("train --backend fake_fez --job-wait 0", "job_wait = 0"),
    Bad("run runs/trained --shots 0", "shots = 0"),
    Bad("run runs/trained --backend aer_noisy --noise-scale inf", "noise_scale = inf"),
    Bad("compare runs/a runs/trained --backend aer_noisy --noise-scale nan", "noise_scale = nan"),
    Bad("compare runs/a runs/trained --shots 0", "shots = 0"),
    Bad("calibrate --device fake_lima --qubits 0", "qubits = 0"),
    Bad("calibrate --device fake_lima --measure --max-jobs 0", "max_jobs = 0"),
    Bad("calibrate --device fake_lima --qubits 6", "fake_lima, which has 5"),
    Bad("drift fake_lima fake_lima --depth 99", "depth = 99"),
    Bad("plan train --shots 0", "shots = 0"),
    Bad("plan train --price 0", "price = 0"),
    Bad("plan train --max-cost -2", "max_cost = -2"),
    Bad("plan run runs/trained --max-jobs 0", "max_jobs = 0"),
    Bad("train --backend aer_noisy --device fake_lima --qubits 6", "fake_lima, which has 5"),
]
MISSPELT = [
    Bad("train --encoding dens", "encoding = 'dens'"),
    Bad("train --entanglement rings", "entanglement = 'rings'"),
    Bad("train --engine fast", "engine = 'fast'"),
    Bad("train --mitigation zn", "mitigation = 'zn'"),
    Bad("train --backend fake_fez --mode jobs", "mode = 'jobs'"),
    Bad("train --backend fake_fez --on-drift stopp", "on_drift = 'stopp'"),
    Bad("train --backend fake_fez --readout-errors guess", "readout_errors = 'guess'"),
    Bad("train --gradient shfit", "rule = 'shfit'"),
    Bad("train --actor mpl", "kind = 'mpl'"),
    Bad("train --torch-device gpu", "torch_device = 'gpu'"),
    Bad("train --preset papr", "'papr'"),
    Bad("train --backend aer_nosy", "'aer_nosy'"),
    Bad("train --backend ''", "''"),
    Bad("train --backend ibm_brisbane", "'ibm_brisbane'"),
    Bad("train --backend ibm_fez", "'ibm_fez'"),
    Bad("train --backend ibm_nothing", "'ibm_nothing'"),
    Bad("train --backend fake_nothing", "'fake_nothing'"),
    Bad("train --device brisbane", "'brisbane'"),
    Bad("train --device aer", "'aer'"),
    Bad("run runs/trained --backend aer_noisy --device fake_bisbane", "'fake_bisbane'"),
    Bad("run runs/traned", "runs/traned"),
    Bad(f"run {TOO_LONG}", TOO_LONG),
    Bad("run --runs folder", "No run in folder is finished"),
    Bad("train extra", "extra"),
    Bad("train --resume --runs folder", "no unfinished run in folder"),
    Bad("train --name ../escape", "'../escape'"),
    Bad("train --set lerning_rate=1", "'lerning_rate': did you mean ppo.actor_rate"),
    Bad("train --set ppo.clip", "--set ppo.clip"),
    Bad("train --set ppo.clip=1.5", "ppo.clip = 1.5"),
    Bad("train --set ppo.clip=wide", "'wide' is not a number"),
    Bad("train --updates 2 --set ppo.updates=3", "--set ppo.updates"),
    Bad("train --track wndb", "'wndb'"),
    Bad("plan train --set ppo.epochs=none", "'none' is not a whole number"),
    Bad("config lerning_rate", "'lerning_rate'"),
    Bad("config ppo --toml", "--toml"),
    Bad("plot nowhere", "'nowhere'"),
    Bad("sweep", "nothing to vary"),
    Bad("sweep --seeds five", "--seeds five"),
    Bad("sweep --seeds 3", "--seeds 3"),
    Bad("sweep --seeds 0:2 --name a/b", "'a/b-seed0'"),
    Bad("sweep --seeds 0:2 --backend fake_fez", "'fake_fez'"),
    Bad("sweep --together --set ppo.epochs=1,2 --set ppo.clip=0.1", "ppo.epochs has 2"),
    Bad("evaluate runs/traned", "runs/traned"),
    Bad("evaluate file", "file"),
    Bad("compare runs/trained runs/traned", "runs/traned"),
    Bad("compare runs/a runs/trained --backend ibm_fez", "'ibm_fez'"),
    Bad("compare runs/a runs/trained --backend aer_noisy --device nothing", "'nothing'"),
    Bad("calibrate --device fake_limo", "'fake_limo'"),
    Bad("calibrate --device ibm_fez", "'ibm_fez'"),
    Bad("calibrate --device fake_lima --run runs/traned", "runs/traned"),
    Bad("drift fake_limo fake_lima", "'fake_limo'"),
    Bad("drift fake_lima fake_lima@2020-01-01", "fake_lima"),
    Bad("plan train --backend fake_nothing", "'fake_nothing'"),
    Bad("plan train --preset papr", "'papr'"),
    Bad("plan run runs/traned", "runs/traned"),
    Bad("plan run runs/trained --backend aer_nosy", "'aer_nosy'"),
    Bad("report noise runs/traned", "runs/traned"),
    Bad("report noise runs/trained --device nothing", "'nothing'"),
    Bad("report noise runs/trained --step analyze", "'analyze'"),
    Bad("jobs list --run nothing", "'nothing'"),
    Bad("jobs show nothing", "'nothing'"),
    Bad("jobs collect nothing", "'nothing'"),
    Bad("jobs collect --run nothing", "'nothing'"),
    Bad("jobs cancel nothing --yes", "'nothing'"),
    Bad("fit --data folder --dataset fashion", "fashion"),
    Bad("fit --data folder --minutes 3 --pictures 640", "--minutes 3 and --pictures 640"),
    Bad("export traned", "'traned'"),
    Bad("push nowhere me/it", "'nowhere'"),
    Bad("pull not/a/repo new", "'not/a/repo'"),
]
CLASHES = [
    Bad("train --backend aer --device fake_fez", "backend.device"),
    Bad("train --backend aer --noise-scale 2", "backend.noise_scale"),
    Bad("train --backend aer --mitigation zne", "'zne'"),
    Bad("train --backend aer --max-jobs 3", "hardware.max_jobs"),
    Bad("train --backend aer_noisy --max-cost 3", "hardware.max_cost"),
    Bad("train --backend fake_fez --engine aer", "backend.engine"),
    Bad("train --backend fake_fez --gradient adjoint", "'adjoint'"),
    Bad("train --backend fake_fez --readout-errors measured", "'measured'"),
    Bad("train --backend fake_fez --on-drift refit --mitigation none", "'refit'"),
    Bad("train --mitigation native", "'native'"),
    Bad("train --actor mlp --qubits 4", "actor.circuit"),
    Bad("train --actor mlp --backend aer", "backend"),
    Bad("train --qubits 2", "qubits = 2"),
    Bad("train --resume runs/a --seed 3", "seed"),
    Bad("train --resume runs/a --name b", "--name"),
    Bad("train --resume runs/a --from runs/trained", "--from"),
    Bad("train --resume runs/a --backend aer", "backend"),
    Bad("train --from runs/trained --backend aer --qubits 6", "qubits = 6"),
    Bad("train --from runs/trained --backend aer --depth 2", "depth = 2"),
    Bad("train --from runs/trained --actor mlp", "'mlp'"),
    Bad("run runs/trained --resume", "--resume"),
    Bad("run runs/trained --fresh", "--fresh"),
    Bad("run runs/trained --backend fake_fez --resume --fresh", "--fresh"),
    Bad("run runs/trained --noise-scale 2", "backend.noise_scale"),
    Bad("run runs/trained --max-jobs 3", "hardware.max_jobs"),
    Bad("run runs/mlp --backend aer", "backend"),
    Bad("evaluate runs/trained --max-jobs 3", "hardware.max_jobs"),
    Bad("compare runs/trained runs/trained", "trained"),
    Bad("compare runs/trained runs/steps", "4"),
    Bad("compare runs/trained runs/a --backend fake_fez", "'fake_fez'"),
    Bad("calibrate", "--device"),
    Bad("calibrate --device aer", "'aer'"),
    Bad("calibrate --device fake_lima --max-jobs 3", "--max-jobs"),
    Bad("calibrate --device fake_lima --run runs/a --qubits 3", "--qubits"),
    Bad("calibrate --device fake_lima --run runs/mlp", "'mlp'"),
    Bad("drift fake_lima fake_fez", "fake_fez"),
    Bad("drift aer fake_lima", "'aer'"),
    Bad("plan train --backend aer", "'aer'"),
    Bad("plan run runs/mlp", "mlp"),
    Bad("report noise runs/mlp", "mlp"),
    Bad("report noise runs/a", "runs/a"),
    Bad("report noise runs/trained --step render", "runs/trained/report"),
    Bad("export runs/a new", "runs/a"),
    Bad("push folder me/it", "folder holds neither"),
    Bad("push runs/trained me/it", "runs/trained holds neither"),
]
FILES_NAMED = [
    Bad("export runs/cut_checkpoint new", "cut_checkpoint"),
    Bad("push cut_bundle me/it", "proxy.safetensors"),
    Bad("train --config nothing.toml", "nothing.toml"),
    Bad("train --config .", "'.'"),
    Bad("train --config folder", "folder"),
    Bad("train --config file/below.toml", "file/below.toml"),
    Bad("train --config binary.toml", "binary.toml"),
    Bad("train --config cut.toml", "cut.toml"),
    Bad("train --config unknown.toml", "ppo.learning_rate"),
    Bad("train --config table.toml", "ppo"),
    Bad("train --config clip.toml", "ppo.clip = 1.5"),
    Bad("train --config rate.toml", "ppo.actor_rate = 1000"),
    Bad("train --config infinite.toml", "guidance_max = inf"),
    Bad("train --config range.toml", "guidance_min = 9"),
    Bad("train --config features.toml", "tame"),
    Bad("train --config idle.toml", "guidance_price = 'abs'"),
    Bad("train --config group.toml", "ppo.group = 3"),
    Bad("train --config no_bundle.toml", "'fashion-minst'"),
    Bad("train --config file_bundle.toml", "'file'"),
    Bad("train --config cut_bundle.toml --backend aer", "proxy.safetensors"),
    Bad("plan train --config folder", "folder"),
    Bad("train --from nothing", "nothing"),
    Bad("train --from folder", "folder"),
    Bad("train --from runs/a --backend aer", "runs/a"),
    Bad("train --from runs/cut_config", "config.toml"),
    Bad("train --from runs/cut_checkpoint --backend aer", "cut_checkpoint/checkpoints"),
    Bad("train --resume nothing", "nothing"),
    Bad("train --resume file", "file"),
    Bad("train --resume runs/cut_config", "config.toml"),
    Bad("train --resume runs/cut_checkpoint", "cut_checkpoint/checkpoints"),
    Bad("train --resume runs/cut_metrics", "metrics.jsonl"),
    Bad("run runs/a", "runs/a"),
    Bad("run runs/cut_config", "config.toml"),
    Bad("run runs/cut_checkpoint", "cut_checkpoint/checkpoints"),
    Bad("run runs/cut_deployment --backend fake_lima --resume", "deployment.json"),
    Bad("run runs/cut_deployment --backend fake_lima", "deployment.json"),
    Bad("evaluate runs/a", "runs/a"),
    Bad("evaluate runs/cut_provenance", "provenance.json"),
    Bad("evaluate runs/cut_checkpoint", "cut_checkpoint/checkpoints"),
    Bad("compare runs/trained runs/cut_checkpoint", "cut_checkpoint/checkpoints"),
    Bad("drift nothing.json fake_lima", "nothing.json"),
    Bad("drift binary.json fake_lima", "binary.json"),
    Bad("drift cut.json fake_lima", "cut.json"),
    Bad("drift list.json fake_lima", "list.json"),
    Bad("drift folder/nothing fake_lima", "folder/nothing"),
    Bad("evaluate a --runs runs_cut", "config.toml"),
    Bad("fit --data nothing", "nothing"),
    Bad("fit --data file", "file"),
    Bad("fit --data folder", "folder"),
    Bad("remeasure --data nothing --bundle folder", "folder"),
    Bad("models card folder", "'folder'"),
    Bad("models check folder/nothing", "folder/nothing"),
    Bad("train --model fasion", "'fasion'"),
]
UNWRITABLE = [
    Bad("export runs/trained folder", "folder is there already"),
    Bad("export runs/trained file/new", "file cannot be written"),
    Bad("export runs/trained /proc/new", "/proc/new cannot be written"),
    Bad("pull me/it folder", "folder is there already"),
    Bad("pull me/it file/new", "file cannot be written"),
    Bad("train --backend aer --runs file", "file cannot be written"),
    Bad("train --backend aer --runs file/below", "file/below cannot be written"),
    Bad("train --backend aer --runs /proc/nothing", "/proc/nothing cannot be written"),
    Bad("train --backend aer --runs /dev/full", "/dev/full cannot be written"),
    Bad("train --backend aer --name a", "runs/a"),
    Bad(f"train --backend aer --name {TOO_LONG}", TOO_LONG),
    Bad("run runs/no_samples", "no_samples/samples"),
    Bad("run runs/no_samples --backend fake_lima", "no_samples/samples"),
    Bad("compare runs/trained runs/again --latents 20 --out file", "file cannot be written"),
    Bad("compare runs/trained runs/again --latents 20 --out /proc/x", "/proc/x cannot be written"),
    Bad("calibrate --device fake_lima --out file", "file cannot be written"),
    Bad("calibrate --device fake_lima --out /dev/full", "/dev/full cannot be written"),
    Bad("report noise runs/trained --out file", "file cannot be written"),
    Bad("report noise runs/trained --out /proc/nothing", "/proc/nothing cannot be written"),
]
EVERY = [*USAGE, *OUT_OF_RANGE, *MISSPELT, *CLASHES, *FILES_NAMED, *UNWRITABLE]


class Said(NamedTuple):
    """What a command ended with."""

    code: int | str | None
    error: str


Say = Callable[[str], Said]


@pytest.fixture(scope="module")
def workbench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with runs, whole and damaged, and files that are something else."""
    folder = tmp_path_factory.mktemp("bench")
    (folder / "folder").mkdir()
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    _make_runs(folder / "runs")
    (folder / "runs_cut" / "a").mkdir(parents=True)
    (folder / "runs_cut" / "a" / "config.toml").write_bytes(FILES["cut.toml"])
    bundle = shutil.copytree(EMBEDDED[DEFAULT], folder / "cut_bundle")
    (bundle / "proxy.safetensors").write_bytes(b"cut")
    return folder


def _make_runs(root: Path) -> None:
    from qhw.training.trainer import Trainer

    create_run(root, parse_config(SMALL), "a")
    create_run(root, parse_config({"actor": {"kind": "mlp"}}), "mlp")
    create_run(root, parse_config(merge(SMALL, {"environment": {"steps": 4}})), "steps")
    trained = create_run(root, parse_config(SMALL), "trained")
    trainer = Trainer.of(trained)
    trained.begin(trainer.checkpoint(), {"backend": None})
    trained.append_metrics(trainer.advance())
    trained.save_checkpoint(trainer.checkpoint())
    for name in ("again", "cut_config", "cut_checkpoint", "cut_metrics", "cut_provenance"):
        shutil.copytree(trained.path, root / name)
    for name in ("cut_deployment", "no_samples"):
        shutil.copytree(trained.path, root / name)
    _damage(root)


def _damage(root: Path) -> None:
    (root / "cut_config" / "config.toml").write_bytes(FILES["cut.toml"])
    for state in (root / "cut_checkpoint").glob("checkpoints/*/state.safetensors"):
        state.write_bytes(state.read_bytes()[:100])
    (root / "cut_metrics" / "metrics.jsonl").write_text('{"update": 1\n{"update": 2}\n')
    (root / "cut_provenance" / "provenance.json").write_text('{"time": "2026')
    deployment = root / "cut_deployment" / "samples" / "fake_lima"
    deployment.mkdir(parents=True)
    (deployment / "deployment.json").touch()
    (root / "no_samples" / "samples").touch()


@pytest.fixture
def say(
    workbench: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Say]:
    """Type a line on the workbench, without an account."""
    monkeypatch.chdir(workbench)
    monkeypatch.setenv("HOME", str(workbench))
    monkeypatch.setenv("COLUMNS", "600")
    monkeypatch.delenv("QISKIT_IBM_TOKEN", raising=False)
    before = sorted(path.name for path in (workbench / "runs").iterdir())

    def typed(line: str) -> Said:
        monkeypatch.setattr("sys.argv", ["qhw", *shlex.split(line)])
        with pytest.raises(SystemExit) as ended:
            main()
        return Said(ended.value.code, capsys.readouterr().err)

    yield typed
    after = sorted(path.name for path in (workbench / "runs").iterdir())
    assert after == before, "what cannot begin leaves nothing behind"


def test_there_are_more_than_two_hundred() -> None:
    assert len(EVERY) > 200


@pytest.mark.parametrize("bad", EVERY, ids=lambda bad: bad.line.replace(TOO_LONG, "long")[:70])
def test_a_bad_input_is_echoed_with_what_to_type_instead(bad: Bad, say: Say) -> None:
    said = say(bad.line)
    assert said.code == 2, said.error
    assert "Traceback" not in said.error
    assert bad.echoed in said.error
    if bad in USAGE:
        assert "--help' for help" in said.error
        return
    message, *hint = said.error.strip().splitlines()
    assert message.startswith("Error: ")
    assert hint and len(hint[-1]) > 10, "and a hint"
    assert "site-packages" not in said.error


@pytest.mark.parametrize("place", ["file", "/proc", "/dev/full"])
@pytest.mark.parametrize(
    ("variable", "line"),
    [
        ("XDG_CACHE_HOME", "run runs/trained --backend aer_noisy --device fake_lima --images 1"),
        ("XDG_CACHE_HOME", "calibrate --device fake_lima"),
        ("XDG_CACHE_HOME", "doctor"),
        ("XDG_DATA_HOME", "run runs/trained --backend fake_lima --images 1"),
        ("XDG_DATA_HOME", "calibrate --device fake_lima"),
        ("XDG_DATA_HOME", "jobs list"),
        ("XDG_DATA_HOME", "doctor"),
    ],
)
def test_a_users_folder_that_cannot_be_written_is_named(
    variable: str, line: str, place: str, say: Say, monkeypatch: pytest.MonkeyPatch, workbench: Path
) -> None:
    monkeypatch.setenv(variable, str(workbench / place))
    said = say(line)
    assert said.code == 2, said.error
    message, *hint = said.error.strip().splitlines()
    assert message.startswith("Error: ")
    assert hint and len(hint[-1]) > 10, "and a hint"
    assert (variable.split("_")[1].lower() if line == "doctor" else place) in message


def test_standard_output_that_cannot_be_written_is_told() -> None:
    command = [sys.executable, "-m", "qhw", "devices"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("Error: The output cannot be used: No space left on device.")
    assert "Traceback" not in done.stderr
