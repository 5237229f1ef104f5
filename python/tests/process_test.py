# SPDX-License-Identifier: MIT
"""Import, fork, pickles, Ctrl-C and the end of the interpreter. Each in a process of its own."""

import concurrent.futures
import multiprocessing
import os
import pickle
import sys
import unittest

import clamma
from support import ModelTest, run_python, shared_stories, stories

_ENDLESS_MODEL = """
import clamma, threading, time
model = clamma.Model(STORIES, tokenizer=TOKENIZER, threads=1, context=200_000)
"""


def generate_in_child(model):
    return str(model.generate("Once", limit=10, seed=1))


class ImportTest(unittest.TestCase):
    def test_import_loads_only_what_it_needs(self):
        code, out, err = run_python(
            "import sys\nbefore = set(sys.modules)\nimport clamma\n"
            "print(*sorted(set(sys.modules) - before))",
        )
        self.assertEqual((code, err), (0, ""))
        ours = "_core messages model names options queries results session stream".split()
        expected = {"clamma", "__future__", "atexit", *("clamma." + name for name in ours)}
        self.assertLessEqual(set(out.split()), expected)

    def test_importtime_shows_no_large_module(self):
        code, _, err = run_python("import clamma", arguments=["-X", "importtime"])
        self.assertEqual(code, 0)
        names = [line.rpartition("|")[2].strip() for line in err.splitlines()]
        loaded = names[names.index("site") + 1 :]
        self.assertIn("clamma", loaded)
        for name in ("numpy", "pydantic", "asyncio", "typing", "json", "urllib", "argparse"):
            self.assertNotIn(name, loaded)
        (own,) = [line for line in err.splitlines() if line.endswith("| clamma")]
        print(f"import clamma: {int(own.split('|')[1]) / 1000} ms", file=sys.stderr)


class PickleTest(ModelTest):
    def test_a_model_is_pickled_as_its_path_and_arguments(self):
        model = stories(context=100, threads=2, kv="f16")
        data = pickle.dumps(model)
        self.assertLess(len(data), 1000)
        other = pickle.loads(data)
        self.assertEqual(other.path, model.path)
        for name in ("context", "threads"):
            self.assertEqual(other.info[name], model.info[name])
        self.assertEqual(
            other.generate("Once", limit=9, seed=2), model.generate("Once", limit=9, seed=2)
        )

    def test_a_text_is_pickled_with_its_facts(self):
        text = shared_stories().generate("Once", limit=5, seed=2)
        other = pickle.loads(pickle.dumps(text))
        self.assertEqual((other, other.token_ids, other.seed), (text, text.token_ids, 2))

    def test_worker_processes_get_a_model_by_its_path(self):
        model = stories()
        wanted = generate_in_child(model)
        for method in ("spawn", "fork", "forkserver"):
            with (
                self.subTest(method),
                concurrent.futures.ProcessPoolExecutor(
                    1, mp_context=multiprocessing.get_context(method)
                ) as pool,
            ):
                self.assertEqual(pool.submit(generate_in_child, model).result(), wanted)


