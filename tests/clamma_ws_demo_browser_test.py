#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""clamma_ws_demo_browser_test.py BIN_DIR SOURCE_DIR [PICTURES]: the page of clamma-ws-demo in a real
browser, Chromium without a window. BIN_DIR has clamma-ws-demo and clamma-gen. With PICTURES, a folder,
takes screenshots into it. Exit code: 0 all checks hold, 1 one does not, 77 no model."""
import os
import signal
import subprocess
import sys
import tempfile
import time

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from ws_demo_harness import AlphabetModel, Checks, Program, find_models, until

if len(sys.argv) < 3:
    sys.exit(__doc__)
BIN_DIR, SOURCE_DIR = map(os.path.realpath, sys.argv[1:3])
PICTURES = sys.argv[3] if len(sys.argv) > 3 else None
MODELS = find_models(SOURCE_DIR)
DEMO = os.path.join(BIN_DIR, "clamma-ws-demo")
SMALL = (os.path.join(MODELS, "stories260K.bin"), "-z", os.path.join(MODELS, "tok512.bin"))
checks = Checks()


def start_browser(folder):
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu",
                     "--no-first-run", "--disable-background-networking", "--disable-component-update",
                     f"--user-data-dir={folder}", "--window-size=1180,900"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)


class Page:
    def __init__(self, browser, program):
        self.browser, self.program = browser, program
        browser.get(program.url + "/")

    def find(self, selector):
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def script(self, text, *arguments):
        return self.browser.execute_script(text, *arguments)

    def texts(self):
        """Of both stories, at one moment, as they are in the document."""
        return self.script("return Array.from(document.querySelectorAll('.text'), e => e.textContent)")

    def figures(self):
        return self.script("return Array.from(document.querySelectorAll('.figures'),"
                           " e => e.textContent)")

    def status(self):
        return self.script("return document.getElementById('status').textContent")

    def running(self):
        return self.script("return document.querySelectorAll('.story[aria-busy=true]').length")

    def told(self):
        """Waits until both stories have ended."""
        return until(lambda: self.running() == 0 and all(self.texts()))

    def set(self, name, value):
        self.script("const e = document.getElementById(arguments[0]); e.value = arguments[1];"
                    "e.dispatchEvent(new Event('input'))", name, value)

    def again(self):
        self.find("#again").click()

    def complaints(self):
        """What the browser's console has to say, which is nothing on a good page."""
        return [entry["message"] for entry in self.browser.get_log("browser")
                if "favicon" not in entry["message"]]


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
        checks.holds("the model is described", "version 1" in page.find("#model").text)
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
        for _ in range(7):
            webdriver.ActionChains(browser).send_keys(Keys.TAB).perform()
            order.append(page.script("return document.activeElement.id ||"
                                     " document.activeElement.className"))
            outlined = outlined and page.script(
                "const s = getComputedStyle(document.activeElement);"
                "return s.outlineStyle === 'solid' && parseFloat(s.outlineWidth) >= 2")
        checks.same("the tab key visits all in order", order,
                    ["prompt", "temperature", "topp", "again", "stop", "text", "text"])
        checks.holds("... and shows where it is", outlined)
        page.find("#prompt").send_keys("Lily and Tom", Keys.ENTER)
        checks.holds("Enter in the prompt begins", until(
            lambda: page.texts()[1].startswith("Lily and Tom") and page.told()))
        slider = page.find("#temperature")
        slider.send_keys(Keys.HOME)
        checks.same("the keyboard moves a slider", page.find("#temperature-value").text, "0.00")
        unnamed = page.script("""
            return Array.from(document.querySelectorAll('input, textarea, button, [role=region]'))
              .filter(e => !(e.labels?.length || e.textContent.trim() ||
                             e.getAttribute('aria-labelledby')) ).map(e => e.id)""")
        checks.same("every control has a name", unnamed, [])


def contrast(page):
    """The lowest contrast ratio of text on the page to what is behind it."""
    return page.script("""
        const parse = c => c.match(/[\\d.]+/g).map(Number);
        const light = ([r, g, b]) => { const f = v => (v /= 255) <= 0.03928 ? v / 12.92 :
            ((v + 0.055) / 1.055) ** 2.4; return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b); };
        const behind = e => { for (; e; e = e.parentElement) { const c = parse(
            getComputedStyle(e).backgroundColor); if ((c[3] ?? 1) > 0) return c; } };
        let worst = 99;
        for (const e of document.querySelectorAll('h1, h2, p, label, output, button, .text')) {
          if (!e.textContent.trim()) continue;
          const [a, b] = [light(parse(getComputedStyle(e).color)), light(behind(e))];
          worst = Math.min(worst, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
        }
        return worst;""")


def test_looks(browser):
    with Program(DEMO, *SMALL, "-s", "1024") as program:
        for name, scheme, width, height in (("light", "light", 1180, 900), ("dark", "dark", 1180, 900),
                                            ("phone", "light", 360, 740),
                                            ("phone-dark", "dark", 390, 844)):
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
                "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500})
            browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [
                {"name": "prefers-color-scheme", "value": scheme},
                {"name": "prefers-reduced-motion", "value": "reduce"}]})
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
                page.script("document.activeElement.blur();"
                            "document.querySelectorAll('.text').forEach(e => e.scrollTop = 0)")
                time.sleep(0.3)
                browser.save_screenshot(os.path.join(PICTURES, f"ws-demo-{name}.png"))
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
        browser.get(program.url + "/")
        checks.holds("without JavaScript: a note", "JavaScript" in browser.find_element(
            By.TAG_NAME, "noscript").text)
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


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
        browser = start_browser(os.path.join(folder, "profile"))
        try:
            for test, *arguments in ((test_two_stories, endless), (test_texts,), (test_keyboard,),
                                     (test_looks,), (test_queue_and_end, endless)):
                start = time.monotonic()
                with checks.group(test.__name__):
                    test(browser, *arguments)
                print(f"        {test.__name__}: {time.monotonic() - start:.1f} s", flush=True)
        finally:
            browser.quit()
    checks.finish()


if __name__ == "__main__":
    main()
