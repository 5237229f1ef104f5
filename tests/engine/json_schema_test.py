#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares the grammars of JSON schemas with Python's jsonschema and its format checker.

Every text that a grammar matches must be valid: random walks through it are validated, and so are all
instances of the official suite and of random schemas that it matches. Valid instances, written in
the form that docs/json-schema.md states, must match, except for those in json_schema_outside.txt.

The suite is json-schema/ in $CLAMMA_TEST_DATA (else ../shared beside the source tree).

usage: json_schema_test.py PROGRAM... [--propose]
"""
import json
import os
import random
import re
import subprocess
import sys
import warnings
from pathlib import Path

try:
    import jsonschema
except ImportError:
    print("skipped: Python's jsonschema is missing")
    sys.exit(77)

PROGRAM = [a for a in sys.argv[1:] if a != "--propose"]
DATA = os.environ.get("CLAMMA_TEST_DATA") or Path(__file__).resolve().parents[2] / ".." / "shared"
SUITE = Path(DATA) / "json-schema"
OUTSIDE = Path(__file__).with_name("json_schema_outside.txt")
N_RANDOM = 250
SEED = 20201
N_WALKS = 6


class Compiler:
    """The program, which answers each line with one line."""

    def __init__(self):
        self.process = subprocess.Popen(PROGRAM, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, encoding="utf-8")

    def ask(self, schema, texts=(), walks=0, strict=True, indent=0, seed=1):
        request = {"schema": json.dumps(schema), "strict": strict, "indent": indent,
                   "texts": list(texts), "walks": walks, "seed": seed}
        print(json.dumps(request), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())


def written(value, indent=0):
    """Returns an instance as text, in the form that grammars match."""
    def plain(v):
        if isinstance(v, float) and v.is_integer() and abs(v) < 1e15:
            return int(v)
        if isinstance(v, list):
            return [plain(x) for x in v]
        if isinstance(v, dict):
            return {k: plain(x) for k, x in v.items()}
        return v
    if indent:
        return json.dumps(plain(value), ensure_ascii=False, indent=indent)
    return json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"))


def ordered(schema, value, root=None):
    """Returns the instance with its properties in the schema's order, then the free ones by their first
    characters. A value of an enum or const has the order that the schema gives it."""
    root = schema if root is None else root
    for part in parts_of(schema, root):
        for candidate in [*part.get("enum", []), part.get("const")]:
            if json.dumps(candidate, sort_keys=True) == json.dumps(value, sort_keys=True):
                return candidate
    if isinstance(value, list):
        prefix = schema.get("prefixItems", []) if isinstance(schema, dict) else []
        items = schema.get("items", {}) if isinstance(schema, dict) else {}
        return [ordered(prefix[i] if i < len(prefix) else items, v, root)
                for i, v in enumerate(value)]
    if not isinstance(value, dict):
        return value
    names = names_of(schema, root)
    free = sorted((k for k in value if k not in names), key=lambda k: k[:1])
    children = {}
    for part in parts_of(schema, root):
        children = {**part.get("properties", {}), **children}
    return {k: ordered(children.get(k, {}), value[k], root)
            for k in [n for n in names if n in value] + free}


def parts_of(schema, root, depth=0):
    """Returns the schemas that apply to the same value."""
    if not isinstance(schema, dict) or depth > 8:
        return []
    parts = [schema]
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#"):
        target = root
        for key in reference[1:].split("/")[1:]:
            key = key.replace("~1", "/").replace("~0", "~").replace("%25", "%").replace("%22", '"')
            target = target[int(key)] if isinstance(target, list) else target.get(key, {})
        parts += parts_of(target, root, depth + 1)
    for keyword in ("allOf", "anyOf", "oneOf"):
        for branch in schema.get(keyword, []):
            parts += parts_of(branch, root, depth + 1)
    return parts


def names_of(schema, root):
    names = []
    parts = parts_of(schema, root)
    for part in parts:
        names += [n for n in part.get("properties", {}) if n not in names]
    for part in parts:
        names += [n for n in part.get("required", []) if n not in names]
    return names


def validator(schema):
    cls = jsonschema.Draft202012Validator
    return cls(schema, format_checker=cls.FORMAT_CHECKER)


def is_valid(check, value):
    """Returns None if Python cannot tell: it lacks some of ECMA 262's expressions, and allows infinity."""
    try:
        return check.is_valid(value)
    except (re.error, OverflowError):
        return None


class Outcome:
    def __init__(self):
        self.failures = []
        self.n = dict.fromkeys(["schemas", "refused", "accepted", "walks"], 0)

    def fail(self, what, schema, text):
        self.failures.append(f"{what}\n  schema {json.dumps(schema)}\n  text   {text}")


def check_walks(answer, schema, check, outcome):
    for text in answer["walks"]:
        outcome.n["walks"] += 1
        pairs = []
        value = json.loads(text, object_pairs_hook=lambda p: pairs.append([k for k, _ in p]) or dict(p))
        if any(len(set(keys)) < len(keys) for keys in pairs):
            outcome.fail("a key comes twice", schema, text)
        if is_valid(check, value) is False:
            outcome.fail("a walk is not valid", schema, text)


