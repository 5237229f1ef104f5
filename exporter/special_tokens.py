# SPDX-License-Identifier: MIT
"""The keys of a GGUF file for the tokens that begin and end texts, and for the chat template."""
import os

from .errors import ExportError, open_input, read_json, shown
from .text_tokens import USUAL, read_text_tokens
from .vocabulary import SENTENCEPIECE

MOST_TEMPLATE_BYTES = 1 << 20  # kMaxSource in src/chat/chat_template.h
# The library and other readers know by these texts that a token ends texts (kEnds in
# src/tokenizer/gguf_vocabulary.cc).
KNOWN_ENDS = frozenset((
    "<|eot_id|>", "<|eom_id|>", "<|im_end|>", "<|end|>", "<|endoftext|>", "<|end_of_text|>",
    "<end_of_turn>", "<turn|>", "<|EOT|>", "<｜end▁of▁sentence｜>", "<|endofturn|>", "[|endofturn|]",
    "<|eot|>", "<|eom|>", "<|END_OF_TURN_TOKEN|>", "<|return|>", "<|call|>", "<|endofprompt|>"))
MESSAGE_ENDS = ("<|eom_id|>", "<|eom|>")
# The classes of transformers that add tokens to texts as tokenizer_config.json says, regardless of
# tokenizer.json.
BY_CONFIG = ("Llama", "CodeLlama", "Gemma")


def special_keys(folder, config, vocabulary):
    """Returns (keys, warnings). `config` is the model's family_keys.Config."""
    rows = len(vocabulary.texts)
    tokens, warnings = read_text_tokens(folder, config.defaults | config.values, config.path, rows)
    options = _read_if_there(folder, "tokenizer_config.json")
    before, behind = _around_texts(folder, options, vocabulary)
    bos = tokens.bos if before is None else before
    keys = {}
    if bos is not None:
        keys["tokenizer.ggml.bos_token_id"] = bos
    end = _content(options.get("eos_token"))
    ends = _sorted_ends(tokens.ends, end, vocabulary)
    if not ends and end and vocabulary.id_of(end) is not None:
        ends = [vocabulary.id_of(end)]
    if behind is not None and behind not in ends[:1]:
        ends = [behind, *(end for end in ends if end != behind)]
    keys |= _end_keys(ends, vocabulary, config.path, warnings)
    padding = _content(options.get("pad_token"))
    padding = vocabulary.id_of(padding) if padding else config.get("pad_token_id")
    if type(padding) is int and 0 <= padding < rows:
        keys["tokenizer.ggml.padding_token_id"] = padding
    keys["tokenizer.ggml.add_bos_token"] = before is not None
    keys["tokenizer.ggml.add_eos_token"] = behind is not None
    template = _chat_template(folder, options, warnings)
    if template:
        keys["tokenizer.chat_template"] = template
    if vocabulary.model == SENTENCEPIECE:
        _warn_of_usual(keys, config.path, warnings)
    return keys, warnings


def _warn_of_usual(keys, path, warnings):
    """Warns of tokens that the model does not have, but that readers assume."""
    for name, usual in (("bos", USUAL.bos), ("eos", USUAL.ends[0])):
        if f"tokenizer.ggml.{name}_token_id" not in keys:
            warnings.append(f"{path}: the model has no {name}_token_id, and readers of a "
                            f"SentencePiece vocabulary without one take {usual}")


def _read_if_there(folder, name):
    path = os.path.join(folder, name)
    return read_json(path) if os.path.exists(path) else {}


def _content(token):
    """Returns the text of a token of tokenizer_config.json; None if it has none."""
    if isinstance(token, dict):
        token = token.get("content")
    return token if isinstance(token, str) else None


def _sorted_ends(ends, first, vocabulary):
    """Sorts the ends: the tokenizer's own is first, those of messages are last."""
    texts = vocabulary.texts
    return sorted(ends, key=lambda end: (texts[end] != first, texts[end] in MESSAGE_ENDS))


def _end_keys(ends, vocabulary, path, warnings):
    keys = {}
    names = ["eos", "eot", "eom"]
    for end in ends:
        if names:
            keys[f"tokenizer.ggml.{names.pop(0)}_token_id"] = end
        elif vocabulary.texts[end] not in KNOWN_ENDS:
            warnings.append(f"{path}: token {end}, {shown(vocabulary.texts[end])}, ends texts, and "
                            "the file has room for three such tokens: name it as one of the "
                            "stop_tokens of a query")
    return keys


