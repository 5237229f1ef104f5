# SPDX-License-Identifier: MIT
"""The examples of python/README.md run as they are written, one after the other."""

import os
import re
import tempfile
import unittest

from support import STORIES, TOKENIZER, ModelTest, run_python

_README = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "README.md")


class ReadmeTest(ModelTest):
    def test_the_examples_run(self):
        with open(_README, encoding="utf-8") as file:
            examples = re.findall(r"^```python\n(.*?)^```$", file.read(), re.MULTILINE | re.DOTALL)
        self.assertGreater(len(examples), 7)
        with tempfile.TemporaryDirectory() as folder:
            os.symlink(os.path.abspath(STORIES), os.path.join(folder, "stories260K.bin"))
            os.symlink(os.path.abspath(TOKENIZER), os.path.join(folder, "stories260K.tokenizer.bin"))
            code, out, err = run_python(
                "\n".join(examples), environment={"CLAMMA_MODEL_DIR": folder}
            )
        self.assertEqual((code, err), (0, ""), out)
        self.assertIn("limit 50 7", out)


if __name__ == "__main__":
    unittest.main()
