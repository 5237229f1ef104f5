# SPDX-License-Identifier: MIT
"""The package generates the texts of llama2.c, to the byte."""

import unittest

import clamma
from support import STORIES, STORIES_INT8, TOKENIZER, ModelTest, golden

_LONG = {"limit": 256}
_CASES = {
    "float-greedy-bos": (STORIES, "", {"temperature": 0}),
    "q80-greedy-bos": (STORIES_INT8, "", {"temperature": 0}),
    "float-s1024-bos": (STORIES, "", {"seed": 1024}),
    "q80-s1024-bos": (STORIES_INT8, "", {"seed": 1024}),
    "float-prompt-greedy": (STORIES, "Once upon a time, Tom", {"temperature": 0}),
    "q80-prompt-greedy": (STORIES_INT8, "Once upon a time, Tom", {"temperature": 0}),
    "float-prompt-t08-p05-s42": (
        STORIES,
        "The little dog",
        {"temperature": 0.8, "top_p": 0.5, "seed": 42},
    ),
    "float-prompt-t1-p1-s7": (STORIES, "Lily", {"temperature": 1, "top_p": 1, "seed": 7}),
}


class GoldenTest(ModelTest):
    def check(self, make_text):
        for name, (path, prompt, options) in _CASES.items():
            for threads in (1, 3):
                with self.subTest(name, threads=threads):
                    model = clamma.Model(path, tokenizer=TOKENIZER, threads=threads)
                    text = prompt + make_text(model, prompt, {**_LONG, **options})
                    wanted = golden(name)
                    self.assertEqual(text[: len(wanted)], wanted)

    def test_generate_gives_the_golden_texts(self):
        self.check(lambda model, prompt, options: model.generate(prompt, **options))

    def test_the_pieces_of_a_stream_are_the_golden_texts(self):
        self.check(lambda model, prompt, options: "".join(model.stream(prompt, **options)))

    def test_a_session_gives_the_golden_texts(self):
        self.check(lambda model, prompt, options: model.session().generate(prompt, **options))

    def test_an_empty_session_without_a_prompt_begins_as_the_original_did(self):
        model = clamma.Model(STORIES, tokenizer=TOKENIZER)
        wanted = golden("seed-readme-transcript")
        text = model.session().generate(seed=1024, **_LONG)
        self.assertEqual(text[: len(wanted)], wanted)


if __name__ == "__main__":
    unittest.main()
