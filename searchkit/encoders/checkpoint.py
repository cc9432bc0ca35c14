"""The files of one model. Only safetensors are read: nothing is unpickled and no code of it is run."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from searchkit.errors import BadInput, ModelMissing, SearchkitError

if TYPE_CHECKING:
    from torch import Tensor, nn

    Network = TypeVar("Network", bound=nn.Module)

WEIGHTS = ("model.safetensors", "open_clip_model.safetensors")
INDEX = "model.safetensors.index.json"
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".msgpack", ".h5")
REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?", re.ASCII)
BUFFERS = re.compile(r"\bposition_ids$")
"""The names of tensors that are no weights."""
AGAIN = "fetch or copy the model again; if it is complete, its variant cannot be read"

MOST_JSON = 64 << 20
"""Bytes of the largest JSON file that describes a model; the index of a thousand shards has some ten."""
Shape = tuple[int, ...]
Setting = tuple[str, object, Collection[object]]
"""Name of a setting in config.json, its value there, and the values that can be followed."""
T = TypeVar("T")


@dataclass(frozen=True)
class Checkpoint:
    """The files of one model. `name` is what a space records: "owner/model@commit", or the folder's path."""

    name: str
    folder: Path

    def has(self, *files: str) -> bool:
        """Whether all of these files are there."""
        return all((self.folder / file).is_file() for file in files)

    def path(self, file: str) -> Path:
        """The path of a file. Raises `ModelMissing` naming one that is not there."""
        self.need(file)
        return self.folder / file

    def need(self, *files: str) -> None:
        """Raises `ModelMissing` naming every one of these that is not there."""
        missing = [file for file in files if not (self.folder / file).is_file()]
        if missing:
            pull = f"where there is a network: searchkit models pull {self.base}"
            raise ModelMissing(
                f"{self.name}: missing {', '.join(missing)} in {self.folder}",
                hint=pull if is_repository(self.base) else "copy the model's folder again, all of it",
            )

    @property
    def base(self) -> str:
        """The name without the commit."""
        return self.name.partition("@")[0]

    def json(self, file: str = "config.json") -> dict[str, Any]:
        """The content of a JSON file. Raises `ModelMissing`, and `BadInput` for anything but an object."""
        path = self.path(file)
        content = read_json(path)
        if not isinstance(content, dict):
            raise BadInput(f"{path} is not a JSON object", hint="fetch the model again")
        return content

    def optional_json(self, file: str) -> dict[str, Any]:
        """The content of a JSON file as `json` gives it; empty where there is no such file."""
        return self.json(file) if self.has(file) else {}

    def check_settings(self, settings: Iterable[Setting]) -> None:
        """Raises `BadInput` for the first setting of config.json whose value cannot be followed."""
        for name, value, readable in settings:
            if value not in readable:
                raise BadInput(
                    f"{self.name}: config.json has {name} {value!r}",
                    hint=f"what can be followed: {' or '.join(map(repr, readable))}",
                )

    @cached_property
    def weight_files(self) -> list[Path]:
        """The safetensors, one or several shards. Raises `ModelMissing`, and `BadInput` where the weights
        are there but only as a pickle."""
        if self.has(INDEX):
            listed = self.json(INDEX).get("weight_map")
            names = sorted(set(map(str, listed.values()))) if isinstance(listed, dict) else []
            if not names or any(Path(n).name != n or not n.endswith(".safetensors") for n in names):
                raise BadInput(f"{self.folder / INDEX} names no files of this folder", hint=AGAIN)
            self.need(*names)
            return [self.folder / name for name in names]
        for name in WEIGHTS:
            if self.has(name):
                return [self.folder / name]
        refuse_pickles(self.name, [path.name for path in self.folder.glob("*")])
        self.need("model.safetensors")
        raise AssertionError("need() raised, since none of the weights is there")

    @cached_property
    def sha256(self) -> str:
        """The sha256 of the weights; of several shards, that of their hashes in order of name."""
        return joined_sha256([_sha256(path) for path in self.weight_files])

    @cached_property
    def megabytes(self) -> float:
        """The size of the weights in 10⁶ bytes."""
        return round(sum(path.stat().st_size for path in self.weight_files) / 1e6, 1)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every tensor, without reading one."""
        shapes: dict[str, tuple[int, ...]] = {}
        for path in self.weight_files:
            with _opened(path) as file:
                for name in file.keys():  # noqa: SIM118 — not a mapping
                    shapes[name] = tuple(file.get_slice(name).get_shape())
        return shapes

    def account(self, *networks: nn.Module, beside: Collection[str] = ()) -> None:
        """Raises `BadInput`, as the function `account` does, unless the tensors are exactly those of the
        networks, and at most those named `beside` in addition."""
        have = {n: s for n, s in self.shapes().items() if not BUFFERS.search(n) and n not in beside}
        want = {n: s for network in networks for n, s in shapes_of(network.state_dict()).items()}
        account(self.name, have, want)

    def fill(self, network: nn.Module) -> nn.Module:
        """The network, made without weights (on the device "meta"), with the tensors of its names."""
        names = set(network.state_dict())
        network.load_state_dict(self.tensors(names.__contains__), assign=True)
        return network

    def scalar(self, name: str) -> float | None:
        """The value of a tensor with one element; None where there is no such tensor."""
        tensors = self.tensors(lambda other: other == name)
        return float(tensors[name].reshape(-1)[0]) if name in tensors else None

    def tensors(self, wanted: Callable[[str], bool] = lambda name: True) -> dict[str, Tensor]:
        """The tensors whose names are wanted; the others are not read."""
        tensors: dict[str, Tensor] = {}
        for path in self.weight_files:
            with _opened(path) as file:
                tensors |= {name: file.get_tensor(name) for name in file.keys() if wanted(name)}  # noqa: SIM118
        return tensors

    def below(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose names begin with `prefix`, under their names without it."""
        return below(prefix, self.tensors(lambda name: name.startswith(prefix)))

    def card(self) -> dict[str, str]:
        """The one-line fields at the head of README.md, between two lines of dashes."""
        if not self.has("README.md"):
            return {}
        text = (self.folder / "README.md").read_text("utf-8", "replace")
        head = text.split("\n---", 1)[0] if text.startswith("---\n") else ""
        return {m[1]: m[2].strip("'\"") for m in re.finditer(r"^(\w+): *(\S.*?) *$", head, re.MULTILINE)}


