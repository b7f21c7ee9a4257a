"""The peer on the same pairs: transformers' MarianMTModel of a clearhead model's size, trained by its Trainer as long.

--model is a clearhead model that was trained on --train: the peer gets its tokenizer, sizes, dropout and label
smoothing, so that only model code, optimizer and trainer differ: AdamW, linear decay after a warm-up, bfloat16
autocast, batches grouped by length, the best evaluation kept; sacrebleu's BLEU and chrF with beam 4. The number of
steps follows from the pace of the second half of a first 100 (the Trainer sorts 50 batches at a time by length). Peak
learning rate and batch are to be chosen on the validation loss of shorter runs (--minutes 5 --no-score).
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from cyclopts import Parameter
from torch import Tensor
from torch.utils.data import Dataset
from transformers import MarianMTModel, Seq2SeqTrainer, Seq2SeqTrainingArguments, TrainerCallback

import clearhead
from benchmarks.case import case
from benchmarks.results import Table
from benchmarks.scores import read_references, score
from benchmarks.translators import Size
from clearhead.data.batches import pad
from clearhead.data.config import DataConfig
from clearhead.data.pairs import Pair, read_pairs
from clearhead.data.vocabulary import IGNORED

PAD, BOS, EOS = 0, 1, 2
Row = dict[str, list[int]]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Options:
    """What is trained, and for how long.

    Args:
        model: a folder of clearhead.
        minutes: of training.
        lr: the peak learning rate.
        batch: pairs a batch.
        score: translate the test part, too.
    """

    model: str
    train: str
    valid: str
    test: str
    minutes: float = 60
    lr: float = 1e-3
    batch: int = 64
    seed: int = 0
    score: bool = True


class Rows(Dataset[Row]):
    """Tokenised pairs, as the Trainer wants them."""

    def __init__(self, pairs: list[Pair], tokenizers: Any, most: int):
        src = tokenizers.source.encode([p.source for p in pairs])
        tgt = tokenizers.target.encode([p.target for p in pairs])
        self.rows = [
            {"input_ids": [*s, EOS], "labels": [*t, EOS], "length": [len(s) + len(t)]}
            for s, t in zip(src, tgt, strict=True)
            if len(s) < most and len(t) < most
        ]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Row:
        return self.rows[index]


class Clock(TrainerCallback):
    """When each step ended."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.times.append(time.monotonic())


def peer(ours: Any, seed: int) -> MarianMTModel:
    """Marian of the same sizes."""
    arch = ours.module.config
    size = Size(arch.layers, arch.d_model, arch.d_ff, arch.heads, ours.tokenizers.target.vocab_size)
    ids = {"pad_token_id": PAD, "bos_token_id": BOS, "eos_token_id": EOS, "decoder_start_token_id": BOS}
    config = size.marian(
        decoder_vocab_size=size.vocab, decoder_layers=arch.decoder_layers or arch.layers, dropout=arch.dropout,
        attention_dropout=0.0, activation_dropout=arch.dropout, max_position_embeddings=arch.max_len,
        share_encoder_decoder_embeddings=True, init_std=arch.d_model**-0.5, **ids,
    )  # fmt: skip
    torch.manual_seed(seed)
    return MarianMTModel(config)


