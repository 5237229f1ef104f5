#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""clamma_server_streams_test.py BIN_DIR SOURCE_DIR: answers of clamma-server as server-sent events, and
what it does when a client leaves, or does not fetch them. Exit code: 0 all checks hold, 1 one does not."""
import threading
import time

from server_harness import SLOW, Checks, Raw, Server, begin, events_of, post, until

PROGRAM, _, _ = begin(__doc__)
MEGABYTE = 1 << 20
checks = Checks()


def test_events(server):
    with Raw(server) as raw:
        answer = raw.send(post(server, {"events": 3, "header": "pattern"})).answer()
        checks.same("status and type", (answer.status, answer.headers["content-type"]),
                    (200, "text/event-stream; charset=utf-8"))
        checks.same("no proxy keeps it", (answer.headers["x-accel-buffering"],
                                          answer.headers["cache-control"]), ("no", "no-cache, no-store"))
        checks.same("the service's headers", answer.headers["x-clamma-loosened"], "pattern")
        checks.same("events in order, and the end", events_of(answer.body),
                    [(None, {"number": i, "fill": ""}) for i in range(3)] + [(None, "[DONE]")])
        again = raw.send(post(server, {"events": 1})).answer()
        checks.same("the connection stays", len(events_of(again.body)), 2)
    with Raw(server) as raw:
        answer = raw.send(post(server, {"events": 1}).replace(b"chat/completions", b"responses")).answer()
        checks.same("events with names", events_of(answer.body)[0], ("response.delta",
                                                                     {"number": 0, "fill": ""}))


def test_head_comes_first(server):
    with Raw(server) as raw:
        raw.send(post(server, {"events": 1, "silence": 60000}))
        checks.same("the head comes on admission, before the first event", raw.head().status, 200)
        checks.same("and nothing else", raw.got, b"")


def test_http10(server):
    with Raw(server) as raw:
        data = post(server, {"events": 2}).replace(b"HTTP/1.1", b"HTTP/1.0")
        head = raw.send(data).head()
        while raw.more():
            pass
        checks.same("without chunks", (head.headers.get("transfer-encoding"), head.headers["connection"]),
                    (None, "close"))
        checks.same("to the end of the connection", len(events_of(raw.got)), 3)


def test_failure(server):
    with Raw(server) as raw:
        answer = raw.send(post(server, {"events": 2, "fail": True})).answer()
        events = events_of(answer.body)
        checks.same("a later failure is an event, without [DONE]", events[2:],
                    [(None, {"error": {"message": "scripted"}})])


def test_comments(server):
    """The one test that must wait: comments come after 10 s of silence."""
    with Raw(server) as raw:
        raw.send(post(server, {"events": 1, "silence": 10500}))
        raw.head()
        chunks = [chunk for chunk in raw.chunks() if chunk]
        checks.same("a comment in the silence", chunks[0], b": waiting\n\n")
        checks.same("then the events", events_of(b"".join(chunks[1:])),
                    [(None, {"number": 0, "fill": ""}), (None, "[DONE]")])


def test_disconnects(server):
    left = 'http_requests_total{path="/v1/chat/completions",status="left"}'
    before = server.metrics()
    for name, script in (("before the answer begins", {"wait": 60000}),
                         ("in the prompt", {"events": 1, "silence": 60000}),
                         ("between tokens", {"events": 1000, "pause": 100})):
        with Raw(server) as raw:
            raw.send(post(server, script))
            if "events" in script:
                raw.head()
            checks.holds(f"{name}: it runs", until(lambda: server.metrics()["texts_running"] == 1))
        checks.holds(f"{name}: the client leaves and it ends",
                     until(lambda: server.metrics()["texts_running"] == 0))
    checks.same("each was cancelled",
                server.metrics()["requests_cancelled_total"] - before["requests_cancelled_total"], 3)
    checks.same("and counted", server.metrics()[left] - before.get(left, 0), 3)


def test_others_go_on(server):
    """That a client who leaves takes no other with it."""
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(server.chat(events=20, pause=10)))
               for _ in range(5)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        with Raw(server) as raw:
            raw.send(post(server, {"events": 1000, "pause": 5}))
            raw.head()
    for thread in threads:
        thread.join()
    checks.same("all of the others are whole", [len(events_of(answer.body)) for answer in answers], [21] * 5)


def test_slow_reader(server):
    """A client that reads nothing: the answer is kept up to 1 MB, and then ends."""
    before = server.metrics()
    with Raw(server) as raw:
        raw.send(post(server, {"events": 10000, "bytes": 1000}))
        name = "generated_tokens_total"
        checks.holds("it ends", until(lambda: server.metrics()[name] > before[name]))
        tokens = server.metrics()[name] - before[name]
        checks.holds("with about 1 MB unread, and what the sockets hold",
                     MEGABYTE / 1100 < tokens < 8 * MEGABYTE / 1000, tokens)
        whole = server.chat(events=3)
        checks.same("others are answered meanwhile", len(events_of(whole.body)), 4)
        answer = raw.answer()
        events = events_of(answer.body)
        numbers = [event["number"] for _, event in events[:-1]]
        checks.same("the client gets what was kept, without a gap", numbers, list(range(len(numbers))))
        checks.same("and an error instead of [DONE]", events[-1][1]["error"]["code"], "slow_reader")
    checks.same("it is counted", server.metrics()["slow_readers_total"], 1)


def test_fast_reader(server):
    """That a long answer is whole if the client reads, however long it is."""
    answer = server.chat(events=5000, bytes=1000)
    events = events_of(answer.body)
    checks.same("5 MB, all of them", ([event["number"] for _, event in events[:-1]], events[-1][1]),
                (list(range(5000)), "[DONE]"))
    events = events_of(server.chat(events=1, bytes=3 * MEGABYTE).body)
    checks.same("an event of 3 MB", (len(events[0][1]["fill"]), events[1][1]), (3 * MEGABYTE, "[DONE]"))
    checks.same("a body of 3 MB is no stream", len(server.chat(bytes=3 * MEGABYTE).json["fill"]),
                3 * MEGABYTE)


def test_many_at_once(server):
    """200 idle connections and 16 streams."""
    idle = [Raw(server) for _ in range(200)]
    for raw in idle[::2]:
        raw.send(b"POST /v1/chat")  # and no more
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(server.chat(events=50, pause=2)))
               for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    checks.same("every stream is whole", [len(events_of(answer.body)) for answer in answers], [51] * 16)
    for raw in idle:
        raw.socket.close()
    checks.holds("they are forgotten", until(lambda: server.metrics()["connections"] == 1))


def main():
    start = time.monotonic()
    with Server(PROGRAM) as server:
        commenting = threading.Thread(target=test_comments, args=(server,))
        commenting.start()
        checks.run_all([(test, server) for test in (
            test_events, test_head_comes_first, test_http10, test_failure, test_others_go_on,
            test_fast_reader)])
        commenting.join(30 * SLOW)
        checks.run_all([(test, server) for test in (test_disconnects, test_slow_reader,
                                                    test_many_at_once)])
    print(f"        {time.monotonic() - start:.1f} s")
    checks.finish()


main()
