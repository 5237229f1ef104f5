// SPDX-License-Identifier: MIT
// Renders templates, with contexts given as JSON.
#ifndef CLAMMA_TESTS_CHAT_CHAT_TEMPLATE_FIXTURE_H_
#define CLAMMA_TESTS_CHAT_CHAT_TEMPLATE_FIXTURE_H_

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "chat/chat_template.h"
#include "chat/json.h"

namespace clamma_test {

struct Rendered {
  clamma::Status status;
  std::string text;
  std::string caller;  // '#' where a byte is the caller's, '.' where it is the template's
  bool was_raised;
};

inline Rendered RenderWith(const clamma::RenderOptions& options, std::string_view source,
                           std::string_view context = "{}") {
  clamma::Memory memory;
  Rendered result{};
  {
    clamma::Bump bump(memory, size_t{64} << 20);
    clamma::Value root;
    clamma::ChatTemplate chat_template;
    clamma::RenderedText out;
    result.status = ParseJson(bump, context, clamma::Origin::kCaller, &root);
    if (result.status.ok()) result.status = chat_template.Parse(memory, source);
    if (result.status.ok()) {
      result.status = chat_template.Render(memory, root, options, &out);
      result.was_raised = out.was_raised;
    }
    result.text.assign(out.text.data(), out.text.size());
    result.caller.assign(out.text.size(), '.');
    for (size_t i = 0; i < out.caller.size(); ++i) {
      for (size_t k = out.caller[i].begin; k < out.caller[i].end; ++k) result.caller[k] = '#';
    }
  }
  EXPECT_EQ(0u, memory.bytes_in_use()) << source;
  return result;
}

inline Rendered Render(std::string_view source, std::string_view context = "{}") {
  return RenderWith({}, source, context);
}

inline std::string TextOf(std::string_view source, std::string_view context = "{}") {
  const Rendered result = Render(source, context);
  EXPECT_TRUE(result.status.ok()) << source << '\n' << result.status.message();
  return result.text;
}

inline std::string MessageOf(std::string_view source, std::string_view context = "{}") {
  const Rendered result = Render(source, context);
  EXPECT_FALSE(result.status.ok()) << source << '\n' << result.text;
  return result.status.message();
}

}  // namespace clamma_test

#endif  // CLAMMA_TESTS_CHAT_CHAT_TEMPLATE_FIXTURE_H_
