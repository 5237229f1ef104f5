#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""clamma_server_program_page_test.py BIN_DIR SOURCE_DIR [PICTURES]: clamma-server's page in Chromium, with
the program itself behind it (the other tests of the page have a stand-in). With PICTURES, a folder, and the
default model, takes the screenshots of docs/server.md. Exit code: 0 all checks hold, 1 one does not, 77 no
model."""
import json
import os
import sys
import tempfile

import scripted_model
from app_harness import find_default_model, find_models, write_gguf
from clamma_server_browser import Browser, Chat, Checks, Keys, show_as, until
from clamma_server_stand_in import POLICY
from server_harness import Server, begin

PROGRAM, _, SOURCE = begin(__doc__, "clamma-server")
PICTURES = sys.argv[3] if len(sys.argv) > 3 else None
TEMPLATE = "{% for m in messages %}{{ m.role }}: {{ m.content }}. {% endfor %}assistant:"
checks = Checks()


def test_answer(page, _):
    page.forget()
    checks.same("the model's name", page.text("#model-name"), "stories")
    page.set("max_tokens", "40")
    first = page.ask("Who is Lily?")
    checks.holds("an answer", len(first) > 40, first)
    checks.holds("its figures", "40 tokens" in page.text(".answer .figures, .answer .foot"),
                 page.text(".answer .foot"))
    checks.holds("the context that it takes", page.text("header").find("/ 512") > 0, page.text("header"))
    page.open()
    until(lambda: page.texts(".answer .text"), 20)
    checks.same("a reload shows it again", page.texts(".answer .text"), [first])
    seed = page.script("return document.querySelector('.answer .seed').textContent")
    page.script("document.querySelector('.answer .seed').click()")
    checks.holds("its seed is put into the settings", page.find("#seed").get_property("value") in seed, seed)
    page.press(Keys.ESCAPE)
    page.script("document.querySelector('.answer [aria-label=\"Answer again\"]').click()")
    until(lambda: not page.busy() and page.texts(".answer .text") != [], 60)
    checks.same("the same seed, the same answer", page.texts(".answer .text"), [first])


def test_stop(browser, folder):
    """A model that is slow and never ends."""
    path = os.path.join(folder, "endless.gguf")
    scripted_model.write(path, ["Hm", ",", " let", " me"], endless=True, hidden=200000, layers=4, context=4096)
    with Server(PROGRAM, path) as server:
        page = Chat(browser, server.url)
        page.set("temperature", "0")
        page.send("Tell me a long story")
        checks.holds("it writes", until(lambda: page.busy() and "let" in (page.text(".answer .text") or ""), 60))
        page.press(Keys.ESCAPE)
        checks.holds("Escape stops it", until(lambda: not page.busy(), 60))
        checks.holds("... in the server, too", until(lambda: server.metrics()["texts_running"] == 0, 60),
                     server.metrics())


def test_json(page, _):
    page.forget()
    schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 0, "maximum": 99}},
              "required": ["n"], "additionalProperties": False}
    page.set("format", "json_schema")
    page.set("schema", json.dumps(schema))
    page.send("Give a number")
    until(lambda: page.texts(".answer pre.json"), 60)
    page.answered()
    checks.same("JSON by the schema", list(json.loads(page.text(".answer pre.json"))), ["n"])


def test_errors(page, _):
    page.forget()
    page.set("prompt", "word " * 2000)
    page.find("#prompt").send_keys(Keys.ENTER)
    page.answered()
    checks.holds("too long a message", "maximum context length is 512" in (page.text(".failure") or ""),
                 page.text(".failure"))


def test_key(browser, model, folder):
    path = os.path.join(folder, "keys")
    with open(path, "w", encoding="utf-8") as file:
        file.write("open-sesame\n")
    with Server(PROGRAM, "--key-file", path, model) as server:
        browser.get(server.url + "/")
        page = Chat.__new__(Chat)
        page.browser, page.url = browser, server.url
        checks.holds("the page asks for the key", until(lambda: page.seen("#key-dialog"), 60))
        page.press("open-sesame", Keys.ENTER)
        checks.holds("and opens with it", page.ready())
        page.set("max_tokens", "5")
        checks.holds("an answer with the key", len(page.ask("Hello")) > 3)


def take_pictures(browser):
    """docs/server*.png"""
    with Server(PROGRAM, find_default_model()) as server:
        page = Chat(browser, server.url)
        for scheme, width, height, name in (("light", 1200, 760, "server"), ("dark", 390, 760, "server-phone")):
            show_as(browser, scheme, width, height)
            page.forget()
            page.set("temperature", "0")
            page.ask("Write one sentence about the sea.")
            page.set("max_tokens", "160")
            page.ask("How do I boil an egg?")
            page.script("document.getElementById('conversation').scrollTop = 0")
            browser.save_screenshot(os.path.join(PICTURES, name + ".png"))


def main():
    with tempfile.TemporaryDirectory() as folder, Browser() as browser:
        if PICTURES and find_default_model():
            take_pictures(browser)
        model = os.path.join(folder, "stories.gguf")
        write_gguf(model, find_models(SOURCE), tokenizer__chat_template=TEMPLATE)
        with Server(PROGRAM, model) as server:
            page = Chat(browser, server.url)
            paints = []
            for _ in range(5):
                page.open()
                paints.append(page.script(
                    "return performance.getEntriesByName('first-contentful-paint')[0].startTime"))
            print(f"        first paint, ms: {[round(each) for each in paints]}", flush=True)
            headers = server.ask("/").headers
            checks.same("the policy is the stand-in's", headers.get("content-security-policy"), POLICY)
            checks.run_all([(test, page, server) for test in (test_answer, test_json, test_errors)])
            checks.same("the console is quiet", page.complaints(), [])
        checks.run_all([(test_stop, browser, folder), (test_key, browser, model, folder)])
    checks.finish()


main()
