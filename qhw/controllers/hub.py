"""Bundles and controllers on the Hugging Face hub, by its own library."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file

from diffusion.bundle import NETWORK_FILES, BundleCard, load_bundle, read_card
from diffusion.embedded import EMBEDDED, require_whole
from diffusion.foreign.clip import CONFIG as CLIP_CONFIG
from diffusion.foreign.clip import WEIGHTS as CLIP_WEIGHTS
from diffusion.foreign.clip import clip_pickle_refused
from diffusion.foreign.kinds import FOREIGN_KINDS
from diffusion.foreign.reference_file import read_named
from diffusion.latent.checkpoint import HALF, INDEX, PARTS, pickle_refused
from diffusion.latent.description import PROMPTS_FILE, LatentDescription, locate
from diffusion.references import FILES as REFERENCES
from qhw.controllers.record import CARD, RECORD, WEIGHTS, read_controller_record
from qhw.errors import (
    BundleError,
    ConfigError,
    DamagedFileError,
    HubError,
    UnknownNameError,
)
from qhw.files import make_folder, refuse_existing

BUNDLE_CARD = "card.json"
OF_CONTROLLER = (RECORD, WEIGHTS, CARD)
OF_BUNDLE = (
    *(BUNDLE_CARD, *NETWORK_FILES, PROMPTS_FILE, *REFERENCES.values(), "curve.csv", "headroom.csv"),
    *("MODEL_CARD.md", "README.md", "LICENSE", "NOTICE"),
)
"""Files that are pushed and pulled: numbers, tables and text, nothing that is executed."""
MODEL_PARTS = (*PARTS, "scheduler", "tokenizer")
OF_MODEL = (INDEX, "tokenizer/*.txt")
"""What of a text-prompted model is brought beside its weights and configurations."""
OF_CLIP = ("*.json", "*.txt", CLIP_WEIGHTS)
WHOLE = {name: path for name, path in EMBEDDED.items() if path.is_dir()}
"""Bundles that ship with the package and have a folder of their own."""
ENDPOINT = "HF_ENDPOINT"
"""Another hub than the public one; its library reads this once, as it is imported."""
FOREIGN = (ValueError, KeyError, TypeError, AttributeError, RuntimeError, OSError, SafetensorError)
"""What a card that somebody else wrote can make go wrong."""


def push_folder(folder: Path | str, repo: str, *, private: bool = False) -> str:
    """Upload a bundle or an exported controller; the repository is made if it is not there.

    Args:
        folder: It, or the name of a bundle that ships with the package.
        repo: `OWNER/NAME`.
        private: Whether the repository must be private.

    Returns:
        The commit's address.

    Raises:
        DamagedFileError: If the folder holds neither, or is not whole.
        HubError: If the hub refuses or cannot be reached.
    """
    path = WHOLE.get(str(folder), Path(folder))
    names = OF_CONTROLLER if require_shareable(path) == "controller" else OF_BUNDLE
    with _asked(repo):
        from huggingface_hub import HfApi

        hub = HfApi(endpoint=os.environ.get(ENDPOINT))
        hub.create_repo(repo, private=private, exist_ok=True)
        if private and not hub.repo_info(repo).private:
            raise HubError(
                f"{repo} is there already, and public: --private makes a new one private.",
                "Take another name, or make it private on the hub first.",
            )
        commit = hub.upload_folder(repo_id=repo, folder_path=path, allow_patterns=list(names))
    return str(commit.commit_url)


def pull_folder(repo: str, folder: Path, *, revision: str | None = None) -> str:
    """Download a bundle or a controller, and check that it is whole before it is there.

    Args:
        repo: `OWNER/NAME`.
        folder: It must not be there yet.
        revision: Branch, tag or commit; the newest by default.

    Returns:
        What came: `bundle` or `controller`.

    Raises:
        OutputError: If the folder is there, or cannot be written.
        DamagedFileError: If what came is neither, or is not whole.
        HubError: If the hub refuses or cannot be reached.
    """
    refuse_existing(folder)
    make_folder(folder.absolute().parent)
    coming = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(coming, ignore_errors=True)
    try:
        with _asked(repo):
            from huggingface_hub import snapshot_download

            snapshot_download(
                repo,
                revision=revision,
                local_dir=coming,
                allow_patterns=[*OF_CONTROLLER, *OF_BUNDLE],
                endpoint=os.environ.get(ENDPOINT),
            )
        kind = require_shareable(coming)
        shutil.rmtree(coming / ".cache", ignore_errors=True)
        coming.rename(folder)
    finally:
        shutil.rmtree(coming, ignore_errors=True)
    return kind


def download_model(
    repo: str, revision: str | None = None, *, half: bool = False
) -> tuple[Path, str]:
    """Bring a text-prompted model to the hub's own cache: configurations, tokenizer, safetensors.

    Args:
        repo: `OWNER/NAME`.
        revision: Branch, tag or commit; the newest by default.
        half: Whether weights in half precision do, where they are there.

    Returns:
        Its folder, and the commit.

    Raises:
        HubError: If the hub refuses or cannot be reached.
        diffusion.latent.checkpoint.ModelError: If its weights are pickles; or if the hub is not to
            be asked (`HF_HUB_OFFLINE`), and the model is not in its cache.
    """

    def wanted(names: set[str]) -> list[str]:
        configurations = [f"{folder}/*.json" for folder in MODEL_PARTS]
        return [*configurations, *OF_MODEL, *_weights(repo, names, half)]

    return _brought(repo, revision, INDEX, wanted)


def download_clip(repo: str, revision: str | None = None) -> tuple[Path, str]:
    """Bring a CLIP to the hub's own cache: configuration, tokenizer, safetensors.

    Args:
        repo: `OWNER/NAME`.
        revision: Branch, tag or commit; the newest by default.

    Returns:
        Its folder, and the commit.

    Raises:
        HubError: If the hub refuses or cannot be reached.
        diffusion.latent.checkpoint.ModelError: If its weights are pickles; or if the hub is not to
            be asked (`HF_HUB_OFFLINE`), and the model is not in its cache.
    """

    def wanted(names: set[str]) -> list[str]:
        pickles = sorted(name for name in names if name.endswith(".bin"))
        if CLIP_WEIGHTS not in names and pickles:
            raise clip_pickle_refused(f"{repo}/{pickles[0]}", repo)
        return list(OF_CLIP)

    return _brought(repo, revision, CLIP_CONFIG, wanted)


def _brought(
    repo: str, revision: str | None, index: str, wanted: Callable[[set[str]], list[str]]
) -> tuple[Path, str]:
    """A repository's folder in the hub's own cache, and its commit.

    Args:
        repo: `OWNER/NAME`.
        revision: Branch, tag or commit; the newest by default.
        index: A file that it has, by which it is found where the hub is not to be asked.
        wanted: Which files to bring, out of the names of all.
    """
    with _asked(repo):
        from huggingface_hub import HfApi, snapshot_download
        from huggingface_hub.constants import is_offline_mode

        if is_offline_mode():
            found = locate(repo, revision or "main", index)
            return found, found.name
        endpoint = os.environ.get(ENDPOINT)
        info = HfApi(endpoint=endpoint).model_info(repo, revision=revision)
        patterns = wanted({file.rfilename for file in info.siblings or ()})
        folder = snapshot_download(
            repo, revision=revision, allow_patterns=patterns, endpoint=endpoint
        )
    return Path(folder), Path(folder).name


def _weights(repo: str, names: set[str], half: bool) -> list[str]:
    """Which of a model's files of weights to bring."""
    brought = []
    for part, (_, stem) in PARTS.items():
        whole, small = f"{part}/{stem}.safetensors", f"{part}/{stem}.{HALF}.safetensors"
        there = [name for name in ((small, whole) if half else (whole, small)) if name in names]
        if not there and f"{part}/{stem}.bin" in names:
            target = f"{repo.rpartition('/')[2]}-safe"
            raise pickle_refused(f"{repo}/{part}/{stem}.bin", repo, target)
        brought += there[:1]
    return brought


