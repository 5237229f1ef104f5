#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""clamma_chat_terminal.py PROGRAM MODEL BABBLER DICTIONARY: tests clamma-chat on a terminal.

Prints a line for each check: `ok` and its name, or `FAILED`, its name and what the terminal showed.
BABBLER is a model whose answers do not end. Writes to folders in the working directory.
"""
import fcntl
import json
import os
import pty
import re
import select
import signal
import stat
import struct
import sys
import termios
import time
import traceback

import scripted_model

failures = 0
SCREEN = re.compile(rb"\x1b\[[\d;?]*[A-Za-z]")  # moves the cursor, or sets colours


class Terminal:
    def __init__(self, *command, size=(24, 80), **environment):
        self.seen = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update({"TERM": "xterm", "LC_ALL": "C.UTF-8"})
            # libedit never frees the names of functions that are added to it.
            os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
            os.environ.update(environment)
            os.execvp(command[0], command)
        self.resize(*size)

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        time.sleep(0.5)  # the prompt may appear just before the editor reads keys
        while text:
            written = os.write(self.fd, text[:512])
            text = text[written:]
            self.read(0)

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
        """Waits until condition(output) holds for the output since the last wait. Returns this output."""
        end = time.monotonic() + seconds
        while not condition(self.seen) and time.monotonic() < end:
            self.read(0.2)
        seen = self.seen
        check(what, condition(seen), repr(seen[-500:]))
        self.seen = b""
        return seen

    def echoes(self):
        flags = termios.tcgetattr(self.fd)[3]
        return bool(flags & termios.ECHO) and bool(flags & termios.ICANON)

    def interrupts(self):
        return termios.tcgetattr(self.fd)[6][termios.VINTR] == b"\x03"

    def code(self):
        end = time.monotonic() + 20
        while time.monotonic() < end:
            self.read(0.1)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                while self.read(0):
                    pass
                return os.waitstatus_to_exitcode(status)
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)
        return None


def check(what, holds, shown=""):
    global failures
    print("ok" if holds else "FAILED", what, "" if holds else shown, flush=True)
    failures += 0 if holds else 1


def plain(seen):
    return SCREEN.sub(b"", seen)


def prompted(seen):
    return plain(seen).rstrip(b"\r").endswith(b"> ")


def answered(seen):
    return b"tok/s" in seen and prompted(seen)


def saved_messages(t):
    """Returns the messages of the chat so far, as /save writes them."""
    if os.path.exists("typed.state"):
        os.unlink("typed.state")
    t.type(b"/save typed.state\r")
    t.wait_for("saved", lambda s: b"saved to" in s and prompted(s))
    with open("typed.state", "rb") as file:
        messages = json.loads(file.readline())["messages"]
    return [m["content"] for m in messages if m["role"] == "user"]


def quit_chat(t, what):
    t.type(b"/quit\r")
    check(f"{what}: ends with 0", t.code() == 0)


def edits_lines(program, model):
    t = Terminal(*program, *model, "-t", "0", "-n", "20")
    t.wait_for("the description, help and a prompt", lambda s: prompted(s)
               and "☙ Clamma ❧ stories260K.bin: ".encode() in s and b"dim 64" in s
               and re.search(rb"\nSession: 0\.665 MB, temperature 0, top-p 0\.9, seed [1-9]\d*\r", s)
               and b"/help" in s and b"Ctrl-D" in s)
    t.type(b"Who is Lilx\x7fy?\r")
    t.wait_for("an answer to an edited line", answered)
    t.type(b"\x1b[A")
    t.wait_for("the arrow brings back the line", lambda s: b"Who is Lily?" in s)
    t.type(b"\x03")
    t.wait_for("Ctrl-C drops a line", prompted)
    t.type(b"/help\r")
    t.wait_for("/help", lambda s: b"/reset" in s and prompted(s))
    t.type("caf\u00e9\x7f\x7fe\r".encode())
    t.wait_for("a character of two bytes goes as one",
               lambda s: b"cae\r\n" in plain(s) and answered(s))
    t.type(b"\x04")
    check("Ctrl-D ends with 0", t.code() == 0)
    check("... and pastes have no brackets any more", t.seen.endswith(b"\x1b[?2004l"), repr(t.seen))


def interrupts(program, babbler):
    t = Terminal(*program, *babbler, "-t", "0")
    t.wait_for("the babbler's prompt", prompted)
    for what in ("Ctrl-C stops the answer and not the program", "a second Ctrl-C, too"):
        t.type(b"Go\r")
        t.wait_for("an answer that goes on", lambda s: b"aaaaaaaaaaaaaaaaaaaa" in s)
        t.type(b"\x03")
        t.wait_for(what, prompted)
    t.type(b"Go\r")
    t.wait_for("an answer", lambda s: b"aaaaaaaa" in s)
    os.write(t.fd, b"/hel")
    t.read(0.2)
    os.write(t.fd, b"\x03")
    t.wait_for("what was typed before Ctrl-C is the next line", lambda s: plain(s).endswith(b"> /hel"))
    t.type(b"p\r")
    t.wait_for("... and goes on", lambda s: b"/reset" in s and prompted(s))
    quit_chat(t, "after Ctrl-C")


def ends_by_signals(program, model, babbler):
    t = Terminal(*program, *model)
    t.wait_for("a prompt", prompted)
    t.type(b"abc")
    t.wait_for("a line is edited", lambda s: s.endswith(b"abc"))
    check("... on a terminal that echoes nothing", not t.echoes())
    os.kill(t.pid, signal.SIGTERM)
    check("SIGTERM ends it", t.code() == -signal.SIGTERM)
    check("... and leaves a terminal that echoes", t.echoes())
    check("... and has its Ctrl-C", t.interrupts())
    check("... and no brackets", b"\x1b[?2004l" in t.seen)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        t = Terminal(*program, *babbler, "-t", "0")
        t.wait_for("a prompt", prompted)
        t.type(b"Go\r")
        t.wait_for("an answer", lambda s: b"aaaaaaaa" in s)
        check("... on a terminal that echoes nothing", not t.echoes())
        os.kill(t.pid, number)
        check(f"{number.name} ends an answer", t.code() == -number)
        check("... and leaves a terminal that echoes", t.echoes())
        check("... and no brackets", b"\x1b[?2004l" in t.seen)


def knows_locales(program, model):
    for locale in ("C", "xx_XX.UTF-8"):  # no locale, and one that is not installed
        t = Terminal(*program, *model, "-t", "0", "-n", "2", LC_ALL=locale)
        t.wait_for(f"locale {locale}: a prompt", prompted)
        t.type("Gr\u00f6\u00dfe \u732b\r".encode())
        t.wait_for("an answer", answered)
        t.type(b"no \xff\xfe\xe7\x8ccharacters\xc3\r")
        t.wait_for("an answer to what is no UTF-8", answered)
        said = saved_messages(t)
        check("no letter is lost", said == ["Gr\u00f6\u00dfe \u732b", "no characters"], repr(said))
        quit_chat(t, locale)


def takes_several_lines(program, model):
    t = Terminal(*program, *model, "-t", "0", "-n", "2")
    t.wait_for("a prompt", prompted)
    expected = []
    t.type('\x1b[200~def f\u00fcr():\n\treturn "\u732b"\n\n\x1b[201~'.encode())
    t.wait_for("a paste is not said at once", lambda s: "\u732b".encode() in s, 5)
    t.type(b" x\r")
    t.wait_for("a paste of lines is one prompt", lambda s: answered(s) and s.count(b"tok/s") == 1)
    expected.append('def f\u00fcr():\n\treturn "\u732b" x')
    t.type(b"\x1b[200~\x1b[201~no\tpaste\r")
    t.wait_for("an empty paste, and a Tab", answered)
    expected.append("no\tpaste")
    t.type(b"\x1b[200~// f()\nint f();\x1b[201~\r")
    t.wait_for("a paste that begins with slashes", answered)
    expected.append("// f()\nint f();")
    t.type(b'"""one\r')
    t.wait_for('""" goes on', lambda s: plain(s).endswith(b". "))
    t.type(b"  two\\\r")
    t.wait_for("... and on", lambda s: plain(s).endswith(b". "))
    t.type(b'/help"""\r')
    t.wait_for('... to """', answered)
    expected.append("one\n  two\\\n/help")
    t.type(b"three\\\r")
    t.wait_for("a \\ goes on", lambda s: plain(s).endswith(b". "))
    t.type(b"four\r")
    t.wait_for("... to a line without", answered)
    expected.append("three\nfour")
    t.type(b'"""dropped\r')
    t.wait_for("a text", lambda s: plain(s).endswith(b". "))
    t.type(b"\x03")
    t.wait_for("Ctrl-C drops all of it", prompted)
    said = saved_messages(t)
    check("all was said as it was typed", said == expected, repr(said))
    t.type(b"\x1b[A\x1b[A\x1b[A")
    t.wait_for("the history has the lines", lambda s: b"four" in s)
    t.type(b"\x03")
    t.wait_for("a prompt again", prompted)
    quit_chat(t, "several lines")


