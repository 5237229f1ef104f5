# SPDX-License-Identifier: MIT
"""Compares chat templates with Jinja2, set up as in transformers (utils/chat_template_utils.py).

Renders the templates of real models, the built-in ones and those in GGUF files with a set of
conversations, and some thousand small expressions, made from a fixed seed. The texts must be equal
byte for byte. Where Jinja2 fails, the library must fail, too, with the text of raise_exception.

Run by test.sh's stage templates: python -m unittest discover --start-directory tests/chat --pattern
'chat_templates_test.py', with CLAMMA_TEST_PROGRAMS naming the folder of print_template.
"""
import functools
import itertools
import json
import os
import random
import re
import struct
import subprocess
import unicodedata
import unittest
from datetime import datetime, timezone
from pathlib import Path

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(os.environ.get("CLAMMA_TEST_PROGRAMS", ROOT / "build-dev" / "bin"))
SHARED = Path(os.environ.get("CLAMMA_TEST_DATA", ROOT / ".." / "shared"))

CLOCK = 1785542400  # 2026-08-01 00:00 UTC
N_EXPRESSIONS = int(os.environ.get("CLAMMA_TEST_EXPRESSIONS", "6000"))
MAX_MESSAGE = 511  # bytes of a Status message


class Raised(jinja2.exceptions.TemplateError):
    pass


class Generation(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_run"), [], [], body).set_lineno(line)

    def _run(self, caller):
        return caller()


class Namespace(jinja2.utils.Namespace):
    def __init__(*args, **kwargs):
        self, args = args[0], args[1:]
        attributes = dict(*args, **kwargs)
        for name in attributes:
            Namespace.check(name)
        jinja2.utils.Namespace.__init__(self, attributes)

    def __setitem__(self, name, value):
        Namespace.check(name)
        jinja2.utils.Namespace.__setitem__(self, name, value)

    @staticmethod
    def check(name):
        if isinstance(name, str) and name.startswith("_"):
            raise jinja2.exceptions.SecurityError(name)


def environment():
    def raise_exception(message):
        raise Raised(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators,
                          sort_keys=sort_keys)

    def strftime_now(form):
        return datetime.fromtimestamp(CLOCK, timezone.utc).replace(tzinfo=None).strftime(form)

    result = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                           extensions=[Generation, jinja2.ext.loopcontrols])
    result.filters["tojson"] = tojson
    result.globals["raise_exception"] = raise_exception
    result.globals["strftime_now"] = strftime_now
    result.globals["namespace"] = Namespace
    return result


ENVIRONMENT = environment()


compiled = functools.lru_cache(maxsize=2)(ENVIRONMENT.from_string)


def reference(source, context):
    """("ok", text), ("raised", message) or ("failed", reason)."""
    try:
        text = compiled(source).render(**context)
        return "ok", text.encode().decode()
    except Raised as error:
        return "raised", str(error)
    except Exception as error:  # pylint: disable=broad-except  # any exception of Python
        return "failed", f"{type(error).__name__}: {error}"


