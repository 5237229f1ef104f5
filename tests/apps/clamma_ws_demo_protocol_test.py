#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""clamma_ws_demo_protocol_test.py BIN_DIR SOURCE_DIR [WRAPPER...]: tests that clamma-ws-demo follows
RFC 6455, byte for byte over plain sockets; requests through a forwarded port; and failing allocations
(if BIN_DIR/libfailing_new.so exists). WRAPPER is a command that runs clamma-ws-demo. Exit code: 0 all
checks succeed, 1 a check fails, 77 no model.

The sections of test_frames() are those of Autobahn's test suite for servers. That suite needs a
server that echoes messages, and Python 2."""
import base64
import hashlib
import http.client
import json
import mmap
import os
import socket
import struct
import tempfile
import threading
import time

import websocket
from app_harness import Checks, until
from ws_demo_harness import Program, begin

BIN_DIR, _, _, DEMO, SMALL, MORE = begin(__doc__)
Program.wrap(MORE)
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
KEY = base64.b64encode(bytes(range(16))).decode()
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # of RFC 6455
checks = Checks()


class Raw:
    """A connection that can send any bytes."""

    def __init__(self, program):
        self.program = program
        self.plain = socket.create_connection((program.host, program.port), timeout=20 * Program.slack)
        self.got = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.plain.close()

    def read(self, size):
        """Reads `size` bytes, or fewer if the server closes the connection."""
        while len(self.got) < size:
            try:
                part = self.plain.recv(65536)
            except ConnectionError:
                part = b""
            if not part:
                break
            self.got += part
        data, self.got = self.got[:size], self.got[size:]
        return data

    def shake(self, path="/stories", **changes):
        """Requests a WebSocket. Returns status, headers and body. Leaves out headers that are None."""
        headers = {"Host": self.program.address, "Upgrade": "websocket", "Connection": "Upgrade",
                   "Origin": self.program.url, "Sec-WebSocket-Key": KEY, "Sec-WebSocket-Version": "13"}
        headers.update((name.replace("_", "-"), value) for name, value in changes.items())
        lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
        self.plain.sendall("\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = self.read(1)
            if not byte:
                return None, {}, head
            head += byte
        status, *rest = head.decode("latin-1").strip().split("\r\n")
        answered = {name.lower(): value.strip() for name, value in
                    (line.split(":", 1) for line in rest)}
        return (int(status.split()[1]), answered,
                self.read(int(answered.get("content-length", 0))).decode())

    def open(self):
        status, headers, _ = self.shake()
        assert status == 101, (status, headers)
        assert json.loads(self.receive()[1])["type"] == "hello"
        return self

    def send(self, opcode, data=b"", final=True, reserved=0, masked=True):
        data = data.encode() if isinstance(data, str) else data
        head = bytes([final << 7 | reserved << 4 | opcode])
        bit = masked << 7
        if len(data) < 126:
            head += bytes([bit | len(data)])
        elif len(data) < 65536:
            head += struct.pack("!BH", bit | 126, len(data))
        else:
            head += struct.pack("!BQ", bit | 127, len(data))
        if masked:
            mask = os.urandom(4)
            data = mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))
        try:
            self.plain.sendall(head + data)
        except ConnectionError:  # the server has closed; receive() reports it
            pass

    def receive(self):
        """Returns the next frame's opcode and data; (None, b"") at the end. Checks that the frame is a
        whole message, not masked, with the shortest form of its length."""
        head = self.read(2)
        if len(head) < 2:
            return None, b""
        assert head[0] & 0xf0 == 0x80 and head[1] < 128, head
        size = head[1]
        if size == 126:
            size, = struct.unpack("!H", self.read(2))
            assert size > 125
        elif size == 127:
            size, = struct.unpack("!Q", self.read(8))
            assert size > 65535
        return head[0] & 15, self.read(size)

    def answer(self):
        """Returns the next message that is not a ping."""
        while True:
            opcode, data = self.receive()
            if opcode != PING:
                return opcode, data

    def ending(self):
        """Returns the close code with which the connection ends; "" if there is none."""
        while True:
            opcode, data = self.receive()
            if opcode is None:
                return ""
            if opcode == CLOSE:
                return struct.unpack("!H", data[:2])[0] if len(data) >= 2 else ""


def is_error(frame):
    opcode, data = frame
    return opcode == TEXT and json.loads(data)["type"] == "error"


# --- The handshake --------------------------------------------------------------------------------


def test_handshake():
    with Program(DEMO, *SMALL) as program:

        def shake(path="/stories", **changes):
            with Raw(program) as raw:
                return raw.shake(path, **changes)

        status, headers, _ = shake()
        wanted = base64.b64encode(hashlib.sha1((KEY + GUID).encode()).digest()).decode()
        checks.same("a handshake", (status, headers.get("sec-websocket-accept"),
                                    headers.get("upgrade", "").lower()), (101, wanted, "websocket"))
        checks.holds("... names no subprotocol unasked", "sec-websocket-protocol" not in headers, headers)
        for version in ("8", "7", "0", "14", "130", "x", "", None):
            status, headers, body = shake(Sec_WebSocket_Version=version)
            checks.same(f"version {version}: refused", (
                status, headers.get("sec-websocket-version")), (426, "13"))
            checks.holds("... with a reason", "version 13" in body, body)
        for protocols in ("clamma-stories", "chat, clamma-stories", "clamma-stories,chat"):
            status, headers, _ = shake(Sec_WebSocket_Protocol=protocols)
            checks.same(f"subprotocol {protocols}", (status, headers.get("sec-websocket-protocol")),
                        (101, "clamma-stories"))
        for protocols in ("chat", "chat, superchat", "clamma", "clamma-stories2", "x" * 1000):
            status, headers, body = shake(Sec_WebSocket_Protocol=protocols)
            checks.same(f"unknown subprotocol {protocols:.20}: refused", status, 400)
            checks.holds("... with a reason", "clamma-stories" in body, body)
        for key in ("", None, "x", KEY + "x", "=" * 23):
            checks.same(f"key {key}: refused", shake(Sec_WebSocket_Key=key)[0], 400)
        checks.same("another path: refused", shake("/other")[0], 404)
        checks.holds("all of them are gone", until(
            lambda: program.metric("visitors_connected") == 0), program.metrics())


# --- Frames ---------------------------------------------------------------------------------------


def test_frames():
    with Program(DEMO, *SMALL) as program:

        def opened():
            return Raw(program).open()

        def fails(name, codes, *frames, **options):
            with opened() as raw:
                for frame in frames:
                    raw.send(*frame, **options)
                got = raw.ending()
                checks.holds(f"{name}: fails", got in codes, f"{got!r}, not one of {codes}")

        # 1: lengths. The server answers that each of these texts is invalid.
        for size in (0, 1, 125, 126, 127, 128, 1000, 25600):
            with opened() as raw:
                raw.send(TEXT, "x" * size)
                checks.holds(f"text of {size} bytes", is_error(raw.answer()))
        fails("text of 65536 bytes", (1009,), (TEXT, "x" * 65536))
        for size in (0, 1, 126, 65536):
            fails(f"binary of {size} bytes", (1003, 1009), (BINARY, b"\xfe" * size))

        # 2: pings
        for data in (b"", b"Hello", bytes(range(120, 140)), b"\xfe" * 125):
            with opened() as raw:
                raw.send(PING, data)
                checks.same(f"ping of {len(data)} bytes", raw.answer(), (PONG, data))
        with opened() as raw:
            raw.send(PONG, b"unasked")
            raw.send(PING, b"asked")
            checks.same("an unasked pong is ignored", raw.answer(), (PONG, b"asked"))
        with opened() as raw:
            for i in range(10):
                raw.send(PING, b"%d" % i)
            # libwebsockets does not answer pings that arrive before the last pong is sent.
            time.sleep(0.2 * Program.slack)
            raw.send(PING, b"x")
            got = []
            while got[-1:] != [b"x"]:
                opcode, data = raw.answer()
                if opcode != PONG:
                    break
                got.append(data)
            checks.holds("ten pings, and one more: pongs in order", len(got) > 1 and
                         got == sorted(set(got)) and got[0] == b"0" and got[-1] == b"x", got)
        fails("ping of 126 bytes", (1002, ""), (PING, b"x" * 126))

        # 3: reserved bits; 4: reserved opcodes
        for reserved in range(1, 8):
            fails(f"reserved bits {reserved}", (1002, ""), (TEXT, "x", True, reserved))
        for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
            fails(f"opcode {opcode}", (1002, ""), (opcode, "x"))

        # 5: fragments
        fails("a fragmented ping", (1002, ""), (PING, "a", False), (CONTINUATION, "b"))
        fails("a fragmented pong", (1002, ""), (PONG, "a", False), (CONTINUATION, "b"))
        fails("a continuation of nothing", (1002, ""), (CONTINUATION, "x"))
        fails("a text within a text", (1002, ""), (TEXT, "a", False), (TEXT, "b"))
        message = '{"type":"begin","temperature":0}'
        with opened() as raw:
            for i, char in enumerate(message):
                raw.send(TEXT if i == 0 else CONTINUATION, char, i == len(message) - 1)
            checks.holds("a message in one-byte fragments", b'"begin"' in raw.answer()[1])
        with opened() as raw:
            raw.send(TEXT, message[:9], False)
            raw.send(PING, b"within")
            raw.send(CONTINUATION, message[9:])
            checks.same("a ping within a message", raw.answer(), (PONG, b"within"))
            checks.holds("... which is whole", b'"begin"' in raw.answer()[1])

        # 6: UTF-8
        for text in ("κόσμε", "\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff", "\ufeff"):
            with opened() as raw:
                data = text.encode()
                for i in range(len(data)):
                    raw.send(TEXT if i == 0 else CONTINUATION, data[i:i + 1], i == len(data) - 1)
                checks.holds(f"UTF-8 in fragments: {text!a}", is_error(raw.answer()))
        for data in (b"\x80", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80",
                     b"\xf8\x88\x80\x80\x80", b"\xff", b"ok\xc3", b"\xe2\x82", b"\xce\xba\xed\xa0\x80x"):
            fails(f"not UTF-8: {data}", (1007,), (TEXT, data))
        fails("not UTF-8 over fragments", (1007,), (TEXT, b"\xc3", False), (CONTINUATION, b"("))

        # 7: closing
        for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999):
            with opened() as raw:
                raw.send(CLOSE, struct.pack("!H", code) + "Größe".encode())
                opcode, data = raw.answer()
                checks.same(f"close {code}: answered", (opcode, data[:2]), (CLOSE, struct.pack("!H", code)))
                checks.same("... and closed", raw.receive()[0], None)
        with opened() as raw:
            raw.send(CLOSE)
            checks.same("close without a code: answered", raw.answer()[0], CLOSE)
        with opened() as raw:
            raw.send(CLOSE, struct.pack("!H", 1000) + b"x" * 123)
            checks.same("close with the longest reason", raw.answer()[0], CLOSE)
        for code in (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65535):
            fails(f"close {code}", (1002, ""), (CLOSE, struct.pack("!H", code)))
        fails("close of one byte", (1002, ""), (CLOSE, b"x"))
        fails("close of 126 bytes", (1002, ""), (CLOSE, b"\x03\xe8" + b"x" * 124))
        fails("close with what is not UTF-8", (1007, 1002, ""), (CLOSE, b"\x03\xe8\xff\xff"))
        with opened() as raw:
            raw.send(CLOSE, b"\x03\xe8")
            raw.send(TEXT, message)
            checks.same("text behind a close is not read", raw.ending(), 1000)
        checks.same("... and begins nothing", program.metric("sessions_active"), 0)

        # Frames that are not masked: see docs/ws-demo.md.
        with opened() as raw:
            raw.send(TEXT, "x", masked=False)
            checks.holds("a text without a mask: read, or refused", is_error(raw.answer()) or
                         raw.ending() in (1002, ""))

        checks.holds("all of them are gone", until(
            lambda: program.metric("visitors_connected") == 0), program.metrics())
        checks.same("... and it ends well", program.end()[0], 0)


def test_empty_fragments():
    with Program(DEMO, *SMALL) as program:
        with Raw(program).open() as raw:
            raw.send(TEXT, '{"type":"be', False)
            for _ in range(64):
                raw.send(CONTINUATION, b"", False)
            raw.send(CONTINUATION, 'gin","temperature":0}')
            checks.holds("64 empty fragments are read", b'"begin"' in raw.answer()[1])
        with Raw(program).open() as raw:
            for i in range(66):
                raw.send(CONTINUATION if i else TEXT, b"", False)
            checks.same("more are not", raw.ending(), 1008)


# --- Origins and hosts ----------------------------------------------------------------------------


def test_origins():
    with Program(DEMO, *SMALL, "--allow-origin", "https://stories.example.org") as program:
        here = program.url

        def status(origin, host=None, path="/stories"):
            options = {"origin": origin} if origin else {"suppress_origin": True}
            if host:
                options["host"] = host
            url = f"ws://{program.address}{path}"
            try:
                websocket.create_connection(url, timeout=20, **options).shutdown()
            except websocket.WebSocketBadStatusException as error:
                return error.status_code
            return 101

        for name, wanted, *arguments in (
                ("its own", 101, here), ("allowed", 101, "https://stories.example.org"),
                ("allowed, with its name", 101, "https://stories.example.org",
                 "stories.example.org"),
                ("allowed, capitals", 101, "https://STORIES.example.org"),
                ("none", 403, None), ("null", 403, "null"), ("foreign", 403, "http://evil.example"),
                ("foreign, same port", 403, f"http://evil.example:{program.port}"),
                ("other port", 403, "http://127.0.0.1:1"), ("other scheme", 403,
                                                          "http://stories.example.org"),
                ("longer", 403, here + ".evil.example"), ("with a path", 403, here + "/x"),
                ("a file", 403, "file://" + program.address),
                ("foreign Host and Origin", 403, f"http://evil.example:{program.port}",
                 f"evil.example:{program.port}"),
                ("other path", 404, here, None, "/other")):
            checks.same(f"Origin: {name}", status(*arguments), wanted)
        checks.holds("nobody is left", until(lambda: program.metric("visitors_connected") == 0),
                     program.metrics())


class Forwarder:
    """Forwards another port to a program, as ssh -L and docker -p do."""

    def __init__(self, program):
        self.target = program.host, program.port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()

    def _accept(self):
        try:
            while True:
                near, _ = self.listener.accept()
                far = socket.create_connection(self.target)
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self._copy, args=pair, daemon=True).start()
        except OSError:
            pass

    @staticmethod
    def _copy(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def test_forwarded():
    with Program(DEMO, *SMALL) as program, Forwarder(program) as forwarder:
        here = f"localhost:{forwarder.port}"
        status, _, body = program.get("/", Host=here)
        checks.same("a forwarded port: 403", status, 403)
        checks.holds("... which says what to do", f"--allow-origin http://{here} " in body, body)
        time.sleep(1.1)  # the log has at most one line per second
        with Raw(program) as raw:
            status, _, body = raw.shake(Origin="https://pages.example.org")
        checks.same("a foreign Origin: 403", status, 403)
        checks.holds("... which says what to do", "--allow-origin https://pages.example.org " in body, body)
        time.sleep(1.1)
        for host in ('evil"\x1b[31m', "<b>", "evil.example/../..", "x" * 400):
            _, _, body = program.get("/", Host=host)
            checks.holds(f"Host {host[:20]!r} is not repeated", host not in body and
                         "--allow-origin ORIGIN" in body, body)
        code, log = program.end()
        checks.same("it ends well", code, 0)
        for wanted in (f"--allow-origin http://{here} ", "--allow-origin https://pages.example.org "):
            checks.holds(f"the log has {wanted}", wanted in log, log)
        checks.holds("... and nothing of the others", "\x1b" not in log and "evil" not in log, log)

    # The set-ups in docs/ws-demo.md: ssh -L to the loopback, docker -p to all addresses.
    for name, bind in (("ssh -L", "127.0.0.1"), ("docker -p", "0.0.0.0")):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        origin = f"http://localhost:{port}"
        with Program(DEMO, *SMALL, "--bind", bind, "--allow-origin", origin) as program:
            checks.same(f"{name}: the page", program.get("/", Host=f"localhost:{port}")[0], 200)
            connection = websocket.create_connection(
                f"ws://127.0.0.1:{program.port}/stories", host=f"localhost:{port}", origin=origin,
                timeout=20 * Program.slack)
            checks.same(f"{name}: the WebSocket", json.loads(connection.recv())["type"], "hello")
            connection.shutdown()


# --- Memory that runs out -------------------------------------------------------------------------


class Allocations:
    """Controls operator new in a program with libfailing_new.so preloaded."""

    def __init__(self, folder, library):
        path = os.path.join(folder, "allocations")
        with open(path, "wb") as file:
            file.write(bytes(24))
        with open(path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), 24)
        self.environment = {"LD_PRELOAD": library, "CLAMMA_TEST_ALLOCATIONS": path}

    def fail(self, skip, count):
        """From now on `skip` allocations succeed, then `count` fail, then all others succeed."""
        self.memory[8:24] = struct.pack("=qq", skip, count)

    def failed(self):
        return struct.unpack("=q", self.memory[:8])[0]


def visit(program):
    """Serves a visitor with a story, one who waits for a seat, and a page. Refused visitors leave."""
    first = second = None
    try:
        program.get("/metrics")
        first = program.connect(timeout=5)
        first.begin(prompt="Lily", temperature=0)
        first.receive("begin")
        second = program.connect(timeout=5)
        second.begin(prompt="Tom")
        first.finish()
        second.finish()
        first.begin(prompt="Lily")
        first.send(type="stop")
        second.send(type="nonsense", deep=[[{"a": [1, 2.5, "x" * 100]}]])
        second.receive("error")
        first.finish()
    except (OSError, http.client.HTTPException, websocket.WebSocketException, ValueError):
        pass
    for visitor in (first, second):
        if visitor is not None:
            visitor.drop()


def test_memory(folder):
    library = os.path.join(BIN_DIR, "libfailing_new.so")
    if Program.wrapper or not os.path.exists(library):
        print("skipped memory that runs out: " + ("it is for the program alone" if Program.wrapper else
                                                  "libfailing_new.so is missing"))
        return
    allocations = Allocations(folder, library)
    with Program(DEMO, *SMALL, "-n", 6, "--max-sessions", 2,
                 environment=allocations.environment) as program:
        allocations.fail(0, 0)
        visit(program)
        checks.same("memory: nothing fails unless it is told to", allocations.failed(), 0)
        wrong, failed, rounds = [], 0, 0
        for count in (1, 3):
            skip = 0
            while skip < 2000:
                before = allocations.failed()
                allocations.fail(skip, count)
                visit(program)
                allocations.fail(0, 0)
                rounds += 1
                now = allocations.failed()
                failed += now - before
                if program.process.poll() is not None:
                    wrong.append(f"{count} from {skip} on: exit code {program.process.returncode}")
                    break
                if not until(lambda: program.metric("visitors_connected") == 0 and
                             program.metric("sessions_active") == 0 and
                             program.metric("visitors_waiting") == 0, 10):
                    wrong.append(f"{count} from {skip} on: {program.metrics()}")
                    break
                if now == before:  # all allocations of a visit have failed once
                    break
                skip += 3 if count == 1 else 11
        checks.same("memory: wherever it fails, the server stays", wrong, [])
        checks.holds("... and it did fail", failed > 100 and rounds > 50, (failed, rounds))
        print(f"        {failed} allocations failed in {rounds} visits")
        if not wrong:
            with program.connect() as visitor:
                visitor.begin(prompt="Lily", temperature=0)
                texts = visitor.finish()
                checks.holds("... and generates as before", texts[0] and texts[0] == texts[1], texts)
        # The messages at the server's end need memory, too.
        with program.connect() as visitor:
            visitor.hello
            allocations.fail(0, 1000000)
            code, _ = program.end()
            checks.same("... and ends well without any", code, 0)
            allocations.fail(0, 0)


def main():
    with tempfile.TemporaryDirectory() as folder:
        checks.run_all(((test_handshake,), (test_frames,), (test_empty_fragments,),
                        (test_origins,), (test_forwarded,), (test_memory, folder)))
    checks.finish()


if __name__ == "__main__":
    main()
