# SPDX-License-Identifier: MIT
"""The screen of a terminal: what a program's output makes a user see."""
import re
import unicodedata

SEQUENCE = re.compile(r"\x1b\[([\d;?]*)([@-~])")


class Row:
    def __init__(self, cells=(), goes_on=False):
        self.cells = list(cells)  # one character each; "" after a character that is two columns wide
        self.goes_on = goes_on    # the terminal wrapped the line: it continues in the next row

    def text(self):
        return "".join(self.cells).rstrip()


class Screen:
    """A terminal that wraps long lines, scrolls, and understands the sequences that the programs use.

    `breaks_anew`: when its size changes, it wraps its lines again, and those that have scrolled off
    come back if there is room, as most terminals do; otherwise it cuts its rows off. `answers` receives
    its reports of the cursor's position.
    """

    def __init__(self, rows, columns, breaks_anew=False):
        self.rows, self.columns, self.breaks_anew = rows, columns, breaks_anew
        self.gone = []  # rows that have scrolled off the top
        self.lines = [Row() for _ in range(rows)]
        self.row = self.column = self.moves_up = 0
        self.rest = ""  # the beginning of a sequence
        self.answers = []

    def all_rows(self):
        return [row.text() for row in self.gone + self.lines]

    def line_feed(self):
        if self.row < self.rows - 1:
            self.row += 1
        else:
            self.gone.append(self.lines.pop(0))
            self.lines.append(Row())

    def put(self, character):
        width = 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if self.column + width > self.columns:
            self.lines[self.row].goes_on = True
            self.column = 0
            self.line_feed()
        cells = self.lines[self.row].cells
        cells.extend(" " * (self.column - len(cells)))
        cells[self.column:self.column + width] = [character] + [""] * (width - 1)
        self.column += width

    def obey(self, parameters, what):
        if what in "mhl":  # colours and modes
            return
        number = int(parameters.split(";")[0] or 0) if "?" not in parameters else 0
        cells = self.lines[self.row].cells
        # After a character in the last column, the cursor stays there until the next character.
        self.column = min(self.column, self.columns - 1)
        if what == "A":
            self.row = max(0, self.row - max(number, 1))
            self.moves_up += 1
        elif what == "B":
            self.row = min(self.rows - 1, self.row + max(number, 1))
        elif what == "C":
            self.column = min(self.columns - 1, self.column + max(number, 1))
        elif what == "D":
            self.column = max(0, self.column - max(number, 1))
        elif what == "G":
            self.column = min(self.columns, max(number, 1)) - 1
        elif what in "JK" and number == 0:
            del cells[self.column:]
            self.lines[self.row].goes_on = False
            if what == "J":
                self.lines[self.row + 1:] = [Row() for _ in range(self.rows - self.row - 1)]
        elif what == "P":
            del cells[self.column:self.column + max(number, 1)]
        elif what == "@":
            cells[self.column:self.column] = [" "] * max(number, 1)
            del cells[self.columns:]
        elif what == "n" and number == 6:
            self.answers.append(f"\x1b[{self.row + 1};{self.column + 1}R".encode())
        else:
            raise ValueError(f"a sequence that this terminal does not know: {parameters}{what}")

    def show(self, data):
        text = self.rest + data
        self.rest = ""
        at = 0
        while at < len(text):
            character = text[at]
            sequence = SEQUENCE.match(text, at)
            if sequence:
                self.obey(*sequence.groups())
                at = sequence.end()
                continue
            if character == "\x1b":
                if len(text) - at > 20:
                    raise ValueError(f"a sequence that this terminal does not know: {text[at:]!r}")
                self.rest = text[at:]  # more of it will follow
                return
            if character == "\r":
                self.column = 0
            elif character == "\n":
                self.line_feed()
            elif character == "\b":
                self.column = max(0, min(self.column, self.columns - 1) - 1)
            elif character == "\t":
                self.column = min(self.columns - 1, (self.column // 8 + 1) * 8)
            elif character >= " ":
                self.put(character)
            elif character != "\a":
                raise ValueError(f"a character that this terminal does not know: {character!r}")
            at += 1

    def resize(self, rows, columns):
        if self.breaks_anew:
            self.break_anew(rows, columns)
        else:
            for row in self.lines:
                del row.cells[columns:]
            self.column = min(self.column, columns - 1)
        while self.row >= rows:
            self.gone.append(self.lines.pop(0))
            self.row -= 1
        del self.lines[rows:]
        self.lines += [Row() for _ in range(rows - len(self.lines))]
        self.rows, self.columns = rows, columns

    def break_anew(self, rows, columns):
        old = self.gone + self.lines
        cursor = len(self.gone) + self.row
        while len(old) > cursor + 1 and not old[-1].cells:
            old.pop()
        new, cells, place = [], [], None  # place: that of the cursor in the line being joined
        for index, row in enumerate(old):
            if index == cursor:
                place = len(cells) + self.column
            cells += row.cells
            if row.goes_on and index + 1 < len(old):
                continue
            pieces = [cells[i:i + columns] for i in range(0, len(cells), columns)] or [[]]
            if place is not None:
                while place >= columns * len(pieces):
                    pieces.append([])
                self.row, self.column = len(new) + place // columns, place % columns
            new += [Row(piece, i + 1 < len(pieces)) for i, piece in enumerate(pieces)]
            cells, place = [], None
        top = max(0, len(new) - rows)
        top = min(top, self.row)
        self.gone, self.lines = new[:top], new[top:]
        self.row -= top
