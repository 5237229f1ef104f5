# SPDX-License-Identifier: MIT
"""Does what the arguments of export.py ask for: opens a model, adapts it to the format, writes it,
and reports what it did. Warnings go to stderr, all else to stdout."""
import os
import sys

from .checkpoint import CheckpointWriter
from .dictionary import Dictionary
from .errors import ExportError, printable
from .gguf_model import open_gguf_model
from .huggingface import open_huggingface
from .meta import open_meta, open_training_checkpoint
from .output import Progress, check_target, replacing
from .text_tokens import USUAL
from .vocabulary import SENTENCEPIECE, kind_of_tokenizer


def _warn(text):
    print(f"export.py: warning: {printable(text)}", file=sys.stderr)


def _open_model(arguments):
    if arguments.meta_llama:
        return open_meta(arguments.meta_llama, arguments.context)
    if arguments.hf:
        return open_huggingface(arguments.hf, arguments.context)
    if arguments.checkpoint:
        return open_training_checkpoint(arguments.checkpoint, arguments.context)
    return None


def _describe(model, writer):
    c = model.config
    types = sorted({part.type for matrices in model.matrices.values() for matrix in matrices
                    for part in matrix.parts})
    print(f"{model.source}, {', '.join(types)}: dim {c.dim}, hidden {c.hidden_dim}, "
          f"layers {c.n_layers}, heads {c.n_heads}, kv heads {c.n_kv_heads}, "
          f"vocabulary {c.vocab_size}, context {c.seq_len}")
    if model.shared_classifier:
        print("the classifier is the embedding table")
    for kind in writer.kinds:
        if kind != "rope":
            matrices = model.matrices[kind]
            print(f"{kind:16}{len(matrices):4} x {matrices[0].shape}")
    size = writer.total_bytes()
    stored = f"int8 in groups of {writer.group_size}" if writer.group_size else "float32"
    print(f"version {writer.version}, {stored}: {size} bytes", flush=True)


def _prepare(model, arguments):
    """Returns the model to write, and reports what is changed."""
    if arguments.dtype == "fp16":
        print("weights are rounded to fp16 first, and then stored as if they had always been so")
        model = model.rounded_to_half()
    epsilon = model.config.norm_epsilon
    model, factor = model.with_usual_norm_epsilon()
    if factor != 1.0:
        print(f"the norms' epsilon is {epsilon:g}, and 1e-05 in the format: embedding, wo and w2 "
              f"are scaled by {factor:.6g}, which gives the same logits")
    return model


def _export_model(model, arguments):
    model = _prepare(model, arguments)
    writer = CheckpointWriter(model, arguments.version)
    _describe(model, writer)
    progress = Progress(writer.total_elements())
    with replacing(arguments.out, writer.total_bytes()) as out:
        writer.write(out, progress.add)
    if arguments.version == 2:
        print(f"worst quantisation error of a weight: {writer.worst_error:.6g}, in "
              f"{writer.worst_tensor or 'none'}")
    _tell_text_tokens(model, arguments.version)
    _tell_end(model, arguments.out, progress)


def _tell_end(model, path, progress):
    for warning in model.warnings:
        _warn(warning)
    for line in model.unused:
        print(printable(f"not used: {line}"))
    print(f"{path}: written in {progress.seconds():.1f} s")


def _tell_text_tokens(model, version):
    if model.text_tokens == USUAL:
        return
    if version:
        print(f"{model.text_tokens}: the header says so")
        return
    _warn(f"{model.path}: {model.text_tokens}; version 0 of the format has no place for that, and "
          f"readers take it that {USUAL}: use --version 1 or 2, or name the ends as stop_tokens of "
          "a query")


def _warn_of_tokenizer(arguments):
    """Warns if the model's tokenizer is not SentencePiece's, as vocabularies of checkpoints are."""
    if arguments.hf and kind_of_tokenizer(arguments.hf) not in (None, SENTENCEPIECE):
        _warn(f"{arguments.hf}: the model's tokenizer is a byte-level one, which the vocabulary "
              "files beside checkpoints cannot express: --gguf writes the model with its tokenizer")


def _export_gguf(arguments):
    model = open_gguf_model(arguments.hf, arguments.context, arguments.type)
    writer = model.writer
    check_target(arguments.out, model.inputs)
    types = {}
    for tensor in writer.tensors:
        types[tensor.type.name] = types.get(tensor.type.name, 0) + 1
    print(f"Hugging Face, {', '.join(model.source_types)}: architecture {model.arch}")
    print(f"GGUF, {model.kind}: {', '.join(f'{n} tensors {name}' for name, n in types.items())}: "
          f"{writer.total_bytes()} bytes", flush=True)
    progress = Progress(writer.total_elements())
    with replacing(arguments.out, writer.total_bytes()) as out:
        writer.write(out, progress.add)
    _tell_end(model, arguments.out, progress)


def _open_dictionary(arguments):
    if not arguments.tokenizer:
        return None
    dictionary = Dictionary(arguments.tokenizer)
    if dictionary.differences and not arguments.inexact_tokenizer:
        raise ExportError(f"{dictionary.path}: {'; '.join(dictionary.differences)} "
                          "(--inexact-tokenizer: write it all the same)")
    return dictionary


def _export_dictionary(dictionary, content, path, vocab_size):
    for difference in dictionary.differences:
        _warn(f"{dictionary.path}: {difference}")
    pieces = len(dictionary.pieces)
    with replacing(path, len(content)) as out:
        out.write(content)
    print(f"{path}: {pieces} tokens" + ("" if vocab_size in (None, pieces) else
          f", and {vocab_size - pieces} empty ones: the model has {vocab_size} rows of embeddings"))


def export(arguments):
    """Writes what the command line asks for; raises ExportError or OSError on failure."""
    if arguments.gguf:
        _export_gguf(arguments)
        return
    dictionary = _open_dictionary(arguments)
    model = _open_model(arguments)
    inputs = ([dictionary.path] if dictionary else []) + (model.inputs if model else [])
    check_target(arguments.out, inputs)
    if dictionary:  # checked before anything is written
        path, vocab_size = arguments.out, None
        if model:
            path = os.path.splitext(arguments.out)[0] + ".tokenizer.bin"
            vocab_size = model.config.vocab_size
            check_target(path, inputs)
        content = dictionary.to_bytes(vocab_size)
    if model:
        _export_model(model, arguments)
        _warn_of_tokenizer(arguments)
    if dictionary:
        _export_dictionary(dictionary, content, path, vocab_size)
