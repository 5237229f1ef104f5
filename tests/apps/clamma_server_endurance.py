#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""clamma_server_endurance.py BIN_DIR SOURCE_DIR [SECONDS [REQUESTS]]: clamma-server with stories260K. First
REQUESTS (20000) short requests of many kinds: the resident memory after them is within 2 % of that after a
tenth of them. Then 16 users for SECONDS (300), beside 100 connections that are idle and come back when they
are closed, and 100 that send a request byte by byte: no error. It takes too long for a test of each commit.
Exit code: 0 all checks hold, 1 one does not, 77 no model."""
import http.client
import json
import os
import sys
import tempfile
import threading
import time

from app_harness import find_models, write_gguf
from server_harness import Checks, Raw, Server, begin, post

PROGRAM, _, SOURCE = begin(__doc__, "clamma-server")
SECONDS = float(sys.argv[3]) if len(sys.argv) > 3 else 300.0
REQUESTS = int(sys.argv[4]) if len(sys.argv) > 4 else 20000
TEMPLATE = "{% for m in messages %}{{ m.role }}: {{ m.content }}. {% endfor %}assistant:"
USERS, IDLE, SLOW = 16, 100, 100
checks = Checks()


def request(i):
    """(path, body) of the i-th request."""
    text = f"One day, {i} friends"
    return (("/v1/completions", {"prompt": text, "max_tokens": 4, "seed": i}),
            ("/v1/chat/completions", {"messages": [{"role": "user", "content": text}], "max_tokens": 4}),
            ("/v1/chat/completions", {"messages": [{"role": "user", "content": text}], "max_tokens": 4,
                                      "stream": True}),
            ("/v1/responses", {"input": text, "max_output_tokens": 4}),
            ("/v1/embeddings", {"input": text}), ("/tokenize", {"content": text}),
            ("/v1/completions", {"prompt": text, "n": 0}))[i % 7]


class Users:
    """Threads that send requests one after the other, until there have been `most`, or stop() is called."""

    def __init__(self, server, first=0, most=None):
        self.server, self.next, self.last = server, first, None if most is None else first + most
        self.lock, self.stopped, self.wrong, self.answered = threading.Lock(), False, [], 0
        self.threads = [threading.Thread(target=self.run) for _ in range(USERS)]
        for thread in self.threads:
            thread.start()

    def take(self):
        with self.lock:
            if self.stopped or self.next == self.last:
                return None
            self.next += 1
            return self.next - 1

    def run(self):
        connection = http.client.HTTPConnection(self.server.host, self.server.port, timeout=100)
        while (i := self.take()) is not None:
            path, body = request(i)
            try:
                connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
                answer = connection.getresponse()
                text = answer.read()
                good = answer.status == (400 if body.get("n") == 0 else 200)
            except OSError as error:
                good, text = False, repr(error)
                connection.close()
            with self.lock:
                self.answered += 1
                if not good:
                    self.wrong.append((i, text[:200]))

    def wait(self):
        for thread in self.threads:
            thread.join()

    def stop(self):
        self.stopped = True
        self.wait()


def test_memory(server):
    Users(server, 0, REQUESTS // 10).wait()
    before = server.resident_bytes()
    users = Users(server, REQUESTS // 10, REQUESTS - REQUESTS // 10)
    users.wait()
    after = server.resident_bytes()
    checks.same("errors", users.wrong[:3], [])
    print(f"        resident: {before / 1e6:.1f} MB after {REQUESTS // 10} requests, {after / 1e6:.1f} MB after "
          f"{REQUESTS}: {100 * (after / before - 1):+.1f} %", flush=True)
    checks.holds("the memory stays", after <= 1.02 * before, (before, after))


def stay_idle(server, end, wrong):
    """A connection that has had an answer, and waits; it is opened again when the server closes it."""
    while time.monotonic() < end:
        with Raw(server) as raw:
            raw.send(post(server, {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2}))
            answer = raw.answer()
            if answer.status != 200:
                wrong.append(answer)
            raw.socket.settimeout(max(0.1, end - time.monotonic()))
            try:
                raw.more()
            except TimeoutError:
                pass


def send_slowly(server, end, wrong):
    """Sends a request in some 8 seconds, again and again."""
    data = post(server, {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2})
    head, _, body = data.partition(b"\r\n\r\n")
    while time.monotonic() < end:
        with Raw(server) as raw:
            raw.send(head + b"\r\n\r\n")
            for byte in body:
                raw.send(bytes([byte]))
                time.sleep(8 / len(body))
            answer = raw.answer()
            if answer.status != 200:
                wrong.append(answer)


def guarded(function, server, end, wrong):
    try:
        function(server, end, wrong)
    except (OSError, EOFError) as error:
        wrong.append(repr(error))


def test_connections(server):
    end, wrong = time.monotonic() + SECONDS, []
    threads = [threading.Thread(target=guarded, args=(function, server, end, wrong))
               for function in [stay_idle] * IDLE + [send_slowly] * SLOW]
    for thread in threads:
        thread.start()
    users = Users(server)
    time.sleep(SECONDS)
    users.stop()
    for thread in threads:
        thread.join()
    print(f"        {users.answered} requests in {SECONDS:.0f} s", flush=True)
    checks.same("errors of the users", users.wrong[:3], [])
    checks.same("errors of the others", wrong[:3], [])


def main():
    with tempfile.TemporaryDirectory() as folder:
        model = os.path.join(folder, "stories.gguf")
        write_gguf(model, find_models(SOURCE), tokenizer__chat_template=TEMPLATE)
        # A prefix cache that is full before the first of the two measurements.
        with Server(PROGRAM, "--log", "off", "--prefix-cache", "4mb", "--max-waiting", "256", model) as server:
            checks.run_all([(test_memory, server), (test_connections, server)])
    checks.finish()


main()