def bears_what_is_too_large(program, model):
    t = Terminal(*program, *model, "-t", "0", "-n", "2", size=(5, 10))
    t.wait_for("10 columns: a prompt", prompted)
    text = b"A line that is higher than the terminal. " * 3
    t.type(text + b"\x1b[D" * 30 + b"y\x01" + b"x" * 60 + b"\x05!\r")
    t.wait_for("... and an answer to a line that is higher", answered, 60)
    lines = b"\n".join(b"%d" % n for n in range(20))
    t.type(b"\x1b[200~" + lines + b"\x1b[201~" + b"\x1b[D" * 40 + b"-\r")
    t.wait_for("... and to a paste that is", answered, 60)
    expected = [(b"x" * 60 + text[:-30] + b"y" + text[-30:] + b"!").decode(),
                (lines[:-40] + b"-" + lines[-40:]).decode()]
    said = saved_messages(t)
    check("... as they were typed", said == expected, repr(said))
    t.type(b"So:\x1b[200~" + b"word " * 100000 + b"end\x1b[201~")
    t.wait_for("... and a huge paste, which has a name", lambda s: b"e 1]" in s, 60)
    t.type(b"\r")
    seen = t.wait_for("... and is all said", lambda s: b"prompt takes" in s and prompted(s), 60)
    tokens = re.search(rb"prompt takes (\d+) tokens", plain(seen).replace(b"\r\n", b""))
    check("... which no context holds", tokens and int(tokens[1]) > 100000, repr(seen))
    t.type(b"z" * 6000 + b"\x15/quit\r")
    check("... as is a line without an end, which is dropped", t.code() == 3, repr(t.seen[-300:]))


