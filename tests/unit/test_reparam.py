"""Branches and the one convolution that stands for them compute the same, whatever training made of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from searchkit.models import reparam
from searchkit.models.image_towers import image_network, read_config, to_run, write_config
from searchkit.models.inverted import InvertedConfig, InvertedTower
from searchkit.models.reparam import Branches, NormedPointwise, RepMixer, ScaledPointwise, fuse
from searchkit.models.repmixer import RepMixerConfig, RepMixerTower, TwoKernels
from searchkit.models.text_repmixer import TextRepMixer, TextRepMixerConfig

SMALL = RepMixerConfig(pixels=32, channels=(8, 16, 32), depths=(1, 2, 1), head_width=8, dim=12)
INVERTED = InvertedConfig(32, 8, (8, 12, 16), (1, 2, 2), (2, 1, 2), expansion=3, end=20, dim=12)
TEXT = TextRepMixerConfig(50, 16, 16, attention=2, heads=2, kernel=5, dim=8)


def trained(module: nn.Module, seed: int = 0) -> nn.Module:
    """As no fresh network is: statistics, affine maps and layer scales that matter. Where a norm has mean 0
    and variance 1, and a scale is 1e-5, a wrong formula passes."""
    draw = torch.Generator().manual_seed(seed)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            assert part.running_mean is not None and part.running_var is not None
            part.running_mean.normal_(0, 0.5, generator=draw)
            part.running_var.uniform_(0.3, 2.0, generator=draw)
            part.weight.data.uniform_(0.5, 1.5, generator=draw)
            part.bias.data.normal_(0, 0.3, generator=draw)
        if (gamma := getattr(part, "gamma", None)) is not None:
            gamma.data.uniform_(0.1, 0.9, generator=draw)
    return module.eval()


BLOCKS: dict[str, Callable[[], nn.Module]] = {
    "one convolution": lambda: Branches(6, 10, (3, 3), stride=2),
    "three convolutions, 1×1 and skip": lambda: Branches(
        6, 6, (3, 3), convolutions=3, pointwise=True, skip=True
    ),
    "in groups": lambda: Branches(6, 12, (7, 7), stride=2, groups=3, pointwise=True),
    "1×1 with skip in groups": lambda: Branches(6, 6, (1, 1), groups=2, skip=True),
    "two kernels": lambda: TwoKernels(6, 12),
    "two kernels of widths that do not divide": lambda: TwoKernels(6, 10),
    "mixer of pictures": lambda: RepMixer(6, (3, 3), pointwise=True),
    "mixer of tokens": lambda: RepMixer(6, (1, 11), pointwise=False),
    "norm before": lambda: NormedPointwise(6, 9),
    "scale behind": lambda: ScaledPointwise(6, 9),
}


def greatest(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max())


@torch.no_grad()
@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_is_its_one_convolution_to_rounding(name: str) -> None:
    torch.manual_seed(1)
    block = trained(BLOCKS[name]())
    x = torch.randn(2, 6, 12, 12)
    conv = block.fused()  # type: ignore[operator]
    assert type(conv) is nn.Conv2d
    assert greatest(block(x), conv(x)) <= 1e-5
    conv.bias.data[0] += 1e-3  # what is compared is not all zero, or the same whatever one does
    assert greatest(block(x), conv(x)) > 1e-4


@torch.no_grad()
@pytest.mark.parametrize(
    "wrong",
    [
        lambda norm: (norm.weight.double() / torch.sqrt(norm.running_var.double()), norm.bias.double()),
        lambda norm: (norm.weight.double(), norm.bias.double() - norm.running_mean.double()),
    ],
    ids=["the mean forgotten", "the variance forgotten"],
)
@pytest.mark.parametrize("tower", ["image", "text"])
def test_a_wrong_fold_changes_what_a_tower_computes(
    wrong: Callable[[nn.BatchNorm2d], tuple[Tensor, Tensor]], tower: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(2)
    network = trained(RepMixerTower(SMALL) if tower == "image" else TextRepMixer(TEXT))
    inputs = (torch.randn(2, 3, 32, 32),) if tower == "image" else token_batch()
    before = network(*inputs)
    monkeypatch.setattr(reparam, "_affine", wrong)
    assert greatest(before, fuse(network)(*inputs)) > 1e-3


def token_batch() -> tuple[Tensor, Tensor]:
    ids = torch.randint(1, 50, (3, 9), generator=torch.Generator().manual_seed(0))
    mask = (torch.arange(9) < torch.tensor([9, 4, 6])[:, None]).long()
    return ids, mask


@torch.no_grad()
@pytest.mark.parametrize("config", [SMALL, INVERTED], ids=["mixer", "inverted"])
def test_a_fused_image_tower_computes_what_the_branches_did_and_has_no_norm_left(
    config: RepMixerConfig | InvertedConfig,
) -> None:
    torch.manual_seed(3)
    network = trained(image_network(config))
    assert isinstance(network, RepMixerTower | InvertedTower)
    x = torch.randn(3, 3, 32, 32)
    fused = to_run(network)
    assert greatest(network(x), fused(x)) <= 1e-5 and network(x).abs().max() > 0.01
    assert not any(isinstance(part, nn.BatchNorm2d) for part in fused.modules())
    assert any(isinstance(part, nn.BatchNorm2d) for part in network.modules()), (
        "the first one stays as it was"
    )
    again = image_network(read_config(write_config(fused.config)))
    again.load_state_dict(fused.state_dict())
    assert torch.equal(again.eval()(x), fused(x))


@torch.no_grad()
def test_a_fused_text_tower_computes_what_the_branches_did() -> None:
    torch.manual_seed(4)
    network = trained(TextRepMixer(TEXT))
    before = network(*token_batch())
    after = fuse(network)(*token_batch())
    assert greatest(before, after) <= 1e-5 and before.abs().max() > 0.01
    assert not any(isinstance(part, nn.BatchNorm2d) for part in network.modules())


@torch.no_grad()
@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("pool", ["end", "mean"])
def test_a_text_has_the_same_vector_however_far_it_is_padded(fused: bool, pool: str) -> None:
    torch.manual_seed(5)
    config = TextRepMixerConfig(50, 16, 16, attention=2, heads=2, kernel=5, dim=8, pool=pool)  # type: ignore[arg-type]
    network = trained(TextRepMixer(config))
    network = fuse(network) if fused else network
    ids, mask = token_batch()
    alone = network(ids[1:2, :4], mask[1:2, :4])
    assert greatest(network(ids, mask)[1:2], alone) <= 1e-5
    assert greatest(network(ids, mask)[0:1], alone) > 1e-2


def test_the_sizes_are_those_of_mobileclip() -> None:
    with torch.device("meta"):
        text = TextRepMixer(TextRepMixerConfig())
        image = RepMixerTower(RepMixerConfig(256, (64, 128, 256, 512), (2, 6, 10, 2), dim=512))
    assert sum(p.numel() for p in text.parameters()) == 42_441_216
    assert 10e6 < sum(p.numel() for p in image.parameters()) < 14e6


@pytest.mark.parametrize(
    "described",
    [
        {"kind": "mlp"},
        {"kind": "repmixer", "channels": [8], "depths": [1]},
        {"kind": "inverted", "channels": [8, 16], "depths": [1], "strides": [2]},
        {"pixel": 3},
    ],
)
def test_what_describes_no_tower_is_refused(described: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError)):
        read_config(described)
