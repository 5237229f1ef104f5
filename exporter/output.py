# SPDX-License-Identifier: MIT
"""Files that appear whole or not at all, and progress."""
import contextlib
import errno
import os
import stat
import sys
import time

from .errors import ExportError


def check_target(path, inputs):
    """Refuses to write to `path` what could not be undone: over a device, or over an input."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISREG(status.st_mode):
        raise ExportError(f"{path}: exists, and is not a regular file")
    if any(os.path.samefile(path, one) for one in inputs):
        raise ExportError(f"{path}: is what is read: give another name for the result")


PIECE = 2 << 20  # bytes


class InPieces:
    """Writes to a file whole pieces at a time: some file systems of Linux keep what is written so
    in huge pages, which are read up to a tenth faster."""

    def __init__(self, file):
        self._file = file
        self._rest = bytearray()

    def write(self, data):
        """`data`: anything whose bytes lie side by side."""
        self._rest.extend(data)
        self._write(len(self._rest) // PIECE * PIECE)

    def flush(self):
        self._write(len(self._rest))
        self._file.flush()

    def _write(self, size):
        if size > 0:
            with memoryview(self._rest) as rest, rest[:size] as pieces:
                self._file.write(pieces)
            del self._rest[:size]


@contextlib.contextmanager
def replacing(path, size):
    """A file to write `size` bytes to. It has another name beside `path` until the block ends
    well; if it does not, it is removed, and what was at `path` stays."""
    target = os.path.realpath(path)  # of a symbolic link, what it points to is replaced
    partial = os.path.join(os.path.dirname(target),
                           f".{os.path.basename(target)}.{os.getpid()}.part")
    try:
        with open(partial, "wb", buffering=PIECE) as file:
            _reserve(file, size)
            pieces = InPieces(file)
            yield pieces
            pieces.flush()
            os.fsync(file.fileno())
        os.replace(partial, target)
    except BaseException as error:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(partial)
        if isinstance(error, OSError) and error.filename in (None, partial):
            raise ExportError(f"{path}: cannot be written: {error.strerror or error}") from None
        raise


def _reserve(file, size):
    """So that a full disk shows now, and not after an hour."""
    try:
        os.posix_fallocate(file.fileno(), 0, size)
    except AttributeError:  # not this system
        pass
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
            raise


class Progress:
    """How much of `total` is done: a bar on a terminal, else a line for each tenth (of work that
    takes a second or more)."""

    WIDTH = 40

    def __init__(self, total):
        self._total = total
        self._done = 0
        self._start = time.monotonic()
        self._terminal = sys.stderr.isatty()
        self._shown = 0

    def add(self, count):
        self._done += count
        steps = 200 if self._terminal else 10
        step = self._done * steps // self._total
        if step > self._shown:
            self._shown = step
            self._show()

    def seconds(self):
        return time.monotonic() - self._start

    def _show(self):
        done, seconds = self._done / self._total, self.seconds()
        if self._terminal:
            bar = "#" * int(done * self.WIDTH)
            left = seconds / done - seconds
            end = "\n" if self._done == self._total else ""
            text = f"\r[{bar:{self.WIDTH}}] {done:4.0%}, {left:.0f} s left   {end}"
        elif seconds >= 1:
            text = f"{done:4.0%} after {seconds:.1f} s\n"
        else:
            return
        sys.stderr.write(text)
        sys.stderr.flush()
