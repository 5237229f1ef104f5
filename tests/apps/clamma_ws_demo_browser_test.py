#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""clamma_ws_demo_browser_test.py BIN_DIR SOURCE_DIR [PICTURES]: tests the page of clamma-ws-demo in
Chromium without a window. BIN_DIR contains clamma-ws-demo and clamma-gen. Writes screenshots to the
folder PICTURES, if it is given. Exit code: 0 all checks succeed, 1 a check fails, 77 no model."""
import os
import signal
import subprocess
import tempfile
import time

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from ws_demo_browser import ChatPage, Page, contrast, show_as, start_browser
from app_harness import Checks, find_default_model, until
from ws_demo_harness import AlphabetModel, ChatFormat, Program, begin

BIN_DIR, _, _, DEMO, SMALL, MORE = begin(__doc__)
PICTURES = MORE[0] if MORE else None
checks = Checks()


def answer_to(messages):
    """Returns the greedy continuation by clamma-gen."""
    prompt = ChatFormat.render(messages)
    return subprocess.run([os.path.join(BIN_DIR, "clamma-gen"), *SMALL, "-q", "-t", "0", "-n", "40", "-i",
                           prompt], check=True, capture_output=True,
                          text=True).stdout.removeprefix(prompt).removesuffix("\n")


def test_chat(browser, chat):
    with Program(DEMO, *SMALL, *chat.arguments, "-t", "0", "-n", "40") as program:
        page = ChatPage(browser, program)
        checks.same("the page of a chat", browser.title, "Chat")
        evil = '<img src=x onerror="document.title=1"><b>Tom</b>'
        page.ask(evil)
        checks.holds("a question is answered", page.answered(2), page.turns())
        first = answer_to(chat.messages(evil))
        checks.same("... by clamma-gen's text", page.turns(), [evil, first.lstrip()])
        checks.same("... in place of the welcome", page.find("#welcome").is_displayed(), False)
        checks.same("... and is no HTML", page.script(
            "return document.querySelectorAll('.turn .text *').length"), 0)
        page.ask("And the dog?")
        checks.holds("a second one is, too", page.answered(4), page.turns())
        checks.same("... of the same conversation", page.turns()[3], answer_to(
            chat.messages(evil, first, "And the dog?")).lstrip())
        checks.holds("... with figures", page.figures()[-1].startswith("40 tokens · "), page.figures())
        checks.same("... and it is said why it ended", page.status(),
                    "The answer has ended: cut off at the maximum length.")

        page.find("#new").click()
        checks.same("a new chat is empty", page.turns(), [])
        checks.holds("... and welcomes", page.find("#welcome").is_displayed())
        page.ask(evil)
        page.answered(2)
        checks.same("... and knows nothing of the last one", page.turns(), [evil, first.lstrip()])
        page.find("#new").click()
        example = page.find(".example")
        example_text = example.text
        example.click()
        checks.holds("an example is asked", page.answered(2))
        checks.same("... as it is written", page.turns()[0], example_text)

        page.script("document.getElementById('prompt').value = 'ä'.repeat(8193)")
        page.ask("")
        checks.holds("too long a question is told", "16384" in page.status(), page.status())
        checks.same("... and not sent", len(page.turns()), 2)
        long = "word " * 800
        page.script("document.getElementById('prompt').value = arguments[0]", long)
        page.ask("")
        checks.holds("a question beyond the context is told", until(lambda: "512" in page.status()),
                     page.status())
        checks.same("... and can be edited", page.find("#prompt").get_attribute("value"), long)
        before = page.turns()
        checks.same("... out of the conversation", len(before), 2)
        page.find("#prompt").clear()
        page.ask("Lily")
        checks.holds("... and the chat goes on", page.answered(4), page.turns())
        checks.same("... without it", page.turns()[-1], answer_to(chat.messages(
            before[0], answer_to(chat.messages(before[0])), "Lily")).lstrip())
        checks.same("the console is quiet", page.complaints(), [])


def test_chat_flow(browser, endless, chat):
    arguments = (*endless.arguments, *chat.arguments)
    with Program(DEMO, *arguments, "--max-sessions", 1) as program:
        page = ChatPage(browser, program)
        page.ask("x")
        checks.holds("an answer grows", until(lambda: len(page.turns()) == 2 and
                                              len(page.turns()[1]) > 200), page.turns())
        page.ask("y")
        checks.holds("a question too early is told", "Press Stop" in page.status() or
                     until(lambda: "Press Stop" in page.status(), 2), page.status())
        checks.same("... and stays", page.find("#prompt").get_attribute("value"), "y")
        page.find("#stop").click()
        checks.holds("stop ends the answer", page.answered(2))
        checks.holds("... and it stays", endless.is_start(page.turns()[1]) and
                     "stopped" in page.figures()[0], page.figures())
        checks.holds("... and frees the session", until(lambda: program.metric("sessions_active") == 0))
        with program.connect() as other:
            other.begin(messages=chat.messages("x"))
            other.receive("progress")
            page.ask("")
            checks.holds("the queue is told", until(lambda: "number 1" in page.status()), page.status())
            page.find("#stop").click()
            checks.holds("... and left", until(lambda: "left the queue" in page.status()), page.status())
            checks.same("... with the question", page.find("#prompt").get_attribute("value"), "y")
            page.ask("")
            until(lambda: "number 1" in page.status())
        checks.holds("... until it is our turn", until(lambda: len(page.turns()[-1]) > 20 and
                                                       page.busy()), page.turns())
        page.find("#new").click()
        checks.holds("a new chat ends the answer", until(
            lambda: program.metric("sessions_active") == 0 and page.turns() == []), page.turns())
        page.ask("z")
        until(lambda: len(page.turns()) == 2 and page.turns()[1])
        program.process.send_signal(signal.SIGTERM)
        checks.same("the server ends", program.result()[0], 0)
        checks.holds("... and the page says so", until(lambda: "Trying again" in page.status()),
                     page.status())
        kept = page.turns()
        page.ask("w")
        port = program.port
    page.browser.get_log("browser")
    with Program(DEMO, *arguments, port=port) as program:
        checks.holds("a question waits for the next server", until(
            lambda: len(page.turns()) == 4 and page.turns()[3], 40), page.turns())
        checks.same("... and the conversation is kept", page.turns()[:3], [*kept, "w"])
        browser.get("about:blank")
        checks.holds("leaving the page frees all", until(
            lambda: program.metric("sessions_active") == 0 and
            program.metric("visitors_connected") == 0), program.metrics())


def test_chat_keyboard(browser, chat):
    with Program(DEMO, *SMALL, *chat.arguments, "-n", "5") as program:
        page = ChatPage(browser, program)
        order = []
        for _ in range(8):
            webdriver.ActionChains(browser).send_keys(Keys.TAB).perform()
            order.append(page.script("const e = document.activeElement;"
                                     "return e.id || e.className || e.localName"))
        checks.same("chat: the tab key visits all in order", order, [
            "summary", "new", "conversation", "example", "example", "example", "prompt", "send"])
        page.find("#prompt").send_keys("a", Keys.SHIFT, Keys.ENTER, Keys.NULL, "b", Keys.ENTER)
        checks.holds("chat: Enter sends", page.answered(2), page.turns())
        checks.same("chat: with Shift it does not", page.turns()[0], "a\nb")
        page.find("summary").send_keys(Keys.ENTER)
        shown = "return document.getElementById('temperature').checkVisibility()"
        checks.holds("chat: the settings open", page.script(shown))
        page.find("#temperature").send_keys(Keys.HOME, Keys.ESCAPE)
        checks.same("chat: ... and close", page.script(shown), False)


def test_two_stories(browser, endless):
    with Program(DEMO, *endless.arguments) as program:
        page = Page(browser, program)
        samples = []
        until(lambda: samples.append(page.texts()) or len(samples[-1][0]) > 500)
        both = [sample for sample in samples if all(sample)]
        checks.holds("both stories grow at once", len({len(first) for first, _ in both}) > 2 and
                     len({len(second) for _, second in both}) > 2, [len(both), len(samples)])
        checks.same("... and none has ended", page.running(), 2)
        checks.holds("... and are what the model says", all(map(endless.is_start, page.texts())))
        checks.holds("tokens a second of each", all("tokens per second" in text
                                                    for text in page.figures()), page.figures())
        checks.holds("the model is described", "version 1" in
                     page.find("#model").get_attribute("textContent"))
        checks.holds("what is read out is not the story", len(page.status()) < 100 and
                     page.find("#status").get_attribute("role") == "status")
        checks.holds("no live region holds a story", page.script(
            "return !document.querySelector('[aria-live] .text, [role=log], [role=status] .text')"))

        page.find("#stop").click()
        checks.holds("stop ends both", until(lambda: page.running() == 0))
        checks.holds("... and says so", until(lambda: "over" in page.status()), page.status())
        checks.holds("... and frees the sessions", until(
            lambda: program.metric("sessions_active") == 0))
        before = page.texts()
        time.sleep(0.3)
        checks.same("... and nothing comes any more", page.texts(), before)
        page.again()
        checks.holds("again tells two new ones", until(
            lambda: page.running() == 2 and all(0 < len(text) for text in page.texts())))

        browser.switch_to.new_window("tab")
        other = browser.current_window_handle
        Page(browser, program)
        checks.holds("a second tab: four sessions", until(
            lambda: program.metric("sessions_active") == 4))
        browser.close()
        browser.switch_to.window(next(h for h in browser.window_handles if h != other))
        checks.holds("closing a tab frees its sessions", until(
            lambda: program.metric("sessions_active") == 2), program.metrics())
        checks.holds("... and the other goes on", page.running() == 2)
        browser.get("about:blank")
        checks.holds("leaving the page frees all", until(
            lambda: program.metric("sessions_active") == 0 and
            program.metric("visitors_connected") == 0), program.metrics())
        browser.back()
        checks.holds("... and coming back, again works", until(
            lambda: page.status() and not page.status().startswith("Trying")))
        page.again()
        checks.holds("... indeed", until(lambda: page.running() == 2))
        browser.get("about:blank")


def test_texts(browser):
    with Program(DEMO, *SMALL) as program:
        page = Page(browser, program)
        checks.holds("two stories without a word", page.told())
        opening = page.texts()
        checks.holds("... that differ", opening[0] != opening[1])
        prompt = "Once upon a time, Tom"
        wanted = subprocess.run([os.path.join(BIN_DIR, "clamma-gen"), *SMALL, "-q", "-t", "0", "-i",
                                 prompt], check=True, capture_output=True, text=True).stdout[:-1]
        page.set("prompt", prompt)
        page.set("temperature", "0")
        for which in ("first", "second"):
            page.again()
            checks.holds(f"{which} time greedy: told", until(
                lambda: page.texts()[0].startswith(prompt) and page.told()))
            checks.same(f"{which} time greedy: clamma-gen's text", page.texts(), [wanted, wanted])
            page.set("prompt", "")
            page.again()
            until(lambda: not page.texts()[0].startswith(prompt) and page.told())
            page.set("prompt", prompt)
        checks.holds("a greedy story without a beginning differs", page.texts() != [wanted, wanted])

        evil = '<img src=x onerror="document.title=1"><script>document.title=2</script><b>bold</b>'
        page.set("prompt", evil)
        page.again()
        until(lambda: page.texts()[0].startswith(evil) and page.told())
        checks.holds("HTML in a prompt is text", page.texts()[0].startswith(evil), page.texts()[0])
        checks.same("... and no element", page.script(
            "return document.querySelectorAll('.text :not(.beginning)').length"), 0)
        checks.same("... and does nothing", browser.title, "Two stories at once")

        page.set("prompt", "Größe " * 1000)
        page.again()
        checks.holds("too long a prompt is told", until(lambda: "4096" in page.status()), page.status())
        page.set("prompt", "word " * 800)
        page.again()
        checks.holds("so is one beyond the context", until(lambda: "512" in page.status()),
                     page.status())
        checks.same("the console is quiet", page.complaints(), [])


def test_keyboard(browser):
    with Program(DEMO, *SMALL) as program:
        page = Page(browser, program)
        page.told()
        page.script("document.activeElement.blur()")
        order, outlined = [], True
        for _ in range(8):
            webdriver.ActionChains(browser).send_keys(Keys.TAB).perform()
            order.append(page.script("const e = document.activeElement;"
                                     "return e.id || e.className || e.localName"))
            outlined = outlined and page.script(
                "const s = getComputedStyle(document.activeElement);"
                "return s.outlineStyle === 'solid' && parseFloat(s.outlineWidth) >= 2")
        checks.same("the tab key visits all in order", order,
                    ["summary", "prompt", "again", "stop", "copy", "text", "copy", "text"])
        checks.holds("... and shows where it is", outlined)
        page.find("#prompt").send_keys("Lily and Tom", Keys.ENTER)
        checks.holds("Enter in the prompt begins", until(
            lambda: page.texts()[1].startswith("Lily and Tom") and page.told()))
        page.find("summary").send_keys(Keys.ENTER)
        slider = page.find("#temperature")
        slider.send_keys(Keys.HOME)
        checks.same("the keyboard moves a slider", page.find("#temperature-value").text, "0.00")
        unnamed = page.script("""
            return Array.from(document.querySelectorAll('input, textarea, button, [role=region]'))
              .filter(e => !(e.labels?.length || e.textContent.trim() ||
                             e.getAttribute('aria-labelledby')) ).map(e => e.id)""")
        checks.same("every control has a name", unnamed, [])


def test_looks(browser):
    with Program(DEMO, *SMALL, "-s", "1024") as program:
        for name, scheme, width, height in (("light", "light", 1280, 800), ("dark", "dark", 1280, 800),
                                            ("phone", "light", 360, 740),
                                            ("phone-dark", "dark", 390, 844)):
            show_as(browser, scheme, width, height)
            page = Page(browser, program)
            page.set("prompt", "Lily had a red kite")
            page.told()
            page.again()
            until(lambda: page.texts()[0].startswith("Lily had") and page.told())
            ratio = contrast(page)
            checks.holds(f"{name}: contrast", ratio >= 4.5, ratio)
            checks.holds(f"{name}: nothing sticks out", page.script(
                "return document.documentElement.scrollWidth <= innerWidth"))
            checks.holds(f"{name}: buttons can be hit", page.script(
                "return [...document.querySelectorAll('button')].every("
                "b => b.offsetHeight >= 40 && b.offsetWidth >= 60)"))
            columns = page.script("return new Set([...document.querySelectorAll('.story')].map("
                                  "s => s.getBoundingClientRect().left)).size")
            checks.same(f"{name}: columns", columns, 2 if width > 640 else 1)
            dark = page.script("return getComputedStyle(document.body).backgroundColor")
            checks.holds(f"{name}: background", (int(dark[4:].split(",")[0]) < 128) == (
                scheme == "dark"), dark)
            checks.same(f"{name}: no motion", page.script(
                "document.querySelector('.story').setAttribute('aria-busy', 'true');"
                "const n = getComputedStyle(document.querySelector('.text'), '::after').animationName;"
                "document.querySelector('.story').setAttribute('aria-busy', 'false'); return n"),
                "none")
            if PICTURES:
                page.script("document.activeElement.blur()")
                time.sleep(0.3)
                browser.save_screenshot(os.path.join(PICTURES, f"ws-demo-{name}.png"))
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
        browser.get(program.url + "/")
        checks.holds("without JavaScript: a note", "JavaScript" in browser.find_element(
            By.TAG_NAME, "noscript").text)
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_chat_looks(browser, chat):
    model = find_default_model()
    arguments = ("-s", "5") if model else (*SMALL, *chat.arguments, "-n", "100")
    if not model:
        print("skipped the look of a chat with the default model: clamma-get default gets it")
    with Program(DEMO, *arguments) as program:
        for name, scheme, width, height in (("chat", "light", 1280, 800), ("chat-dark", "dark", 1280, 800),
                                            ("chat-phone", "light", 360, 740),
                                            ("chat-phone-dark", "dark", 390, 844)):
            show_as(browser, scheme, width, height)
            page = ChatPage(browser, program)
            for number, question in enumerate(("Write one sentence about the sea.",
                                               "Now one about the mountains."), 1):
                page.ask(question)
                checks.holds(f"{name}: answer {number}", page.answered(2 * number), page.turns())
            ratio = contrast(page)
            checks.holds(f"{name}: contrast", ratio >= 4.5, ratio)
            checks.holds(f"{name}: nothing sticks out", page.script(
                "return document.documentElement.scrollWidth <= innerWidth &&"
                "  document.documentElement.scrollHeight <= innerHeight"))
            checks.holds(f"{name}: the end of the answer is seen", page.script(
                "const last = [...document.querySelectorAll('.figures')].at(-1);"
                "const box = document.getElementById('conversation').getBoundingClientRect();"
                "return last.getBoundingClientRect().bottom <= box.bottom + 1"))
            checks.holds(f"{name}: buttons can be hit", page.script(
                "return [...document.querySelectorAll('button, header summary')].every("
                "b => b.closest('[hidden]') || b.offsetHeight >= 40 && b.offsetWidth >= 60)"))
            checks.same(f"{name}: no motion", page.script(
                "const turn = document.querySelector('.turn.answer');"
                "turn.setAttribute('aria-busy', 'true');"
                "const n = getComputedStyle(turn.querySelector('.text'), '::after').animationName;"
                "turn.setAttribute('aria-busy', 'false'); return n"), "none")
            if PICTURES:
                page.script("document.activeElement.blur()")
                time.sleep(0.3)
                browser.save_screenshot(os.path.join(PICTURES, f"ws-demo-{name}.png"))
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_queue_and_end(browser, endless):
    with Program(DEMO, *endless.arguments, "--max-sessions", 2, "--drain", 1) as program:
        with program.connect() as first, program.connect() as second:
            first.begin()
            first.receive("progress")
            second.begin()
            second.receive("waiting")
            page = Page(browser, program)
            checks.holds("the queue: number 2", until(lambda: "number 2" in page.status()),
                         page.status())
            first.drop()
            checks.holds("the queue: number 1", until(lambda: "number 1" in page.status()),
                         page.status())
            page.find("#stop").click()
            checks.holds("the queue: stop leaves it", until(lambda: "left the queue" in page.status()),
                         page.status())
            page.again()
            until(lambda: "number 1" in page.status())
        checks.holds("the queue: our turn", until(lambda: page.running() == 2))
        program.process.send_signal(signal.SIGTERM)
        checks.holds("the end is announced", until(lambda: "about to end" in page.status()),
                     page.status())
        checks.same("... and comes", program.result()[0], 0)
        checks.holds("a broken connection is told", until(
            lambda: "Trying again" in page.status()), page.status())
        checks.same("... and the stories have stopped", page.running(), 0)
        kept = page.texts()
        port = program.port
    page.browser.get_log("browser")
    with Program(DEMO, *endless.arguments, port=port) as program:
        checks.holds("... until there is one again", until(
            lambda: "Connected again" in page.status(), 40), page.status())
        checks.same("... and what was told is kept", page.texts(), kept)
        page.again()
        checks.holds("... and more is told", until(lambda: page.running() == 2))
        browser.get("about:blank")


def main():
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        endless = AlphabetModel(os.path.join(folder, "endless"), 256, 8, 1000000, repeat=2)
        chat = ChatFormat(folder)
        browser = start_browser(os.path.join(folder, "profile"))
        try:
            checks.run_all(((test_two_stories, browser, endless), (test_texts, browser),
                            (test_keyboard, browser), (test_looks, browser),
                            (test_queue_and_end, browser, endless), (test_chat, browser, chat),
                            (test_chat_flow, browser, endless, chat),
                            (test_chat_keyboard, browser, chat), (test_chat_looks, browser, chat)))
        finally:
            browser.quit()
    checks.finish()


if __name__ == "__main__":
    main()
