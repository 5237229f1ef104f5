#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""clamma_ws_demo_page_test.py BIN_DIR SOURCE_DIR [PICTURES]: tests clamma-ws-demo's pages beyond
asking for text: settings, copying, the Escape key, scrolling, thoughts of a model. Uses Chromium
without a window. Writes a screenshot to the folder PICTURES, if it is given. Exit code: 0 all checks
succeed, 1 a check fails, 77 no model."""
import os
import re
import subprocess
import tempfile

import scripted_model
from selenium import webdriver
from selenium.webdriver.common.keys import Keys
from ws_demo_browser import ChatPage, Page, contrast, show_as, start_browser
from app_harness import Checks, until
from ws_demo_harness import AlphabetModel, ChatFormat, Program, begin

BIN_DIR, SOURCE_DIR, _, DEMO, SMALL, MORE = begin(__doc__)
PICTURES = MORE[0] if MORE else None
PHONE, LAPTOP = (360, 740), (1280, 800)
checks = Checks()


def press(browser, *keys):
    webdriver.ActionChains(browser).send_keys(*keys).perform()


def paste(browser, page):
    """Returns the text in the clipboard."""
    prompt = page.find("#prompt")
    prompt.clear()
    prompt.send_keys(Keys.CONTROL, "v")
    text = prompt.get_property("value")
    prompt.clear()
    return text


def hidden_texts(page, name):
    """Returns how many pixels of each text are hidden below its box, and each box's scrollTop."""
    return page.script("return [...document.querySelectorAll(arguments[0])].map(e => "
                       "[e.scrollHeight - e.clientHeight - e.scrollTop, e.scrollTop])", name)


# --- Stories --------------------------------------------------------------------------------------


def test_begin(browser, endless):
    """The label of the button, and the Escape key."""
    with Program(DEMO, *endless.arguments, "--max-sessions", 2) as program:
        with program.connect() as other:
            other.begin()
            other.receive("progress")
            page = Page(browser, program)
            until(lambda: "number 1" in page.status())
            checks.same("before anything ran the button says", page.find("#again").text, "Begin")
            press(browser, Keys.ESCAPE)
            checks.holds("Escape leaves the queue", until(lambda: "left the queue" in page.status()),
                         page.status())
            checks.same("... and the button says", page.find("#again").text, "Begin")
            page.again()
            until(lambda: "number 1" in page.status())
        checks.holds("it begins", until(lambda: page.running() == 2 and all(page.texts())))
        checks.same("then the button says", page.find("#again").text, "Again")
        page.find("summary").click()
        press(browser, Keys.ESCAPE)
        checks.same("Escape closes the settings", page.find("#settings").get_attribute("open"), None)
        checks.same("... and stops nothing", page.running(), 2)
        press(browser, Keys.ESCAPE)
        checks.holds("a second one stops both stories", until(lambda: page.running() == 0))
        checks.holds("... as they say", until(lambda: all("stopped" in text for text in page.figures())),
                     page.figures())
        checks.holds("... and frees their sessions", until(
            lambda: program.metric("sessions_active") == 0))
        checks.same("the console is quiet", page.complaints(), [])


