# SPDX-License-Identifier: MIT
"""What the tests of clamma-ws-demo share: the program as a process, a WebSocket client, and a model
whose text does not end."""
import json
import os
import re
import signal
import struct
import subprocess
import sys
import urllib.error
import urllib.request

import websocket  # Debian's python3-websocket
from app_harness import Checks, find_models, until

PREFIX = "clamma_ws_demo_"
# What the program prints on stderr: the model, and visitors' errors.
BANNER = re.compile(r"☙ Clamma ❧ \S+: (llama2\.c |GGUF, )|dim \d+, hidden .* threads?( \(.*\))?$|"
                    r"clamma-ws-demo: .*positions|clamma-ws-demo: only tests, please|"
                    r"clamma-ws-demo: libwebsockets: Ran out of header data space|==\d+== |"
                    r"clamma-ws-demo: refused: .*--allow-origin|clamma-ws-demo: a connection is closed: "
                    r"(std::bad_alloc|there is no memory for it)$")


def begin(doc):
    """Reads a test's arguments, BIN_DIR SOURCE_DIR MORE... Returns BIN_DIR, SOURCE_DIR, the folder of
    the models, the program, its arguments for the small model (a story takes some milliseconds), and
    MORE. Prints `doc` and exits if arguments are missing."""
    if len(sys.argv) < 3:
        sys.exit(doc)
    bin_dir, source_dir = map(os.path.realpath, sys.argv[1:3])
    models = find_models(source_dir)
    small = (os.path.join(models, "stories260K.bin"), "-z", os.path.join(models, "tok512.bin"))
    return bin_dir, source_dir, models, os.path.join(bin_dir, "clamma-ws-demo"), small, sys.argv[3:]


class ChatFormat:
    """A chat template, and how it renders messages. It uses no control tokens, so clamma-gen continues
    a rendered chat with the same answer."""

    TEMPLATE = ("{% for message in messages %}{{ message.role }}: {{ message.content }}. {% endfor %}"
                "assistant:")

    def __init__(self, folder):
        self.path = os.path.join(folder, "template.jinja")
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(self.TEMPLATE)
        self.arguments = ("--template", self.path)

    @staticmethod
    def messages(*contents):
        """Returns messages of the user and the assistant in turn."""
        return [{"role": ("user", "assistant")[i % 2], "content": content}
                for i, content in enumerate(contents)]

    @staticmethod
    def render(messages):
        return "".join(f"{m['role']}: {m['content']}. " for m in messages) + "assistant:"