def trainer(
    model: MarianMTModel, rows: dict[str, Rows], options: Options, *, steps: int, evaluate: bool
) -> Seq2SeqTrainer:
    """The peer's own trainer."""
    every = max(1, steps // 10)
    best: dict[str, Any] = {"eval_steps": every, "save_steps": every, "save_total_limit": 1}
    best |= dict.fromkeys(("eval_strategy", "save_strategy"), "steps" if evaluate else "no")
    batches = dict.fromkeys(("per_device_train_batch_size", "per_device_eval_batch_size"), options.batch)
    arguments = Seq2SeqTrainingArguments(
        output_dir=tempfile.mkdtemp(), max_steps=steps, learning_rate=options.lr, lr_scheduler_type="linear",
        warmup_steps=min(400, steps // 10), adam_beta2=0.98, label_smoothing_factor=0.1, max_grad_norm=1.0, bf16=True,
        use_cpu=True, optim="adamw_torch_fused", train_sampling_strategy="group_by_length", logging_steps=every,
        load_best_model_at_end=evaluate, seed=options.seed, report_to=[], dataloader_num_workers=0,
        remove_unused_columns=False, **best, **batches,
    )  # fmt: skip
    sets = {"train_dataset": rows["train"], "eval_dataset": rows["valid"]}
    return Seq2SeqTrainer(model=model, args=arguments, data_collator=collate, **sets)


def collate(rows: list[Row]) -> dict[str, Tensor]:
    """Padded tensors of some rows."""
    src, _ = pad([np.array(r["input_ids"]) for r in rows], PAD)
    labels, _ = pad([np.array(r["labels"]) for r in rows], PAD)
    tgt = torch.cat([torch.full((len(rows), 1), BOS), labels[:, :-1]], dim=1)
    return {
        "input_ids": src,
        "attention_mask": (src != PAD).long(),
        "decoder_input_ids": tgt,
        "labels": labels.masked_fill(labels == PAD, IGNORED),
    }


@torch.inference_mode()
def translated(model: MarianMTModel, ours: Any, sources: list[str]) -> list[str]:
    """The peer's beam 4."""
    ids = [[*row, EOS] for row in ours.tokenizers.source.encode(sources)]
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    outputs = [""] * len(ids)
    for i in range(0, len(order), 64):
        chosen = order[i : i + 64]
        src, _ = pad([np.array(ids[k]) for k in chosen], PAD)
        limits = {"num_beams": 4, "max_new_tokens": 128, "length_penalty": 1.0}
        written = model.generate(input_ids=src, attention_mask=(src != PAD).long(), **limits)
        for k, text in zip(chosen, ours.tokenizers.target.decode(written.tolist()), strict=True):
            outputs[k] = text
    return outputs


def planned(pilot: Seq2SeqTrainer, minutes: float, start: float) -> tuple[int, float]:
    """(how many steps fit into the time, seconds a step)."""
    clock = Clock()
    pilot.add_callback(clock)
    pilot.train()
    pace = (clock.times[-1] - clock.times[49]) / 50
    return max(100, int((60 * minutes - (time.monotonic() - start)) / (1.04 * pace))), pace  # 4 %: evaluations


@case("marian", about="transformers' MarianMTModel trained on the same pairs for as long", duration="1 hour")
def marian(options: Annotated[Options, Parameter(name="*")]) -> Iterator[Table]:
    """Train and score the peer."""
    ours = clearhead.load(options.model)
    files = {"train": options.train, "valid": options.valid}
    pairs = {name: read_pairs(file.split(","), DataConfig())[0] for name, file in files.items()}
    rows = {name: Rows(each, ours.tokenizers, ours.module.config.max_len) for name, each in pairs.items()}
    start = time.monotonic()
    pilot = trainer(peer(ours, options.seed), rows, options, steps=100, evaluate=False)
    steps, pace = planned(pilot, options.minutes, start)
    model = peer(ours, options.seed)
    real = trainer(model, rows, options, steps=steps, evaluate=True)
    real.train()
    sizes = [sum(p.numel() for p in m.parameters() if p.requires_grad) / 1e6 for m in (ours.module, model)]
    losses = [[log["step"], log["eval_loss"]] for log in real.state.log_history if "eval_loss" in log]
    remarks = [f"{sizes[0]:.2f} M parameters ours, {sizes[1]:.2f} M the peer's; {pace:.3f} s a step: {steps} steps"]
    remarks.append(f"{time.monotonic() - start:.0f} s all in all")
    yield Table({"step": "{:,}", "validation loss, smoothed": "{:.4f}"}, losses, remarks=remarks)
    if options.score:
        references = read_references(options.test)
        scores = score(translated(model.float().eval(), ours, list(references)), list(references.values()))
        lines = [[name, value, signature] for name, (value, signature) in scores.items()]
        yield Table({"beam 4": "", "value": "{:.2f}", "signature": ""}, lines)