def edits_elsewhere(program, model):
    with open("editor.sh", "w") as file:
        file.write('#!/bin/sh\nprintf " again\\nand again" >>"$2"\ncp "$2" edited\n[ "$1" = -x ]\n')
    os.chmod("editor.sh", 0o755)
    t = Terminal(*program, *model, "-t", "0", "-n", "2", EDITOR="./editor.sh -x", VISUAL="")
    t.wait_for("a prompt", prompted)
    t.type(b"/edit Say it\r")
    t.wait_for("/edit says what was written", lambda s: b"Say it again" in s and answered(s))
    said = saved_messages(t)
    check("... all of it", said == ["Say it again\nand again"], repr(said))
    quit_chat(t, "/edit")
    t = Terminal(*program, *model, "-t", "0", "-n", "2", EDITOR="false")
    t.wait_for("a prompt", prompted)
    t.type(b"/edit Say it\r")
    t.wait_for("an editor that fails", lambda s: b"the editor failed" in s and prompted(s))
    t.type(b"/exit\r")
    check("/exit after a command that failed: 3", t.code() == 3)


def completes(program, model):
    os.makedirs("some folder", exist_ok=True)
    for name in ("some folder/one.chat", "some folder/other.chat"):
        open(name, "w").close()
    t = Terminal(*program, *model)
    t.wait_for("a prompt", prompted)
    t.type(b"/re\t")
    t.wait_for("Tab begins what all have in common, or lists them",
               lambda s: b"/regenerate" in s and b"/reset" in s)
    t.type(b"s\t\r")
    t.wait_for("Tab completes a command", lambda s: b"is forgotten" in s and prompted(s))
    t.type(b"/load some\t")
    t.wait_for("Tab completes a folder", lambda s: b"folder/" in s)
    t.type(b"o\t")
    t.wait_for("Tab lists files", lambda s: b"one.chat" in s and b"other.chat" in s)
    t.type(b"n\t\r")
    t.wait_for("Tab completes a file",
               lambda s: b"some folder/one.chat: is no saved chat" in s and prompted(s))
    t.type(b"/load ~/some\t")
    t.wait_for("Tab knows ~", lambda s: b"folder/" in s)
    t.type(b"\x03")
    t.wait_for("a prompt again", prompted)
    t.type(b"/nothing\t\x15/bye\r")
    check("/bye after a failure: 3", t.code() == 3)


