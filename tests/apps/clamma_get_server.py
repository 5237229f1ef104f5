# SPDX-License-Identifier: MIT
"""A server for the tests of clamma-get: a hub, and files that it serves correctly or incorrectly."""
import hashlib
import http.server
import json
import re
import threading
from urllib.parse import unquote, urlsplit


class File:
    """What the server answers for a path. `cuts`: after how many bytes it closes the connection, for
    each of the next requests."""

    def __init__(self, data, **how):
        self.data = data
        self.etag = '"' + hashlib.sha256(data).hexdigest() + '"'
        self.ranges = True
        self.length = True     # sends the file's length
        self.chunked = False
        self.type = "application/octet-stream"
        self.status = 200
        self.headers = {}
        self.cuts = []
        self.pause = None      # (bytes, event): after these bytes, waits for the event
        self.encoding = None
        self.__dict__.update(how)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        server = self.server
        path = unquote(urlsplit(self.path).path)
        server.requests.append((path, {k.lower(): v for k, v in self.headers.items()}))
        found = server.files.get(path)
        if callable(found):
            found = found()
        if found is None:
            found = File(b"no such file\n", status=404, type="text/plain")
        if isinstance(found, str):
            self.send_response(302)
            self.send_header("Location", found)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_file(found)

    def begin_of(self, found):
        """Returns the first byte to send, or None if the requested range is beyond the file."""
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if not asked or not found.ranges or found.status != 200:
            return 0
        if self.headers.get("If-Range", found.etag) != found.etag:
            return 0
        return int(asked[1]) if int(asked[1]) < len(found.data) else None

    def send_file(self, found):
        begin = self.begin_of(found)
        if begin is None:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(found.data)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        data = found.data[begin:]
        self.send_response(206 if begin else found.status)
        if begin:
            end = len(found.data)
            self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{end}")
        if found.length:
            self.send_header("Content-Length", str(len(data)))
        if found.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        if found.etag:
            self.send_header("ETag", found.etag)
        if found.encoding:
            self.send_header("Content-Encoding", found.encoding)
        self.send_header("Content-Type", found.type)
        for name, value in found.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.send_body(found, data)

    def send_body(self, found, data):
        if found.chunked:
            data = b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data)
        cut = found.cuts.pop(0) if found.cuts else None
        if cut is not None:
            data = data[:cut]
        try:
            if found.pause:
                size, event = found.pause
                self.wfile.write(data[:size])
                self.wfile.flush()
                event.wait(60)
                data = data[size:]
            self.wfile.write(data)
            self.wfile.flush()
        except OSError:
            cut = 0
        if cut is not None or not (found.length or found.chunked):
            self.close_connection = True


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {}     # path: File, address to redirect to, or a function that gives one of them
        self.requests = []  # (path, headers)
        self.port = self.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.other = f"http://localhost:{self.port}"  # the same server by another name
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        pass

    def headers_of(self, path):
        return [headers for asked, headers in self.requests if asked == path]

    def add_repository(self, name, files, license="apache-2.0", commit="c" * 40, pages=1,
                       wrong_sums=()):
        """Adds a repository to the hub. files: {path: bytes}."""
        self.files[f"/api/models/{name}"] = self.json(
            {"id": name, "sha": commit, "tags": ["gguf", f"license:{license}"]})
        items = [{"type": "directory", "path": "folder", "size": 0}]
        for path, data in files.items():
            served = data if isinstance(data, File) else File(data)
            sums = hashlib.sha256(b"else" if path in wrong_sums else served.data).hexdigest()
            items.append({"type": "file", "path": path, "size": len(served.data), "oid": "a" * 40,
                          "lfs": {"oid": sums, "size": len(served.data), "pointerSize": 134}})
            self.files[f"/{name}/resolve/{commit}/{path}"] = served
        tree = f"/api/models/{name}/tree/{commit}"
        each = -(-len(items) // pages)
        for page in range(pages):
            listed = self.json(items[page * each:(page + 1) * each])
            if page + 1 < pages:
                listed.headers["Link"] = f'<{self.url}{tree}/{page + 1}>; rel="next"'
            self.files[tree if page == 0 else f"{tree}/{page}"] = listed

    @staticmethod
    def json(value):
        return File(json.dumps(value).encode(), type="application/json")
