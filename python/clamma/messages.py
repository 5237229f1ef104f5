# SPDX-License-Identifier: MIT
"""The messages of a chat."""

from __future__ import annotations

from . import _core
from .options import json_text, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

_KEYS = ("role", "content", "name", "reasoning", "reasoning_content", "tool_calls", "tool_call_id")


def add_messages(request: _core.Request, messages: str | Iterable[Mapping[str, Any]]) -> None:
    """Adds messages to a request: dicts with "role" and "content", and where it applies "name",
    "reasoning", "tool_calls", "tool_call_id". The content is a text, or a list of parts. A single
    text is a user's message."""
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    for message in messages:
        if not hasattr(message, "get") or not hasattr(message, "keys"):
            raise TypeError(f"a message must be dict, not {type(message).__name__}")
        for key in message.keys():
            if key not in _KEYS:
                raise ValueError(f"a message has no {key!r}: {', '.join(_KEYS)} expected")
        if message.get("role") is None:
            raise ValueError("a message needs a role, such as 'user'")
        content = message.get("content")
        parts = "" if content is None or isinstance(content, str) else json_text("content", content)
        reasoning = message.get("reasoning") or message.get("reasoning_content") or ""
        calls = message.get("tool_calls")
        request.add_message(
            text("role", message["role"]),
            text("content", content) if isinstance(content, str) else "",
            parts,
            text("name", message.get("name") or ""),
            text("reasoning", reasoning),
            json_text("tool_calls", calls) if calls else "",
            text("tool_call_id", message.get("tool_call_id") or ""),
        )
