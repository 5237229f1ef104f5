// SPDX-License-Identifier: MIT
// The work, depth, output, memory and stack of templates are bounded.
#include <limits.h>
#include <pthread.h>

#include <algorithm>
#include <string>

#include "chat_template_fixture.h"

namespace {

using clamma::RenderOptions;
using clamma::StatusCode;
using clamma_test::Render;
using clamma_test::RenderWith;

std::string Repeat(const std::string& text, int n) {
  std::string all;
  for (int i = 0; i < n; ++i) all += text;
  return all;
}

TEST(ChatTemplateLimitsTest, Steps) {
  RenderOptions options;
  options.limits.max_steps = 10000;
  const auto result = RenderWith(
      options, "{% for i in range(1000) %}{% for k in range(1000) %}{% endfor %}{% endfor %}");
  EXPECT_EQ(StatusCode::kLimit, result.status.code()) << result.status.message();
  EXPECT_NE(std::string::npos, std::string(result.status.message()).find("more steps"));
}

TEST(ChatTemplateLimitsTest, WorkOnTextsCounts) {
  RenderOptions options;
  options.limits.max_steps = 100000;
  const auto result = RenderWith(options, "{% set a = 'a' * 100000 %}{{ (a ~ 'b') in (a ~ a) }}");
  EXPECT_EQ(StatusCode::kLimit, result.status.code()) << result.status.message();
}

TEST(ChatTemplateLimitsTest, Output) {
  RenderOptions options;
  options.limits.max_output = 1000;
  EXPECT_EQ(1000u, RenderWith(options, "{{ 'a' * 1000 }}").text.size());
  const auto printed = RenderWith(options, "{% for i in range(501) %}ab{% endfor %}");
  EXPECT_EQ(StatusCode::kLimit, printed.status.code()) << printed.status.message();
  EXPECT_FALSE(RenderWith(options, "{{ 'a' * 1001 }}").status.ok());
  EXPECT_FALSE(RenderWith(options, "{{ ('a' * 600) + ('b' * 600) }}").status.ok());
}

TEST(ChatTemplateLimitsTest, Memory) {
  RenderOptions options;
  options.limits.max_memory = 1 << 20;
  const auto result = RenderWith(options, "{% set l = range(90000) | list %}");
  EXPECT_EQ(StatusCode::kLimit, result.status.code()) << result.status.message();
  EXPECT_NE(std::string::npos, std::string(result.status.message()).find("1048576 bytes"));
}

TEST(ChatTemplateLimitsTest, ALongConversationThatGrowsATextTakesLinearMemory) {
  RenderOptions options;
  options.limits.max_memory = size_t{32} << 20;
  const auto result =
      RenderWith(options,
                 "{% set ns = namespace(t='') %}{% for i in range(20000) %}"
                 "{% set ns.t = ns.t + x + '|' %}{% endfor %}{{ ns.t | length }}",
                 R"({"x": "fifty bytes of a message that goes on and on, and on"})");
  EXPECT_EQ("1060000", result.text) << result.status.message();
}

TEST(ChatTemplateLimitsTest, NumbersAndRanges) {
  EXPECT_FALSE(Render("{{ 9223372036854775807 + 1 }}").status.ok());
  EXPECT_FALSE(Render("{{ -9223372036854775807 - 2 }}").status.ok());
  EXPECT_FALSE(Render("{{ 10 ** 19 }}").status.ok());
  EXPECT_FALSE(Render("{{ range(100001) }}").status.ok());
  EXPECT_FALSE(Render("{{ '%99999d' % 1 }}").status.ok());
  EXPECT_FALSE(Render("{{ 1 // 0 }}").status.ok());
  EXPECT_EQ("0", Render("{{ (-9223372036854775807 - 1) % -1 }}").text);
}

TEST(ChatTemplateLimitsTest, SharedValuesAreNoBomb) {
  // Each list contains the previous one twice: 2^60 elements to compare or print.
  const std::string doubled =
      "{% set ns = namespace(a=[], b=[]) %}{% for i in range(60) %}"
      "{% set ns.a = [ns.a, ns.a] %}{% set ns.b = [ns.b, ns.b] %}{% endfor %}";
  RenderOptions options;
  options.limits.max_steps = 200000;
  for (const char* use : {"{{ ns.a == ns.b }}", "{{ ns.a }}", "{{ ns.a | tojson }}"}) {
    EXPECT_FALSE(RenderWith(options, doubled + use).status.ok()) << use;
  }
  const std::string keys =
      "{% set ns = namespace(a=(1,)) %}{% for i in range(3) %}{% set ns.a = (ns.a,) * 1000 %}"
      "{% endfor %}{{ {1: 2}[ns.a] }}";
  EXPECT_EQ(StatusCode::kLimit, RenderWith(options, keys).status.code());
  const std::string texts =
      "{% set a = 'x' * 1000000 %}{% set b = 'x' * 1000000 %}"
      "{% for i in range(100) %}{{ a == b }}{% endfor %}";
  EXPECT_EQ(StatusCode::kLimit, RenderWith(options, texts).status.code());
}

// Templates of the greatest depth, on a thread with the stack that the library promises to suffice.
struct DeepCase {
  std::string source;
  bool ok;
};

void* RenderDeep(void* opaque) {
  auto* const deep = static_cast<DeepCase*>(opaque);
  clamma::Memory memory;
  clamma::ChatTemplate chat_template;
  clamma::RenderedText out;
  clamma::Bump bump(memory, 1 << 20);
  const clamma::Value root = clamma::Value::Of(clamma::Kind::kDict, NewDict(bump));
  deep->ok = chat_template.Parse(memory, deep->source).ok() &&
             chat_template.Render(memory, root, {}, &out).ok();
  return nullptr;
}

TEST(ChatTemplateLimitsTest, NestingIsRefusedBeforeTheStackEnds) {
  const std::pair<std::string, std::string> nests[] = {{"(", ")"},
                                                       {"[", "]"},
                                                       {"{1: ", "}"},
                                                       {"-(", ")"},
                                                       {"not (", ")"},
                                                       {"(1 + ", ")"},
                                                       {"'a'[", ":]"},
                                                       {"('a' | replace('b', ", " | string))"},
                                                       {"(1 if ", " else 2)"},
                                                       {"f(", ")"},
                                                       {"('%s' % (", ",))"}};
  for (const auto& [open, close] : nests) {
    bool some_ok = false, some_refused = false;
    for (int depth = 1; depth < 200; depth += 13) {
      DeepCase deep{"{% macro f(x) %}{{ x }}{% endmacro %}{{ " + Repeat(open, depth) + "1" +
                        Repeat(close, depth) + " }}",
                    false};
      pthread_attr_t attributes;
      pthread_t thread;
      ASSERT_EQ(0, pthread_attr_init(&attributes));
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
      // On AArch64 the smallest possible stack has more than the promised 64 KB.
      const auto least = static_cast<size_t>(PTHREAD_STACK_MIN);
      ASSERT_EQ(0, pthread_attr_setstacksize(&attributes, std::max<size_t>(65536, least)));
#endif
      ASSERT_EQ(0, pthread_create(&thread, &attributes, RenderDeep, &deep));
      pthread_join(thread, nullptr);
      pthread_attr_destroy(&attributes);
      some_ok = some_ok || deep.ok;
      some_refused = some_refused || !deep.ok;
    }
    EXPECT_TRUE(some_ok || open == "'a'[") << open;
    EXPECT_TRUE(some_refused) << open;
  }
  DeepCase recursion{
      "{% macro f(n) %}{% if n > 0 %}{% for i in [1] %}{{ f(n - 1) }}{% endfor %}{% endif %}"
      "{% endmacro %}{{ f(1000) }}",
      true};
  RenderDeep(&recursion);
  EXPECT_FALSE(recursion.ok);
}

TEST(ChatTemplateLimitsTest, Sources) {
  const std::string large((size_t{1} << 20) + 1, 'x');
  EXPECT_EQ(StatusCode::kLimit, Render(large).status.code());
  EXPECT_NE(std::string::npos,
            std::string(Render(Repeat("{{x}}", 140000)).status.message()).find("too many parts"));
}

}  // namespace
