"""Both towers of an encoder as networks that learn: which of them move, low-rank updates, weights between two
states, and the folder that an encoder is kept in."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.utils import parametrize

from searchkit.encoders.bundled import bundled_folder
from searchkit.encoders.pocket import TEXT
from searchkit.encoders.towers import TwoTowers
from searchkit.errors import BadInput
from searchkit.finetuning.plan import Plan
from searchkit.models.bert import Bert
from searchkit.protocols import Encoder

CARD = "training.json"
State = Mapping[str, Tensor]


class LowRank(nn.Module):
    """The low-rank update W ↦ W + (α/r)·B·A, A (r, in) random and B (out, r) zero at the start, α = 2r.

    W is a matrix, or a 1×1 convolution, which is one at every place.
    """

    def __init__(self, weight: Tensor, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        out, inner = weight.shape[:2]
        # drawn on the processor: equal seeds are equal wherever the tower lies
        down = torch.randn(rank, inner, generator=generator) / math.sqrt(inner)
        self.down = nn.Parameter(down.to(weight.device))
        self.up = nn.Parameter(torch.zeros(out, rank, device=weight.device))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + 2.0 * (self.up @ self.down).view_as(weight)


class Towers(nn.Module):
    """The networks of `encoder` itself: as they learn, it encodes as they do.

    They run as in use: no dropout, and batch norms with the statistics that they have. Raises `BadInput` for
    an encoder that cannot be trained.
    """

    def __init__(self, encoder: Encoder, plan: Plan) -> None:
        super().__init__()
        self.encoder = trainable(encoder)
        self.plan = plan
        text, images = self.encoder.text, self.encoder.images
        assert images is not None
        self.text, self.images = text.network, images.network
        self.preprocess, self.prepare = images.preprocess, images.prepare
        window = min(plan.tokens or text.tokens.window, text.tokens.window)
        self.tokens = replace(text.tokens, window=window)
        device = text.placement.device
        self.log_scale = nn.Parameter(torch.tensor(-math.log(plan.image_temperature), device=device))
        self.requires_grad_(False)
        generator = torch.Generator().manual_seed(plan.seed)
        for name in plan.learns:
            self._start(getattr(self, name), generator)
        self.log_scale.requires_grad_(True)

    def _start(self, network: nn.Module, generator: torch.Generator) -> None:
        if not self.plan.rank:
            network.requires_grad_(True)
            return
        for layer in matrices(network):
            parametrize.register_parametrization(
                layer, "weight", LowRank(layer.weight, self.plan.rank, generator)
            )
            layer.parametrizations.weight.original.requires_grad_(False)  # type: ignore[union-attr]

    def merge(self) -> None:
        """Make the low-rank updates part of the weights that they update."""
        for network in (self.text, self.images):
            for layer in matrices(network):
                if parametrize.is_parametrized(layer, "weight"):
                    parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)

    @property
    def scale(self) -> Tensor:
        """1/τ of texts with pictures, () float32."""
        return self.log_scale.exp().clamp(max=100)

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """The vectors of n texts, (n, dim), unit rows."""
        ids = self.tokens.ids([text.encode("utf-8", "replace").decode() for text in texts])
        longest = max(map(len, ids))
        tokens = torch.tensor([[*line, *[self.tokens.pad] * (longest - len(line))] for line in ids])
        mask = torch.tensor([[1] * len(line) + [0] * (longest - len(line)) for line in ids])
        return F.normalize(self.text(tokens.to(self.device), mask.to(self.device)).float(), dim=-1)

    def embed_pictures(self, pixels: Tensor) -> Tensor:
        """The vectors of b pictures, (b, p, p, 3) uint8 → (b, dim), unit rows."""
        return F.normalize(self.images(self.preprocess.normalise(pixels.to(self.device))).float(), dim=-1)

    def embed(self, column: Any) -> Tensor:
        """The vectors, (n, dim), of n texts or pictures; a column of vectors stays as it is."""
        if not isinstance(column, Tensor):
            return self.embed_texts(column)
        return column.to(self.device) if column.is_floating_point() else self.embed_pictures(column)

    @property
    def device(self) -> torch.device:
        return self.log_scale.device

    def learned(self) -> dict[str, Tensor]:
        """The parameters that move, by name: what a checkpoint keeps."""
        return {name: value for name, value in self.named_parameters() if value.requires_grad}

    def weights(self) -> dict[str, Tensor]:
        """A copy of both towers' weights; low-rank updates must have been merged."""
        both = (("text.", self.text), ("images.", self.images))
        return {p + n: v.detach().clone() for p, network in both for n, v in network.state_dict().items()}

    def put(self, weights: State) -> None:
        """Take up weights as `weights` gives them."""
        for prefix, one in (("text.", self.text), ("images.", self.images)):
            one.load_state_dict(
                {n.removeprefix(prefix): v for n, v in weights.items() if n.startswith(prefix)}
            )


def matrices(network: nn.Module) -> list[nn.Linear | nn.Conv2d]:
    """The layers that multiply by a matrix: linear ones, and 1×1 convolutions of all channels."""
    return [
        layer
        for layer in network.modules()
        if isinstance(layer, nn.Linear)
        or (isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1) and layer.groups == 1)
    ]


def trainable(encoder: Encoder) -> TwoTowers:
    """The encoder, as one that can be trained. Raises `BadInput` for one that no folder of ours can keep."""
    if (
        not isinstance(encoder, TwoTowers)
        or encoder.images is None
        or not isinstance(encoder.text.network, Bert)
    ):
        raise BadInput(
            f"{encoder.record.name} cannot be trained here",
            hint="start from pocket, or from a folder that searchkit train or searchkit adapt wrote",
        )
    return encoder


def between(before: State, after: State, strength: float) -> dict[str, Tensor]:
    """The weights (1 − α)·before + α·after (WiSE-FT), α being `strength`; integers stay as they are
    before."""
    return {
        name: torch.lerp(value, after[name], strength) if value.is_floating_point() else value
        for name, value in before.items()
    }


def save_encoder(towers: Towers, out: Path, card: Mapping[str, Any]) -> Path:
    """Write an encoder that `--model FOLDER` reads, in float32, and return its folder.

    The config is the parent's; `training.json` keeps what the encoder came from, and `card`. A text tower
    that did not move is not written again where the parent has none of its own.
    """
    encoder, plan = towers.encoder, towers.plan
    source = encoder.record.source
    parent = bundled_folder(encoder.record.name) if source == "bundled" else Path(source)
    config = json.loads((parent / "config.json").read_text("utf-8")) | {"name": plan.name}
    out.mkdir(parents=True, exist_ok=True)
    if abs(1 / towers.scale.item() - plan.image_temperature) > 1e-6:  # pictures were learned from
        config["temperature"] = round(1 / towers.scale.item(), 6)
    if "text" in plan.learns or (parent / TEXT).is_file():
        assert isinstance(towers.text, Bert)
        config["text"] = asdict(towers.text.config)
        _save(towers.text, out / TEXT)
    _save(towers.images, out / "model.safetensors")
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    origin = {
        "parent": encoder.record.name,
        "parent_space": encoder.space.key,
        "plan": plan.to_json(),
        **card,
    }
    (out / CARD).write_text(json.dumps(origin, indent=2, ensure_ascii=False, default=str) + "\n", "utf-8")
    return out


def _save(network: nn.Module, path: Path) -> None:
    save_file({name: value.contiguous().cpu() for name, value in network.state_dict().items()}, path)
    path.chmod(0o644)  # written for its owner alone; a model is for everyone here
