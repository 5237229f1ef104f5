#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""clamma_server_look_test.py BIN_DIR SOURCE_DIR [PICTURES]: how clamma-server's page looks and is used without
a mouse, in Chromium without a window: widths, colours, contrast, the keyboard, the first paint, and axe-core
(axe.min.js of the package axe-playwright-python 0.1.8, which is axe 4.12.1; $CLAMMA_AXE is its path). With
PICTURES, a folder, takes screenshots into it. Exit code: 0 all checks hold, 1 one does not."""
import os
import sys

import clamma_server_stand_in
from clamma_server_browser import Browser, Chat, Checks, Keys, begin, show_as, until

_, _, PAGE = begin(__doc__)
PICTURES = sys.argv[3] if len(sys.argv) > 3 else None
WIDTHS = ((1440, 900), (1024, 768), (768, 1024), (390, 844))
AXE = os.environ.get("CLAMMA_AXE")
checks = Checks()

CONTRAST = """
    const parse = c => c.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => { const f = v => (v /= 255) <= 0.03928 ? v / 12.92 :
        ((v + 0.055) / 1.055) ** 2.4; return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b); };
    const behind = e => { for (; e; e = e.parentElement) { const c = parse(
        getComputedStyle(e).backgroundColor); if ((c[3] ?? 1) > 0) return c; } };
    let worst = [99, ""];
    for (const e of document.querySelectorAll("body *")) {
      if (!e.checkVisibility({ opacityProperty: true, visibilityProperty: true }) || e.disabled) continue;
      if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
      const [a, b] = [light(parse(getComputedStyle(e).color)), light(behind(e))];
      const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      if (ratio < worst[0]) worst = [ratio, e.outerHTML.slice(0, 100)];
    }
    return worst;"""


def picture(page, name):
    if PICTURES:
        page.browser.save_screenshot(os.path.join(PICTURES, f"{name}.png"))


def serious(page):
    """What axe-core finds that is serious or critical."""
    page.browser.execute_cdp_cmd("Runtime.evaluate", {"expression": axe_source()})
    found = page.browser.execute_async_script("""
        const done = arguments[0];
        axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) => done(
          violations.map((v) => [v.impact, v.id, ...v.nodes.map((n) => n.html.slice(0, 120))])),
          (error) => done([["critical", String(error)]]));""")
    return [each for each in found if each[0] in ("serious", "critical")]


def axe_source():
    with open(AXE, encoding="utf-8") as file:
        return file.read()


def examine(page, name):
    """The checks of one state of the page."""
    ratio, where = page.script(CONTRAST)
    checks.holds(f"{name}: contrast at least 4.5", ratio >= 4.5, (ratio, where))
    if AXE:
        checks.same(f"{name}: axe-core finds", serious(page), [])
    picture(page, name.replace(" ", "-").replace(",", ""))


def fill(page, server):
    """A conversation with all there is."""
    server.script = clamma_server_stand_in.show
    page.forget()
    page.ask("Show what you can do, and think about it")
    page.ask("Now call a tool")


def test_schemes(page, server):
    for scheme in ("light", "dark"):
        show_as(page.browser, scheme, 1440, 900)
        page.forget()
        examine(page, f"{scheme}, welcome")
        fill(page, server)
        examine(page, f"{scheme}, conversation")
        page.send("Now an error")
        until(lambda: page.seen(".failure"), 60)
        examine(page, f"{scheme}, error")
        page.click("#open-settings")
        page.script("for (const e of document.querySelectorAll('#drawer details')) e.open = true")
        page.set("format", "json_schema")
        examine(page, f"{scheme}, drawer")
        page.press(Keys.ESCAPE)
        show_as(page.browser, scheme, 390, 844)
        page.click("#menu")
        examine(page, f"{scheme}, list on a phone")
        page.press(Keys.ESCAPE)


def test_widths(page, server):
    fill(page, server)
    for scheme in ("light", "dark"):
        for width, height in WIDTHS:
            show_as(page.browser, scheme, width, height)
            until(lambda: page.script("return innerWidth") == width)
            wide = page.script("return [document.documentElement.scrollWidth, innerWidth, "
                               "document.getElementById('conversation').scrollWidth <= "
                               "document.getElementById('conversation').clientWidth]")
            checks.same(f"{scheme}, {width} px: nothing scrolls sideways", wide, [width, width, True])
            outside = page.script("""
                return ["header", "#prompt", "#send", "#open-settings"].filter(s => {
                  const r = document.querySelector(s).getBoundingClientRect();
                  return r.left < 0 || r.top < 0 || r.right > innerWidth || r.bottom > innerHeight; })""")
            checks.same("... and what is always needed is in the window", outside, [])
            page.script("document.getElementById('conversation').scrollTop = 0")
            picture(page, f"{scheme}-{width}-top")
            page.script("document.getElementById('conversation').scrollTop = 1e6")
            picture(page, f"{scheme}-{width}-end")


def test_switch(page, _):
    """The switch of the colours, against the system's."""
    show_as(page.browser, "light", 1440, 900)
    page.forget()

    def paper():
        return page.script("return getComputedStyle(document.body).backgroundColor")

    light = paper()
    page.click("#scheme")
    dark = paper()
    checks.holds("the switch makes it dark", dark != light, (light, dark))
    page.open()
    checks.same("... also after a reload", paper(), dark)
    page.click("#scheme")
    checks.same("... and light again", paper(), light)
    show_as(page.browser, "dark", 1440, 900)
    checks.same("then it follows the system", paper(), dark)