class Program:
    def __init__(self):
        self.process = subprocess.Popen([PROGRAMS / "print_template"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)

    def render(self, source, context):
        """Returns what reference() returns, and the ranges of the caller's bytes."""
        source, context = source.encode(), json.dumps(context).encode()
        self.process.stdin.write(b"%d %d %d\n" % (len(source), len(context), CLOCK))
        self.process.stdin.write(source + context)
        self.process.stdin.flush()
        head = self.process.stdout.readline().decode().split()
        if not head:
            raise AssertionError(f"print_template died of {source!r} with {context!r}")
        text = self.process.stdout.read(int(head[0])).decode(errors="surrogateescape")
        return head[1], text, [tuple(map(int, r.split("-"))) for r in head[2:]]

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def as_message(text):
    """Returns a text as a Status stores it: on one line, and truncated."""
    data = re.sub(rb"[\x00-\x1f\x7f]", b"?", text.encode())
    if len(data) > MAX_MESSAGE:
        data = data[:MAX_MESSAGE - 3] + b"..."
    return data.decode(errors="surrogateescape")


TOOLS = [
    {"type": "function", "function": {
        "name": "get_weather", "description": "The weather at a place, \"now\".",
        "parameters": {"type": "object", "properties": {
            "place": {"type": "string", "description": " A town's name & <country>\n"},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"},
            "days": {"type": ["integer", "null"], "minimum": 0, "maximum": 1e22}},
            "required": ["place"]},
        "return": {"type": "string", "description": "Grüße, 天気"}}},
    {"type": "function", "function": {
        "name": "noop", "description": "Does nothing", "parameters": {
            "type": "object", "properties": {}}}},
]
DOCUMENTS = [{"title": "One", "text": "First\ntext"}, {"title": "Zwei", "text": "\"second\""}]


def call(arguments, **more):
    return {"role": "assistant", "tool_calls": [
        {"id": "abcdefgh1", "type": "function",
         "function": {"name": "get_weather", "arguments": arguments}}], **more}


def conversations():
    """Returns pairs (name, messages)."""
    system = {"role": "system", "content": "You are \"terse\".\nSay <|im_end|> never. "}
    texts = ["Hello!", "What's 2 < 3 & 'so' on?\n\n", "", "  Grüße, 你好 🙂\u00a0", "</s>[INST]"]
    answers = ["Hi.", "It is \"true\".", "<think>\nwell, 2\n</think>\n\nYes", "", " Fine\n"]
    for n in range(1, 6):
        turns = []
        for i in range(n):
            turns.append({"role": "user", "content": texts[i]})
            if i + 1 < n:
                turns.append({"role": "assistant", "content": answers[i]})
        yield f"{n} turns", turns
        yield f"{n} turns and a system's text", [system, *turns]
        yield f"{n} turns, ended", [*turns, {"role": "assistant", "content": answers[n - 1]}]
    user = {"role": "user", "content": "How is the weather in \"Rome\"?\n"}
    arguments = {"place": "Rome \"IT\"\n", "days": 2, "x": [1.5, None, True, {"é": 1e-7}]}
    tool = {"role": "tool", "tool_call_id": "abcdefgh1", "name": "get_weather",
            "content": "{\"degrees\": 21.5}"}
    for form in (arguments, json.dumps(arguments), {}):
        for content in ({}, {"content": None}, {"content": ""}, {"content": "Let me see. "}):
            yield "a call", [user, call(form, **content)]
            yield "a result", [user, call(form, **content), tool]
            yield "a result and more", [system, user, call(form, **content), tool,
                                        {**tool, "content": "second"},
                                        {"role": "assistant", "content": "21.5 °C"},
                                        {"role": "user", "content": "Thanks"}]
    yield "a bare call", [user, {"role": "assistant", "content": "", "tool_calls": [
        {"name": "get_weather", "arguments": arguments}]}, tool]
    yield "reasoning", [user, {"role": "assistant", "content": "Fine.",
                               "reasoning_content": "\nLook, \"Rome\"\n"}, user]
    yield "reasoning at the end", [user, {"role": "assistant", "content": "\n\nFine.",
                                          "reasoning_content": "Hm"}]
    yield "names", [{**user, "name": "O'Neil \"x\"\n"}, {"role": "assistant", "content": "Hi",
                                                         "name": "bot"}]
    parts = [{"type": "text", "text": "Look: \"this\""}, {"type": "text", "text": "\n"}]
    yield "parts", [{"role": "user", "content": parts}]
    yield "an image", [{"role": "system", "content": parts}, {"role": "user", "content": [
        *parts, {"type": "image", "url": "x'y"}]}, {"role": "assistant", "content": parts}]
    yield "a video", [{"role": "user", "content": [{"type": "video", "url": "x"}]}]
    yield "results in parts", [user, call(arguments), {**tool, "content": parts}]
    yield "nothing", []
    yield "two systems", [system, user, system]
    yield "no alternation", [user, user]
    yield "an unknown role", [user, {"role": "critic\n", "content": "bad"}]
    yield "no content", [{"role": "user"}]
    yield "a number", [{"role": "user", "content": 3.0}]
    yield "an assistant first", [{"role": "assistant", "content": "Yes?"}, user]


def contexts():
    options = [{}, {"enable_thinking": False}, {"enable_thinking": True, "documents": DOCUMENTS},
               {"tools": TOOLS}, {"tools": TOOLS[1:], "enable_thinking": False,
                                  "date_string": "01 Aug 2026", "functions": "[]",
                                  "datetime": "today"},
               {"tools": [], "documents": DOCUMENTS}]
    for (name, messages), prompt, more in itertools.product(conversations(), (False, True), options):
        yield name, {"messages": messages, "tools": None, "documents": None,
                     "add_generation_prompt": prompt, "bos_token": "<s>", "eos_token": "</s>",
                     "unk_token": "<unk>", **more}


def builtin_templates():
    """Returns the templates in src/chat/builtin_templates.cc."""
    source = (ROOT / "src/chat/builtin_templates.cc").read_text(encoding="utf-8")
    return re.findall(r'constexpr char k(\w+)\[\] = R"\((.*?)\)";', source, re.DOTALL)


def gguf_texts(path):
    """Yields the keys of a GGUF file whose values are strings, with these (format: ggml's docs/gguf.md)."""
    data, place = path.read_bytes(), 24
    sizes = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}

    def number(form):
        nonlocal place
        place += struct.calcsize(form)
        return struct.unpack_from(form, data, place - struct.calcsize(form))[0]

    def text():
        nonlocal place
        size = number("<Q")
        place += size
        return data[place - size:place]

    def skip(kind):
        nonlocal place
        if kind == 8:
            text()
        elif kind == 9:
            element, count = number("<I"), number("<Q")
            if element in sizes:
                place += sizes[element] * count
            else:
                for _ in range(count):
                    skip(element)
        else:
            place += sizes[kind]

    for _ in range(struct.unpack_from("<Q", data, 16)[0]):
        key, kind = text().decode(), number("<I")
        if kind == 8:
            yield key, text().decode()
        else:
            skip(kind)


