# SPDX-License-Identifier: MIT
"""What the tests of clamma-server's page share: the page in Chromium without a window, whichever server is
behind its address."""
import os
import sys
import tempfile

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from ws_demo_browser import show_as, start_browser
from app_harness import Checks, until

WAIT = 60.0  # seconds until something is taken as not happening


def begin(doc):
    """What a test is run with, BIN_DIR SOURCE_DIR: these two, and the folder of the page's files."""
    if len(sys.argv) < 3:
        sys.exit(doc)
    bin_dir, source_dir = map(os.path.realpath, sys.argv[1:3])
    return bin_dir, source_dir, os.path.join(source_dir, "apps", "clamma-server", "page")


class Chat:
    """The page at an address."""

    def __init__(self, browser, url):
        self.browser, self.url = browser, url
        self.open()

    def open(self):
        """Opens or reloads it, and waits for the model's name."""
        self.browser.get(self.url + "/")
        return self.ready()

    def forget(self):
        """As a new visitor."""
        self.script("localStorage.clear(); sessionStorage.clear()")
        return self.open()

    def ready(self):
        return until(lambda: self.text("#model-name") not in ("", "Clamma"), WAIT)

    def find(self, selector):
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def click(self, selector):
        self.find(selector).click()

    def script(self, text, *arguments):
        return self.browser.execute_script(text, *arguments)

    def text(self, selector):
        """The text of an element as it is in the document; None: there is none."""
        return self.script("return document.querySelector(arguments[0])?.textContent", selector)

    def texts(self, selector):
        return self.script("return [...document.querySelectorAll(arguments[0])].map(e => e.textContent)",
                           selector)

    def seen(self, selector):
        """Whether there is such an element and it shows."""
        return self.script("return document.querySelector(arguments[0])?.checkVisibility() ?? false",
                           selector)

    def status(self):
        return self.text("#status")

    def said(self, words):
        return until(lambda: words in self.status(), WAIT)

    def busy(self):
        return self.seen("#stop")

    def send(self, text):
        """Types and sends; does not wait."""
        self.find("#prompt").send_keys(text, Keys.ENTER)

    def ask(self, text):
        """Sends, and waits for the end of the answer; returns the last turn's text."""
        self.send(text)
        return self.answered()

    def answered(self):
        until(lambda: not self.busy(), WAIT)
        return (self.texts(".turn.answer .text") or [None])[-1]

    def set(self, name, value):
        self.script("const e = document.getElementById(arguments[0]); e.value = arguments[1];"
                    "e.dispatchEvent(new Event('input', { bubbles: true }))", name, value)

    def press(self, *keys):
        for key in keys:
            self.browser.switch_to.active_element.send_keys(key)

    def focus(self):
        """The id or the label of the element with the focus."""
        return self.script("const e = document.activeElement; return e.id || e.ariaLabel || e.localName")

    def complaints(self):
        """What the browser's console has to say, which is nothing on a good page; a refused request is
        no fault of the page."""
        return [entry["message"] for entry in self.browser.get_log("browser")
                if "Failed to load resource" not in entry["message"]]


class Browser:
    """Chromium, with a folder of its own, as a context."""

    def __enter__(self):
        # pylint: disable=consider-using-with
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.browser = start_browser(self.folder.name)
        self.browser.set_script_timeout(WAIT * 4)
        return self.browser

    def __exit__(self, *_):
        self.browser.quit()
        self.folder.cleanup()


__all__ = ["Browser", "Chat", "Checks", "Keys", "begin", "show_as", "until"]
