# SPDX-License-Identifier: MIT
"""The code that the tests of export.py --gguf share: small models of transformers in folders, with
tokenizers, and a reader of the exported files."""
import dataclasses
import json
import os
import random
import struct
import subprocess
import sys
from pathlib import Path

import old_torch  # noqa: F401  before all of transformers
import gguf
import numpy as np
import torch
from safetensors.torch import load_file
from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers,
                        processors, trainers)

from family_models import make_model

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
import exporter.pretokenizers as rules  # noqa: E402

PROGRAMS = Path(os.environ.get("CLAMMA_TEST_PROGRAMS", ROOT / "build-dev" / "bin"))
VOCABULARY = 420  # rows of embeddings: a few more than there are tokens
TOKENS = 400
SPACE = "\u2581"

WORDS = ("the and of hello world it's I'll WE'RE don't camelCase x86_64 naïve Straße слово 你好世界 "
         "こんにちは 12345 3.14 <s> a<b if(x) return; e\u0301 \u00e9t\u00e9 \U0001f600 -- ...").split()
TEMPLATE = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}"


def texts(count, seed=1):
    rng = random.Random(seed)
    return ["".join(rng.choice(WORDS) + rng.choice([" ", " ", "  ", "\n", "", "\t"])
                    for _ in range(rng.randrange(1, 12))) for _ in range(count)]


# --- Tokenizers -----------------------------------------------------------------------------------

def byte_level_tokenizer(expressions, nfc=False, ignore_merges=False, bos="<|begin|>"):
    """Returns a tokenizer of TOKENS tokens, trained on the texts above."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    steps = [pre_tokenizers.Split(Regex(each), "isolated") for each in expressions]
    if expressions[-1] == rules.GPT2:
        steps = [pre_tokenizers.Digits(individual_digits=True)] * (len(steps) - 1)
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=expressions[-1] == rules.GPT2)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*steps, level])
    if nfc:
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=TOKENS - 4, show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.train_from_iterator(texts(300, seed=2), trainer)
    tokenizer.add_special_tokens([bos, "<|end|>", "<|pad|>"])
    tokenizer.add_tokens([AddedToken("<think>", normalized=False)])
    return tokenizer


def sentencepiece_tokenizer(prefix=True):
    """Returns a tokenizer as transformers converts it from a SentencePiece model of byte pairs: its merges
    have the order of the pieces."""
    plain = Tokenizer(models.BPE())
    plain.pre_tokenizer = pre_tokenizers.Split(Regex(" (?=[^ ])|^"), "merged_with_next")
    marked = [SPACE + text.replace(" ", SPACE) for text in texts(300, seed=2)]
    plain.train_from_iterator(marked, trainers.BpeTrainer(vocab_size=TOKENS - 263,
                                                          show_progress=False))
    learned = json.loads(plain.to_str())["model"]
    characters = sorted(text for text in learned["vocab"] if len(text) == 1)
    made = list(dict.fromkeys("".join(merge) for merge in learned["merges"]))
    pieces = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)] + made + characters
    ids = {piece: id_ for id_, piece in enumerate(dict.fromkeys(pieces))}
    merges = [(piece[:at], piece[at:]) for piece in made for at in range(1, len(piece))
              if piece[:at] in ids and piece[at:] in ids]
    tokenizer = Tokenizer(models.BPE(ids, merges, unk_token="<unk>", fuse_unk=True,
                                     byte_fallback=True))
    marks = normalizers.Replace(" ", SPACE)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend(SPACE), marks] if prefix else [marks])
    tokenizer.decoder = decoders.Sequence([decoders.Replace(SPACE, " "), decoders.ByteFallback(),
                                           decoders.Fuse()])
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False)
                                  for text in ("<unk>", "<s>", "</s>", "<|end|>")])
    return tokenizer


def put_bos(tokenizer, bos):
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A", pair=f"{bos} $A $B", special_tokens=[(bos, tokenizer.token_to_id(bos))])


def save_tokenizer(folder, tokenizer, bos, eos, template=True, **options):
    tokenizer.save(str(folder / "tokenizer.json"))
    content = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": bos, "eos_token": eos,
               **({"chat_template": TEMPLATE} if template else {}), **options}
    (folder / "tokenizer_config.json").write_text(json.dumps(content))


# --- Models ---------------------------------------------------------------------------------------

def make_exact_model(family, seed):
    """Returns a model whose weights are exact in float16 and bfloat16, and so in the file."""
    numbers = family.numbers | {"vocab_size": VOCABULARY}
    model = make_model(dataclasses.replace(family, numbers=numbers), seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_((parameter.bfloat16().float() * 4096).round() / 4096)
    return model


def load_tensors(path):
    """Returns copies, as the file may be written again."""
    return {name: tensor.clone() for name, tensor in load_file(path).items()}


def change_json(path, **changes):
    """Sets keys; the value None removes a key."""
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


# --- Runs -----------------------------------------------------------------------------------------

def blocked_imports(folder):
    """Returns an environment in which packages that export.py does not need cannot be imported."""
    block = Path(folder) / "blocked"
    block.mkdir(exist_ok=True)
    for name in ("torch", "safetensors", "sentencepiece", "transformers", "tokenizers", "gguf"):
        (block / f"{name}.py").write_text(f"raise ImportError('{name} is not to be used')\n")
    return {**os.environ, "PYTHONPATH": str(block)}


def run_export(blocked, *arguments):
    return subprocess.run([sys.executable, str(ROOT / "export.py"), *map(str, arguments)],
                          env=blocked_imports(blocked), text=True, capture_output=True, timeout=300,
                          check=False)


def run(program, *arguments, given=None):
    done = subprocess.run([PROGRAMS / program, *map(str, arguments)], input=given,
                          capture_output=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def logits_of(path, tokens):
    found = np.frombuffer(run("print_logits", path, *tokens), np.float32)
    return found.reshape(len(tokens), VOCABULARY).astype(float)


def ids_of(path, given):
    stream = b"".join(struct.pack("<I", len(text.encode())) + text.encode() for text in given)
    lines = run("print_tokens", "--gguf", path, "--control", "--prefix", given=stream)
    return [[int(number) for number in line.split()] for line in lines.decode().split("\n")[:-1]]


class File:
    """keys: {name: value}; types: {tensor: name of its type}; tensors: {name: floats}."""

    def __init__(self, path):
        reader = gguf.GGUFReader(path)
        self.keys = {name: field.contents() for name, field in reader.fields.items()
                     if not name.startswith("GGUF.")}
        self.types = {tensor.name: tensor.tensor_type.name for tensor in reader.tensors}
        self.raw = {tensor.name: np.array(tensor.data) for tensor in reader.tensors}
        self.tensors = {tensor.name: gguf.quants.dequantize(tensor.data, tensor.tensor_type)
                        for tensor in reader.tensors}
