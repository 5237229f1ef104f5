# SPDX-License-Identifier: MIT
"""Finds the rule of GGUF files (tokenizer.ggml.pre) that splits texts into words as a
tokenizer.json does. The library knows rules by name. src/tokenizer/pretokenizers.cc has the same
expressions, and what else a name implies: whether texts are normalised to NFC first, and whether a
word that is a token is encoded without merges."""
from typing import NamedTuple, Tuple

from .errors import ExportError, shown

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
          r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace("{1,3}", "")
QWEN35 = QWEN2.replace(r"?\p{L}+", r"?[\p{L}\p{M}]+").replace(r"\s\p{L}", r"\s\p{L}\p{M}")
_CASED = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+SUFFIX"
          r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*SUFFIX"
          r"|\p{N}NUMBERS| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
O200K = _CASED.replace("SUFFIX", "(?i:'s|'t|'re|'ve|'m|'ll|'d)?").replace("NUMBERS", "{1,3}")
TEKKEN = _CASED.replace("SUFFIX", "").replace("NUMBERS", "")
DEEPSEEK_V3 = (r"\p{N}{1,3}", "[一-龥\u3040-ゟ゠-ヿ]+",
               r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+"""
               r"|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+"
               r"|\s+(?!\S)|\s+")
DIGIT, DIGITS = r"\p{N}", r"\p{N}+"
DEEPSEEK_CODER = (r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-퟿]+", DIGIT)


class Rule(NamedTuple):
    """Each of `expressions` splits the parts that the previous one left."""

    expressions: Tuple[str, ...]
    ignores_merges: bool = False
    nfc: bool = False


# Of several names for the same rule, one that models of the families use.
RULES = {
    "llama-bpe": Rule((LLAMA3,), ignores_merges=True),
    "dbrx": Rule((LLAMA3,)),
    "qwen2": Rule((QWEN2,), nfc=True),
    "deepseek-r1-qwen": Rule((QWEN2,)),
    "qwen35": Rule((QWEN35,), nfc=True),
    "gpt-4o": Rule((O200K,)),
    "tekken": Rule((TEKKEN,), ignores_merges=True),
    "smollm": Rule((DIGIT, GPT2)),
    "command-r": Rule((DIGIT, GPT2), nfc=True),
    "gpt-2": Rule((GPT2,)),
    "olmo": Rule((GPT2,), nfc=True),
    "deepseek-coder": Rule(DEEPSEEK_CODER),
    "deepseek-v3": Rule(DEEPSEEK_V3),
}


def find_rule(content, path):
    """Returns the name of the rule for `content`, that of a tokenizer.json."""
    rule = Rule(tuple(_expressions(content.get("pre_tokenizer"), path)),
                bool(content["model"].get("ignore_merges")),
                _is_nfc(content.get("normalizer"), path))
    for name, known in RULES.items():
        if known == rule:
            return name
    kin = [name for name, known in RULES.items() if known.expressions == rule.expressions]
    if kin:
        raise ExportError(f"{path}: texts are split into words as by {' or '.join(kin)}, but with "
                          f"ignore_merges {rule.ignores_merges} and "
                          f"{'NFC' if rule.nfc else 'no normalisation'}: the library knows no "
                          "rule of GGUF files like that")
    expressions = shown(" then ".join(rule.expressions))
    raise ExportError(f"{path}: texts are split into words by {expressions}: the library knows no "
                      "rule of GGUF files like that")


def plain(expression):
    """Escapes line ends, which some tokenizer.json files have unescaped."""
    return expression.replace("\r", r"\r").replace("\n", r"\n")


def _steps(part, what):
    """Returns the steps of a Sequence, or the only step, as a list."""
    if part is None:
        return []
    if part["type"] == "Sequence":
        return [step for each in part[what] for step in _steps(each, what)]
    return [part]


def _is_nfc(normalizer, path):
    steps = [step["type"] for step in _steps(normalizer, "normalizers")]
    if steps not in ([], ["NFC"]):
        raise ExportError(f"{path}: texts are normalised by {', '.join(steps)} first, and the "
                          "library does nothing but NFC")
    return bool(steps)


def _expressions(pre_tokenizer, path):
    for step in _steps(pre_tokenizer, "pretokenizers"):
        kind = step["type"]
        if kind == "Split" and "Regex" in step["pattern"] and (
                step["behavior"], bool(step.get("invert"))) in (("Isolated", False),
                                                                ("Removed", True)):
            yield plain(step["pattern"]["Regex"])
        elif kind == "Digits":
            yield DIGIT if step.get("individual_digits") else DIGITS
        elif kind == "ByteLevel":
            if step.get("add_prefix_space"):
                raise ExportError(f"{path}: a space is put before texts (add_prefix_space), which "
                                  "the library does with no byte-level vocabulary")
            if step.get("use_regex", True):
                yield GPT2
        else:
            raise ExportError(f"{path}: texts are split into words by {shown(step)}: the library "
                              "knows no rule of GGUF files like that")
