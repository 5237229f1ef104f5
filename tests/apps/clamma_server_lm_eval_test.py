#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""clamma_server_lm_eval_test.py BIN_DIR SOURCE_DIR: lm_eval's local-completions and local-chat-completions as
clamma-server's clients, as its tasks use them. Exit code: 0 all checks hold, 1 one does not, 77 no model."""
import math
import tempfile

from clients_harness import Checks, chat_model, serve
from lm_eval.api.instance import Instance
from lm_eval.models.openai_completions import LocalChatCompletion, LocalCompletionsAPI

checks = Checks()


def requests(kind, *arguments):
    return [Instance(request_type=kind, doc={}, arguments=each, idx=i) for i, each in enumerate(arguments)]


def completions(server, model, **options):
    """The class that `lm_eval --model local-completions --model_args model=...,base_url=...` makes. It finds
    the server's tokenizer by itself."""
    return LocalCompletionsAPI(model=model, base_url=server.url + "/v1/completions", max_length=512,
                               max_retries=1, **options)


def logprobs_of(server, model, text):
    """(tokens, logprobs) of a text, as the server gives them."""
    choice = server.ask("/v1/completions", {"model": model, "prompt": text, "max_tokens": 0, "echo": True,
                                            "logprobs": 0}).json["choices"][0]
    return choice["logprobs"]["tokens"], choice["logprobs"]["token_logprobs"]


def test_loglikelihood(server):
    lm = completions(server, "stories", batch_size=4)
    checks.same("the tokenizer is the server's", lm.tokenizer_backend, "remote")
    checks.same("the end of texts", (lm.eot_token_id, lm.tokenizer.eos_token), (2, "</s>"))
    asked = [("Once upon a time, there was a little girl named", " Lily"),
             ("Once upon a time, there was a little girl named", " Quartz"),
             ("Lily and Tom went to the", " park"), ("Lily and Tom went to the", " xylophone"),
             ("One day,", " a")]
    results = lm.loglikelihood(requests("loglikelihood", *asked), disable_tqdm=True)
    checks.holds("likely words are likelier", results[0][0] > results[1][0] and results[2][0] > results[3][0],
                 results)
    checks.holds("the likeliest word is so named", results[0][1] and not results[1][1], results)
    for (context, more), (value, _) in zip(asked, results):
        tokens, logprobs = logprobs_of(server, "stories", lm.tok_encode(context + more))
        n = len(lm.tok_encode(context))
        checks.holds(f"{more!r}: the sum of its logprobs", math.isclose(sum(logprobs[n:]), value, rel_tol=1e-6),
                     (sum(logprobs[n:]), value, tokens[n:]))
    at_once = completions(server, "stories", batch_size=1, num_concurrent=8)
    checks.same("at once, the same", at_once.loglikelihood(requests("loglikelihood", *asked)), results)


def test_rolling(server):
    lm = completions(server, "stories", batch_size=2)
    text = "Once upon a time, there was a little girl named Lily. She loved to play outside in the park."
    value, = lm.loglikelihood_rolling(requests("loglikelihood_rolling", (text,)), disable_tqdm=True)
    checks.holds("a text as a whole", -200 < value < -5, value)


def test_generate(server):
    asked = [("Once upon a time", {"until": ["."], "max_gen_toks": 60, "temperature": 0}),
             ("One day, Tom", {"until": [".", "!"], "max_gen_toks": 60, "temperature": 0})]
    for batch, concurrent in ((1, 1), (2, 1), (1, 4)):
        lm = completions(server, "stories", batch_size=batch, num_concurrent=concurrent)
        texts = lm.generate_until(requests("generate_until", *asked), disable_tqdm=True)
        expected = [server.ask("/v1/completions", {
            "model": "stories", "prompt": lm.tok_encode(prompt), "max_tokens": 60, "temperature": 0,
            "stop": how["until"]}).json["choices"][0]["text"] for prompt, how in asked]
        checks.same(f"texts, {batch} in a request, {concurrent} at once", texts, expected)


def test_sense(server):
    lm = completions(server, "chat")
    capital = "The capital of France is"
    results = lm.loglikelihood(requests("loglikelihood", (capital, " Paris"), (capital, " Oslo")),
                               disable_tqdm=True)
    checks.holds("the default model knows Paris", results[0][0] > results[1][0], results)
    chat = LocalChatCompletion(model="chat", base_url=server.url + "/v1/chat/completions", max_retries=1)
    talk = chat.apply_chat_template([{"role": "user", "content": "What is 2+2?"}])
    text, = chat.generate_until(requests("generate_until", (talk, {"until": ["\n\n"], "temperature": 0,
                                                                   "max_gen_toks": 40})), disable_tqdm=True)
    checks.holds("local-chat-completions: it counts", "4" in text, text)


def main():
    with tempfile.TemporaryDirectory() as folder:
        with serve(folder) as server:
            tests = [test_loglikelihood, test_rolling, test_generate] + [test_sense] * bool(chat_model())
            checks.run_all([(test, server) for test in tests])
    checks.finish()


main()