def gguf_templates():
    """Returns every chat template in the GGUF files of the test data."""
    for path in sorted(SHARED.glob("*/*.gguf")):
        for key, value in gguf_texts(path):
            if key.startswith("tokenizer.chat_template"):
                yield f"{path.name} {key}", value


class ChatTemplatesTest(unittest.TestCase):
    def setUp(self):
        self.program = Program()
        self.addCleanup(self.program.close)
        self.counts = {"ok": 0, "raised": 0, "failed": 0}

    def check(self, name, source, context):
        want, want_text = reference(source, context)
        got, got_text, ranges = self.program.render(source, context)
        self.counts[want] += 1
        if want == "raised":
            want_text = as_message(want_text)
        place = 0
        if got == want and (want == "failed" or got_text == want_text):
            for begin, end in ranges:
                self.assertTrue(place <= begin < end <= len(got_text.encode()), ranges)
                place = end + 1
            return
        self.fail(f"{name}\n--- template\n{source}\n--- context\n{json.dumps(context)}\n"
                  f"--- wanted: {want}\n{want_text!r}\n--- got: {got}\n{got_text!r}\n---")

    def check_all(self, templates):
        for name, source in templates:
            with self.subTest(name):
                for conversation, context in contexts():
                    self.check(f"{name}, {conversation}", source, context)
        print(f"{len(templates)} templates:", self.counts)

    def test_templates_of_models(self):
        templates = [(p.name, p.read_text(encoding="utf-8"))
                     for p in sorted((SHARED / "templates").glob("*.jinja"))]
        if not templates:
            self.skipTest("the templates of models are missing")
        self.check_all(templates)

    def test_builtin_templates(self):
        templates = builtin_templates()
        self.assertEqual(8, len(templates))
        self.check_all(templates)

    def test_templates_in_gguf_files(self):
        templates = list(gguf_templates())
        if not templates:
            self.skipTest("no GGUF file with a template is there")
        self.check_all(templates)