def read_outside():
    """Reads lines "FILE | SCHEMA | TEST | REASON". If TEST is *, the whole schema is refused."""
    table = {}
    for line in OUTSIDE.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            file, schema, test, reason = line.split(" | ")
            table[file, schema, test] = reason
    return table


def run_suite(compiler, outcome, propose):
    outside, used, proposals = read_outside(), set(), []
    files = sorted(SUITE.glob("*.json")) + sorted(SUITE.glob("optional/**/*.json"))
    for path in files:
        name = str(path.relative_to(SUITE))
        for case in json.loads(path.read_text(encoding="utf-8")):
            run_case(compiler, outcome, name, case, outside, used, proposals)
    unused = sorted(set(outside) - used)
    if propose:
        print("\n".join(proposals))
    elif proposals or unused:
        outcome.failures += [f"not in {OUTSIDE.name}: {p}" for p in proposals]
        outcome.failures += [f"needless in {OUTSIDE.name}: {' | '.join(u)}" for u in unused]


def run_case(compiler, outcome, name, case, outside, used, proposals):
    schema = case["schema"]
    outcome.n["schemas"] += 1
    texts = [written(ordered(schema, t["data"])) for t in case["tests"]]
    answer = compiler.ask(schema, texts, walks=N_WALKS)

    def expect_outside(test, reason):
        key = (name, case["description"], test)
        used.add(key)
        if key not in outside:
            proposals.append(" | ".join([*key, reason]))

    if "error" in answer:
        outcome.n["refused"] += 1
        is_empty = "no value is valid" in answer["error"]
        if not is_empty or any(t["valid"] for t in case["tests"]):
            expect_outside("*", answer["error"].split(": ")[-1])
        return
    for test, text, accepted in zip(case["tests"], texts, answer["accepted"]):
        outcome.n["accepted"] += accepted
        if accepted and not test["valid"]:
            if not name.startswith("optional/format/") and name != "format.json":
                outcome.fail(f"{name}: accepted though not valid", schema, text)
            else:
                expect_outside(test["description"], "accepted though not valid")
        if test["valid"] and not accepted:
            expect_outside(test["description"], "not in the form")
    if "$vocabulary" not in json.dumps(schema) and "http" not in json.dumps(schema).replace(
            "https://json-schema.org/draft/2020-12/schema", ""):
        check_walks(answer, schema, validator(schema), outcome)


class RandomSchemas:
    """Random schemas of the supported keywords, with instances that are valid or nearly so."""

    NAMES = ["a", "b", "ab", "c", "key", "é"]
    PATTERNS = ["^a", "b$", "^[a-c]+$", "[0-9]{2}", "^(ab|c)*$", "x|y"]

    def __init__(self, seed):
        self.random = random.Random(seed)

    def schema(self, depth=0):
        pick = self.random.random()
        if depth >= 3 or pick < 0.45:
            return self.scalar()
        if pick < 0.55:
            return {"anyOf": [self.schema(depth + 1) for _ in range(self.random.randint(1, 3))]}
        if pick < 0.62:
            return {"allOf": [self.schema(depth + 1) for _ in range(self.random.randint(1, 2))]}
        if pick < 0.68:
            return {"oneOf": [self.schema(depth + 1) for _ in range(self.random.randint(1, 2))]}
        return self.array(depth) if pick < 0.78 else self.object(depth)

    def maybe(self, schema, keyword, value, chance=0.4):
        if self.random.random() < chance:
            schema[keyword] = value

    def scalar(self):
        r = self.random
        kind = r.choice(["integer", "number", "string", "null", "boolean", "enum", "any", "types"])
        if kind == "enum":
            return {"enum": [self.value(2) for _ in range(r.randint(1, 4))]}
        if kind == "any":
            return r.choice([{}, True, {"minimum": 3}, {"maxLength": 2}, {"minItems": 1}])
        if kind == "types":
            return {"type": r.sample(["integer", "string", "null", "array", "boolean"], 2)}
        schema = {"type": kind}
        if kind in ("integer", "number"):
            bound = r.choice([-20, -3.5, 0, 1, 7, 12.25, 100, 0.1])
            self.maybe(schema, r.choice(["minimum", "exclusiveMinimum"]), bound)
            self.maybe(schema, r.choice(["maximum", "exclusiveMaximum"]),
                       bound + r.choice([0, 1, 0.75, 50, 12345]))
            self.maybe(schema, "multipleOf", r.choice([1, 2, 3, 7, 10, 25, 300]), 0.3)
        if kind == "string":
            self.maybe(schema, "minLength", r.randint(0, 3))
            self.maybe(schema, "maxLength", r.randint(2, 5))
            self.maybe(schema, "pattern", r.choice(self.PATTERNS), 0.3)
            self.maybe(schema, "format", r.choice(["date", "time", "date-time", "uuid", "ipv4",
                                                   "ipv6", "email", "json-pointer"]), 0.2)
        return schema

    def array(self, depth):
        r = self.random
        schema = {"type": "array"}
        self.maybe(schema, "items", self.schema(depth + 1), 0.7)
        self.maybe(schema, "prefixItems", [self.schema(depth + 1) for _ in range(r.randint(1, 2))], 0.3)
        self.maybe(schema, "minItems", r.randint(0, 2))
        self.maybe(schema, "maxItems", r.randint(1, 4))
        return schema

    def object(self, depth):
        r = self.random
        schema = {"type": "object"}
        names = r.sample(self.NAMES, r.randint(0, 4))
        schema["properties"] = {n: self.schema(depth + 1) for n in names}
        self.maybe(schema, "required", r.sample(self.NAMES, r.randint(0, 2)))
        self.maybe(schema, "additionalProperties", r.choice([False, True, self.schema(depth + 1)]), 0.6)
        self.maybe(schema, "patternProperties",
                   {p: self.schema(depth + 1) for p in r.sample(self.PATTERNS, r.randint(1, 2))}, 0.3)
        self.maybe(schema, "minProperties", r.randint(0, 2), 0.2)
        self.maybe(schema, "maxProperties", r.randint(1, 4), 0.2)
        return schema

    def value(self, depth=0):
        r = self.random
        pick = r.randint(0, 8 if depth < 3 else 6)
        if pick == 7:
            return [self.value(depth + 1) for _ in range(r.randint(0, 3))]
        if pick == 8:
            return {n: self.value(depth + 1) for n in r.sample(self.NAMES, r.randint(0, 3))}
        return [None, r.random() < 0.5, r.randint(-5, 30), r.choice([0.5, -3.25, 12.5, 1e-7]),
                "".join(r.choice("abcxy0129\"\\\n é😀") for _ in range(r.randint(0, 4))),
                r.choice(["ab", "cab", "2024-02-29", "12:30:00Z", "::1", "10.0.0.1"]),
                r.randint(0, 3) * 100][pick]


