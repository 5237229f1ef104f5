#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes src/chat/template/unicode_tables.cc: the properties of characters that Python's str uses,
as Python 3.11 (Unicode 14.0.0) has them. Where src/tokenizer/unicode_tables.cc has a class that is
nearly the same, only the exceptions are written. Run by hand: make_chat_unicode.py OUTPUT"""
import pathlib
import re
import sys
import unicodedata

TOKENIZER_TABLES = pathlib.Path(__file__).parents[1] / "src/tokenizer/unicode_tables.cc"
OTHER, UPPER, LOWER, TITLE, LETTERS, NUMBER, SPACE = 0, 1, 2, 3, range(1, 6), 7, 10


def tokenizer_classes():
    """The class of each code point, as ClassOf() of src/tokenizer/unicode.h gives it."""
    blocks, classes = TOKENIZER_TABLES.read_text(encoding="utf-8").split("kUnicodeClasses")
    numbers = [int(n) for n in re.findall(r"\d+", blocks.split("= {")[1])]
    rows = [[int(n) for n in re.findall(r"\d+", row)]
            for row in re.findall(r"\{([\d, \n]+)\}", classes)]
    return [c for number in numbers for pair in rows[number] for c in (pair & 15, pair >> 4)]


ALL = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def runs(points):
    """(first, count, stride) of sorted code points, strides of 1 and 2."""
    out, i = [], 0
    while i < len(points):
        best = (1, 1)
        for stride in (1, 2):
            n = 1
            while (i + n < len(points) and points[i + n] == points[i] + n * stride and n < 0xFFFF):
                n += 1
            if n > best[0]:
                best = (n, stride)
        out.append((points[i], *best))
        i += best[0]
    return out


def case_ignorable():
    """Characters that are Case_Ignorable: The Unicode Standard 14, D136."""
    word_break = set(map(ord, "'.:\u00b7\u0387\u055f\u05f4\u2018\u2019\u2024\u2027\ufe13\ufe52\ufe55\uff07\uff0e\uff1a"))
    return [ord(c) for c in ALL
            if unicodedata.category(c) in ("Mn", "Me", "Cf", "Lm", "Sk") or ord(c) in word_break]


def main():
    if unicodedata.unidata_version != "14.0.0":
        sys.exit(f"this Python has Unicode {unicodedata.unidata_version}, but 14.0.0 is needed")
    lines = ["// SPDX-License-Identifier: MIT",
             "// Made by scripts/make_chat_unicode.py of Python 3.11's Unicode 14.0.0.",
             '#include "chat/template/unicode_tables.h"', "", "namespace clamma {", ""]

    def table(kind, name, rows):
        lines.append(f"// clang-format off\nconst {kind} {name}[] = {{")
        line = ""
        for row in rows:
            rest = ["{" + ", ".join(map(str, x)) + "}" if isinstance(x, tuple) else str(x)
                    for x in row[1:]]
            text = "{" + ", ".join([hex(row[0]), *rest]) + "}, "
            if len(line) + len(text) > 98:
                lines.append("  " + line.rstrip())
                line = ""
            line += text
        lines.append("  " + line.rstrip())
        lines.append(f"}};\n// clang-format on\nconst size_t {name}Size = {len(rows)};\n")

    class_of = tokenizer_classes()
    printable = [c < 0x110000 and not 0xD800 <= c < 0xE000 and chr(c).isprintable()
                 for c in range(0x110000)]

    def exceptions(test, classes):
        """Where `test` is not what follows from the classes and from whether it is printable."""
        return [ord(c) for c in ALL if ord(c) > 0x7F and
                test(c) != (class_of[ord(c)] in classes and printable[ord(c)])]

    for test, classes in ((str.isalpha, LETTERS),
                          (lambda c: unicodedata.category(c) == "Lt", [TITLE])):
        if exceptions(test, classes):
            sys.exit("unicode.cc assumes that letters and title case have no exceptions")
    tables = {
        "kPrintableExceptions": [c for c in range(0x80, 0x110000)
                                 if printable[c] == (class_of[c] in (OTHER, SPACE))],
        "kDigit": [ord(c) for c in ALL if ord(c) > 0x7F and c.isdigit()],
        "kDecimal": [ord(c) for c in ALL if ord(c) > 0x7F and c.isdecimal()],
        "kNumericExceptions": exceptions(str.isnumeric, [NUMBER]),
        "kUpperExceptions": exceptions(str.isupper, [UPPER]),
        "kLowerExceptions": exceptions(str.islower, [LOWER]),
    }
    for name, points in tables.items():
        table("ClassRun", name, runs(points))
    table("ClassRun", "kCaseIgnorable", runs([c for c in case_ignorable() if c > 0x7F]))
    special = []
    for case, (name, convert) in enumerate((("kToLower", str.lower), ("kToUpper", str.upper),
                                            ("kToTitle", str.title))):
        deltas = {}
        for c in ALL:
            out = convert(c)
            same = c.upper() if convert is str.title and len(c.upper()) == 1 else c
            if ord(c) <= 0x7F or out == same:
                continue
            if len(out) == 1:
                deltas.setdefault(ord(out) - ord(c), []).append(ord(c))
            else:
                special.append((ord(c), case, (*map(ord, out), *[0] * (3 - len(out)))))
        rows = [(f, n, s, d) for d, points in deltas.items() for f, n, s in runs(points)]
        table("CaseRun", name, sorted(rows))
    table("SpecialCase", "kSpecialCases", sorted(special))
    lines.append("}  // namespace clamma")
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


main()
