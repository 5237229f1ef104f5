# SPDX-License-Identifier: MIT
"""Texts that a schema, a grammar or a regular expression constrains."""

import json
import re
import unittest

import clamma
from support import ModelTest, shared_stories

try:
    import pydantic
except ImportError:
    pydantic = None

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"enum": ["Lily", "Tom"]},
        "age": {"type": "integer", "minimum": 1, "maximum": 9},
        "likes": {"type": "array", "items": {"enum": ["dogs", "cats"]}, "maxItems": 2},
    },
    "required": ["name", "age", "likes"],
    "additionalProperties": False,
}


class ConstraintTest(ModelTest):
    def setUp(self):
        super().setUp()
        self.model = shared_stories()

    def test_a_schema_as_dict_or_text_gives_valid_data(self):
        for schema in (SCHEMA, json.dumps(SCHEMA)):
            for seed in range(1, 6):
                text = self.model.generate("Lily is a girl. ", schema=schema, seed=seed)
                value = text.value
                self.assertEqual(text.finish_reason, "end_of_text", text)
                self.assertEqual(list(value), ["name", "age", "likes"])
                self.assertIn(value["name"], ["Lily", "Tom"])
                self.assertIn(value["age"], range(1, 10))
                self.assertLessEqual(len(value["likes"]), 2)

    @unittest.skipIf(pydantic is None, "pydantic is missing")
    def test_a_pydantic_model_gives_an_instance(self):
        class Pet(pydantic.BaseModel):
            kind: str = pydantic.Field(pattern="^(dog|cat)$")
            age: int = pydantic.Field(ge=0, le=20)

        class Child(pydantic.BaseModel):
            name: str = pydantic.Field(pattern="^(Lily|Tom)$")
            pets: list[Pet] = pydantic.Field(max_length=2)

        child = self.model.generate("Lily is a girl. ", schema=Child, seed=2).value
        self.assertIsInstance(child, Child)
        self.assertTrue(all(pet.kind in ("dog", "cat") for pet in child.pets), child)

    def test_a_text_that_reached_its_limit_has_no_value(self):
        text = self.model.generate("Lily", schema=SCHEMA, limit=3, seed=1)
        self.assertEqual(text.finish_reason, "limit")
        with self.assertRaisesRegex(ValueError, "not complete JSON.*limit"):
            text.value

    def test_a_regular_expression_matches_the_whole_text(self):
        for seed in range(1, 6):
            text = self.model.generate("Call ", regex="[0-9]{3}-[0-9]{4}", seed=seed)
            self.assertRegex(text, re.compile(r"\A[0-9]{3}-[0-9]{4}\Z"))

    def test_a_grammar_matches_the_text(self):
        text = self.model.generate("Is it? ", grammar='root ::= "yes" | "no"', temperature=0)
        self.assertIn(text, ("yes", "no"))

    def test_a_trigger_leaves_the_text_before_it_free(self):
        text = self.model.generate(
            "Once upon a time", grammar='root ::= " Bob!"', trigger="named", temperature=0
        )
        self.assertEqual(text, ", there was a little girl named Bob!")

    def test_unsupported_constraints_are_refused_or_left_out(self):
        schema = {"type": "array", "items": {"type": "integer"}, "contains": {"const": 3}}
        strict = None
        try:
            self.model.check_constraint(schema=schema)
        except clamma.Error as error:
            strict = str(error)
        if strict is not None:
            self.assertIn("/contains", strict)
            self.assertEqual(
                self.model.check_constraint(schema=schema, schema_loose=True), ["/contains"]
            )
        self.assertEqual(self.model.check_constraint(schema=SCHEMA), [])


if __name__ == "__main__":
    unittest.main()
