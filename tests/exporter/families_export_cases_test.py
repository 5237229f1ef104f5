# SPDX-License-Identifier: MIT
"""Tests of export.py --gguf that families_export_test.py does not make for each family: types of
weights, quantised experts, factors of the rotation, SentencePiece models, ends of texts, refusals.

Run by test.sh's stage families, with CLAMMA_TEST_PROGRAMS naming the folder of print_logits.
"""
import dataclasses
import json
import random
import shutil
import struct
import tempfile
import unittest
import unittest.mock
from pathlib import Path

from export_gguf_fixtures import (
    TEMPLATE, TOKENS, VOCABULARY, WORDS, File, byte_level_tokenizer, change_json, ids_of, load_tensors,
    logits_of, make_exact_model, put_bos, run, run_export, save_tokenizer, sentencepiece_tokenizer, texts)
import numpy as np
import sentencepiece
import torch
from safetensors.torch import save_file

import exporter.pretokenizers as rules
from exporter.errors import ExportError
from exporter.gguf_file import GgufWriter
from exporter.vocabulary import read_vocabulary
from family_models import FAMILIES, Family, reference

BOUND = 1e-4
E2M1 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6], np.float32)


def put_null(path, *names):
    path.write_text(json.dumps(json.loads(path.read_text()) | dict.fromkeys(names)))


def sentencepiece_model(pieces):
    """Returns a tokenizer with these pieces; the first three are <unk>, <s> and </s>."""
    model = b""
    for id_, text in enumerate(pieces):
        kind = 2 if id_ == 0 else 3 if id_ < 3 else 6 if text.startswith("<0x") else 1
        piece = field(1, text.encode()) + b"\x15" + struct.pack("<f", -id_) + bytes([0x18, kind])
        model += field(1, piece)
    # Trained as byte pairs; extra spaces are kept.
    return model + field(2, b"\x18\2") + field(3, field(1, b"identity") + b"\x20\0")


def field(number, data):
    """Returns the bytes of a field of a protocol buffer."""
    assert len(data) < 2**14
    return bytes([number << 3 | 2, len(data) & 127 | 128, len(data) >> 7]) + data


class CasesTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name) / "model"
        self.folder.mkdir()
        self.out = Path(folder.name) / "out.gguf"

    def save(self, family, **numbers):
        """Saves a model of a family with a byte-level tokenizer. Returns the model."""
        family = dataclasses.replace(family, numbers=family.numbers | numbers)
        model = make_exact_model(family, 7)
        model.save_pretrained(self.folder)
        save_tokenizer(self.folder, byte_level_tokenizer(rules.RULES["qwen2"].expressions, nfc=True),
                       "<|begin|>", "<|end|>")
        return model

    def export(self, *options, out=None):
        out = out or self.out
        done = run_export(self.folder, out, "--gguf", "--hf", self.folder, *options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def expect_logits(self, model, count):
        tokens = [1, *np.random.default_rng(3).integers(3, TOKENS - 4, count - 1)]
        exact = reference(model, tokens)
        error = (np.abs(logits_of(self.out, tokens) - exact).max(-1) / np.abs(exact).max(-1)).max()
        self.assertLessEqual(error, BOUND)


class TypesTest(CasesTest):
    def test_files_of_other_types_are_those_of_clamma_quantize(self):
        """Some blocks of the weights are zeros, tiny or huge."""
        self.save(FAMILIES["qwen3moe"], tie_word_embeddings=True)
        path = self.folder / "model.safetensors"
        tensors = load_tensors(path)
        rows = tensors["model.embed_tokens.weight"]
        random_rows = torch.from_numpy(np.random.default_rng(5).standard_t(1.5, (40, 64)).astype(
            np.float32))
        rows[0], rows[1], rows[2, ::3], rows[3] = 0, 2.0**-41, 2.0**-40, 6e4
        rows[4:44] = random_rows.clamp(-6e4, 6e4)
        save_file(tensors, path)
        self.export("--type", "F32")
        expected = self.out.with_name("expected.gguf")
        for kind in ("f16", "bf16", "q8_0"):
            with self.subTest(kind):
                run("clamma-quantize", self.out, expected, kind, "--force")
                made = self.out.with_name("made.gguf")
                self.export("--type", kind, out=made)
                self.assertEqual(made.read_bytes(), expected.read_bytes())
        types = File(made).types
        self.assertEqual(types["blk.0.attn_q.weight"], "Q8_0")
        self.assertEqual(types["blk.0.ffn_down_exps.weight"], "F16")  # its rows have 48 weights
        self.assertEqual(types["blk.0.ffn_gate_inp.weight"], "F32")
        self.assertEqual(types["blk.0.attn_norm.weight"], "F32")

    def test_the_type_is_that_of_the_model_and_the_bytes_are_always_the_same(self):
        model = self.save(FAMILIES["qwen3"])
        self.export()
        first = self.out.read_bytes()
        self.assertEqual(File(self.out).types["token_embd.weight"], "F16")
        self.export()
        self.assertEqual(self.out.read_bytes(), first)
        model.bfloat16().save_pretrained(self.folder)
        self.export()
        self.assertEqual(File(self.out).types["token_embd.weight"], "BF16")

    def test_experts_in_mxfp4_stay_as_they_are(self):
        self.save(FAMILIES["gpt-oss"], intermediate_size=64)
        path, rng, expected = self.folder / "model.safetensors", np.random.default_rng(1), {}
        tensors = load_tensors(path)
        for name in [name for name in tensors if name.endswith(("gate_up_proj", "down_proj"))]:
            experts, cols, rows = tensors.pop(name).shape
            blocks = rng.integers(0, 256, (experts, rows, cols // 32, 16), np.uint8)
            scales = rng.integers(110, 125, (experts, rows, cols // 32), np.uint8)
            tensors |= {f"{name}_blocks": torch.from_numpy(blocks),
                        f"{name}_scales": torch.from_numpy(scales)}
            values = np.empty((*blocks.shape[:3], 32), np.float32)
            values[..., 0::2], values[..., 1::2] = E2M1[blocks & 15], E2M1[blocks >> 4]
            values *= np.float32(2) ** (scales.astype(np.float32) - 127)[..., None]
            expected[name] = values.reshape(experts, rows, cols)
        save_file(tensors, path)
        change_json(self.folder / "config.json", quantization_config={"quant_method": "mxfp4"})
        self.export("--type", "bf16")
        found = File(self.out)
        for layer in range(4):
            front, to = f"model.layers.{layer}.mlp.experts.", f"blk.{layer}.ffn_"
            for name, values in (("gate", expected[front + "gate_up_proj"][:, 0::2]),
                                 ("up", expected[front + "gate_up_proj"][:, 1::2]),
                                 ("down", expected[front + "down_proj"])):
                self.assertEqual(found.types[f"{to}{name}_exps.weight"], "MXFP4")
                np.testing.assert_array_equal(found.tensors[f"{to}{name}_exps.weight"], values)
        self.assertTrue(np.isfinite(logits_of(self.out, [1, 5, 9])).all())


class NumbersTest(CasesTest):
    def test_llama_3s_rotation_and_biases(self):
        scaling = dict(rope_type="llama3", factor=4.0, low_freq_factor=1.0, high_freq_factor=4.0,
                       original_max_position_embeddings=24)
        family = Family("llama", "llama", "Llama", "LlamaConfig",
                        dict(rope_theta=100.0, rope_scaling=scaling, attention_bias=True,
                             mlp_bias=True, tie_word_embeddings=True))
        model = self.save(family)
        self.export()
        self.assertEqual(File(self.out).tensors["rope_freqs.weight"].shape, (8,))
        self.expect_logits(model, 60)

    def test_the_context_is_that_of_windows_which_the_file_cannot_say(self):
        family = Family("llama", "mistral", "Mistral", "MistralConfig", dict(sliding_window=16))
        model = self.save(family)
        done = self.export()
        self.assertIn("its context is 16, and not 64", done.stderr)
        self.assertEqual(File(self.out).keys["llama.context_length"], 16)
        self.expect_logits(model, 16)

    def test_windows_that_no_layer_has(self):
        self.save(FAMILIES["qwen3"])
        path = self.folder / "config.json"
        change_json(path, sliding_window=16, layer_types=None)
        original = path.read_text()
        for changes, context in (({"use_sliding_window": None}, 64),
                                 ({"use_sliding_window": True, "max_window_layers": 4}, 64),
                                 ({"use_sliding_window": True, "max_window_layers": 3}, 16)):
            with self.subTest(changes):
                path.write_text(json.dumps(json.loads(original) | changes))
                self.export()
                self.assertEqual(File(self.out).keys["qwen3.context_length"], context)

    def test_an_empty_object_hides_no_scaling(self):
        self.save(FAMILIES["llama"])
        linear = {"rope_type": "linear", "factor": 2.0}
        for changes in ({"rope_parameters": {}, "rope_scaling": linear},
                        {"rope_parameters": linear | {"rope_theta": 1e4}, "rope_scaling": {}},
                        {"rope_parameters": linear | {"rope_theta": 1e4},
                         "rope_scaling": {"type": "linear", "factor": 2.0}}):
            with self.subTest(changes):
                change_json(self.folder / "config.json", **changes)
                self.export()
                self.assertEqual(File(self.out).keys["llama.rope.scaling.factor"], 2.0)

    def test_layers_of_olmo_3_with_windows_have_a_plain_rotation(self):
        self.save(FAMILIES["olmo2"])
        plain, linear = {"rope_theta": 1e4}, {"rope_theta": 1e4, "rope_type": "linear", "factor": 2.0}
        for of_windows in (plain, linear):
            with self.subTest(of_windows):
                change_json(self.folder / "config.json", model_type="olmo3", rope_parameters={
                    "full_attention": linear, "sliding_attention": of_windows})
                done = run_export(self.folder, self.out, "--gguf", "--hf", self.folder)
                self.assertEqual(done.returncode, int(of_windows is linear), done.stderr)
                self.assertEqual("no rotation of their own" in done.stderr, of_windows is linear)

    def test_growing_queries_without_yarn(self):
        self.save(FAMILIES["llama"])
        change_json(self.folder / "config.json", model_type="ministral3", rope_parameters={
            "rope_type": "default", "rope_theta": 1e4, "llama_4_scaling_beta": 0.5,
            "original_max_position_embeddings": 20})
        self.export()
        keys = File(self.out).keys
        self.assertEqual(keys["mistral3.attention.temperature_scale"], 0.5)
        self.assertEqual(keys["mistral3.rope.scaling.original_context_length"], 20)
        self.assertTrue(np.isfinite(logits_of(self.out, [1, 5, 9])).all())

    def test_the_first_gemmas_say_gelu_of_tanh(self):
        self.save(FAMILIES["gemma"])
        change_json(self.folder / "config.json", hidden_act="gelu")
        self.export()

    def test_the_context_can_be_chosen(self):
        self.save(FAMILIES["qwen2, yarn"])
        self.export("--context", "40")
        keys = File(self.out).keys
        self.assertEqual(keys["qwen2.context_length"], 40)
        self.assertEqual(keys["qwen2.rope.scaling.original_context_length"], 20)


class TextsTest(CasesTest):
    def test_sentencepiece_models(self):
        """With and without tokenizer.json, and with user-defined pieces."""
        self.save(FAMILIES["llama"])
        (self.folder / "tokenizer.json").unlink()
        rng = random.Random(2)
        lines = [" ".join(rng.choice(WORDS) for _ in range(8)) for _ in range(2000)]
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines), model_prefix=str(self.folder / "tokenizer"),
            vocab_size=TOKENS, model_type="bpe", byte_fallback=True, hard_vocab_limit=False,
            user_defined_symbols=["<sep>", "a\u2581b"], normalization_rule_name="identity",
            remove_extra_whitespaces=False, minloglevel=2)
        model = sentencepiece.SentencePieceProcessor(model_file=str(self.folder / "tokenizer.model"))
        (self.folder / "tokenizer_config.json").write_text(json.dumps({
            "tokenizer_class": "LlamaTokenizer", "bos_token": {"content": "<s>"},
            "eos_token": "</s>", "add_bos_token": True,
            "added_tokens_decoder": {"405": {"content": "<|x|>", "special": True}}}))
        self.export()
        keys = File(self.out).keys
        self.assertEqual(keys["tokenizer.ggml.tokens"][405], "<|x|>")
        self.assertEqual(keys["tokenizer.ggml.token_type"][405], 3)
        self.assertTrue(keys["tokenizer.ggml.add_space_prefix"])
        self.assertTrue(keys["tokenizer.ggml.add_bos_token"])
        given = [text for text in texts(50, seed=9) if "<" not in text] + ["a b<sep>x", "  y"]
        self.assertEqual(ids_of(self.out, given), [model.encode(text) for text in given])

    def test_a_vocabulary_without_a_space_in_front(self):
        self.save(FAMILIES["gemma"])
        tokenizer = sentencepiece_tokenizer(prefix=False)
        put_bos(tokenizer, "<s>")
        save_tokenizer(self.folder, tokenizer, "<s>", "</s>")
        self.export()
        self.assertFalse(File(self.out).keys["tokenizer.ggml.add_space_prefix"])
        given = [text for text in texts(50, seed=9) if "<" not in text]
        self.assertEqual(ids_of(self.out, given), [
            tokenizer.encode(text, add_special_tokens=False).ids for text in given])

    def test_ends_of_texts_and_templates(self):
        self.save(FAMILIES["qwen3"])
        change_json(self.folder / "generation_config.json", eos_token_id=[5, 397, 6, 7])
        (self.folder / "chat_template.jinja").write_text("from a file\n")
        done = self.export()
        keys = File(self.out).keys
        self.assertEqual([keys[f"tokenizer.ggml.{end}_token_id"] for end in ("eos", "eot", "eom")],
                         [397, 5, 6])  # with the space that the tokenizer adds
        self.assertIn("token 7, '(', ends texts", done.stderr.replace('"', "'"))
        self.assertEqual(keys["tokenizer.chat_template"], "from a file\n")
        (self.folder / "chat_template.jinja").unlink()
        change_json(self.folder / "tokenizer_config.json", chat_template=[
            {"name": "default", "template": TEMPLATE}, {"name": "tools", "template": "x"}])
        done = self.export()
        self.assertEqual(File(self.out).keys["tokenizer.chat_template"], TEMPLATE)
        self.assertIn("not 'tools'", done.stderr)

    def test_added_tokens_without_rows_are_left_out(self):
        self.save(FAMILIES["qwen3"])
        path = self.folder / "tokenizer.json"
        added = json.loads(path.read_text())["added_tokens"]
        change_json(path, added_tokens=[*added, {"id": VOCABULARY, "content": "<image>",
                                                 "special": True}])
        change_json(self.folder / "tokenizer_config.json", pad_token="<image>")
        done = self.export()
        self.assertIn("<image>", done.stderr)
        keys = File(self.out).keys
        self.assertEqual(len(keys["tokenizer.ggml.tokens"]), VOCABULARY)
        self.assertNotIn("tokenizer.ggml.padding_token_id", keys)

    def test_tied_embeddings_are_stored_once_unless_they_differ(self):
        self.save(FAMILIES["qwen2"])
        path = self.folder / "model.safetensors"
        tensors = load_tensors(path)
        embedding = tensors["model.embed_tokens.weight"]
        for output, stored in ((None, False), (embedding.clone(), False), (embedding + 1, True)):
            with self.subTest(stored=stored):
                more = {} if output is None else {"lm_head.weight": output}
                save_file(tensors | more, path)
                done = self.export()
                self.assertEqual("output.weight" in File(self.out).tensors, stored)
                self.assertEqual("lm_head.weight differs" in done.stderr, stored)
        save_file({name: value for name, value in tensors.items() if "embed" not in name}
                  | {"lm_head.weight": embedding}, path)
        self.export()
        np.testing.assert_array_equal(File(self.out).tensors["token_embd.weight"], embedding.half())

    def test_tokens_that_take_what_stands_beside_them_are_named(self):
        for name, tokenizer, warned in (
                ("qwen3", None, True), ("phi3, plain", None, True),
                ("phi3, plain", sentencepiece_tokenizer(), False)):  # known for Phi-3's own tokenizer
            with self.subTest(name, warned=warned):
                self.save(FAMILIES[name])
                if tokenizer:
                    save_tokenizer(self.folder, tokenizer, "<s>", "</s>")
                path = self.folder / "tokenizer.json"
                added = json.loads(path.read_text())["added_tokens"]
                change_json(path, added_tokens=[added[0] | {"rstrip": True}, *added[1:]])
                self.assertEqual(f"the text around the tokens {added[0]['content']} matters" in
                                 self.export().stderr, warned)

    def test_the_classes_of_llama_go_by_the_config_of_the_tokenizer(self):
        self.save(FAMILIES["llama"])
        path = self.folder / "tokenizer_config.json"
        original = json.loads(path.read_text()) | {"tokenizer_class": "LlamaTokenizerFast"}
        for changes, adds in (({}, True), ({"add_bos_token": None}, False),
                              ({"add_bos_token": False}, False)):
            with self.subTest(changes):
                path.write_text(json.dumps(original | changes))
                self.export()
                self.assertEqual(File(self.out).keys["tokenizer.ggml.add_bos_token"], adds)
        save_tokenizer(self.folder, sentencepiece_tokenizer(), "<s>", "</s>")
        original = json.loads(path.read_text())
        for name, prefix, expected in (("LlamaTokenizerFast", False, False),
                                       ("LlamaTokenizer", None, True),
                                       ("PreTrainedTokenizerFast", False, True)):
            with self.subTest(name, prefix=prefix):
                path.write_text(json.dumps(original | {"tokenizer_class": name,
                                                       "add_prefix_space": prefix}))
                self.export()
                self.assertEqual(File(self.out).keys["tokenizer.ggml.add_space_prefix"], expected)

    def test_tokens_that_readers_assume_are_named(self):
        self.save(FAMILIES["llama"])
        save_tokenizer(self.folder, sentencepiece_tokenizer(), "<s>", "none")
        self.assertNotIn("readers of a SentencePiece", self.export().stderr)
        (self.folder / "generation_config.json").unlink()
        put_null(self.folder / "config.json", "bos_token_id", "eos_token_id")
        done = self.export()
        self.assertIn("the model has no bos_token_id, and readers of a SentencePiece vocabulary "
                      "without one take 1", done.stderr)
        self.assertIn("no eos_token_id, and readers of a SentencePiece vocabulary without one take "
                      "2", done.stderr)

    def test_a_padding_token_is_a_number(self):
        self.save(FAMILIES["llama"])
        change_json(self.folder / "config.json", pad_token_id=True)
        self.export()
        self.assertNotIn("tokenizer.ggml.padding_token_id", File(self.out).keys)

    def test_checkpoints_warn_of_tokenizers_that_no_vocabulary_file_holds(self):
        self.save(Family("llama", "llama", "Llama", "LlamaConfig", {}))
        done = run_export(self.folder, self.out, "--hf", self.folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("a byte-level one", done.stderr)


class RefusalsTest(CasesTest):
    def refused(self, reason, *options):
        done = run_export(self.folder, self.out, "--gguf", "--hf", self.folder, *options)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertIn(reason, done.stderr)
        self.assertFalse(self.out.exists())

    def try_all(self, file, cases):
        path = self.folder / file
        original = path.read_text()
        for reason, changes in cases:
            with self.subTest(reason):
                path.write_text(original)
                change_json(path, **changes)
                self.refused(reason)
        path.write_text(original)

    def test_configs(self):
        self.save(FAMILIES["qwen3"])
        self.try_all("config.json", [
            ("model_type 'qwen9'", {"model_type": "qwen9"}),
            ("quantised already (quantization_config: 'gptq')",
             {"quantization_config": {"quant_method": "gptq"}}),
            ("quantised already (quantization_config: 'fp8')",
             {"quantization_config": {"quant_method": "fp8"}}),
            ("hidden_act is 'relu'", {"hidden_act": "relu"}),
            ("only linear and yarn can be exported", {"rope_scaling": {"rope_type": "dynamic"}}),
            ("'factor' is None", {"rope_scaling": {"rope_type": "linear"}}),
            ("truncate is False", {"rope_scaling": {"rope_type": "yarn", "factor": 2.0,
                                                    "truncate": False}}),
            ("partial_rotary_factor is 0.5", {"partial_rotary_factor": 0.5}),
            ("there is no 'hidden_size'", {"hidden_size": None}),
            ("'num_hidden_layers' is 'x'", {"num_hidden_layers": "x"}),
            ("4 heads cannot share 3 kv heads", {"num_key_value_heads": 3}),
            ("the model has no tensor 'layers.4.input_layernorm.weight'", {"num_hidden_layers": 5}),
            ("tensor 'model.layers.3.input_layernorm.weight' (and 10 more) has no place",
             {"num_hidden_layers": 3}),
            ("ask for (128, 64)", {"head_dim": 32}),
            ("25 of a head's 25 elements cannot be rotated", {"head_dim": 25}),
            ("the embedding has 420 rows", {"vocab_size": 421}),
            ("'rope_theta' is 0", {"rope_theta": 0}),
            ("'rope_theta' is 1e-60", {"rope_theta": 1e-60}),
            ("'rms_norm_eps' is 1e-60", {"rms_norm_eps": 1e-60}),
            ("rope_parameters is {'rope_type': 'default'}: rope_scaling says otherwise ({'type': "
             "'linear', 'factor': 2.0})", {"rope_parameters": {"rope_type": "default"},
                                           "rope_scaling": {"type": "linear", "factor": 2.0}}),
            ("rope_parameters is 'x': the rotary scaling must be an object",
             {"rope_parameters": "x"}),
            ("layers with windows of a qwen3 model have no rotation of their own",
             {"rope_parameters": {"full_attention": {"rope_theta": 1e4},
                                  "sliding_attention": {"rope_theta": 1e5}}}),
            ("there must be an object for full_attention",
             {"rope_parameters": {"sliding_attention": {"rope_theta": 1e5}}}),
        ])

    def test_what_readers_take_for_granted(self):
        for name, reason, changes in (
                ("gemma2", "query_pre_attn_scalar is 16", {"query_pre_attn_scalar": 16}),
                ("gemma3", "use_bidirectional_attention is True",
                 {"use_bidirectional_attention": True}),
                ("gemma3", "layer_types is ['x']", {"layer_types": ["x"]}),
                ("smollm3", "no_rope_layers is [1, 1, 0, 1]", {"no_rope_layers": [1, 1, 0, 1]}),
                ("gemma", "hidden_activation is 'gelu'", {"hidden_activation": "gelu"}),
                ("gemma2", "hidden_activation is 'gelu'", {"hidden_activation": "gelu"}),
                ("gemma3", "hidden_activation is 'gelu'", {"hidden_activation": "gelu"}),
                ("qwen3moe", "norm_topk_prob is False", {"norm_topk_prob": False}),
                ("phi3, long", "short_factor is [1.0]", {"rope_scaling": {
                    "type": "longrope", "short_factor": [1.0], "long_factor": [1.0] * 6}}),
                ("gpt-oss", "swiglu_limit is 6.0", {"swiglu_limit": 6.0})):
            with self.subTest(reason):
                shutil.rmtree(self.folder)
                self.folder.mkdir()
                self.save(FAMILIES[name])
                self.try_all("config.json", [(reason, changes)])

    def test_null_is_false(self):
        self.save(FAMILIES["qwen3moe"])
        put_null(self.folder / "config.json", "mlp_only_layers")
        self.export()
        self.out.unlink()
        put_null(self.folder / "config.json", "norm_topk_prob")
        self.refused("norm_topk_prob is None")

    def test_files_of_the_model_are_not_overwritten(self):
        self.save(FAMILIES["qwen3"])
        (self.folder / "chat_template.jinja").write_text("x")
        files = [path for path in self.folder.iterdir() if path.is_file()]
        self.assertLessEqual({"config.json", "generation_config.json", "tokenizer_config.json",
                              "chat_template.jinja"}, {path.name for path in files})
        for path in files:
            with self.subTest(path.name):
                before = path.read_bytes()
                done = run_export(self.folder, path, "--gguf", "--hf", self.folder)
                self.assertEqual(done.returncode, 1)
                self.assertIn("is an input", done.stderr)
                self.assertEqual(path.read_bytes(), before)

    def test_chat_templates(self):
        self.save(FAMILIES["qwen3"])
        self.try_all("tokenizer_config.json", [
            ("each of several templates must have a name",
             {"chat_template": [{"name": ["x"], "template": "y"}]}),
            ("the chat template has 1048578 bytes, and more than 1048576 are not read",
             {"chat_template": "é" * (2**19 + 1)}),
        ])

    def test_tensors(self):
        self.save(FAMILIES["qwen3"])
        path = self.folder / "model.safetensors"
        tensors = load_tensors(path)
        norm = "model.layers.1.self_attn.q_norm.weight"
        for reason, changes in (
                ("tensor 'model.layers.0.self_attn.q_proj.bias' has no place in a qwen3 model",
                 {"model.layers.0.self_attn.q_proj.bias": torch.ones(96)}),
                ("no tensor 'layers.1.self_attn.q_norm.weight'", {norm: None}),
                (f"tensor '{norm}' is (25,)", {norm: torch.ones(25)}),
                (f"tensor '{norm}' is of type U8", {norm: torch.ones(24, dtype=torch.uint8)}),
                (f"tensor '{norm}' has infinite weights", {norm: torch.full((24,), np.inf)}),
                ("are both", {"layers.0.input_layernorm.weight": torch.ones(64)}),
                ("weights beyond what F16 can hold",
                 {"model.layers.0.mlp.up_proj.weight": torch.full((80, 64), 7e4)})):
            with self.subTest(reason):
                save_file({name: value for name, value in (tensors | changes).items()
                           if value is not None}, path)
                self.refused(reason)

    def test_tokenizers(self):
        self.save(FAMILIES["qwen3"])
        content = json.loads((self.folder / "tokenizer.json").read_text())
        split = content["pre_tokenizer"]["pretokenizers"]

        def but(regex):
            changed = [split[0] | {"pattern": {"Regex": regex}}, *split[1:]]
            return {"pre_tokenizer": {"type": "Sequence", "pretokenizers": changed}}

        self.try_all("tokenizer.json", [
            (r"split into words by '\\p{L}+'", but(r"\p{L}+")),
            ("as by llama-bpe or dbrx, but with ignore_merges False and NFC", but(rules.LLAMA3)),
            ("normalised by Lowercase", {"normalizer": {"type": "Lowercase"}}),
            ("kind 'Unigram'", {"model": {"type": "Unigram", "vocab": [["a", 0.0]]}}),
            ("has 521 tokens, and the model only 420",
             {"model": content["model"] | {"vocab": content["model"]["vocab"] | {"more": 520}}}),
            ("post_processor is 'BertProcessing'",
             {"post_processor": {"type": "BertProcessing", "sep": ["a", 1], "cls": ["b", 2]}}),
            ("or damaged", {"model": {"type": "BPE"}}),
            ("or damaged", {"added_tokens": [{"content": "x", "id": "y"}]}),
            ("post_processor is damaged", {"post_processor": {"type": "TemplateProcessing"}}),
            ("adds token 999 to texts", {"post_processor": {
                "type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "b"}}],
                "special_tokens": {"b": {"ids": [999]}}}}),
            ("is no merge", {"model": content["model"] | {"merges": ["a b c"]}}),
            ("has 65537 bytes, and more than 65536 are not read",
             {"added_tokens": [{"id": 5, "content": "x" * 65537}]}),
        ])
        tokenizer = json.loads(sentencepiece_tokenizer().to_str())
        merges = tokenizer["model"]["merges"]
        made = ["".join(pair) for pair in merges]
        (self.folder / "tokenizer.json").write_text(json.dumps(tokenizer))
        several = next(i for i in range(1, len(made) - 1) if made[i] == made[i + 1])
        self.try_all("tokenizer.json", [
            ("no merge makes", {"model": tokenizer["model"] | {
                "merges": merges[:several] + merges[several + 1:]}}),
            ("do not stand together", {"model": tokenizer["model"] | {
                "merges": [merges[several], *merges[:several], *merges[several + 1:]]}}),
            ("texts are split into words by", {"pre_tokenizer": {"type": "Whitespace"}}),
        ])
        (self.folder / "tokenizer.json").unlink()
        self.refused("there is no tokenizer.json, and no tokenizer.model")

    def test_metadata_beyond_what_is_read(self):
        GgufWriter({"x": ["y" * 2**23] * 6}, [])
        with self.assertRaisesRegex(ExportError, "more than 58720256 are not read"):
            GgufWriter({"x": ["y" * 2**23] * 7}, [])

    def test_sequences_in_sequences(self):
        """Nested more deeply than Python's recursion, if its JSON module reads such a file."""
        self.save(FAMILIES["qwen3"])
        content = json.loads((self.folder / "tokenizer.json").read_text())
        for _ in range(2000):
            content["normalizer"] = {"type": "Sequence", "normalizers": [content["normalizer"]]}
        with unittest.mock.patch("exporter.vocabulary.read_json", return_value=content):
            with self.assertRaisesRegex(ExportError, "or damaged"):
                read_vocabulary(str(self.folder), VOCABULARY, False)

    def test_a_sentencepiece_model_of_another_vocabulary(self):
        self.save(FAMILIES["llama"])
        tokenizer = json.loads(sentencepiece_tokenizer().to_str())
        tokens = sorted(tokenizer["model"]["vocab"], key=tokenizer["model"]["vocab"].get)
        added = {token["content"] for token in tokenizer["added_tokens"]}
        pieces = [text for text in tokens if text not in added or tokens.index(text) < 3]
        (self.folder / "tokenizer.json").write_text(json.dumps(tokenizer))
        for reason, given in ((None, pieces),
                              (f"token {len(pieces) - 1}, {pieces[-1]!r}, is not in", pieces[:-1]),
                              ("token 300, ", [*pieces[:300], "other", *pieces[301:]]),
                              (f"token {pieces[301]!r} has another id",
                               [*pieces[:300], pieces[301], pieces[300], *pieces[302:]])):
            with self.subTest(reason):
                (self.folder / "tokenizer.model").write_bytes(sentencepiece_model(given))
                if reason:
                    self.refused(reason)
                    continue
                self.export()
                self.assertEqual(File(self.out).keys["tokenizer.ggml.tokens"][:len(pieces)], pieces)
                self.out.unlink()

    def test_command_lines(self):
        for reason, options in (
                ("--version is not for GGUF files", ("--gguf", "--hf", "x", "--version", "0")),
                ("--tokenizer is not for GGUF files", ("--gguf", "--hf", "x", "--tokenizer", "y")),
                ("--gguf takes a model in Hugging Face's layout", ("--gguf", "--meta-llama", "x")),
                ("--type is for GGUF files", ("--hf", "x", "--type", "f16"))):
            with self.subTest(reason):
                done = run_export(self.folder, self.out, *options)
                self.assertEqual(done.returncode, 2)
                self.assertIn(reason, done.stderr)


if __name__ == "__main__":
    unittest.main()
