# SPDX-License-Identifier: MIT
"""Options and results of queries."""

import math
import unittest

import clamma
from support import ENDLESS, TOKENIZER, ModelTest, endless_stories, shared_stories

GREEDY = {"temperature": 0, "limit": 20}


class GenerateTest(ModelTest):
    def setUp(self):
        super().setUp()
        self.model = shared_stories()

    def test_a_text_is_a_str_with_facts(self):
        text = self.model.generate("Once upon a time", **GREEDY)
        self.assertIsInstance(text, str)
        self.assertEqual(text, ", there was a little girl named Lily. She loved to play outsid")
        self.assertEqual(text.finish_reason, "limit")
        self.assertEqual(len(text.token_ids), 20)
        self.assertEqual(self.model.detokenize(text.token_ids), str(text))
        self.assertEqual(text.prompt_tokens, len(self.model.tokenize("Once upon a time")))
        self.assertIsNone(text.logprobs)

    def test_the_same_seed_gives_the_same_text_and_another_one_another(self):
        texts = [self.model.generate("A dog", limit=30, seed=seed) for seed in (5, 5, 6)]
        self.assertEqual(texts[0], texts[1])
        self.assertNotEqual(texts[0], texts[2])
        self.assertEqual(texts[0].seed, 5)

    def test_the_reported_seed_repeats_a_text_without_one(self):
        text = self.model.generate("A dog", limit=30)
        self.assertEqual(self.model.generate("A dog", limit=30, seed=text.seed), text)

    def test_a_stop_string_ends_the_text_before_it(self):
        text = self.model.generate("Once upon a time", temperature=0, stop=["xyz", " Lily"])
        self.assertEqual(text, ", there was a little girl named")
        self.assertEqual(text.finish_reason, "stop_string")
        one = self.model.generate("Once upon a time", temperature=0, stop=" Lily")
        self.assertEqual(one, text)

    def test_a_stop_token_ends_the_text(self):
        whole = self.model.generate("Once upon a time", **GREEDY)
        token = whole.token_ids[5]
        text = self.model.generate("Once upon a time", stop_tokens=[token], **GREEDY)
        self.assertEqual(text.finish_reason, "end_of_text")
        self.assertEqual(text.token_ids, whole.token_ids[: whole.token_ids.index(token) + 1])

    def test_the_context_ends_a_text(self):
        text = self.model.generate("Once", temperature=0, **ENDLESS)
        self.assertEqual(text.finish_reason, "context_full")

    def test_a_bias_excludes_a_token(self):
        first = self.model.generate("Once upon a time", **GREEDY).token_ids[0]
        text = self.model.generate("Once upon a time", logit_bias={first: -1e9}, **GREEDY)
        self.assertNotIn(first, text.token_ids)

    def test_logprobs_are_those_of_score(self):
        text = self.model.generate("Once upon a time", logprobs=3, **GREEDY)
        self.assertEqual([one.token for one in text.logprobs], text.token_ids)
        for one in text.logprobs:
            self.assertEqual(len(one.top), 3)
            self.assertEqual(one.top[0], (one.token, one.logprob))
        tokens = self.model.tokenize("Once upon a time") + text.token_ids
        self.assertEqual(
            self.model.score(tokens).logprobs[-20:], [one.logprob for one in text.logprobs]
        )

    def test_logprobs_without_alternatives(self):
        text = self.model.generate("Once", logprobs=True, **GREEDY)
        self.assertEqual([one.top for one in text.logprobs], [[]] * 20)

    def test_progress_comes_to_the_whole_prompt_before_the_text(self):
        calls = []
        stream = self.model.stream("Once upon a time", progress=lambda *n: calls.append(n), **GREEDY)
        next(stream)
        total = len(self.model.tokenize("Once upon a time"))
        self.assertEqual(calls[-1], (total, total))

    def test_an_exception_in_progress_cancels_and_is_raised(self):
        def stop(processed, total):
            raise KeyError("enough")

        session = self.model.session()
        with self.assertRaisesRegex(KeyError, "enough"):
            session.generate("Once upon a time", progress=stop, **GREEDY)
        self.assertEqual(len(session.generate("Once", **GREEDY).token_ids), 20)

    def test_drafts_do_not_change_the_text(self):
        prompt = "Lily had a red ball. Lily had a red ball. Lily had a red"
        plain = self.model.generate(prompt, **GREEDY)
        drafted = self.model.generate(prompt, draft_tokens=8, **GREEDY)
        by_model = self.model.generate(prompt, draft_tokens=4, draft_model=self.model, **GREEDY)
        self.assertEqual([plain, plain], [drafted, by_model])
        self.assertGreater(by_model.accepted_tokens, 0)

    def test_detokenize_reverses_tokenize(self):
        for text in ("Once upon a time", "", "ä€😀 \n\t", "<s></s>"):
            with self.subTest(text):
                self.assertEqual(self.model.detokenize(self.model.tokenize(text)), text)
                self.assertEqual(
                    self.model.detokenize(self.model.tokenize(text, bos=False, prefix=False), raw=True),
                    text.encode(),
                )

    def test_scores_are_finite_and_sum_up(self):
        score = self.model.score("Once upon a time")
        self.assertEqual(score.tokens, self.model.tokenize("Once upon a time"))
        self.assertEqual(len(score.logprobs), len(score.tokens) - 1)
        self.assertEqual(score.log_likelihood, math.fsum(score.logprobs))
        self.assertLess(score.perplexity, self.model.score("time a upon Once").perplexity)

    def test_continuations_are_scored_as_parts_of_the_whole(self):
        greedy, other = self.model.score_continuations("Once upon a time", [", there", " zebra"])
        self.assertTrue(greedy.is_greedy)
        self.assertFalse(other.is_greedy)
        self.assertGreater(greedy.log_likelihood, other.log_likelihood)

    def test_an_embedding_has_the_models_width_and_length_1(self):
        one = self.model.embed("Once upon a time")
        several = self.model.embed(["Lily", "Once upon a time"])
        self.assertEqual(len(one), self.model.info["dim"])
        self.assertEqual(several[1], one)
        self.assertAlmostEqual(math.fsum(x * x for x in one), 1, places=5)
        raw = self.model.embed("Once upon a time", normalize=False)
        self.assertGreater(math.fsum(x * x for x in raw), 2)
        self.assertEqual(self.model.embed([]), [])

    def test_what_the_library_refuses_is_an_error_with_the_reason(self):
        cases = {
            "context": {"prompt": "word " * 2000},
            "temperature": {"temperature": -1.0},
            "min_p": {"min_p": 2.0},
            "line 1": {"grammar": "root ::= ("},
            "regular expression": {"regex": "(", "grammar": None},
            "schema": {"schema": {"type": "nothing"}},
            "exclude each other": {"regex": "a", "grammar": 'root ::= "a"'},
        }
        for reason, options in cases.items():
            with self.subTest(reason):
                with self.assertRaises(clamma.Error) as raised:
                    self.model.generate(**{"prompt": "A", **options})
                self.assertIn(reason, str(raised.exception))

    def test_wrong_values_are_refused_by_name(self):
        cases = [
            (TypeError, "'heat'", {"heat": 1}),
            (TypeError, "'tools'", {"tools": []}),
            (TypeError, "prompt must be str, not bytes", {"prompt": b"A"}),
            (ValueError, "prompt contains a NUL character", {"prompt": "a\0b"}),
            (ValueError, "prompt is not valid Unicode", {"prompt": "\ud800"}),
            (TypeError, "limit must be int, not float", {"limit": 1.5}),
            (TypeError, "limit must be int, not bool", {"limit": True}),
            (ValueError, "limit is 0", {"limit": 0}),
            (ValueError, "seed is 0", {"seed": 0}),
            (ValueError, "seed is 18446744073709551616", {"seed": 2**64}),
            (TypeError, "temperature must be float, not str", {"temperature": "1"}),
            (ValueError, "temperature is nan", {"temperature": math.nan}),
            (TypeError, "progress must be callable", {"progress": 1}),
            (TypeError, "schema must be dict", {"schema": 1}),
            (ValueError, "schema is not JSON data", {"schema": {"const": math.nan}}),
            (TypeError, "schema is not JSON data", {"schema": {"const": object()}}),
        ]
        for kind, reason, options in cases:
            with self.subTest(reason):
                with self.assertRaises(kind) as raised:
                    self.model.generate(**{"prompt": "A", **options})
                self.assertIn(reason, str(raised.exception))

    def test_none_stands_for_an_options_default(self):
        names = ("temperature", "top_p", "top_k", "min_p", "schema", "grammar", "regex", "stop")
        with_none = self.model.generate("A", limit=9, seed=3, **dict.fromkeys(names))
        self.assertEqual(with_none, self.model.generate("A", limit=9, seed=3))


