# SPDX-License-Identifier: MIT
"""What calls return."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class TokenLogprob:
    """How likely a generated token was.

    `token`: its id. `logprob`: the natural logarithm of its probability by the model's logits, before
    penalties, biases, temperature and truncation. `top`: (id, logprob) of the likeliest tokens in its
    place, likeliest first, as many as the query's `logprobs` asked for.
    """

    __slots__ = ("logprob", "token", "top")

    def __init__(self, token: int, logprob: float, top: list[tuple[int, float]]) -> None:
        self.token = token
        self.logprob = logprob
        self.top = top

    def __repr__(self) -> str:
        return f"TokenLogprob(token={self.token}, logprob={self.logprob:.6g}, top={self.top})"


class Text(str):
    """A generated text: a `str`, and how it came about.

    `finish_reason`: "end_of_text" (the model ended it, or a grammar's text is complete), "limit",
    "context_full", "stop_string" or "cancelled".
    `token_ids`: the generated tokens, including one that ended the text.
    `prompt_tokens`: number of tokens of the context before them; `cached_tokens`: number of these that
    were already processed.
    `logprobs`: a `TokenLogprob` for each token if the query asked for them, else None.
    `seed`: of the random numbers, the one used if none was given; `next_seed`: continues them in the
    next query.
    `waiting_seconds`, `prompt_seconds`, `generation_seconds`: from the start of the query to the first
    step, to the end of the prompt, and to the end of the text.
    `drafted_tokens`, `accepted_tokens`: number of tokens that were drafted, and of those that were
    right.
    """

    finish_reason: str
    token_ids: list[int]
    prompt_tokens: int
    cached_tokens: int
    logprobs: list[TokenLogprob] | None
    seed: int
    next_seed: int
    waiting_seconds: float
    prompt_seconds: float
    generation_seconds: float
    drafted_tokens: int
    accepted_tokens: int
    _schema: Any

    @classmethod
    def _make(
        cls, text: str, end: dict[str, Any], logprobs: list[TokenLogprob] | None, schema: Any
    ) -> Text:
        made = cls(text)
        end.pop("reason")
        made.finish_reason = end.pop("why")
        made.logprobs = logprobs
        made._schema = schema
        made.__dict__.update(end)
        return made

    @property
    def value(self) -> Any:
        """The text as JSON data; with a pydantic model as the query's `schema`, an instance of it.

        Raises `ValueError` if the text is not complete, for example because it reached its limit.
        """
        if self.finish_reason != "end_of_text":
            raise ValueError(f"the text is not complete JSON: it ended by {self.finish_reason!r}")
        if hasattr(self._schema, "model_validate_json"):
            return self._schema.model_validate_json(str(self))
        import json

        return json.loads(self)


class Score:
    """How likely a text is.

    `tokens`: its ids with BOS, shape (n,). `logprobs`: the natural logarithm of the probability of
    each token but the first, given those before it, shape (n - 1,).
    """

    __slots__ = ("logprobs", "tokens")

    def __init__(self, tokens: list[int], logprobs: list[float]) -> None:
        self.tokens = tokens
        self.logprobs = logprobs

    @property
    def log_likelihood(self) -> float:
        """The sum of the logprobs (natural logarithm)."""
        import math

        return math.fsum(self.logprobs)

    @property
    def perplexity(self) -> float:
        """exp(-log_likelihood / number of logprobs)."""
        import math

        return math.exp(-self.log_likelihood / len(self.logprobs))

    def __repr__(self) -> str:
        return f"Score(perplexity={self.perplexity:.6g}, tokens={len(self.tokens)})"


class ContinuationScore:
    """How likely a continuation of a context is.

    `tokens`: number of its tokens. `log_likelihood`: sum of the natural logarithms of their
    probabilities. `is_greedy`: whether each of its tokens is the likeliest one in its place.
    """

    __slots__ = ("is_greedy", "log_likelihood", "tokens")

    def __init__(self, tokens: int, log_likelihood: float, is_greedy: bool) -> None:
        self.tokens = tokens
        self.log_likelihood = log_likelihood
        self.is_greedy = is_greedy

    def __repr__(self) -> str:
        return (
            f"ContinuationScore(tokens={self.tokens}, log_likelihood={self.log_likelihood:.6g}, "
            f"is_greedy={self.is_greedy})"
        )
