"""What late chunking costs beside windows, with an encoder that reads 8,192 tokens at once.

    python benchmarks/late.py --data FOLDER/qmsum [--meetings N] [--out benchmarks/results/late.json]

The network is JinaBERT base, the text tower of Jina CLIP 1, with random weights: they cost what trained ones
do, and find nothing, so that this says nothing of how well late chunking finds. Each meeting is cut into the
same passages both ways, of the length that is the default. Processor seconds of encoding, network and
tokenizer; each way in a process of its own, for its memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from passages import meetings
from report import Arguments, as_text, machine, write
from torch import nn

from searchkit.encoders.device import placement
from searchkit.encoders.jina import Text
from searchkit.encoders.minilm_files import minilm_tokens
from searchkit.encoders.text import TextTower
from searchkit.encoders.tokens import Tokens
from searchkit.encoders.towers import TwoTowers
from searchkit.evaluation import load_beir
from searchkit.evaluation.passages import index
from searchkit.models.jina_bert import JinaBertConfig
from searchkit.types import Chunking, EncoderRecord, Runtime, Space

WINDOW, DIM = 8192, 768
WAYS = ("window", "late")


def main() -> None:
    parser = Arguments(__doc__, result="late.json", data="QMSum, in BEIR's layout")
    parser.add_argument("--meetings", type=int, default=2)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parsed()
    if options.way:
        print(json.dumps(measured(options.way, options.data, options.meetings)))
        return
    ways = {way: in_a_process_of_its_own(way, options) for way in WAYS}
    cost = ways["late"]["cpu seconds a meeting"] / ways["window"]["cpu seconds a meeting"]
    results = {"machine": machine(), "ways": ways, "late / window": round(cost, 2)}
    print(as_text(results))
    write(results, options.out)


def in_a_process_of_its_own(way: str, options: argparse.Namespace) -> dict[str, Any]:
    arguments = ["--data", str(options.data), "--meetings", str(options.meetings), "--way", way]
    done = subprocess.run([sys.executable, __file__, *arguments], check=True, stdout=subprocess.PIPE)
    figures: dict[str, Any] = json.loads(done.stdout)
    print(way, figures, file=sys.stderr, flush=True)
    return figures


def measured(way: str, data: Path, count: int) -> dict[str, Any]:
    encoder = jina_at_random()
    chosen = dict(list(meetings(load_beir(data, "test")).items())[:count])
    tokens = sum(len(encoder.token_offsets(meeting.text)) for meeting in chosen.values())
    encoder.encode_text(["the first text makes the network"])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    corpus = index(encoder, chosen, Chunking(way))
    took = time.process_time() - began
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "encoder": "JinaBERT base, random weights",
        "numbers": str(encoder.text.placement.dtype).removeprefix("torch."),
        "meetings": len(chosen),
        "tokens a meeting": round(tokens / len(chosen)),
        "passages": len(corpus.texts),
        "cpu seconds a meeting": round(took / len(chosen), 2),
        "MB above the peak of loading": round((after - before) / 1000),
    }


def jina_at_random() -> TwoTowers:
    """Return the text tower of Jina CLIP 1 with random weights and, as published, BERT's vocabulary."""
    record = EncoderRecord("jina, at random", DIM, "none", "none", WINDOW, 0, 0.0, "jina-clip", "drawn")
    tower = TextTower(tokens, network, placement(Runtime()), dim=DIM, is_mean=True)
    return TwoTowers(record, Space(record.name, "0" * 64, 1, DIM), tower, images=None)


def tokens() -> Tokens:
    return Tokens(minilm_tokens().tokenizer, WINDOW, pad=0)


def network() -> nn.Module:
    torch.manual_seed(0)
    return Text(JinaBertConfig(), nn.Identity(), nn.Identity())


if __name__ == "__main__":
    main()
