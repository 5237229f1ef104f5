# SPDX-License-Identifier: MIT
"""export.py --tokenizer: with its dictionaries, the library encodes texts as SentencePiece does."""
import random
import struct
import subprocess

import sentencepiece

import export_fixtures as fx

SYLLABLES = ("ka", "to", "mi", "ren", "shu", "lo", "vex", "ar", "én", "ü", "日本", "語", "ши", "ло",
             "ing", "ed", "th", "qu", "0", "17", "x2")


def random_text(generator, words):
    """Returns made-up words of a few scripts; common ones occur more often."""
    made = []
    for _ in range(words):
        count = generator.choice((1, 2, 2, 3))
        made.append("".join(SYLLABLES[int(generator.random() ** 2 * len(SYLLABLES))]
                            for _ in range(count)))
    return "".join(word + generator.choice((" ", " ", " ", ", ", ".\n", "  ")) for word in made)


def strange_text(generator):
    """Returns texts with characters that the training texts lack, and with unusual spaces."""
    pieces = ["🦙", "é", "\t", "   ", "\n\n", "<s>", "</s>", "<unk>", "<0x41>", "\u0301", "ﬁ", "Ω",
              "ﷺ", "½", "a", " ", "ka", "to", "\u2581", "\u2581\u2581ka", "\u2580", "\u3000"]
    return "".join(generator.choice(pieces) for _ in range(generator.randrange(1, 12)))


def varint(value):
    data = bytearray()
    while value > 127:
        data.append(value & 127 | 128)
        value >>= 7
    return bytes([*data, value])


def with_piece(model, id_, kind=None, text=None):
    """Returns the bytes of a SentencePiece model with one piece changed. The pieces come first, each as
    field 1 of a protocol buffer; if a field occurs twice, the last one counts."""
    at = 0
    for _ in range(id_):
        assert model[at] == 0x0A and model[at + 1] < 128
        at += 2 + model[at + 1]
    piece = model[at + 2:at + 2 + model[at + 1]]
    changed = piece
    if text is not None:
        changed += b"\x0a" + varint(len(text.encode())) + text.encode()
    if kind is not None:
        changed += b"\x18" + varint(kind)
    return model[:at] + b"\x0a" + varint(len(changed)) + changed + model[at + 2 + len(piece):]