def require_shareable(folder: Path) -> str:
    """What a folder holds, `bundle` or `controller`, once its checksums are found right.

    Raises:
        DamagedFileError: If it is neither, or is not whole.
        UnknownNameError: If there is no such folder.
    """
    if not folder.is_dir():
        raise UnknownNameError(
            f"There is no folder {str(folder)!r}, and no bundle of that name comes with qhw.",
            f"`qhw export RUN` writes a controller, `qhw fit` a bundle; {', '.join(WHOLE)} come "
            "with qhw.",
        )
    if (folder / RECORD).is_file():
        _require_readable(folder)
        return "controller"
    if not (folder / BUNDLE_CARD).is_file():
        raise DamagedFileError(
            f"{folder} holds neither {RECORD} nor {BUNDLE_CARD}: it is no controller, no bundle.",
            "`qhw export RUN` writes a controller, `qhw fit` a bundle.",
        )
    try:
        _require_whole_bundle(folder)
    except FOREIGN as error:
        raise BundleError(
            f"{folder} is no whole bundle: {error!r}", "Fit it again, or pull it again."
        ) from error
    return "bundle"


def _require_whole_bundle(folder: Path) -> None:
    """Read a bundle; of one that names a text-prompted model what lies in the folder alone.

    Raises:
        ValueError: Or another of `FOREIGN`, if it is not whole.
        BundleError: If nobody else could find the model that it names.
    """
    card = read_card(folder)
    if not card.is_latent:
        load_bundle(folder)
        return
    require_whole(folder, {name: card.checksums[name] for name in card.files})
    described = LatentDescription.of(card.denoiser)
    if described.revision is None:
        raise BundleError(
            f"{folder} names the model in {described.model}, a folder of one machine: nobody else "
            "could open it.",
            "Put the model on the hub, and calibrate it there by OWNER/NAME.",
        )
    _require_eyes_of_all(folder, card)


