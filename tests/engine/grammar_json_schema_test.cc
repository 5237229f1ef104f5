// SPDX-License-Identifier: MIT
// JSON schemas as grammars: the form of the texts, and each refusal. json_schema_test.py compares
// with Python's jsonschema.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/grammar/json_schema.h"
#include "grammar_fixture.h"

namespace clamma_test {
namespace {

class GrammarJsonSchema : public testing::Test {
 protected:
  // Compiles a schema. Returns the reason of a refusal; "": there is none.
  std::string Compile(const std::string& schema, unsigned indent = 0, bool is_strict = true) {
    clamma::Grammar grammar(memory_);
    clamma::RuleId root = 0;
    clamma::DroppedConstraints dropped;
    const clamma::Status status = CompileJsonSchema(
        memory_, schema, {.is_strict = is_strict, .indent = indent}, &grammar, &root, &dropped);
    dropped_ = std::string(dropped.paths.data(), dropped.n_bytes);
    n_dropped_ = dropped.count;
    if (!status.ok()) return status.message();
    grammar.SetRoot(root);
    return matcher_.Compile(grammar);
  }
  // The texts that the schema accepts.
  std::vector<std::string> Accepted(const std::string& schema,
                                    const std::vector<std::string>& texts, unsigned indent = 0) {
    EXPECT_EQ(Compile(schema, indent), "") << schema;
    std::vector<std::string> accepted;
    for (const std::string& text : texts) {
      if (matcher_.Accepts(text)) accepted.push_back(text);
    }
    return accepted;
  }

  clamma::Memory memory_;
  Matcher matcher_;
  std::string dropped_;
  uint32_t n_dropped_ = 0;
};

using Texts = std::vector<std::string>;

TEST_F(GrammarJsonSchema, PropertiesComeInTheSchemasOrder) {
  EXPECT_EQ(Accepted(R"({"type": "object", "properties": {"b": {"type": "null"}, "a": {"type":
                        "boolean"}}, "required": ["a"], "additionalProperties": false})",
                     {R"({"b":null,"a":true})", R"({"a":false})", R"({"a":true,"b":null})",
                      R"({"b":null})", R"({})", R"({"b": null,"a":true})", R"({"a":true,"c":1})",
                      R"({"a":true,"a":true})"}),
            (Texts{R"({"b":null,"a":true})", R"({"a":false})"}));
}

TEST_F(GrammarJsonSchema, FreePropertiesComeLastWithAscendingFirstCharacters) {
  EXPECT_EQ(Accepted(R"({"type": "object", "properties": {"na": {"type": "null"}}})",
                     {R"({"na":null,"a":1,"b":[{"x":2}]})", R"({"n":1})", R"({"nab":1})",
                      R"({"":0})", R"({"é":1})", R"({"a":1,"na":null})", R"({"a":1,"ab":2})",
                      R"({"na":1})", R"({"n\u0061":1})", R"({"b":1,"a":2})", R"({"a":1,"a":1})"}),
            (Texts{R"({"na":null,"a":1,"b":[{"x":2}]})", R"({"n":1})", R"({"nab":1})", R"({"":0})",
                   R"({"é":1})"}));
}

