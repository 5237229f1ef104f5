// SPDX-License-Identifier: MIT
// The language of chat templates. The expected texts are those of Jinja2 3.1.
#include "chat/chat_template.h"

#include <string>
#include <string_view>

#include "chat_template_fixture.h"

namespace {

using clamma_test::MessageOf;
using clamma_test::Render;
using clamma_test::TextOf;

TEST(ChatTemplateTest, WhiteSpaceAroundTags) {
  EXPECT_EQ("a\nb", TextOf("a\n{% if true %}\nb{% endif %}\n"));
  EXPECT_EQ("ab", TextOf("a\n  {%- if true -%}  \n b{% endif %}"));
  EXPECT_EQ("x\n  y", TextOf("x\n  {%+ if true %}\ny{% endif %}"));
  EXPECT_EQ("x\ny", TextOf("x\n   {# comment #}\ny"));
  EXPECT_EQ("x\n   1\ny", TextOf("x\n   {{ 1 }}\ny"));
  EXPECT_EQ("{{ raw }}", TextOf("{% raw %}{{ raw }}{% endraw %}"));
  EXPECT_EQ("a\nb\nc", TextOf("a\r\nb\rc\r\n"));
}

TEST(ChatTemplateTest, LoopsTellWhereTheyAre) {
  EXPECT_EQ("1/3 a;2/3 b;3/3 c.",
            TextOf("{% for x in 'abc' %}{{ loop.index }}/{{ loop.length }} {{ x }}"
                   "{{ '.' if loop.last else ';' }}{% endfor %}"));
  EXPECT_EQ("-a|b a-b|c b-c|-",
            TextOf("{% for x in ['a', 'b', 'c'] %}{{ loop.previtem }}-{{ x }}|{{ loop.nextitem }}"
                   "{{ '-' if loop.last else ' ' }}{% endfor %}"));
  EXPECT_EQ("02", TextOf("{% for x in range(5) if x is even %}{% if x == 4 %}{% break %}{% endif %}"
                         "{{ x }}{% endfor %}"));
  EXPECT_EQ("none", TextOf("{% for x in [] %}x{% else %}none{% endfor %}"));
  EXPECT_EQ("a1b2", TextOf("{% for k, v in {'a': 1, 'b': 2} | items %}{{ k }}{{ v }}{% endfor %}"));
}

TEST(ChatTemplateTest, AssignmentsStayWithinTheirBlock) {
  EXPECT_EQ("1 1 0", TextOf("{% set x = 0 %}{% for i in [1, 2] %}{% set x = x + 1 %}{{ x }} "
                            "{% endfor %}{{ x }}"));
  EXPECT_EQ("2", TextOf("{% set ns = namespace(x=0) %}{% for i in [1, 2] %}"
                        "{% set ns.x = ns.x + 1 %}{% endfor %}{{ ns.x }}"));
  EXPECT_EQ("5", TextOf("{% if true %}{% set x = 5 %}{% endif %}{{ x }}"));
  EXPECT_EQ("B", TextOf("{% set x | upper %}b{% endset %}{{ x }}"));
  EXPECT_EQ("2 1", TextOf("{% set a, b = 1, 2 %}{{ b }} {{ a }}"));
}

TEST(ChatTemplateTest, MacrosTakeArgumentsAndCallers) {
  EXPECT_EQ("1-2 1-3 5-4", TextOf("{% macro f(a, b=2) %}{{ a }}-{{ b }}{% endmacro %}"
                                  "{{ f(1) }} {{ f(1, b=3) }} {{ f(b=4, a=5) }}"));
  EXPECT_EQ("<x!>", TextOf("{% macro f() %}<{{ caller('x') }}>{% endmacro %}"
                           "{% call(v) f() %}{{ v }}!{% endcall %}"));
  EXPECT_EQ("(1, 2) {'k': 3}",
            TextOf("{% macro f() %}{{ varargs }} {{ kwargs }}{% endmacro %}{{ f(1, 2, k=3) }}"));
}

TEST(ChatTemplateTest, OperatorsBindAsPythons) {
  EXPECT_EQ("7 -4 1 2.5 9 True", TextOf("{{ 1 + 2 * 3 }} {{ -7 // 2 }} {{ -7 % 2 }} {{ 5 / 2 }} "
                                        "{{ (-3) ** 2 }} {{ not 1 == 2 }}"));
  EXPECT_EQ("True False", TextOf("{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }}"));
  EXPECT_EQ("a1b", TextOf("{{ 'a' ~ 1 ~ 'b' }}"));
  EXPECT_EQ("y", TextOf("{{ 'x' if false else 'y' if true else 'z' }}"));
  EXPECT_EQ("", TextOf("{{ 'x' if false }}"));
  EXPECT_EQ("ab", TextOf("{{ 'a' 'b' }}"));
}

TEST(ChatTemplateTest, ValuesPrintAsPythons) {
  EXPECT_EQ(
      "True None 1.0 1e+16 1e-05 0.1 inf",
      TextOf("{{ true }} {{ none }} {{ 1.0 }} {{ 1e16 }} {{ 0.00001 }} {{ 0.1 }} {{ 1e999 }}"));
  EXPECT_EQ(R"(['a', "it's", 'q"', 1, None, (1,)] {'k': [True]})",
            TextOf(R"({{ ['a', "it's", 'q"', 1, none, (1,)] }} {{ {'k': [true]} }})"));
  EXPECT_EQ("{\"a\": [1, 2.5, null, \"\\\"é<\\n\"]}",
            TextOf("{{ x | tojson }}", R"({"x": {"a": [1, 2.5, null, "\"é<\n"]}})"));
  EXPECT_EQ("{\n  \"a\": [\n    1\n  ],\n  \"b\": {}\n}",
            TextOf("{{ {'a': [1], 'b': {}} | tojson(indent=2) }}"));
}

