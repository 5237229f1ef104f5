# SPDX-License-Identifier: MIT
"""Converts the vocabulary of a folder in Hugging Face's layout to the keys of a GGUF file. It is in
tokenizer.json, or in a SentencePiece model (tokenizer.model) and the files of added tokens."""
import os
import re
from dataclasses import dataclass, field
from typing import Dict, List

import numpy as np

from .errors import ExportError, named_in_part, read_json, shown
from .pretokenizers import find_rule
from .sentencepiece_file import (BYTE, CONTROL, NORMAL, SPACE, UNKNOWN, UNUSED, USER_DEFINED,
                                 SentencePieceFile)

BYTE_LEVEL, SENTENCEPIECE = "gpt2", "llama"  # tokenizer.ggml.model
BYTE_PIECE = re.compile("<0x[0-9A-F]{2}>")
LLAMA_CLASSES = ("LlamaTokenizer", "LlamaTokenizerFast")  # of transformers
MOST_TOKEN_BYTES = 1 << 16  # kMaxTokenBytes in src/tokenizer/vocabulary.h


@dataclass
class Vocabulary:
    """Lists of tokens by id; an id without a token is None."""

    path: str
    model: str
    texts: List[str] = field(default_factory=list)
    types: List[int] = field(default_factory=list)
    scores: List[float] = field(default_factory=list)  # SENTENCEPIECE
    merges: List[str] = field(default_factory=list)    # BYTE_LEVEL
    keys: Dict[str, object] = field(default_factory=dict)
    added: Dict[str, int] = field(default_factory=dict)
    warnings: List[str] = field(default_factory=list)

    def put(self, id_, text, kind, score=0.0):
        if not isinstance(text, str) or type(id_) is not int or not 0 <= id_ < 2**21:
            raise ExportError(f"{self.path}: token {shown(text)} has the id {shown(id_)}")
        missing = id_ + 1 - len(self.texts)
        self.texts += [None] * missing
        self.types += [UNUSED] * missing
        self.scores += [0.0] * missing
        self.texts[id_], self.types[id_], self.scores[id_] = text, kind, score

    def id_of(self, text):
        return self.added[text] if text in self.added else (
            self.texts.index(text) if text in self.texts else None)

    def fit(self, rows):
        """Adds or removes tokens so that there are as many as the embedding has rows."""
        beyond = [i for i in range(rows, len(self.texts)) if self.texts[i] is not None]
        if beyond and not all(self.texts[i] in self.added for i in beyond):
            raise ExportError(f"{self.path}: it has {len(self.texts)} tokens, and the model only "
                              f"{rows}: it is for another model")
        if beyond:
            names = named_in_part(self.texts[i] for i in beyond)
            self.warnings.append(f"{self.path}: the model has no rows for the added tokens "
                                 f"{names}: they are left out")
        self.added = {text: id_ for text, id_ in self.added.items() if id_ < rows}
        del self.texts[rows:], self.types[rows:], self.scores[rows:]
        filling = rows - len(self.texts)
        self.texts += [None] * filling
        self.types += [UNUSED] * filling
        self.scores += [0.0] * filling
        known = {text for text in self.texts if text is not None}
        for i, text in enumerate(self.texts):
            if text is None:
                name = f"[PAD{i}]"
                self.texts[i] = name if name not in known else f"[PAD{i}]{SPACE}"

    def to_keys(self):
        for id_, text in enumerate(self.texts):
            size = len(text.encode(errors="surrogatepass"))
            if size > MOST_TOKEN_BYTES:
                raise ExportError(f"{self.path}: token {id_}, {shown(text)}, has {size} bytes, and "
                                  f"more than {MOST_TOKEN_BYTES} are not read")
        keys = {"tokenizer.ggml.model": self.model, "tokenizer.ggml.pre": "default"} | self.keys
        keys["tokenizer.ggml.tokens"] = self.texts
        if self.model == SENTENCEPIECE:
            keys["tokenizer.ggml.scores"] = np.array(self.scores, np.float32)
        keys["tokenizer.ggml.token_type"] = np.array(self.types, np.int32)
        if self.model == BYTE_LEVEL:
            keys["tokenizer.ggml.merges"] = self.merges
        return keys


def kind_of_tokenizer(folder):
    """Returns BYTE_LEVEL, SENTENCEPIECE, or None for another kind or an unreadable file."""
    path = os.path.join(folder, "tokenizer.json")
    if not os.path.exists(path):
        return SENTENCEPIECE if os.path.exists(os.path.join(folder, "tokenizer.model")) else None
    try:
        model = read_json(path).get("model")
    except (ExportError, OSError):
        return None
    if not isinstance(model, dict) or _type_of(model) != "BPE":
        return None
    return SENTENCEPIECE if model.get("byte_fallback") else BYTE_LEVEL


def _type_of(model):
    """Returns the model's type. The file of GPT-2 has no such key."""
    return model.get("type", "BPE" if "merges" in model else None)


