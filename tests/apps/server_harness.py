# SPDX-License-Identifier: MIT
"""What the tests of clamma-server share: the program as a process, connections that may send anything,
and streams of events. Most tests run clamma-server-scripted, whose answers are what the request's body
asks for (scripted_service.cc)."""
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile

from app_harness import Checks, until

SLOW = 10.0 if os.environ.get("CLAMMA_TEST_SLOW") else 1.0
# What it says on stderr beside the lines of requests.
EXPECTED = re.compile(r"clamma-server: (refused: .*--allow-origin|the (old )?certificate |\w+: ignored, as unknown: )|==\d+== ")
REQUEST = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ [\w.:-]+ [A-Za-z]+ \S+ \d+ ")


def begin(doc, program="clamma-server-scripted"):
    """What a test is run with, BIN_DIR SOURCE_DIR: the program's path and the two. Ends with `doc` if they
    are missing."""
    if len(sys.argv) < 3:
        sys.exit(doc)
    bin_dir, source_dir = map(os.path.realpath, sys.argv[1:3])
    return os.path.join(bin_dir, program), bin_dir, source_dir


class Answer:
    """Status, headers by lower-case names (those that come twice are joined by "|"), and body."""

    def __init__(self, status, headers, body):
        self.status, self.body = status, body
        self.headers = {}
        for name, value in headers:
            name = name.lower()
            self.headers[name] = f"{self.headers[name]}|{value}" if name in self.headers else value

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        """Its error's (type, code), and None if it has none."""
        error = self.json.get("error")
        return error and (error["type"], error["code"])

    def __repr__(self):
        return f"{self.status} {self.headers} {self.body[:500]!r}"


