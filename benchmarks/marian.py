"""The peer on the same pairs: transformers' MarianMTModel of a clearhead model's size, trained by its Trainer as long.

    .venv/bin/python benchmarks/marian.py MODEL TRAIN --valid VALID --test TEST --minutes 60 [--lr 1e-3] [--seed 0]

MODEL is a clearhead model that was trained on TRAIN: the peer gets its tokenizer, sizes, dropout and label smoothing,
so that only model code, optimizer and trainer differ: AdamW, linear decay after a warm-up, bfloat16 autocast, batches
grouped by length, the best evaluation kept; sacrebleu's BLEU and chrF with beam 4. The number of steps follows from
the pace of the second half of a first 100 (the Trainer sorts 50 batches at a time by length). Peak learning rate and
batch are to be chosen on the validation loss of shorter runs (--minutes 5 --no-score).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from typing import Any

import numpy as np
import sacrebleu
import torch
import transformers
from torch import Tensor
from torch.utils.data import Dataset
from transformers import MarianConfig, MarianMTModel, Seq2SeqTrainer, Seq2SeqTrainingArguments, TrainerCallback

import clearhead
from clearhead.data.batches import pad
from clearhead.data.config import DataConfig
from clearhead.data.pairs import Pair, read_pairs

PAD, BOS, EOS = 0, 1, 2

Row = dict[str, list[int]]
IGNORED = -100


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


def main() -> None:
    """Train, score, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("train")
    parser.add_argument("--valid", required=True)
    parser.add_argument("--test", required=True)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-score", action="store_true")
    options = parser.parse_args()
    ours = clearhead.load(options.model)
    rows = {
        name: Rows(read_pairs(file.split(","), DataConfig())[0], ours.tokenizers, ours.module.config.max_len)
        for name, file in (("train", options.train), ("valid", options.valid))
    }
    torch.manual_seed(options.seed)
    model = MarianMTModel(configuration(ours))
    sizes = [sum(p.numel() for p in m.parameters() if p.requires_grad) / 1e6 for m in (ours.module, model)]
    print(
        f"transformers {transformers.__version__}, torch {torch.__version__}; {sizes[0]:.2f} M ours, {sizes[1]:.2f} M"
    )
    start = time.monotonic()
    pilot = trainer(model, rows, options, steps=100, evaluate=False)
    clock = Clock()
    pilot.add_callback(clock)
    pilot.train()
    pace = (clock.times[-1] - clock.times[49]) / 50
    steps = max(100, int((60 * options.minutes - (time.monotonic() - start)) / (1.04 * pace)))  # 4 %: evaluations
    print(f"{pace:.3f} s a step: {steps} steps")
    torch.manual_seed(options.seed)
    model = MarianMTModel(configuration(ours))
    real = trainer(model, rows, options, steps=steps, evaluate=True)
    real.train()
    losses = {log["step"]: round(log["eval_loss"], 4) for log in real.state.log_history if "eval_loss" in log}
    print(f"{time.monotonic() - start:.0f} s all in all; validation losses (smoothed): {losses}")
    if not options.no_score:
        score(model.float().eval(), ours, options)


def configuration(ours: Any) -> MarianConfig:
    """Marian of the same sizes."""
    arch = ours.module.config
    return MarianConfig(
        vocab_size=ours.tokenizers.target.vocab_size,
        decoder_vocab_size=ours.tokenizers.target.vocab_size,
        d_model=arch.d_model,
        encoder_layers=arch.layers,
        decoder_layers=arch.decoder_layers or arch.layers,
        encoder_attention_heads=arch.heads,
        decoder_attention_heads=arch.heads,
        encoder_ffn_dim=arch.d_ff,
        decoder_ffn_dim=arch.d_ff,
        activation_function="relu",
        dropout=arch.dropout,
        attention_dropout=0.0,
        activation_dropout=arch.dropout,
        max_position_embeddings=arch.max_len,
        scale_embedding=True,
        share_encoder_decoder_embeddings=True,
        pad_token_id=PAD,
        bos_token_id=BOS,
        eos_token_id=EOS,
        decoder_start_token_id=BOS,
        forced_eos_token_id=None,
        init_std=arch.d_model**-0.5,
    )


def trainer(
    model: MarianMTModel, rows: dict[str, Rows], options: argparse.Namespace, *, steps: int, evaluate: bool
) -> Seq2SeqTrainer:
    """The peer's own trainer."""
    every = max(1, steps // 10)
    arguments = Seq2SeqTrainingArguments(
        output_dir=tempfile.mkdtemp(),
        max_steps=steps,
        per_device_train_batch_size=options.batch,
        per_device_eval_batch_size=options.batch,
        learning_rate=options.lr,
        lr_scheduler_type="linear",
        warmup_steps=min(400, steps // 10),
        adam_beta2=0.98,
        label_smoothing_factor=0.1,
        max_grad_norm=1.0,
        bf16=True,
        use_cpu=True,
        optim="adamw_torch_fused",
        train_sampling_strategy="group_by_length",
        eval_strategy="steps" if evaluate else "no",
        eval_steps=every,
        save_strategy="steps" if evaluate else "no",
        save_steps=every,
        save_total_limit=1,
        load_best_model_at_end=evaluate,
        logging_steps=every,
        seed=options.seed,
        report_to=[],
        dataloader_num_workers=0,
        remove_unused_columns=False,
    )
    return Seq2SeqTrainer(
        model=model, args=arguments, data_collator=collate, train_dataset=rows["train"], eval_dataset=rows["valid"]
    )


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
def score(model: MarianMTModel, ours: Any, options: argparse.Namespace) -> None:
    """BLEU and chrF of the peer's beam 4 on the test part."""
    references: dict[str, list[str]] = {}
    for pair in read_pairs(options.test.split(","), DataConfig())[0]:
        references.setdefault(pair.source, []).append(pair.target)
    sources = list(references)
    ids = [[*row, EOS] for row in ours.tokenizers.source.encode(sources)]
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    outputs = [""] * len(ids)
    for i in range(0, len(order), 64):
        chosen = order[i : i + 64]
        src, _ = pad([np.array(ids[k]) for k in chosen], PAD)
        written = model.generate(
            input_ids=src, attention_mask=(src != PAD).long(), num_beams=4, max_new_tokens=128, length_penalty=1.0
        )
        for k, text in zip(chosen, ours.tokenizers.target.decode(written.tolist()), strict=True):
            outputs[k] = text
    most = max(len(r) for r in references.values())
    streams: Any = [[r[k] if k < len(r) else None for r in references.values()] for k in range(most)]
    for metric in (sacrebleu.BLEU(), sacrebleu.CHRF()):
        print(f"  {metric.corpus_score(outputs, streams).score:6.2f}  {metric.get_signature()}")


if __name__ == "__main__":
    main()
