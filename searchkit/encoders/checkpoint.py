"""A model's files: a folder, or a repository of the Hugging Face hub fetched once into its cache.

Only safetensors are read: nothing is unpickled and no code of a repository is run. A repository is held
to the commit it had when it was fetched; it is never asked again whether there is a newer one.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from searchkit.errors import BadInput, ModelMissing

if TYPE_CHECKING:
    from torch import Tensor

WEIGHTS = ("model.safetensors", "open_clip_model.safetensors")
INDEX = "model.safetensors.index.json"
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".msgpack", ".h5")
FETCHED = ("*.json", "*.txt", "*.model", "README.md", "*.safetensors")
LEFT = ("onnx/*", "openvino/*", "*fp16*", "*int8*", "*adapter*")
BASIC = ("config.json", "model.safetensors", "tokenizer.json", "preprocessor_config.json")
REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?", re.ASCII)
COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Checkpoint:
    """The files of one model. `name` is what a space records: "owner/model@commit", or the folder's path."""

    name: str
    folder: Path

    def has(self, *files: str) -> bool:
        return all((self.folder / file).is_file() for file in files)

    def path(self, file: str) -> Path:
        """Raises `ModelMissing` naming the file."""
        self.need(file)
        return self.folder / file

    def need(self, *files: str) -> None:
        """Raises `ModelMissing` naming every one of these that is not there."""
        missing = [file for file in files if not (self.folder / file).is_file()]
        if missing:
            mend = f"where there is a network: searchkit models pull {self.base}"
            raise ModelMissing(
                f"{self.name}: missing {', '.join(missing)} in {self.folder}",
                hint=mend if is_repository(self.base) else "copy the model's folder again, all of it",
            )

    @property
    def base(self) -> str:
        """The name without the commit."""
        return self.name.partition("@")[0]

    def json(self, file: str = "config.json") -> dict[str, Any]:
        path = self.path(file)
        try:
            found = json.loads(path.read_text("utf-8"))
        except ValueError as error:
            raise BadInput(f"{path} is not JSON: {error}", hint="fetch the model again") from error
        if not isinstance(found, dict):
            raise BadInput(f"{path} is not a JSON object", hint="fetch the model again")
        return found

    @cached_property
    def weight_files(self) -> list[Path]:
        """The safetensors, one or several shards. Raises `ModelMissing`, and `BadInput` where the weights
        are there but only as a pickle."""
        if self.has(INDEX):
            names = sorted(set(self.json(INDEX)["weight_map"].values()))
            self.need(*names)
            return [self.folder / name for name in names]
        for name in WEIGHTS:
            if self.has(name):
                return [self.folder / name]
        _refuse_pickles(self.name, [path.name for path in self.folder.glob("*")])
        self.need("model.safetensors")
        raise AssertionError("need() raised, since none of the weights is there")

    @cached_property
    def sha256(self) -> str:
        """Of the weights; of several shards, of their hashes in order of name."""
        hashes = [_sha256(path) for path in self.weight_files]
        return hashes[0] if len(hashes) == 1 else hashlib.sha256(" ".join(hashes).encode()).hexdigest()

    @cached_property
    def megabytes(self) -> float:
        return round(sum(path.stat().st_size for path in self.weight_files) / 1e6, 1)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every tensor, without reading one."""
        found: dict[str, tuple[int, ...]] = {}
        for path in self.weight_files:
            with _opened(path) as file:
                for name in file.keys():  # noqa: SIM118 — not a mapping
                    found[name] = tuple(file.get_slice(name).get_shape())
        return found

    def tensors(self, wanted: Callable[[str], bool] = lambda name: True) -> dict[str, Tensor]:
        """The tensors whose names are wanted; the others are not read."""
        found: dict[str, Tensor] = {}
        for path in self.weight_files:
            with _opened(path) as file:
                found |= {name: file.get_tensor(name) for name in file.keys() if wanted(name)}  # noqa: SIM118
        return found

    def below(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose names begin with `prefix`, without it."""
        found = self.tensors(lambda name: name.startswith(prefix))
        return {name.removeprefix(prefix): value for name, value in found.items()}

    def card(self) -> dict[str, str]:
        """The one-line fields at the head of its README.md, between two lines of dashes."""
        if not self.has("README.md"):
            return {}
        text = (self.folder / "README.md").read_text("utf-8", "replace")
        head = text.split("\n---", 1)[0] if text.startswith("---\n") else ""
        return {m[1]: m[2].strip("'\"") for m in re.finditer(r"^(\w+): *(\S.*?) *$", head, re.MULTILINE)}