def test_view(browser, endless):
    """The end of a text stays in view, unless the reader has scrolled up."""
    for name, size in (("laptop", LAPTOP), ("phone", PHONE)):
        show_as(browser, "light", *size)
        with Program(DEMO, *endless.arguments) as program:
            page = Page(browser, program)
            page.set("prompt", "It was a dark and stormy night. " * 75)
            page.again()
            until(lambda: page.texts()[0].startswith("It was"))
            before = len(page.texts()[0])
            checks.holds(f"{name}: a story grows behind a beginning that fills the box", until(
                lambda: all(len(text) > 2400 + 100 for text in page.texts()), 60), before)
            below = hidden_texts(page, ".text")
            checks.holds("... and its end is in view", all(
                hidden < 40 and top > 500 for hidden, top in below), below)
            page.script("document.querySelector('.text').scrollTop = 0")
            size_then = len(page.texts()[0])
            until(lambda: len(page.texts()[0]) > size_then + 300)
            below = hidden_texts(page, ".text")
            checks.holds("... until the reader scrolls up", below[0][1] == 0 and below[1][0] < 40, below)
            page.script("const e = document.querySelector('.text'); e.scrollTop = e.scrollHeight")
            size_then = len(page.texts()[0])
            until(lambda: len(page.texts()[0]) > size_then + 300)
            below = hidden_texts(page, ".text")
            checks.holds("... and down again", below[0][0] < 40, below)
            press(browser, Keys.ESCAPE)
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_layout(browser, endless):
    """Everything that changes is on the screen at the same time."""
    for name, size in (("laptop", LAPTOP), ("phone", PHONE)):
        show_as(browser, "light", *size)
        with Program(DEMO, *endless.arguments) as program:
            page = Page(browser, program)
            until(lambda: all(len(text) > 2000 for text in page.texts()), 60)
            seen = page.script("""
                const inside = e => { const r = e.getBoundingClientRect();
                  return r.height > 0 && r.top >= 0 && r.left >= 0 && r.bottom <= innerHeight &&
                    r.right <= innerWidth; };
                const lines = e => e.clientHeight / parseFloat(getComputedStyle(e).lineHeight);
                return {
                  outside: [...document.querySelectorAll('.story, .figures, #status, form, header')]
                    .filter(e => !inside(e)).map(e => e.className || e.id || e.localName),
                  figures: [...document.querySelectorAll('.figures')].every(e => e.textContent),
                  lines: Math.min(...[...document.querySelectorAll('.text')].map(lines)),
                  scrolls: document.documentElement.scrollHeight > innerHeight,
                }""")
            checks.same(f"{name}: outside the window is", seen["outside"], [])
            checks.holds(f"{name}: both stories have their figures", seen["figures"], seen)
            checks.same(f"{name}: the page scrolls", seen["scrolls"], False)
            checks.holds(f"{name}: each text has room", seen["lines"] > (15 if size == LAPTOP else 5), seen)
            checks.holds(f"{name}: ... whose end is in view", all(
                below < 40 for below, _ in hidden_texts(page, ".text")), hidden_texts(page, ".text"))
            press(browser, Keys.ESCAPE)
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def generate(*arguments):
    return subprocess.run([os.path.join(BIN_DIR, "clamma-gen"), *SMALL, "-q", *arguments], check=True,
                          capture_output=True, text=True).stdout.removesuffix("\n")


def test_settings(browser):
    """Seed and length."""
    with Program(DEMO, *SMALL, "-n", 100) as program:
        page = Page(browser, program)
        page.told()
        page.set("prompt", "Lily")
        page.set("seed", "7")
        page.again()
        until(lambda: page.texts()[0].startswith("Lily") and page.told())
        wanted = [generate("-i", "Lily", "-s", seed, "-t", "1", "-p", "0.9", "-n", "100")
                  for seed in ("7", "8")]
        checks.same("a seed: clamma-gen's texts", page.texts(), wanted)
        checks.same("... and it is shown", [re.search(r"seed (\d+)", text)[1] for text in page.figures()],
                    ["7", "8"])
        page.set("seed", "")
        page.again()
        until(lambda: page.texts() != wanted and page.told())
        seeds = [int(re.search(r"seed (\d+)", text)[1]) for text in page.figures()]
        checks.holds("without one another seed each time", seeds[0] not in (7, 0) and
                     seeds[1] == seeds[0] + 1, seeds)
        texts = page.texts()
        page.set("seed", str(seeds[0]))
        page.again()
        until(lambda: page.running() == 0 and page.status().startswith("Both"))
        checks.same("... by which the same stories come again", page.texts(), texts)

        page.find("summary").click()
        page.find("#seed").clear()
        page.find("#seed").send_keys("9", Keys.ENTER)
        checks.holds("Enter in the settings begins", until(lambda: "seed 9 " in page.figures()[0]),
                     page.figures())
        checks.same("... and closes them", page.find("#settings").get_attribute("open"), None)

        page.set("length", "5")
        page.again()
        until(lambda: all(text.startswith("5 tokens") for text in page.figures()) and page.told())
        checks.holds("a length: so many tokens", all(
            re.fullmatch(r"5 tokens · .*cut off at the maximum length", text) for text in page.figures()),
            page.figures())
        checks.same("the server's length is the most", page.find("#length").get_attribute("max"), "100")
        texts = page.texts()
        for field, value in (("length", "101"), ("length", "0"), ("length", "1.5"), ("seed", "-1"),
                             ("seed", "9007199254740992")):
            page.set("length", "")
            page.set("seed", "")
            page.set(field, value)
            page.again()
            checks.holds(f"{field} {value} is told", f"The {field} is not" in page.status(), page.status())
            checks.same("... and begins nothing", page.texts(), texts)
            checks.same("... and is where it can be seen", page.find(f"#{field}").is_displayed(), True)
            press(browser, Keys.ESCAPE)
        checks.same("the console is quiet", page.complaints(), [])


