#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""clamma_ws_demo_visitors_test.py BIN_DIR SOURCE_DIR [WRAPPER...]: tests clamma-ws-demo with many, slow
and silent visitors, over plain sockets. BIN_DIR contains clamma-ws-demo. WRAPPER is a command that runs
it, such as valgrind. Exit code: 0 all checks succeed, 1 a check fails, 77 no model."""
import os
import socket
import subprocess
import tempfile
import time

import websocket
from app_harness import Checks, until
from ws_demo_harness import AlphabetModel, Program, begin, quiet

_, _, _, DEMO, SMALL, MORE = begin(__doc__)
Program.wrap(MORE)
checks = Checks()


def refused(connect):
    """Returns the status with which a WebSocket is refused, or None."""
    try:
        connect().drop()
    except websocket.WebSocketBadStatusException as error:
        return error.status_code
    return None


def test_many(endless):
    with Program(DEMO, *endless.arguments, "--max-sessions", 16) as program:
        with program.connect() as visitor:  # from now on all threads and buffers exist
            visitor.begin()
            visitor.receive("progress")
        until(lambda: quiet(program))
        time.sleep(0.2)
        before = len(program.proc("fd")), len(program.proc("task"))
        for _ in range(2):
            visitors = [program.connect(greet=i % 3 > 0) for i in range(50)]
            for i, visitor in enumerate(visitors):
                if i % 5 > 0:
                    visitor.begin(prompt="hello")
            checks.holds("50 visitors are there", program.metric("visitors_connected") == 50)
            checks.holds("... 8 are told stories", until(lambda: program.metric("sessions_active") == 16),
                         program.metrics())
            checks.holds("... the others wait", until(lambda: program.metric("visitors_waiting") == 32),
                         program.metrics())
            for i, visitor in enumerate(visitors):
                visitor.drop() if i % 2 else visitor.socket.close(timeout=0)
            checks.holds("50 leave, and nobody is left", until(lambda: quiet(program)),
                         program.metrics())
        checks.holds("... nor descriptors and threads", until(
            lambda: (len(program.proc("fd")), len(program.proc("task"))) == before),
            f"{before} {program.proc('fd')} {program.proc('task')}")
        half = socket.create_connection((program.host, program.port))
        half.sendall(b"GET /healthz HTTP/1.1\r\nHost: " + program.address.encode() + b"\r\n\r\n")
        half.shutdown(socket.SHUT_WR)
        used = program.cpu_seconds()
        time.sleep(1)
        used = program.cpu_seconds() - used
        checks.holds("an idle server is idle", used < 0.2, f"{used} s of CPU time in one second")
        half.close()
        checks.same("... and it ends well", program.end()[0], 0)


def test_unfinished_close(endless):
    """A visitor who sends a close frame, or is refused, but keeps the connection open."""
    with Program(DEMO, *endless.arguments) as program:
        for name, act in (("goodbye", lambda s: s.send(b"\x03\xe8", websocket.ABNF.OPCODE_CLOSE)),
                          ("sent away", lambda s: s.send_binary(b"x"))):
            visitor = program.connect()
            visitor.begin()
            visitor.receive("progress")
            act(visitor.socket)
            start = time.monotonic()
            until(lambda: program.metric("sessions_active") == 0)
            checks.holds(f"{name}: the sessions are freed at once",
                         time.monotonic() - start < Program.slack, time.monotonic() - start)
            checks.same(f"{name}: nobody is counted", program.metric("visitors_connected"), 0)
            visitor.drop()


def test_queue(endless):
    with Program(DEMO, *endless.arguments, "--max-sessions", 3) as program:  # one seat: two sessions each
        first, second, third, fourth = (program.connect() for _ in range(4))
        first.begin()
        first.receive("progress")
        for place, visitor in enumerate((second, third, fourth), 1):
            visitor.begin()
            checks.same(f"queue: place {place}", visitor.receive("waiting")["place"], place)
        checks.same("queue: metrics", program.metric("visitors_waiting"), 3)
        third.send(type="stop")
        checks.same("queue: one gives up", third.receive("waiting")["place"], 0)
        checks.same("queue: the next one moves up", fourth.receive("waiting")["place"], 2)
        first.drop()
        checks.same("queue: the first one's turn", second.receive()["type"], "begin")
        second.receive("progress")
        checks.same("queue: again one up", fourth.receive("waiting")["place"], 1)
        second.send(type="stop")
        second.finish()
        checks.same("queue: a stop makes room", fourth.receive()["type"], "begin")
        fourth.receive("progress")
        second.begin()
        checks.same("queue: again is at the end", second.receive("waiting")["place"], 1)
        fourth.drop()
        second.receive("progress")
        checks.same("queue: one pair at a time", program.metric("sessions_active"), 2)


def test_slow_reader(chatty):
    buffer = 400000 // int(Program.slack)  # as much as is generated in a second or two
    with Program(DEMO, *chatty.arguments, "--buffer", buffer) as program:
        slow = program.connect(sockopt=((socket.SOL_SOCKET, socket.SO_RCVBUF, 4096),))
        slow.begin()
        slow.receive("begin")
        with program.connect() as quick:
            quick.begin()
            quick.receive("progress")
            before = program.resident_bytes()
            dropped = until(lambda: quick.receive("progress") and
                            program.metric('stories_total{reason="too_slow"}') == 2, 60 * Program.slack)
            checks.holds("a slow reader's stories end", dropped, program.metrics())
            checks.same("... its sessions are free", program.metric("sessions_active"), 2)
            length = len(quick.texts[0])
            checks.holds("... another one's go on",
                         until(lambda: quick.receive("progress") and len(quick.texts[0]) > length + 10000))
            checks.holds("... and nothing of them is lost", chatty.is_start(quick.texts[0]))
            grown = program.resident_bytes() - before
            checks.holds("... memory stays bounded", grown < (64e6 if Program.slack == 1 else 256e6), grown)
        texts = slow.finish()
        checks.same("the slow one is told", slow.endings(), ["too_slow", "too_slow"])
        checks.holds("... and has what was kept for it, whole", chatty.is_start(texts[0]))
        slow.begin()
        checks.same("... and may begin again", slow.receive()["type"], "begin")
        slow.drop()


def test_time_outs():
    with Program(DEMO, *SMALL, "--idle", 1) as program:
        start = time.monotonic()
        with program.connect() as visitor:
            checks.same("idle: closed", visitor.closed(), 4000)
            checks.holds("... after a while", time.monotonic() - start > 0.9)
        start = time.monotonic()
        silent, slow = (socket.create_connection((program.host, program.port)) for _ in range(2))
        slow.sendall(b"GET / HTTP/1.1\r\n")
        for plain in (silent, slow):
            plain.settimeout(0.2)
        left = {silent, slow}
        while left and time.monotonic() - start < 20 * Program.slack:
            for plain in set(left):
                try:
                    if plain is slow:
                        plain.sendall(b"X: y\r\n")
                    if plain.recv(1) == b"":
                        left.remove(plain)
                except TimeoutError:
                    pass
                except ConnectionError:
                    left.remove(plain)
        checks.holds("silence: closed", silent not in left)
        checks.holds("headers that take for ever: closed", slow not in left)
        silent.close()
        slow.close()


def test_limits(endless):
    with Program(DEMO, *endless.arguments, "--max-connections", 3) as program:
        visitors = [program.connect() for _ in range(3)]
        checks.same("a connection too many: 503", refused(program.connect), 503)
        status, headers, _ = program.get("/")
        checks.same("... with the policies of all answers", (
            status, headers["content-security-policy"], headers["x-content-type-options"],
            headers["referrer-policy"]), (503, "default-src 'none'", "nosniff", "no-referrer"))
        visitors[0].drop()

        def again():
            try:
                return program.connect()
            except websocket.WebSocketBadStatusException:
                return None

        checks.holds("... until one goes", until(again))
    found = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=False).stdout
    own = [address for address in found.split() if ":" not in address]
    if not own:
        print("skipped the limit per address: this machine has but the loopback")
        return
    with Program(DEMO, *endless.arguments, "--bind", "0.0.0.0", "--max-per-address", 2) as program:
        checks.same("bound to all: by its own address", program.get("/healthz", Host=(
            f"127.0.0.1:{program.port}"))[0], 200)
        checks.same("bound to all: as it is told", program.get("/healthz")[0], 200)
        checks.same("bound to all: not by any", program.get("/healthz", Host=(
            f"0.0.0.0:{program.port}"))[0], 403)
        program.host, program.address = own[0], f"{own[0]}:{program.port}"
        program.url = f"http://{program.address}"
        visitors = [program.connect() for _ in range(2)]
        checks.same("one too many from an address: 503", refused(program.connect), 503)
        visitors[0].drop()
        checks.holds("... until one goes", until(again))


def main():
    with tempfile.TemporaryDirectory() as folder:
        endless = AlphabetModel(os.path.join(folder, "endless"), 128, 4, 1000000, repeat=2)
        chatty = AlphabetModel(os.path.join(folder, "chatty"), 128, 4, 200000, repeat=200)
        checks.run_all(((test_many, endless), (test_unfinished_close, endless), (test_queue, endless),
                        (test_slow_reader, chatty), (test_time_outs,), (test_limits, endless)))
    checks.finish()


if __name__ == "__main__":
    main()
