// SPDX-License-Identifier: MIT
#include "prompt_settings.h"

#include <charconv>
#include <chrono>

#include "printable.h"
#include "text_file.h"

namespace server {
namespace {

constexpr size_t kMaxSharedPrefix = size_t{1} << 20;

// Reads `digits` digits, and then a character, if it is not NUL.
bool ReadNumber(std::string_view* text, size_t digits, char behind, unsigned* number) {
  if (text->size() < digits + (behind != 0 ? 1 : 0)) return false;
  const char* const end = text->data() + digits;
  const auto [at, error] = std::from_chars(text->data(), end, *number);
  if (error != std::errc() || at != end || (behind != 0 && *end != behind)) return false;
  text->remove_prefix(digits + (behind != 0 ? 1 : 0));
  return true;
}

bool IsText(std::string_view text) {
  uint32_t code = 0;
  while (!text.empty()) {
    const size_t size = DecodeUtf8(text, &code);
    if (size == 0 || code == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

}  // namespace

bool ReadDate(std::string_view text, int64_t* seconds) {
  unsigned year = 0;
  unsigned month = 0;
  unsigned day = 0;
  unsigned hour = 0;
  unsigned minute = 0;
  if (!ReadNumber(&text, 4, '-', &year) || !ReadNumber(&text, 2, '-', &month) ||
      !ReadNumber(&text, 2, 0, &day)) {
    return false;
  }
  if (!text.empty()) {
    if (text.front() != 'T' && text.front() != ' ') return false;
    text.remove_prefix(1);
    if (!ReadNumber(&text, 2, ':', &hour) || !ReadNumber(&text, 2, 0, &minute)) return false;
  }
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(year)),
                                         std::chrono::month(month), std::chrono::day(day)};
  if (!text.empty() || !date.ok() || year < 1971 || hour > 23 || minute > 59) return false;
  const std::chrono::sys_days days = date;
  *seconds = (int64_t{days.time_since_epoch().count()} * 24 + hour) * 3600 + int64_t{minute} * 60;
  return true;
}

std::string ReadSharedPrefix(const std::string& path, std::string* text) {
  const std::string wrong = ReadTextFile(path, kMaxSharedPrefix, text);
  if (!wrong.empty()) return "--shared-prefix: " + wrong;
  if (text->size() > kMaxSharedPrefix) return "--shared-prefix: " + path + " has more than 1 MB";
  if (text->ends_with('\n')) text->pop_back();
  if (text->ends_with('\r')) text->pop_back();
  if (!IsText(*text) || text->empty()) return "--shared-prefix: " + path + " has no UTF-8 text";
  return "";
}

}  // namespace server
