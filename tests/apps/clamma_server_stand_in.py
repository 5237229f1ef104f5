#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A stand-in for clamma-server, for tests of its page: it serves the page's files as the program does, and
gives answers that a test has written. As a program: clamma_server_stand_in.py PAGE_FOLDER [PORT] gives
answers that show all there is."""
import http.server
import json
import os
import re
import socket
import sys
import threading
import time

POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
          "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
          "require-trusted-types-for 'script'; trusted-types 'none'")
TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
         ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


def read_page(folder):
    """The files by name, parts put in, as the build embeds them."""
    files = {}
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            files[name] = file.read()

    def include(match):
        return files[match[1]]

    return {name: re.sub(r"^<!-- include ([a-z.]+) -->\n", include, text, flags=re.M).encode()
            for name, text in files.items()}


class Gone(Exception):
    """The reader has left."""


class Reply:
    """How a test answers a chat request: as a stream, in chunks, or with an error."""

    def __init__(self, handler, request):
        self.handler, self.request, self.begun = handler, request, False

    def error(self, status, message, code=None, **headers):
        body = json.dumps({"error": {"message": message, "type": "error", "param": None,
                                     "code": code}}).encode()
        self.handler.respond(status, "application/json", body, headers)

    def event(self, data):
        if not self.begun:
            self.begun = True
            self.handler.send_response(200)
            self.handler.send_header("content-type", "text/event-stream")
            self.handler.send_header("cache-control", "no-store")
            self.handler.send_header("x-accel-buffering", "no")
            self.handler.end_headers()
        self.raw(f"data: {data}\n\n".encode())

    def raw(self, data):
        try:
            self.handler.wfile.write(data)
            self.handler.wfile.flush()
        except OSError as error:
            raise Gone from error

    def chunk(self, delta, finish=None):
        self.event(json.dumps({"id": "c", "object": "chat.completion.chunk", "choices": [
            {"index": 0, "delta": delta, "finish_reason": finish}]}))

    def say(self, text, size=7, pause=0.0, field="content"):
        for at in range(0, len(text), size):
            self.chunk({field: text[at:at + size]})
            if pause:
                time.sleep(pause)

    def end(self, finish="stop", prompt=20, tokens=30):
        self.chunk({}, finish)
        self.event(json.dumps({"id": "c", "object": "chat.completion.chunk", "choices": [], "usage": {
            "prompt_tokens": prompt, "completion_tokens": tokens, "total_tokens": prompt + tokens}}))
        self.event("[DONE]")


class StandIn:
    """`script(reply)` answers chat requests; `requests` keeps what the page sent."""

    def __init__(self, folder, port=0, models=("stand-in",), key=None, context=4096):
        self.page, self.models, self.key, self.context = read_page(folder), models, key, context
        self.script = lambda reply: (reply.say("Hello."), reply.end())
        self.requests, self.paths, self.left = [], [], 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"

            def log_message(self, *_):
                pass

            def respond(self, status, kind, body, headers=()):
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(body)))
                self.send_header("content-security-policy", POLICY)
                self.send_header("x-content-type-options", "nosniff")
                self.send_header("referrer-policy", "no-referrer")
                for name, value in dict(headers).items():
                    self.send_header(name.replace("_", "-"), str(value))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                outer.get(self)

            def do_POST(self):
                outer.post(self)

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            address_family = socket.AF_INET

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def refuses(self, handler):
        if self.key is None or handler.headers.get("authorization") == f"Bearer {self.key}":
            return False
        Reply(handler, None).error(401, "The key is missing or wrong.", "invalid_api_key")
        return True

    def get(self, handler):
        path = handler.path.split("?")[0]
        self.paths.append(path)
        name = path[1:] or "index.html"
        if name in self.page:
            handler.respond(200, TYPES[os.path.splitext(name)[1]], self.page[name],
                            {"cache_control": "no-cache"})
        elif path == "/v1/models" and not self.refuses(handler):
            handler.respond(200, "application/json", json.dumps({"object": "list", "data": [
                {"id": model, "object": "model", "created": 1, "owned_by": "clamma"}
                for model in self.models]}).encode())
        elif path == "/props" and not self.refuses(handler):
            handler.respond(200, "application/json", json.dumps({
                "version": "0.0", "max_tokens": 2048, "models": [
                    {"id": model, "context": self.context, "architecture": "llama", "file_type": "Q4_1",
                     "parameters": 134515008} for model in self.models]}).encode())
        elif path not in ("/v1/models", "/props"):
            handler.respond(404, "text/plain", b"there is nothing at this address\n")

    def post(self, handler):
        body = handler.rfile.read(int(handler.headers["content-length"]))
        if self.refuses(handler):
            return
        request = json.loads(body)
        self.requests.append(request)
        try:
            self.script(Reply(handler, request))
        except Gone:
            self.left += 1


SHOW = """## A short tour

A paragraph with *emphasis*, **strong words**, `code`, ~~deletion~~ and a [link](https://example.org/a_(b)).
A second line of it, and 1 < 2 & <script>alert(1)</script> as plain text.

1. First, a list
   - with a nested one
   - [x] and a task that is done
   - [ ] and one that is not
2. Second, code in an item:

   ```python
   def tides(moon, sun, hours):
       return [moon * math.cos(2 * math.pi * h / 12.42) + sun * math.cos(2 * math.pi * h / 12) for h in hours]
   ```

> A quotation, which goes on
> over two lines.

| drink | caffeine | when |
| :--- | ---: | :---: |
| Tea | 40 mg | any time |
| Coffee | 95 mg | before noon |
| Cocoa | 12 mg | evening |

### In the end

That is *all*.
"""


def show(reply):
    """Answers by what was asked."""
    asked = reply.request["messages"][-1]["content"] or ""
    if "error" in asked:
        reply.error(429, "The queue is full.", "rate_limit_exceeded", retry_after=3)
        return
    if "think" in asked:
        reply.say("The user wants to know something. I weigh two answers, and take the shorter one. " * 3,
                  pause=0.03, field="reasoning_content")
    if "tool" in asked:
        for delta in ({"index": 0, "id": "call_1", "type": "function",
                       "function": {"name": "weather", "arguments": ""}},
                      {"index": 0, "function": {"arguments": '{"city": "Bergen", '}},
                      {"index": 0, "function": {"arguments": '"days": [1, 2]}'}}):
            reply.chunk({"tool_calls": [delta]})
        reply.end("tool_calls")
        return
    if "response_format" in reply.request:
        reply.say('{"name":"Ada","born":1815,"likes":["engines",{"kind":"poetry"}]}', pause=0.02)
    else:
        reply.say(SHOW, pause=0.01)
    if "cut" in asked:
        return
    reply.end(prompt=812, tokens=345)


if __name__ == "__main__":
    stand_in = StandIn(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 8765)
    stand_in.script = show
    print(stand_in.url, flush=True)
    threading.Event().wait()