def _require_eyes_of_all(folder: Path, card: BundleCard) -> None:
    """Refuse classifiers that are named on one machine.

    Raises:
        BundleError: If one is.
    """
    for name, kind in card.classifiers.items():
        if kind not in FOREIGN_KINDS:
            continue
        named, _ = read_named(folder / f"{name}.safetensors")
        if named.revision is None:
            raise BundleError(
                f"{folder} names the {name} in {named.model}, on one machine: nobody else could "
                "open it.",
                "Take a CLIP of the hub by OWNER/NAME, or the classifiers of a fitted bundle.",
            )


def _require_readable(folder: Path) -> None:
    """Refuse a controller whose settings or weights cannot be read."""
    record = read_controller_record(folder)
    try:
        record.config  # noqa: B018 - reading it checks it
        load_file(folder / WEIGHTS)
    except (ConfigError, SafetensorError) as error:
        raise DamagedFileError.of(folder, error) from error


@contextmanager
def _asked(repo: str) -> Iterator[None]:
    """Say what the hub's library says, and what to type.

    Raises:
        HubError: If it refuses, cannot be reached, or the repository's name is none.
    """
    from huggingface_hub import errors

    # The root of whichever HTTP client that library has taken.
    transport: type[Exception] = errors.HTTPError  # type: ignore[attr-defined]
    try:
        yield
    except errors.HFValidationError as error:
        raise HubError(f"{repo!r} names no repository: {error}", "Type OWNER/NAME.") from error
    except (errors.HfHubHTTPError, errors.LocalTokenNotFoundError) as error:
        raise HubError(
            f"The hub refused {repo}: {error}",
            "`hf auth login` keeps a token; HF_TOKEN and HF_ENDPOINT are read too.",
        ) from error
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled, transport) as error:
        raise HubError(
            f"The hub cannot be reached for {repo}: {error}", "Try again when you are online."
        ) from error
