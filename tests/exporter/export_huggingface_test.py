# SPDX-License-Identifier: MIT
"""export.py --hf uses the same tensors as transformers, and the same tokens that begin and end texts."""
import json
import re
import shutil
import struct
import subprocess

import numpy as np
import torch
import transformers

import export_fixtures as fx

SHAPE = fx.Shape(32, 48, 2, 4, 2, 40, False, 1e-5, 16)
TIED = fx.Shape(**{**vars(SHAPE), "tied": True})
# As in export_test.py: for float logits of several units.
TOLERANCE = 1e-4
CASES = fx.SHARED_MODELS.parent / "cases"


def edit_json(path, **changes):
    values = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**values, **changes}))


def rename_tensors(path, rename):
    """Renames tensors of a model.safetensors. rename(name) returns the new name, or None to remove it."""
    from safetensors.torch import load_file, save_file
    state = {rename(name): tensor for name, tensor in load_file(path).items()}
    state.pop(None, None)
    save_file(state, path, {"format": "pt"})


class HuggingFaceTestCase(fx.ExportTestCase):
    def new_folder(self, name):
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder

    def export_hf(self, folder, version=1):
        """Returns (checkpoint, stdout, lines of stderr)."""
        out = self.folder / f"{folder.name}.bin"
        result = self.run_export(out, "--hf", folder, "--version", version)
        self.assertEqual(result.returncode, 0, result.stderr)
        return out, result.stdout, result.stderr.splitlines()

    def check_logits(self, checkpoint, expected, tokens, what):
        actual = self.logits(checkpoint, tokens, expected.shape[1])
        self.assertLessEqual(np.abs(actual - expected).max(), TOLERANCE, what)

    def unused(self, printed):
        return re.findall("^not used: (.*)$", printed, re.MULTILINE)


def logits_of(model, tokens):
    with torch.no_grad():
        return model(torch.tensor([tokens])).logits[0].numpy()


class WeightFiles(HuggingFaceTestCase):
    KINDS = {"single safetensors": {}, "safetensors in parts": {"max_shard_size": "10KB"},
             "single bin": {"safe_serialization": False},
             "bin in parts": {"safe_serialization": False, "max_shard_size": "10KB"}}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.saved = {}
        for seed, (kind, options) in enumerate(cls.KINDS.items(), 11):
            cls.saved[kind] = cls.folder / kind.replace(" ", "-")
            model = fx.huggingface_model(SHAPE, fx.random_weights(SHAPE, seed))
            model.save_pretrained(cls.saved[kind], **options)

    def folder_of(self, *kinds):
        folder = self.new_folder("choice")
        for kind in kinds:
            shutil.copytree(self.saved[kind], folder, dirs_exist_ok=True)
        return folder

    def test_the_first_that_transformers_finds(self):
        """Which of several sets of weights in a folder is used. Each is another model."""
        kinds = list(self.KINDS)
        tokens = fx.random_tokens(SHAPE)
        for first in range(len(kinds)):
            folder = self.folder_of(*kinds[first:])
            model = transformers.AutoModelForCausalLM.from_pretrained(
                folder, attn_implementation="eager").eval()
            expected = logits_of(model, tokens)
            own = fx.expected_logits(SHAPE, fx.random_weights(SHAPE, 11 + first), tokens)
            self.assertLess(np.abs(expected - own).max(), TOLERANCE, "as the test takes it")
            out, printed, warnings = self.export_hf(folder)
            self.check_logits(out, expected, tokens, kinds[first:])
            self.assertEqual(warnings, [])
            others = {path.name for kind in kinds[first + 1:]
                      for path in self.saved[kind].iterdir() if path.suffix in (".bin",
                                                                                ".safetensors")}
            self.assertEqual({line.split(":")[0] for line in self.unused(printed)}, others)

    def test_an_index_of_missing_files_beside_a_single_file(self):
        folder = self.folder_of("single safetensors")
        edit_json(folder / "model.safetensors.index.json",
                  weight_map={"lm_head.weight": "model-00001-of-00002.safetensors"})
        out, printed, warnings = self.export_hf(folder)
        tokens = fx.random_tokens(SHAPE)
        expected = fx.expected_logits(SHAPE, fx.random_weights(SHAPE, 11), tokens)
        self.check_logits(out, expected, tokens, "stale index")
        self.assertEqual((self.unused(printed), warnings), ([], []))

    def test_tensors_that_are_left_are_named(self):
        from safetensors.torch import save_file
        folder = self.folder_of("safetensors in parts")
        save_file({"lora_A": torch.ones(2), "lora_B": torch.ones(2)},
                  folder / "adapter_model.safetensors")
        (folder / "consolidated.00.pth").write_bytes(b"no file of torch")
        index = folder / "model.safetensors.index.json"
        weight_map = json.loads(index.read_text())["weight_map"]
        shard = weight_map["lm_head.weight"]
        state = {name: torch.ones(1) for name in ("forgotten", "x\x1b[2J")}
        from safetensors.torch import load_file
        save_file({**load_file(folder / shard), **state}, folder / shard, {"format": "pt"})
        _, printed, _ = self.export_hf(folder)
        unused = self.unused(printed)
        self.assertEqual(unused[:2], [f"{shard}: forgotten, x?[2J",
                                      "adapter_model.safetensors: lora_A, lora_B"])
        self.assertTrue(unused[2].startswith("consolidated.00.pth: its tensors cannot be read"))
        self.assertEqual(len(unused), 3)

    def test_the_file_that_the_config_names(self):
        folder = self.folder_of("single safetensors", "single bin")
        (folder / "model.safetensors").rename(folder / "other.safetensors")
        edit_json(folder / "config.json", transformers_weights="other.safetensors")
        out, printed, _ = self.export_hf(folder)
        tokens = fx.random_tokens(SHAPE)
        expected = fx.expected_logits(SHAPE, fx.random_weights(SHAPE, 11), tokens)
        self.check_logits(out, expected, tokens, "transformers_weights")
        self.assertEqual([line.split(":")[0] for line in self.unused(printed)],
                         ["pytorch_model.bin"])
        for name in ("../x.safetensors", "x.bin", 1):
            edit_json(folder / "config.json", transformers_weights=name)
            self.assert_refused(self.run_export(out, "--hf", folder),
                                f"transformers_weights is {name!r}, not the name")