def run_random(compiler, outcome):
    made = RandomSchemas(SEED)
    for i in range(N_RANDOM):
        schema = made.schema()
        check = validator(schema)
        indent = 2 if i % 3 == 0 else 0
        # Instances: random ones, and texts that a grammar matches, with a small change.
        first = compiler.ask(schema, walks=N_WALKS, indent=indent, seed=i)
        values = [made.value() for _ in range(6)]
        if "error" in first:
            outcome.n["refused"] += 1
            if "no value is valid" in first["error"]:
                for value in values:
                    if is_valid(check, value):
                        outcome.fail("refused though a value is valid", schema, written(value))
            continue
        outcome.n["schemas"] += 1
        check_walks(first, schema, check, outcome)
        values += [changed(json.loads(t), made) for t in first["walks"]]
        texts = [written(v, indent) for v in values] + first["walks"]
        answer = compiler.ask(schema, texts, indent=indent)
        for k, (text, accepted) in enumerate(zip(texts, answer["accepted"])):
            outcome.n["accepted"] += accepted
            if accepted and is_valid(check, json.loads(text)) is False:
                outcome.fail("accepted though not valid", schema, text)
            if k >= len(values) and not accepted:
                outcome.fail("a walk is not accepted", schema, text)
            value = json.loads(text)
            if not accepted and is_in_form(value) and is_valid(check, value):
                outcome.fail("valid but not accepted", schema, text)


def is_in_form(value):
    """Whether the grammar of a schema by which the value is valid must match its text. False for objects."""
    if isinstance(value, list):
        return all(is_in_form(v) for v in value)
    if isinstance(value, str):
        return "@" not in value  # an e-mail address
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return not isinstance(value, dict) and (not is_number or 1e-4 < abs(value) < 1e15)


def changed(value, made):
    """Returns the value with one part replaced, removed or added."""
    r = made.random
    if isinstance(value, dict) and value and r.random() < 0.8:
        key = r.choice(list(value))
        if r.random() < 0.3:
            return {k: v for k, v in value.items() if k != key}
        return {**value, key: changed(value[key], made)}
    if isinstance(value, list) and value and r.random() < 0.8:
        i = r.randrange(len(value))
        return value[:i] + [changed(value[i], made)] + value[i + 1:]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value + r.choice([-1, 1, 0.5])
    if isinstance(value, str):
        return value[:-1] if r.random() < 0.5 else value + r.choice("ab0\"")
    return made.value()


def main():
    warnings.simplefilter("ignore")
    compiler, outcome = Compiler(), Outcome()
    propose = "--propose" in sys.argv
    if SUITE.is_dir():
        run_suite(compiler, outcome, propose)
    else:
        print(f"without the official suite: {SUITE} is missing")
    run_random(compiler, outcome)
    print(", ".join(f"{n} {what}" for what, n in outcome.n.items()))
    for failure in outcome.failures[:40]:
        print(failure)
    print(f"{len(outcome.failures)} failures")
    return 1 if outcome.failures else 0


if __name__ == "__main__":
    sys.exit(main())