TEST_F(GrammarJsonSchema, IndentsEachLevelOnABreak) {
  const std::string schema =
      R"({"type": "object", "properties": {"a": {"type": "array"}, "e": {"const": {"x": [1, {}]}}},
          "additionalProperties": false})";
  EXPECT_EQ(Accepted(schema,
                     {"{\n  \"a\": [\n    1,\n    []\n  ],\n  \"e\": {\n    \"x\": [\n      1,\n"
                      "      {}\n    ]\n  }\n}",
                      "{}", "{\n  \"a\": []\n}", "{ }", "{\"a\": []}", "{\n \"a\": []\n}"},
                     2),
            (Texts{"{\n  \"a\": [\n    1,\n    []\n  ],\n  \"e\": {\n    \"x\": [\n      1,\n"
                   "      {}\n    ]\n  }\n}",
                   "{}", "{\n  \"a\": []\n}"}));
  // Recursion ends where the levels do.
  EXPECT_EQ(Compile(R"({"type": "array", "items": {"$ref": "#"}})", 4), "");
  EXPECT_TRUE(matcher_.Accepts("[\n    []\n]"));
  EXPECT_EQ(Compile("{}", 17),
            "JSON schema: an indentation of 17 columns is asked for: the limit "
            "is 16");
}

TEST_F(GrammarJsonSchema, WritesEnumAndConstWithTheShortestEscapes) {
  EXPECT_EQ(Accepted(R"({"enum": ["\u00e9\n\u001f\/\"", 1.0, 1e-7, {"b": 1, "a": [null]}, true]})",
                     {"\"\xc3\xa9\\n\\u001f/\\\"\"", "1", "1e-07", R"({"b":1,"a":[null]})", "true",
                      "1.0", R"({"a":[null],"b":1})", "\"\\u00e9\\n\\u001f/\\\"\""}),
            (Texts{"\"\xc3\xa9\\n\\u001f/\\\"\"", "1", "1e-07", R"({"b":1,"a":[null]})", "true"}));
  // Other keywords filter the values.
  EXPECT_EQ(Accepted(R"({"enum": [1, "a", true, 5], "type": ["integer", "string"], "minimum": 2})",
                     {"1", "\"a\"", "true", "5"}),
            (Texts{"\"a\"", "5"}));
}

TEST_F(GrammarJsonSchema, IntegersObeyBoundsAndDivisors) {
  const Texts numbers = {"-40", "-35", "-30", "-7", "-1",  "0",   "-0", "1",   "7",
                         "30",  "35",  "40",  "99", "100", "101", "05", "7.0", "1000"};
  EXPECT_EQ(Accepted(R"({"type": "integer", "minimum": -35, "exclusiveMaximum": 100})", numbers),
            (Texts{"-35", "-30", "-7", "-1", "0", "1", "7", "30", "35", "40", "99"}));
  EXPECT_EQ(Accepted(R"({"type": "integer", "multipleOf": 35})", numbers),
            (Texts{"-35", "0", "35"}));
  EXPECT_EQ(Accepted(R"({"type": "number", "multipleOf": 10, "minimum": 31})", numbers),
            (Texts{"40", "100", "1000"}));
  EXPECT_EQ(Accepted(R"({"type": "integer", "minimum": 0.5, "maximum": 7.5})", numbers),
            (Texts{"1", "7"}));
}

TEST_F(GrammarJsonSchema, NumbersObeyBounds) {
  EXPECT_EQ(Accepted(R"({"type": "number", "minimum": -1.5, "exclusiveMaximum": 12.25})",
                     {"-1.5", "-1.50", "-1.51", "-2", "-0.0", "0", "12.2499", "12.25", "12.250",
                      "12", "13", "100", "1e1", "00.5", "1."}),
            (Texts{"-1.5", "-1.50", "-0.0", "0", "12.2499", "12"}));
  EXPECT_EQ(Accepted(R"({"type": "number", "exclusiveMinimum": 0})",
                     {"0", "0.0", "0.001", "-1", "123456789012345678901234567890.5"}),
            (Texts{"0.001", "123456789012345678901234567890.5"}));
  EXPECT_EQ(Accepted(R"({"type": "number"})", {"-12.5e+3", "0.1", "-0", "1E5", "01", "+1", ".5"}),
            (Texts{"-12.5e+3", "0.1", "-0", "1E5"}));
}