class TiedEmbeddings(HuggingFaceTestCase):
    def save(self, classifier):
        """A model whose config says tied, and whose file contains this classifier, too."""
        weights = fx.random_weights(TIED)
        folder = self.new_folder("tied")
        untied = {**weights, ("classifier", 0): classifier(weights["token_embedding", 0])}
        fx.huggingface_model(SHAPE, untied).save_pretrained(folder)
        edit_json(folder / "config.json", tie_word_embeddings=True)
        return folder, untied

    def check(self, folder, untied, shared, warning):
        tokens = fx.random_tokens(SHAPE)
        expected = fx.expected_logits(SHAPE, untied, tokens)  # by transformers, not tied
        for version in (0, 1):
            out, printed, warnings = self.export_hf(folder, version)
            self.check_logits(out, expected, tokens, f"version {version}")
            self.assertEqual(fx.CheckpointReader(out).shared, shared)
            self.assertEqual(len(warnings), 1 if warning else 0, warnings)
            if warning:
                self.assertIn("lm_head.weight differs from the embedding", warnings[0])
            self.assertEqual(self.unused(printed), [])

    def test_equal_is_stored_once(self):
        self.check(*self.save(lambda embedding: embedding.clone()), shared=True, warning=False)

    def test_different_is_kept_with_a_warning(self):
        def change_one(embedding):
            changed = embedding.clone()
            changed[-1, -1] += 1
            return changed
        self.check(*self.save(change_one), shared=False, warning=True)
        self.check(*self.save(lambda embedding: -embedding), shared=False, warning=True)

    def test_either_of_the_two_may_be_missing(self):
        for missing in ("lm_head.weight", "model.embed_tokens.weight"):
            folder, untied = self.save(lambda embedding: embedding.clone())
            rename_tensors(folder / "model.safetensors",
                           lambda name, missing=missing: None if name == missing else name)
            self.check(folder, untied, shared=True, warning=False)


