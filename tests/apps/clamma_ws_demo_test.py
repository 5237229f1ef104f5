#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""clamma_ws_demo_test.py BIN_DIR SOURCE_DIR [WRAPPER...]: tests what clamma-ws-demo answers to
browsers, monitors and attackers, over plain sockets. BIN_DIR contains clamma-ws-demo and clamma-gen.
WRAPPER is a command that runs the former, such as valgrind. Exit code: 0 all checks succeed, 1 a check
fails, 77 no model."""
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time

import websocket
from app_harness import Checks, until
from ws_demo_harness import PREFIX, AlphabetModel, Program, begin, quiet

BIN_DIR, _, _, DEMO, SMALL, MORE = begin(__doc__)
Program.wrap(MORE)
DICTIONARY = SMALL[1:]
checks = Checks()


def raw(program, data, seconds=20.0):
    """Sends bytes and, without closing, returns everything received until the server closes."""
    with socket.create_connection((program.host, program.port), timeout=seconds) as plain:
        plain.sendall(data)
        return read_all(plain)


def read_all(plain):
    got = b""
    try:
        while part := plain.recv(65536):
            got += part
    except ConnectionError:
        pass
    return got


# --- Pages, health and metrics --------------------------------------------------------------------


def test_http():
    with Program(DEMO, *SMALL, "--allow-origin", "https://Stories.example.org") as program:
        status, headers, page = program.get("/")
        checks.same("the page", (status, headers["content-type"]), (200, "text/html; charset=utf-8"))
        checks.holds("it is a page", page.startswith("<!doctype html>"))
        policy = headers["content-security-policy"]
        for rule in ("default-src 'none'", "script-src 'self'", "style-src 'self'",
                     "connect-src 'self'", "img-src 'self'", "frame-ancestors 'none'"):
            checks.holds(f"policy: {rule}", rule in policy, policy)
        checks.same("no sniffing, no referrer",
                    (headers["x-content-type-options"], headers["referrer-policy"]),
                    ("nosniff", "no-referrer"))
        for path, kind in (("/style.css", "text/css; charset=utf-8"),
                           ("/stories.js", "text/javascript; charset=utf-8"),
                           ("/favicon.svg", "image/svg+xml")):
            status, headers, _ = program.get(path)
            checks.same(path, (status, headers["content-type"]), (200, kind))
        checks.holds("the page names its icon", 'href="favicon.svg"' in page, page)
        status, headers, text = program.get("/stories.js", method="HEAD")
        checks.holds("HEAD", status == 200 and int(headers["content-length"]) > 1000 and not text)
        checks.same("/healthz", program.get("/healthz")[::2], (200, "ok\n"))
        checks.same("/healthz is not stored", program.get("/healthz")[1]["cache-control"], "no-store")
        for path in ("/nothing", "/page/index.html", "/../embed.cmake", "/stories", "/head.html"):
            checks.same(f"{path} is not there", program.get(path)[0], 404)
        for path in ("/%2e%2e/etc/passwd", "/../../etc/passwd", "/index.html%00", "/a b", "x"):
            checks.holds(f"{path} is no answer", b" 200 " not in raw(
                program, f"GET {path} HTTP/1.0\r\nHost: {program.address}\r\n\r\n".encode()))
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            checks.same(f"{method} is refused", program.get("/", method=method)[0], 405)
        checks.same("an unknown method is refused", program.get("/", method="BREW")[0], 403)
        checks.same("more than 4 kB of headers close the connection", raw(
            program, b"GET / HTTP/1.1\r\nHost: " + program.address.encode() + b"\r\nX: " +
            b"x" * 5000 + b"\r\n\r\n"), b"")

        for host, status in ((program.address, 200), (f"localhost:{program.port}", 200),
                             ("stories.example.org", 200), ("stories.example.org:443", 200),
                             ("evil.example.org", 403), (f"evil.example.org:{program.port}", 403),
                             ("127.0.0.1", 403), (f"127.0.0.2:{program.port}", 403),
                             ("stories.example.org:80", 403), (program.address + ".", 403)):
            checks.same(f"Host: {host}", program.get("/", Host=host)[0], status)
        checks.holds("no Host is no answer", b" 200 " not in raw(program, b"GET / HTTP/1.0\r\n\r\n"))
        checks.holds("a large header is no answer",
                     b" 200 " not in raw(program, b"GET / HTTP/1.1\r\nHost: " +
                                         program.address.encode() + b"\r\nX: " + b"x" * 100000))
        checks.holds("what is no HTTP is no answer", b" 200 " not in raw(program, b"\x16\x03\1\2\0" * 99
                                                                         + b"\r\n\r\n"))
        checks.same("CONNECT is no way to stay", raw(
            program, f"CONNECT {program.address} HTTP/1.1\r\nHost: {program.address}\r\n\r\n".encode()), b"")
        checks.same("ends by SIGTERM", program.end()[0], 0)


def test_metrics():
    with Program(DEMO, *SMALL) as program:
        with program.connect() as visitor:
            visitor.begin(temperature=0)
            visitor.finish()
            tokens = sum(news["tokens"] for news in visitor.last)
            checks.same("metrics: connected", program.metric("visitors_connected"), 1)
            status, headers, text = program.get("/metrics")
        checks.same("metrics: type", headers["content-type"],
                    "text/plain; version=0.0.4; charset=utf-8")
        families, samples = {}, {}
        for line in text.splitlines():
            if match := re.fullmatch(r"# TYPE (\S+) (gauge|counter|histogram)", line):
                families[match[1]] = match[2]
            elif not re.fullmatch(r"# HELP \S+ \S.*", line):
                match = re.fullmatch(r'([a-z_]+)(\{[a-z]+="[^"]*"\})? ([0-9.e+-]+)', line)
                checks.holds(f"metrics: a sample: {line}", match)
                samples.setdefault(match[1].removeprefix(PREFIX), {})[match[2]] = float(match[3])
        checks.holds("metrics: the last line ends", text.endswith("\n"))
        helped = re.findall(r"^# HELP (\S+)", text, re.MULTILINE)
        checks.same("metrics: HELP and TYPE of each", sorted(helped), sorted(families))
        for name in samples:
            family = re.sub("_(bucket|sum|count)$", "", name)
            checks.holds(f"metrics: {name} has a type", PREFIX + family in families)
        checks.same("metrics: tokens", samples["tokens_total"][None], tokens)
        checks.same("metrics: stories", sum(samples["stories_total"].values()), 2)
        buckets = list(samples["time_to_first_token_seconds_bucket"].values())
        checks.holds("metrics: buckets grow", buckets == sorted(buckets), buckets)
        checks.same("metrics: the last bucket is the count", buckets[-1],
                    samples["time_to_first_token_seconds_count"][None])
        checks.same("metrics: two first tokens", buckets[-1], 2)
        checks.holds("metrics: tokens a second", until(lambda: program.metric("tokens_per_second")))


# --- Stories --------------------------------------------------------------------------------------


def generate(prompt, *arguments):
    """Returns the continuation of the prompt by clamma-gen."""
    text = subprocess.run([os.path.join(BIN_DIR, "clamma-gen"), *SMALL, "-q", "-i", prompt, *arguments],
                          check=True, capture_output=True, text=True).stdout
    return text.removeprefix(prompt).removesuffix("\n")


def test_texts():
    with Program(DEMO, *SMALL) as program, program.connect() as visitor:
        prompt = "Once upon a time, Tom"
        wanted = generate(prompt, "-t", "0")
        for time_ in ("first", "second"):
            visitor.begin(prompt=prompt, temperature=0)
            begun = visitor.receive("begin")
            checks.same(f"greedy, {time_} time: clamma-gen's text", visitor.finish(), [wanted] * 2)
            checks.same("the prompt is told", begun["prompt"], prompt)
        visitor.begin(prompt="Lily", temperature=1, topp=1, seed=7)
        first, second = visitor.finish()
        checks.same("seed 7: clamma-gen's text", first,
                    generate("Lily", "-t", "1", "-p", "1", "-s", "7"))
        checks.same("... and seed 8", second, generate("Lily", "-t", "1", "-p", "1", "-s", "8"))
        checks.same("the seeds are told", [news["seed"] for news in visitor.last], ["7", "8"])
        checks.holds("tokens are told", all(0 < news["tokens"] <= 256 for news in visitor.last))
        visitor.begin(prompt="Lily", temperature=1)
        texts = visitor.finish()
        seed = int(visitor.last[0]["seed"])
        visitor.begin(prompt="Lily", temperature=1, seed=seed)
        checks.same("a seed that the server chose tells the same stories", visitor.finish(), texts)
        visitor.begin(prompt="", temperature=0)
        checks.same("empty prompt", visitor.finish()[0], generate("", "-t", "0"))
        visitor.begin(prompt='<img src=x onerror="x()"> Größe 猫 🐱', temperature=0)
        checks.same("a prompt comes back as it is", visitor.receive("begin")["prompt"],
                    '<img src=x onerror="x()"> Größe 猫 🐱')
        visitor.finish()
        visitor.begin(prompt="word " * 800)
        visitor.finish()
        checks.same("longer than the context: both fail", visitor.endings(), ["error", "error"])
        checks.holds("... with a reason", "512" in visitor.last[0]["reason"], visitor.last[0])
        visitor.begin(prompt="Lily", temperature=0)
        checks.same("... and the next ones are told", visitor.finish()[0],
                    generate("Lily", "-t", "0"))
        checks.same("no session is left", until(lambda: quiet(program) or None, 0.5), None)
        visitor.drop()
        checks.holds("... nor a visitor", until(lambda: quiet(program)))


def test_flow(endless):
    with Program(DEMO, *endless.arguments) as program, program.connect() as visitor:
        visitor.begin(prompt="x")
        both = until(lambda: visitor.receive("progress") and all(len(t) > 20 for t in visitor.texts))
        checks.holds("both stories grow", both and visitor.endings() == [None, None], visitor.last)
        checks.holds("rates are told", all(n["tokens_per_second"] > 0 for n in visitor.last))
        visitor.send(type="stop")
        texts = visitor.finish()
        checks.same("stop ends both", visitor.endings(), ["stopped", "stopped"])
        for text in texts:
            checks.holds("... and nothing was lost", endless.is_start(text), text)
        checks.same("stop of nothing is nothing", visitor.send(type="stop"), None)
        visitor.begin()
        visitor.receive("progress")
        visitor.begin(prompt="y")
        while visitor.receive("begin")["prompt"] != "y":
            pass
        visitor.texts = ["", ""]
        visitor.receive("progress")
        checks.same("begin while stories are told replaces them", visitor.texts[0][:2], "aa")
        checks.same("... and only two are told", program.metric("sessions_active"), 2)


# --- Messages that are accepted and refused -------------------------------------------------------


def test_messages():
    wrong = [
        "", "x", "{", "[]", "null", "1", '"begin"', "{}", '{"type":1}', '{"type":"other"}',
        '{"type":"begin","prompt":1}', '{"type":"begin","prompt":["a"]}',
        '{"type":"begin","prompt":"a\\u0000b"}', '{"type":"begin","prompt":"\\ud800"}',
        '{"type":"begin","prompt":"' + "x" * 4097 + '"}',
        '{"type":"begin","temperature":-1}', '{"type":"begin","temperature":11}',
        '{"type":"begin","temperature":1e999}', '{"type":"begin","temperature":NaN}',
        '{"type":"begin","temperature":"1"}', '{"type":"begin","temperature":null}',
        '{"type":"begin","topp":1.01}', '{"type":"begin","topp":-0.5}', '{"type":"begin","topp":{}}',
        '{"type":"begin","seed":-1}', '{"type":"begin","seed":1.5}', '{"type":"begin","seed":"1"}',
        '{"type":"begin","seed":9007199254740992}', '{"type":"begin","steps":1}',
        '{"type":"stop","prompt":"x"}', "[" * 20000, '{"type":' * 2000,
    ]
    with Program(DEMO, *SMALL) as program:
        for text in wrong:
            with program.connect() as visitor:
                visitor.socket.send(text)
                answer = visitor.receive()
                checks.holds(f"wrong: {text:.50}", answer["type"] == "error" and answer["reason"],
                             answer)
        with program.connect() as visitor:
            visitor.socket.send("nonsense")
            visitor.receive("error")
            visitor.begin(prompt="x" * 4096, temperature=10, topp=0, seed=2**53 - 1)
            visitor.finish()  # longer than the context, but a valid message
            visitor.begin(prompt="Lily", temperature=0)
            checks.same("a visitor may go on after nonsense", visitor.finish()[0],
                        generate("Lily", "-t", "0"))

        def code(send):
            with program.connect() as visitor:
                send(visitor.socket)
                return visitor.closed()

        checks.same("too large", code(lambda s: s.send("x" * 30000)), 1009)
        checks.same("binary", code(lambda s: s.send_binary(b"{}")), 1003)
        checks.same("too many", code(lambda s: [s.send("x") for _ in range(25)]), 1008)

        def fragments(connection):
            frame = websocket.ABNF
            connection.send_frame(frame.create_frame("x" * 8000, frame.OPCODE_TEXT, 0))
            for _ in range(5):
                connection.send_frame(frame.create_frame("x" * 8000, frame.OPCODE_CONT, 0))

        checks.same("too large in fragments", code(fragments), 1009)
        with program.connect() as visitor:
            frame = websocket.ABNF
            for i, part in enumerate(('{"type":"be', 'gin","tempera', 'ture":0}')):
                visitor.socket.send_frame(frame.create_frame(
                    part, frame.OPCODE_TEXT if i == 0 else frame.OPCODE_CONT, int(i == 2)))
            checks.same("a message in fragments", visitor.receive()["type"], "begin")
        with program.connect() as visitor:
            visitor.socket.sock.sendall(b"\xff\xff" + os.urandom(500))
            visitor.closed()
        checks.holds("no frame at all", program.get("/healthz")[0] == 200)
        checks.holds("all of them are gone", until(lambda: quiet(program)), program.metrics())
        checks.same("... and it ends well", program.end()[0], 0)


# --- The server's end, and wrong command lines ----------------------------------------------------


def test_end(endless):
    with Program(DEMO, *endless.arguments, "--drain", 2, "--max-sessions", 2) as program:
        told, waiting, idle = (program.connect() for _ in range(3))
        told.begin()
        told.receive("progress")
        waiting.begin()
        waiting.receive("waiting")
        start = time.monotonic()
        program.process.send_signal(signal.SIGTERM)
        for visitor in (told, waiting, idle):
            checks.same("drain: told so", visitor.receive("drain")["seconds"], 2)
        checks.same("drain: whoever has no story goes", (waiting.closed(), idle.closed()),
                    (1001, 1001))
        length = len(told.texts[0])
        while len(told.texts[0]) == length and "end" not in told.last[0]:
            told.receive("progress")  # perhaps for the other story
        checks.holds("drain: stories go on", len(told.texts[0]) > length)
        try:
            socket.create_connection((program.host, program.port)).close()
            entered = True
        except ConnectionRefusedError:
            entered = False
        checks.same("drain: nobody enters", entered, False)
        told.finish()
        checks.same("drain: they end in time", told.endings(), ["stopped", "stopped"])
        checks.same("drain: the last one goes", told.closed(), 1001)
        checks.same("drain: exit code", program.result()[0], 0)
        checks.holds("drain: it took its time", 1.5 < time.monotonic() - start < 5 * Program.slack,
                     time.monotonic() - start)
    short = (*endless.arguments[:-1], "300")
    with Program(DEMO, *short, "--drain", 60) as program, program.connect() as visitor:
        visitor.begin()
        visitor.receive("progress")
        program.process.send_signal(signal.SIGINT)
        visitor.finish()
        checks.same("drain: a short story comes to its end", visitor.endings(), ["limit", "limit"])
        checks.same("drain: by SIGINT, too", program.result()[0], 0)
    with Program(DEMO, *endless.arguments, "--drain", 60) as program, program.connect() as visitor:
        visitor.begin()
        visitor.receive("progress")
        program.process.send_signal(signal.SIGTERM)
        visitor.receive("drain")
        code, _ = program.end(signal.SIGTERM)
        checks.holds("a second signal ends at once", code in (-signal.SIGTERM, 128 + signal.SIGTERM),
                     code)
    with Program(DEMO, *endless.arguments, "--drain", 60) as program, program.connect() as visitor:
        visitor.begin()
        visitor.receive("progress")
        start = time.monotonic()
        visitor.drop()
        checks.same("nobody there: ends at once", program.end()[0], 0)
        checks.holds("... indeed", time.monotonic() - start < 3 * Program.slack)


def test_no_streams():
    """No pipe or socket gets the number of a standard stream that is closed."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with subprocess.Popen(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *Program.wrapper, DEMO, *SMALL,
                           "--port", str(port), "--drain", "0"]) as process:

        def served():
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=20) as plain:
                    plain.sendall(f"GET /healthz HTTP/1.0\r\nHost: localhost:{port}\r\n\r\n".encode())
                    return b"200" in read_all(plain)
            except ConnectionError:
                return False

        checks.holds("no standard streams: serves", until(
            lambda: process.poll() is not None or served(), 20 * Program.slack) and served())
        process.terminate()
        checks.same("... until it is to end", process.wait(20 * Program.slack), 0)
    with open("/dev/full", "w", encoding="ascii") as full, subprocess.Popen(
            [*Program.wrapper, DEMO, *SMALL, "--port", "0", "--drain", "0"], stdout=full,
            stderr=subprocess.PIPE, text=True) as process:
        killer = threading.Timer(20 * Program.slack, process.kill)  # in case it prints nothing
        killer.start()
        told = any(re.fullmatch(r"clamma-ws-demo: cannot write to stdout: serving http://\S+:\d+/\n",
                                line) for line in process.stderr)
        checks.holds("a full stdout: told where it serves", told)
        process.terminate()
        checks.same("... which it does until it is to end", process.wait(20 * Program.slack), 0)
        killer.cancel()


