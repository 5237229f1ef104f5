# SPDX-License-Identifier: MIT
"""Realistic JSON schemas with an instance of each, made from a seed, for bench/grammars.py."""
import random
import string

NAMES = ("id name title description email phone street city zip country price currency quantity "
         "status type kind created_at updated_at tags items url image width height weight color "
         "first_name last_name age gender score rating comment author category language version "
         "enabled is_default priority owner members role permissions address latitude longitude "
         "start_date end_date duration total tax discount notes metadata source target path "
         "method headers body query filters sort limit offset summary steps reasons").split()
WORDS = ("the a new large old order customer shipped blue small invoice street park north test "
         "data value user account payment monthly report of in with and for").split()
PATTERNS = (("^[A-Z]{3}-[0-9]{4}$", lambda r: f"{letters(r, 3)}-{digits(r, 4)}"),
            ("^[a-z][a-z0-9_]{2,15}$", lambda r: r.choice(WORDS) + "_" + digits(r, 3)),
            ("^#[0-9a-f]{6}$", lambda r: "#" + "".join(r.choice("0123456789abcdef") for _ in range(6))),
            ("^\\+?[0-9]{6,14}$", lambda r: "+" + digits(r, 10)))
FORMATS = {
    "date": lambda r: f"20{digits(r, 2)}-0{r.randint(1, 9)}-1{r.randint(0, 9)}",
    "date-time": lambda r: f"20{digits(r, 2)}-0{r.randint(1, 9)}-1{r.randint(0, 9)}"
                           f"T1{r.randint(0, 9)}:{r.randint(10, 59)}:{r.randint(10, 59)}Z",
    "time": lambda r: f"1{r.randint(0, 9)}:{r.randint(10, 59)}:{r.randint(10, 59)}Z",
    "email": lambda r: f"{r.choice(WORDS)}.{r.choice(WORDS)}@{r.choice(WORDS)}.com",
    "hostname": lambda r: f"{r.choice(WORDS)}.{r.choice(WORDS)}.org",
    "ipv4": lambda r: ".".join(str(r.randint(1, 254)) for _ in range(4)),
    "uuid": lambda r: "-".join("".join(r.choice("0123456789abcdef") for _ in range(n))
                               for n in (8, 4, 4, 4, 12)),
    "uri": lambda r: f"https://{r.choice(WORDS)}.com/{r.choice(WORDS)}/{digits(r, 3)}",
}


def letters(rng, count):
    return "".join(rng.choice(string.ascii_uppercase) for _ in range(count))


def digits(rng, count):
    return "".join(rng.choice(string.digits[1:]) for _ in range(count))


def prose(rng, count):
    text = " ".join(rng.choice(WORDS) for _ in range(count))
    return text + rng.choice(["", ".", "!", " \u00e9t\u00e9", ' "quoted"', "\n"])


class Maker:
    """Makes one schema."""

    def __init__(self, rng):
        self.rng = rng
        self.definitions = {}  # name: (schema, maker of instances)

    def make(self):
        for name in self.rng.sample(["Address", "Money", "Person", "Range"], self.rng.randint(0, 2)):
            self.definitions[name] = self.object(2, self.rng.randint(2, 5))
        schema, instance = self.object(0, self.rng.randint(3, 30))
        schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
        if self.definitions:
            schema["$defs"] = {name: made[0] for name, made in self.definitions.items()}
        return schema, instance()

    def object(self, depth, count):
        rng = self.rng
        names = rng.sample(NAMES, count)
        made = {name: self.value(depth + 1) for name in names}
        required = [name for name in names if rng.random() < 0.7]
        schema = {"type": "object", "properties": {name: part for name, (part, _) in made.items()}}
        if rng.random() < 0.9:
            schema["required"] = required
        else:
            required = []
        if rng.random() < 0.8:
            schema["additionalProperties"] = False

        def instance():
            present = [n for n in names if n in required or rng.random() < 0.6]
            return {name: made[name][1]() for name in present}

        return schema, instance

    def value(self, depth):
        rng = self.rng
        kinds = [self.text] * 3 + [self.number] * 2 + [self.choice, self.formatted, self.truth]
        if depth < 4:
            kinds += [self.array, self.nullable, self.nested]
        if self.definitions and depth < 4:
            kinds += [self.reference] * 2
        schema, instance = rng.choice(kinds)(depth)
        if rng.random() < 0.4 and "$ref" not in schema:
            schema = {**schema, "description": prose(rng, 4)}
        return schema, instance

    def text(self, _depth):
        rng = self.rng
        kind = rng.randrange(4)
        if kind == 0:
            pattern, instance = rng.choice(PATTERNS)
            return {"type": "string", "pattern": pattern}, lambda: instance(rng)
        if kind == 1:
            return {"type": "string", "minLength": 1, "maxLength": rng.choice([20, 100, 255])
                    }, lambda: rng.choice(WORDS)
        return {"type": "string"}, lambda: prose(rng, rng.randint(1, 12))

    def number(self, _depth):
        rng = self.rng
        if rng.random() < 0.3:
            return {"type": "number"}, lambda: round(rng.uniform(-1000, 1000), 2)
        low = rng.choice([0, 1, -100])
        high = low + rng.choice([9, 100, 1000, 65535])
        schema = {"type": "integer"}
        if rng.random() < 0.6:
            schema.update(minimum=low, maximum=high)
        return schema, lambda: rng.randint(low, high)

    def choice(self, _depth):
        values = self.rng.sample(WORDS, self.rng.randint(2, 8))
        return {"enum": values}, lambda: self.rng.choice(values)

    def formatted(self, _depth):
        name = self.rng.choice(sorted(FORMATS))
        return {"type": "string", "format": name}, lambda: FORMATS[name](self.rng)

    def truth(self, _depth):
        return {"type": "boolean"}, lambda: self.rng.random() < 0.5

    def array(self, depth):
        rng = self.rng
        item, instance = self.value(depth + 1)
        schema = {"type": "array", "items": item}
        low = rng.choice([0, 0, 1])
        high = low + rng.randint(1, 6)
        if rng.random() < 0.5:
            schema.update(minItems=low, maxItems=high)
        return schema, lambda: [instance() for _ in range(rng.randint(low, high))]

    def nullable(self, depth):
        part, instance = self.value(depth + 1)
        rng = self.rng
        return {"anyOf": [part, {"type": "null"}]}, lambda: instance() if rng.random() < 0.7 else None

    def nested(self, depth):
        return self.object(depth, self.rng.randint(3, 8))

    def reference(self, _depth):
        name = self.rng.choice(sorted(self.definitions))
        return {"$ref": f"#/$defs/{name}"}, lambda: self.definitions[name][1]()


def make(count, seed):
    """A list of (schema, instance)."""
    return [Maker(random.Random(seed * 1_000_003 + i)).make() for i in range(count)]