class Dictionaries(fx.ExportTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.model = cls.train("llama", model_type="bpe")

    @classmethod
    def train(cls, name, **changes):
        """A SentencePiece model trained like Llama's own, but smaller."""
        generator = random.Random(3)
        lines = [random_text(generator, 12) for _ in range(2000)]
        fx.train_dictionary(cls.folder / f"{name}.model", lines, **changes)
        return cls.folder / f"{name}.model"

    def tokens(self, dictionary, vocab_size, texts):
        result = subprocess.run(
            [fx.PROGRAMS / "print_tokens", dictionary, str(vocab_size), *texts],
            capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        return [[int(token) for token in line.split()] for line in result.stdout.splitlines()]

    def check_tokens(self, dictionary, vocab_size, model=None):
        """Compares the library's tokens of many texts with SentencePiece's."""
        reference = sentencepiece.SentencePieceProcessor(model_file=str(model or self.model))
        generator = random.Random(11)
        texts = ["a", " ", "  ", "\n", " ka", "ka ", "to be", "日本語", "17 x2"]
        texts += [random_text(generator, generator.randrange(1, 30)) for _ in range(500)]
        texts += [strange_text(generator) for _ in range(500)]
        pieces = [reference.id_to_piece(id_) for id_ in range(reference.get_piece_size())]
        texts += ["".join(generator.choices(pieces, k=generator.randrange(1, 8)))
                  for _ in range(1000)]
        actual = self.tokens(dictionary, vocab_size, texts)
        self.assertEqual(len(actual), len(texts))
        for text, tokens in zip(texts, actual):
            self.assertEqual(tokens, reference.encode(text), repr(text))
        used = {token for tokens in actual for token in tokens}
        self.assertGreater(len(used), reference.get_piece_size() // 3)
        self.assertGreater(sum("\u2581" in text for text in texts), 300)

    def test_tokens_are_those_of_sentencepiece(self):
        out = self.folder / "tokenizer.bin"
        printed = self.export(out, "--tokenizer", self.model)
        self.assertIn("700 tokens", printed)
        self.check_tokens(out, 700)

    def test_every_entry(self):
        out = self.folder / "entries.bin"
        self.export(out, "--tokenizer", self.model)
        reference = sentencepiece.SentencePieceProcessor(model_file=str(self.model))
        data = out.read_bytes()
        at, longest = 4, 0
        for token in range(700):
            score, size = struct.unpack_from("<fi", data, at)
            text = data[at + 8:at + 8 + size].decode()
            at += 8 + size
            longest = max(longest, size)
            expected = {1: "\n<s>\n", 2: "\n</s>\n"}.get(
                token, reference.id_to_piece(token).replace("\u2581", " "))
            self.assertEqual(text, expected)
            self.assertEqual(score, struct.unpack("<f", struct.pack(
                "<f", reference.get_score(token)))[0])
        self.assertEqual(at, len(data))
        self.assertEqual(struct.unpack_from("<i", data), (longest,))

    def export_with_model(self, vocab):
        shape = fx.Shape(32, 32, 1, 2, 2, vocab, True, 1e-5, 32)
        fx.save_training_checkpoint(self.folder / "m.pt", shape, fx.random_weights(shape))
        return self.run_export(self.folder / "m.bin", "--checkpoint", self.folder / "m.pt",
                               "--tokenizer", self.model)

    def test_together_with_a_model(self):
        """The dictionary is written beside the model, and has a token for each row of its embedding."""
        beside = self.folder / "m.tokenizer.bin"
        result = self.export_with_model(704)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("and 4 empty ones: the model has 704 rows of embeddings", result.stdout)
        self.check_tokens(beside, 704)
        result = self.export_with_model(700)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertNotIn("empty", result.stdout)
        self.check_tokens(beside, 700)

    def test_of_another_model(self):
        self.assert_refused(self.export_with_model(699), "it has 700 pieces, and the model only "
                            "699 tokens: it is for another model")

    def refuse(self, path, reason):
        out = self.folder / "refused.bin"
        self.assert_refused(self.run_export(out, "--tokenizer", path), reason)
        self.assertFalse(out.exists())

    def test_models_that_the_library_cannot_follow(self):
        self.refuse(self.train("unigram", model_type="unigram"), "not a byte-pair (BPE) model")
        self.refuse(self.train("ids", unk_id=3, bos_id=0, eos_id=1, pad_id=2),
                    "token 0 is not its unknown token")
        self.refuse(self.train("none", bos_id=-1), "token 1 is not its BOS token")

    # What the format cannot store is refused by name.
    DIFFERENCES = (
        ("normalises text", {"normalization_rule_name": "nmt_nfkc"}),
        ("no space before a text", {"add_dummy_prefix": False}),
        ("removes extra spaces", {"remove_extra_whitespaces": True}),
        ("puts the space after words", {"treat_whitespace_as_suffix": True}),
        ("2 pieces of type USER_DEFINED, which SentencePiece always keeps whole, and the "
         "library only where merges produce them ('<a>', '<tool>')",
         {"user_defined_symbols": ["<tool>", "<a>"]}),
        ("1 piece of type CONTROL that a character of a text becomes only in SentencePiece ('k')",
         {"control_symbols": ["k"]}))

    def test_differences_are_refused(self):
        for index, (reason, changes) in enumerate(self.DIFFERENCES):
            with self.subTest(reason):
                self.refuse(self.train(f"different{index}", **changes), reason)

    def test_differences_are_told_if_they_are_wanted(self):
        changes = {}
        for _, change in self.DIFFERENCES[:-1]:
            changes.update(change)
        model = self.train("other", **changes)
        result = self.run_export(self.folder / "other.bin", "--tokenizer", model,
                                 "--inexact-tokenizer")
        self.assertEqual(result.returncode, 0, result.stderr)
        for reason, _ in self.DIFFERENCES[:-1]:
            self.assertIn(reason, result.stderr)
        for line in result.stderr.splitlines():
            self.assertTrue(line.startswith(f"export.py: warning: {model}: it "), line)

    def edit_piece(self, id_, **changes):
        """Returns a copy of the model in which a piece has another type or text."""
        path = self.folder / "edited.model"
        path.write_bytes(with_piece(self.model.read_bytes(), id_, **changes))
        return path

    def test_pieces_of_other_types(self):
        byte = 3 + 0x41  # <0x00> is token 3
        for changes, reason in (
                ({"kind": 5}, "1 piece of type UNUSED, which only the library produces"),
                ({"kind": 4}, "1 piece of type USER_DEFINED"),
                ({"kind": 7}, "1 piece of an unknown type"),
                ({"text": "<0x41>"}, "1 piece that the library takes for bytes, or of type BYTE "
                 "that it does not ('<0x41>')"),
                ({"text": "a b"}, "1 piece with a space, which only the library produces")):
            with self.subTest(reason):
                self.refuse(self.edit_piece(600, **changes), reason)
        self.refuse(self.edit_piece(byte, kind=1), "it has tokens for 255 of the 256 bytes")

    def test_control_pieces_are_found_in_no_text(self):
        """Not even a control piece whose text merges would produce."""
        model = self.train("control", control_symbols=["<pad>", "<|im_end|>", "ka", "to"])
        out = self.folder / "control.bin"
        self.export(out, "--tokenizer", model)
        self.check_tokens(out, 700, model)

    def test_unknown_characters(self):
        """Without byte tokens, a run of characters that are not in the vocabulary is one unknown token."""
        model = self.train("unknown", byte_fallback=False, character_coverage=0.98)
        out = self.folder / "unknown.bin"
        self.export(out, "--tokenizer", model)
        self.check_tokens(out, 700, model)

    def test_the_space_mark_in_a_text(self):
        model = fx.SHARED_MODELS.parent / "cases/spm-u2581/tokenizer.model"
        if not model.exists():
            self.skipTest(f"{model} is missing")
        out = self.folder / "marks.bin"
        self.export(out, "--tokenizer", model)
        self.assertEqual(self.tokens(out, 1000, ["a\u2581b"]), [[275, 279]])
        self.check_tokens(out, 1000, model)

    def test_files_that_are_none(self):
        bad = self.folder / "bad.model"
        data = self.model.read_bytes()
        for content in (b"", b"\0", b"text", data[:1000], b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff",
                        b"\xff" * 100):
            bad.write_bytes(content)
            self.refuse(bad, "not a SentencePiece model, or damaged")
