# SPDX-License-Identifier: MIT
"""Sessions keep their context, and can be saved and restored; chats."""

import os
import pickle
import tempfile
import unittest

import clamma
from support import ENDLESS, ModelTest, endless_stories, shared_stories, stories

GREEDY = {"temperature": 0}


class SessionTest(ModelTest):
    def setUp(self):
        super().setUp()
        self.model = shared_stories()

    def test_a_prompt_continues_the_context(self):
        session = self.model.session()
        first = session.generate("Once upon a time", limit=10, **GREEDY)
        second = session.generate(limit=10, **GREEDY)
        whole = self.model.generate("Once upon a time", limit=20, **GREEDY)
        self.assertEqual(first + second, whole)
        self.assertEqual(session.tokens, self.model.tokenize("Once upon a time") + whole.token_ids)
        self.assertEqual(session.text, "Once upon a time" + whole)

    def test_a_restored_session_continues_to_the_bit(self):
        session = self.model.session()
        session.generate("Once upon a time", limit=15, seed=9)
        state = session.save()
        seed = session.info["next_seed"]
        wanted = session.generate(limit=30, seed=seed)
        for source in ("bytes", "file"):
            with self.subTest(source), tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "state")
                with open(path, "wb") as file:
                    file.write(state)
                other = stories().session()
                other.restore(state if source == "bytes" else path)
                self.assertEqual(other.generate(limit=30, seed=seed), wanted)

    def test_saving_to_a_path_leaves_one_whole_file(self):
        session = self.model.session()
        session.generate("Once", limit=3, **GREEDY)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "state")
            state = session.save(path)
            self.assertEqual(os.listdir(folder), ["state"])
            with open(path, "rb") as file:
                self.assertEqual(file.read(), state)
            with self.assertRaises(OSError):
                session.save(os.path.join(folder, "none", "state"))

    def test_damaged_states_are_refused_and_change_nothing(self):
        session = self.model.session()
        session.generate("Once", limit=3, **GREEDY)
        state = session.save()
        other = self.model.session()
        other.generate("Lily", limit=3, **GREEDY)
        before = other.tokens
        for damaged in (b"", state[:-1], state[:100], b"x" + state[1:], bytes(len(state))):
            with self.subTest(len(damaged)), self.assertRaises(clamma.Error):
                other.restore(damaged)
            self.assertEqual(other.tokens, before)

    def test_assigned_tokens_are_the_context(self):
        session = self.model.session()
        text = session.generate("Once upon a time", limit=20, **GREEDY)
        kept = session.tokens[:-5]
        session.tokens = kept
        self.assertEqual(session.tokens, kept)
        self.assertEqual(session.generate(limit=5, **GREEDY).token_ids, text.token_ids[-5:])
        session.clear()
        self.assertEqual(session.tokens, [])
        with self.assertRaises(clamma.Error):
            session.tokens = [999999]

    def test_a_second_query_is_refused_while_one_runs(self):
        session = endless_stories().session()
        with session.stream("Once", **ENDLESS) as stream:
            next(stream)
            with self.assertRaisesRegex(clamma.Error, "at work on a query"):
                session.generate("Once")
            with self.assertRaisesRegex(clamma.Error, "at work on a query"):
                session.save()
        self.assertEqual(session.generate("Once", limit=1).finish_reason, "limit")

    def test_a_cancelled_query_leaves_its_text_in_the_context(self):
        session = endless_stories().session()
        stream = session.stream("Once", **ENDLESS)
        next(stream)
        session.cancel()
        text = stream.read()
        self.assertEqual(text.finish_reason, "cancelled")
        self.assertTrue(session.text.startswith("Once" + text))
        self.assertEqual(session.generate(limit=2).finish_reason, "limit")

    def test_a_stream_that_is_dropped_frees_its_session(self):
        session = endless_stories().session()
        for piece in session.stream("Once", **ENDLESS):
            break
        self.assertEqual(session.generate("Once", limit=2).finish_reason, "limit")

    def test_a_session_is_not_pickled(self):
        with self.assertRaisesRegex(TypeError, r"save\(\)"):
            pickle.dumps(self.model.session())

    def test_sessions_beyond_the_most_are_refused(self):
        model = stories(max_sessions=2)
        sessions = [model.session(), model.session()]
        with self.assertRaisesRegex(clamma.Error, "2"):
            model.session()
        sessions.pop()
        model.session()


