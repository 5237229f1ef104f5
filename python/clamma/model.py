# SPDX-License-Identifier: MIT
"""Models."""

from __future__ import annotations

import os

from . import _core, options as _options
from .messages import add_messages
from .names import find
from .queries import Queries
from .results import ContinuationScore, Score

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any, Literal, overload

    from .queries import Messages
    from .session import Session

_KV = {"f32": 0, "f16": 1, "auto": 2, "q8": 3}
_BOS, _PREFIX, _EOS, _CONTROL = 1, 2, 4, 8


class Model(Queries):
    """A model in memory, which serves any number of queries at once.

    `model`: a path (a GGUF file, or a checkpoint of llama2.c), or a name, as `find` takes it; ""
    is the default model. With `download=True` a model that is not there is downloaded, as
    `python -m clamma get` does.
    `tokenizer`: path of the vocabulary; default: the one of the model's file, or beside it.
    `threads`: threads that compute; 0: all usable cores.
    `context`: positions of each session's context; 0: as many as the model was trained for.
    `kv`: how keys and values are stored: "f32", "f16", "q8", or "auto" ("f16" for GGUF models).
    `chat_template`: text of a Jinja template, or a name; default: the model's own.
    `pre_tokenizer`: the rule that splits texts; default: the one that the file names.
    `max_sessions`: how many sessions there may be at a time; 0: 1024.
    `prefix_cache_bytes`: at most this much of what queries have computed is kept for later ones that
    begin alike; 0: none.
    `cache_limit`: if not None, weights are read as they are needed, and at most this many bytes of
    them are held (0: no limit). Default: the file is mapped.

    A model is pickled as its path and these arguments, and loaded from there again. In the child of
    a fork() it raises `Error`: load it there. As a context manager, it closes at the end.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] = "",
        *,
        tokenizer: str | os.PathLike[str] = "",
        threads: int = 0,
        context: int = 0,
        kv: str = "auto",
        chat_template: str = "",
        pre_tokenizer: str = "",
        max_sessions: int = 0,
        prefix_cache_bytes: int = 0,
        cache_limit: int | None = None,
        download: bool = False,
    ) -> None:
        if kv not in _KV:
            raise ValueError(f"kv is {kv!r}: one of {', '.join(_KV)} expected")
        if download:
            from .download import ensure

            ensure(os.fspath(model))
        path, vocabulary = find(model, _options.text("tokenizer", os.fspath(tokenizer)))
        whole = _options.whole_number
        self._arguments: dict[str, Any] = {
            "tokenizer": os.path.abspath(vocabulary) if os.path.exists(vocabulary) else vocabulary,
            "threads": whole("threads", threads),
            "context": whole("context", context),
            "kv": kv,
            "max_sessions": whole("max_sessions", max_sessions),
            "chat_template": _options.text("chat_template", chat_template),
            "pre_tokenizer": _options.text("pre_tokenizer", pre_tokenizer),
            "prefix_cache_bytes": whole("prefix_cache_bytes", prefix_cache_bytes, most=2**64 - 1),
            "cache_limit": cache_limit
            if cache_limit is None
            else whole("cache_limit", cache_limit, most=2**63 - 1),
        }
        self.path: str = os.path.abspath(path)
        arguments = {**self._arguments, "kv": _KV[kv]}
        self._core = _core.Model(_options.text("model", self.path), *arguments.values())
        self._sampling: dict[str, float] | None = None

    def close(self) -> None:
        """Ends the model's queries, and frees its memory. What uses it later raises `Error`."""
        self._core.close()

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return _load, (self.path, self._arguments)

    def __repr__(self) -> str:
        return f"<clamma.Model {self.path}>"

    @property
    def info(self) -> dict[str, Any]:
        """What is known of the model: "architecture", "file_type", "parameters", "dim" (floats of an
        embedding), "layers", "vocab_size", "context" (positions), "bos" and "eos" (ids; -1: none),
        "threads", "memory_bytes" and more."""
        return self._core.facts()

    def metadata(self, key: str) -> str | None:
        """Returns a value of a GGUF file's metadata, such as "general.license": texts as they are,
        all else as JSON. None: there is no such key."""
        value = self._core.metadata(_options.text("key", key))
        return None if value is None else value.decode(errors="replace")

    def session(self) -> Session:
        """Returns a new session with an empty context."""
        from .session import Session

        return Session(self)

    def tokenize(
        self,
        text: str,
        *,
        bos: bool = True,
        prefix: bool = True,
        eos: bool = False,
        control: bool = False,
    ) -> list[int]:
        """Returns the ids of a text's tokens, shape (n,).

        `bos`, `eos`: with the tokens that begin and end texts, if the vocabulary has them. `prefix`:
        with the space that some vocabularies put before a text. `control`: names such as
        "<|im_end|>" become control tokens; else they are text.
        """
        flags = _BOS * bool(bos) | _PREFIX * bool(prefix)
        flags |= _EOS * bool(eos) | _CONTROL * bool(control)
        if not isinstance(text, str):
            raise TypeError(f"text must be str, not {type(text).__name__}")
        return self._core.encode(text, flags)

    if TYPE_CHECKING:

        @overload
        def detokenize(self, tokens: Iterable[int], *, raw: Literal[False] = False) -> str: ...
        @overload
        def detokenize(self, tokens: Iterable[int], *, raw: Literal[True]) -> bytes: ...

    def detokenize(self, tokens: Iterable[int], *, raw: bool = False) -> str | bytes:
        """Returns the text that tokens stand for. With `raw`, its bytes, which need not be UTF-8;
        else what is not becomes U+FFFD."""
        data = self._core.decode(_token_list(tokens))
        return data if raw else data.decode(errors="replace")

    def token_text(self, token: int) -> str:
        """Returns the text of one token, or the name of a control token."""
        return self._core.token_text(_token_list([token])[0]).decode(errors="replace")

    def render_chat(
        self,
        messages: Messages,
        *,
        tools: Sequence[Mapping[str, Any]] | None = None,
        template_arguments: Mapping[str, Any] | None = None,
        opens_answer: bool = True,
    ) -> str:
        """Returns messages as the model's template writes them, with what opens its answer."""
        request = _chat_request(messages, tools, template_arguments)
        return self._core.render_chat(request, opens_answer)

    def tokenize_chat(
        self,
        messages: Messages,
        *,
        tools: Sequence[Mapping[str, Any]] | None = None,
        template_arguments: Mapping[str, Any] | None = None,
        opens_answer: bool = True,
    ) -> list[int]:
        """Returns the ids of the tokens of that text, shape (n,)."""
        request = _chat_request(messages, tools, template_arguments)
        return self._core.encode_chat(request, opens_answer)

    def score(self, text: str | Iterable[int]) -> Score:
        """Returns how likely a text is, which begins with BOS; or tokens, taken as they are."""
        tokens = self.tokenize(text) if isinstance(text, str) else _token_list(text)
        if len(tokens) < 2:
            raise ValueError("a single token has no score: what follows BOS is scored")
        return Score(tokens, self._core.score_tokens(tokens))

    def score_continuations(
        self, context: str, continuations: Iterable[str]
    ) -> list[ContinuationScore]:
        """Returns how likely each continuation of a context is. The context is processed once. The
        space between the two, if any, belongs to the continuation."""
        if isinstance(continuations, str):
            raise TypeError("continuations must be a list of str, not str")
        scores = self._core.score_continuations(context, list(continuations))
        return [ContinuationScore(*score) for score in scores]

    if TYPE_CHECKING:

        @overload
        def embed(  # type: ignore[overload-overlap]  # str is an Iterable[str], too
            self, texts: str, *, normalize: bool = True
        ) -> array[float]: ...
        @overload
        def embed(self, texts: Iterable[str], *, normalize: bool = True) -> list[array[float]]: ...

    def embed(
        self, texts: str | Iterable[str], *, normalize: bool = True
    ) -> array[float] | list[array[float]]:
        """Returns the embedding of a text: `array("f")` of shape (dim,), which numpy and others take
        as it is. Of several texts, a list of these. Unless `normalize` is False, each has the
        Euclidean length 1."""
        from array import array

        several = [texts] if isinstance(texts, str) else list(texts)
        floats = array("f")
        floats.frombytes(self._core.embed(several, not normalize))
        if isinstance(texts, str):
            return floats
        dim = len(floats) // len(several) if several else 0
        return [floats[i * dim : (i + 1) * dim] for i in range(len(several))]

    def check_constraint(self, **options: Any) -> list[str]:
        """Compiles a `schema`, `grammar` or `regex`, and keeps it for later queries. Raises `Error`
        with the place if it is refused. Returns the JSON pointers of the constraints that
        `schema_loose` leaves out."""
        request = _core.Request()
        _options.apply(request, options)
        return self._core.check_grammar(request)

    def _text_request(self, prompt: str | None, options: Mapping[str, Any]) -> _core.Request:
        return super()._text_request("" if prompt is None else prompt, options)

    def _start(self, request: _core.Request, whole: bool, draft: _core.Model | None) -> _core.Query:
        return _core.start(self._core, request, whole, draft)

    def _chat_sampling(self) -> dict[str, float]:
        if self._sampling is None:
            self._sampling = {"temperature": 0.7, "top_p": 0.9}
            for key, name, most in _SUGGESTIONS:
                try:
                    value = float(self.metadata(f"general.sampling.{key}") or "")
                except ValueError:
                    continue
                if 0 <= value <= most:
                    self._sampling[name] = int(value) if name == "top_k" else value
        return self._sampling


# Sampling that a file suggests for chats: key, option, largest value.
_SUGGESTIONS = (
    ("temp", "temperature", 100),
    ("top_p", "top_p", 1),
    ("top_k", "top_k", 10**9),
    ("min_p", "min_p", 1),
    ("penalty_repeat", "repetition_penalty", 100),
)


def _load(path: str, arguments: dict[str, Any]) -> Model:
    return Model(path, **arguments)


def _token_list(tokens: Iterable[int]) -> list[int]:
    return [_options.whole_number("a token", token, most=2**31 - 1) for token in tokens]


def _chat_request(
    messages: Messages,
    tools: Sequence[Mapping[str, Any]] | None,
    template_arguments: Mapping[str, Any] | None,
) -> _core.Request:
    request = _core.Request()
    _options.apply(request, {"tools": tools, "template_arguments": template_arguments}, chat=True)
    add_messages(request, messages)
    return request