@contextmanager
def following(what: object) -> Iterator[None]:
    """Turns whatever a library raises over a stranger's files into `BadInput` that begins with `what`."""
    try:
        yield
    except SearchkitError:
        raise
    # a file of a model may hold anything, and what that does to a network is not foreseeable
    except Exception as error:
        said = f"{type(error).__name__}: {str(error)[:300]}"
        raise BadInput(f"{what} cannot be followed ({said})", hint=AGAIN) from error


def read_json(path: Path) -> Any:
    """The content of a JSON file of a model. Raises `BadInput` for what is no JSON, too large or too deep."""
    try:
        if path.stat().st_size > MOST_JSON:
            raise BadInput(f"{path} is larger than {MOST_JSON >> 20} MB", hint=AGAIN)
        return json.loads(path.read_text("utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise BadInput(f"{path} is not JSON: {reason}", hint="fetch the model again") from error


def refuse_pickles(name: str, files: Sequence[str]) -> None:
    """Raises `BadInput` where the weights among these files are pickles alone."""
    pickles = sorted(file for file in files if file.endswith(PICKLES))
    if pickles and not any(file.endswith(".safetensors") for file in files):
        raise BadInput(
            f"{name} has its weights only as {', '.join(pickles)}: opening such a file can run any code "
            "that is in it",
            hint="name a revision that has model.safetensors: --model NAME@REVISION",
        )


def account(name: str, have: Mapping[str, Shape], want: Mapping[str, Shape]) -> None:
    """Raises `BadInput` unless the tensors of a checkpoint, `have`, are those of its networks, `want`.

    It names those that are left over, missing or of another shape.
    """
    shapes = [f"{n} {have[n]} for {want[n]}" for n in want if have.get(n, want[n]) != want[n]]
    faults = {
        "left over": sorted(have.keys() - want.keys()),
        "missing": sorted(want.keys() - have.keys()),
        "shape": shapes,
    }
    listed = [f"{fault}: {_shortened(names)}" for fault, names in faults.items() if names]
    if listed:
        raise BadInput(f"{name} has not the tensors of its kind; {'; '.join(listed)}", hint=AGAIN)


def shapes_of(named: Mapping[str, Tensor]) -> dict[str, Shape]:
    """The shape of each tensor by its name."""
    return {name: tuple(value.shape) for name, value in named.items()}


def below(prefix: str, named: Mapping[str, T]) -> dict[str, T]:
    """The values whose names begin with the prefix, under their names without it."""
    return {name.removeprefix(prefix): value for name, value in named.items() if name.startswith(prefix)}


def _shortened(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _opened(path: Path) -> Any:
    from safetensors import SafetensorError, safe_open

    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError) as error:
        raise BadInput(f"{path} is damaged: {error}", hint="fetch or copy the model again") from error


def joined_sha256(hashes: Sequence[str]) -> str:
    """One hash for several files: the only one, or the sha256 of all of them with spaces between."""
    return hashes[0] if len(hashes) == 1 else hashlib.sha256(" ".join(hashes).encode()).hexdigest()


def _sha256(path: Path) -> str:
    """The sha256 of a file; one in the hub's cache is named by it, and is not read again."""
    target = path.resolve().name
    if path.is_symlink() and re.fullmatch(r"[0-9a-f]{64}", target):
        return target
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_repository(name: str) -> bool:
    """Whether a name has the form "owner/model" or "owner/model@revision"."""
    return REPOSITORY.fullmatch(name) is not None


def read_into(network: Network, weights: Path) -> Network:
    """The network with the weights of a file that training wrote. Raises `BadInput` where they do not fit."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        network.load_state_dict(load_file(weights))
    except (SafetensorError, RuntimeError, ValueError, KeyError, OSError) as error:
        raise BadInput(
            f"{weights} does not hold the tower that config.json describes",
            hint="copy the folder again from where it was written",
        ) from error
    return network
