#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""readme_test.py SOURCE_DIR: tests that README.md is correct. Runs every command of its `console` blocks,
as written and in order, in a copy of the sources with a folder of models. Each command must succeed,
and must print the lines that the README shows, except for speeds and the names of this machine's
kernels. The README's tables must list every preset of CMakePresets.json and every option of
CMakeLists.txt, and no others.

If a line of output begins with `> `, the rest of it is typed at a terminal.

Small random models stand for models that are too large for a test; the README does not show their
texts. `sudo` runs its command with DESTDIR set. The server is stopped after it has served its page.

Run it with the Python of export_test.py. Exit code 77: the models are missing."""
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import export_fixtures as fixtures

SHAPE = fixtures.Shape(64, 128, 2, 4, 4, 32000, False, 1e-5, 64)
SERVER = "clamma-ws-demo"
# The parts of output lines that depend on the machine.
VARIES = re.compile(r"tok/s: [0-9.]+(, [0-9.]+ s)?|[\w-]+ kernels, \d+ threads?( \(.*\))?")

# `sudo COMMAND` writes to a folder of the test, not to the system.
SUDO = """#!/bin/sh
DESTDIR=$SANDBOX/root exec "$@"
"""


def commands(readme):
    """Returns [(command, lines of output shown)] of the console blocks."""
    found = []
    for block in re.findall(r"^```console\n(.*?)^```$", readme, re.M | re.S):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    return found


def wrong_tables(source, readme):
    """Returns the presets and options that only the README or only the build has."""
    presets = json.loads((source / "CMakePresets.json").read_text())["configurePresets"]
    build = {preset["name"] for preset in presets if not preset.get("hidden")}
    build.update(re.findall(r"^(?:option|cmake_dependent_option|set)\(((?:LIBCLAMMA|BUILD)_\w+)",
                            (source / "CMakeLists.txt").read_text(), re.M))
    section = re.search(r"^## Building$(.*?)^## ", readme, re.M | re.S)[1]
    rows = re.findall(r"^\| (`[^|]*) \|", section, re.M)
    table = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    return sorted(build ^ table)


def copy_sources(source, target):
    listed = subprocess.run(["git", "-C", source, "ls-files", "--cached", "--others", "-z",
                             "--exclude-standard"], check=True, capture_output=True).stdout
    for name in listed.decode().split("\0"):
        if not name or not (source / name).is_file():
            continue
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source / name, target / name)


def save_models(tree):
    """Writes the models that the README expects, where it expects them."""
    weights = fixtures.random_weights(SHAPE)
    hugging_face = tree / "path/to/model"
    fixtures.save_meta(tree / "path/to/llama/model/7B", SHAPE, weights)
    fixtures.huggingface_model(SHAPE, weights).save_pretrained(hugging_face)
    fixtures.train_dictionary(hugging_face / "tokenizer.model",
                              (tree / "docs/architecture.md").read_text().splitlines())


def serve(shell_command, output, environment, folder):
    """Runs the server until it has served its page, then stops it."""
    with open(output, "w") as log:
        server = subprocess.Popen(["bash", "-c", "exec " + shell_command], cwd=folder,
                                  env=environment, stdout=log, stderr=log)
    try:
        for _ in range(100):
            found = re.search(r"Serving (\S+)", output.read_text())
            if found:
                page = urllib.request.urlopen(found[1], timeout=10).read().decode()
                assert "<title>" in page, page
                break
            time.sleep(0.1)
    finally:
        server.send_signal(signal.SIGTERM)
    return server.wait(20)


def converse(shell_command, typed, environment, folder):
    """Runs the command on a terminal, and types each line after a prompt."""
    pid, terminal = pty.fork()
    if pid == 0:
        try:
            os.chdir(folder)
            os.execvpe("bash", ["bash", "-c", "exec " + shell_command],
                       dict(environment, TERM="xterm"))
        finally:
            os._exit(127)
    lines = list(typed)
    output = b""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 0.5)[0]:
            # No output after a prompt: the program waits for a line.
            if lines and output.endswith(b"> "):
                os.write(terminal, lines.pop(0).encode() + b"\r")
            continue
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # the other end is closed
            break
        output = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", output + piece)
    else:
        os.kill(pid, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(terminal)
    return status, output.decode(errors="replace")


class Session:
    """The folder and the variables of a shell, which each command may change."""

    def __init__(self, sandbox, tree):
        self.sandbox, self.folder = sandbox, tree
        tools = sandbox / "tools"
        tools.mkdir()
        (tools / "sudo").write_text(SUDO)
        (tools / "sudo").chmod(0o755)
        self.environment = dict(os.environ, SANDBOX=str(sandbox), TMPDIR=str(sandbox))
        self.environment.pop("VIRTUAL_ENV", None)
        self.environment["PKG_CONFIG_PATH"] = f"{sandbox}/root/usr/local/lib/pkgconfig"
        # An installed copy comes first, as after a real `sudo cmake --install`.
        self.environment["PATH"] = f"{sandbox}/root/usr/local/bin:{tools}:/usr/bin:/bin:/usr/sbin"

    def run(self, command, shown):
        """Returns (exit code, output)."""
        output = self.sandbox / "output"
        typed = [line[2:] for line in shown if line.startswith("> ")]
        if typed:
            return converse(command, typed, self.environment, self.folder)
        if command.startswith(SERVER):
            return serve(command, output, self.environment, self.folder), output.read_text()
        script = f"{command}\nstatus=$?\nenv -0 >\"$SANDBOX/env\"\npwd >\"$SANDBOX/pwd\"\nexit $status"
        with open(output, "w") as log:
            status = subprocess.run(["bash", "-c", script], cwd=self.folder, env=self.environment,
                                    stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                    timeout=900).returncode
        pairs = (self.sandbox / "env").read_text().rstrip("\0").split("\0")
        self.environment = dict(pair.split("=", 1) for pair in pairs)
        self.folder = Path((self.sandbox / "pwd").read_text().rstrip("\n"))
        return status, output.read_text()


def missing(shown, output):
    """Returns the shown lines that are not in the output."""
    have = {VARIES.sub("*", line.rstrip()) for line in output.splitlines()}
    return [line for line in shown if VARIES.sub("*", line.rstrip()) not in have]


def main():
    source = Path(sys.argv[1]).resolve()
    if not (fixtures.SHARED_MODELS / "stories260K.bin").exists():
        print(f"skipped: {fixtures.SHARED_MODELS} has no models")
        return 77
    readme = (source / "README.md").read_text()
    wrong = wrong_tables(source, readme)
    print(f"FAILED  tables of presets and options: {wrong}" if wrong else
          "right   tables of presets and options")
    failed = len(wrong)
    with tempfile.TemporaryDirectory(prefix="readme.") as folder:
        sandbox = Path(folder)
        tree = sandbox / "libclamma"
        copy_sources(source, tree)
        save_models(tree)
        for file in fixtures.SHARED_MODELS.glob("*.bin"):
            shutil.copy2(file, tree)
        session = Session(sandbox, tree)
        for command, shown in commands(readme):
            start = time.monotonic()
            if command.startswith("python3 -m venv"):
                session.folder = tree  # a new section begins in the top folder
            large = re.search(r"\S*(110M|llama2_7b_chat_q80)\.bin", command)
            if large and not (session.folder / large[0]).exists():
                shutil.copy2(tree / "llama2_7b_q80.bin", session.folder / large[0])
            status, output = session.run(command, shown)
            wrong = missing(shown, output)
            right = status == 0 and not wrong
            print(f"{'ok    ' if right else 'FAILED'}  {command}  ({time.monotonic() - start:.1f} s)")
            if right:
                continue
            failed += 1
            print(f"exit code {status}; lines shown and not printed: {wrong}\nprinted:\n{output}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