class AlphabetModel:
    """A version 1 checkpoint, with its dictionary, that generates the alphabet and a space again and
    again, with each letter `repeat` (at least 2) times. The layers take time but change nothing, as
    their weights are 0; in the file they are a hole. The embedding of a letter is a unit vector, which
    the classifier maps to the next letter. All other tokens, such as those of a prompt, have the
    embedding of the space, so "a" follows."""

    LETTERS = "abcdefghijklmnopqrstuvwxyz "
    BYTES = 3  # the number of tokens before those of the 256 bytes
    FIRST = BYTES + 256  # the token of the first letter
    VOCABULARY = FIRST + len(LETTERS)

    def __init__(self, path, dim, layers, context, repeat):
        self.round = "".join(letter * repeat for letter in self.LETTERS)
        self.arguments = (path, "-z", path + ".tok", "-n", "0")
        self._write_dictionary(path + ".tok", repeat)
        self._write_checkpoint(path, dim, layers, context)

    def is_start(self, text):
        """Whether the text is what the model generates from the first letter on."""
        return (self.round * (len(text) // len(self.round) + 1)).startswith(text)

    def _write_dictionary(self, path, repeat):
        tokens = ["<unk>", "\n<s>\n", "\n</s>\n"] + [f"<0x{byte:02X}>" for byte in range(256)]
        tokens += [letter * repeat for letter in self.LETTERS]
        with open(path, "wb") as file:
            file.write(struct.pack("<i", max(map(len, tokens))))
            for token in tokens:
                file.write(struct.pack("<fi", 0, len(token)) + token.encode())

    def _write_checkpoint(self, path, dim, layers, context):
        hidden, letters, tokens = 4 * dim, len(self.LETTERS), self.VOCABULARY
        norms, rows = 2 * layers * dim + dim, tokens * dim
        matrices = layers * (4 * dim * dim + 3 * dim * hidden)

        def put(file, index, value):
            file.seek(256 + 4 * index)
            file.write(struct.pack("<f", value))

        with open(path, "wb") as file:
            file.write(struct.pack("<9i", 0x616B3432, 1, dim, hidden, layers, 1, 1, tokens, context))
            file.write(b"\0")  # the classifier is not tied to the embedding
            file.truncate(256 + 4 * (norms + rows + matrices + rows))
            for i in range(dim):  # the last norm
                put(file, norms - dim + i, 1.0)
            for token in range(tokens):
                letter = token - self.FIRST if token >= self.FIRST else letters - 1
                put(file, norms + token * dim + letter, 1.0)
            for i in range(letters):
                token = self.FIRST + (i + 1) % letters
                put(file, norms + rows + matrices + token * dim + i, 100.0)


class Program:
    """clamma-ws-demo on a free port of the loopback. At the end of a `with` statement it must exit with
    code 0, and must have printed nothing but its banner on stderr."""

    wrapper = ()  # words before the command, as valgrind's
    slack = 1.0   # how much longer it may take for them
    troubles = Checks.troubles  # of those that did not

    @classmethod
    def wrap(cls, words):
        """Makes this command run all programs, which may then take longer."""
        cls.wrapper = tuple(words)
        cls.slack = 10.0 if words or os.environ.get("CLAMMA_TEST_SLOW") else 1.0

    def __init__(self, path, *arguments, port=0, environment=None):
        if "--drain" not in arguments:
            arguments = ("--drain", "0", *arguments)
        self.process = subprocess.Popen(
            [*Program.wrapper, os.path.realpath(path), "--port", str(port), *map(str, arguments)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, **(environment or {})})
        line = self.process.stdout.readline()
        found = re.fullmatch(r"Serving (http://(\S+):(\d+))/\n", line)
        if not found:
            self.process.kill()
            raise RuntimeError(f"did not start: {line!r} {self.process.stderr.read()!r}")
        self.url, self.host, self.port = found[1], found[2], int(found[3])
        self.address = f"{self.host}:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            if self.process.poll() is None and self.end()[0] != 0:
                Program.troubles.append(f"exit code {self.process.returncode}")
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.process.stdout.close()
            self.process.stderr.close()

    def end(self, number=signal.SIGTERM, seconds=30):
        """Sends a signal. Returns exit code and stderr."""
        self.process.send_signal(number)
        return self.result(seconds)

    def result(self, seconds=30):
        """Waits for the program's end. Returns exit code and stderr."""
        _, errors = self.process.communicate(timeout=seconds * Program.slack)
        more = [line for line in errors.splitlines() if not BANNER.match(line)]
        if more:
            Program.troubles.append("\n".join(more))
        return self.process.returncode, errors

    def get(self, path, method="GET", **headers):
        """Returns status, headers and text."""
        request = urllib.request.Request(self.url + path, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20 * Program.slack) as answer:
                return answer.status, answer.headers, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read().decode()

    def metrics(self):
        text = self.get("/metrics")[2]
        return {name.removeprefix(PREFIX): float(value) for name, value in
                re.findall(r"^([a-z_]+(?:\{[^}]*\})?) (\S+)$", text, re.MULTILINE)}

    def metric(self, name):
        return self.metrics()[name]

    def proc(self, what):
        return os.listdir(f"/proc/{self.process.pid}/{what}")

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self):
        with open(f"/proc/{self.process.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def connect(self, greet=True, **options):
        return Visitor(self, greet, **options)


def quiet(program):
    """Whether no visitor and no session is left."""
    metrics = program.metrics()
    return not any(metrics[name] for name in
                   ("sessions_active", "visitors_connected", "visitors_waiting"))


class Visitor:
    """A WebSocket client."""

    def __init__(self, program, greet, **options):
        options.setdefault("timeout", 20 * Program.slack)
        options.setdefault("origin", program.url)
        self.socket = websocket.create_connection(f"ws://{program.address}/stories", **options)
        self.streams = 2  # 1 if the server's greeting says that it chats
        self.reset()
        if greet:
            self.hello = self.receive("hello")
            self.streams = 1 if self.hello["mode"] == "chat" else 2
            self.reset()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.drop()

    def drop(self):
        """Closes the connection without a close frame."""
        self.socket.shutdown()

    def send(self, **message):
        self.socket.send(json.dumps(message))

    def reset(self):
        self.texts = [""] * self.streams
        self.last = [{}] * self.streams  # the last message about each stream

    def begin(self, **message):
        self.reset()
        self.send(type="begin", **message)

    def receive(self, kind=None):
        """Returns the next message, or the next one of a type."""
        while True:
            message = json.loads(self.socket.recv())
            if message["type"] == "progress":
                for news in message["stories"]:
                    self.texts[news["story"]] += news["text"]
                    self.last[news["story"]] = news
            if kind in (None, message["type"]):
                return message

    def finish(self):
        """Receives until both stories, or the answer, have ended. Returns their texts."""
        while not all("end" in news for news in self.last):
            self.receive("progress")
        return self.texts

    def endings(self):
        return [news.get("end") for news in self.last]

    def closed(self):
        """Receives until the server closes. Returns its close code; None if it sent none."""
        try:
            while True:
                opcode, data = self.socket.recv_data()
                if opcode == websocket.ABNF.OPCODE_CLOSE:
                    return struct.unpack("!H", data[:2])[0] if len(data) >= 2 else None
        except (websocket.WebSocketConnectionClosedException, ConnectionError):
            return None