class Server:
    """clamma-server, serving at a free port of the loopback. At the end of a with statement it must end
    well, and without an unexpected word on stderr."""

    def __init__(self, path, *arguments, environment=None, url=True, fds=(), prefix=(), port=0):
        # A model's file must be there, but a scripted service does not open it.
        self.file = tempfile.NamedTemporaryFile(suffix=".gguf")  # pylint: disable=consider-using-with
        arguments = [str(argument) for argument in arguments]
        if not any(re.match(r"[\w.-]+=|.*\.(gguf|bin)$|--config|--model", each) for each in arguments):
            arguments.append("small=" + self.file.name)
        if "--drain" not in arguments:
            arguments += ["--drain", "0"]
        if port is not None:
            arguments = ["--port", str(port), *arguments]
        environ = {name: value for name, value in os.environ.items() if name != "CLAMMA_API_KEY"}
        self.process = subprocess.Popen(
            [*prefix, path, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            pass_fds=fds, env={**environ, **(environment or {})})
        self.errors = None
        if url:
            self.wait_for_url()

    def wait_for_url(self):
        line = self.process.stdout.readline()
        found = re.fullmatch(r"Serving (?:(https?)://(\S+):(\d+)/|unix:(.*))\n", line)
        if not found:
            self.process.kill()
            raise RuntimeError(f"did not start: {line!r} {self.process.stderr.read()!r}")
        self.scheme, self.host, self.path = found[1], found[2], found[4]
        self.port = int(found[3] or 0)
        self.address = f"{self.host}:{self.port}"
        self.url = f"{self.scheme}://{self.address}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            if self.errors is None and self.end()[0] != 0:
                Checks.troubles.append(f"exit code {self.process.returncode}")
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.process.stdout.close()
            self.process.stderr.close()
            self.file.close()

    def end(self, number=signal.SIGTERM, seconds=30):
        """Sends a signal; returns exit code and stderr."""
        self.process.send_signal(number)
        return self.result(seconds)

    def result(self, seconds=30):
        """Waits for the end; returns exit code and stderr."""
        _, self.errors = self.process.communicate(timeout=seconds * SLOW)
        for line in self.errors.splitlines():
            if not EXPECTED.match(line) and not REQUEST.match(line) and not line.startswith("{"):
                Checks.troubles.append(line)
        return self.process.returncode, self.errors

    def connect(self, context=None):
        """A plain socket, or one with TLS."""
        if self.path:
            plain = socket.socket(socket.AF_UNIX)
            plain.settimeout(20 * SLOW)
            plain.connect(self.path)
            return plain
        plain = socket.create_connection((self.host, self.port), timeout=20 * SLOW)
        return context.wrap_socket(plain, server_hostname=self.host) if context else plain

    def ask(self, path, body=None, method=None, **headers):
        """One request on a connection of its own; a body that is no bytes is sent as JSON. Headers are
        named with _ for -; None leaves one out that would be there."""
        connection = http.client.HTTPConnection("localhost", timeout=20 * SLOW)
        connection.sock = self.connect()
        fields = {"Host": getattr(self, "address", "localhost")}
        if body is not None:
            fields["Content-Type"] = "application/json"
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
            fields["Content-Length"] = str(len(body))
        fields.update({name.replace("_", "-"): value for name, value in headers.items()})
        connection.putrequest(method or ("GET" if body is None else "POST"), path, skip_host=True,
                              skip_accept_encoding=True)
        for name, value in fields.items():
            if value is not None:
                connection.putheader(name, value)
        connection.endheaders(body)
        with connection.getresponse() as response:
            answer = Answer(response.status, response.getheaders(), response.read())
        connection.close()
        return answer

    def chat(self, **script):
        return self.ask("/v1/chat/completions", script)

    def metrics(self, **headers):
        text = self.ask("/metrics", **headers).body.decode()
        return {name: float(value) for name, value in
                re.findall(r"^clamma_server_(\S+(?:\{[^}]*\})?) (\S+)$", text, re.MULTILINE)}

    def resident_bytes(self):
        with open(f"/proc/{self.process.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def head_of(server, path="/v1/chat/completions", method="POST", version="HTTP/1.1", **headers):
    """The head of a request as bytes; a header None is left out."""
    fields = {"Host": server.address, "Content-Type": "application/json"}
    fields.update((name.replace("_", "-"), value) for name, value in headers.items())
    lines = [f"{name}: {value}" for name, value in fields.items() if value is not None]
    return "\r\n".join([f"{method} {path} {version}", *lines, "", ""]).encode("latin-1")


def post(server, script=None, **headers):
    """A whole request as bytes."""
    body = json.dumps(script or {}).encode()
    return head_of(server, Content_Length=len(body), **headers) + body


class Raw:
    """A connection that may send anything, and reads answers byte by byte."""

    def __init__(self, server, context=None):
        self.socket = server.connect(context)
        self.got = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        try:
            self.socket.sendall(data)
        except ConnectionError:  # closed, as reading tells
            pass
        return self

    def more(self):
        """Whether more bytes came; False at the end."""
        try:
            part = self.socket.recv(65536)
        except (ConnectionError, ssl.SSLEOFError):
            part = b""
        self.got += part
        return bool(part)

    def until(self, mark):
        while mark not in self.got:
            if not self.more():
                raise EOFError(f"the connection was closed after {self.got!r}")
        head, _, self.got = self.got.partition(mark)
        return head

    def take(self, size):
        while len(self.got) < size:
            if not self.more():
                raise EOFError(f"the connection was closed after {self.got!r}")
        part, self.got = self.got[:size], self.got[size:]
        return part

    def head(self):
        """The head of an answer, and what there is of the body."""
        status, *lines = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        found = re.fullmatch(r"HTTP/1\.1 (\d{3}) [A-Za-z ]+", status)
        assert found, status
        return Answer(int(found[1]), [line.split(": ", 1) for line in lines], b"")

    def answer(self, has_body=True):
        """A whole answer."""
        answer = self.head()
        if answer.headers.get("transfer-encoding") == "chunked":
            answer.body = b"".join(self.chunks())
        elif has_body:
            answer.body = self.take(int(answer.headers.get("content-length", 0)))
        return answer

    def chunks(self):
        """The chunks of a body, to the last."""
        while True:
            size = int(self.until(b"\r\n"), 16)
            chunk = self.take(size)
            assert self.take(2) == b"\r\n"
            if size == 0:
                return
            yield chunk

    def is_closed(self):
        """Whether the server closes, without a further byte."""
        while self.more():
            if self.got:
                return False
        return not self.got


def events_of(body):
    """The events of a stream: (name, data), data as an object where it is JSON; comments are ": ..."."""
    events = []
    for block in body.decode().split("\n\n")[:-1]:
        name = data = None
        for line in block.split("\n"):
            if line.startswith(":"):
                data = line
            elif line.startswith("event: "):
                name = line[len("event: "):]
            else:
                assert line.startswith("data: "), block
                data = line[len("data: "):]
        events.append((name, json.loads(data) if data.startswith("{") else data))
    return events


__all__ = ["Answer", "Checks", "Raw", "Server", "SLOW", "begin", "events_of", "head_of", "post", "until"]
