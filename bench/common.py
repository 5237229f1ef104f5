# SPDX-License-Identifier: MIT
"""Shared by the scripts of this folder: messages, commands, environments with packages."""
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


class Failure(Exception):
    """An error that is reported to the user."""


def say(text):
    print(f"{os.path.basename(sys.argv[0])}: {text}", file=sys.stderr, flush=True)


def run(command, what, environment=None):
    """Runs a command and returns its stdout. If it fails, raises a Failure with the end of its
    stderr."""
    try:
        done = subprocess.run(command,
                              capture_output=True,
                              text=True,
                              errors="replace",
                              check=False,
                              env=environment)
    except OSError as error:
        raise Failure(f"{what}: {error}") from error
    if done.returncode != 0:
        tail = "\n".join((done.stderr or done.stdout).strip().splitlines()[-8:])
        raise Failure(f"{what} failed ({done.returncode}):\n{tail}")
    return done.stdout


def cores():
    """The number of cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def cache_folder(name):
    """A folder for packages that are installed once."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(cache, name)


def install(python, name, version):
    """Installs a package without its dependencies."""
    run([
        python, "-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check",
        f"{name}=={version}"
    ], f"installing {name} {version}")


def environment_python(folder, packages, install_one=install):
    """The Python of an environment with the packages, {name: version}. Makes the environment if it
    does not exist, by install_one(python, name, version)."""
    python = os.path.join(folder, "bin", "python")
    stamp = os.path.join(folder, "installed")
    wanted = "".join(f"{name}=={version}\n" for name, version in packages.items())
    try:
        with open(stamp, encoding="utf-8") as file:
            if file.read() == wanted:
                return python
    except OSError:
        pass
    say(f"installing {', '.join(packages)} into {folder}")
    shutil.rmtree(folder, ignore_errors=True)
    run([sys.executable, "-m", "venv", folder], "making the environment (Debian: python3-venv)")
    for name, version in packages.items():
        install_one(python, name, version)
    with open(stamp, "w", encoding="utf-8") as file:
        file.write(wanted)
    return python


def find_program(name, path, hint):
    """The absolute path of a program of this project: `path`, or in a build folder, or
    installed."""
    places = [path] if path else [
        os.path.join(HERE, "..", build, "bin", name) for build in ("build", "build-dev")
    ] + [shutil.which(name)]
    for place in places:
        if place and os.access(place, os.X_OK) and not os.path.isdir(place):
            return os.path.abspath(place)
    raise Failure(f"there is no program `{name}`: {hint}")


def run_main(body, options):
    """Calls body(options, temporary folder). Returns the exit code."""
    try:
        with tempfile.TemporaryDirectory(prefix="clamma-bench.") as folder:
            body(options, folder)
    except (Failure, OSError) as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0
