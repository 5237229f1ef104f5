#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""terminal.py [--interrupt TEXT TIMES] ROWS COLUMNS PROGRAM [ARGUMENT...]

Runs a program on a terminal of that size and prints what somebody who sits there has before them at
its end: all lines, those that have gone out at the top first; then `cursor: COLUMN` and
`moves up: N`. With --interrupt, types Ctrl-C once TEXT has appeared so often. Ends with the program's
exit code; 99 if the program uses what this terminal does not know.
"""
import fcntl
import os
import pty
import re
import struct
import sys
import termios

SEQUENCE = re.compile(rb"\x1b\[(\d*)([A-Za-z])")


class Screen:
    """A terminal that wraps long lines, scrolls, and knows the sequences A, J and K."""

    def __init__(self, rows, columns):
        self.rows, self.columns = rows, columns
        self.gone = []  # lines that have scrolled out
        self.lines = [b"" for _ in range(rows)]
        self.row = self.column = self.moves_up = 0

    def line_feed(self):
        if self.row < self.rows - 1:
            self.row += 1
        else:
            self.gone.append(self.lines.pop(0))
            self.lines.append(b"")

    def put(self, byte):
        if self.column == self.columns:
            self.column = 0
            self.line_feed()
        line = self.lines[self.row].ljust(self.column)
        self.lines[self.row] = line[: self.column] + byte + line[self.column + 1 :]
        self.column += 1

    def obey(self, number, what):
        if what == b"A":
            self.row = max(0, self.row - int(number or 1))
            self.moves_up += 1
        elif what in b"JK" and number == b"":
            self.lines[self.row] = self.lines[self.row][: self.column]
            if what == b"J":
                self.lines[self.row + 1 :] = [b""] * (self.rows - self.row - 1)
        else:
            sys.exit(99)

    def show(self, data):
        at = 0
        while at < len(data):
            byte = data[at : at + 1]
            sequence = SEQUENCE.match(data, at)
            if sequence:
                self.obey(*sequence.groups())
                at = sequence.end()
                continue
            if byte == b"\r":
                self.column = 0
            elif byte == b"\n":
                self.line_feed()
            elif byte >= b" ":
                self.put(byte)
            else:
                sys.exit(99)
            at += 1


def run(command, size, interrupt_at, times):
    """Returns all that the program wrote to its terminal, and its exit code."""
    pid, fd = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
        os.environ["TERM"] = "xterm"
        os.execvp(command[0], command)
    data = b""
    while True:
        try:
            piece = os.read(fd, 65536)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        data += piece
        if interrupt_at and data.count(interrupt_at) >= times:
            os.write(fd, b"\x03")
            interrupt_at = None
    return data, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main():
    arguments = sys.argv[1:]
    interrupt_at, times = None, 0
    if arguments[0] == "--interrupt":
        interrupt_at, times = arguments[1].encode(), int(arguments[2])
        arguments = arguments[3:]
    rows, columns = int(arguments[0]), int(arguments[1])
    data, code = run(arguments[2:], (rows, columns), interrupt_at, times)
    screen = Screen(rows, columns)
    screen.show(data)
    for line in screen.gone + screen.lines:
        print(line.decode().rstrip())
    print("cursor:", screen.column)
    print("moves up:", screen.moves_up)
    sys.exit(code)


main()
