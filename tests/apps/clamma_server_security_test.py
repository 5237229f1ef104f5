#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""clamma_server_security_test.py BIN_DIR SOURCE_DIR: who may use clamma-server: names, pages of other
origins, media types, keys and their limits, public addresses, and what logs and metrics hold. Exit code:
0 all checks hold, 1 one does not."""
import json
import os
import subprocess
import tempfile

from server_harness import Checks, Raw, Server, begin, head_of

PROGRAM, _, _ = begin(__doc__)
KEYS = ("sk-first-key-0123456789", "sk-second-key-abcdefgh", "sk-limited-key-xxxxxxx")
CHAT = "/v1/chat/completions"
FOREIGN = ("permission_error", None)
checks = Checks()


def bearer(key):
    return {"Authorization": "Bearer " + key}


def key_file(text):
    # pylint: disable-next=consider-using-with
    file = tempfile.NamedTemporaryFile("w", suffix=".keys", encoding="utf-8")
    file.write(text)
    file.flush()
    return file


# --- Names and origins ------------------------------------------------------------------------------


def test_hosts(server):
    for host, status in ((server.address, 200), (f"localhost:{server.port}", 200),
                         (f"LOCALHOST:{server.port}", 200), ("localhost", 403), ("evil.example", 403),
                         (f"evil.example:{server.port}", 403), (f"127.0.0.1.nip.io:{server.port}", 403),
                         ("chat.example.org", 200), (f"127.0.0.2:{server.port}", 403)):
        answer = server.ask("/v1/models", Host=host)
        checks.same(f"Host: {host}", answer.status, status)
        if status == 403:
            checks.same(f"Host: {host}: error", answer.error, FOREIGN)
    checks.same("the same for the page", server.ask("/", Host="evil.example").status, 403)
    checks.same("and for /healthz", server.ask("/healthz", Host="evil.example").status, 403)
    named = server.ask("/v1/models", Host="evil.example").json["error"]["message"]
    checks.holds("the option is named", "--allow-origin http://evil.example" in named, named)
    hostile = server.ask("/v1/models", Host="evil\"; rm").json["error"]["message"]
    checks.holds("but no text of a client that is no name", "rm" not in hostile, hostile)


def test_origins(server):
    for origin, status in ((server.url, 200), ("https://chat.example.org", 200),
                           ("http://chat.example.org", 403), ("https://evil.example", 403),
                           ("null", 403), ("", 403), (f"https://{server.address}", 200)):
        answer = server.ask(CHAT, {}, Origin=origin)
        checks.same(f"Origin: {origin}", answer.status, status)
        checks.holds(f"Origin: {origin}: no CORS", "access-control-allow-origin" not in answer.headers)
    preflight = server.ask(CHAT, method="OPTIONS", Origin=server.url,
                           Access_Control_Request_Method="POST")
    checks.same("a preflight without --cors", (preflight.status,
                                               [name for name in preflight.headers if "access" in name]),
                (204, []))


def test_cors():
    page = "https://page.example"
    with Server(PROGRAM, "--cors", page, "--cors", "http://localhost:3000") as server:
        preflight = server.ask(CHAT, method="OPTIONS", Origin=page, Access_Control_Request_Method="POST",
                               Access_Control_Request_Headers="authorization,x-stainless-os")
        checks.same("a preflight", {name: preflight.headers[name] for name in preflight.headers
                                    if name.startswith(("access-", "vary"))},
                    {"access-control-allow-origin": page, "vary": "origin",
                     "access-control-expose-headers": "x-request-id, x-clamma-loosened, retry-after",
                     "access-control-allow-methods": "POST", "access-control-max-age": "600",
                     "access-control-allow-headers": "authorization,x-stainless-os"})
        checks.same("is empty", (preflight.status, preflight.body), (204, b""))
        bad = server.ask(CHAT, method="OPTIONS", Origin=page, Access_Control_Request_Headers="a b\"c")
        checks.holds("no list of names", "access-control-allow-headers" not in bad.headers)
        for script in ({}, {"events": 1}, {"status": 400}):
            checks.same(f"an answer to {script}",
                        server.ask(CHAT, script, Origin=page).headers["access-control-allow-origin"], page)
        refused = server.ask(CHAT, b"{}", Origin=page, Content_Type="text/plain")
        checks.same("a refusal can be read", (refused.status,
                                              refused.headers["access-control-allow-origin"]), (415, page))
        other = server.ask(CHAT, {}, Origin="https://evil.example")
        checks.same("another page", (other.status, other.headers.get("access-control-allow-origin")),
                    (403, None))
        other = server.ask(CHAT, method="OPTIONS", Origin="https://evil.example")
        checks.same("its preflight", other.status, 403)
    with Server(PROGRAM, "--cors", "*") as server:
        answer = server.ask(CHAT, {}, Origin="https://any.example")
        checks.same("any page", (answer.status, answer.headers["access-control-allow-origin"],
                                 answer.headers.get("access-control-allow-credentials")), (200, "*", None))


def test_media_types(server):
    for kind, status in (("application/json", 200), ("Application/JSON ; charset=utf-8", 200),
                         ("text/plain", 415), ("application/x-www-form-urlencoded", 415),
                         ("multipart/form-data; boundary=x", 415), ("application/json5", 415),
                         ("text/plain; application/json", 415), (None, 415)):
        checks.same(f"Content-Type: {kind}", server.ask(CHAT, {}, Content_Type=kind).status, status)
    checks.same("a compressed body", server.ask(CHAT, {}, Content_Encoding="gzip").status, 415)
    with Raw(server) as raw:
        checks.same("no body", raw.send(head_of(server)).answer().status, 411)


def test_headers_of_all_answers(server):
    for path, method in (("/", "GET"), ("/v1/models", "GET"), ("/nothing", "GET"), ("/", "PUT")):
        headers = server.ask(path, method=method).headers
        policy = headers["content-security-policy"]
        checks.holds(f"{method} {path}: policy", policy.startswith("default-src 'none'; script-src 'self'"),
                     policy)
        checks.holds(f"{method} {path}: no text becomes code", policy.endswith(
            "; require-trusted-types-for 'script'; trusted-types 'none'"), policy)
        checks.same(f"{method} {path}: no guessing of types", headers["x-content-type-options"], "nosniff")
        checks.same(f"{method} {path}: no referrer", headers["referrer-policy"], "no-referrer")
    checks.same("the page is asked for each time", server.ask("/").headers["cache-control"], "no-cache")
    checks.same("answers are not kept", server.ask("/v1/models").headers["cache-control"], "no-store")


# --- Keys -------------------------------------------------------------------------------------------


def test_keys():
    with key_file(f"# ours\n\n{KEYS[0]}\n  {KEYS[1]}\trequests=0\n") as file, \
         Server(PROGRAM, "--key-file", file.name, environment={"CLAMMA_API_KEY": KEYS[2]}) as server:
        wrong = ({}, {"Authorization": KEYS[0]}, bearer(KEYS[0] + "x"), bearer(KEYS[0][:-1]), bearer(""),
                 bearer("# ours"), {"Authorization": "Basic " + KEYS[0]}, bearer(KEYS[0].upper()))
        for path in ("/v1/models", "/v1/models/x", "/props", "/metrics", "/health", "/nothing"):
            for headers in wrong:
                answer = server.ask(path, **headers)
                checks.same(f"{path} with {headers}", (answer.status, answer.error),
                            (401, ("authentication_error", "invalid_api_key")))
            checks.same(f"{path}: what is asked for", answer.headers["www-authenticate"], "Bearer")
        for path in (CHAT, "/v1/completions", "/v1/responses", "/v1/embeddings", "/tokenize",
                     "/detokenize", "/apply-template"):
            checks.same(f"{path} without a key", server.ask(path, {}).status, 401)
        checks.same("/healthz is open", server.ask("/healthz").status, 200)
        checks.same("and the page, which asks for the key", server.ask("/").status, 200)
        for key in KEYS:
            for name in ("Bearer ", "bearer  "):
                answer = server.ask("/v1/models", Authorization=name + key)
                checks.same(f"{name}{key}", answer.status, 200)
        salts = [server.ask(CHAT, {}, **bearer(key)).json["salt"] for key in KEYS * 2]
        checks.same("the prefix cache is salted by key", (len(set(salts)), "0" in salts, salts[:3]),
                    (3, False, salts[3:]))
        with Raw(server) as raw:  # before its body is read
            refused = raw.send(head_of(server, Content_Length=10 ** 6, Expect="100-continue")).answer()
            checks.same("a body without a key is not read", refused.status, 401)
        errors = server.end()[1]
        checks.same("no key in the log", [key for key in KEYS if key in errors], [])
    with Server(PROGRAM) as server:
        checks.same("without keys there is no salt", server.chat().json["salt"], "0")


def test_limits_of_keys():
    with key_file(f"{KEYS[0]} requests=2\n{KEYS[1]} tokens=25\n{KEYS[2]}\n") as file, \
         Server(PROGRAM, "--key-file", file.name, "--key-requests", 3) as server:
        for key, allowed in ((KEYS[0], 2), (KEYS[2], 3)):
            got = [server.ask(CHAT, {}, **bearer(key)) for _ in range(allowed + 1)]
            checks.same(f"{allowed} requests a minute", [answer.status for answer in got],
                        [200] * allowed + [429])
            checks.same("the error", got[-1].error, ("requests", "rate_limit_exceeded"))
            wait = int(got[-1].headers["retry-after"])
            checks.holds("Retry-After: when one has grown back", 0 < wait <= 60 / allowed, wait)
        # Each uses 11 tokens, which are taken when it has ended.
        got = [server.ask(CHAT, {}, **bearer(KEYS[1])) for _ in range(3)]
        checks.same("25 tokens a minute (and requests=3)", [answer.status for answer in got], [200] * 3)
        got = server.ask(CHAT, {}, **bearer(KEYS[1]))
        checks.same("the error", (got.status, got.error), (429, ("requests", "rate_limit_exceeded")))
    with key_file(f"{KEYS[1]} tokens=25\n") as file, Server(PROGRAM, "--key-file", file.name) as server:
        got = [server.ask(CHAT, {}, **bearer(KEYS[1])) for _ in range(4)]
        checks.same("25 tokens a minute", [answer.status for answer in got], [200, 200, 200, 429])
        checks.same("the error", got[-1].error, ("tokens", "rate_limit_exceeded"))
        checks.same("/healthz has no limit", server.ask("/healthz").status, 200)


# --- The command line -------------------------------------------------------------------------------


def fails(name, code, reason, *arguments, environment=None):
    """That the program ends at once, with this code and reason."""
    environ = {key: value for key, value in os.environ.items() if key != "CLAMMA_API_KEY"}
    with tempfile.NamedTemporaryFile(suffix=".gguf") as model:
        done = subprocess.run([PROGRAM, "--port", "0", model.name, *map(str, arguments)],
                              capture_output=True, text=True, timeout=60, check=False,
                              env={**environ, **(environment or {})})
    checks.holds(name, done.returncode == code and reason in done.stderr and done.stderr.count("\n") == 1,
                 f"{done.returncode} {done.stderr}")


def test_command_line():
    fails("a public address without a key", 2, "--no-auth", "--host", "0.0.0.0")
    fails("and with IPv6", 2, "--no-auth", "--host", "::")
    fails("any page and keys", 2, "name the origins", "--cors", "*",
          environment={"CLAMMA_API_KEY": KEYS[0]})
    fails("a short key", 2, "8 to 512 characters", environment={"CLAMMA_API_KEY": "short"})
    fails("no origin", 2, "--cors: evil is not an origin", "--cors", "evil")
    fails("no origin to allow", 2, "--allow-origin: x is not an origin", "--allow-origin", "x")
    fails("no file of keys", 2, "No such file", "--key-file", "/nothing/keys")
    for text, reason in (("", "has no key"), ("# none\n", "has no key"),
                         (KEYS[0] + " tokens=x\n", "line 1: a limit of a key is not a whole number"),
                         ("\n" + KEYS[0] + " all\n", "line 2: only requests=N and tokens=N"),
                         ("k\u00e4se-und-brot\n", "visible ASCII")):
        with key_file(text) as file:
            fails(f"keys {text!r}", 2, reason, "--key-file", file.name)
    with Server(PROGRAM, "--host", "0.0.0.0", "--no-auth") as server:
        checks.same("a public address with --no-auth", server.ask("/healthz").status, 200)
    with Server(PROGRAM, "--host", "0.0.0.0", environment={"CLAMMA_API_KEY": KEYS[0]}) as server:
        checks.same("a public address with a key", server.ask("/healthz").status, 200)
        checks.same("asks for it", server.ask("/v1/models").status, 401)


# --- Logs and metrics -------------------------------------------------------------------------------


SECRET = "swordfish"


def secret_requests(server):
    server.ask(CHAT, {"user": SECRET}, X_Request_Id="mine", User_Agent=SECRET)
    server.ask(CHAT, {"events": 1, "user": SECRET})
    server.ask(f"/v1/models/{SECRET}?{SECRET}")
    server.ask(f"/{SECRET}", method=SECRET.upper())
    server.ask("/healthz", Host=SECRET)
    return server.ask("/metrics").body.decode()


def test_logs():
    with Server(PROGRAM) as server:
        metrics = secret_requests(server)
        errors = server.end()[1]
        checks.holds("no word of a request in the metrics", SECRET not in metrics.lower(), metrics)
        hidden = errors.replace(f"--allow-origin http://{SECRET}", "")
        checks.holds("nor in the log, but a refused Host that --allow-origin takes",
                     SECRET not in hidden.lower(), errors)
        checks.holds("a line for each", "mine POST /v1/chat/completions 200" in errors and
                     "tokens 10 (4 cached) + 1" in errors, errors)
    with Server(PROGRAM, "--log", "json") as server:
        secret_requests(server)
        lines = [json.loads(line) for line in server.end()[1].splitlines()]
        checks.same("as JSON", {name: lines[0][name] for name in ("id", "method", "path", "status",
                                                                  "completion_tokens")},
                    {"id": "mine", "method": "POST", "path": CHAT, "status": 200, "completion_tokens": 1})
        checks.same("without contents", [line for line in lines if SECRET in str(line) and
                                         "message" not in line], [])
    with Server(PROGRAM, "--log", "off") as server:
        server.ask("/v1/models")
        checks.same("off", server.end()[1], "")
    with Server(PROGRAM, "--log", "json", "--log-content") as server:
        control = "\x9b31m\u202e\x1b"
        server.ask(CHAT, {"events": 1, "user": SECRET + control})
        text = server.end()[1]
        line = json.loads(text)
        checks.same("with contents", (json.loads(line["request"])["user"], "[DONE]" in line["answer"]),
                    (SECRET + control, True))
        checks.same("nothing controls a terminal", [c for c in text[:-1] if not c.isprintable()], [])


def main():
    with Server(PROGRAM, "--allow-origin", "https://chat.example.org") as server:
        checks.run_all([(test, server) for test in (
            test_hosts, test_origins, test_media_types, test_headers_of_all_answers)])
    checks.run_all([(test,) for test in (test_cors, test_keys, test_limits_of_keys, test_command_line,
                                         test_logs)])
    checks.finish()


main()