def test_keyboard(page, server):
    """All by Tab, Enter and Escape."""
    show_as(page.browser, "light", 1440, 900)
    page.forget()
    server.script = clamma_server_stand_in.show
    checks.same("the message box has the focus", page.focus(), "prompt")
    page.press("Hello", Keys.ENTER)
    page.answered()
    reached, name = set(), ""
    for _ in range(60):
        page.press(Keys.TAB)
        name = page.focus()
        if name in reached and name == "prompt":
            break
        reached.add(name)
    wanted = {"prompt", "new", "scheme", "open-settings", "conversation", "Copy the answer", "Answer again",
              "Edit the message", "Copy the code", "export-all", "delete-all"}
    checks.same("Tab does not reach", sorted(wanted - reached), [])
    page.script("document.getElementById('open-settings').focus()")
    page.press(Keys.ENTER)
    checks.holds("Enter opens the settings", until(lambda: page.seen("#drawer"), 60))
    for _ in range(40):
        page.press(Keys.TAB)
    checks.holds("Tab stays in them", page.script(
        "return document.activeElement === document.body || "
        "document.getElementById('drawer').contains(document.activeElement)"), page.focus())
    page.script("document.getElementById('temperature').focus()")
    page.press(Keys.ESCAPE)
    checks.same("Escape closes them", page.seen("#drawer"), False)
    checks.same("... and the focus returns", page.focus(), "open-settings")


def test_readers(page, server):
    """What a screen reader hears: the status, not each word."""
    page.forget()
    page.script("""
        window.heard = [];
        new MutationObserver(() => window.heard.push(document.getElementById("status").textContent))
          .observe(document.getElementById("status"), { childList: true, characterData: true, subtree: true });
        """)
    server.script = lambda reply: (reply.say("word " * 200), reply.end())
    page.ask("Hello")
    page.said("complete")
    heard = page.script("return window.heard")
    checks.holds("a few words", 2 <= len(heard) <= 5, heard)
    live = page.script("return [...document.querySelectorAll('[aria-live], [role=status], [role=log]')]"
                       ".map(e => e.id)")
    checks.same("only the status is live", live, ["status"])


def tell_paint(page):
    """Prints when the first paint was, by the browser's own clock: a figure, no check."""
    times = []
    for _ in range(5):
        page.open()
        times.append(page.script("return performance.getEntriesByName('first-contentful-paint')[0].startTime"))
    print(f"        first paint, ms: {[round(each) for each in times]}", flush=True)


def main():
    if not AXE:
        print("left out: axe-core, as CLAMMA_AXE is not set")
    with clamma_server_stand_in.StandIn(PAGE) as server, Browser() as browser:
        page = Chat(browser, server.url)
        tell_paint(page)
        checks.run_all([(test, page, server) for test in (test_schemes, test_widths, test_switch,
                                                          test_keyboard, test_readers)])
        checks.same("the console is quiet", page.complaints(), [])
    checks.finish()


main()
