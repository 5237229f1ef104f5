#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""clamma_server_examples_test.py BIN_DIR SOURCE_DIR: every command of the `console` blocks of docs/server.md,
openai-api.md and deploying.md, run as it is written against clamma-server with a small model: it succeeds, the answer is no error, and
what the page shows of the output is printed. Exit code: 0 all checks hold, 1 one does not, 77 no model."""
import json
import os
import re
import subprocess
import tempfile

from app_harness import find_models, write_gguf
from server_harness import Checks, Server, begin, events_of

PROGRAM, _, SOURCE = begin(__doc__, "clamma-server")
TEMPLATE = ("{% for message in messages %}{{ message.role }}: {{ message.content }}. {% endfor %}"
            "assistant:")
checks = Checks()


def examples():
    """[(command, output shown)]"""
    for name in ("server", "openai-api", "deploying"):
        with open(os.path.join(SOURCE, "docs", name + ".md"), encoding="utf-8") as file:
            text = file.read()
        for block in re.findall(r"^```console\n(.*?)^```$", text, re.M | re.S):
            yield from re.findall(r"^\$ (.*(?:\n {4}.*)*)\n((?:(?!\$ ).*\n)*)", block, re.M)


def check(server, command, shown):
    done = subprocess.run(["bash", "-c", command.replace("http://127.0.0.1:8080", server.url)],
                          capture_output=True, text=True, timeout=100, check=False)
    checks.same(f"{command}: exit code", done.returncode, 0)
    if shown:
        checks.same(f"{command}: output", done.stdout.rstrip("\n"), shown.rstrip("\n"))
    elif "-sN" in command:
        checks.same(f"{command}: the end", events_of(done.stdout.encode())[-1], (None, "[DONE]"))
    elif "/metrics" in command:
        checks.holds(f"{command}: counters", "clamma_server_generated_tokens_total " in done.stdout)
    else:
        checks.holds(f"{command}: no error", "error" not in json.loads(done.stdout), done.stdout)


def main():
    models = find_models(SOURCE)
    with tempfile.TemporaryDirectory() as folder:
        model = os.path.join(folder, "stories.gguf")
        write_gguf(model, models, tokenizer__chat_template=TEMPLATE)
        with Server(PROGRAM, model) as server:
            found = list(examples())
            checks.holds("there are examples", len(found) >= 5, len(found))
            for command, shown in found:
                check(server, command, shown)
    checks.finish()


main()
