#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""clamma_server_markdown_test.py BIN_DIR SOURCE_DIR: what clamma-server's page makes of Markdown, in
Chromium without a window: each construct, texts that grow, and texts that mean harm. Exit code: 0 all
checks hold, 1 one does not."""
import clamma_server_stand_in
from clamma_server_browser import Browser, Chat, Checks, begin

_, _, PAGE = begin(__doc__)
checks = Checks()

# Text, and the elements that it becomes.
CASES = {
    "paragraphs": ("One\n\nTwo", "<p>One</p><p>Two</p>"),
    "the end of a line is a line break": ("a\nb", "<p>a<br>b</p>"),
    "hard breaks": ("a  \nb\\\nc<br>d", "<p>a<br>b<br>c<br>d</p>"),
    "headings, two levels below the page's": ("# A\n### B ##\nC\n===\nD\n---",
                                              '<h3 class="level-1">A</h3><h5 class="level-3">B</h5>'
                                              '<h3 class="level-1">C</h3><h4 class="level-2">D</h4>'),
    "emphasis": ("*a* _b_ **c** __d__ ***e*** ~~f~~",
                 "<p><em>a</em> <em>b</em> <strong>c</strong> <strong>d</strong> "
                 "<em><strong>e</strong></em> <del>f</del></p>"),
    "emphasis inside emphasis": ("**a *b* c**", "<p><strong>a <em>b</em> c</strong></p>"),
    "what is no emphasis": ("2 * 3 * 4, snake_case_name, a**, \\*b\\*",
                            "<p>2 * 3 * 4, snake_case_name, a**, *b*</p>"),
    "code in a line": ("`a*b*` ``c`d``", "<p><code>a*b*</code> <code>c`d</code></p>"),
    "a rule": ("a\n\n---\n\nb", "<p>a</p><hr><p>b</p>"),
    "a tight list": ("- a\n- b", "<ul><li><p>a</p></li><li><p>b</p></li></ul>"),
    "a loose list": ("- a\n\n- b", '<ul class="loose"><li><p>a</p></li><li><p>b</p></li></ul>'),
    "a list that begins at a number": ("3. a\n4. b",
                                       '<ol start="3"><li><p>a</p></li><li><p>b</p></li></ol>'),
    "nested lists": ("- a\n  - b\n    1. c\n- d",
                     "<ul><li><p>a</p><ul><li><p>b</p><ol><li><p>c</p></li></ol></li></ul></li>"
                     "<li><p>d</p></li></ul>"),
    "a list below a number, by two columns": (
        "1. a\n  - b\n  - c\n2. d",
        "<ol><li><p>a</p><ul><li><p>b</p></li><li><p>c</p></li></ul></li><li><p>d</p></li></ol>"),
    "tasks": ("- [ ] a\n- [x] b",
              '<ul><li class="task"><p>☐ a</p></li><li class="task"><p>☑ b</p></li></ul>'),
    "quotes": ("> a\n> > b\n\nc",
               "<blockquote><p>a</p><blockquote><p>b</p></blockquote></blockquote><p>c</p>"),
    "a link": ('[a *b*](https://x.org/p_(q) "t")',
               '<p><a href="https://x.org/p_(q)" title="https://x.org/p_(q)" target="_blank" '
               'rel="noopener noreferrer nofollow">a <em>b</em></a></p>'),
    "an address is a link without its full stop": (
        "See https://x.org/y.",
        '<p>See <a href="https://x.org/y" title="https://x.org/y" target="_blank" '
        'rel="noopener noreferrer nofollow">https://x.org/y</a>.</p>'),
    "other addresses are text": ("[a](javascript:alert(1)) [b](data:text/html,x) [c](/d) [e](ftp://f)",
                                 "<p>[a](javascript:alert(1)) [b](data:text/html,x) [c](/d) "
                                 "[e](ftp://f)</p>"),
    "an image is a link": ("![a](https://x.org/p.png)",
                           '<p><a href="https://x.org/p.png" title="https://x.org/p.png" '
                           'target="_blank" rel="noopener noreferrer nofollow">🖼 a</a></p>'),
    "HTML is text": ("<b>a</b> <img src=x onerror=alert(1)>",
                     "<p>&lt;b&gt;a&lt;/b&gt; &lt;img src=x onerror=alert(1)&gt;</p>"),
    "entities": ("&amp; &lt; &#65; &#x42; &none; &#0;", "<p>&amp; &lt; A B &amp;none; &amp;#0;</p>"),
    "a table": ("| a | b |\n|:--|--:|\n| `x\\|y` | *z* |\n| 1 |\n\nafter",
                '<div class="table" tabindex="0"><table><thead><tr><th class="to-left">a</th>'
                '<th class="to-right">b</th></tr></thead><tbody><tr><td class="to-left"><code>x|y</code>'
                '</td><td class="to-right"><em>z</em></td></tr><tr><td class="to-left">1</td>'
                '<td class="to-right"></td></tr></tbody></table></div><p>after</p>'),
}
CODE = ('<div class="code"><div class="code-head"><span>{}</span><button type="button" class="copy-code" '
        'aria-label="Copy the code">Copy</button></div><pre tabindex="0"><code>{}</code></pre></div>')
CASES["code with its language"] = ("```js\nlet a = `b`;\n\n  c\n```\nd",
                                   CODE.format("js", "let a = `b`;\n\n  c") + "<p>d</p>")
CASES["code without an end"] = ("~~~\n<b>\n```", CODE.format("text", "&lt;b&gt;\n```"))
CASES["code by indentation"] = ("a\n\n    b\n\n    c", "<p>a</p>" + CODE.format("text", "b\n\nc"))

# Shows a text by itself or in pieces, and returns the elements as HTML.
SHOW = """
const [texts, sizes, done] = arguments;
import("/markdown.js").then(({ MarkdownView }) => {
  const show = (text, size) => {
    const element = document.createElement("div");
    const view = new MarkdownView(element);
    for (let at = 0; at < text.length; at += size) view.append(text.slice(at, at + size));
    view.finish();
    return element.innerHTML;
  };
  done(texts.map((text) => sizes.map((size) => show(text, size || text.length))));
});
"""


def show(page, texts, sizes):
    return page.browser.execute_async_script(SHOW, texts, sizes)


def test_constructs(page):
    shown = show(page, [text for text, _ in CASES.values()], [0])
    for (name, (_, wanted)), [got] in zip(CASES.items(), shown):
        checks.same(name, got, wanted)


def test_growth(page):
    """However a text is cut, it looks the same in the end."""
    sizes = [0, 1, 3, 64]
    texts = [text for text, _ in CASES.values()]
    texts += ["\n\n".join(texts), clamma_server_stand_in.SHOW, "text\n#hash\n- \nx", "a | b\n---|--x\n"]
    for text, (whole, *cut) in zip(texts, show(page, texts, sizes)):
        for size, got in zip(sizes[1:], cut):
            if got != whole:
                checks.holds(f"in pieces of {size}: {text!r:.80}", False, f"{got} in place of {whole}")
                break
        else:
            checks.holds(f"in pieces: {text!r:.60}", True)


def test_open_ends(page):
    """What a growing text has not closed yet already looks as it will."""
    result = page.browser.execute_async_script("""
        const done = arguments[0];
        import("/markdown.js").then(({ MarkdownView }) => done([
            "a **b", "a `b", "[c](https://x", "```js\\nx\\n``", "a **"].map((text) => {
          const element = document.createElement("div");
          new MarkdownView(element).append(text);
          return element.textContent + " " + [...element.querySelectorAll("*")].map(e => e.localName);
        })));""")
    checks.same("open ends", result, ["a b p,strong", "a b p,code", "c p",
                                      "jsCopyx div,div,span,button,pre,code", "a  p"])


def test_kept_elements(page):
    """A growing text leaves the elements of what has not changed, and with them a selection."""
    kept = page.browser.execute_async_script("""
        const done = arguments[0];
        import("/markdown.js").then(({ MarkdownView }) => {
          const element = document.createElement("div");
          const view = new MarkdownView(element);
          view.append("# A\\n\\n- one\\n- two\\n\\n```\\nx = 1\\n");
          const before = [...element.querySelectorAll("*")];
          for (let i = 0; i < 50; ++i) view.append(`y = ${i}\\n`);
          view.append("```\\n\\n| a |\\n|---|\\n| b |\\n");
          view.finish();
          done(before.every((e) => element.contains(e)));
        });""")
    checks.holds("elements stay while the text grows", kept)


HARM = """
const done = arguments[0];
Promise.all([import("/markdown.js"), import("/json_view.js")]).then(([{ MarkdownView, parseMarkdown },
    { indentJson }]) => {
  const allowed = new Set(("p br h3 h4 h5 h6 em strong del code pre hr ul ol li blockquote a table thead " +
    "tbody tr th td div span button").split(" "));
  const pieces = ["*", "**", "_", "`", "```", "~~~", "\\n", "\\n\\n", "> ", "- ", "1. ", "    ", "\\t", "|",
    "|-|\\n", "[", "](", ")", "!", "<", "<br>", "&#x1f600;", "\\\\", "https://a.b/", "javascript:x", "a",
    " ", "é", "😀", "\\u202e", "\\ud800", "\\u0000", "#", "=", "<script>", "\\r\\n", "{", "}", "\\""];
  let seed = 1;
  const random = (n) => { seed = (seed * 48271) % 2147483647; return seed % n; };
  const bad = [];
  for (let round = 0; round < 300; ++round) {
    let text = "";
    for (let i = random(60); i >= 0; --i) text += pieces[random(pieces.length)];
    indentJson(text);
    const element = document.createElement("div");
    const view = new MarkdownView(element);
    for (let at = 0; at < text.length;) {
      const size = 1 + random(9);
      view.append(text.slice(at, at + size));
      at += size;
    }
    view.finish();
    const whole = document.createElement("div");
    const once = new MarkdownView(whole);
    once.append(text);
    once.finish();
    const links = [...element.querySelectorAll("a")];
    if (!element.isEqualNode(whole) ||
        [...element.querySelectorAll("*")].some((e) => !allowed.has(e.localName)) ||
        links.some((e) => !/^https?:$/.test(e.protocol) || !e.rel.includes("noopener"))) {
      bad.push(JSON.stringify(text));
    }
  }
  const depthOf = (nodes) => { // without recursion
    let depth = 0;
    for (let level = nodes; level.length > 0; ++depth) level = level.flatMap((n) => n.children ?? []);
    return depth;
  };
  const deep = ["> ", "- ", "1. ", "*a **b ", "a* b** ", "[", "![", "[a](", "_a *b ", "***a", "\\t- "].map(
    (text) => depthOf(parseMarkdown(text.repeat(20000))));
  done([bad, Math.max(...deep)]);
});
"""


def test_harm(page):
    """Random pieces of Markdown become no other elements than those of Markdown, and long ones no deep
    trees."""
    bad, depth = page.browser.execute_async_script(HARM)
    checks.same("of 300 random texts, wrong are", bad, [])
    checks.holds("the deepest tree", depth < 100, depth)


def main():
    with clamma_server_stand_in.StandIn(PAGE) as server, Browser() as browser:
        page = Chat(browser, server.url)
        checks.run_all([(test, page) for test in (test_constructs, test_growth, test_open_ends,
                                                  test_kept_elements, test_harm)])
        checks.same("the console is quiet", page.complaints(), [])
    checks.finish()


main()
