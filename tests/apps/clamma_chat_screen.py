#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""clamma_chat_screen.py PROGRAM MODEL DICTIONARY: tests what clamma-chat leaves on the screen.

Like clamma_chat_terminal.py, but checks what the screen shows at the end of each scene: after the
window was resized, after a stop, and after keys were typed during an answer.
"""
import codecs
import os
import re
import sys
import time

import clamma_chat_terminal as chat
import scripted_model
from clamma_chat_terminal import answered, check, plain, prompted
from screen import Screen

HELP = "/help lists commands, Ctrl-D ends"


class ScreenTerminal(chat.Terminal):
    """A terminal of one of these kinds. When its width changes, "anew" wraps its lines again, while
    "cut" and "silent" cut them off; "silent" also never reports where its cursor is."""

    def __init__(self, *command, kind="anew", size=(24, 80), **environment):
        self.screen = Screen(*size, breaks_anew=kind == "anew")
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.kind = kind
        self.asked = 0
        super().__init__(*command, size=size, **environment)

    def read(self, seconds):
        before = len(self.seen)
        if not super().read(seconds):
            return False
        self.screen.show(self.decoder.decode(self.seen[before:]))
        for answer in self.screen.answers:
            self.asked += 1
            if self.kind != "silent":
                os.write(self.fd, answer)
        self.screen.answers.clear()
        return True

    def settle(self, seconds=0.7):
        """Reads until no more output comes."""
        while self.read(seconds):
            pass
        self.seen = b""

    def resize(self, rows, columns):
        if (rows, columns) != (self.screen.rows, self.screen.columns):
            self.settle()
            self.screen.resize(rows, columns)
        super().resize(rows, columns)

    def below(self, line):
        """Returns the rows from the last one that equals `line` to the last one that is not empty."""
        rows = self.screen.all_rows()
        while rows and not rows[-1]:
            rows.pop()
        begin = len(rows) - 1 - rows[::-1].index(line) if line in rows else None
        return rows[begin + 1:] if begin is not None else ["no such line:", *rows]


def wrapped(text, columns):
    return [text[i:i + columns].rstrip() for i in range(0, len(text), columns)]


def has_one_line(program, model, kind):
    """A line that takes several rows is shown once, however the window was resized."""
    text = " ".join(f"word{n}" for n in range(25))  # 190 columns
    t = ScreenTerminal(*program, *model, "-t", "0", "-n", "2", kind=kind)
    t.wait_for(f"{kind}: a prompt", prompted)
    t.type(text.encode())
    t.settle()
    check(f"{kind}: a line of several rows", t.below(HELP) == wrapped("> " + text, 80), t.below(HELP))
    for columns in (61, 100, 47, 48, 70, 40):
        t.resize(24, columns)
        t.settle(1.5)
        check(f"{kind}: {columns} columns: the line is there once, and nothing else",
              t.below(HELP) == wrapped("> " + text, columns), t.below(HELP))
    # Moves the cursor into the line: 100 characters to the left.
    t.type(b"\x1b[D" * 100)
    for columns in (90, 44):
        t.resize(24, columns)
        t.settle(1.5)
        check(f"{kind}: ... and {columns}, with the cursor inside it",
              t.below(HELP) == wrapped("> " + text, columns), t.below(HELP))
    os.write(t.fd, b"X")
    t.settle()
    changed = text[:-100] + "X" + text[-100:]
    check(f"{kind}: what is typed comes where the cursor is",
          t.below(HELP) == wrapped("> " + changed, 44), t.below(HELP))
    check(f"{kind}: a terminal that does not answer is asked once",
          t.asked == 1 if kind == "silent" else t.asked > 1, t.asked)
    t.type(b"\r")
    t.wait_for(f"{kind}: an answer", answered)
    said = chat.saved_messages(t)
    check(f"{kind}: all was said as it was typed", said == [changed], repr(said))
    chat.quit_chat(t, kind)


def is_one_line_again(program, model):
    """A line that was higher than the window is there once when the window is large again."""
    text = " ".join(f"word{n}" for n in range(25))
    t = ScreenTerminal(*program, *model, "-t", "0", "-n", "2")
    t.wait_for("a prompt", prompted)
    t.type(text.encode())
    t.settle()
    for small in ((2, 2), (1, 1), (3, 20), (2, 80)):
        t.resize(*small)
        t.settle(1.5)
        t.resize(24, 80)
        t.settle(1.5)
        check(f"{small} and back: the line is there once, and nothing else",
              t.below(HELP) == wrapped("> " + text, 80), t.below(HELP))
    t.resize(2, 10)
    t.settle(1.5)
    t.type(b" and more\r")
    t.wait_for("an answer to what was typed in a small window", answered)
    said = chat.saved_messages(t)
    check("all of it was said", said == [text + " and more"], repr(said))
    chat.quit_chat(t, "a small window")


def keeps_what_is_typed_while_it_asks(program, model):
    """Keys may arrive between a request for the cursor's position and its answer."""
    text = " ".join(f"word{n}" for n in range(25))
    t = ScreenTerminal(*program, *model, "-t", "0", "-n", "2", kind="silent")
    t.wait_for("a prompt", prompted)
    t.type(text.encode())
    t.settle()
    t.resize(24, 50)
    while not t.asked and t.read(5):
        pass
    os.write(t.fd, b" and")
    os.write(t.fd, b"\x1b[3;3R more\r")
    t.wait_for("an answer", answered)
    said = chat.saved_messages(t)
    check("nothing of it is lost, and the answer is not typed", said == [text + " and more"], repr(said))
    chat.quit_chat(t, "typed while it asks")


