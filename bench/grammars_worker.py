#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The part of bench/grammars.py that needs packages; runs in the Python that has them.

usage: grammars_worker.py prepare SUITE COUNT SEED VOCABULARY CASES | walk < CASES
prepare: writes Llama 3's vocabulary as a GGUF file, and the cases, one a line: schemas with an
instance as tokens, those of the suite first, then COUNT made from SEED. walk: measures llguidance,
and prints a line for each case, as grammar_masks.cc does.
"""
import ctypes
import json
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / ".." / "tests" / place) for place in ("support", "engine")]

# pylint: disable=wrong-import-position
import llguidance
import tiktoken
from llguidance.tiktoken import lltokenizer_from_encoding

import grammar_schemas
from vocabularies import LLAMA3, package_file, tiktoken_ranks, write_ranks

BEGIN, END = "<|begin_of_text|>", "<|end_of_text|>"
WITHIN_SUITE = 3  # instances of each schema of the suite
COMPACT = {"whitespace_flexible": False, "item_separator": ",", "key_separator": ":"}


def llama3():
    ranks = tiktoken_ranks(package_file("llama_models", "llama3") / "tokenizer.model")
    special = {BEGIN: len(ranks), END: len(ranks) + 1}
    return ranks, tiktoken.Encoding("llama3", pat_str=LLAMA3, mergeable_ranks=ranks,
                                    special_tokens=special)


# --- Cases ----------------------------------------------------------------------------------------

def suite_cases(folder):
    """(name, schema, instance), the instance written as docs/json-schema.md says."""
    from json_schema_test import ordered, written
    for path in sorted(Path(folder).glob("*.json")):
        for case in json.loads(path.read_text(encoding="utf-8")):
            valid = [test["data"] for test in case["tests"] if test["valid"]]
            for data in valid[:WITHIN_SUITE]:
                text = written(ordered(case["schema"], data))
                yield f"{path.stem}: {case['description']}", case["schema"], text


def prepare(suite, count, seed, vocabulary, cases):
    ranks, encoding = llama3()
    write_ranks(vocabulary, "llama-bpe", ranks, [BEGIN, END], END)
    made = grammar_schemas.make(int(count), int(seed))
    texts = [(f"realistic {i}", schema, json.dumps(value, ensure_ascii=False, separators=(",", ":")))
             for i, (schema, value) in enumerate(made)]
    with open(cases, "w", encoding="utf-8") as file:
        for name, schema, text in list(suite_cases(suite)) + texts:
            print(json.dumps({"name": name, "schema": json.dumps(schema),
                              "tokens": encoding.encode_ordinary(text)}), file=file)


# --- llguidance -----------------------------------------------------------------------------------

def call_overhead(matcher):
    """Nanoseconds of a call that does nothing, reading the clock included."""
    times = []
    for _ in range(2000):
        start = time.thread_time_ns()
        matcher.is_error()
        times.append(time.thread_time_ns() - start)
    return min(times)


def walk_case(tokenizer, case, overhead):
    buffer = (ctypes.c_uint32 * ((tokenizer.vocab_size + 31) // 32))()
    address, size = ctypes.addressof(buffer), ctypes.sizeof(buffer)
    start = time.thread_time_ns()
    grammar = llguidance.LLMatcher.grammar_from_json_schema(case["schema"], overrides=COMPACT)
    matcher = llguidance.LLMatcher(tokenizer, grammar, log_level=0)
    compiled = time.thread_time_ns() - start
    if matcher.is_error():
        return {"error": matcher.get_error().splitlines()[0]}
    result = {"compile": compiled, "masks": [], "advances": [], "at": 0}
    for token in case["tokens"] + [tokenizer.eos_token]:
        start = time.thread_time_ns()
        matcher.unsafe_compute_mask_ptr(address, size)
        result["masks"].append(max(0, time.thread_time_ns() - start - overhead))
        if matcher.is_error():
            return {"error": matcher.get_error().splitlines()[0]}
        if not buffer[token // 32] >> token % 32 & 1:
            break
        if token != tokenizer.eos_token:
            start = time.thread_time_ns()
            matcher.consume_token(token)
            result["advances"].append(max(0, time.thread_time_ns() - start - overhead))
        result["at"] += 1
    return result


def walk():
    _, encoding = llama3()
    tokenizer = lltokenizer_from_encoding(encoding, eos_token=len(encoding._mergeable_ranks) + 1)
    any_json = llguidance.LLMatcher.grammar_from_json_schema("{}")
    overhead = call_overhead(llguidance.LLMatcher(tokenizer, any_json))
    for line in sys.stdin:
        try:
            result = walk_case(tokenizer, json.loads(line), overhead)
        except ValueError as error:
            result = {"error": str(error)}
        print(json.dumps(result), flush=True)


def main():
    if sys.argv[1:] == ["walk"]:
        walk()
    elif len(sys.argv) == 7 and sys.argv[1] == "prepare":
        arguments, sys.argv[1:] = sys.argv[2:], []
        prepare(*arguments)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