def keeps_history(program, model):
    state = {"XDG_STATE_HOME": os.path.abspath("state")}
    t = Terminal(*program, *model, "-t", "0", "-n", "2", **state)
    t.wait_for("a prompt", prompted)
    t.type("\x1b[200~T\u00f6m\nand Lily\x1b[201~\r".encode())
    t.wait_for("an answer", answered)
    quit_chat(t, "history")
    path = "state/clamma/chat_history"
    check("the history is kept", os.path.exists(path))
    check("... for its owner alone", stat.S_IMODE(os.stat(path).st_mode) == 0o600)
    t = Terminal(*program, *model, "-t", "0", "-n", "2", **state)
    t.wait_for("a prompt", prompted)
    t.type(b"\x1b[A\x1b[A\r")
    t.wait_for("... and found again", answered)
    said = saved_messages(t)
    check("... as it was", said == ["T\u00f6m\nand Lily"], repr(said))
    quit_chat(t, "history, again")
    t = Terminal(*program, *model, XDG_STATE_HOME="/proc/nowhere")
    t.wait_for("no place for a history: a prompt", prompted)
    quit_chat(t, "no place for a history")


def shows_progress(program):
    scripted_model.write("slow.gguf", ["Done", "."], context=2048, hidden=65536, layers=6)
    slow = ("slow.gguf", "-h", "1")
    t = Terminal(*program, *slow)
    t.wait_for("the slow model's prompt", prompted)
    # Prompts that take some seconds even on a fast machine.
    t.type(b"w" * 100)
    begin = time.monotonic()
    os.write(t.fd, b"\r")
    t.wait_for("an answer", answered, 120)
    long = max(200, min(800, int(300 / (time.monotonic() - begin))))
    t.type(b"x" * long + b"\r")
    t.wait_for("a prompt that takes long: a line of progress",
               lambda s: re.search(rb"reading the prompt: \d+ of \d+ tokens", s), 120)
    os.write(t.fd, b"typed ahead\x1b[200~\ntwo\x1b[201~\r")
    seen = t.wait_for("keys that are typed meanwhile are a prompt, a paste among them",
                      lambda s: s.count(b"tok/s") == 2 and prompted(s), 300)
    answer = seen[:seen.index(b"Done")]
    check("... and not shown within the answer", b"typed" not in answer, repr(answer))
    check("the line goes away before the answer", answer.endswith(b"\r\x1b[K"), repr(answer))
    said = saved_messages(t)
    check("... both were said", said == ["w" * 100, "x" * long, "typed ahead\ntwo"], repr(said))
    t.type(b"y" * long + b"\r")
    t.wait_for("a line of progress", lambda s: b"reading the prompt: " in s)
    os.write(t.fd, b"\x03")
    seen = t.wait_for("Ctrl-C stops reading", prompted)
    check("... and the line goes away", b"\r\x1b[K\r\n" in seen, repr(seen))
    quit_chat(t, "progress")
    t = Terminal(*program, *slow, TERM="dumb")
    t.wait_for("TERM=dumb: a prompt", prompted)
    t.type(b"x" * 100 + b"\r")
    seen = t.wait_for("an answer", lambda s: b"Done" in s and prompted(s), 60)
    t.type(b"\x04")
    check("Ctrl-D ends it", t.code() == 0)
    check("TERM=dumb: no sequences", b"\x1b" not in seen + t.seen, repr(seen))
    thoughts = [f" w{n}" for n in range(200)]
    scripted_model.write("slow.gguf", ["<think>", *thoughts, "</think>", "Done"], context=2048,
                         hidden=8192, layers=6)
    t = Terminal(*program, *slow, "--think", "hide")
    t.wait_for("hidden thoughts: a prompt", prompted)
    t.type(b"hi\r")
    seen = t.wait_for("... a line of progress, and an answer",
                      lambda s: re.search(rb"thinking: \d+ tokens", s) and answered(s), 60)
    check("... which has taken its place", b"\r\x1b[KDone\r\n" in seen and b" w1" not in seen, repr(seen))
    quit_chat(t, "hidden thoughts")
    os.unlink("slow.gguf")


