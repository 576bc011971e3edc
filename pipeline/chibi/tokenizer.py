"""The tokenizer of `chibi`: byte-level pairs learned from captions.

Owns the vocabulary and its files. Any text has tokens: what no caption says falls into bytes.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import CLIPTokenizer

LENGTH: Final = 112
"""Tokens of a prompt, start and end included: two figures with all their tags take about 100."""

START: Final = "<|startoftext|>"
END: Final = "<|endoftext|>"
SUFFIX: Final = "</w>"
WORDS: Final = 1200
MIN_FREQUENCY: Final = 4


def train_tokenizer(captions: Iterable[str], words: int = WORDS) -> CLIPTokenizer:
    """Return a CLIP tokenizer of at most `words` tokens learned from captions.

    Lower case; padded and cut to `LENGTH`. The 512 byte tokens (a byte, and a byte that ends a
    word) are in it from the start, as in CLIP's own vocabulary, so nothing is ever unknown.
    """
    like = CLIPTokenizer()
    learner = Tokenizer(models.BPE(end_of_word_suffix=SUFFIX))
    learner.normalizer = like.backend_tokenizer.normalizer
    learner.pre_tokenizer = like.backend_tokenizer.pre_tokenizer
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=words,
        min_frequency=MIN_FREQUENCY,
        initial_alphabet=alphabet,
        end_of_word_suffix=SUFFIX,
        show_progress=False,
    )
    learner.train_from_iterator(captions, trainer)
    learned = msgspec.json.decode(learner.to_str())["model"]
    pairs = [(left, right) for left, right in learned["merges"]]
    merged = ("".join(pair) for pair in pairs)
    tokens = [*alphabet, *(byte + SUFFIX for byte in alphabet), *merged, START, END]
    tokens = list(dict.fromkeys(tokens))
    return CLIPTokenizer(
        vocab={token: number for number, token in enumerate(tokens)},
        merges=pairs,
        model_max_length=LENGTH,
    )


def write_vocabulary(tokenizer: CLIPTokenizer, folder: Path) -> None:
    """Write `vocab.json` and `merges.txt`, which older readers want beside `tokenizer.json`."""
    model = msgspec.json.decode(tokenizer.backend_tokenizer.to_str())["model"]
    merges = ["#version: 0.2", *(" ".join(pair) for pair in model["merges"])]
    (folder / "vocab.json").write_bytes(msgspec.json.encode(model["vocab"]) + b"\n")
    (folder / "merges.txt").write_text("\n".join(merges) + "\n", encoding="utf-8")