def _refuse_pickles(name: str, files: Sequence[str]) -> None:
    pickles = sorted(file for file in files if file.endswith(PICKLES))
    if pickles and not any(file.endswith(".safetensors") for file in files):
        raise BadInput(
            f"{name} has its weights only as {', '.join(pickles)}: opening such a file can run any code "
            "that is in it",
            hint="name a revision that has model.safetensors: --model NAME@REVISION",
        )


def _opened(path: Path) -> Any:
    from safetensors import SafetensorError, safe_open

    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError) as error:
        raise BadInput(f"{path} is damaged: {error}", hint="fetch or copy the model again") from error


def _sha256(path: Path) -> str:
    """The hub's cache names a file by its sha256 and has checked it; any other file is read."""
    target = path.resolve().name
    if path.is_symlink() and re.fullmatch(r"[0-9a-f]{64}", target):
        return target
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_repository(name: str) -> bool:
    """Whether a name has the form "owner/model" or "owner/model@revision"."""
    return REPOSITORY.fullmatch(name) is not None


def cached(name: str) -> Checkpoint | None:
    """What the hub's cache has of a repository, without any network; None where it has nothing."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    repository, _, revision = name.partition("@")
    try:
        folder = snapshot_download(repository, revision=revision or None, local_files_only=True)
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError, ValueError):
        return None
    return _pinned(repository, Path(folder))


def fetch(
    name: str, *, files: Sequence[str] = BASIC, offline: bool = False, again: bool = False
) -> Checkpoint:
    """The files of a repository, from the hub's cache when `files` are all there, else from the hub.

    `again` asks the hub for the newest commit even so. Raises `ModelMissing` naming what is missing and
    where it was looked for, `BadInput` for a repository or revision that does not exist.
    """
    found = cached(name)
    complete = found is not None and (found.has(*files) or _sharded(found, files))
    if found is not None and complete and not again:
        return found
    if not offline:
        return _download(name, files, found)
    raise _missing(name, files, found, "and nothing may be fetched (--offline, or HF_HUB_OFFLINE)")


def _sharded(found: Checkpoint, files: Sequence[str]) -> bool:
    rest = [file for file in files if file != "model.safetensors"]
    return found.has(INDEX, *rest) and all(path.is_file() for path in found.weight_files)


def _download(name: str, files: Sequence[str], found: Checkpoint | None) -> Checkpoint:
    from huggingface_hub import constants, model_info, snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    repository, _, revision = name.partition("@")
    if constants.HF_HUB_OFFLINE:
        raise _missing(name, files, found, "and HF_HUB_OFFLINE is set")
    try:
        folder = snapshot_download(
            repository, revision=revision or None, allow_patterns=list(FETCHED), ignore_patterns=list(LEFT)
        )
    except GatedRepoError as error:
        raise ModelMissing(
            f"{repository} is only given to those who accept its terms on its page",
            hint="accept them there, then: hf auth login",
        ) from error
    except RevisionNotFoundError as error:
        raise BadInput(
            f"{repository} has no revision {revision!r}", hint="see its page for those it has"
        ) from error
    except RepositoryNotFoundError as error:
        raise BadInput(
            f"there is no model {repository!r} on the hub, and no folder of that name",
            hint="see what there is: searchkit models",
        ) from error
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, HfHubHTTPError, OSError) as error:
        raise _missing(name, files, found, "and the hub cannot be reached") from error
    fetched = _pinned(repository, Path(folder))
    if not any(Path(folder).glob("*.safetensors")):  # has it none, or only what is not fetched?
        about = model_info(repository, revision=revision or None)
        _refuse_pickles(name, [sibling.rfilename for sibling in about.siblings or ()])
    return fetched


def _missing(name: str, files: Sequence[str], found: Checkpoint | None, why: str) -> ModelMissing:
    from huggingface_hub import constants

    missing = [file for file in files if found is None or not found.has(file)]
    where = found.folder if found is not None else constants.HF_HUB_CACHE
    return ModelMissing(
        f"{name} is not on this machine {why}: missing {', '.join(missing)} (looked in {where})",
        hint=f"once, with a network: searchkit models pull {name.partition('@')[0]}; or copy these files "
        "into a folder and name it: --model FOLDER",
    )


def _pinned(repository: str, folder: Path) -> Checkpoint:
    """The cache keeps a commit's files in a folder of the commit's name."""
    commit = folder.name
    return Checkpoint(f"{repository}@{commit}" if COMMIT.fullmatch(commit) else repository, folder)
