# SPDX-License-Identifier: MIT
"""What a model and a session have in common: queries."""

from __future__ import annotations

from . import _core, options as _options
from .messages import add_messages
from .results import Text
from .stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from typing_extensions import Unpack

    from .options import ChatOptions, Options

    Messages = str | Iterable[Mapping[str, Any]]


class Queries:
    """`generate` and its like. The options are described in `clamma.options`.

    They raise `Error` if the library refuses a query (the prompt is longer than the context, a
    grammar is wrong ...), or if it fails. A call that waits lets other threads run Python code, and
    Ctrl-C ends it at the query's next step.
    """

    def generate(self, prompt: str | None = None, **options: Unpack[Options]) -> Text:
        """Continues a prompt, and returns the text without it.

        In a session, the prompt continues the context, and None the text that is there, with nothing
        added. With "" the model begins a text of its own.
        """
        return self._run(self._text_request(prompt, options), options)

    def stream(self, prompt: str | None = None, **options: Unpack[Options]) -> Stream:
        """Does the same, and returns the pieces of the text while it is generated."""
        return self._open(self._text_request(prompt, options), options)

    async def agenerate(self, prompt: str | None = None, **options: Unpack[Options]) -> Text:
        """`generate` in a task of asyncio: others run meanwhile. If it is cancelled, so is the
        query."""
        return await self._arun(self._text_request(prompt, options), options)

    def chat(self, messages: Messages, **options: Unpack[ChatOptions]) -> Text:
        """Returns the model's answer to messages, which its template writes.

        `messages`: dicts as {"role": "user", "content": "..."}, or one text for a user's message.
        Pass all of them each time: what the session's context has of them already is not processed
        again. Nothing in a content becomes a control token.
        """
        return self._run(self._chat_request(messages, options), options)

    def stream_chat(self, messages: Messages, **options: Unpack[ChatOptions]) -> Stream:
        """Does the same, and returns the pieces of the answer while it is generated."""
        return self._open(self._chat_request(messages, options), options)

    async def achat(self, messages: Messages, **options: Unpack[ChatOptions]) -> Text:
        """`chat` in a task of asyncio."""
        return await self._arun(self._chat_request(messages, options), options)

    def _text_request(self, prompt: str | None, options: Mapping[str, Any]) -> _core.Request:
        request = _core.Request()
        request.prompt = None if prompt is None else _options.text("prompt", prompt)
        request.temperature, request.top_p = 1.0, 0.9
        _options.apply(request, options)
        return request

    def _chat_request(self, messages: Messages, options: Mapping[str, Any]) -> _core.Request:
        request = _core.Request()
        for name, value in self._chat_sampling().items():
            setattr(request, name, value)
        _options.apply(request, options, chat=True)
        add_messages(request, messages)
        return request

    def _run(self, request: _core.Request, options: Mapping[str, Any]) -> Text:
        stream = self._open(request, options, whole="progress" not in options)
        try:
            return stream.read()
        except BaseException:
            stream.cancel()
            raise

    async def _arun(self, request: _core.Request, options: Mapping[str, Any]) -> Text:
        stream = self._open(request, options, whole="progress" not in options)
        return await stream.aread()

    def _open(
        self, request: _core.Request, options: Mapping[str, Any], whole: bool = False
    ) -> Stream:
        draft = options.get("draft_model")
        query = self._start(request, whole, None if draft is None else draft._core)
        return Stream(
            self, query, options.get("progress"), request.wants_logprobs, options.get("schema")
        )

    def _start(self, request: _core.Request, whole: bool, draft: _core.Model | None) -> _core.Query:
        raise NotImplementedError

    def _chat_sampling(self) -> dict[str, float]:
        raise NotImplementedError