def shows_thoughts(program):
    scripted_model.write("thinking.gguf", ["<thi", "nk>", "Let me", " see.", "</", "think>", "\n\n",
                                           "It is", " 4."])
    dim, reset, typed = b"\x1b[2m", b"\x1b[0m", b"\x1b[1;36m"
    thoughts = b"<think>Let me see.</think>"
    for options, environment, expected in (
            ((), {}, dim + thoughts + reset + b"\r\n\r\nIt is 4.\r\n"),
            (("--think", "show"), {}, thoughts + b"\r\n\r\nIt is 4.\r\n"),
            (("--think", "hide"), {}, reset + b"It is 4.\r\n"),
            ((), {"NO_COLOR": "1"}, b"\n" + thoughts + b"\r\n\r\nIt is 4.\r\n")):
        t = Terminal(*program, "thinking.gguf", *options, **environment)
        what = f"{options} {environment}"
        first = t.wait_for(f"thoughts {what}: a prompt", prompted)
        t.type(b"hi\r")
        seen = t.wait_for("an answer", answered)
        check("... as it should be", expected in seen, repr(seen))
        check("a coloured prompt", (typed in first) == (not environment), repr(first))
        if environment:
            check("NO_COLOR: no colours at all", b"m" not in re.findall(rb"\x1b\[[\d;]*(.)", seen))
        quit_chat(t, what)


def shows_channels(program):
    """gpt-oss writes its thoughts and its answer as separate messages."""
    scripted_model.write("channels.gguf", ["<|channel|>", "analysis", "<|message|>", "Let me", " see.",
                                           "<|end|>"],
                         then=["<|start|>", "assistant", "<|channel|>", "final", "<|message|>",
                               "It is", " 4."])
    dim, reset = b"\x1b[2m", b"\x1b[0m"
    thoughts = b"<think>\r\nLet me see.\r\n</think>"
    for options, environment, expected in (
            ((), {}, dim + thoughts + reset + b"\r\n\r\nIt is 4.\r\n"),
            (("--think", "show"), {}, thoughts + b"\r\n\r\nIt is 4.\r\n"),
            (("--think", "hide"), {}, reset + b"It is 4.\r\n"),
            ((), {"NO_COLOR": "1"}, b"\n" + thoughts + b"\r\n\r\nIt is 4.\r\n")):
        t = Terminal(*program, "channels.gguf", *options, **environment)
        what = f"channels {options} {environment}"
        t.wait_for(f"{what}: a prompt", prompted)
        t.type(b"hi\r")
        seen = t.wait_for("an answer", answered)
        check("... as it should be", expected in seen, repr(seen))
        check("... and no name or mark of a channel",
              not any(word in seen for word in (b"<|", b"analysis", b"final", b"assistant")), repr(seen))
        t.type(b"/regenerate\r")
        seen = t.wait_for("another answer", answered)
        check("... the same", expected in seen, repr(seen))
        quit_chat(t, what)


def stops_and_goes_on(program, babbler):
    shell = Terminal("bash", "--norc", "--noprofile", "-i", PS1="$ ")
    shell.wait_for("a shell", lambda s: s.endswith(b"$ "))
    shell.type((" ".join(f"'{word}'" for word in (*program, *babbler)) + " -t 0\r").encode())
    shell.wait_for("its chat", prompted)
    shell.type(b"half a li")
    shell.wait_for("a line", lambda s: s.endswith(b"li"))
    shell.type(b"\x1a")
    seen = shell.wait_for("Ctrl-Z stops a line", lambda s: b"Stopped" in s and s.endswith(b"$ "))
    check("... without brackets", b"\x1b[?2004l" in seen, repr(seen))
    shell.type(b"fg\r")
    shell.wait_for("fg goes on with it", lambda s: plain(s).endswith(b"half a li"))
    shell.type(b"ne\r")
    shell.wait_for("an answer", lambda s: b"aaaaaaaa" in s)
    shell.type(b"\x1a")
    shell.wait_for("Ctrl-Z stops an answer", lambda s: b"Stopped" in s and s.endswith(b"$ "))
    shell.type(b"echo 'se''en'\r")
    shell.wait_for("... and the shell echoes", lambda s: b"'se''en'" in s and b"seen\r\n" in s)
    shell.type(b"fg\r")
    shell.wait_for("fg goes on with it", lambda s: b"aaaaaaaa" in s)
    check("... without echo", not shell.echoes())
    shell.type(b"\x03")
    shell.wait_for("Ctrl-C", prompted)
    shell.type(b"/quit\r")
    shell.wait_for("the shell again", lambda s: s.endswith(b"$ "))
    shell.type(b"exit\r")
    check("the shell ends with 0", shell.code() == 0)