TEST_F(GrammarJsonSchema, StringsObeyLengthPatternAndFormatTogether) {
  EXPECT_EQ(
      Accepted(R"({"type": "string", "minLength": 2, "maxLength": 3})",
               {"\"a\"", "\"ab\"", "\"\\n\\\"\xf0\x9f\x98\x80\"", "\"abcd\"", "\"a\\u0062\""}),
      (Texts{"\"ab\"", "\"\\n\\\"\xf0\x9f\x98\x80\""}));
  EXPECT_EQ(Accepted(R"({"type": "string", "pattern": "b+\"?$", "maxLength": 4})",
                     {"\"b\"", "\"abbb\"", "\"ab\\\"\"", "\"aabbb\"", "\"a\""}),
            (Texts{"\"b\"", "\"abbb\"", "\"ab\\\"\""}));
  EXPECT_EQ(Accepted(R"({"type": "string", "format": "date", "pattern": "^2024"})",
                     {"\"2024-02-29\"", "\"2023-02-28\"", "\"2024-02-30\""}),
            (Texts{"\"2024-02-29\""}));
  EXPECT_EQ(Accepted(R"({"type": "string", "format": "date"})",
                     {"\"2000-02-29\"", "\"1900-02-29\"", "\"0000-01-01\"", "\"2024-04-31\"",
                      "\"9999-12-31\""}),
            (Texts{"\"2000-02-29\"", "\"9999-12-31\""}));
  EXPECT_EQ(Accepted(R"({"type": "string", "format": "of-our-own"})", {"\"any\""}),
            (Texts{"\"any\""}));
}

TEST_F(GrammarJsonSchema, ArraysObeyPrefixItemsAndCounts) {
  EXPECT_EQ(Accepted(R"({"type": "array", "prefixItems": [{"type": "null"}, {"type": "boolean"}],
                        "items": {"const": 1}, "minItems": 1, "maxItems": 4})",
                     {"[]", "[null]", "[null,true]", "[null,true,1,1]", "[null,true,1,1,1]",
                      "[true]", "[null,1]"}),
            (Texts{"[null]", "[null,true]", "[null,true,1,1]"}));
  EXPECT_EQ(Accepted(R"({"type": "array", "prefixItems": [{"const": 0}], "items": false})",
                     {"[]", "[0]", "[0,0]"}),
            (Texts{"[]", "[0]"}));
}

TEST_F(GrammarJsonSchema, CountsProperties) {
  EXPECT_EQ(Accepted(R"({"type": "object", "properties": {"a": {"const": 1}, "b": {"const": 1}},
                        "additionalProperties": {"const": 2}, "minProperties": 2,
                        "maxProperties": 3})",
                     {"{}", R"({"a":1})", R"({"a":1,"b":1})", R"({"b":1,"x":2})",
                      R"({"x":2,"y":2,"z":2})", R"({"a":1,"b":1,"x":2,"y":2})"}),
            (Texts{R"({"a":1,"b":1})", R"({"b":1,"x":2})", R"({"x":2,"y":2,"z":2})"}));
}

TEST_F(GrammarJsonSchema, PatternPropertiesApplyToAllKeysInWhichTheyAreFound) {
  EXPECT_EQ(Accepted(R"({"type": "object", "properties": {"ax": {"maximum": 5}},
                        "patternProperties": {"^a": {"type": "integer"}, "x": {"minimum": 3}},
                        "additionalProperties": false})",
                     {R"({"ax":4})", R"({"ax":6})", R"({"ax":2})", R"({"a":1,"bx":null})",
                      R"({"abx":1})", R"({"abx":3})", R"({"b":1})"}),
            (Texts{R"({"ax":4})", R"({"a":1,"bx":null})", R"({"abx":3})"}));
}

TEST_F(GrammarJsonSchema, MergesAllOfAndMultipliesAnyOf) {
  EXPECT_EQ(Accepted(R"({"allOf": [{"type": ["integer", "null"], "minimum": 2}, {"maximum": 4}],
                        "anyOf": [{"multipleOf": 3}, {"type": "null"}]})",
                     {"2", "3", "4", "6", "null", "\"a\""}),
            (Texts{"3", "null"}));
}

