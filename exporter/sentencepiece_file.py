# SPDX-License-Identifier: MIT
"""Reads SentencePiece models, which are protocol buffer messages
(https://github.com/google/sentencepiece, src/sentencepiece_model.proto): only the few fields that
are needed."""
import struct
from typing import NamedTuple

from .errors import ExportError, open_input

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)  # SentencePiece.Type
BPE = 2  # TrainerSpec.ModelType
SPACE = "\u2581"  # stands for a space in a piece
MOST_BYTES = 1 << 28


class Piece(NamedTuple):
    text: str
    score: float
    type: int


class SentencePieceFile:
    """The pieces of a model, and the fields of its trainer's and its normaliser's part."""

    def __init__(self, path):
        self.path = path
        with open_input(path) as file:
            data = file.read(MOST_BYTES + 1)
        try:
            if len(data) > MOST_BYTES:
                raise ValueError
            message = _fields(data)
            self.pieces = [_piece(_fields(piece)) for piece in message.get(1, ())]
            if not self.pieces:
                raise ValueError
            self._trainer, self._normalizer = (_fields(message.get(n, [b""])[-1]) for n in (2, 3))
            self.is_bpe = self._trainer.get(3, [1])[-1] == BPE
        except (ValueError, IndexError, struct.error, AttributeError, TypeError):
            raise ExportError(f"{path}: not a SentencePiece model, or damaged") from None

    @property
    def special_ids(self):
        """Returns the ids of the unknown, the begin and the end token."""
        return tuple(self._trainer.get(field, [default])[-1]
                     for field, default in ((40, 0), (41, 1), (42, 2)))

    @property
    def normalises(self):
        return bool(self._normalizer.get(2, [b""])[-1])

    @property
    def puts_space_before(self):
        return bool(self._normalizer.get(3, [1])[-1])

    @property
    def removes_spaces(self):
        return bool(self._normalizer.get(4, [1])[-1])

    @property
    def marks_spaces(self):
        return bool(self._normalizer.get(5, [1])[-1])

    @property
    def puts_space_behind_words(self):
        return bool(self._trainer.get(24, [0])[-1])


def _piece(fields):
    (score,) = struct.unpack("<f", fields.get(2, [bytes(4)])[-1])
    return Piece(fields[1][-1].decode() if 1 in fields else "", score,
                 fields.get(3, [NORMAL])[-1])


def _fields(data):
    """Returns {number: [values]} of a message: numbers for varints, else bytes.
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