def _around_texts(folder, options, vocabulary):
    """Returns the tokens, or None, that the tokenizer adds before and after each text."""
    path = os.path.join(folder, "tokenizer_config.json")
    name = options.get("tokenizer_class")
    content = _read_if_there(folder, "tokenizer.json")
    by_config = isinstance(name, str) and name.startswith(BY_CONFIG) or not content
    if not by_config:
        return _of_template(content.get("post_processor"), vocabulary)
    around = []
    for adds, token, usual in ((options.get("add_bos_token", True), "bos_token", "<s>"),
                               (options.get("add_eos_token"), "eos_token", "</s>")):
        id_ = vocabulary.id_of(_content(options.get(token)) or usual)
        if adds and id_ is None:
            raise ExportError(f"{path}: {token} is added to texts, but is not in the vocabulary")
        around.append(id_ if adds else None)
    return around


def _of_template(post_processor, vocabulary):
    try:
        around = _parts_of_template(post_processor, vocabulary)
    except (KeyError, TypeError, AttributeError, IndexError):
        raise ExportError(f"{vocabulary.path}: the post_processor is damaged") from None
    for id_ in around:
        if id_ is not None and (type(id_) is not int or not 0 <= id_ < len(vocabulary.texts)):
            raise ExportError(f"{vocabulary.path}: the post_processor adds token {shown(id_)} "
                              "to texts, and the model has no such token")
    return around


def _parts_of_template(post_processor, vocabulary):
    steps = [post_processor] if post_processor else []
    if steps and steps[0]["type"] == "Sequence":
        steps = steps[0]["processors"]
    around = [None, None]
    for step in steps:
        if step["type"] == "ByteLevel":  # it only changes offsets
            continue
        if step["type"] != "TemplateProcessing":
            raise ExportError(f"{vocabulary.path}: the post_processor is {shown(step['type'])}, "
                              "which the library does not support")
        place = 0
        for part in step["single"]:
            if "Sequence" in part:
                place = 1
                continue
            ids = step["special_tokens"][part["SpecialToken"]["id"]]["ids"]
            if len(ids) != 1 or around[place] is not None:
                raise ExportError(f"{vocabulary.path}: the post_processor puts several tokens "
                                  "beside texts, and the library one on each side")
            around[place] = ids[0]
    return around


def _chat_template(folder, options, warnings):
    path = os.path.join(folder, "chat_template.jinja")
    if os.path.exists(path):
        return _of_readable_size(path, _read_text(path))
    for values, name in ((options, "tokenizer_config.json"),
                         (_read_if_there(folder, "chat_template.json"), "chat_template.json")):
        path = os.path.join(folder, name)
        template = values.get("chat_template")
        if isinstance(template, list):
            template = _default_of(template, path, warnings)
        if template is not None:
            if not isinstance(template, str):
                raise ExportError(f"{path}: chat_template is {shown(template)}, not a text")
            return _of_readable_size(path, template)
    return None


def _default_of(templates, path, warnings):
    """Returns the default one of several templates with names."""
    if not all(isinstance(each, dict) and isinstance(each.get("name"), str) for each in templates):
        raise ExportError(f"{path}: chat_template is {shown(templates)}, and each of several "
                          "templates must have a name")
    by_name = {each["name"]: each.get("template") for each in templates}
    default = by_name.pop("default", None)
    if by_name:
        warnings.append(f"{path}: of several chat templates the file has the default one: not "
                        f"{', '.join(map(shown, by_name))}")
    return default


def _of_readable_size(path, template):
    size = len(template.encode(errors="surrogatepass"))
    if size > MOST_TEMPLATE_BYTES:
        raise ExportError(f"{path}: the chat template has {size} bytes, and more than "
                          f"{MOST_TEMPLATE_BYTES} are not read")
    return template


def _read_text(path):
    with open_input(path, "r", encoding="utf-8", newline="") as file:
        try:
            return file.read(MOST_TEMPLATE_BYTES + 1)
        except UnicodeDecodeError:
            raise ExportError(f"{path}: not a text in UTF-8") from None