TEST_F(GrammarJsonSchema, BranchesOfOneOfMustExcludeEachOther) {
  EXPECT_EQ(Accepted(R"({"oneOf": [{"properties": {"kind": {"const": "a"}}, "required": ["kind"]},
                        {"properties": {"kind": {"const": "b"}, "n": {"type": "integer"}},
                        "required": ["kind", "n"]}], "type": "object"})",
                     {R"({"kind":"a"})", R"({"kind":"b"})", R"({"kind":"b","n":1})"}),
            (Texts{R"({"kind":"a"})", R"({"kind":"b","n":1})"}));
  EXPECT_EQ(Accepted(R"({"oneOf": [{"type": "integer", "maximum": 3},
                        {"type": "integer", "exclusiveMinimum": 3}]})",
                     {"3", "4"}),
            (Texts{"3", "4"}));
  EXPECT_EQ(Compile(R"({"items": {"oneOf": [{"type": "integer"}, {"minimum": 2}]}})"),
            "JSON schema, at /items/oneOf: two of its branches do not provably exclude each other");
  EXPECT_EQ(Compile(R"({"oneOf": [{"type": "integer"}, {"const": 5}]})"),
            "JSON schema, at /oneOf: two of its branches do not provably exclude each other");
}

TEST_F(GrammarJsonSchema, FollowsReferencesWithinTheDocument) {
  EXPECT_EQ(Accepted(R"({"$ref": "#/$defs/a~1b%25", "$defs": {"a/b%": {"type": "object",
                        "properties": {"next": {"$ref": "#/$defs/a~1b%25"}},
                        "additionalProperties": false}}})",
                     {"{}", R"({"next":{"next":{}}})", R"({"next":1})"}),
            (Texts{"{}", R"({"next":{"next":{}}})"}));
  EXPECT_EQ(Accepted(R"({"$id": "http://h/x/root", "$ref": "b#here", "$defs": {"q": {"$id": "b",
                        "$defs": {"r": {"$anchor": "here", "const": 1}}}}})",
                     {"1", "2"}),
            (Texts{"1"}));
  EXPECT_EQ(Compile(R"({"properties": {"a": {"$ref": "http://elsewhere/"}}})"),
            "JSON schema, at /properties/a/$ref: it refers to nothing in this document; none is "
            "fetched");
  EXPECT_EQ(Compile(R"({"anyOf": [{"type": "null"}, {"$ref": "#"}]})"),
            "JSON schema, the root: the schema refers to itself before a value is entered");
}

TEST_F(GrammarJsonSchema, RefusesWhatItDoesNotSupportByPath) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"({"properties": {"a/b~": {"type": "array", "uniqueItems": true}}})",
       "JSON schema, at /properties/a~1b~0/uniqueItems: this constraint is not supported"},
      {R"({"not": {"type": "string"}})", "JSON schema, at /not: this constraint is not supported"},
      {R"({"items": {"type": "string", "format": "regex"}})",
       "JSON schema, at /items/format: this format is not supported"},
      {R"({"type": "number", "multipleOf": 0.01})",
       "JSON schema, at /multipleOf: it is neither an integer up to 2^32 nor a power of 2"},
  };
  for (const auto& [schema, reason] : cases) EXPECT_EQ(Compile(schema), reason);
  // Without a value that could violate it, a constraint is as if it were not there.
  EXPECT_EQ(Compile(R"({"type": "string", "uniqueItems": true})"), "");
  EXPECT_EQ(Compile(R"({"title": "a", "default": 1, "examples": [1], "$comment": "", "deprecated":
                       true, "readOnly": true, "x-own": {"not": 1}})"),
            "");
}

TEST_F(GrammarJsonSchema, DropsAndReportsWhereNotStrict) {
  EXPECT_EQ(Compile(R"({"properties": {"a": {"uniqueItems": true, "maxItems": 2}},
                       "not": {"type": "null"}})",
                    0, false),
            "");
  EXPECT_EQ(dropped_, "/not\n/properties/a/uniqueItems\n");
  EXPECT_EQ(n_dropped_, 2u);
  EXPECT_TRUE(matcher_.Accepts(R"({"a":[1,1]})"));
  EXPECT_FALSE(matcher_.Accepts(R"({"a":[1,1,1]})"));
}