def keeps_streams_apart(program, model):
    t = Terminal("sh", "-c", 'exec "$0" "$@" >answers', *program, *model, "-t", "0", "-n", "3", "-q")
    t.wait_for("stdout is a file: a prompt", prompted)
    t.type(b"Who is Lily?\r")
    t.wait_for("... and another", lambda s: b"Lily" in s and prompted(s))
    t.type(b"\x04")
    check("... and an end", t.code() == 0)
    with open("answers", "rb") as file:
        answer = file.read()
    check("... and the answer alone in the file", answer.count(b"\n") == 1 and b">" not in answer
          and b"\x1b" not in answer, repr(answer))
    t = Terminal(*program, *model, "-t", "0", "-n", "3", TERM="no-such-terminal")
    t.wait_for("a terminal that nobody knows: a prompt", prompted)
    t.type(b"Who?\r")
    t.wait_for("... and an answer", answered)
    quit_chat(t, "an unknown terminal")


def resizes(program, model):
    for keys, code in ((b"\x04", 0), (b"/quit\r", 0)):
        t = Terminal(*program, *model)
        t.wait_for("a prompt", prompted)
        time.sleep(0.5)
        for columns in (40, 100, 7):
            t.resize(30, columns)
            time.sleep(0.2)
        t.type(keys)
        check(f"after the window has changed, {keys} ends it", t.code() == code)


def play_one(scene, arguments, folder):
    """Runs in a process of its own, and ends it."""
    global failures
    os.mkdir(folder)
    os.chdir(folder)
    os.environ.update({"XDG_STATE_HOME": os.path.abspath("state0"), "HOME": os.getcwd()})
    report = os.open("report", os.O_WRONLY | os.O_CREAT)
    os.dup2(report, 1)
    os.dup2(report, 2)
    try:
        scene(*arguments)
    except BaseException:  # pylint: disable=broad-except  the process must end here
        traceback.print_exc()
        failures += 1
    os._exit(1 if failures else 0)


def play(scenes, at_once=5):
    """Plays scenes (function, argument...), each in a folder of its own, several at a time because
    most of them only wait. Prints their results. Returns whether all checks succeeded."""
    only = os.environ.get("ONLY", "")
    waiting = [scene for scene in scenes if only in scene[0].__name__]
    running, good = {}, True
    while waiting or running:
        while waiting and len(running) < at_once:
            scene, *arguments = waiting.pop(0)
            folder = f"{scene.__name__}{len(waiting)}"
            pid = os.fork()
            if pid == 0:
                play_one(scene, arguments, folder)
            running[pid] = folder
        pid, status = os.wait()
        good = good and status == 0
        with open(os.path.join(running.pop(pid), "report"), encoding="utf-8") as report:
            print(report.read(), end="", flush=True)
    return good


def main():
    program, model, babbler, dictionary = map(os.path.abspath, sys.argv[1:])
    program, model, babbler = (program,), (model, "-z", dictionary), (babbler, "-z", dictionary)
    scenes = ((shows_progress, program), (bears_what_is_too_large, program, model),
              (takes_several_lines, program, model), (shows_channels, program),
              (ends_by_signals, program, model, babbler), (shows_thoughts, program),
              (stops_and_goes_on, program, babbler), (edits_lines, program, model),
              (completes, program, model), (keeps_history, program, model),
              (knows_locales, program, model), (edits_elsewhere, program, model),
              (interrupts, program, babbler), (keeps_streams_apart, program, model),
              (resizes, program, model))
    sys.exit(0 if play(scenes) else 1)


if __name__ == "__main__":
    main()
