#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""man_pages_test.py BUILD_DIR SOURCE_DIR PROGRAM...: tests the manual pages, as they are
installed.

Pages of programs are compared with --help: the same options with the same defaults, and the same exit
codes; if the models are there, examples must print what the page shows. Pages of the library are
compared with the headers: the same prototypes, and every name. mandoc must not warn.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

BUILD, SOURCE = (pathlib.Path(path).resolve() for path in sys.argv[1:3])
PROGRAMS = [pathlib.Path(path).resolve() for path in sys.argv[3:]]
SERVERS = ("clamma-ws-demo", "clamma-server")  # do not end by themselves
HEADERS = {name: (SOURCE / f"include/{name}.h").read_text() for name in ("clamma", "clamma-extra")}
PAGES, LIBRARY = {}, {}


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, **options)
    told = done.stdout + done.stderr
    assert done.returncode == 0, f"{command} ended with {done.returncode}: {told}"
    return done.stdout


def rendered(page):
    text = run("mandoc", "-T", "ascii", "-O", "width=1000", str(page))
    return re.sub(".\b", "", text)


def section(source, name):
    match = re.search(rf"^\.Sh {name}\n(.*?)(?=^\.Sh |\Z)", source, re.M | re.S)
    return match.group(1) if match else ""


def options_of_help(text):
    """Returns {long: (shorts, default or "")}, from lines like `  -m,--mode INT:INT in [0 - 1]=0`."""
    options = {}
    for shorts, long, rest in re.findall(r"^  ((?:-\w,)*)--([\w-]+)(.*)", text, re.M):
        kind = re.sub(r"\[[^]]*\]", "", re.split(r"  | Excludes:| Needs:", rest)[0])
        default = re.search(r"=(\S+)$", kind)
        options[long] = ("".join(re.findall(r"\w", shorts)), default.group(1) if default else "")
    assert "version" in options, text
    return options


