#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""run-dockerfile.py [--model FILE] [--base FOLDER]: runs the steps of deploy/Dockerfile without Docker, each
stage in a folder that debootstrap makes (or that is a copy of FOLDER, so made), and then the program as the
container would start it: it must refuse to run without a key, and with one and a model (FILE) it must become
healthy. Needs root and debootstrap. Knows only the instructions that the file uses."""
import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))


def read_instructions(path):
    """(instruction, rest) of each; lines that end in a backslash are joined."""
    with open(path, encoding="utf-8") as file:
        lines = [line for line in file.read().splitlines() if not line.startswith("#")]
    text = re.sub(r"\\\n", "", "\n".join(lines))
    return [line.split(None, 1) for line in text.splitlines() if line.strip()]


def run(*command, **more):
    print("+", " ".join(command)[:150], flush=True)
    subprocess.run(command, check=True, **more)


class Stage:
    """A folder in which steps run."""

    def __init__(self, folder, base):
        self.folder, self.directory, self.user, self.entry, self.health = folder, "/", "root", None, None
        run("cp", "-a", base, folder)
        for name in ("etc/resolv.conf", "etc/apt/sources.list.d/debian.sources"):
            if os.path.exists(f"/{name}"):
                shutil.copy(f"/{name}", os.path.join(folder, name))
        run("mount", "-t", "proc", "proc", os.path.join(folder, "proc"))
        run("mount", "--bind", "/dev", os.path.join(folder, "dev"))

    def leave(self):
        for name in ("dev", "proc"):
            subprocess.run(["umount", os.path.join(self.folder, name)], check=False)

    def command(self, *words, environment=()):
        as_user = [] if self.user == "root" else [f"--userspec={self.user}"]
        settings = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", *environment]
        return ["env", "-i", *settings, "chroot", *as_user, self.folder, "/bin/sh", "-c",
                'cd "$0" && exec "$@"', self.directory, *words]

    def step(self, name, rest, stages):
        if name == "RUN":
            run(*self.command("/bin/sh", "-ec", rest))
        elif name == "WORKDIR":
            self.directory = rest
            os.makedirs(self.folder + rest, exist_ok=True)
        elif name == "COPY":
            self.copy(rest.split(), stages)
        elif name == "USER":
            self.user = rest
        elif name == "ENTRYPOINT":
            self.entry = json.loads(rest)
        elif name == "HEALTHCHECK":
            self.health = json.loads(rest[rest.index("CMD") + 3:])
        elif name not in ("EXPOSE", "STOPSIGNAL"):
            sys.exit(f"unknown instruction: {name}")

    def copy(self, words, stages):
        source = ROOT
        if words[0].startswith("--from="):
            source = stages[words.pop(0)[7:]].folder
        what, to = words
        target = self.folder + (self.directory if to == "." else to)
        if what == ".":  # what .dockerignore leaves out is not in the last commit, or is not needed
            archive = subprocess.Popen(["git", "-C", ROOT, "archive", "HEAD"], stdout=subprocess.PIPE)
            run("tar", "-x", "-C", target, stdin=archive.stdout)
            if archive.wait() != 0:
                sys.exit("git archive failed")
        else:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy(os.path.join(source, what.lstrip("/")), target)


def make_base(folder):
    with open("/etc/apt/sources.list.d/debian.sources", encoding="utf-8") as file:
        mirror = re.search(r"^URIs: *(\S*debian)$", file.read(), re.M)
    run("debootstrap", "--variant=minbase", "bookworm", folder, *([mirror[1]] if mirror else []))


def check_key(stage):
    """Without a key it must say so and end."""
    result = subprocess.run(stage.command(*stage.entry, "none.gguf"), capture_output=True, text=True,
                            timeout=60, check=False)
    print(result.stderr, end="")
    if result.returncode == 0 or "keys" not in result.stderr:
        sys.exit("the program starts without a key")


def check_health(stage, model):
    shutil.copy(model, stage.folder + "/model" + os.path.splitext(model)[1])
    path = "/model" + os.path.splitext(model)[1]
    command = stage.command(*stage.entry, path, environment=("CLAMMA_API_KEY=a-key-for-this-test",))
    with subprocess.Popen(command) as process:
        end = time.monotonic() + 120
        while subprocess.run(stage.command(*stage.health), check=False,
                             stderr=subprocess.DEVNULL).returncode != 0:
            if process.poll() is not None or time.monotonic() > end:
                process.kill()
                sys.exit("the program does not become healthy")
            time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        if process.wait(60) != 0:
            sys.exit(f"the program ends with {process.returncode}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model")
    parser.add_argument("--base")
    options = parser.parse_args()
    work = tempfile.mkdtemp(prefix="run-dockerfile.")
    base = options.base or os.path.join(work, "base")
    stages, stage = {}, None
    try:
        if not options.base:
            make_base(base)
        for name, rest in read_instructions(os.path.join(ROOT, "deploy", "Dockerfile")):
            if name == "FROM":
                words = rest.split()
                label = words[2] if len(words) == 3 else "last"
                stage = stages[label] = Stage(os.path.join(work, label), base)
            else:
                stage.step(name, rest, stages)
        check_key(stage)
        if options.model:
            check_health(stage, options.model)
        print("All steps succeed.")
    finally:
        for stage in stages.values():
            stage.leave()
        run("rm", "-rf", "--one-file-system", work)


main()