class StreamTest(ModelTest):
    def test_pieces_are_whole_characters_and_make_the_text(self):
        stream = shared_stories().stream("Once upon a time", limit=30, seed=3, logprobs=True)
        pieces = []
        for piece in stream:
            self.assertIsInstance(piece, str)
            self.assertNotEqual(piece, "")
            self.assertGreaterEqual(len(stream.logprobs), len(pieces) + 1)
            self.assertIsNone(stream.result)
            pieces.append(piece)
        self.assertGreater(len(pieces), 10)
        self.assertEqual("".join(pieces), stream.result)
        self.assertEqual(
            stream.result, shared_stories().generate("Once upon a time", limit=30, seed=3)
        )
        self.assertEqual(list(stream), [])

    def test_read_returns_the_whole_text_after_some_pieces(self):
        stream = shared_stories().stream("Once upon a time", limit=30, seed=3)
        first = next(stream)
        text = stream.read()
        self.assertTrue(text.startswith(first))
        self.assertEqual(text, shared_stories().generate("Once upon a time", limit=30, seed=3))

    def test_a_cancelled_stream_ends_with_the_reason(self):
        stream = endless_stories().stream("Once", **ENDLESS)
        next(stream)
        stream.cancel()
        self.assertEqual(stream.read().finish_reason, "cancelled")

    def test_closing_waits_for_the_end(self):
        with endless_stories().stream("Once", **ENDLESS) as stream:
            next(stream)
        self.assertTrue(stream._query.ended())


class ChatTest(ModelTest):
    def test_an_answer_goes_on_from_the_messages(self):
        model = shared_stories()
        messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
        answer = model.chat(messages, temperature=0, limit=12)
        tokens = model.tokenize_chat(messages)
        self.assertEqual(answer.prompt_tokens, len(tokens))
        session = model.session()
        session.tokens = tokens
        self.assertEqual(answer.token_ids, session.generate(temperature=0, limit=12).token_ids)

    def test_a_text_is_a_users_message(self):
        model = shared_stories()
        self.assertEqual(
            model.chat("Hi", seed=4, limit=9),
            model.chat([{"role": "user", "content": "Hi"}], seed=4, limit=9),
        )
        self.assertIn("[INST] Hi [/INST]", model.render_chat("Hi"))

    def test_a_session_keeps_what_it_has_of_the_messages(self):
        session = shared_stories().session()
        messages = [{"role": "user", "content": "Tell me a story about a dog and a ball."}]
        answer = session.chat(messages, temperature=0, limit=12)
        messages += [
            {"role": "assistant", "content": str(answer)},
            {"role": "user", "content": "And then?"},
        ]
        second = session.chat(messages, temperature=0, limit=12)
        self.assertGreaterEqual(second.cached_tokens, answer.prompt_tokens - 1)
        self.assertEqual(
            second, "".join(shared_stories().stream_chat(messages, temperature=0, limit=12))
        )

    def test_wrong_messages_are_refused_with_the_reason(self):
        for kind, reason, messages in [
            (TypeError, "a message must be dict, not str", ["Hi"]),
            (ValueError, "needs a role", [{"content": "Hi"}]),
            (ValueError, "no 'text'", [{"role": "user", "text": "Hi"}]),
            (TypeError, "role must be str", [{"role": 1, "content": "Hi"}]),
            (clamma.Error, "", []),
        ]:
            with self.subTest(reason), self.assertRaisesRegex(kind, reason):
                shared_stories().chat(messages)


if __name__ == "__main__":
    unittest.main()
