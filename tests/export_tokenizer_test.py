# SPDX-License-Identifier: MIT
"""export.py --tokenizer: the library encodes with its dictionaries as SentencePiece does."""
import random
import struct
import subprocess

import sentencepiece

import export_fixtures as fx

SYLLABLES = ("ka", "to", "mi", "ren", "shu", "lo", "vex", "ar", "én", "ü", "日本", "語", "ши", "ло",
             "ing", "ed", "th", "qu", "0", "17", "x2")


def random_text(generator, words):
    """Made-up words of a few scripts; common ones more often."""
    made = []
    for _ in range(words):
        count = generator.choice((1, 2, 2, 3))
        made.append("".join(SYLLABLES[int(generator.random() ** 2 * len(SYLLABLES))]
                            for _ in range(count)))
    return "".join(word + generator.choice((" ", " ", " ", ", ", ".\n", "  ")) for word in made)


def strange_text(generator):
    """Characters that training has not seen, and spaces in odd places."""
    pieces = ["🦙", "é", "\t", "   ", "\n\n", "<s>", "</s>", "<unk>", "<0x41>", "\u0301", "ﬁ", "Ω",
              "ﷺ", "½", "a", " ", "ka", "to"]
    return "".join(generator.choice(pieces) for _ in range(generator.randrange(1, 12)))


class Dictionaries(fx.ExportTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.model = cls.train("llama", model_type="bpe")

    @classmethod
    def train(cls, name, **changes):
        """A SentencePiece model as Llama's own was trained, but for its size."""
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

    def check_tokens(self, dictionary, vocab_size):
        """The library's tokens against SentencePiece's, of many texts."""
        reference = sentencepiece.SentencePieceProcessor(model_file=str(self.model))
        generator = random.Random(11)
        texts = ["a", " ", "  ", "\n", " ka", "ka ", "to be", "日本語", "17 x2"]
        texts += [random_text(generator, generator.randrange(1, 30)) for _ in range(500)]
        texts += [strange_text(generator) for _ in range(500)]
        actual = self.tokens(dictionary, vocab_size, texts)
        self.assertEqual(len(actual), len(texts))
        for text, tokens in zip(texts, actual):
            self.assertEqual(tokens, reference.encode(text), repr(text))
        used = {token for tokens in actual for token in tokens}
        self.assertGreater(len(used), 300)

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
        """The dictionary stands beside the model, and has a token for each row of its embedding."""
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

    def test_differences_are_told(self):
        model = self.train("other", byte_fallback=False, remove_extra_whitespaces=True,
                           normalization_rule_name="nmt_nfkc", add_dummy_prefix=False,
                           user_defined_symbols=["<tool>"])
        result = self.run_export(self.folder / "other.bin", "--tokenizer", model)
        self.assertEqual(result.returncode, 0, result.stderr)
        for words in ("normalises text", "no space before a text", "removes extra spaces",
                      "no token for each byte", "keeps 1 texts whole"):
            self.assertIn(words, result.stderr)

    def test_files_that_are_none(self):
        bad = self.folder / "bad.model"
        data = self.model.read_bytes()
        for content in (b"", b"\0", b"text", data[:1000], b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff",
                        b"\xff" * 100):
            bad.write_bytes(content)
            self.refuse(bad, "not a SentencePiece model, or damaged")
