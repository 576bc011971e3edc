"""CLIP's vocabulary, which checkpoints of one file are made for and come without.

Owns writing it as the files that a tokenizer is read from. The merges that lie in `clip/` are the
first 48,894 of `bpe_simple_vocab_16e6.txt.gz` of https://github.com/openai/CLIP, whose
`simple_tokenizer.py` also says how the vocabulary follows from them.
"""

import json
from pathlib import Path

ROOM = 77
"""Tokens that a text encoder takes at once."""
BEGIN = 49406
END = "<|endoftext|>"
_BEGIN = "<|startoftext|>"
_MERGES = Path(__file__).with_name("clip") / "merges.txt"


def write_vocabulary(folder: Path, pad: str) -> None:
    """The files of a tokenizer that fills up with `pad`."""
    folder.mkdir(parents=True, exist_ok=True)
    text = _MERGES.read_text(encoding="utf-8")
    letters = _letters()
    words = [*letters, *(f"{letter}</w>" for letter in letters)]
    words += ["".join(line.split(" ")) for line in text.splitlines()[1:]]
    words += [_BEGIN, END]
    ids = {word: number for number, word in enumerate(words)}
    (folder / "vocab.json").write_text(json.dumps(ids), encoding="utf-8")
    (folder / "merges.txt").write_text(text, encoding="utf-8")
    config = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": ROOM,
        "bos_token": _BEGIN,
        "eos_token": END,
        "unk_token": END,
        "pad_token": pad,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")


def _letters() -> list[str]:
    """A sign for each of the 256 bytes: those that can be seen first, then stand-ins."""
    seen = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1)]
    seen += range(ord("®"), ord("ÿ") + 1)
    return [chr(byte) for byte in seen] + [chr(256 + n) for n in range(256 - len(seen))]
