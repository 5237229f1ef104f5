# SPDX-License-Identifier: MIT
"""python -m clamma: gets models, generates texts, chats.

Exit codes: 0 done, 1 failed with a reason, 2 wrong command line, 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys

import clamma

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
        return code
    except (clamma.Error, TypeError, ValueError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            # Nobody reads: what is still in the buffer goes nowhere.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        else:
            print(f"clamma: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m clamma", description=clamma.__doc__.split("\n")[0])
    parser.add_argument("--version", action="version", version=f"clamma {clamma.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    get = commands.add_parser("get", help="download a model, and print the path of its file")
    get.add_argument("name", nargs="?", help="a name of the catalogue, hf:OWNER/REPOSITORY or https://")
    get.add_argument("-l", "--list", action="store_true", help="list the catalogue")
    get.set_defaults(run=_get)

    generate = commands.add_parser("generate", help="continue a prompt")
    generate.add_argument("prompt")
    _add_model_options(generate)
    generate.set_defaults(run=_generate)

    chat = commands.add_parser("chat", help="chat with a model; an empty line or Ctrl-D ends it")
    chat.add_argument("--system", help="instructions for the model")
    _add_model_options(chat)
    chat.set_defaults(run=_chat)
    return parser


def _add_model_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-m", "--model", default="", help="path or name (default: the default model)")
    parser.add_argument("--tokenizer", default="", help="path of the vocabulary")
    parser.add_argument("--download", action="store_true", help="download the model if it is not there")
    parser.add_argument("-j", "--threads", type=int, default=0)
    parser.add_argument("-n", "--limit", type=int, help="the most tokens to generate")
    parser.add_argument("-t", "--temperature", type=float)
    parser.add_argument("-p", "--top-p", type=float)
    parser.add_argument("-s", "--seed", type=int)


def _open(options: argparse.Namespace) -> clamma.Model:
    return clamma.Model(
        options.model,
        tokenizer=options.tokenizer,
        threads=options.threads,
        download=options.download,
    )


def _sampling(options: argparse.Namespace) -> dict[str, Any]:
    return {name: getattr(options, name) for name in ("limit", "temperature", "top_p", "seed")}


def _show(stream: clamma.Stream) -> clamma.Text:
    """Prints a text while it is generated."""
    with stream:
        for piece in stream:
            sys.stdout.write(piece)
            sys.stdout.flush()
        print(flush=True)
        return stream.read()


def _get(options: argparse.Namespace) -> int:
    if options.list:
        from . import _core

        for entry in _core.catalogue():
            size = _core.readable_size(entry["checkpoint"]["bytes"])
            print(f"{entry['name']:<12} {size:>7}  {entry['license']:<10}  {entry['what']}")
        return 0
    if options.name is None:
        print("clamma: which model? (python -m clamma get --list)", file=sys.stderr)
        return 2
    from .download import get

    print(get(options.name))
    return 0


def _generate(options: argparse.Namespace) -> int:
    with _open(options) as model:
        sys.stdout.write(options.prompt)
        _show(model.stream(options.prompt, **_sampling(options)))
    return 0


def _chat(options: argparse.Namespace) -> int:
    with _open(options) as model:
        session = model.session()
        messages = []
        if options.system:
            messages.append({"role": "system", "content": options.system})
        if sys.stdin.isatty():
            try:
                import readline  # noqa: F401  (edits the line)
            except ImportError:
                pass
        while True:
            try:
                line = input("> " if sys.stdin.isatty() else "")
            except EOFError:
                return 0
            if not line:
                return 0
            messages.append({"role": "user", "content": line})
            stream = session.stream_chat(messages, **_sampling(options))
            try:
                answer = str(_show(stream))
            except KeyboardInterrupt:  # ends the answer, not the chat
                answer = "".join(stream.pieces)
                print()
            messages.append({"role": "assistant", "content": answer})


if __name__ == "__main__":
    sys.exit(main())