def test_copy(browser, chat):
    with Program(DEMO, *SMALL, "-n", 30) as program:
        page = Page(browser, program)
        page.told()
        page.set("prompt", "Größe")
        page.again()
        until(lambda: page.texts()[0].startswith("Größe") and page.told())
        texts = page.texts()
        for number, selector in enumerate((".story:first-child .copy", ".story:last-child .copy")):
            page.find(selector).click()
            checks.holds("copying is told", until(lambda: page.find(selector).text == "Copied", 2),
                         page.find(selector).text)
            checks.same(f"story {number}: copied, its beginning too", paste(browser, page), texts[number])
        page.script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
        page.find(".story .copy").click()
        checks.same("where pages have no clipboard", paste(browser, page), texts[0])
    with Program(DEMO, *SMALL, *chat.arguments, "-n", 30) as program:
        page = ChatPage(browser, program)
        page.ask("Tom has a dog")
        page.answered(2)
        page.find(".turn.answer .copy").click()
        checks.same("an answer: copied", paste(browser, page), page.turns()[1])


def test_resources(browser, chat):
    """The icon; nothing is loaded from another server."""
    for arguments in (SMALL, (*SMALL, *chat.arguments)):
        with Program(DEMO, *arguments) as program:
            page = Page(browser, program)
            until(lambda: page.find("#name").text)
            browser.set_script_timeout(20)
            width = browser.execute_async_script(
                "const done = arguments[0]; const image = new Image();"
                "image.onload = () => done(image.naturalWidth); image.onerror = () => done(-1);"
                "image.src = document.querySelector('link[rel=icon]').href")
            checks.holds("the icon is a picture", width > 0, width)
            others = page.script("return performance.getEntriesByType('resource').map(e => e.name)"
                                 ".filter(name => new URL(name).host !== location.host)")
            checks.same("all that is loaded comes from the server", others, [])
            checks.same("the console is quiet", page.complaints(), [])


# --- Chat -----------------------------------------------------------------------------------------


def test_reading(browser, endless, chat):
    with Program(DEMO, *endless.arguments, *chat.arguments) as program:
        page = ChatPage(browser, program)
        page.script("document.getElementById('prompt').value = arguments[0]", "A dark night. " * 150)
        page.ask("")
        lines = []

        def answers():
            lines.extend(page.figures())
            return len(page.turns()) == 2 and page.turns()[1]

        checks.holds("a long question is answered", until(answers, 120), lines[-3:])
        found = [re.fullmatch(r"reading the prompt: (\d+) of (\d+) tokens", line) for line in lines]
        done = [(int(match[1]), int(match[2])) for match in found if match]
        checks.holds("... and while it is read, how far that is", len(set(done)) > 2 and
                     done == sorted(done) and all(0 < read < all_ for read, all_ in done), done)
        checks.same("... of one prompt", len({all_ for _, all_ in done}), 1)
        below, top = hidden_texts(page, "#conversation")[0]
        checks.holds("the end of the answer is in view", below < 40 and top > 200, (below, top))
        press(browser, Keys.ESCAPE)
        checks.holds("Escape stops the answer", page.answered(2) and "stopped" in page.figures()[0],
                     page.figures())


SENT = """window.sent = []; const send = WebSocket.prototype.send;
          WebSocket.prototype.send = function (text) { window.sent.push(JSON.parse(text));
                                                       send.call(this, text); };"""
THOUGHT, SAID = ["Let", " me", " see", " <b>it</b>", "."], ["Yes", " it", " is", "!"]


