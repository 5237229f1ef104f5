# SPDX-License-Identifier: MIT
"""The options of a query, which `generate`, `stream`, `chat` and their like take as keywords.

Text and its end
    system: str. Instructions, on a line of their own before the prompt. (In a chat, use a message.)
    limit: int. The most tokens to generate; default: until the text ends or the context is full.
    stop: str or list of str. The text ends before the first of these that it reaches.
    stop_tokens: list of int. Ids that end the text, as the model's own do.

Sampling
    temperature: float, at least 0. 0: always the likeliest token. Default: 1; in a chat what the
        model's file suggests, else 0.7.
    top_p: float, 0 to 1. Only the likeliest tokens that together have this probability; 0 and 1: off.
        Default: 0.9; in a chat what the model's file suggests.
    top_k: int. Only that many of the likeliest tokens; 0: off.
    min_p: float, 0 to 1. Only tokens at least this many times as likely as the likeliest; 0: off.
    seed: int, 1 to 2**64 - 1. The same seed gives the same text. Default: from the clock.
    repetition_penalty: float, at least 0. Divides positive logits of tokens in the context, and
        multiplies negative ones; 0 and 1: off.
    frequency_penalty, presence_penalty: float. Subtracted from the logits of generated tokens, for
        each time, and once.
    logit_bias: dict of int to float. Added to the logits of these tokens.

Constrained text: at most one of these
    schema: dict, bool, a JSON text, or a pydantic model. The text is a JSON document that is valid by
        this JSON schema, and `Text.value` is its data. Of a pydantic model, an instance; objects have
        only the model's own properties.
    grammar: str. The text matches this grammar, in GBNF.
    regex: str. The whole text matches this regular expression.
    schema_loose: bool. Leaves out constraints of the schema that are not supported. Default: such a
        schema is refused.
    trigger: str. The text is free up to the first occurrence of this text.
    trigger_repeats: bool. After a match the text is free again, up to the next trigger.

What is reported
    logprobs: bool or int. How likely each token was, and that many of the likeliest in its place.
    progress: callable. progress(processed, total) is called with the number of positions of the
        prompt that are processed, and their number in all, on the thread or task that waits for the
        text. An exception in it cancels the query and is raised from there.

Speed
    draft_tokens: int, 0 to 15. The most tokens that are guessed for a pass: the same text, sooner
        where guesses are right.
    draft_model: Model. A smaller model with the same vocabulary that guesses. Default: guesses are
        looked up in the context.
    cache_salt: int, 0 to 2**64 - 1. Only sessions of equal salts share what they have computed.

In a chat
    tools: list of dict. The tools that the model may call, in the form that its template expects.
    template_arguments: dict. Further values for the template, such as {"enable_thinking": False}.
"""

from __future__ import annotations

from . import _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, Protocol, TypedDict

    from .model import Model

    class PydanticModel(Protocol):
        """A class of pydantic."""

        @classmethod
        def model_json_schema(cls) -> dict[str, Any]: ...
        @classmethod
        def model_validate_json(cls, json_data: str) -> Any: ...

    class Options(TypedDict, total=False):
        """Described at the top of this module."""

        system: str
        limit: int | None
        stop: str | Sequence[str]
        stop_tokens: Sequence[int]
        temperature: float | None
        top_p: float | None
        top_k: int | None
        min_p: float | None
        seed: int | None
        repetition_penalty: float | None
        frequency_penalty: float
        presence_penalty: float
        logit_bias: Mapping[int, float]
        schema: Mapping[str, Any] | bool | str | type[PydanticModel] | None
        grammar: str | None
        regex: str | None
        schema_loose: bool
        trigger: str
        trigger_repeats: bool
        logprobs: bool | int
        progress: Callable[[int, int], object] | None
        draft_tokens: int
        draft_model: Model | None
        cache_salt: int

    class ChatOptions(Options, total=False):
        """Likewise."""

        tools: Sequence[Mapping[str, Any]] | None
        template_arguments: Mapping[str, Any] | None


_MOST = {32: 2**32 - 1, 64: 2**64 - 1}