class TensorNames(HuggingFaceTestCase):
    def check(self, folder, shape, weights):
        tokens = fx.random_tokens(shape)
        out, printed, warnings = self.export_hf(folder)
        self.check_logits(out, fx.expected_logits(shape, weights, tokens), tokens, folder.name)
        self.assertEqual(warnings, [])
        return self.unused(printed)

    def test_the_base_of_a_model_alone(self):
        """LlamaModel saves names without "model."; transformers reads them, too."""
        weights = fx.random_weights(TIED)
        folder = self.new_folder("base")
        fx.huggingface_model(TIED, weights).model.save_pretrained(folder)
        model = transformers.LlamaForCausalLM.from_pretrained(folder).eval()
        tokens = fx.random_tokens(TIED)
        expected = logits_of(model, tokens)
        self.assertLess(np.abs(expected - fx.expected_logits(TIED, weights, tokens)).max(),
                        TOLERANCE)
        self.check(folder, TIED, weights)

    def test_other_ways_to_write_them(self):
        weights = fx.random_weights(SHAPE)
        for way in (lambda name: name.removeprefix("model."),
                    lambda name: "model." + name,
                    lambda name: name.replace("model.layers.", "layers.")):
            folder = self.new_folder("names")
            fx.huggingface_model(SHAPE, weights).save_pretrained(folder)
            rename_tensors(folder / "model.safetensors", way)
            self.assertEqual(self.check(folder, SHAPE, weights), [])

    def test_two_of_one_name(self):
        from safetensors.torch import load_file, save_file
        folder = self.new_folder("twice")
        fx.huggingface_model(SHAPE, fx.random_weights(SHAPE)).save_pretrained(folder)
        state = load_file(folder / "model.safetensors")
        save_file({**state, "norm.weight": state["model.norm.weight"].clone()},
                  folder / "model.safetensors", {"format": "pt"})
        result = self.run_export(self.folder / "twice.bin", "--hf", folder)
        self.assert_refused(result, "are both 'model.norm.weight'")

    def test_tables_of_frequencies_are_named(self):
        from safetensors.torch import load_file, save_file
        folder = self.new_folder("tables")
        weights = fx.random_weights(SHAPE)
        fx.huggingface_model(SHAPE, weights).save_pretrained(folder)
        table = "model.layers.0.self_attn.rotary_emb.inv_freq"
        save_file({**load_file(folder / "model.safetensors"), table: torch.ones(4)},
                  folder / "model.safetensors", {"format": "pt"})
        self.assertEqual(self.check(folder, SHAPE, weights),
                         [f"{table}: the model's numbers say the same"])


def write_dictionary(path, vocab):
    """Writes a dictionary in which the text of each token is its number, so a text shows its tokens."""
    texts = [b"<unk>", b"\n<s>\n", b"\n</s>\n"] + [b"[%d]" % i for i in range(3, vocab)]
    path.write_bytes(struct.pack("<i", 8) + b"".join(
        struct.pack("<fi", 0, len(text)) + text for text in texts))


def new_token(tokens):
    """Returns a token after the first three that does not occur before it; None: there is none."""
    return next((tokens[i] for i in range(3, len(tokens))
                 if tokens[i] not in tokens[:i] and tokens[i] > 2), None)


