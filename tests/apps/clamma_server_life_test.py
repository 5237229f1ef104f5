#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""clamma_server_life_test.py BIN_DIR SOURCE_DIR: how clamma-server begins and ends: loading and draining,
Unix sockets, sockets of systemd's, TLS and its reloading, the configuration file, and limits of
connections. Exit code: 0 all checks hold, 1 one does not."""
import os
import signal
import socket
import ssl
import stat
import subprocess
import tempfile
import threading
import time

from server_harness import Checks, Raw, Server, begin, events_of, head_of, post, until

PROGRAM, _, _ = begin(__doc__)
checks = Checks()


def in_background(function):
    """Runs it on a thread; returns a function that waits for its result."""
    results = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()

    def wait():
        thread.join()
        return results[0]

    return wait


# --- Loading and draining ---------------------------------------------------------------------------


def test_loading():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "socket")
        with Server(PROGRAM, "--unix", path, url=False,
                    environment={"CLAMMA_SCRIPTED_LOAD": "1500"}) as server:
            server.path = path
            until(lambda: os.path.exists(path))
            for place in ("/healthz", "/health", "/v1/models"):
                answer = server.ask(place)
                checks.same(f"{place} while loading", (answer.status, answer.error,
                                                       answer.headers["retry-after"]),
                            (503, ("server_error", "loading"), "1"))
            checks.same("not ready", server.metrics()["ready"], 0)
            checks.same("the page is there", server.ask("/").status, 200)
            server.wait_for_url()
            checks.same("then it is ready", (server.ask("/healthz").json, server.metrics()["ready"]),
                        ({"status": "ok"}, 1))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "socket")
        with Server(PROGRAM, "--unix", path, url=False,
                    environment={"CLAMMA_SCRIPTED_LOAD": "3600000"}) as server:
            until(lambda: os.path.exists(path))
            server.process.send_signal(signal.SIGTERM)
            checks.same("a signal ends it while it loads", server.process.wait(timeout=60), 0)
    with Server(PROGRAM, url=False, environment={"CLAMMA_SCRIPTED_FAILURE": "1"}) as server:
        _, errors = server.process.communicate(timeout=60)
        server.errors = errors
        checks.same("models that cannot be loaded", (server.process.returncode, errors),
                    (1, "clamma-server: the models cannot be loaded\n"))


def test_drain():
    with Server(PROGRAM, "--drain", 20) as server:
        used = Raw(server)
        used.send(post(server)).answer()
        stream = in_background(lambda: server.chat(events=10, silence=500, pause=50))
        body = in_background(lambda: server.chat(wait=800, bytes=5))
        checks.holds("they run", until(lambda: server.metrics()["texts_running"] == 2))
        with Raw(server) as late:
            late.send(post(server)[:20])
            server.metrics()  # after which these bytes have been read, too
            server.process.send_signal(signal.SIGTERM)
            checks.holds("idle connections are closed", used.is_closed())
            answer = late.send(post(server)[20:]).answer()
            checks.same("a request that was under way", (answer.status, answer.error,
                                                         answer.headers["connection"],
                                                         answer.headers["retry-after"]),
                        (503, ("server_error", "shutting_down"), "close", "5"))
        answer = server.ask("/healthz")
        checks.same("/healthz while draining", (answer.status, answer.error),
                    (503, ("server_error", "shutting_down")))
        checks.same("what ran goes on to its end", (len(events_of(stream().body)), body().json["fill"]),
                    (11, "xxxxx"))
        checks.same("then the server ends", server.result()[0], 0)


def test_drain_has_a_limit():
    with Server(PROGRAM, "--drain", 1) as server:
        stream = in_background(lambda: server.chat(events=1000, pause=100))
        body = in_background(lambda: server.chat(wait=100000))
        until(lambda: server.metrics()["texts_running"] == 2)
        checks.same("it ends though they run", server.end()[0], 0)
        last = events_of(stream().body)[-1][1]
        checks.same("a stream says why", last["error"]["code"], "shutting_down")
        answer = body()
        checks.same("and so does a body", (answer.status, answer.error),
                    (503, ("server_error", "shutting_down")))


def test_second_signal():
    with Server(PROGRAM, "--drain", 100) as server:
        with Raw(server) as raw:
            raw.send(post(server, {"events": 1, "silence": 100000})).head()
            server.process.send_signal(signal.SIGTERM)
            until(lambda: server.ask("/healthz").status == 503)
            server.process.send_signal(signal.SIGTERM)
            server.process.wait(timeout=30)
            checks.same("a second signal ends it at once", server.process.returncode, -signal.SIGTERM)
            server.errors = ""


# --- Sockets ----------------------------------------------------------------------------------------


def test_unix_socket():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "socket")
        with Server(PROGRAM, "--unix", path) as server:
            mode = os.stat(path)
            checks.same("for its owner and group", (stat.S_ISSOCK(mode.st_mode),
                                                    stat.S_IMODE(mode.st_mode)), (True, 0o660))
            checks.same("it answers", server.ask("/v1/models").status, 200)
            checks.same("whatever the Host, which a proxy checks",
                        server.ask("/v1/models", Host="chat.example.org").status, 200)
            checks.same("pages of that host", server.ask("/v1/models", Host="chat.example.org",
                                                         Origin="https://chat.example.org").status, 200)
            checks.same("but not of others", server.ask("/v1/models", Host="chat.example.org",
                                                        Origin="https://evil.example").status, 403)
            second = subprocess.run([PROGRAM, "--unix", path, server.file.name], capture_output=True,
                                    text=True, timeout=60, check=False)
            checks.same("a second server there", (second.returncode, second.stderr),
                        (1, f"clamma-server: cannot listen at {path}: another program listens there\n"))
            server.process.kill()
            server.process.wait()
            server.errors = ""
        checks.holds("one that is killed leaves it", os.path.exists(path))
        with Server(PROGRAM, "--unix", path) as server:
            checks.same("and it is replaced", server.ask("/healthz").status, 200)
        file = os.path.join(folder, "file")
        with open(file, "w", encoding="utf-8") as text:
            text.write("mine")
        with tempfile.NamedTemporaryFile(suffix=".gguf") as model:
            refused = subprocess.run([PROGRAM, "--unix", file, model.name], capture_output=True, text=True,
                                     timeout=60, check=False)
        with open(file, encoding="utf-8") as text:
            checks.same("a file stays", (refused.returncode, text.read()), (1, "mine"))


def test_socket_activation():
    # The shell sets LISTEN_PID to its own number, which the program takes over with exec.
    start = ("bash", "-c", 'export LISTEN_PID=$$; exec "$0" "$@" 3<&"$SOCKET"')
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(8)
        fd = listening.fileno()
        with Server(PROGRAM, prefix=start, fds=(fd,),
                    environment={"LISTEN_FDS": "1", "SOCKET": str(fd)}) as server:
            checks.same("systemd's socket", (server.port, server.ask("/healthz").status),
                        (listening.getsockname()[1], 200))
    with Server(PROGRAM, environment={"LISTEN_FDS": "1", "LISTEN_PID": "1"}) as server:
        checks.same("those of another process are not taken", server.ask("/healthz").status, 200)


def test_limits_of_connections():
    with Server(PROGRAM, "--max-connections", 3) as server:
        with Raw(server), Raw(server), Raw(server):
            with Raw(server) as fourth:
                answer = fourth.answer()
                checks.same("one too many", (answer.status, answer.error, answer.headers["retry-after"]),
                            (503, ("server_error", None), "5"))
                checks.holds("is closed", fourth.is_closed())
        checks.holds("when they are gone there is room", until(
            lambda: server.ask("/healthz").status == 200))
        checks.same("it is counted", server.metrics()["connections_refused_total"] >= 1, True)


def test_bodies_in_flight():
    """All bodies together: at most 16 of the largest."""
    with Server(PROGRAM, "--max-body", 60000) as server:
        raws = [Raw(server).send(head_of(server, Content_Length=60000) + b" " * 59999) for _ in range(16)]
        checks.holds("they wait", until(lambda: server.metrics()["body_bytes"] == 16 * 59999))
        with Raw(server) as late:
            late.send(head_of(server, Content_Length=60000) + b" " * 59999)
            answer = late.answer()
            checks.same("one more", (answer.status, answer.error),
                        (503, ("server_error", "out_of_memory")))
        for raw in raws:
            raw.send(b" ")
        checks.same("the others are answered", [raw.answer().status for raw in raws], [200] * 16)
        checks.same("and then there is room", server.ask("/tokenize", b" " * 60000).status, 200)
        for raw in raws:
            raw.socket.close()


# --- TLS --------------------------------------------------------------------------------------------


def make_certificate(folder, name):
    """A certificate for localhost that says so itself; returns the paths of it and its key."""
    paths = [os.path.join(folder, f"{name}.{end}") for end in ("pem", "key")]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-days", "2", "-subj", f"/CN={name}", "-addext",
                    "subjectAltName=IP:127.0.0.1", "-out", paths[0], "-keyout", paths[1]],
                   check=True, capture_output=True)
    return paths


def copy(source, target):
    with open(source, "rb") as file, open(target, "wb") as other:
        other.write(file.read())


def subject_of(server, context):
    with server.connect(context) as secure:
        return dict(pair[0] for pair in secure.getpeercert()["subject"])["commonName"]


def test_tls():
    with tempfile.TemporaryDirectory() as folder:
        first, second = make_certificate(folder, "first"), make_certificate(folder, "second")
        used = [os.path.join(folder, "used.pem"), os.path.join(folder, "used.key")]
        for source, target in zip(first, used):
            copy(source, target)
        context = ssl.create_default_context(cafile=first[0])
        context.load_verify_locations(second[0])
        with Server(PROGRAM, "--tls-cert", used[0], "--tls-key", used[1]) as server:
            checks.same("its address", server.scheme, "https")
            with Raw(server, context) as raw:
                checks.holds("TLS 1.3", raw.socket.version() == "TLSv1.3", raw.socket.version())
                answer = raw.send(post(server, {"bytes": 200000})).answer()
                checks.same("a body", len(answer.json["fill"]), 200000)
                stream = raw.send(post(server, {"events": 300, "bytes": 1000})).answer()
                checks.same("a stream", len(events_of(stream.body)), 301)
                test_reload(server, context, second, used)
                checks.same("open connections stay", raw.send(post(server)).answer().status, 200)
            test_versions(server, context)
            test_no_tls(server)
        with tempfile.NamedTemporaryFile(suffix=".gguf") as model:
            wrong = subprocess.run([PROGRAM, "--port", "0", "--tls-cert", first[0], "--tls-key",
                                    second[1], model.name], capture_output=True, text=True, timeout=60,
                                   check=False)
        checks.holds("a key of another certificate", wrong.returncode == 1 and second[1] in wrong.stderr,
                     wrong.stderr)


def test_reload(server, context, second, used):
    checks.same("the first certificate", subject_of(server, context), "first")
    with open(used[0], "w", encoding="utf-8") as file:
        file.write("no certificate")
    server.process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    checks.same("one that cannot be read changes nothing", subject_of(server, context), "first")
    for source, target in zip(second, used):
        copy(source, target)
    server.process.send_signal(signal.SIGHUP)
    checks.holds("SIGHUP: the second one", until(lambda: subject_of(server, context) == "second"))


def test_versions(server, context):
    for version, is_good in ((ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_1, False)):
        old = ssl.create_default_context()
        old.check_hostname = False
        old.verify_mode = ssl.CERT_NONE
        old.set_ciphers("ALL:@SECLEVEL=0")
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = version
        try:
            with server.connect(old):
                worked = True
        except (ssl.SSLError, ConnectionError):
            worked = False
        checks.same(f"{version.name}", worked, is_good)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with server.connect(context) as secure:
        checks.same("HTTP/1.1 is chosen", secure.selected_alpn_protocol(), "http/1.1")


def test_no_tls(server):
    with Raw(server) as raw:
        raw.send(post(server))
        checks.holds("plain HTTP gets no answer of HTTP", not raw.more() or not raw.got.startswith(b"HTTP"))


# --- The configuration file -------------------------------------------------------------------------


def test_config_file():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "server.conf")
        model = os.path.join(folder, "a.gguf")
        with open(model, "w", encoding="utf-8"):
            pass
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"# ours\nmodel = [\"one={model}\", \"two={model}\"]\nsessions = 5\n"
                       "max-body = 1kb\nallow-origin = [\"https://chat.example.org\"]\n")
        with Server(PROGRAM, "--config", path, "--sessions", 7) as server:
            checks.same("values of the file", (server.ask("/healthz", Host="chat.example.org").status,
                                               server.ask("/tokenize", b" " * 1025).status), (200, 413))
            checks.same("the command line's come first", server.metrics()["sessions"], 7)
        with open(path, "a", encoding="utf-8") as file:
            file.write("unknown = 1\n")
        wrong = subprocess.run([PROGRAM, "--config", path], capture_output=True, text=True, timeout=60,
                               check=False)
        checks.holds("an unknown name", wrong.returncode == 2 and "unknown" in wrong.stderr, wrong.stderr)


def main():
    checks.run_all([(test,) for test in (
        test_loading, test_drain, test_drain_has_a_limit, test_second_signal, test_unix_socket,
        test_socket_activation, test_limits_of_connections, test_bodies_in_flight, test_tls,
        test_config_file)])
    checks.finish()


main()
