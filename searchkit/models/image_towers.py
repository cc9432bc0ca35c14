"""The image towers that training makes and `config.json` names: which network a description is of."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from searchkit.models.reparam import fuse
from searchkit.models.repmixer import RepMixerConfig, RepMixerTower
from searchkit.models.vit import VisionTransformer, ViTConfig

ImageConfig = ViTConfig | RepMixerConfig
ImageNetwork = VisionTransformer | RepMixerTower


def read_config(described: Mapping[str, Any]) -> ImageConfig:
    """Of the fields of a tower; "kind" is "vit", also where nothing is said, or "repmixer".

    Raises `ValueError` and `TypeError` for what no tower is described by.
    """
    fields = dict(described)
    kind = fields.pop("kind", "vit")
    if kind == "vit":
        return ViTConfig(**fields)
    if kind == "repmixer":
        return RepMixerConfig(**fields)
    raise ValueError(f"no image tower of kind {kind!r}: vit, repmixer")


def write_config(config: ImageConfig) -> dict[str, Any]:
    """What `read_config` reads."""
    return ({} if isinstance(config, ViTConfig) else {"kind": "repmixer"}) | asdict(config)


def image_network(config: ImageConfig) -> ImageNetwork:
    """The network, without trained weights."""
    return VisionTransformer(config) if isinstance(config, ViTConfig) else RepMixerTower(config)


def to_run(network: ImageNetwork) -> ImageNetwork:
    """A network that computes the same in evaluation and has single convolutions where it had branches; the
    one that is given stays as it was."""
    if isinstance(network, VisionTransformer) or network.config.fused:
        return network
    made = copy.deepcopy(network).eval()
    fuse(made)
    made.config = replace(network.config, fused=True)
    return made