TEST_F(GrammarJsonSchema, RefusesMalformedSchemas) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"[]", "a JSON schema is an object, true or false"},
      {R"({"type": "strin"})",
       "JSON schema, at /type: the name of a type, or an array of them, is expected"},
      {R"({"minimum": "1"})", "JSON schema, at /minimum: a number is expected"},
      {R"({"minimum": 1e999})", "JSON schema, at /minimum: the number is out of range"},
      {R"({"maxLength": -1})",
       "JSON schema, at /maxLength: an integer that is not negative is expected"},
      {R"({"allOf": []})", "JSON schema, at /allOf: an array that is not empty is expected"},
      {R"({"items": [{}]})",
       "JSON schema, at /items: an array of schemas is not supported: use prefixItems"},
      {R"({"properties": {"a": 1}})",
       "JSON schema, at /properties: a schema is an object, true or false"},
      {R"({"multipleOf": 0})", "JSON schema, at /multipleOf: a number above 0 is expected"},
      {R"({"required": [1]})", "JSON schema, at /required: an array of strings is expected"},
  };
  for (const auto& [schema, reason] : cases) EXPECT_EQ(Compile(schema), reason);
}

TEST_F(GrammarJsonSchema, RefusesSchemasThatNoValueObeys) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"false", "JSON schema, the root: no value is valid: it is false"},
      {R"({"enum": []})",
       "JSON schema, the root: no value is valid: none of enum or const obeys the other "
       "constraints"},
      {R"({"type": "integer", "minimum": 3, "maximum": 2})",
       "JSON schema, the root: no value is valid: the minimum is above the maximum"},
      {R"({"type": "object", "required": ["a"], "properties": {"a": {"type": "string",
           "minLength": 2, "maxLength": 1}}})",
       "JSON schema, at /properties/a: no value is valid: a minimum is above its maximum"},
      {R"({"allOf": [{"type": "string"}, {"type": "null"}]})",
       "JSON schema, at /allOf/1/type: no value is valid: types exclude each other"},
      {R"({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]})",
       "JSON schema, the root: no value is valid: each would hold another one without end"},
  };
  for (const auto& [schema, reason] : cases) EXPECT_EQ(Compile(schema), reason);
}

TEST_F(GrammarJsonSchema, LargeSchemasEndAtLimits) {
  // References that double at each of 30 levels.
  std::string bomb = R"({"$ref": "#/$defs/d0", "$defs": {)";
  for (int i = 0; i < 30; ++i) {
    const std::string next = "#/$defs/d" + std::to_string(i + 1);
    bomb += "\"d" + std::to_string(i) + R"(": {"allOf": [{"$ref": ")" + next + R"("}, {"$ref": ")" +
            next + "\"}]},";
  }
  EXPECT_EQ(Compile(bomb + R"("d30": {"type": "null"}}})"),
            "JSON schema: it takes more than 67108864 bytes of memory, the limit");
  std::string product = R"({"allOf": [)";
  for (int i = 0; i < 12; ++i) {
    product += R"({"anyOf": [{"minimum": )" + std::to_string(i) + R"(}, {"maxLength": )" +
               std::to_string(i) + "}]},";
  }
  EXPECT_EQ(Compile(product + "{}]}"),
            "JSON schema: too many alternatives: anyOf and oneOf multiply to more than 512");
  EXPECT_EQ(Compile(R"({"type": "string", "pattern": "a", "minLength": 100000})"),
            "JSON schema: a length is too large beside a pattern or a format");
  EXPECT_EQ(Compile(R"({"type": "string", "maxLength": 200000})"),
            "JSON schema: a length is larger than 131072");
  EXPECT_EQ(Compile(std::string(40, '[')),
            "JSON, byte 32, at \"[[[[[[[[\": lists and objects are nested too deeply");
}

TEST_F(GrammarJsonSchema, LongStringsAndManyItemsAreFollowedToTheEnd) {
  EXPECT_EQ(Compile(R"({"type": "array", "items": {"type": "string", "pattern": "^[a-f]*$",
                       "maxLength": 3000}, "maxItems": 500})"),
            "");
  std::string text = "[\"" + std::string(3000, 'a') + "\"";
  for (int i = 0; i < 499; ++i) text += ",\"f\"";
  EXPECT_TRUE(matcher_.Accepts(text + "]"));
  EXPECT_FALSE(matcher_.Begins(text + ",\""));
  EXPECT_FALSE(matcher_.Begins("[\"" + std::string(3001, 'a')));
}

}  // namespace
}  // namespace clamma_test
