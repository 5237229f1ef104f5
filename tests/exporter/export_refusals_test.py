# SPDX-License-Identifier: MIT
"""What export.py refuses, with which reasons; damaged and hostile files have no other effect."""
import json
import os
import pickle
import random
import resource
import shutil
import struct
import subprocess
import sys
import zipfile

import torch

import export_fixtures as fx
from export_fixtures import SHAPES

sys.path.insert(0, str(fx.ROOT))
from exporter.errors import ExportError  # noqa: E402 (from the tested tree)
from exporter.huggingface import open_huggingface  # noqa: E402
from exporter.meta import open_meta, open_training_checkpoint  # noqa: E402


def edit_json(path, **changes):
    """Sets keys; the value None removes a key."""
    values = json.loads(path.read_text())
    for key, value in changes.items():
        values.pop(key, None) if value is None else values.update({key: value})
    path.write_text(json.dumps(values))


class Refusals(fx.ExportTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.shape = SHAPES["grouped"]
        cls.weights = fx.random_weights(cls.shape)
        cls.good = cls.folder / "good"
        model = fx.huggingface_model(cls.shape, cls.weights)
        model.save_pretrained(cls.good / "hf")
        model.save_pretrained(cls.good / "sharded", max_shard_size="100KB")
        model.save_pretrained(cls.good / "bin", safe_serialization=False)
        fx.save_meta(cls.good / "meta", cls.shape, cls.weights)
        fx.save_training_checkpoint(cls.good / "ckpt.pt", cls.shape, cls.weights)

    def copy(self, name):
        target = self.folder / "changed"
        shutil.rmtree(target, ignore_errors=True)
        return shutil.copytree(self.good / name, target)

    def refused(self, reason, *arguments):
        """Expects a refusal that writes nothing."""
        out = self.folder / "refused.bin"
        self.assert_refused(self.run_export(out, *arguments), reason)
        self.assertFalse(out.exists())

    def refused_hf(self, reason, **changes):
        folder = self.copy("hf")
        edit_json(folder / "config.json", **changes)
        self.refused(reason, "--hf", folder)

    def test_configs_that_the_formats_cannot_express(self):
        for reason, changes in (
                ("config.json says model_type 'gpt2': only Llama models", {"model_type": "gpt2"}),
                ("says model_type None", {"model_type": None}),
                ("rope_theta is 500000.0: the formats take 10000", {"rope_theta": 500000.0}),
                ("rope_scaling is {'type': 'linear', 'factor': 2.0}: the formats have no scaled",
                 {"rope_scaling": {"type": "linear", "factor": 2.0}}),
                ("rope_parameters is {'factor': 8.0, 'high_freq_factor': 4.0, 'low_freq_factor': "
                 "1.0, 'original_max_position_embeddings': 8192, 'rope_type': 'llama3', "
                 "'rope_theta': 10000.0}: the formats have no scaled rotary embedding",
                 {"rope_parameters": {
                     "factor": 8.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
                     "original_max_position_embeddings": 8192, "rope_type": "llama3",
                     "rope_theta": 10000.0}}),
                ("rope_scaling is {'type': 'longrope', ... and 2 more}: the formats",
                 {"rope_scaling": {"type": "longrope", "long_factor": [1.0] * 64, "x": 1}}),
                ("rope_scaling is {'type': 'linear', 'factor': 3.0}: the formats have no scaled",
                 {"rope_parameters": {"rope_type": "default"},
                  "rope_scaling": {"type": "linear", "factor": 3.0}}),
                ("rope_parameters is {'full_attention': {'rope_type': 'linear'}}: the formats",
                 {"rope_parameters": {"full_attention": {"rope_type": "linear"}}}),
                ("rope_theta is '5e5'", {"rope_theta": None,
                                         "rope_parameters": {"rope_theta": "5e5"}}),
                ("rope_theta is 20000", {"rope_parameters": {"rope_theta": 20000}}),
                ("attention_bias is True: the formats have no biases", {"attention_bias": True}),
                ("mlp_bias is True", {"mlp_bias": True}),
                ("head_dim is 16: the formats have only heads of", {"head_dim": 16}),
                ("hidden_act is 'gelu': the formats have only 'silu'", {"hidden_act": "gelu"}),
                ("quantised already", {"quantization_config": {"bits": 4}}),
                ("'rms_norm_eps' is -1", {"rms_norm_eps": -1}),
                ("does not split into 7 heads", {"num_attention_heads": 7}),
                ("8 heads cannot share 3 kv heads", {"num_key_value_heads": 3}),
                ("there is no 'hidden_size'", {"hidden_size": None}),
                ("'vocab_size' is 'many'", {"vocab_size": "many"}),
                ("'num_hidden_layers' is 99999999999", {"num_hidden_layers": 99999999999})):
            with self.subTest(reason):
                changes = dict(changes)
                self.refused_hf(reason, **changes)

    def test_spellings_of_newer_configs(self):
        folder = self.copy("hf")
        edit_json(folder / "config.json", rope_theta=None, rope_scaling=None, head_dim=8,
                  rope_parameters={"rope_type": "default", "rope_theta": 10000.0})
        self.export(self.folder / "newer.bin", "--hf", folder)

    def test_null_is_as_if_it_were_not_there(self):
        folder = self.copy("hf")
        path = folder / "config.json"
        nothing = dict.fromkeys(("quantization_config", "partial_rotary_factor", "rope_theta",
                                 "rope_scaling", "head_dim", "attention_bias"))
        path.write_text(json.dumps({**json.loads(path.read_text()), **nothing}))
        self.export(self.folder / "null.bin", "--hf", folder)

    def test_norms_that_no_factor_can_serve(self):
        folder = self.copy("bin")
        edit_json(folder / "config.json", rms_norm_eps=1e-300)
        state = torch.load(folder / "pytorch_model.bin")
        state["model.embed_tokens.weight"][0] = 0  # like that of a padding token
        torch.save(state, folder / "pytorch_model.bin")
        self.refused("too large to be scaled", "--hf", folder)

    def test_meta_params_that_the_formats_cannot_express(self):
        for reason, changes in (("rope_theta is 1000000", {"rope_theta": 1000000}),
                                ("use_scaled_rope", {"use_scaled_rope": True}),
                                ("'moe' says", {"moe": {"num_experts": 8}}),
                                ("there is no 'n_layers'", {"n_layers": None}),
                                ("tensor for attention_norm of layer 3", {"n_layers": 4}),
                                ("has no place", {"n_layers": 2}),
                                ("'norm_eps' is 0", {"norm_eps": 0})):
            with self.subTest(reason):
                folder = self.copy("meta")
                edit_json(folder / "params.json", **changes)
                self.refused(reason, "--meta-llama", folder)

    def test_tensors_that_do_not_fit(self):
        for reason, changes in (
                ("tensor 'model.layers.0.mlp.gate_proj.weight' is (96, 64), and the model's "
                 "numbers ask for (100, 64)", {"intermediate_size": 100}),
                ("ask for (320, 128)", {"hidden_size": 128}),
                ("no tensor for attention_norm of layer 3", {"num_hidden_layers": 4}),
                ("'model.layers.2.input_layernorm.weight' (and 8 more) has no place",
                 {"num_hidden_layers": 2}),
                ("ask for (321, 64)", {"vocab_size": 321})):
            with self.subTest(reason):
                self.refused_hf(reason, **changes)

    def refused_state(self, reason, change):
        folder = self.copy("bin")
        state = torch.load(folder / "pytorch_model.bin")
        change(state)
        torch.save(state, folder / "pytorch_model.bin")
        self.refused(reason, "--hf", folder)

    def test_tensors_that_are_missing_or_too_many_or_odd(self):
        def put(name, value):
            return lambda state: state.update({name: value})
        self.refused_state("no tensor for classifier", lambda state: state.pop("lm_head.weight"))
        self.refused_state("no tensor for final_norm", lambda state: state.pop("model.norm.weight"))
        bias = "model.layers.0.self_attn.q_proj.bias"
        self.refused_state(f"tensor '{bias}' has no place", put(bias, torch.ones(64)))
        odd = {1: torch.ones(8), 10**5000: torch.ones(8), "x": torch.ones(8)}
        self.refused_state("tensor '1' (and 2 more) has no place", lambda state: state.update(odd))
        norm = "model.norm.weight"
        self.refused_state("of type LongStorage", put(norm, torch.ones(64, dtype=torch.int64)))
        self.refused_state("not row-major", put(norm, torch.ones(128)[::2]))
        self.refused_state("ask for (64,)", put(norm, torch.ones(1, 64)))
        for bad in (float("nan"), float("inf")):
            values = torch.ones(64)
            values[5] = bad
            self.refused_state("has infinite weights or some that are no numbers",
                               put(norm, values))

    def test_fp16_overflow(self):
        folder = self.copy("bin")
        state = torch.load(folder / "pytorch_model.bin")
        state["model.norm.weight"][3] = 70000
        torch.save(state, folder / "pytorch_model.bin")
        self.refused("beyond what fp16 can hold", "--hf", folder, "--dtype", "fp16")
        self.export(self.folder / "large.bin", "--hf", folder)

    def test_missing_files(self):
        missing = self.folder / "none"
        self.refused("none/config.json: No such file", "--hf", missing)
        self.refused("none/params.json: No such file", "--meta-llama", missing)
        self.refused("none: No such file", "--checkpoint", missing)
        self.refused("none: No such file", "--tokenizer", missing)
        for name, file, reason, option in (
                ("hf", "model.safetensors", "there is no model.safetensors or", "--hf"),
                ("meta", "consolidated.01.pth", "split into 2 consolidated.*.pth files, and 1 is "
                 "here", "--meta-llama"),
                ("meta", "consolidated.00.pth", "consolidated.00.pth is missing", "--meta-llama")):
            folder = self.copy(name)
            (folder / file).unlink()
            self.refused(reason, option, folder)
        folder = self.copy("sharded")
        sorted(folder.glob("*.safetensors"))[1].unlink()
        self.refused(".safetensors is missing, and model.safetensors.index.json names it",
                     "--hf", folder)

    def test_index_that_leads_elsewhere(self):
        folder = self.copy("sharded")
        index = folder / "model.safetensors.index.json"
        for weight_map in ({"x": "../hf/model.safetensors"}, {"x": ""}, {"x": 1}, [], None):
            index.write_text(json.dumps({"weight_map": weight_map}))
            self.refused("no index of tensors", "--hf", folder)
        index.write_text('{"weight_map": ')
        self.refused("not a JSON file", "--hf", folder)

    def test_pipes_are_not_read(self):
        for name in ("hf", "sharded"):
            folder = self.copy(name)
            path = sorted(folder.glob("*.safetensors"))[0]
            path = path if name == "sharded" else folder / "other.safetensors"
            path.unlink(missing_ok=True)
            os.mkfifo(path)
            if name == "sharded":
                self.refused(f"{path.name}: not a regular file", "--hf", folder)
            else:
                result = self.export(self.folder / "piped.bin", "--hf", folder)
                self.assertIn("other.safetensors: its tensors cannot be read", result)
        for name in ("config.json", "generation_config.json"):
            folder = self.copy("hf")
            (folder / name).unlink()
            os.mkfifo(folder / name)
            self.refused(f"{name}: not a regular file", "--hf", folder)
        pipe = self.folder / "tokenizer.model"
        os.mkfifo(pipe)
        self.refused("tokenizer.model: not a regular file", "--tokenizer", pipe)

    def test_files_of_the_model_are_not_overwritten(self):
        folder = self.copy("sharded")
        for name in ("config.json", "generation_config.json", "model.safetensors.index.json"):
            before = (folder / name).read_bytes()
            self.assert_refused(self.run_export(folder / name, "--hf", folder), "is an input")
            self.assertEqual((folder / name).read_bytes(), before)

    def test_rows_that_no_group_divides(self):
        shape = fx.Shape(64, 94, 1, 4, 4, 32, False, 1e-5, 0)
        fx.save_training_checkpoint(self.folder / "prime.pt", shape, fx.random_weights(shape))
        arguments = "--checkpoint", self.folder / "prime.pt"
        self.refused("split into groups of 2 only", *arguments, "--version", 2)
        self.export(self.folder / "prime.bin", *arguments, "--version", 1)

    def test_usage(self):
        out = self.folder / "usage.bin"
        for arguments in ((), (out,), (out, "--hf", "x", "--checkpoint", "y"),
                          (out, "--hf", "x", "--version", 3), (out, "--hf", "x", "--context", 0),
                          (out, "--hf", "x", "--dtype", "int4"), (out, "--unknown"),
                          ("", "--hf", "x"), (out, "--hf", "", "--tokenizer", "x")):
            self.assert_refused(self.run_export(*arguments), "--help tells more", code=2)
        self.assertEqual(self.run_export("--help").returncode, 0)

    def test_help_without_numpy(self):
        """Everything else needs numpy, and says so."""
        block = self.folder / "no-numpy"
        block.mkdir()
        (block / "numpy.py").write_text("raise ModuleNotFoundError(name='numpy')\n")
        environment = {**os.environ, "PYTHONPATH": str(block)}

        def run(*arguments):
            return subprocess.run(self.command(*arguments), env=environment, text=True,
                                  capture_output=True, timeout=60, check=False)
        result = run("--help")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertIn("--meta-llama", result.stdout)
        self.assert_refused(run("x.bin"), "nothing to export", code=2)
        out = self.folder / "no-numpy.bin"
        self.assert_refused(run(out, "--hf", self.good / "hf"), "the Python module numpy is missing")
        self.assertFalse(out.exists())


class DamagedFiles(fx.ExportTestCase):
    def test_pickles_are_not_run(self):
        """A pickle that calls os.system when it is loaded, in place of a torch file and inside a tensor."""
        witness = self.folder / "ran"

        class Evil:
            def __reduce__(self):
                return os.system, (f"touch {witness}",)
        for name, content in (("whole", Evil()), ("part", {"model": {}, "model_args": Evil()})):
            path = self.folder / f"{name}.pt"
            torch.save(content, path)
            self.assert_refused(self.run_export(self.folder / "evil.bin", "--checkpoint", path),
                                "names the Python object 'posix.system'")
        bare = self.folder / "bare.pt"
        bare.write_bytes(pickle.dumps(Evil()))
        self.assert_refused(self.run_export(self.folder / "evil.bin", "--checkpoint", bare),
                            "torch before 1.6")
        self.assertFalse(witness.exists())

    def test_other_archives(self):
        path = self.folder / "other.pt"
        for entries, reason in (({"a/data.txt": b""}, "it has no data.pkl"),
                                ({"a/data.pkl": b"", "a/byteorder": b"big"}, "big-endian"),
                                ({"a/data.pkl": b"\x80\x02}q\x00."}, "it has no 'model_args'"),
                                # They have a few bytes, but their headers state gigabytes.
                                ({"a/data.pkl": b"\x80\x02}r\xff\xff\xff\x7f."},
                                 "numbers an object 2147483647"),
                                ({"a/data.pkl": b"\x80\x05\x96\0\0\0\0\1\0\0\0x."}, "damaged"),
                                ({"a/data.pkl": b"\x80\x04\x95\0\0\0\0\1\0\0\0}."},
                                 "a frame of 4294967296 bytes")):
            with zipfile.ZipFile(path, "w") as archive:
                for name, content in entries.items():
                    archive.writestr(name, content)
            self.assert_refused(self.run_export(self.folder / "o.bin", "--checkpoint", path),
                                reason)

    def test_files_without_an_end(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_AS, (1 << 32, 1 << 32))

        endless, huge = self.folder / "endless", self.folder / "huge"
        endless.mkdir()
        (endless / "config.json").symlink_to("/dev/zero")
        huge.mkdir()
        (huge / "config.json").touch()
        os.truncate(huge / "config.json", 1 << 40)
        for reason, option, path in (("/dev/zero: not a regular file", "--checkpoint", "/dev/zero"),
                                     ("config.json: not a regular file", "--hf", endless),
                                     ("config.json: far too large", "--hf", huge)):
            self.assert_refused(self.run_export(self.folder / "o.bin", option, path,
                                                preexec_fn=limit), reason)

    def test_values_that_cannot_be_shown(self):
        path = self.folder / "values.pt"
        nested_tuples = b"\x80\x02}(X\x05\0\0\0model}X\x0a\0\0\0model_args}(X\x03\0\0\0dim)"
        nested_tuples += b"\x85" * 100000 + b"uu."
        huge = pickle.dumps({"model": {}, "model_args": {"dim": 10**5000}}, 2)
        theta = pickle.dumps({"model": {}, "model_args": {"rope_theta": 10**5000}}, 2)
        for content, key in ((nested_tuples, "'dim'"), (huge, "'dim'"), (theta, "rope_theta")):
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("a/data.pkl", content)
            self.assert_refused(self.run_export(self.folder / "o.bin", "--checkpoint", path),
                                f"{key} is beyond what can be shown")

    def test_headers_of_safetensors(self):
        folder = self.folder / "headers"
        shape = fx.Shape(8, 8, 1, 2, 2, 8, True, 1e-5, 8)
        fx.huggingface_model(shape, fx.random_weights(shape)).save_pretrained(folder)
        path = folder / "model.safetensors"
        data = path.read_bytes()
        size = struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8:8 + size])

        def check(reason, new_header=None, raw=None):
            if raw is None:
                text = json.dumps(new_header).encode()
                raw = struct.pack("<Q", len(text)) + text + data[8 + size:]
            path.write_bytes(raw)
            self.assert_refused(self.run_export(self.folder / "h.bin", "--hf", folder), reason)

        norm = header["model.norm.weight"]
        for reason, change in (
                ("is of type I64", {"dtype": "I64"}),
                ("its header is damaged", {"shape": [-8]}),
                ("its header is damaged", {"shape": [8.0]}),
                ("its header is damaged", {"shape": "8"}),
                ("its header is damaged", {"data_offsets": [0]}),
                ("beyond its end", {"shape": [2**62]}),
                ("beyond its end", {"data_offsets": [2**62, 2**62 + 32]}),
                ("and 32 are expected", {"data_offsets": [0, 16]}),
                ("is of type ???", {"dtype": "\n\x1b\r"})):
            check(reason, {**header, "model.norm.weight": {**norm, **change}})
        check("its header is damaged", [1])
        check("not a safetensors file", raw=b"")
        check("not a safetensors file", raw=data[:100])
        check("not a safetensors file", raw=struct.pack("<Q", 2**63) + data[8:])
        check("beyond its end", raw=data[:-1])

    def test_random_damage(self):
        """A file with any change is read, or refused with a reason."""
        shape = fx.Shape(8, 8, 1, 2, 2, 8, False, 1e-5, 8)
        weights = fx.random_weights(shape)
        base = self.folder / "damage"
        model = fx.huggingface_model(shape, weights)
        model.save_pretrained(base / "hf")
        model.save_pretrained(base / "bin", safe_serialization=False)
        fx.save_meta(base / "meta", shape, weights, shards=1)
        fx.save_training_checkpoint(base / "ckpt.pt", shape, weights)
        for path, opener, argument in (
                (base / "hf/model.safetensors", open_huggingface, base / "hf"),
                (base / "hf/config.json", open_huggingface, base / "hf"),
                (base / "bin/pytorch_model.bin", open_huggingface, base / "bin"),
                (base / "meta/consolidated.00.pth", open_meta, base / "meta"),
                (base / "meta/params.json", open_meta, base / "meta"),
                (base / "ckpt.pt", open_training_checkpoint, base / "ckpt.pt")):
            original = path.read_bytes()
            refused = 0
            generator = random.Random(7)
            for attempt in range(400):
                path.write_bytes(damage(original, generator))
                try:
                    for matrices in opener(str(argument), None).matrices.values():
                        for matrix in matrices:
                            for _ in matrix.chunks():
                                pass
                except ExportError as error:
                    refused += 1
                    self.assertNotIn("Traceback", str(error))
                except Exception as error:
                    raise AssertionError(f"attempt {attempt} at {path}") from error
            path.write_bytes(original)
            self.assertGreater(refused, 20, path)


def damage(data, generator):
    kind = generator.randrange(4)
    if kind == 0:
        return data[:generator.randrange(len(data))]
    changed = bytearray(data)
    # Most of the structure is at the start; the archive's directory is at the end.
    start = generator.choice((0, max(0, len(data) - 2000)))
    for _ in range(generator.choice((1, 1, 2, 8))):
        at = min(len(data) - 1, start + generator.randrange(2000))
        if kind == 1:
            changed[at] = generator.randrange(256)
        elif kind == 2:
            changed[at] ^= 1 << generator.randrange(8)
        else:
            del changed[at]
            changed.insert(generator.randrange(len(changed)), generator.randrange(256))
    return bytes(changed)
