# SPDX-License-Identifier: MIT
"""Converts a model in the layout of Hugging Face transformers to the content of a GGUF file."""
import os
from dataclasses import dataclass, field
from typing import List

from .errors import ExportError, printable, read_json, shown
from .families import FAMILIES
from .family_keys import Config, common_keys, read_numbers, rope_keys
from .family_tensors import TensorReader, made_tensors
from .gguf_file import GgufWriter
from .gguf_types import FILE_TYPES
from .special_tokens import special_keys
from .vocabulary import read_vocabulary
from .weight_files import WeightFiles, files_of_model

QUANTIZATION_VERSION = 2
# If the config has a part about the text model, these keys outside that part also count for it.
OUTER_KEYS = ("bos_token_id", "eos_token_id", "pad_token_id", "tie_word_embeddings",
              "vision_config", "quantization_config", "transformers_weights")
NESTED = {"gemma3": ("gemma3_text",), "mistral3": ("ministral3", "mistral")}
SILU, GELU = ("silu", "swish"), ("gelu_pytorch_tanh",)


@dataclass
class GgufModel:
    arch: str
    source_types: List[str]
    kind: str  # a key of FILE_TYPES
    writer: GgufWriter
    inputs: List[str]
    warnings: List[str]
    unused: List[str] = field(default_factory=list)


def open_gguf_model(folder, context, kind):
    """Opens the model in a folder. `context` is the number of positions that the file is to have,
    or None; `kind` a key of FILE_TYPES, or None for the type closest to that of the weights."""
    config, family = _open_config(os.path.join(folder, "config.json"))
    files = WeightFiles(folder, config.get("transformers_weights"))
    reader = TensorReader(folder, files.tensors, family, config)
    kind = kind or ("bf16" if "BF16" in reader.types else "f16")
    numbers = read_numbers(config, reader.vocabulary(), context)
    keys = common_keys(config, numbers)
    of_rope, made = rope_keys(config, numbers, family)
    keys |= of_rope
    for read in family.read:
        keys |= read(config, numbers)
    tensors = made_tensors(config.path, made) + reader.read(numbers, FILE_TYPES[kind][0])
    vocabulary = read_vocabulary(folder, numbers.vocab, strips_right=family.arch == "phi3")
    of_texts, warnings = special_keys(folder, config, vocabulary)
    all_keys = {
        "general.architecture": family.arch,
        "general.type": "model",
        "general.name": printable(os.path.basename(os.path.realpath(folder))) or "model",
        "general.file_type": FILE_TYPES[kind][1],
        "general.quantization_version": QUANTIZATION_VERSION,
        **{f"{family.arch}.{key}": value for key, value in keys.items()},
        **vocabulary.to_keys(), **of_texts}
    warnings = config.warnings + vocabulary.warnings + warnings
    return GgufModel(family.arch, sorted(reader.types), kind, GgufWriter(all_keys, tensors),
                     sorted({*files_of_model(folder), *reader.paths}), warnings,
                     files.unused + reader.unused)


def _open_config(path):
    values = read_json(path)
    model_type = values.get("model_type")
    if not isinstance(model_type, str) or model_type not in (*FAMILIES, *NESTED):
        raise ExportError(f"{path} says model_type {shown(model_type)}: it can be none but "
                          f"{', '.join(sorted([*FAMILIES, *NESTED]))}")
    if model_type in NESTED:
        inner = values.get("text_config")
        if not isinstance(inner, dict) or inner.get("model_type") not in NESTED[model_type]:
            raise ExportError(f"{path}: a {model_type} model without a 'text_config' that says "
                              f"model_type {' or '.join(NESTED[model_type])}")
        values = inner | {key: values[key] for key in OUTER_KEYS if values.get(key) is not None}
        model_type = inner["model_type"]
    family = FAMILIES[model_type]
    config = Config(path, values, family.defaults)
    _refuse_inexpressible(config, family)
    return config, family


def _refuse_inexpressible(config, family):
    quantised = config.get("quantization_config")
    method = quantised.get("quant_method") if isinstance(quantised, dict) else quantised
    if method is not None and not (family.arch == "gpt-oss" and method == "mxfp4"):
        raise ExportError(f"{config.path}: the model is quantised already (quantization_config: "
                          f"{shown(method)}): export the one that it was made from")
    for key in ("hidden_act", "hidden_activation"):
        known = GELU if family.gelu else SILU
        if family.arch == "gemma" and key == "hidden_act":
            known += ("gelu",)  # its first configs say this of what is computed with tanh
        if config.get(key) not in (None, *known):
            config.refuse(key, f"of a {family.arch} model only {known[0]} can be exported")
    for key, value in family.only.items():
        given = config.get(key, missing=value)
        if given != value and not (given is None and not value):  # null is false
            config.refuse(key, f"of a {family.arch} model only {shown(value)} can be exported")