def test_command_line(endless):
    def fails(code, pattern, *arguments):
        ran = subprocess.run([DEMO, *map(str, arguments)], capture_output=True, text=True,
                             timeout=60, check=False)
        line = rf"clamma-ws-demo: .*{pattern}.*\n"
        checks.holds(f"refused: {' '.join(map(str, arguments[-2:])):.60}", ran.returncode == code and
                     not ran.stdout and re.fullmatch(line, ran.stderr),
                     f"exit code {ran.returncode}, {ran.stderr}")

    with Program(DEMO, *SMALL) as program:
        fails(1, f"127.0.0.1 port {program.port}: Address already in use", *SMALL, "--port",
              program.port)
    with tempfile.TemporaryDirectory() as empty:
        here = os.getcwd()
        os.chdir(empty)
        os.environ["XDG_CACHE_HOME"] = empty
        fails(1, "no model is named.*clamma-get default", "--port", 0, *DICTIONARY)
        os.chdir(here)
    small = (*SMALL, "--port", 0)
    fails(1, "no-such-host", *small, "--bind", "no-such-host.invalid")
    fails(1, "Cannot assign", *small, "--bind", "192.0.2.1")
    fails(1, "two sessions", *small, "--max-sessions", 1)
    fails(2, "port", *SMALL, "--port", 65536)
    fails(2, "port", *SMALL, "--port", -1)
    fails(2, "origin", *small, "--allow-origin", "stories.example.org")
    fails(2, "origin", *small, "--allow-origin", "https://a/b")
    fails(2, "drain", *small, "--drain", "x")
    fails(2, "nope", *small, "--nope")
    shown = subprocess.run([DEMO, "--help"], capture_output=True, text=True, check=False)
    checks.same("--help", (shown.returncode, shown.stderr), (0, ""))
    for flag in ("clamma-get default", "--port", "7681", "--bind", "--allow-origin", "--drain",
                 "--max-connections", "--tokenizer", "--temperature", "Exit codes"):
        checks.holds(f"--help mentions {flag}", flag in shown.stdout)
    if os.path.exists("/proc/net/if_inet6"):
        with Program(DEMO, *SMALL, "--bind", "::1") as program:
            checks.same("IPv6", program.get("/healthz")[0], 200)
            checks.same("IPv6, written at length", program.get(
                "/healthz", Host=f"[0:0:0:0:0:0:0:1]:{program.port}")[0], 200)


def main():
    with tempfile.TemporaryDirectory() as folder:
        endless = AlphabetModel(os.path.join(folder, "endless"), 128, 4, 1000000, repeat=2)
        checks.run_all(((test_http,), (test_metrics,), (test_texts,), (test_flow, endless),
                        (test_messages,), (test_end, endless), (test_no_streams,),
                        (test_command_line, endless)))
    checks.finish()


if __name__ == "__main__":
    main()
