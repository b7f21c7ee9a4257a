"""The tokenizer of another library's folder: tokenizer.json, or the vocabularies that older models have.

Which tokens are special is said by tokenizer_config.json or special_tokens_map.json, else by how they are spelt.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from clearhead.data.tokenizers import Tokenizer
from clearhead.data.vocabulary import Specials
from clearhead.errors import FolderError, given
from clearhead.exchange.forms import json_of, plain_file
from clearhead.parsing import Json, read_file

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend

__all__ = ["open_their_tokenizer", "token_ids_as_text"]

_INTACT = "take the whole model again"
_MOST = 2**27  # bytes of a tokenizer
_KINDS = ("pad", "bos", "eos", "unk", "mask", "cls", "sep")


def open_their_tokenizer(folder: Path) -> Tokenizer | None:
    """The tokenizer of a folder; None: it has none.

    Raises:
        FolderError: it is damaged, or of a kind that is not known here.
    """
    said = {name: json_of(folder, name) for name in _CONFIGS if (folder / name).exists()}
    if (folder / "tokenizer.json").exists():
        plain_file(folder, "tokenizer.json")
        text = read_file(folder / "tokenizer.json", error=FolderError, missing=_INTACT, fix=_INTACT, most=_MOST)
        tokenizer = Tokenizer.from_json(text, file=str(folder / "tokenizer.json"))
    elif (folder / "vocab.txt").exists():
        tokenizer = _framed(_word_pieces(folder, said.get(_CONFIGS[0], {})))
    elif (folder / "merges.txt").exists() and (folder / "vocab.json").exists():
        tokenizer = _framed(_byte_pairs(folder))
    else:
        if found := sorted(path.name for path in folder.iterdir() if path.suffix in (".model", ".spm")):
            problem = f"{found[0]} is a SentencePiece model without a tokenizer.json"
            raise FolderError(problem, "take the model with its tokenizer.json", file=folder / found[0])
        return None
    return Tokenizer(tokenizer.backend, _specials(tokenizer, said))


def token_ids_as_text(vocab_size: int, config: Json) -> Tokenizer:
    """A tokenizer whose texts are numbers: "5 17 2" is the tokens 5, 17 and 2.

    Args:
        config: says in `eos_token_id` and the like which tokens are special.
    """
    from tokenizers import Tokenizer as Backend
    from tokenizers import models, pre_tokenizers

    backend = Backend(models.WordLevel({str(number): number for number in range(vocab_size)}, unk_token="0"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    ids = {kind: config.get(f"{kind}_token_id") for kind in _KINDS}
    specials = {kind: number for kind, number in ids.items() if type(number) is int and 0 <= number < vocab_size}
    return Tokenizer(backend, Specials(**{"eos": vocab_size - 1, **specials}))


_CONFIGS = ("tokenizer_config.json", "special_tokens_map.json")


def _specials(tokenizer: Tokenizer, said: Mapping[str, Json]) -> Specials:
    ids = dict(vars(tokenizer.specials))
    for file in reversed(_CONFIGS):  # the first has the last word
        for kind in _KINDS:
            token = said.get(file, {}).get(f"{kind}_token")
            token = token.get("content") if isinstance(token, Mapping) else token
            if isinstance(token, str) and (number := tokenizer.backend.token_to_id(token)) is not None:
                ids[kind] = number
    return Specials(**ids)


def _word_pieces(folder: Path, said: Json) -> Backend:
    """BERT's, of a vocabulary with a piece a line (Devlin et al., 2019)."""
    from tokenizers import Tokenizer as Backend
    from tokenizers import models, normalizers, pre_tokenizers, processors

    plain_file(folder, "vocab.txt")
    text = read_file(folder / "vocab.txt", error=FolderError, missing=_INTACT, fix=_INTACT, most=_MOST)
    vocab = {piece: number for number, piece in enumerate(text.removesuffix("\n").split("\n"))}
    marks = {name: said.get(f"{name}_token", f"[{name.upper()}]") for name in ("unk", "cls", "sep", "mask", "pad")}
    if lost := [str(mark) for mark in list(marks.values())[:3] if mark not in vocab]:
        raise FolderError(f"the vocabulary has no {lost[0]}", _INTACT, file=folder / "vocab.txt")
    lower, accents = said.get("do_lower_case", True), said.get("strip_accents")
    if not isinstance(lower, bool) or not isinstance(accents, bool | None):
        problem = f"do_lower_case is {given(lower)}, strip_accents {given(accents)}"
        raise FolderError(problem, _INTACT, file=folder / _CONFIGS[0])
    backend = Backend(models.WordPiece(vocab, unk_token=marks["unk"]))
    chinese = said.get("tokenize_chinese_chars") is not False
    backend.normalizer = normalizers.BertNormalizer(True, chinese, accents, lower)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    cls, sep = str(marks["cls"]), str(marks["sep"])
    backend.post_processor = processors.BertProcessing((sep, vocab[sep]), (cls, vocab[cls]))
    backend.add_special_tokens([mark for mark in marks.values() if mark in vocab])
    return backend


def _byte_pairs(folder: Path) -> Backend:
    """GPT-2's, of a vocabulary and its merges (Radford et al., 2019)."""
    from tokenizers import Tokenizer as Backend
    from tokenizers import decoders, models, pre_tokenizers

    vocab = json_of(folder, "vocab.json")
    plain_file(folder, "merges.txt")
    text = read_file(folder / "merges.txt", error=FolderError, missing=_INTACT, fix=_INTACT, most=_MOST)
    rows = [line.split(" ") for line in text.splitlines() if line and not line.startswith("#version")]
    try:
        merges = [(one, other) for one, other in rows]
        backend = Backend(models.BPE({piece: int(str(number)) for piece, number in vocab.items()}, merges))
    except Exception as error:  # the backend raises bare Exceptions
        raise FolderError(f"not a vocabulary and its merges: {error}", _INTACT, file=folder / "merges.txt") from error
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    if "<|endoftext|>" in vocab:
        backend.add_special_tokens(["<|endoftext|>"])
    return backend


def _framed(backend: Backend) -> Tokenizer:
    backend.encode_special_tokens = True
    return Tokenizer(backend)