class TextTokens(HuggingFaceTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.weights = fx.random_weights(SHAPE, 3)
        cls.dictionary = cls.folder / "numbers.tokenizer.bin"
        write_dictionary(cls.dictionary, SHAPE.vocab)

    def save(self, config, generation):
        folder = self.new_folder("ends")
        fx.huggingface_model(SHAPE, self.weights).save_pretrained(folder)
        edit_json(folder / "config.json", **config)
        (folder / "generation_config.json").unlink(missing_ok=True)
        if generation is not None:
            edit_json(folder / "generation_config.json", **generation)
        return folder

    def generated_by_transformers(self, folder, bos):
        """Returns the tokens of greedy generation after the begin token, including the end."""
        model = transformers.AutoModelForCausalLM.from_pretrained(
            folder, attn_implementation="eager").eval()
        tokens = model.generate(torch.tensor([[bos]]), do_sample=False, max_new_tokens=40,
                                pad_token_id=0)
        return tokens[0].tolist()[1:]

    def generated_by_us(self, checkpoint):
        result = subprocess.run(
            [fx.PROGRAMS / "clamma-gen", checkpoint, "-z", self.dictionary, "-t", "0", "-n", "40",
             "-i", ""], capture_output=True, text=True, timeout=300, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        count = int(re.search(r"(\d+) generated", result.stderr)[1])
        return count, [int(number) for number in re.findall(r"\[(\d+)\]", result.stdout)]

    def check(self, config, generation, ends, bos=1):
        """Both end at the same token, whose text is not issued."""
        folder = self.save(config, generation)
        expected = self.generated_by_transformers(folder, bos)
        self.assertEqual([token in ends for token in expected], [False] * (len(expected) - 1) +
                         [True], f"the test's own model: {expected}")
        self.assertGreater(len(expected), 1)
        for version in (1, 2):
            out, printed, warnings = self.export_hf(folder, version)
            self.assertEqual(warnings, [])
            self.assertIn("end with " + " or ".join(map(str, ends)) + ": the header says so",
                          printed)
            magic, *numbers = struct.unpack_from(f"<4s{2 + len(ends)}i", out.read_bytes(), 64)
            self.assertEqual((magic, numbers), (b"toks", [bos, len(ends), *ends]))
            if version == 1:
                self.assertEqual(self.generated_by_us(out), (len(expected) - 1, expected[:-1]))

    def endless(self, bos=1):
        """Returns what is generated if no token ends the text."""
        return self.generated_by_transformers(self.save({"eos_token_id": None},
                                                        {"eos_token_id": None}), bos)

    def test_texts_end_where_those_of_transformers_do(self):
        tokens = self.endless()
        end = new_token(tokens)
        self.assertIsNotNone(end, tokens)
        never = next(token for token in range(3, SHAPE.vocab) if token not in tokens)
        self.check({"eos_token_id": end}, None, [end])
        self.check({"eos_token_id": [never, end]}, None, [never, end])
        self.check({"eos_token_id": never}, {"eos_token_id": [end, never]}, [end, never])
        self.check({"eos_token_id": 2}, {"eos_token_id": end}, [end])

    def test_texts_begin_with_the_token_of_the_model(self):
        for bos in range(3, SHAPE.vocab):
            end = new_token([bos, *self.endless(bos)])
            if end is not None:
                break
        self.check({"bos_token_id": bos, "eos_token_id": end}, None, [end], bos)

    def test_usual_ones_change_nothing_in_the_file(self):
        for config, generation in (({"eos_token_id": 2, "bos_token_id": 1}, None),
                                   ({"eos_token_id": [2, 2]}, {"bos_token_id": 1}),
                                   ({}, {"eos_token_id": 2})):
            out, printed, warnings = self.export_hf(self.save(config, generation))
            self.assertFalse(any(out.read_bytes()[37:256]))
            self.assertNotIn("header says", printed)
            self.assertEqual(warnings, [])

    def test_the_legacy_format_has_no_place(self):
        out, _, warnings = self.export_hf(self.save({"eos_token_id": 19}, None), version=0)
        self.assertEqual(len(warnings), 1, warnings)
        self.assertIn("texts begin with 1, and end with 19; version 0 of the format has no place",
                      warnings[0])
        self.assertEqual(fx.CheckpointReader(out).version, 0)

    def test_none_at_all(self):
        folder = self.save({"eos_token_id": None, "bos_token_id": None}, None)
        out, printed, _ = self.export_hf(folder)
        self.assertIn("texts have no begin token, and never end: the header says so", printed)
        self.assertEqual(struct.unpack_from("<4sii", out.read_bytes(), 64), (b"toks", -1, 0))

    def test_what_is_no_token(self):
        folder = self.save({"eos_token_id": [SHAPE.vocab, 5]}, None)
        out, _, warnings = self.export_hf(folder)
        self.assertEqual(len(warnings), 1, warnings)
        self.assertIn(f"eos_token_id {SHAPE.vocab} is no token of the model, which has "
                      f"{SHAPE.vocab}: it is left out", warnings[0])
        self.assertEqual(struct.unpack_from("<4s3i", out.read_bytes(), 64), (b"toks", 1, 1, 5))
        for bad in ("</s>", 1.5, True, [[2]]):
            edit_json(folder / "config.json", eos_token_id=bad)
            self.assert_refused(self.run_export(out, "--hf", folder), "not the number of a token")
        edit_json(folder / "config.json", eos_token_id=list(range(3, 19)))
        self.assert_refused(self.run_export(out, "--hf", folder), "has 16 tokens, and the formats "
                            "have room for 15")


class KnownCases(HuggingFaceTestCase):
    """Given models, with the results of transformers 5.24."""

    def case(self, name):
        folder = CASES / name / "model"
        if not folder.exists():
            self.skipTest(f"{folder} is missing")
        return folder

    def check_logprobs(self, name, unused, n_warnings):
        folder = self.case(name)
        right = re.search(r"^right: \[(.*)\]$", (folder.parent / "README.txt").read_text(),
                          re.MULTILINE)[1]
        expected = np.array(right.split(), float)
        out = self.folder / f"{name}.bin"
        result = self.run_export(out, "--hf", folder)
        self.assertEqual(result.returncode, 0, result.stderr)
        logits = self.logits(out, [1, 5, 7], 16)[-1].astype(float)
        actual = logits - np.log(np.exp(logits).sum())
        self.assertLess(np.abs(actual - expected).max(), 1e-4)  # the precision of the given digits
        self.assertEqual(len(result.stderr.splitlines()), n_warnings, result.stderr)
        self.assertEqual(len(self.unused(result.stdout)), unused, result.stdout)

    def test_a_single_file_beside_an_index(self):
        self.check_logprobs("hf-single-beside-index", 4, 0)

    def test_tied_and_different(self):
        self.check_logprobs("hf-tied-but-differs", 0, 1)

    def test_an_end_of_its_own(self):
        """transformers continues [1] by 19, which ends the text."""
        folder = self.case("hf-eos-ignored")
        out, printed, _ = self.export_hf(folder)
        self.assertIn("end with 19: the header says so", printed)
        self.dictionary = folder.parent / "tok20.bin"
        result = subprocess.run([fx.PROGRAMS / "clamma-gen", out, "-z", self.dictionary, "-t", "0",
                                 "-n", "0", "-i", ""], capture_output=True, text=True, timeout=60,
                                check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("1 tokens of prompt, 0 generated", result.stderr)
        self.assertEqual(result.stdout, "\n")
