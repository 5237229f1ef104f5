#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""terminal.py [--interrupt TEXT TIMES] [--resize TEXT TIMES ROWS COLUMNS]... [--breaks-anew]
            ROWS COLUMNS PROGRAM [ARGUMENT...]

Runs a program on a terminal of this size and prints the screen at its end: all lines, beginning with
those that have scrolled off the top; then `cursor: COLUMN` and `moves up: N`. --interrupt types Ctrl-C
once TEXT has appeared TIMES times; each --resize then changes the terminal's size, one after the
other. With --breaks-anew, lines are wrapped again for another width. Exits with the program's exit
code, or with 99 if the program uses a sequence that this terminal does not know.
"""
import argparse
import codecs
import fcntl
import os
import pty
import select
import struct
import sys
import termios

from screen import Screen


def set_size(fd, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def run(command, screen, events):
    """Runs a program, whose output goes to the screen. Returns its exit code.

    events: (text, how often it must have appeared since the event before, what to do then).
    """
    pid, fd = pty.fork()
    if pid == 0:
        set_size(0, screen.rows, screen.columns)
        os.environ["TERM"] = "xterm"
        os.execvp(command[0], command)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    seen = ""
    while True:
        try:
            piece = os.read(fd, 65536)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        text = decoder.decode(piece)
        screen.show(text)
        seen += text
        # Once no more output comes, everything that was written for the old size has arrived.
        if events and seen.count(events[0][0]) >= events[0][1] and not select.select([fd], [], [], 0.02)[0]:
            events.pop(0)[2](fd)
            seen = ""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--interrupt", nargs=2)
    parser.add_argument("--resize", nargs=4, action="append", default=[])
    parser.add_argument("--breaks-anew", action="store_true")
    parser.add_argument("rows", type=int)
    parser.add_argument("columns", type=int)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    o = parser.parse_args()
    screen = Screen(o.rows, o.columns, o.breaks_anew)

    def resizer(rows, columns):
        def resize(fd):
            screen.resize(rows, columns)
            set_size(fd, rows, columns)
        return resize

    events = [(text, int(times), resizer(int(rows), int(columns)))
              for text, times, rows, columns in o.resize]
    if o.interrupt:
        events.append((o.interrupt[0], int(o.interrupt[1]), lambda fd: os.write(fd, b"\x03")))
    try:
        code = run(o.command, screen, events)
    except ValueError as error:
        print(error)
        code = 99
    for line in screen.all_rows():
        print(line)
    print("cursor:", screen.column)
    print("moves up:", screen.moves_up)
    sys.exit(code)


main()
