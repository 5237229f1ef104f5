# SPDX-License-Identifier: MIT
"""Writes files completely or not at all, and shows progress."""
import contextlib
import errno
import os
import stat
import sys
import time

from .errors import ExportError


def check_target(path, inputs):
    """Refuses to overwrite a device or an input at `path`, which could not be undone."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISREG(status.st_mode):
        raise ExportError(f"{path}: exists, and is not a regular file")
    if any(os.path.samefile(path, one) for one in inputs):
        raise ExportError(f"{path}: is an input: give another name for the output")


PIECE = 2 << 20  # bytes


class InPieces:
    """Writes to a file in whole pieces: some file systems of Linux cache such files in huge pages,
    from which reading is up to a tenth faster."""

    def __init__(self, file):
        self._file = file
        self._rest = bytearray()

    def write(self, data):
        """`data` is any object whose bytes are contiguous."""
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
    """A file for `size` bytes, which replaces `path` when the block ends without an error. Until
    then it has another name in the same folder. On an error it is removed, and `path` stays."""
    target = os.path.realpath(path)  # replaces the target of a symbolic link, not the link
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
    """Allocates the file, so that a full disk is noticed now, and not after an hour."""
    try:
        os.posix_fallocate(file.fileno(), 0, size)
    except AttributeError:  # this system has no such function
        pass
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
            raise


class Progress:
    """Shows how much of `total` is done: by a bar on a terminal, else by a line for each tenth (if
    the work takes a second or more)."""

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
