# SPDX-License-Identifier: MIT
"""The code that the tests of clamma-ws-demo's pages share: Chromium without a window, and pages in it."""
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from app_harness import until


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
        """Returns the texts of both stories at the same moment, as they are in the document."""
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
        """Returns the messages in the browser's console. There must be none."""
        return [entry["message"] for entry in self.browser.get_log("browser")]


class ChatPage(Page):
    def turns(self):
        """Returns the texts of questions and answers, as they are in the document."""
        return self.texts()

    def ask(self, text):
        self.find("#prompt").send_keys(text, Keys.ENTER)

    def busy(self):
        return self.find("#stop").get_attribute("aria-disabled") == "false"

    def answered(self, turns):
        """Waits until there are `count` turns and the last one is complete."""
        return until(lambda: len(self.turns()) == turns and not self.busy(), 60)


def contrast(page):
    """Returns the lowest contrast ratio of a text on the page to its background."""
    return page.script("""
        const parse = c => c.match(/[\\d.]+/g).map(Number);
        const light = ([r, g, b]) => { const f = v => (v /= 255) <= 0.03928 ? v / 12.92 :
            ((v + 0.055) / 1.055) ** 2.4; return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b); };
        const behind = e => { for (; e; e = e.parentElement) { const c = parse(
            getComputedStyle(e).backgroundColor); if ((c[3] ?? 1) > 0) return c; } };
        let worst = 99;
        for (const e of document.querySelectorAll('h1, h2, p, label, output, button, summary, .text')) {
          if (!e.textContent.trim()) continue;
          const [a, b] = [light(parse(getComputedStyle(e).color)), light(behind(e))];
          worst = Math.min(worst, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
        }
        return worst;""")


def show_as(browser, scheme, width, height):
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
        "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [
        {"name": "prefers-color-scheme", "value": scheme},
        {"name": "prefers-reduced-motion", "value": "reduce"}]})
