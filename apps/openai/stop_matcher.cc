// SPDX-License-Identifier: MIT
#include "openai/stop_matcher.h"

#include <algorithm>

namespace openai {
namespace {

// Returns the length of the longest end of `text` that begins one of `stops`, but is shorter.
size_t UnfinishedEnd(std::string_view text, const std::vector<std::string>& stops) {
  size_t longest = 0;
  for (const std::string_view stop : stops) {
    for (size_t n = std::min(stop.size() - 1, text.size()); n > longest; --n) {
      if (text.ends_with(stop.substr(0, n))) longest = n;
    }
  }
  return longest;
}

}  // namespace

StopMatcher::StopMatcher(const std::vector<std::string>& stops) : stops_(stops) {
  for (const std::string& stop : stops) longest_ = std::max(longest_, stop.size());
}

bool StopMatcher::Add(std::string_view piece, std::string* out) {
  if (longest_ == 0) {
    *out += piece;
    return false;
  }
  held_ += piece;
  size_t first_end = std::string::npos;
  size_t begin = 0;
  for (const std::string& stop : stops_) {
    const size_t found = held_.find(stop);
    if (found == std::string::npos) continue;
    const size_t end = found + stop.size();
    if (end < first_end || (end == first_end && found < begin)) {
      first_end = end;
      begin = found;
    }
  }
  if (first_end != std::string::npos) {
    out->append(held_, 0, begin);
    held_.clear();
    return true;
  }
  const size_t kept = UnfinishedEnd(held_, stops_);
  out->append(held_, 0, held_.size() - kept);
  held_.erase(0, held_.size() - kept);
  return false;
}

void StopMatcher::Finish(std::string* out) {
  *out += held_;
  held_.clear();
}

}  // namespace openai
