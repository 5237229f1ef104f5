# SPDX-License-Identifier: MIT
"""Converts SentencePiece models to llama2.c's tokenizer.bin, which docs/formats.md specifies."""
import re
import struct

from .errors import ExportError, named_in_part, shown
from .sentencepiece_file import (BYTE, CONTROL, NORMAL, SPACE, UNUSED, USER_DEFINED,
                                 SentencePieceFile)

UNKNOWN_ID, BOS_ID, EOS_ID = 0, 1, 2  # the same in the library and in Llama
BYTE_PIECE = re.compile("<0x[0-9A-F]{2}>")  # the library reads such a piece as a byte


class Dictionary:
    """The pieces of a SentencePiece model. `differences` describe the texts for which the library,
    with the file that to_bytes() returns, has other tokens than SentencePiece."""

    def __init__(self, path):
        file = SentencePieceFile(path)
        self.path = path
        self.pieces = file.pieces
        if not file.is_bpe:
            raise ExportError(f"{path}: not a byte-pair (BPE) model: other kinds of SentencePiece "
                              "models choose tokens in ways that the library does not support")
        for id_, actual, name in zip((UNKNOWN_ID, BOS_ID, EOS_ID), file.special_ids,
                                     ("unknown", "BOS", "EOS")):
            if actual != id_ or len(self.pieces) <= id_:
                raise ExportError(f"{path}: token {id_} is not its {name} token, as the library "
                                  "takes for granted")
        self.differences = [*self._different_texts(file), *self._different_pieces()]

    @staticmethod
    def _different_texts(file):
        if file.normalises:
            yield "it normalises text before it encodes it, which the library does not"
        if not file.puts_space_before:
            yield "it puts no space before a text, and the library does"
        if file.removes_spaces:
            yield "it removes extra spaces before it encodes text, which the library does not"
        if not file.marks_spaces:
            yield "it encodes spaces as they are, and the library as U+2581"
        if file.puts_space_behind_words:
            yield "it puts the space after words, and the library before them"

    def _different_pieces(self):
        def of(what, does):
            found = [piece.text for piece in self.pieces if does(piece)]
            if found:
                yield (f"it has {len(found)} {'piece' if len(found) == 1 else 'pieces'} {what} "
                       f"({named_in_part(map(shown, found))})")

        yield from of("of type USER_DEFINED, which SentencePiece always keeps whole, and the "
                      "library only where merges produce them",
                      lambda piece: piece.type == USER_DEFINED)
        yield from of("of type UNUSED, which only the library produces",
                      lambda piece: piece.type == UNUSED)
        yield from of("of an unknown type",
                      lambda piece: not NORMAL <= piece.type <= BYTE)
        yield from of("that the library takes for bytes, or of type BYTE that it does not",
                      lambda piece: (piece.type == BYTE) != bool(BYTE_PIECE.fullmatch(piece.text)))
        yield from of("with a space, which only the library produces",
                      lambda piece: " " in piece.text)
        # No merge produces a control piece, but a text that is its single character would match it.
        yield from of("of type CONTROL that a character of a text becomes only in SentencePiece",
                      lambda piece: piece.type == CONTROL and len(piece.text) == 1)
        bytes_there = sum(piece.type == BYTE for piece in self.pieces)
        if bytes_there not in (0, 256):
            yield f"it has tokens for {bytes_there} of the 256 bytes"

    def to_bytes(self, vocab_size):
        """Returns the file for a model of `vocab_size` tokens (None: as many as there are pieces).
        Tokens without a piece are empty: they never result from a text, and have none."""
        if vocab_size is None:
            vocab_size = len(self.pieces)
        if vocab_size < len(self.pieces):
            raise ExportError(f"{self.path}: it has {len(self.pieces)} pieces, and the model only "
                              f"{vocab_size} tokens: it is for another model")
        tokens = [(_text(id_, piece).encode(), piece.score)
                  for id_, piece in enumerate(self.pieces)]
        tokens += [(b"", 0.0)] * (vocab_size - len(tokens))
        longest = max(len(text) for text, _ in tokens)
        return struct.pack("<i", longest) + b"".join(
            struct.pack("<fi", score, len(text)) + text for text, score in tokens)


def _text(id_, piece):
    # As in llama2.c's files: with the line breaks, no text such as <s> becomes one of these tokens.
    if id_ == BOS_ID:
        return "\n<s>\n"
    if id_ == EOS_ID:
        return "\n</s>\n"
    if piece.type == CONTROL:
        return ""  # the file has no types, so an empty text keeps the token out of texts
    return piece.text.replace(SPACE, " ")
