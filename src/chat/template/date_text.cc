// SPDX-License-Identifier: MIT
// strftime of a time that is given, in the C locale.
#include "chat/template/interpreter.h"

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

}  // namespace

bool Interpreter::AddDate(std::string_view format, TextBuilder* text) {
  constexpr int64_t kMaxSeconds = int64_t{253402300800};  // the year 10000
  if (options_.seconds < -62135596800 || options_.seconds >= kMaxSeconds) {
    return Fail("the clock is beyond the years 1 to 9999");
  }
  const Date date = DateOf(options_.seconds + options_.utc_offset);
  const auto add = [text](std::string_view part) { text->Add(part, Origin::kTemplate); };
  const int hour12 = date.hour % 12 == 0 ? 12 : date.hour % 12;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') {
      text->Add(format[i], Origin::kTemplate);
      continue;
    }
    const bool plain = i + 2 < format.size() && format[i + 1] == '-';  // glibc's: no padding
    i += plain ? 2 : 1;
    const char zero = plain ? '\0' : '0', blank = plain ? '\0' : ' ';
    switch (i < format.size() ? format[i] : '\0') {
      case 'Y':
        AddPadded(date.year, 1, zero, text);
        break;
      case 'y':
        AddPadded(date.year % 100, 2, zero, text);
        break;
      case 'm':
        AddPadded(date.month + 1, 2, zero, text);
        break;
      case 'd':
        AddPadded(date.day, 2, zero, text);
        break;
      case 'e':
        AddPadded(date.day, 2, blank, text);
        break;
      case 'H':
        AddPadded(date.hour, 2, zero, text);
        break;
      case 'I':
        AddPadded(hour12, 2, zero, text);
        break;
      case 'k':
        AddPadded(date.hour, 2, blank, text);
        break;
      case 'l':
        AddPadded(hour12, 2, blank, text);
        break;
      case 'M':
        AddPadded(date.minute, 2, zero, text);
        break;
      case 'S':
        AddPadded(date.second, 2, zero, text);
        break;
      case 'j':
        AddPadded(date.year_day + 1, 3, zero, text);
        break;
      case 'u':
        text->AddInt(date.week_day == 0 ? 7 : date.week_day, Origin::kTemplate);
        break;
      case 'w':
        text->AddInt(date.week_day, Origin::kTemplate);
        break;
      case 'B':
        add(kMonths[date.month]);
        break;
      case 'b':
      case 'h':
        add({kMonths[date.month].data(), 3});
        break;
      case 'A':
        add(kDays[date.week_day]);
        break;
      case 'a':
        add({kDays[date.week_day].data(), 3});
        break;
      case 'p':
        add(date.hour < 12 ? "AM" : "PM");
        break;
      case 'n':
        add("\n");
        break;
      case 't':
        add("\t");
        break;
      case '%':
        add("%");
        break;
      case 'F':
        AddPadded(date.year, 1, zero, text);
        add("-");
        AddPadded(date.month + 1, 2, '0', text);
        add("-");
        AddPadded(date.day, 2, '0', text);
        break;
      case 'D':
      case 'x':
        AddPadded(date.month + 1, 2, '0', text);
        add("/");
        AddPadded(date.day, 2, '0', text);
        add("/");
        AddPadded(date.year % 100, 2, '0', text);
        break;
      case 'T':
      case 'X':
        AddPadded(date.hour, 2, '0', text);
        add(":");
        AddPadded(date.minute, 2, '0', text);
        add(":");
        AddPadded(date.second, 2, '0', text);
        break;
      case 'R':
        AddPadded(date.hour, 2, '0', text);
        add(":");
        AddPadded(date.minute, 2, '0', text);
        break;
      case 'z':  // of a time that knows no zone, Python tells none
      case 'Z':
        break;
      default:
        return Fail("strftime_now: this format is not supported");
    }
    if (!text->ok()) return FailBuilder(*text);
  }
  return true;
}

}  // namespace clamma
