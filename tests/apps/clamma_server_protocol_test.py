#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""clamma_server_protocol_test.py BIN_DIR SOURCE_DIR: what RFC 9112 asks of an HTTP/1.1 server, as
clamma-server does it, byte for byte; requests that could be understood in two ways are refused. Exit
code: 0 all checks hold, 1 one does not."""
import json
import socket

from server_harness import Checks, Raw, Server, begin, head_of, post

PROGRAM, _, _ = begin(__doc__)
checks = Checks()


def refused(server, data, name, status):
    """That bytes get this status, an error of the API, and the end of the connection."""
    with Raw(server) as raw:
        answer = raw.send(data).answer()
        checks.same(f"{name}: status", answer.status, status)
        checks.same(f"{name}: error", answer.error, ("invalid_request_error", None))
        checks.same(f"{name}: connection", answer.headers["connection"], "close")
        checks.holds(f"{name}: closed", raw.is_closed())


def test_requests_that_are_refused(server):
    host = f"Host: {server.address}\r\n".encode()
    path = "/v1/chat/completions"
    both = head_of(server, Content_Length=2, Transfer_Encoding="chunked")
    for name, data, status in (
            ("no request line", b"hello\r\n\r\n", 400),
            ("two words", b"GET /health\r\n\r\n", 400),
            ("a method with a mark", b"G(T / HTTP/1.1\r\n" + host + b"\r\n", 400),
            ("two spaces", b"GET  / HTTP/1.1\r\n" + host + b"\r\n", 400),
            ("a tab in the target", b"GET /\t HTTP/1.1\r\n" + host + b"\r\n", 400),
            ("a target without /", b"GET health HTTP/1.1\r\n" + host + b"\r\n", 400),
            ("another protocol", b"GET / SPDY/3\r\n" + host + b"\r\n", 400),
            ("HTTP/2 by its preface", b"PRI * HTTP/2.0\r\n\r\n", 505),
            ("HTTP/1.2", b"GET / HTTP/1.2\r\n" + host + b"\r\n", 505),
            ("a line without CR", b"GET / HTTP/1.1\n" + host + b"\n", 400),
            ("no Host", b"GET / HTTP/1.1\r\n\r\n", 400),
            ("two Hosts", b"GET / HTTP/1.1\r\n" + host + host + b"\r\n", 400),
            ("a folded line", b"GET / HTTP/1.1\r\n" + host + b"A: b\r\n c\r\n\r\n", 400),
            ("a space before the colon", b"GET / HTTP/1.1\r\n" + host + b"A : b\r\n\r\n", 400),
            ("a field without a colon", b"GET / HTTP/1.1\r\n" + host + b"A\r\n\r\n", 400),
            ("a NUL in a field", b"GET / HTTP/1.1\r\n" + host + b"A: \0\r\n\r\n", 400),
            ("a lone CR in a field", b"GET / HTTP/1.1\r\n" + host + b"A: b\rc\r\n\r\n", 400),
            ("a negative length", head_of(server, path, Content_Length=-1), 400),
            ("a length with a sign", head_of(server, path, Content_Length="+2"), 400),
            ("a list of lengths", head_of(server, path, Content_Length="2, 2"), 400),
            ("no length", head_of(server, path, Content_Length=""), 400),
            ("two lengths", head_of(server, path, Content_Length="2\r\nContent-Length: 2"), 400),
            ("length and chunks", both + b"{}", 400),
            ("another coding", head_of(server, Transfer_Encoding="gzip, chunked"), 501),
            ("two codings", head_of(server, Transfer_Encoding="chunked\r\nTransfer-Encoding: chunked"),
             400),
            ("chunks in HTTP/1.0", head_of(server, version="HTTP/1.0", Transfer_Encoding="chunked"), 400),
            ("another expectation", head_of(server, Content_Length=2, Expect="tea"), 417),
            ("a chunk's size in words", head_of(server, Transfer_Encoding="chunked") + b"two\r\n", 400),
            ("a word behind a chunk's size", head_of(server, Transfer_Encoding="chunked") + b"2 two\r\n", 400),
            ("CR in a chunk's extension", head_of(server, Transfer_Encoding="chunked") + b"2;\ra\r\n", 400),
            ("a request among the trailer fields",
             head_of(server, Transfer_Encoding="chunked") + b"0\r\nGET / HTTP/1.1\r\n\r\n", 400),
            ("a chunk longer than its size",
             head_of(server, Transfer_Encoding="chunked") + b"2\r\n{}}\r\n", 400),
            ("a chunk's endless size",
             head_of(server, Transfer_Encoding="chunked") + b"2;" + b"x" * 2000, 400)):
        refused(server, data, name, status)


def test_sizes_that_are_refused(server):
    refused(server, b"GET /" + b"x" * 20000, "a long target", 414)
    refused(server, head_of(server, A="x" * 20000), "a large field", 431)
    refused(server, head_of(server, **{f"A{i}": "b" for i in range(101)}), "many fields", 431)
    refused(server, head_of(server, Content_Length=1001), "a large body", 413)
    refused(server, head_of(server, Content_Length="9" * 40), "a huge body", 413)
    refused(server, head_of(server, Transfer_Encoding="chunked") + b"3E9\r\n", "a large chunk", 413)
    refused(server, head_of(server, Transfer_Encoding="chunked") + b"1f4\r\n" + b" " * 500 +
            b"\r\n1F5\r\n", "two chunks that are too large together", 413)
    refused(server, head_of(server, Transfer_Encoding="chunked") + b"F" * 40 + b"\r\n", "a huge chunk",
            413)
    refused(server, head_of(server, Transfer_Encoding="chunked") + b"0\r\n" + b"A: b\r\n" * 2000,
            "endless trailers", 431)
    with Raw(server) as raw:
        fits = raw.send(head_of(server, Content_Length=1000) + b"{}" + b" " * 998).answer()
        checks.same("the largest body", (fits.status, fits.json["size"]), (200, 1000))


def test_bodies_in_pieces(server):
    data = post(server, {"bytes": 3}, X_Request_Id="pieces")
    with Raw(server) as raw:
        raw.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(len(data)):
            raw.send(data[i:i + 1])
        answer = raw.answer()
        checks.same("byte for byte", (answer.status, answer.json["fill"]), (200, "xxx"))
        checks.same("its id", answer.headers["x-request-id"], "pieces")
    body = json.dumps({"bytes": 4}).encode()
    chunks = b"".join(b"%x;name=\"value\"\r\n%c\r\n" % (1, byte) for byte in body)
    with Raw(server) as raw:
        raw.send(head_of(server, Transfer_Encoding="Chunked") + chunks + b"0\r\nTrailer: dropped\r\n\r\n")
        answer = raw.answer()
        checks.same("in chunks", (answer.status, answer.json["size"], answer.json["fill"]),
                    (200, len(body), "xxxx"))
        again = raw.send(post(server)).answer()
        checks.same("and then the next", (again.status, again.json["size"]), (200, 2))


def test_expect_continue(server):
    with Raw(server) as raw:
        raw.send(head_of(server, Content_Length=2, Expect="100-continue"))
        interim = raw.until(b"\r\n\r\n")
        checks.same("100 before the body", interim, b"HTTP/1.1 100 Continue")
        checks.same("and the answer", raw.send(b"{}").answer().status, 200)
    with Raw(server) as raw:
        raw.send(head_of(server, Content_Length=2, Expect="100-continue", Content_Type="text/plain"))
        checks.same("no 100 where the head is refused", raw.head().status, 415)
    with Raw(server) as raw:
        raw.send(head_of(server, Content_Length=5000, Expect="100-continue"))
        checks.same("nor where the body would be too large", raw.head().status, 413)


def test_pipelines(server):
    with Raw(server) as raw:
        raw.send(post(server, {"wait": 50, "bytes": 1}) + post(server, {"bytes": 2}) +
                 head_of(server, "/healthz", "GET", Content_Type=None))
        answers = [raw.answer() for _ in range(3)]
        checks.same("three at once, answered in order", [answer.status for answer in answers], [200] * 3)
        checks.same("each its own", [answer.json.get("fill") for answer in answers], ["x", "xx", None])
    with Raw(server) as raw:
        raw.send(post(server, {"events": 2, "silence": 50}) + post(server, {"bytes": 2}))
        stream, after = raw.answer(), raw.answer()
        checks.holds("after a stream", stream.body.endswith(b"data: [DONE]\n\n"), stream)
        checks.same("the next one", after.json["fill"], "xx")
    with Raw(server) as raw:
        raw.send(post(server, {"wait": 200}) + b"x" * 300000)
        checks.same("far too much at once: the first is answered", raw.answer().status, 200)
        checks.holds("and the connection closed", raw.is_closed())


def test_connections_stay(server):
    with Raw(server) as raw:
        for number in range(3):
            answer = raw.send(post(server)).answer()
            checks.same(f"request {number} on a connection", answer.status, 200)
        checks.same("keep-alive", (answer.headers["connection"], answer.headers["keep-alive"]),
                    ("keep-alive", "timeout=75"))
        answer = raw.send(b"\r\n" + post(server, Connection="foo, Close")).answer()
        checks.same("close is asked for", answer.headers["connection"], "close")
        checks.holds("and done", raw.is_closed())
    with Raw(server) as raw:
        answer = raw.send(b"GET /healthz HTTP/1.0\r\n\r\n").answer()
        checks.same("HTTP/1.0 without a Host", (answer.status, answer.headers["connection"]), (200, "close"))
        checks.holds("closes", raw.is_closed())


def test_methods_and_paths(server):
    for path, methods in (("/v1/models", "GET, HEAD, OPTIONS"), ("/healthz", "GET, HEAD, OPTIONS"),
                          ("/", "GET, HEAD, OPTIONS"), ("/v1/chat/completions", "POST, OPTIONS"),
                          ("/v1/completions", "POST, OPTIONS"), ("/v1/responses", "POST, OPTIONS"),
                          ("/v1/embeddings", "POST, OPTIONS"), ("/tokenize", "POST, OPTIONS")):
        answer = server.ask(path, method="DELETE")
        checks.same(f"DELETE {path}", (answer.status, answer.headers.get("allow")), (405, methods))
    for path in ("/nothing", "/v1", "/v1/models/", "/v1/models/%zz", "/v1/models/%00", "/page/index.html",
                 "/index.html", "/../settings.cc", "/%2e%2e/x", "//", "*"):
        answer = server.ask(path, method="GET")
        checks.same(f"{path}: nothing there", (answer.status, answer.error),
                    (404, ("invalid_request_error", "unknown_url")))
    for path, endpoint in (("/v1/models", "models"), ("/v1/models?limit=1", "models"),
                           ("/v1/models/a%20b/c", "model"), ("/props", "props")):
        answer = server.ask(path)
        checks.same(f"GET {path}", (answer.status, answer.json["endpoint"]), (200, endpoint))
    checks.same("a model's name in the path", server.ask("/v1/models/a%20b/c").json["model"], "a b/c")
    for path, endpoint in (("/v1/chat/completions", "chat_completions"), ("/v1/completions", "completions"),
                           ("/v1/responses", "responses"), ("/v1/embeddings", "embeddings"),
                           ("/tokenize", "tokenize"), ("/detokenize", "detokenize"),
                           ("/apply-template", "apply_template")):
        checks.same(f"POST {path}", server.ask(path, {}).json["endpoint"], endpoint)
    get, head = server.ask("/v1/models"), server.ask("/v1/models", method="HEAD")
    checks.same("HEAD: the head of GET", (head.status, head.headers["content-length"], head.body),
                (200, get.headers["content-length"], b""))


def test_request_ids(server):
    made = server.ask("/healthz").headers["x-request-id"]
    checks.holds("made", len(made) == 28 and made.startswith("req_"), made)
    checks.holds("and another each time", server.ask("/healthz").headers["x-request-id"] != made)
    for name, wanted, is_taken in (("echoed", "a-B_c.d:9", True), ("as long as allowed", "x" * 128, True),
                                   ("too long", "x" * 129, False), ("with a space", "a b", False),
                                   ("empty", "", False), ("with a mark", "a<b", False)):
        got = server.ask("/healthz", X_Request_Id=wanted).headers["x-request-id"]
        checks.same(name, got == wanted, is_taken)


def main():
    with Server(PROGRAM, "--max-body", 1000) as server:
        checks.run_all([(test, server) for test in (
            test_requests_that_are_refused, test_sizes_that_are_refused, test_bodies_in_pieces,
            test_expect_continue, test_pipelines, test_connections_stay, test_methods_and_paths,
            test_request_ids)])
    checks.finish()


main()
