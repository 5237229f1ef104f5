// SPDX-License-Identifier: MIT
// strftime() of a given time in the C locale.
#include "chat/template/interpreter.h"
#include "platform/text.h"

namespace clamma {
namespace {

constexpr std::string_view kMonths[] = {"January",   "February", "March",    "April",
                                        "May",       "June",     "July",     "August",
                                        "September", "October",  "November", "December"};
constexpr std::string_view kDays[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                      "Thursday", "Friday", "Saturday"};

struct Date {
  int64_t year;
  int month;     // 0 to 11
  int day;       // 1 to 31
  int year_day;  // 0 to 365
  int week_day;  // 0: Sunday
  int hour, minute, second;
};

bool IsLeap(int64_t year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

// The proleptic Gregorian calendar, in cycles of 400 years that begin on the first of March.
Date DateOf(int64_t seconds) {
  constexpr int64_t kDay = 86400, kCycle = 146097;
  int64_t days = seconds / kDay, rest = seconds % kDay;
  if (rest < 0) {
    rest += kDay;
    --days;
  }
  Date date{};
  date.hour = static_cast<int>(rest / 3600);
  date.minute = static_cast<int>(rest / 60 % 60);
  date.second = static_cast<int>(rest % 60);
  date.week_day = static_cast<int>(((days + 4) % 7 + 7) % 7);  // 1970-01-01 was a Thursday
  const int64_t shifted = days + 719468;                       // since 0000-03-01
  const int64_t cycle = (shifted >= 0 ? shifted : shifted - (kCycle - 1)) / kCycle;
  const int64_t in_cycle = shifted - cycle * kCycle;
  const int64_t year =
      (in_cycle - in_cycle / 1460 + in_cycle / 36524 - in_cycle / (kCycle - 1)) / 365;
  const int64_t in_year = in_cycle - (365 * year + year / 4 - year / 100);  // from March on
  const int64_t month = (5 * in_year + 2) / 153;
  date.day = static_cast<int>(in_year - (153 * month + 2) / 5 + 1);
  date.month = static_cast<int>(month < 10 ? month + 2 : month - 10);
  date.year = year + cycle * 400 + (date.month < 2 ? 1 : 0);
  const int64_t leap = IsLeap(date.year) ? 1 : 0;
  date.year_day = static_cast<int>(date.month < 2 ? in_year - 306 : in_year + 59 + leap);
  return date;
}

void AddPadded(int64_t value, int width, char fill, TextBuilder* text) {
  int64_t limit = 1;
  for (int i = 1; i < width; ++i) limit *= 10;
  for (; limit > 1 && value < limit && fill != 0; limit /= 10) text->Add(fill, Origin::kTemplate);
  text->AddInt(value, Origin::kTemplate);
}

// Adds the field of a letter: a number, a word or other fields. Returns false if it is unknown.
bool AddField(const Date& date, char letter, bool plain, TextBuilder* text);

bool AddFields(const Date& date, std::string_view format, TextBuilder* text) {
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') {
      text->Add(format[i], Origin::kTemplate);
      continue;
    }
    const bool plain = i + 2 < format.size() && format[i + 1] == '-';  // glibc's: no padding
    i += plain ? 2 : 1;
    if (i >= format.size() || !AddField(date, format[i], plain, text)) return false;
  }
  return true;
}

bool AddField(const Date& date, char letter, bool plain, TextBuilder* text) {
  const int hour12 = date.hour % 12 == 0 ? 12 : date.hour % 12;
  const struct {
    char letter;
    int width;
    char fill;
    int64_t value;
  } numbers[] = {
      {'Y', 1, '0', date.year},      {'y', 2, '0', date.year % 100},
      {'m', 2, '0', date.month + 1}, {'d', 2, '0', date.day},
      {'e', 2, ' ', date.day},       {'H', 2, '0', date.hour},
      {'I', 2, '0', hour12},         {'k', 2, ' ', date.hour},
      {'l', 2, ' ', hour12},         {'M', 2, '0', date.minute},
      {'S', 2, '0', date.second},    {'j', 3, '0', date.year_day + 1},
      {'w', 1, '0', date.week_day},  {'u', 1, '0', date.week_day == 0 ? 7 : date.week_day},
  };
  for (const auto& number : numbers) {
    if (number.letter != letter) continue;
    AddPadded(number.value, number.width, plain ? '\0' : number.fill, text);
    return true;
  }
  const std::string_view month = kMonths[date.month], day = kDays[date.week_day];
  const struct {
    char letter;
    std::string_view word;
  } words[] = {
      {'B', month},
      {'b', Front(month, 3)},
      {'h', Front(month, 3)},
      {'A', day},
      {'a', Front(day, 3)},
      {'p', date.hour < 12 ? "AM" : "PM"},
      {'n', "\n"},
      {'t', "\t"},
      {'%', "%"},
      {'z', ""},
      {'Z', ""},  // empty for a time without a zone, as in Python
  };
  for (const auto& word : words) {
    if (word.letter != letter) continue;
    text->Add(word.word, Origin::kTemplate);
    return true;
  }
  static constexpr struct {
    char letter;
    std::string_view format;
  } kOthers[] = {{'F', "%Y-%m-%d"}, {'D', "%m/%d/%y"}, {'x', "%m/%d/%y"},
                 {'T', "%H:%M:%S"}, {'X', "%H:%M:%S"}, {'R', "%H:%M"}};
  for (const auto& other : kOthers) {
    if (other.letter == letter) return AddFields(date, other.format, text);
  }
  return false;
}

}  // namespace

bool Interpreter::AddDate(std::string_view format, TextBuilder* text) {
  constexpr int64_t kFirst = -62135596800, kEnd = 253402300800;  // the years 1 and 10000
  const int64_t seconds = options_.seconds < kFirst || options_.seconds >= kEnd
                              ? kEnd
                              : options_.seconds + options_.utc_offset;
  if (seconds < kFirst || seconds >= kEnd) return Fail("the clock is beyond the years 1 to 9999");
  if (!AddFields(DateOf(seconds), format, text)) {
    return Fail("strftime_now: this format is not supported");
  }
  return StepText(format.size()) && (text->ok() || FailBuilder(*text));
}

}  // namespace clamma