@unittest.skipUnless(hasattr(os, "fork"), "there is no fork()")
class ForkTest(ModelTest):
    def test_after_fork_a_model_raises_and_another_one_works(self):
        code, out, err = run_python(
            _ENDLESS_MODEL
            + """
import os, signal
session = model.session()
stream = session.stream("Once", **ENDLESS)
next(stream)
waiting = threading.Thread(target=stream.read, daemon=True)
waiting.start()
child = os.fork()
if child == 0:
    signal.alarm(60)
    calls = {
        "generate": lambda: model.generate("A"),
        "stream": lambda: model.stream("A"),
        "score": lambda: model.score("A dog"),
        "tokenize": lambda: model.tokenize("A"),
        "session": lambda: model.session(),
        "close": lambda: model.close(),
        "session.generate": lambda: session.generate("A"),
        "session.tokens": lambda: session.tokens,
        "next": lambda: next(stream),
        "cancel": lambda: stream.cancel(),
    }
    for name, call in calls.items():
        try:
            call()
            print(name, "did not raise")
        except clamma.Error as error:
            assert "fork()" in str(error) or "parent" in str(error), error
    other = clamma.Model(STORIES, tokenizer=TOKENIZER, threads=2)
    print(other.generate("Once", limit=5, temperature=0))
    del calls, session, stream, model, other
    raise SystemExit(7)
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 7, status
stream.cancel()
waiting.join()
print(model.generate("Once", limit=5, temperature=0))
"""
        )
        text = shared_stories().generate("Once", limit=5, temperature=0)
        self.assertEqual((code, out, err), (0, f"{text}\n{text}\n", ""))


    def test_a_signal_handler_that_forks_does_not_leave_the_child_waiting(self):
        code, out, err = run_python(
            _ENDLESS_MODEL
            + """
import os, signal
children = []
def fork(*_):
    children.append(os.fork())
    if children[0] != 0:
        session.cancel()
signal.signal(signal.SIGALRM, fork)
session = model.session()
signal.setitimer(signal.ITIMER_REAL, 0.2)
try:
    said = session.generate("Once", **ENDLESS).finish_reason
except clamma.Error as error:
    said = str(error)
os.write(1, (said + "\\n").encode())
if children[0] != 0:
    print(os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]))
"""
        )
        lines = ["0", "cancelled", "this query runs in the parent process"]
        self.assertEqual((code, sorted(out.splitlines()), err), (0, lines, ""))


class ExitTest(ModelTest):
    def check(self, code):
        self.assertEqual(run_python(_ENDLESS_MODEL + code), (0, "", ""))

    def test_with_a_stream_that_runs(self):
        self.check("stream = model.stream('Once', **ENDLESS)\nnext(stream)")

    def test_with_a_thread_that_waits(self):
        for call in (
            "model.generate('Once', **ENDLESS)",
            "model.session().stream('Once', **ENDLESS).read()",
            "[model.score('Once upon a time ' * 2000) for _ in iter(int, 1)]",
            "[model.embed('Once upon a time ' * 200) for _ in iter(int, 1)]",
            "[model.tokenize('Once upon a time ' * 20) for _ in iter(int, 1)]",
            "[model.generate('Once', limit=1) for _ in iter(int, 1)]",
            "[clamma.Model(STORIES, tokenizer=TOKENIZER) for _ in iter(int, 1)]",
        ):
            with self.subTest(call):
                self.check(
                    f"threading.Thread(target=lambda: {call}, daemon=True).start()\n"
                    "time.sleep(0.3)"
                )

    def test_with_tasks_that_wait(self):
        self.check(
            """
import asyncio
async def run():
    tasks = [asyncio.create_task(model.agenerate("Once", **ENDLESS)) for _ in range(3)]
    await asyncio.sleep(0.1)
asyncio.run(run())
"""
        )

    def test_what_is_used_later_raises(self):
        code, out, err = run_python(
            "import atexit\n"
            "@atexit.register\n"
            "def use():\n"
            "    try: model.generate('Once')\n"
            "    except clamma.Error as error: print(error)\n" + _ENDLESS_MODEL
        )
        self.assertEqual((code, out, err), (0, "the interpreter is exiting\n", ""))


class InterruptTest(ModelTest):
    def check(self, call):
        code, out, err = run_python(
            _ENDLESS_MODEL
            + f"""
text = "Once upon a time " * 3000
session = model.session()
try:
    print("begins", flush=True)
    {call}
except KeyboardInterrupt:
    print("interrupted")
print(session.generate("Once", limit=1).finish_reason)
""",
            interrupt_at="begins",
        )
        self.assertEqual((code, out, err), (0, "begins\ninterrupted\nlimit\n", ""))

    def test_ends_generate(self):
        self.check("session.generate('Once', **ENDLESS)")

    def test_ends_a_stream(self):
        self.check("session.stream('Once', **ENDLESS).read()")

    def test_ends_a_long_prompt(self):
        self.check("session.generate(text, **ENDLESS)")

    def test_ends_score(self):
        self.check("model.score(text)")

    def test_ends_embed(self):
        self.check("model.embed([text[:9000]] * 100)")

    def test_ends_a_task(self):
        self.check("import asyncio; asyncio.run(session.agenerate('Once', **ENDLESS))")


if __name__ == "__main__":
    unittest.main()
