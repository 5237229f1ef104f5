# SPDX-License-Identifier: MIT
"""Several threads and tasks on one model, and Python code while it computes."""

import asyncio
import sys
import threading
import unittest
from concurrent.futures import ThreadPoolExecutor

import clamma
from support import ENDLESS, ModelTest, endless_stories, shared_stories

PROMPTS = [f"{name} had a {thing}" for name in ("Lily", "Tom", "Max") for thing in ("ball", "dog")]


def texts_one_by_one(model):
    return [model.generate(p, limit=40, seed=i + 1) for i, p in enumerate(PROMPTS)]


class ThreadsTest(ModelTest):
    def test_threads_get_the_texts_that_one_gets(self):
        model = shared_stories()
        with ThreadPoolExecutor(len(PROMPTS)) as pool:
            texts = pool.map(
                lambda case: model.generate(case[1], limit=40, seed=case[0] + 1),
                [*enumerate(PROMPTS)] * 5,
            )
            self.assertEqual(list(texts), texts_one_by_one(model) * 5)

    def test_streams_of_one_thread_run_side_by_side(self):
        model = endless_stories()
        streams = [model.stream(prompt, **ENDLESS) for prompt in PROMPTS]
        for _ in range(3):
            for stream in streams:
                next(stream)
        for stream in streams:
            stream.close()

    def test_another_thread_can_cancel_what_one_waits_for(self):
        for call in ("generate", "stream"):
            with self.subTest(call):
                session = endless_stories().session()
                running = threading.Event()
                canceller = threading.Thread(target=lambda: (running.wait(), session.cancel()))
                canceller.start()
                progress = {"progress": lambda *_: running.set()}
                if call == "generate":
                    text = session.generate("Once", **ENDLESS, **progress)
                else:
                    text = session.stream("Once", **ENDLESS, **progress).read()
                canceller.join()
                self.assertEqual(text.finish_reason, "cancelled")

    def check_releases_the_lock(self, call):
        """Python runs in another thread before the calls end, although the interpreter would not take
        the lock from this one. (A call may be over before the other thread has woken up.)"""
        order, begun = [], threading.Lock()
        interval = sys.getswitchinterval()

        def other():
            with begun:
                order.append("other")

        begun.acquire()
        thread = threading.Thread(target=other)
        thread.start()
        sys.setswitchinterval(1000)
        try:
            begun.release()
            order.append("before")
            for _ in range(1000):
                call()
                if "other" in order:
                    break
            order.append("after")
        finally:
            sys.setswitchinterval(interval)
        thread.join()
        self.assertEqual(order, ["before", "other", "after"])

    def test_calls_that_compute_release_the_lock(self):
        model = endless_stories()
        text = "Once upon a time, there was a dog. " * 40
        state = model.session()
        state.generate(text, limit=1)
        for name, call in {
            "generate": lambda: model.generate(text, limit=5),
            "score": lambda: model.score(text),
            "score_continuations": lambda: model.score_continuations(text, [" It"]),
            "embed": lambda: model.embed(text),
            "tokenize": lambda: model.tokenize(text * 500),
            "Model": lambda: clamma.Model(model.path, tokenizer=model._arguments["tokenizer"]),
            "save": lambda: state.save(),
        }.items():
            with self.subTest(name):
                self.check_releases_the_lock(call)

    def test_a_model_can_be_closed_while_threads_wait(self):
        model = clamma.Model(
            endless_stories().path, tokenizer=endless_stories()._arguments["tokenizer"],
            context=200_000,
        )
        running = threading.Barrier(4)

        def wait():
            stream = model.stream("Once", **ENDLESS)
            next(stream)
            running.wait()
            stream.read()

        with ThreadPoolExecutor(3) as pool:
            waiting = [pool.submit(wait) for _ in range(3)]
            running.wait()
            model.close()
            for one in waiting:
                with self.assertRaisesRegex(clamma.Error, "^the model was closed$"):
                    one.result()


class AsyncioTest(ModelTest):
    def test_tasks_get_the_texts_that_one_thread_gets(self):
        model = shared_stories()

        async def run():
            tasks = [model.agenerate(p, limit=40, seed=i + 1) for i, p in enumerate(PROMPTS)]
            return await asyncio.gather(*tasks)

        for _ in range(3):  # each on a loop of its own
            self.assertEqual(asyncio.run(run()), texts_one_by_one(model))

    def test_async_for_gives_the_pieces_of_for(self):
        model = shared_stories()

        async def run():
            return [piece async for piece in model.stream("Once", limit=30, seed=2)]

        self.assertEqual(asyncio.run(run()), list(model.stream("Once", limit=30, seed=2)))

    def test_hundreds_of_tasks_run_side_by_side(self):
        model = shared_stories()

        async def run():
            return await asyncio.gather(
                *(model.agenerate("Once", limit=4, seed=i + 1) for i in range(300))
            )

        texts = asyncio.run(run())
        self.assertEqual(texts, [model.generate("Once", limit=4, seed=i + 1) for i in range(300)])

    def test_other_tasks_run_while_one_waits(self):
        session = endless_stories().session()

        async def run():
            waiting = asyncio.create_task(session.agenerate("Once", **ENDLESS))
            for _ in range(100):
                await asyncio.sleep(0)
            self.assertFalse(waiting.done())
            session.cancel()
            return await waiting

        self.assertEqual(asyncio.run(run()).finish_reason, "cancelled")

    def test_a_cancelled_task_cancels_its_query(self):
        session = endless_stories().session()

        async def read():
            async for _ in session.stream("Once", **ENDLESS):
                pass

        async def run():
            for call in (lambda: session.agenerate("Once", **ENDLESS), read):
                with self.assertRaises(asyncio.TimeoutError):
                    await asyncio.wait_for(call(), 0.05)
                text = await session.agenerate("Once", limit=2)
                self.assertEqual(text.finish_reason, "limit")

        asyncio.run(run())

    def test_async_with_closes_the_stream(self):
        async def run():
            async with endless_stories().stream("Once", **ENDLESS) as stream:
                async for _ in stream:
                    break
            self.assertTrue(stream._query.ended())
            self.assertEqual(shared_stories().generate("Once", limit=1).finish_reason, "limit")

        asyncio.run(run())

    def test_chats_and_errors_arrive_in_tasks(self):
        async def run():
            answer = await shared_stories().achat("Hi", limit=5, seed=1)
            self.assertEqual(answer, shared_stories().chat("Hi", limit=5, seed=1))
            with self.assertRaises(clamma.Error):
                await shared_stories().agenerate("word " * 2000)

            def stop(processed, total):
                raise KeyError("enough")

            with self.assertRaisesRegex(KeyError, "enough"):
                await shared_stories().agenerate("Once", progress=stop)

        asyncio.run(run())


if __name__ == "__main__":
    unittest.main()