def text(name: str, value: object) -> str:
    """Returns a text that the library takes."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be str, not {type(value).__name__}")
    if "\0" in value:
        raise ValueError(f"{name} contains a NUL character")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{name} is not valid Unicode: {error.reason}") from None
    return value


def whole_number(name: str, value: object, least: int = 0, most: int = 2**32 - 1) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be int, not {type(value).__name__}")
    number: int = value.__index__()
    if not least <= number <= most:
        raise ValueError(f"{name} is {number}: {least} to {most} expected")
    return number


def number(name: str, value: object) -> float:
    if isinstance(value, (str, bytes, bool)) or not (
        hasattr(value, "__float__") or hasattr(value, "__index__")
    ):
        raise TypeError(f"{name} must be float, not {type(value).__name__}")
    result = float(value)  # type: ignore[arg-type]
    if result != result or result in (float("inf"), float("-inf")):
        raise ValueError(f"{name} is {result}: a finite number expected")
    if abs(result) > 3.4e38:
        raise ValueError(f"{name} is {result}: too large")
    return result


def json_text(name: str, value: object) -> str:
    import json

    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name} is not JSON data: {error}") from None


def _texts(name: str, value: object) -> list[str]:
    values = [value] if isinstance(value, str) else list(value)  # type: ignore[call-overload]
    return [text(name, one) for one in values]


def _closed(schema: Any) -> Any:
    """Returns a schema of pydantic's whose objects have no properties but those that it names:
    pydantic would ignore others, after the time that it takes to write them."""
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {
        key: value if key in _DATA else _closed(value)
        for key, value in schema.items()
    }
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        closed.setdefault("additionalProperties", False)
    return closed


# Keywords of a schema whose values are data, not schemas.
_DATA = ("const", "default", "enum", "examples")


def schema_text(schema: object) -> str:
    """Returns a schema as JSON text: of data, of JSON text, or of a pydantic model."""
    if isinstance(schema, str):
        return text("schema", schema)
    if hasattr(schema, "model_json_schema"):
        schema = _closed(schema.model_json_schema())
    if not isinstance(schema, (dict, bool)):
        raise TypeError(
            "schema must be dict, bool, a JSON text or a pydantic model, not "
            f"{type(schema).__name__}"
        )
    return json_text("schema", schema)


def _set_logprobs(request: _core.Request, value: object) -> None:
    request.wants_logprobs = value is not False
    if not isinstance(value, bool):
        request.top_logprobs = whole_number("logprobs", value)


def _set_logit_bias(request: _core.Request, value: Any) -> None:
    request.set_logit_bias(
        [
            (whole_number("logit_bias", token, most=2**31 - 1), number("logit_bias", bias))
            for token, bias in dict(value).items()
        ]
    )


def _set_progress(request: _core.Request, value: object) -> None:
    if not callable(value):
        raise TypeError(f"progress must be callable, not {type(value).__name__}")
    request.wants_progress = True


def _text(attribute: str) -> Callable[[_core.Request, str, object], None]:
    return lambda request, name, value: setattr(request, attribute, text(name, value))


def _number(attribute: str) -> Callable[[_core.Request, str, object], None]:
    return lambda request, name, value: setattr(request, attribute, number(name, value))


def _whole(attribute: str, bits: int, least: int = 0) -> Callable[[_core.Request, str, object], None]:
    return lambda request, name, value: setattr(
        request, attribute, whole_number(name, value, least, _MOST[bits])
    )


def _flag(attribute: str) -> Callable[[_core.Request, str, object], None]:
    return lambda request, name, value: setattr(request, attribute, bool(value))


def _stop_tokens(request: _core.Request, name: str, value: Any) -> None:
    request.stop_tokens = [whole_number(name, token, most=2**31 - 1) for token in value]


# How each option is set; None stands for its default.
_SETTERS: dict[str, Callable[[_core.Request, str, Any], None]] = {
    "system": _text("system"),
    "limit": _whole("limit", 64, 1),
    "stop": lambda request, name, value: setattr(request, "stop", _texts(name, value)),
    "stop_tokens": _stop_tokens,
    "temperature": _number("temperature"),
    "top_p": _number("top_p"),
    "top_k": _whole("top_k", 32),
    "min_p": _number("min_p"),
    "seed": _whole("seed", 64, 1),
    "repetition_penalty": _number("repetition_penalty"),
    "frequency_penalty": _number("frequency_penalty"),
    "presence_penalty": _number("presence_penalty"),
    "logit_bias": lambda request, name, value: _set_logit_bias(request, value),
    "schema": lambda request, name, value: setattr(request, "json_schema", schema_text(value)),
    "grammar": _text("grammar"),
    "regex": _text("regex"),
    "schema_loose": _flag("json_schema_loose"),
    "trigger": _text("grammar_trigger"),
    "trigger_repeats": _flag("grammar_repeats"),
    "logprobs": lambda request, name, value: _set_logprobs(request, value),
    "progress": lambda request, name, value: _set_progress(request, value),
    "draft_tokens": _whole("draft_tokens", 32),
    "draft_model": lambda request, name, value: None,
    "cache_salt": _whole("prefix_salt", 64),
}
_CHAT_ONLY = ("tools", "template_arguments")


def apply(request: _core.Request, options: Mapping[str, Any], *, chat: bool = False) -> None:
    """Sets the options of a query. Raises `TypeError` for an option that there is not."""
    for name, value in options.items():
        if name in _CHAT_ONLY and chat:
            continue
        setter = _SETTERS.get(name)
        if setter is None:
            raise TypeError(f"there is no option {name!r} (see help(clamma.options))")
        if value is not None:
            setter(request, name, value)
    if chat:
        tools, arguments = options.get("tools"), options.get("template_arguments")
        request.set_chat(
            "" if tools is None else json_text("tools", list(tools)),
            "" if arguments is None else json_text("template_arguments", dict(arguments)),
        )
