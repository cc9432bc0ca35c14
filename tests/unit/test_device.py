"""On what a network runs, and in which numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from searchkit.encoders.device import cpu_dtype, placement
from searchkit.errors import BadInput
from searchkit.registry import load_encoder
from searchkit.types import Runtime


def test_auto_is_what_this_machine_is_fast_at() -> None:
    found = placement(Runtime(device="cpu"))
    assert found.device.type == "cpu" and found.dtype == cpu_dtype()
    assert placement(Runtime(device="cpu", dtype="float16")).dtype == torch.float16


def test_bfloat16_is_chosen_only_where_the_processor_multiplies_it() -> None:
    flags = Path("/proc/cpuinfo").read_text()
    in_hardware = "amx_bf16" in flags or "avx512_bf16" in flags
    assert cpu_dtype() == (torch.bfloat16 if in_hardware else torch.float32)


def test_a_device_that_is_not_there_is_refused_with_those_that_are() -> None:
    absent = next(name for name in ("mps", "cuda") if not getattr(torch, name).is_available())
    with pytest.raises(BadInput, match=f"no {absent}") as caught:
        placement(Runtime(device=absent))
    assert "cpu" in caught.value.hint
    with pytest.raises(BadInput, match="device is 'tpu'"):
        placement(Runtime(device="tpu"))
    with pytest.raises(BadInput, match="dtype is 'int3'"):
        placement(Runtime(dtype="int3"))


def test_bfloat16_gives_the_vectors_of_float32() -> None:
    exact = load_encoder("pocket", Runtime(device="cpu", dtype="float32"))
    short = load_encoder("pocket", Runtime(device="cpu", dtype="bfloat16"))
    texts = ["two dogs on a beach", "the invoice is due within thirty days"]
    rng = np.random.default_rng(1)
    pictures = [
        exact.prepare_image(Image.fromarray(rng.integers(0, 255, (90, 120, 3), np.uint8).repeat(2, 0)))
        for _ in range(2)
    ]
    for one, other in (
        (exact.encode_text(texts), short.encode_text(texts)),
        (exact.encode_images(pictures), short.encode_images(pictures)),
    ):
        assert not np.array_equal(one, other)  # it was other arithmetic
        assert (np.einsum("nd,nd->n", one, other) >= 0.999).all()