# --- Generated expressions ------------------------------------------------------------------------

NAMES = {
    "a": 7, "b": -3, "z": 0, "f": 2.5, "g": -0.1, "big": 1e22, "tiny": 1.5e-7, "t": True, "n": None,
    "s": "Hello World", "e": "", "u": "Grüße ǅ ΟΔΟΣ ß 你好🙂", "w": "  \t pad\u00a0\n", "q": "it's \"q\"\\",
    "l": [3, 1, 2], "m": ["b", "A", "c", "a"], "x": [], "d": {"k": 1, "b": [1, 2], "items": "i"},
    "r": [{"n": "x", "v": 2}, {"n": "Y", "v": 1}, {"n": "z"}], "nest": [[1, [2, "three"]], {"p": {"q": 5}}],
    "num": "42", "numf": " 1e3 ", "lines": "one\n\n  two\r\nthree\n",
}
ATOMS = ["0", "1", "2", "-1", "10", "3.0", "0.1", "1e16", "''", "'a'", "'lo'", "' '", "'é'", "','",
         "true", "none", "[]", "[1, 'a', none, 1.0]", "(1, 2)", "()", "(1,)", "{}", "{'k': 1, 'j': 'x'}",
         "{1: 2, true: 3}", "undefined_name", "'a' 'b'", "'%s-%s'", "'{} {}'", "'x\\n\\t\\u00e9'"]
BINARY = ["+", "-", "*", "/", "//", "%", "~", "and", "or", "==", "!=", "<", "<=", ">", ">=", "in",
          "not in", "**"]
FILTERS = ["abs", "capitalize", "count", "default('dflt')", "d('x', true)", "first", "float", "int",
           "int(7)", "join(', ')", "join", "last", "length", "list", "lower", "upper", "title", "trim",
           "trim('ab ')", "reverse|list", "reverse", "string", "sort|join('/')", "sort(reverse=true)",
           "sort(case_sensitive=true)", "unique|list", "min", "max", "sum", "tojson",
           "tojson(indent=2)", "tojson(ensure_ascii=true)", "tojson(separators=(',', ':'))",
           "tojson(sort_keys=true)", "replace('a', 'bb')", "replace('l', '', 1)", "indent", "indent(2, true)",
           "indent(width='> ', blank=true)", "items|list", "dictsort", "map('upper')|list",
           "map('string')|join('|')", "map(attribute='n')|list", "map(attribute='v', default=9)|list",
           "select|list", "reject('none')|list", "select('string')|list", "selectattr('v')|list",
           "selectattr('n', 'equalto', 'x')|list", "rejectattr('v', 'defined')|list", "batch(2)|list",
           "slice(2)|list", "round", "round(1)", "round(1, 'floor')", "round(0, 'ceil')", "wordcount",
           "truncate(8)", "truncate(8, true)", "center(12)", "format('p', 2)", "escape", "urlencode",
           "attr('k')", "groupby('n')|list", "safe", "nosuch"]
TESTS = ["defined", "undefined", "none", "string", "number", "integer", "float", "boolean", "mapping",
         "sequence", "iterable", "callable", "true", "false", "odd", "even", "lower", "upper",
         "divisibleby 2", "in [1, 'a', 7]", "eq 7", "sameas none", "gt 1", "not defined", "not none"]
SUFFIXES = ["[0]", "[-1]", "[1:]", "[:2]", "[::-1]", "[1:10:2]", "[-3:-1]", "['k']", "[none]", ".k", ".b",
            ".n", ".items()", ".items", ".keys()", ".values()|list", ".get('k')", ".get('zz', 4)",
            ".strip()", ".lstrip()", ".rstrip('d ')", ".split()", ".split('o')", ".split('l', 1)",
            ".rsplit('l', 1)", ".rsplit(none, 1)", ".split(none, 1)", ".splitlines()", ".splitlines(true)",
            ".startswith('He')", ".endswith(('d', 'x'))", ".upper()", ".lower()", ".title()",
            ".capitalize()", ".replace('l', 'L')", ".replace('', '-')", ".find('o')", ".rfind('o')",
            ".find('o', 5)", ".index('l')", ".count('l')", ".count('')", ".join(['x', 'y'])", ".isdigit()",
            ".isalpha()", ".isalnum()", ".isspace()", ".isupper()", ".islower()", ".format('p', 2)",
            ".partition('o')", ".rpartition('o')", ".removeprefix('He')", ".zfill(8)", ".center(9, '*')",
            ".ljust(13)", ".append(1)", ".nosuch", ".__class__", ".pop()", ".encode_not()"]


