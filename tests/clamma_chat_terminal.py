#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""clamma_chat_terminal.py PROGRAM MODEL BABBLER DICTIONARY: sits at a terminal and chats.

Prints a line for each thing that it looks for: `ok` and what it is, or `FAILED`, what it is and what
the terminal showed. BABBLER is a model whose answers do not end.
"""
import os
import pty
import re
import select
import signal
import sys
import termios
import time

failures = 0


class Terminal:
    def __init__(self, *command, locale="C.UTF-8"):
        self.seen = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "xterm"
            os.environ["LC_ALL"] = locale
            # libedit never frees the names of functions that are added to it.
            os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
            os.execvp(command[0], command)

    def type(self, text):
        time.sleep(0.5)  # a prompt may be seen just before the keys are the editor's
        os.write(self.fd, text)

    def read(self, seconds):
        if not select.select([self.fd], [], [], seconds)[0]:
            return False
        try:
            piece = os.read(self.fd, 65536)
        except OSError:
            return False
        self.seen += piece
        return bool(piece)

    def wait_for(self, what, condition, seconds=30):
        """Until condition(all that was shown since the last wait) holds."""
        global failures
        end = time.monotonic() + seconds
        while not condition(self.seen) and time.monotonic() < end:
            self.read(0.2)
        if condition(self.seen):
            print("ok", what)
        else:
            failures += 1
            print("FAILED", what, repr(self.seen[-500:]))
        self.seen = b""

    def echoes(self):
        return bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)

    def interrupts(self):
        return termios.tcgetattr(self.fd)[6][termios.VINTR] == b"\x03"

    def code(self):
        end = time.monotonic() + 20
        while time.monotonic() < end:
            self.read(0.1)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)
        return None


def check(what, holds):
    global failures
    print("ok" if holds else "FAILED", what)
    failures += 0 if holds else 1


def prompted(seen):
    return seen.rstrip(b"\x1b[K\r").endswith(b"> ") or seen.endswith(b"> ")


def main():
    program, model, babbler, dictionary = sys.argv[1:]
    t = Terminal(program, model, "-z", dictionary, "-t", "0", "-n", "20")
    t.wait_for("the description and a prompt", lambda s: b"dim 64" in s and prompted(s))
    t.type(b"Who is Lilx\x7fy?\r")
    t.wait_for("an answer to an edited line", lambda s: b"tok/s" in s and prompted(s))
    t.type(b"\x1b[A")
    t.wait_for("the arrow brings back the line", lambda s: b"Who is Lily?" in s)
    t.type(b"\x03")
    t.wait_for("Ctrl-C drops a line", prompted)
    t.type(b"/help\r")
    t.wait_for("/help", lambda s: b"/reset" in s and prompted(s))
    t.type("caf\u00e9\x7f\x7fe\r".encode())
    t.wait_for("a character of two bytes goes as one",
               lambda s: b"cae\r\n" in re.sub(rb"\x1b\[\d*[A-Z]", b"", s) and b"tok/s" in s and prompted(s))
    t.type(b"\x04")
    check("Ctrl-D ends with 0", t.code() == 0)

    t = Terminal(program, babbler, "-z", dictionary, "-t", "0")
    t.wait_for("the babbler's prompt", prompted)
    t.type(b"Go\r")
    t.wait_for("an answer that goes on", lambda s: b"aaaaaaaaaaaaaaaaaaaa" in s)
    t.type(b"\x03")
    t.wait_for("Ctrl-C stops the answer and not the program", prompted)
    t.type(b"Again\r")
    t.wait_for("the next answer", lambda s: b"aaaaaaaaaaaaaaaaaaaa" in s)
    t.type(b"\x03")
    t.wait_for("a second Ctrl-C, too", prompted)
    t.type(b"/quit\r")
    check("/quit ends with 0", t.code() == 0)

    t = Terminal(program, model, "-z", dictionary)
    t.wait_for("a prompt", prompted)
    t.type(b"abc")
    t.wait_for("a line is edited", lambda s: s.endswith(b"abc"))
    check("... on a terminal that echoes nothing", not t.echoes())
    os.kill(t.pid, signal.SIGTERM)
    check("SIGTERM ends it", t.code() == -signal.SIGTERM)
    check("... and leaves a terminal that echoes", t.echoes())
    check("... and has its Ctrl-C", t.interrupts())

    for locale in ("C", "xx_XX.UTF-8"):  # nothing is set, and what is not installed
        t = Terminal(program, model, "-z", dictionary, "-t", "0", "-n", "2", locale=locale)
        t.wait_for(f"locale {locale}: a prompt", prompted)
        t.type("Gr\u00f6\u00dfe \u732b\r".encode())
        t.wait_for("an answer", lambda s: b"tok/s" in s and prompted(s))
        t.type(b"/save typed.state\r")
        t.wait_for("saved", lambda s: b"saved to" in s and prompted(s))
        with open("typed.state", "rb") as file:
            check("no letter is lost", "\"prompt\":\"Gr\u00f6\u00dfe \u732b\"".encode() in file.readline())
        os.unlink("typed.state")
        t.type(b"/quit\r")
        check("it ends with 0", t.code() == 0)
    sys.exit(1 if failures else 0)


main()