class ModelArgumentsTest(ModelTest):
    def test_a_damaged_file_is_an_error_with_the_reason(self):
        with self.assertRaisesRegex(clamma.Error, "tok512.bin"):
            clamma.Model(TOKENIZER, tokenizer=TOKENIZER)

    def test_a_missing_file_names_the_command_that_lists_models(self):
        with self.assertRaisesRegex(clamma.ModelNotFound, "python -m clamma get --list"):
            clamma.Model("no-such-model.gguf")

    def test_wrong_arguments_are_refused_by_name(self):
        path = shared_stories().path
        for reason, arguments in {
            "kv is 'f8'": {"kv": "f8"},
            "threads is -1": {"threads": -1},
            "context": {"context": 2**32 - 1},
        }.items():
            with self.subTest(reason), self.assertRaisesRegex((ValueError, clamma.Error), reason):
                clamma.Model(path, tokenizer=TOKENIZER, **arguments)

    def test_a_model_read_through_a_cache_gives_the_same_text(self):
        path = shared_stories().path
        cached = clamma.Model(path, tokenizer=TOKENIZER, cache_limit=1 << 20)
        self.assertEqual(
            cached.generate("Once", **GREEDY), shared_stories().generate("Once", **GREEDY)
        )

    def test_info_has_the_models_numbers(self):
        info = shared_stories().info
        for name, value in {"dim": 64, "layers": 5, "heads": 8, "kv_heads": 4, "vocab_size": 512,
                            "context": 512, "bos": 1, "eos": 2, "threads": 1}.items():
            self.assertEqual((name, info[name]), (name, value))

    def test_a_closed_model_says_so(self):
        with endless_stories_of_its_own() as model:
            session = model.session()
            stream = model.stream("Once", **ENDLESS)
            next(stream)
        for call in (
            lambda: model.generate("A"),
            lambda: model.score("A dog"),
            lambda: model.tokenize("A"),
            lambda: session.generate("A"),
            lambda: session.tokens,
            lambda: model.session(),
        ):
            with self.assertRaisesRegex(clamma.Error, "^the model is closed$"):
                call()
        with self.assertRaisesRegex(clamma.Error, "^the model was closed$"):
            stream.read()
        model.close()


def endless_stories_of_its_own():
    return clamma.Model(endless_stories().path, tokenizer=TOKENIZER, threads=1, context=200_000)


if __name__ == "__main__":
    unittest.main()
