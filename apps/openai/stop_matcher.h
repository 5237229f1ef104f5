// SPDX-License-Identifier: MIT
// Finds stop strings in a text that arrives in pieces.
#ifndef CLAMMA_APPS_OPENAI_STOP_MATCHER_H_
#define CLAMMA_APPS_OPENAI_STOP_MATCHER_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace openai {

class StopMatcher {
 public:
  // `stops` must outlive this; none is empty.
  explicit StopMatcher(const std::vector<std::string>& stops);

  // Adds a piece, and appends what certainly belongs to no stop string to `out`. Returns true if
  // the text has reached a stop string: then the rest is dropped, and no piece may follow. Of
  // several, the one that is complete first counts; of those, the longest.
  bool Add(std::string_view piece, std::string* out);

  // The text has ended: appends what was held back.
  void Finish(std::string* out);

 private:
  const std::vector<std::string>& stops_;
  size_t longest_ = 0;  // in bytes
  std::string held_;
};

}  // namespace openai

#endif  // CLAMMA_APPS_OPENAI_STOP_MATCHER_H_