def ends_by_the_first_control_d(program, model):
    t = chat.Terminal(*program, *model)
    t.wait_for("a prompt", prompted)
    for columns in (60, 100):
        t.resize(24, columns)
        time.sleep(0.3)
    t.type(b"\x04")
    check("Ctrl-D ends it after a resize", t.code() == 0)

    shell = chat.Terminal("bash", "--norc", "--noprofile", "-i", PS1="$ ")
    shell.wait_for("a shell", lambda s: s.endswith(b"$ "))
    shell.type((" ".join(f"'{word}'" for word in (*program, *model)) + "; echo \"ended: $?\"\r").encode())
    shell.wait_for("its chat", prompted)
    shell.type(b"\x1a")
    shell.wait_for("Ctrl-Z stops it", lambda s: b"Stopped" in s and s.endswith(b"$ "))
    shell.type(b"fg; echo \"en\"\"ded: $?\"\r")
    shell.wait_for("fg goes on with it", prompted)
    shell.type(b"\x04")
    shell.wait_for("Ctrl-D ends it after Ctrl-Z and fg", lambda s: b"ended: 0" in s, 10)
    shell.type(b"exit\r")
    shell.code()


def keeps_tabs(program, model):
    t = chat.Terminal(*program, *model, "-t", "0", "-n", "2")
    t.wait_for("a prompt", prompted)
    t.type(b"a\tb\t\r")
    t.wait_for("an answer to typed tabs", answered)
    t.type(b"\x1b[200~\tif x:\n\t\treturn\ty\x1b[201~\r")
    t.wait_for("... and to pasted ones", answered)
    t.type(b"\ta b\r")
    t.wait_for("... and to one in front", answered)
    said = chat.saved_messages(t)
    # Llama 2's format strips white space around a prompt.
    check("a tab that is typed or pasted is said", said == ["a\tb", "if x:\n\t\treturn\ty", "a b"],
          repr(said))
    chat.quit_chat(t, "tabs")


def keeps_answers_whole(program):
    """Keys that are typed during an answer become the next prompt, and do not appear in the answer."""
    pieces = [f" piece{n}" for n in range(60)]
    scripted_model.write("speaking.gguf", pieces, context=2048, hidden=16384, layers=6)
    answer = "".join(pieces).lstrip()
    t = ScreenTerminal(*program, "speaking.gguf", "-h", "1", size=(40, 80))
    t.wait_for("a prompt", prompted)
    t.type(b"hi\r")
    t.wait_for("an answer has begun", lambda s: b"piece3" in s, 60)
    check("... and goes on", b"piece59" not in t.seen)
    for key in (b"ne", b"xt\t", b"one", b"\r"):
        os.write(t.fd, key)
        t.read(0.1)
    seen = t.wait_for("two answers", lambda s: s.count(b"tok/s") == 2 and prompted(s), 120)
    check("the first one has nothing in it", b"ext" not in plain(seen).split(b"piece59")[0], repr(seen))
    text = " ".join(t.screen.all_rows())
    first = re.search(r"> hi (.*?) achieved tok/s", text)
    check("it is whole on the screen", first is not None
          and first[1].replace(" ", "") == answer.replace(" ", ""), repr(text))
    said = chat.saved_messages(t)
    check("and the keys are the next prompt", said == ["hi", "next\tone"], repr(said))
    chat.quit_chat(t, "typed ahead")
    os.unlink("speaking.gguf")


def tells_of_forgotten_turns_behind_the_answer(program):
    pieces = [f" w{n}" for n in range(40)]
    scripted_model.write("short.gguf", pieces, context=128)
    answer = "".join(pieces).lstrip()
    t = ScreenTerminal(*program, "short.gguf", size=(60, 60))
    t.wait_for("a prompt", prompted)
    notice = None
    for turn in range(4):
        t.type(f"turn {turn}\r".encode())
        seen = plain(t.wait_for(f"turn {turn}: an answer", answered)).decode().replace("\r\n", "\n")
        if "forgotten" in seen:
            notice = seen
            break
    check("turns are forgotten", notice is not None)
    lines = (notice or "").split("\n")
    said = next((i for i, line in enumerate(lines) if line.lstrip().replace(" ", "") ==
                 answer.replace(" ", "")), None)
    told = next((i for i, line in enumerate(lines) if "forgotten" in line), None)
    check("the answer is on a line of its own, and the notice on the next one",
          said is not None and told == said + 1, repr(notice))
    check("which has nothing else", told is not None and re.fullmatch(
        r"clamma-chat: the context was full: the oldest (turn is|\d+ turns are) forgotten", lines[told]),
        repr(notice))
    chat.quit_chat(t, "forgotten turns")
    os.unlink("short.gguf")


def main():
    program, model, dictionary = map(os.path.abspath, sys.argv[1:])
    program, model = (program,), (model, "-z", dictionary)
    scenes = ((keeps_answers_whole, program), *((has_one_line, program, model, kind) for kind in ("anew", "cut", "silent")),
              (ends_by_the_first_control_d, program, model), (keeps_tabs, program, model),
              (is_one_line_again, program, model), (keeps_what_is_typed_while_it_asks, program, model),
              (tells_of_forgotten_turns_behind_the_answer, program))
    sys.exit(0 if chat.play(scenes) else 1)


if __name__ == "__main__":
    main()