TEST(ChatTemplateTest, UndefinedIsEmptyUntilItIsUsed) {
  EXPECT_EQ("[] False 0", TextOf("[{{ x }}] {{ x is defined }} {{ x | length }}"));
  EXPECT_EQ("chat template, line 2, column 5, at \".y }}\": \"x\" is undefined",
            MessageOf("\n{{ x.y }}"));
  EXPECT_EQ(
      "chat template, line 1, column 8, at \"+ 'a' }}\": a value of dict has no attribute "
      "\"k\"",
      MessageOf("{{ d.k + 'a' }}", R"({"d": {}})"));
}

TEST(ChatTemplateTest, NothingCanBeChanged) {
  EXPECT_NE(std::string::npos, MessageOf("{{ [1].append(2) }}").find("must not be used"));
  EXPECT_NE(std::string::npos, MessageOf("{{ x.update(a=1) }}", R"({"x": {}})").find("update"));
  EXPECT_EQ("", TextOf("{{ ''.__class__ }}"));
  EXPECT_NE(std::string::npos, MessageOf("{{ ''.__class__.__mro__ }}").find("__class__"));
}

TEST(ChatTemplateTest, ExceptionsAreTheTemplatesOwnWords) {
  const auto raised = Render("{% if true %}{{ raise_exception('No ' ~ x ~ ' here!') }}{% endif %}",
                             R"({"x": "tool"})");
  EXPECT_STREQ("No tool here!", raised.status.message());
  EXPECT_TRUE(raised.was_raised);
  EXPECT_FALSE(Render("{{ x.y }}").was_raised);
}

TEST(ChatTemplateTest, TheClockIsGiven) {
  clamma::RenderOptions options;
  options.seconds = 951782400;  // 2000-02-29 00:00 UTC
  const std::string_view source = "{{ strftime_now('%d %b %Y %H:%M:%S %A %j %-d %y %B %p') }}";
  EXPECT_EQ("29 Feb 2000 00:00:00 Tuesday 060 29 00 February AM",
            clamma_test::RenderWith(options, source).text);
  options.utc_offset = -1;
  EXPECT_EQ("28 Feb 2000 23:59:59 Monday 059 28 00 February PM",
            clamma_test::RenderWith(options, source).text);
  options.seconds = -1;
  options.utc_offset = 0;
  EXPECT_EQ("31 Dec 1969 23:59:59 Wednesday 365 31 69 December PM",
            clamma_test::RenderWith(options, source).text);
}

TEST(ChatTemplateTest, ErrorsNameThePlaceAndWhatStandsThere) {
  EXPECT_EQ(
      "chat template, line 2, column 4, at \"include 'x' %}\": this statement is not supported "
      "in chat templates",
      MessageOf("a\n{% include 'x' %}"));
  EXPECT_EQ(
      "chat template, line 1, column 8, at \"nosuch }}\": the filter \"nosuch\" is unknown or "
      "not supported",
      MessageOf("{{ 1 | nosuch }}"));
  EXPECT_EQ("chat template, line 1, column 18, at \"\": the template ends inside a block",
            MessageOf("{% if x %}text..."));
  EXPECT_EQ(
      "chat template, line 1, column 19, at \"recursive %}{% endfor %}\": recursive loops are "
      "not supported",
      MessageOf("{% for x in [1,2] recursive %}{% endfor %}"));
  EXPECT_EQ(
      "chat template, line 1, column 4, at \"9223372036854775808 }}\": integers beyond 64 bits "
      "are not supported",
      MessageOf("{{ 9223372036854775808 }}"));
}

}  // namespace
