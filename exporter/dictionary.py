# SPDX-License-Identifier: MIT
"""SentencePiece models to llama2.c's tokenizer.bin; docs/formats.md has it byte by byte.

A SentencePiece model is one protocol buffer message (https://github.com/google/sentencepiece,
src/sentencepiece_model.proto), of which the few fields below are read."""
import re
import struct
from typing import NamedTuple

from .errors import ExportError, named_in_part, shown

UNKNOWN_ID, BOS_ID, EOS_ID = 0, 1, 2  # of the library, and of Llama
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)  # SentencePiece.Type
BPE = 2  # TrainerSpec.ModelType
SPACE = "\u2581"  # stands for a space in a piece
BYTE_PIECE = re.compile("<0x[0-9A-F]{2}>")  # that the library takes for a byte
MOST_BYTES = 1 << 28


class Piece(NamedTuple):
    text: str
    score: float
    type: int


class Dictionary:
    """The pieces of a SentencePiece model; `differences` say in which texts the library, with the
    file that to_bytes() makes, has other tokens than SentencePiece."""

    def __init__(self, path):
        self.path = path
        with open(path, "rb") as file:
            data = file.read(MOST_BYTES + 1)
        try:
            if len(data) > MOST_BYTES:
                raise ValueError
            self._parse(data)
        except (ValueError, IndexError, struct.error, AttributeError, TypeError):
            raise ExportError(f"{path}: not a SentencePiece model, or damaged") from None

    def _parse(self, data):
        message = _fields(data)
        self.pieces = [_piece(_fields(piece)) for piece in message.get(1, ())]
        if not self.pieces:
            raise ValueError
        trainer, normalizer = (_fields(message.get(n, [b""])[-1]) for n in (2, 3))
        if trainer.get(3, [1])[-1] != BPE:
            raise ExportError(f"{self.path}: not a byte-pair (BPE) model: other kinds of "
                              "SentencePiece models choose tokens in ways the library has not")
        for id_, field, name, default in ((UNKNOWN_ID, 40, "unknown", 0), (BOS_ID, 41, "BOS", 1),
                                          (EOS_ID, 42, "EOS", 2)):
            actual = trainer.get(field, [default])[-1]
            if actual != id_ or len(self.pieces) <= id_:
                raise ExportError(f"{self.path}: token {id_} is not its {name} token, as the "
                                  "library takes for granted")
        self.differences = [*self._different_texts(trainer, normalizer), *self._different_pieces()]

    @staticmethod
    def _different_texts(trainer, normalizer):
        if normalizer.get(2, [b""])[-1]:
            yield "it normalises text before it encodes it, which the library does not"
        if not normalizer.get(3, [1])[-1]:
            yield "it puts no space before a text, and the library does"
        if normalizer.get(4, [1])[-1]:
            yield "it removes extra spaces before it encodes text, which the library does not"
        if not normalizer.get(5, [1])[-1]:
            yield "it encodes spaces as they are, and the library as U+2581"
        if trainer.get(24, [0])[-1]:
            yield "it puts the space behind words, and the library in front of them"

    def _different_pieces(self):
        def of(what, does):
            found = [piece.text for piece in self.pieces if does(piece)]
            if found:
                yield (f"it has {len(found)} {'piece' if len(found) == 1 else 'pieces'} {what} "
                       f"({named_in_part(map(shown, found))})")

        yield from of("of type USER_DEFINED, which are kept whole wherever they stand, and in the "
                      "library only where merges lead to them",
                      lambda piece: piece.type == USER_DEFINED)
        yield from of("of type UNUSED, which no text becomes, but in the library",
                      lambda piece: piece.type == UNUSED)
        yield from of("of types that are not known",
                      lambda piece: not NORMAL <= piece.type <= BYTE)
        yield from of("that the library takes for bytes, or of type BYTE that it does not",
                      lambda piece: (piece.type == BYTE) != bool(BYTE_PIECE.fullmatch(piece.text)))
        yield from of("with a space, which no text becomes, but in the library",
                      lambda piece: " " in piece.text)
        # A control piece is found by no merge, and yet by a text of its one character.
        yield from of("of type CONTROL that a character of a text becomes, but not in the library",
                      lambda piece: piece.type == CONTROL and len(piece.text) == 1)
        bytes_there = sum(piece.type == BYTE for piece in self.pieces)
        if bytes_there not in (0, 256):
            yield f"it has tokens for {bytes_there} of the 256 bytes"

    def to_bytes(self, vocab_size):
        """The file for a model of `vocab_size` tokens (None: as many as there are pieces). Tokens
        without a piece are empty: no text becomes one, and one becomes no text."""
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
    # As in llama2.c's files: never the text of a token in the middle of a line.
    if id_ == BOS_ID:
        return "\n<s>\n"
    if id_ == EOS_ID:
        return "\n</s>\n"
    if piece.type == CONTROL:
        return ""  # the file has no types: so no text becomes it, and it becomes no text
    return piece.text.replace(SPACE, " ")


def _piece(fields):
    (score,) = struct.unpack("<f", fields.get(2, [bytes(4)])[-1])
    return Piece(fields[1][-1].decode() if 1 in fields else "", score,
                 fields.get(3, [NORMAL])[-1])


def _fields(data):
    """{number: [values]} of a message: numbers for varints, else bytes.
    Encoding: https://protobuf.dev/programming-guides/encoding/"""
    fields, at = {}, 0
    while at < len(data):
        tag, at = _varint(data, at)
        wire_type = tag & 7
        if wire_type == 0:
            value, at = _varint(data, at)
        elif wire_type in (1, 2, 5):
            if wire_type == 2:
                size, at = _varint(data, at)
            else:
                size = 8 if wire_type == 1 else 4
            value, at = data[at:at + size], at + size
            if at > len(data):
                raise ValueError
        else:
            raise ValueError
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def _varint(data, at):
    value = 0
    for shift in range(0, 64, 7):
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError
