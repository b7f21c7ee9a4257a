"""Models that read one text and write another, whatever their family."""

from __future__ import annotations

from typing import TypeAlias

from clearhead.models.architecture import RecurrentConfig, Seq2SeqConfig
from clearhead.models.encoder_decoder import EncoderDecoder
from clearhead.models.recurrent import RecurrentEncoderDecoder

__all__ = ["Seq2Seq", "make_seq2seq"]

Seq2Seq: TypeAlias = EncoderDecoder | RecurrentEncoderDecoder


def make_seq2seq(config: Seq2SeqConfig, src_vocab_size: int, tgt_vocab_size: int) -> Seq2Seq:
    """A new model of the family that `config` is of."""
    if isinstance(config, RecurrentConfig):
        return RecurrentEncoderDecoder(config, src_vocab_size, tgt_vocab_size)
    return EncoderDecoder(config, src_vocab_size, tgt_vocab_size)