def read_vocabulary(folder, rows, strips_right):
    """Reads the vocabulary of a folder. `rows` is the number of rows of the model's embedding.
    `strips_right` says that the library knows that control tokens of the family remove the white
    space after them, if the vocabulary is of SentencePiece's kind."""
    path = os.path.join(folder, "tokenizer.json")
    pieces = os.path.join(folder, "tokenizer.model")
    content = read_json(path) if os.path.exists(path) else None
    if content is None and not os.path.exists(pieces):
        raise ExportError(f"{folder}: there is no tokenizer.json, and no tokenizer.model: a GGUF "
                          "file has the vocabulary of its model")
    try:
        if content is None:
            vocabulary = _of_pieces(pieces)
            added = _added_by_config(folder)
        else:
            vocabulary = _of_json(path, content, pieces)
            added = content.get("added_tokens") or []
        _add(vocabulary, added)
        _warn_of_neighbours(vocabulary, added,
                            strips_right and vocabulary.model == SENTENCEPIECE)
    except (KeyError, TypeError, AttributeError, ValueError, IndexError, RecursionError):
        raise ExportError(f"{path}: not a tokenizer of the kinds that are known, or "
                          "damaged") from None
    _let_config_choose_prefix(folder, vocabulary)
    vocabulary.fit(rows)
    return vocabulary


def _let_config_choose_prefix(folder, vocabulary):
    """The Llama classes of transformers take add_prefix_space of tokenizer_config.json, if it has
    one, regardless of the tokenizer's file."""
    path = os.path.join(folder, "tokenizer_config.json")
    options = read_json(path) if os.path.exists(path) else {}
    prefix = options.get("add_prefix_space")
    if vocabulary.model != SENTENCEPIECE or prefix is None or (
            options.get("tokenizer_class") not in LLAMA_CLASSES):
        return
    if not isinstance(prefix, bool):
        raise ExportError(f"{path}: add_prefix_space is {shown(prefix)}, not true or false")
    vocabulary.keys["tokenizer.ggml.add_space_prefix"] = prefix


def _add(vocabulary, tokens):
    for token in tokens:
        text, id_ = token["content"], token["id"]
        kind = CONTROL if token.get("special") else USER_DEFINED
        vocabulary.added[text] = id_
        there = id_ < len(vocabulary.types) and vocabulary.texts[id_] == text
        if there and vocabulary.types[id_] in (UNKNOWN, BYTE):
            continue
        shown_as = text
        if vocabulary.model == SENTENCEPIECE and kind == USER_DEFINED:
            shown_as = text.replace(SPACE, " ")  # as in a text
        if shown_as != text:
            vocabulary.added[shown_as] = id_
        vocabulary.put(id_, shown_as, kind, vocabulary.scores[id_] if there else 0.0)


def _warn_of_neighbours(vocabulary, tokens, strips_right):
    keys = ("lstrip", "single_word") if strips_right else ("lstrip", "rstrip", "single_word")
    names = [token["content"] for token in tokens if any(token.get(key) for key in keys)]
    if names:
        vocabulary.warnings.append(
            f"{vocabulary.path}: the text around the tokens {named_in_part(names)} matters to the "
            "tokenizer (lstrip, rstrip, single_word), but not to the library")


def _added_by_config(folder):
    """Returns the tokens that tokenizer_config.json, or added_tokens.json, adds to the pieces."""
    path = os.path.join(folder, "tokenizer_config.json")
    tokens = read_json(path).get("added_tokens_decoder") if os.path.exists(path) else None
    if tokens:
        return [{**token, "id": int(id_)} for id_, token in tokens.items()]
    path = os.path.join(folder, "added_tokens.json")
    added = read_json(path) if os.path.exists(path) else {}
    return [{"content": text, "id": id_, "special": False} for text, id_ in added.items()]