class Pages(unittest.TestCase):
    """PAGES and LIBRARY: the installed pages of the programs and of the library, by name."""

    def test_mandoc_has_nothing_to_warn_of(self):
        for page in [*PAGES.values(), LIBRARY["clamma"], LIBRARY["clamma-extra"]]:
            lint = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", str(page)],
                                  capture_output=True, text=True)
            self.assertEqual((lint.returncode, lint.stdout + lint.stderr), (0, ""))

    def test_each_program_has_its_page_and_no_other_has(self):
        self.assertEqual(set(PAGES), {path.name for path in PROGRAMS})

    def test_options_are_those_of_help(self):
        for program in PROGRAMS:
            source = PAGES[program.name].read_text()
            told = options_of_help(run(str(program), "--help"))
            items = re.findall(r"^\.It ((?:Fl \w , )*)Fl -([\w-]+).*\n((?:(?!\.It|\.El).*\n)*)",
                               section(source, "DESCRIPTION"), re.M)
            self.assertEqual(sorted((long, "".join(re.findall(r"Fl (\w)", shorts)))
                                    for shorts, long, _ in items),
                             sorted((long, shorts) for long, (shorts, _) in told.items()))
            for _, long, text in items:
                default = re.escape(told[long][1])
                self.assertRegex(text, rf"(?<![\w.]){default}(?!\w)", f"{program.name} --{long}")
            known = set(told) | {short for shorts, _ in told.values() for short in shorts}
            # Examples may call other programs, too.
            text = re.sub(rf"(?m)^ *\$ (?!{program.name} ).*", "", rendered(PAGES[program.name]))
            named = set(re.findall(r"(?<![\w-])--?([a-zA-Z][\w-]*)", text))
            self.assertEqual(named - known, set(), program.name)

    def test_exit_codes_are_those_of_help(self):
        for program in PROGRAMS:
            told = re.search(r"Exit codes:(.*?)\.\s*\Z", run(str(program), "--help"), re.S).group(1)
            source = section(PAGES[program.name].read_text(), "EXIT STATUS")
            self.assertEqual(re.findall(r"^\.It (\d+)$", source, re.M),
                             re.findall(r"(?:^|,)\s*(\d+) ", told), program.name)

    def test_commands_of_the_chat_are_those_it_knows(self):
        if "clamma-chat" not in PAGES:
            self.skipTest("clamma-chat is not built")
        known = re.findall(r'^    \{"(/\w+)"',
                           (SOURCE / "apps/clamma-chat/chat.cc").read_text(), re.M)
        self.assertGreater(len(known), 4)
        source = section(PAGES["clamma-chat"].read_text(), "COMMANDS")
        items = "\n".join(re.findall(r"^\.It Cm (.*)", source, re.M))
        self.assertEqual(re.findall(r"/\w+|//", items), [*known, "//"])

    def test_examples_print_what_the_page_shows(self):
        data = pathlib.Path(os.environ.get("CLAMMA_TEST_DATA", SOURCE.parent / "shared"))
        models = (data if (data / "models").is_dir() else data.parent) / "models"
        if not (models / "tok512.bin").exists() or not (models / "stories260K.bin").exists():
            self.skipTest(f"the models are missing in {models}")
        for program in PROGRAMS:
            if program.name not in SERVERS:
                self.check_examples(section(PAGES[program.name].read_text(), "EXAMPLES"), models)

    def check_examples(self, source, models):
        shown = "".join(re.findall(r"^\.Bd -literal.*\n((?:(?!\.Ed).*\n)*)", source, re.M))
        examples = re.findall(r"^\$ (.*\n(?:> .*\n)*)((?:(?!\$ ).*\n)*)", shown, re.M)
        self.assertGreater(len(examples), 0)
        path = os.pathsep.join([*{str(p.parent) for p in PROGRAMS}, os.environ["PATH"]])
        with tempfile.TemporaryDirectory() as folder:
            for name in ("stories260K.bin", "tok512.bin"):
                os.symlink(models / name, pathlib.Path(folder) / name)
            for command, output in examples:
                command = command.replace("\n> ", "\n").replace(r"\e", "\\")
                printed = run("/bin/bash", "-e", "-o", "pipefail", "-c", command, cwd=folder,
                              stdin=subprocess.DEVNULL, env=dict(os.environ, PATH=path))
                self.assertNotEqual(printed.strip(), "", command)
                if output:
                    self.assertEqual(printed, output, command)

    def test_prototypes_are_those_of_the_headers(self):
        functions = set()
        for page, header in HEADERS.items():
            declared = [" ".join(text.split()) for text in
                        re.findall(r"^CLAMMA_EXPORT ([^;]*);", header, re.M)]
            source = LIBRARY[page].read_text()
            shown = []
            for kind, name, arguments in re.findall(
                    r"^\.Ft (.*)\n\.Fo (\w+)\n((?:\.Fa .*\n)+)\.Fc", source, re.M):
                fields = re.findall(r'^\.Fa "?(.*?)"?$', arguments, re.M)
                shown.append(f"{kind} {name}({', '.join(fields)})".replace('"', ""))
                functions.add(name)
                self.assertRegex(section(source, "NAME"), rf"(?m)^\.Nm {name}\b")
                self.assertEqual(LIBRARY[name].read_text(), f".so man3/{page}.3\n")
            self.assertEqual(sorted(shown), sorted(declared))
        self.assertEqual(set(LIBRARY), functions | set(HEADERS))

    def test_each_name_of_the_headers_is_there(self):
        for page, header in HEADERS.items():
            code = re.sub(r"/\*.*?\*/", "", header, flags=re.S)
            names = set(re.findall(r"\bCLAMMA_\w+|\bTOK_\w+|\bclamma_\w+_t\b|\bissue_cb_t\b", code))
            names -= {"CLAMMA_H", "CLAMMA_EXTRA_H", "CLAMMA_EXPORT"}
            for struct in re.findall(r"^typedef struct \w+ \{(.*?)^\}", code, re.M | re.S):
                for declaration in struct.split(";"):
                    names |= set(re.findall(r"(\w+)(?:\[\d+\])?\s*(?:,|$)", declaration.strip()))
            self.assertGreater(len(names), 20)
            told = set(re.findall(r"\w+", rendered(LIBRARY[page])))
            self.assertEqual(names - told, set(), page)

    def test_the_example_is_the_one_that_is_tested(self):
        shown = re.search(r"^EXAMPLES\n(.*?)^\S", rendered(LIBRARY["clamma"]), re.M | re.S)
        lines = [[line.strip() for line in text.strip().split("\n")] for text in
                 (shown.group(1), (SOURCE / "examples/minimal.c").read_text())]
        self.assertEqual(*lines)


def main():
    if shutil.which("mandoc") is None:
        print("skipped: there is no mandoc")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        run("cmake", "--install", str(BUILD), "--component", "man",
            env=dict(os.environ, DESTDIR=folder))
        for number, pages in ((1, PAGES), (3, LIBRARY)):
            pages.update((path.stem, path)
                         for path in pathlib.Path(folder).glob(f"**/man{number}/*.{number}"))
        done = unittest.main(argv=sys.argv[:1], exit=False)
    return 0 if done.result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