class Expressions:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def make(self, depth):
        pick = self.random.random()
        choose = self.random.choice
        if depth == 0 or pick < 0.12:
            return choose([*NAMES, *ATOMS])
        if pick < 0.40:
            return f"({self.make(depth - 1)} {choose(BINARY)} {self.make(depth - 1)})"
        if pick < 0.60:
            return f"({self.make(depth - 1)}){choose(SUFFIXES)}"
        if pick < 0.82:
            return f"({self.make(depth - 1)}|{choose(FILTERS)})"
        if pick < 0.90:
            return f"({self.make(depth - 1)} is {choose(TESTS)})"
        if pick < 0.94:
            return f"({choose(['not ', '-', '+'])}{self.make(depth - 1)})"
        if pick < 0.97:
            return f"({self.make(depth - 1)} if {self.make(depth - 1)} else {self.make(depth - 1)})"
        return f"[{self.make(depth - 1)}, {self.make(depth - 1)}]"


# Reasons of refusals where Python has a result. (Slices of values that have none: for constants Jinja2
# returns undefined, for variables it fails.)
REFUSALS = re.compile(r"not supported|64 bits|more than \d+ (bytes|elements)|as text|too wide"
                      r"|a slice needs")


class ExpressionsTest(ChatTemplatesTest):
    test_templates_of_models = test_builtin_templates = test_templates_in_gguf_files = None

    def test_expressions(self):
        made = Expressions(20261130)
        refused = 0
        for i in range(N_EXPRESSIONS):
            expression = made.make(1 + i % 3)
            if i % 7 == 0:
                source = "{% for i in " + expression + " %}{{ loop.index }}:{{ i }};{% else %}none{% endfor %}"
            elif i % 7 == 1:
                source = "{% if " + expression + " %}yes{% else %}no{% endif %}"
            else:
                source = "{{ " + expression + " }}"
            want, want_text = reference(source, NAMES)
            got, text, _ = self.program.render(source, NAMES)
            if got == "failed" and REFUSALS.search(text) or (
                    " object at 0x" in want_text or "Markup(" in want_text):
                refused += 1
                continue
            with self.subTest(source):
                self.check("expression", source, NAMES)
        print(f"{N_EXPRESSIONS} expressions, {refused} refused:", self.counts)
        self.assertLess(refused, N_EXPRESSIONS // 8)

    def test_properties_and_cases_of_characters(self):
        if unicodedata.unidata_version != "14.0.0":
            self.skipTest(f"this Python has Unicode {unicodedata.unidata_version}, not 14.0.0")
        methods = ["isalpha", "isdigit", "isdecimal", "isnumeric", "isspace", "isprintable", "isupper",
                   "islower"]
        source = ("{% for c in text %}" + "".join("{{ c." + name + "()|int }}" for name in methods) +
                  "{{ c.lower() }},{{ c.upper() }},{{ c.title() }}\n{% endfor %}")
        # Beyond the second plane all characters of a plane are alike but for a few ranges.
        codes = [*range(0x80, 0xD800), *range(0xE000, 0x20000), *range(0x20000, 0x110000, 61)]
        for begin in range(0, len(codes), 1024):
            some = codes[begin:begin + 1024]
            with self.subTest(f"from U+{some[0]:04X} on"):
                self.check("characters", source, {"text": "".join(map(chr, some))})
        self.assertEqual(self.counts["ok"], (len(codes) + 1023) // 1024)


if __name__ == "__main__":
    unittest.main()