def test_thoughts(browser, folder):
    path = os.path.join(folder, "thinks.gguf")
    for name, opened in (("the model opens its thoughts", False), ("the template does", True),
                         ("thoughts have a channel", False)):
        answer = [*THOUGHT, "</think>", "\n\n", *SAID]
        options = {}
        if name == "thoughts have a channel":
            answer = ["<|channel|>", "analysis", "<|message|>", *THOUGHT, "<|end|>"]
            options = {"then": ["<|start|>", "assistant", "<|channel|>", "final", "<|message|>", *SAID]}
        elif opened:
            options = {"mark": "<think>",
                       "template": scripted_model.TEMPLATE.replace("<|answer|>", "<think>")}
        else:
            answer = ["<thi", "nk>", *answer]
        scripted_model.write(path, answer, **options)
        with Program(DEMO, path, "-t", "0") as program:
            with program.connect() as visitor:
                checks.same(f"{name}: hello", visitor.hello["thinks"], opened)
            page = ChatPage(browser, program)
            page.script(SENT)
            page.ask("Well?")
            checks.holds("it answers", page.answered(2), page.turns())
            checks.same("the answer is what it says", page.turns()[1], "".join(SAID))
            thought = page.find(".thought")
            checks.same("... the thoughts are apart", thought.get_attribute("textContent"),
                        "".join(THOUGHT))
            checks.same("... and no HTML", page.script(
                "return document.querySelectorAll('.thought *').length"), 0)
            checks.same("... and folded", (thought.is_displayed(), page.find(".thoughts summary").text),
                        (False, "Thoughts"))
            page.find(".thoughts summary").click()
            checks.same("... until somebody looks", thought.is_displayed(), True)
            colours = page.script(
                "const of = (e, name) => getComputedStyle(document.querySelector(e))[name];"
                "const probe = document.createElement('p'); probe.style.color = 'var(--faint)';"
                "document.body.append(probe); const faint = getComputedStyle(probe).color; probe.remove();"
                "return [of('.thought', 'color') === faint, of('.turn.answer .text', 'color') === faint]")
            checks.same("... and fainter", colours, [True, False])
            checks.holds("... but legible", contrast(page) >= 4.5, contrast(page))
            if PICTURES:
                browser.save_screenshot(os.path.join(PICTURES, "ws-demo-thoughts.png"))
            page.ask("Really?")
            checks.holds("it answers again", page.answered(4), page.turns())
            checks.same("... and was not told its thoughts", page.script(
                "return sent.at(-1).messages"), ChatFormat.messages("Well?", "".join(SAID), "Really?"))
            page.find(".turn.answer .copy").click()
            checks.same("copied is what it says", paste(browser, page), "".join(SAID))
            checks.same("the console is quiet", page.complaints(), [])

    scripted_model.write(path, ["<think>", "Hm", ",", " let", " me"], endless=True, hidden=200000, layers=4,
                         context=20000)
    with Program(DEMO, path, "-t", "0", "-n", "0") as program:
        page = ChatPage(browser, program)
        page.script(SENT)
        page.ask("Well?")
        checks.holds("while it thinks, that is told", until(lambda: page.status() == "The model thinks."),
                     page.status())
        checks.holds("... and its thoughts can be read", until(
            lambda: page.find(".thought").is_displayed() and page.find(".thought").text))
        checks.same("... under their name", page.find(".thoughts summary").text, "Thinking …")
        press(browser, Keys.ESCAPE)
        checks.holds("Escape stops it", until(lambda: not page.busy()))
        checks.holds("... and its thoughts stay", page.find(".thought").text.startswith("Hm"),
                     page.find(".thought").text)
        page.find("#prompt").send_keys("And now?", Keys.ENTER)
        until(lambda: len(page.turns()) == 4 and page.busy())
        checks.same("... but it is not told of what it did not answer", page.script(
            "return sent.at(-1).messages"), ChatFormat.messages("And now?"))
        press(browser, Keys.ESCAPE)
    scripted_model.write(path, ["<th", "ree", "<think>", "fish"])
    with Program(DEMO, path, "-t", "0") as program:
        page = ChatPage(browser, program)
        page.ask("How many?")
        page.answered(2)
        checks.same("what only looks like thoughts is an answer", (
            page.turns()[1], page.find(".thoughts").is_displayed()), ("<three<think>fish", False))


# --- The sources ----------------------------------------------------------------------------------


def test_shared():
    """The pages share their code: no two files contain the same four consecutive lines."""
    folder = os.path.join(SOURCE_DIR, "apps", "clamma-ws-demo", "page")
    places, doubled = {}, []
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            lines = [line.strip() for line in file if len(line.strip()) > 3]
        for i in range(len(lines) - 3):
            if places.setdefault("\n".join(lines[i:i + 4]), name) != name:
                doubled.append((name, lines[i:i + 4]))
    checks.same("lines that two files of the page have in common", doubled, [])
    checks.holds("... of some hundred", len(places) > 700, len(places))


def main():
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        endless = AlphabetModel(os.path.join(folder, "endless"), 128, 4, 1000000, repeat=2)
        slow = AlphabetModel(os.path.join(folder, "slow"), 256, 8, 1000000, repeat=2)
        chat = ChatFormat(folder)
        browser = start_browser(os.path.join(folder, "profile"))
        try:
            checks.run_all(((test_shared,), (test_begin, browser, endless),
                            (test_view, browser, endless), (test_layout, browser, endless),
                            (test_settings, browser), (test_copy, browser, chat),
                            (test_resources, browser, chat), (test_reading, browser, slow, chat),
                            (test_thoughts, browser, folder)))
        finally:
            browser.quit()
    checks.finish()


if __name__ == "__main__":
    main()
