# SPDX-License-Identifier: MIT
"""Compares export.py --gguf with transformers, and with the converter of families_test.py.

A small random model of each family, with a tokenizer, is saved by transformers and exported. The file
can store its weights exactly. The file's keys and tensors are compared with those of the tests' own
converter, and logits and ids with those of transformers.

Run by test.sh's stage families, with CLAMMA_TEST_PROGRAMS naming the folder of print_logits.
"""
import copy
import json
import os
import tempfile
import unittest
from importlib import import_module
from pathlib import Path

from export_gguf_fixtures import (
    TEMPLATE, TOKENS, VOCABULARY, File, byte_level_tokenizer, change_json, ids_of, load_tensors,
    logits_of, make_exact_model, put_bos, run_export, save_tokenizer, sentencepiece_tokenizer, texts)
import numpy as np
import torch
from safetensors.torch import save_file
from transformers import AutoTokenizer

import exporter.pretokenizers as rules
from exporter.families import FAMILIES as EXPORTED
from family_models import FAMILIES, convert, reference, write_file

BOUND = 1e-4
# Keys that no config of transformers contains.
NOT_EXPORTED = ("granite, no rotation",)
# The rule of a family's tokenizers; that of other families is SentencePiece's.
PRE = {"llama": "llama-bpe", "qwen2": "qwen2", "qwen3": "qwen2", "qwen3moe": "qwen2",
       "mistral3": "tekken", "granite": "smollm", "smollm3": "llama-bpe", "gpt-oss": "gpt-4o",
       "olmo2": "dbrx"}
# Keys that the tests' converter does not write, as they follow from others.
IMPLIED = ("vocab_size", "rope.dimension_count", "attention.key_length", "attention.value_length",
           "rope.scaling.original_context_length", "expert_feed_forward_length",
           "attention.sliding_window_pattern")


def save_model(folder, name, model):
    """Saves with transformers; some models in bfloat16, some in torch's files."""
    if "moe" in name or "yarn" in name:
        model = copy.deepcopy(model).bfloat16()
    model.save_pretrained(folder, safe_serialization="olmo" not in name)
    if name == "mistral3":
        nest_ministral(folder)


def nest_ministral(folder):
    """Saves as Ministral 3 is published, which this version of transformers lacks."""
    config = json.loads((folder / "config.json").read_text())
    del config["rope_scaling"], config["rope_theta"], config["architectures"]
    config |= {"model_type": "ministral3", "rope_parameters": {
        "rope_type": "yarn", "rope_theta": 100.0, "factor": 3.0, "beta_fast": 2.0, "beta_slow": 0.5,
        "original_max_position_embeddings": 20, "mscale": 1.0, "mscale_all_dim": 1.0,
        "llama_4_scaling_beta": 0.5}}
    (folder / "config.json").write_text(json.dumps({
        "model_type": "mistral3", "text_config": config, "vision_config": {"hidden_size": 8},
        "tie_word_embeddings": False}))
    path = folder / "model.safetensors"
    tensors = {f"language_model.{key}": value for key, value in load_tensors(path).items()}
    tensors["vision_tower.patch_conv.weight"] = torch.ones(3)
    save_file(tensors, path)


class FamilyExportTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tokenizers = {}

    def tokenizer_of(self, arch):
        pre = PRE.get(arch, "")
        if pre not in self.tokenizers:
            if pre:
                rule = rules.RULES[pre]
                made = byte_level_tokenizer(rule.expressions, rule.nfc, rule.ignores_merges)
            else:
                made = sentencepiece_tokenizer()
                put_bos(made, "<s>")
            self.tokenizers[pre] = made
        return pre, self.tokenizers[pre]

    def export(self, folder, *options):
        out = folder / "out.gguf"
        done = run_export(folder, out, "--gguf", "--hf", folder, *options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return out, done

    def check_keys(self, found, expected, arch):
        """expected: the keys of the tests' converter."""
        of_arch = {key: value for key, value in expected.items() if key.startswith(arch)}
        for key, value in of_arch.items():
            if key.endswith("sliding_window_pattern"):
                continue
            self.assertIn(key, found)
            if isinstance(value, float):
                self.assertAlmostEqual(found[key], value, 5, key)
            else:
                self.assertEqual(found[key], value, key)
        more = {key.removeprefix(f"{arch}.") for key in found if key.startswith(arch)
                and key not in of_arch}
        self.assertLessEqual(more, set(IMPLIED))

    def check_tensors(self, found, expected):
        self.assertEqual(set(found.tensors), set(expected))
        for name, values in expected.items():
            np.testing.assert_array_equal(found.tensors[name], values, name)

    def check_vocabulary(self, out, found, pre, tokenizer, folder):
        self.assertEqual(found.keys["tokenizer.ggml.model"], "gpt2" if pre else "llama")
        self.assertEqual(found.keys["tokenizer.ggml.pre"], pre or "default")
        self.assertEqual(found.keys["tokenizer.chat_template"], TEMPLATE)
        self.assertEqual(found.keys["tokenizer.ggml.add_bos_token"], not pre)
        self.assertEqual(len(found.keys["tokenizer.ggml.tokens"]), VOCABULARY)
        types = np.array(found.keys["tokenizer.ggml.token_type"])
        special = [token.special for token in tokenizer.get_added_tokens_decoder().values()]
        self.assertEqual((types == 3).sum(), sum(special) - (not pre))  # except for <unk>
        self.assertEqual((types == 4).sum(), len(special) - sum(special))
        self.assertEqual((types == 5).sum(), VOCABULARY - tokenizer.get_vocab_size())
        for token in ("bos", "eos"):
            text = json.loads((folder / "tokenizer_config.json").read_text())[f"{token}_token"]
            self.assertEqual(found.keys[f"tokenizer.ggml.{token}_token_id"],
                             tokenizer.token_to_id(text))
        theirs = AutoTokenizer.from_pretrained(folder)
        given = [text for text in texts(60) if pre or "<" not in text] + ["<think>a", "", "<|end|>x"]
        expected = [theirs(text, add_special_tokens=False).input_ids for text in given]
        self.assertEqual(ids_of(out, given), expected)

    def check(self, name, family, folder):
        seed = sum(name.encode())
        model = make_exact_model(family, seed)
        pre, tokenizer = self.tokenizer_of(family.arch if name != "mixtral" else "")
        bos, eos = ("<|begin|>", "<|end|>") if pre else ("<s>", "</s>")
        save_model(folder, name, model)
        save_tokenizer(folder, tokenizer, bos, eos)
        change_json(folder / "generation_config.json", bos_token_id=tokenizer.token_to_id(bos),
                    eos_token_id=tokenizer.token_to_id(eos), pad_token_id=None)
        out, _ = self.export(folder, "--type", "bf16")
        found = File(out)
        self.assertEqual(found.keys["general.architecture"], family.arch)
        tensors = convert(family, model)
        write_file(folder / "expected.gguf", family, model, tensors)
        self.check_keys(found.keys, File(folder / "expected.gguf").keys, family.arch)
        self.check_tensors(found, tensors)
        self.check_vocabulary(out, found, pre, tokenizer, folder)
        tokens = [1, *np.random.default_rng(seed).integers(3, TOKENS - 4, family.tokens - 1)]
        exact = reference(model, tokens)
        error = (np.abs(logits_of(out, tokens) - exact).max(-1) / np.abs(exact).max(-1)).max()
        print(f"{name}, exported: {error:.1e}")
        self.assertLessEqual(error, BOUND)

    def test_files_say_what_transformers_computes(self):
        only = os.environ.get("CLAMMA_TEST_FAMILY", "")
        for name, family in FAMILIES.items():
            if only not in name or name in NOT_EXPORTED:
                continue
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                self.check(name, family, Path(folder))

    def test_defaults_are_those_of_transformers(self):
        for model_type, family in EXPORTED.items():
            if model_type == "ministral3":
                continue
            module = model_type.removesuffix("_text")
            configs = import_module(f"transformers.models.{module}.configuration_{module}")
            kind = next(value for key, value in vars(configs).items()
                        if getattr(value, "model_type", None) == model_type)
            config = kind()
            for key, value in family.defaults.items():
                with self.subTest(f"{model_type}: {key}"):
                    theirs = getattr(config, key, None)
                    if (key, theirs) == ("sliding_window", None):
                        continue  # unused in both
                    self.assertEqual(theirs, value)


if __name__ == "__main__":
    unittest.main()
