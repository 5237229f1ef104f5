#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""clamma_server_deploy_test.py BIN_DIR SOURCE_DIR: the files of deploy/. nginx, as Debian has it, in front of
two replicas, by both of its set-ups; the systemd units; the health check of the container. The replicas are
scripted, so that a test decides when an event is sent. Needs nginx and systemd-analyze. Exit code: 0 all
checks hold, 1 one does not."""
import contextlib
import http.client
import http.server
import os
import queue
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading

from app_harness import Checks, until

if len(sys.argv) < 3:
    sys.exit(__doc__)
DEPLOY = os.path.join(os.path.realpath(sys.argv[2]), "deploy")
checks = Checks()


class Replica:
    """Answers /healthz, and POST with two events, the second one when a test says so."""

    def __init__(self):
        self.status, self.calls, self.headers, self.gone = 200, 0, [], threading.Event()
        self.go = queue.Queue()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self, body):
                self.send_response(outer.status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                self.answer(b"ok\n")

            def do_POST(self):
                outer.calls += 1
                outer.headers.append(self.headers)
                self.rfile.read(int(self.headers["content-length"]))
                if outer.status != 200:
                    self.answer(b"{}")
                    return
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                try:
                    for number in range(3):
                        self.chunk(f"data: {number}\n\n".encode())
                        if number < 2:
                            self.wait()
                    self.chunk(b"")
                except OSError:
                    outer.gone.set()

            def chunk(self, data):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

            def wait(self):
                """For the test's word, or the end of the connection."""
                self.connection.settimeout(0.05)
                while True:
                    with contextlib.suppress(queue.Empty):
                        outer.go.get_nowait()
                        return
                    with contextlib.suppress(TimeoutError):
                        if self.connection.recv(1, socket.MSG_PEEK) == b"":
                            raise OSError

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                """A client that leaves is no error."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def end(self):
        self.server.shutdown()
        self.server.server_close()


def free_port():
    with socket.socket() as any_socket:
        any_socket.bind(("127.0.0.1", 0))
        return any_socket.getsockname()[1]


@contextlib.contextmanager
def proxy(name, ports):
    """nginx with a file of deploy/, in which only paths and ports are changed; yields its port."""
    folder = tempfile.mkdtemp()
    shutil.copy(os.path.join(DEPLOY, "nginx-proxy.conf"), os.path.join(folder, "clamma-proxy.conf"))
    with open(os.path.join(DEPLOY, name), encoding="utf-8") as file:
        text = file.read()
    port = free_port()
    for old, new in ((":8000;", f":{port};"), (":8081 ", f":{ports[0]} "), (":8082 ", f":{ports[1]} "),
                     ("include /etc/nginx/clamma-proxy.conf", f"include {folder}/clamma-proxy.conf")):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    paths = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in
                    ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    with open(os.path.join(folder, "nginx.conf"), "w", encoding="utf-8") as file:
        # One worker, so that least_conn sees all connections at once, as with the zone, and a test ends.
        file.write(f"daemon off; master_process off; pid {folder}/pid; error_log stderr warn;"
                   f"events {{}} http {{ access_log off; {paths} {text} }}")
    command = ["nginx", "-p", folder, "-c", f"{folder}/nginx.conf", "-e", "stderr"]
    tested = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    checks.holds(f"nginx takes {name}", tested.returncode == 0 and "warn" not in tested.stderr,
                 tested.stderr)
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            until(lambda: reachable(port))
            yield port
        finally:
            process.terminate()
    shutil.rmtree(folder)


def reachable(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


class Ask:
    """A request of a chat through the proxy, whose events are read one by one."""

    def __init__(self, port, conversation=None):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        headers = {"content-type": "application/json", "host": "chat.example.org"}
        if conversation:
            headers["x-conversation-id"] = conversation
        self.connection.request("POST", "/v1/chat/completions", b"{}", headers)
        self.response = self.connection.getresponse()

    def event(self):
        line = self.response.readline()
        self.response.readline()
        return line.decode().strip()

    def finish(self, *replicas):
        for _ in range(2):
            for replica in replicas:
                replica.go.put(None)
        rest = self.response.read()
        self.connection.close()
        for replica in replicas:
            with contextlib.suppress(queue.Empty):
                while True:
                    replica.go.get_nowait()
        return rest

    def leave(self):
        self.connection.sock.shutdown(socket.SHUT_RDWR)
        self.connection.close()


def test_events(name):
    """The replica sends the second event when the client has the first."""
    a, b = Replica(), Replica()
    with proxy(name, (a.port, b.port)) as port:
        ask = Ask(port)
        used = a if a.calls else b
        checks.same(f"{name}: the first event comes by itself", ask.event(), "data: 0")
        used.go.put(None)
        checks.same("... and the second", ask.event(), "data: 1")
        used.go.put(None)
        checks.same("... and the last", ask.event(), "data: 2")
        checks.same("... and the end", ask.finish(), b"")
        headers = used.headers[0]
        checks.same("the replica sees the client's Host", headers["host"], "chat.example.org")
        checks.holds("... and an id of the request", len(headers["x-request-id"]) == 32, headers)
        ask = Ask(port)
        ask.event()
        ask.leave()
        checks.holds("a client that leaves is gone for the replica", until(
            lambda: a.gone.is_set() or b.gone.is_set()))
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        for path, status in (("/healthz", 200), ("/metrics", 404)):
            connection.request("GET", path)
            response = connection.getresponse()
            response.read()
            checks.same(f"{path} answers", response.status, status)
    a.end()
    b.end()


def test_busy():
    """least_conn: a request goes to the replica with less to do, and away from one that ends."""
    a, b = Replica(), Replica()
    with proxy("nginx-least-conn.conf", (a.port, b.port)) as port:
        asks = [Ask(port) for _ in range(6)]
        checks.same("six requests at once go to", (a.calls, b.calls), (3, 3))
        for ask in asks:
            ask.event()
            ask.leave()
        until(lambda: a.gone.is_set() and b.gone.is_set())
        a.status = 503
        before = b.calls
        for _ in range(4):
            ask = Ask(port)
            checks.same("while one replica drains", (ask.response.status, ask.event()), (200, "data: 0"))
            ask.finish(b)
        checks.same("... the other one has all", b.calls - before, 4)
    a.end()
    b.end()


def test_conversations():
    """hash: a conversation stays with its replica."""
    a, b = Replica(), Replica()
    with proxy("nginx-hash.conf", (a.port, b.port)) as port:
        homes = []
        for number in range(32):
            before = a.calls
            for _ in range(3):
                Ask(port, f"conversation-{number}").finish(a, b)
            homes.append(a.calls - before)
        checks.holds("each conversation has one replica", set(homes) <= {0, 3}, homes)
        checks.same("... and both have some", set(homes), {0, 3})
    a.end()
    b.end()


def test_units():
    """systemd takes the units, and finds little that they could still do without."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("clamma-server.service", "clamma-server.socket"):
            with open(os.path.join(DEPLOY, name), encoding="utf-8") as file:
                text = file.read().replace("ExecStart=/usr/bin/clamma-server", "ExecStart=/bin/true")
            text = text.replace("Documentation=man:clamma-server(1)\n", "")  # it is not installed here
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(text)
        service = os.path.join(folder, "clamma-server.service")
        run = subprocess.run(["systemd-analyze", "verify", service,
                              os.path.join(folder, "clamma-server.socket")],
                             capture_output=True, text=True, check=False)
        lines = [line for line in (run.stdout + run.stderr).splitlines() if "clamma" in line]
        checks.same("systemd-analyze verify says", (run.returncode, lines), (0, []))
        run = subprocess.run(["systemd-analyze", "security", "--offline=true", service],
                             capture_output=True, text=True, check=False)
        found = re.search(r"Overall exposure level for \S+: ([\d.]+)", run.stdout)
        checks.holds("systemd-analyze security: an exposure below 2.5",
                     found and float(found[1]) < 2.5, run.stdout + run.stderr)


def test_health():
    """check-health.sh tells a server that is ready from others."""
    replica = Replica()
    command = ["/bin/bash", os.path.join(DEPLOY, "check-health.sh"), str(replica.port)]

    def healthy():
        return subprocess.run(command, capture_output=True, check=False).returncode

    checks.same("ready", healthy(), 0)
    replica.status = 503
    checks.same("draining", healthy(), 1)
    replica.end()
    checks.same("gone", healthy(), 1)


checks.run_all([(test_events, "nginx-least-conn.conf"), (test_events, "nginx-hash.conf"), (test_busy,),
                (test_conversations,), (test_units,), (test_health,)])
checks.finish()
