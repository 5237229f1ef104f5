#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes models as checkpoints or GGUF files that libclamma reads, and dictionaries."""
import argparse
import os
import signal
import sys

PROGRAM = "export.py"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

DESCRIPTION = """\
Writes OUT: a checkpoint in one of llama2.c's formats, from a Llama model; with --gguf a GGUF file,
with the vocabulary in it, from a model of many families in Hugging Face's layout; or a dictionary,
if --tokenizer is given alone. Needs numpy, and nothing else. Weights pass through a few rows at a
time: whatever the model's size, some 100 MB of memory are used, and a few hundred where a large
tokenizer.json is read. (Of gpt-oss's experts in floats, a whole matrix is in memory.) OUT appears
when all is written; if that fails, a file that was there before stays as it was.
"""

EPILOG = """\
examples:
  export.py llama2_7b.bin --meta-llama path/to/llama/model/7B
  export.py llama2_7b_q80.bin --version 2 --hf path/to/Llama-2-7b-hf --tokenizer tokenizer.model
  export.py qwen3.gguf --gguf --hf path/to/Qwen3-0.6B --type q8_0
  export.py mine.bin --checkpoint out/ckpt.pt
  export.py tokenizer.bin --tokenizer path/to/tokenizer.model

What a format cannot express (a checkpoint: other rotary angles, biases, models that are no Llama)
is refused by name. Exit code: 0 if OUT was written, 1 if not (the reason is on stderr), 2 for a
wrong command line, 128 + N if signal N came. docs/exporting.md and docs/formats.md have more.
"""


class _Interrupted(KeyboardInterrupt):
    """A signal has interrupted the export; its number is the argument."""


def _parse_arguments():
    class Parser(argparse.ArgumentParser):
        def error(self, message):
            print(f"{PROGRAM}: {message} (--help tells more)", file=sys.stderr)
            sys.exit(2)

    parser = Parser(prog=PROGRAM, description=DESCRIPTION, epilog=EPILOG,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", metavar="OUT", help="the file to write")
    model = parser.add_mutually_exclusive_group()
    model.add_argument("--meta-llama", metavar="DIR",
                       help="the model in Meta's layout: params.json, consolidated.*.pth")
    model.add_argument("--hf", metavar="DIR",
                       help="the model in Hugging Face's layout: config.json, and safetensors or "
                            "pytorch_model*.bin files; a folder on this machine")
    model.add_argument("--checkpoint", metavar="FILE",
                       help="the model in a checkpoint of llama2.c's training (.pt)")
    parser.add_argument("--gguf", action="store_true",
                        help="write a GGUF file, of a model in --hf: Llama 1 to 3, SmolLM2 and 3, "
                             "Mistral, Mixtral, Ministral 3, Qwen 2 and 3 (also with experts), "
                             "Gemma 1 to 3 (text), Phi-3 and 4-mini, Granite 3, gpt-oss, OLMo 2 "
                             "and 3")
    parser.add_argument("--type", choices=("f32", "f16", "bf16", "q8_0"), type=str.lower,
                        help="of the GGUF file's matrices. Default: bf16 for models in bfloat16, "
                             "else f16")
    parser.add_argument("--version", type=int, choices=(0, 1, 2),
                        help="the checkpoint's format: 0 float, legacy (default); 1 float; 2 int8")
    parser.add_argument("--dtype", choices=("fp32", "fp16"),
                        help="fp16: round each weight to fp16 first, to compute with what a model "
                             "in fp16 has. The file is of the same size: no version of the format "
                             "stores fp16. Default: fp32, weights as they are")
    parser.add_argument("--context", metavar="N", type=int,
                        help="positions of context that the file says it has. Default: what the "
                             "model says; Meta's models say nothing, and get 2048")
    parser.add_argument("--tokenizer", metavar="FILE",
                        help="a SentencePiece model, to write as a dictionary: to OUT if no model "
                             "is given, else beside OUT, under its name with .tokenizer.bin")
    parser.add_argument("--inexact-tokenizer", action="store_true",
                        help="write it, too, where the library has other tokens for some texts "
                             "than SentencePiece has; stderr says in which")
    arguments = parser.parse_args()
    for name in ("out", "meta_llama", "hf", "checkpoint", "tokenizer"):
        if getattr(arguments, name) == "":  # perhaps from a shell variable that is not set
            parser.error(f"the path of {name.replace('_', '-')} is empty")
    if not (arguments.meta_llama or arguments.hf or arguments.checkpoint or arguments.tokenizer):
        parser.error("nothing to export: give --meta-llama, --hf, --checkpoint or --tokenizer")
    _check_format(parser, arguments)
    if arguments.context is not None and not 1 <= arguments.context <= 1 << 24:
        parser.error(f"--context is {arguments.context}, and 1 to {1 << 24} are possible")
    return arguments


def _check_format(parser, arguments):
    """Refuses options that are not for the format of the output."""
    others = ("version", "dtype", "tokenizer", "inexact_tokenizer") if arguments.gguf else ("type",)
    for name in others:
        if getattr(arguments, name) != parser.get_default(name):
            parser.error(f"--{name.replace('_', '-')} is not for GGUF files" if arguments.gguf else
                         f"--{name} is for GGUF files: give --gguf")
    if arguments.gguf and not arguments.hf:
        parser.error("--gguf takes a model in Hugging Face's layout: give --hf")
    arguments.version = arguments.version or 0
    arguments.dtype = arguments.dtype or "fp32"


def _interrupt(number, _):
    for each in SIGNALS:  # so that a second signal does not interrupt the removal of partial files
        signal.signal(each, signal.SIG_IGN)
    raise _Interrupted(number)


def _fail(reason):
    line = "".join(c if c.isprintable() else "?" for c in reason)
    print(f"{PROGRAM}: {line}", file=sys.stderr)
    # Otherwise Python would fail again at exit, when it flushes a stdout that is closed or full.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def main():
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # it was closed when this program started
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))
    sys.stdout.reconfigure(errors="backslashreplace")
    arguments = _parse_arguments()
    try:  # only here, so that --help works even if a module is missing
        from exporter.errors import ExportError
        from exporter.pipeline import export
    except ModuleNotFoundError as missing:
        return _fail(f"the Python module {missing.name} is missing: numpy is in requirements.txt, "
                     "and exporter is the folder beside this file")
    for each in SIGNALS:
        if signal.getsignal(each) != signal.SIG_IGN:  # keeps nohup working
            signal.signal(each, _interrupt)
    try:
        export(arguments)
        sys.stdout.flush()
    except ExportError as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except MemoryError:
        return _fail("not enough memory")
    except _Interrupted as interrupted:
        _fail(f"stopped by {signal.Signals(interrupted.args[0]).name}")
        return 128 + interrupted.args[0]
    return 0


if __name__ == "__main__":
    sys.exit(main())
