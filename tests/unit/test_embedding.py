"""Networks of names and shapes alone, in whose places weights are put that are read."""

from __future__ import annotations

import subprocess
import sys

import torch

from searchkit.models.embedding import Embedding

SCRIPT = """
import sys, torch
from searchkit.models.embedding import Embedding
with torch.device("meta"):
    found = Embedding(7, 5)
assert found.weight.is_meta and found.weight.shape == (7, 5)
print("torch._dynamo" in sys.modules)
"""


def test_a_table_without_memory_is_not_filled_by_torchs_compiler() -> None:
    def imports_it(script: str) -> str:
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    assert imports_it(SCRIPT) == "False"
    assert imports_it(SCRIPT.replace("Embedding(7, 5)", "torch.nn.Embedding(7, 5)")) == "True"


def test_a_table_with_memory_is_torchs_own() -> None:
    torch.manual_seed(3)
    ours = Embedding(7, 5)
    torch.manual_seed(3)
    assert torch.equal(ours.weight, torch.nn.Embedding(7, 5).weight)