def _of_json(path, content, pieces):
    model = content["model"]
    if _type_of(model) != "BPE":
        raise ExportError(f"{path}: a tokenizer of the kind {shown(_type_of(model))}, which the "
                          "library does not support: byte-pair (BPE) ones are read")
    for key in ("dropout", "continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(key):
            raise ExportError(f"{path}: {key} is {shown(model[key])}, which the library does "
                              "not support")
    if model.get("byte_fallback"):
        return _of_sentencepiece_json(path, content, pieces)
    vocabulary = Vocabulary(path, BYTE_LEVEL)
    vocabulary.keys["tokenizer.ggml.pre"] = find_rule(content, path)
    for text, id_ in model["vocab"].items():
        vocabulary.put(id_, text, NORMAL)
    vocabulary.merges = [" ".join(pair) for pair in _merges(model, path)]
    return vocabulary


def _merges(model, path):
    pairs = [tuple(merge.split(" ")) if isinstance(merge, str) else tuple(merge)
             for merge in model["merges"]]
    for pair in pairs:
        if len(pair) != 2 or any(" " in text for text in pair):
            raise ExportError(f"{path}: {shown(pair)} is no merge of two tokens")
    return pairs


# --- SentencePiece -------------------------------------------------------------------------------

def _of_pieces(path):
    file = SentencePieceFile(path)
    if not file.is_bpe:
        raise ExportError(f"{path}: not a byte-pair (BPE) model: the library has no other kind of "
                          "SentencePiece models")
    for differs, what in ((file.normalises, "normalises text"),
                          (file.removes_spaces, "removes extra spaces"),
                          (not file.marks_spaces, "encodes spaces as they are"),
                          (file.puts_space_behind_words, "puts the space after words")):
        if differs:
            raise ExportError(f"{path}: it {what}, which the library does not")
    vocabulary = Vocabulary(path, SENTENCEPIECE)
    vocabulary.keys["tokenizer.ggml.add_space_prefix"] = file.puts_space_before
    for id_, piece in enumerate(file.pieces):
        text = piece.text.replace(SPACE, " ") if piece.type == USER_DEFINED else piece.text
        vocabulary.put(id_, text, piece.type if NORMAL <= piece.type <= BYTE else NORMAL,
                       piece.score)
    unknown = file.special_ids[0]
    if isinstance(unknown, int) and unknown < len(file.pieces):
        vocabulary.keys["tokenizer.ggml.unknown_token_id"] = unknown
    return vocabulary


def _of_sentencepiece_json(path, content, pieces):
    model, ids = content["model"], content["model"]["vocab"]
    added = {token["content"] for token in content.get("added_tokens") or []}
    prefix = _puts_space_before(path, content)
    if os.path.exists(pieces):  # this file has the scores
        vocabulary = _of_pieces(pieces)
        _compare(path, ids, added, pieces, vocabulary.texts)
    else:
        vocabulary = Vocabulary(path, SENTENCEPIECE)
        scores = _scores(model, added, path)
        for text, id_ in ids.items():
            is_byte = BYTE_PIECE.fullmatch(text)
            vocabulary.put(id_, text, BYTE if is_byte else NORMAL, scores.get(text, 0.0))
        if model.get("unk_token") in ids:
            unknown = ids[model["unk_token"]]
            vocabulary.put(unknown, model["unk_token"], UNKNOWN)
            vocabulary.keys["tokenizer.ggml.unknown_token_id"] = unknown
    vocabulary.path = path
    vocabulary.keys["tokenizer.ggml.add_space_prefix"] = prefix
    return vocabulary


def _compare(path, ids, added, pieces, texts):
    """Refuses a tokenizer.json whose tokens {text: id} are not the pieces beside it."""
    texts = [text.replace(" ", SPACE) for text in texts]
    for id_, text in enumerate(texts):
        if ids.get(text, id_) != id_:
            raise ExportError(f"{path}: token {shown(text)} has another id in {pieces}")
    for text, id_ in sorted(ids.items(), key=lambda entry: entry[1]):
        if text not in added and (id_ >= len(texts) or texts[id_] != text):
            raise ExportError(f"{path}: token {id_}, {shown(text)}, is not in {pieces}: the two "
                              "files have different vocabularies")


def _puts_space_before(path, content):
    """Returns whether a space is added before texts. Refuses tokenizers that split texts into words
    or do not replace each space by U+2581."""
    prefix, marks = False, False
    normalizer, splitter = content.get("normalizer"), content.get("pre_tokenizer")
    for step in (normalizer or {}).get("normalizers", [normalizer] if normalizer else []):
        if step["type"] == "Prepend" and step["prepend"] == SPACE:
            prefix = True
        elif step["type"] == "Replace" and step["pattern"] == {"String": " "} and (
                step["content"] == SPACE):
            marks = True
        else:
            raise ExportError(f"{path}: texts are normalised by {shown(step)}, which the library "
                              "does not")
    if splitter and splitter["type"] == "Metaspace" and splitter.get("replacement") == SPACE and (
            not splitter.get("split", True)):
        prefix = splitter.get("prepend_scheme", "always") != "never"
        marks = True
    # After spaces are replaced, a split at spaces has no effect.
    elif splitter and not (marks and splitter["type"] == "Split" and splitter["pattern"] in (
            {"String": " "}, {"Regex": " "})):
        raise ExportError(f"{path}: texts are split into words by {shown(splitter)}, which the "
                          "library does not with such a vocabulary")
    if not marks:
        raise ExportError(f"{path}: spaces are not marked by U+2581, as the library has it")
    return prefix


def _scores(model, added, path):
    """Returns the score of each token that a merge makes: the earlier the merge, the higher. The
    library orders merges by the resulting token, so all merges that make a token must be
    adjacent."""
    made, last = {}, None
    ids = model["vocab"]
    pairs = set()
    for left, right in _merges(model, path):
        token = left + right
        if token != last and token in made:
            raise ExportError(f"{path}: the merges that make {shown(token)} do not stand together, "
                              "as those of SentencePiece's models do")
        made.setdefault(token, -float(len(made) + 1))
        pairs.add((left, right))
        last = token
    for token in made:
        for at in range(1, len(token)):
            pair = token[:at], token[at:]
            if pair not in pairs and all(part in ids and part not in added for part in pair):
                raise ExportError(f"{path}: no merge makes {shown(token)} of {shown(pair)}, as "
                                  "those of SentencePiece's models do")
    return made
