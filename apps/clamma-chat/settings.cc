// SPDX-License-Identifier: MIT
#include "settings.h"

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <system_error>

namespace {

using options::Sampling;
using options::Written;

struct Number {
  const char* name;
  float Sampling::*value;
  float most;
};
constexpr Number kNumbers[] = {
    {"temperature", &Sampling::temperature, 100},
    {"topp", &Sampling::topp, 1},
    {"min-p", &Sampling::min_p, 1},
    {"repetition-penalty", &Sampling::repetition_penalty, 100},
    {"frequency-penalty", &Sampling::frequency_penalty, 100},
    {"presence-penalty", &Sampling::presence_penalty, 100},
};

struct WholeNumber {
  const char* name;
  uint64_t most;
  void (*set)(Sampling* sampling, uint64_t value);
  uint64_t (*get)(const Sampling& sampling);
};
constexpr WholeNumber kWholeNumbers[] = {
    {"top-k", 999999999, [](Sampling* s, uint64_t v) { s->top_k = static_cast<unsigned>(v); },
     [](const Sampling& s) -> uint64_t { return s.top_k; }},
    {"steps", 999999999, [](Sampling* s, uint64_t v) { s->steps = static_cast<size_t>(v); },
     [](const Sampling& s) -> uint64_t { return s.steps; }},
    {"seed", UINT64_MAX, [](Sampling* s, uint64_t v) { s->seed = v; },
     [](const Sampling& s) -> uint64_t { return s.seed; }},
};

std::string Line(const char* name, const char* value) {
  char line[96];
  std::snprintf(line, sizeof(line), "%-19s %s\n", name, value);
  return line;
}

}  // namespace

std::string ListSettings(const Sampling& sampling) {
  std::string list;
  for (const Number& number : kNumbers) {
    list += Line(number.name, Written(sampling.*number.value).c_str());
  }
  for (const WholeNumber& number : kWholeNumbers) {
    list += Line(number.name, std::to_string(number.get(sampling)).c_str());
  }
  return list;
}

std::string SetByName(const std::string& name, const std::string& value, Sampling* sampling) {
  for (const Number& number : kNumbers) {
    if (name != number.name) continue;
    // Refuse hexadecimal digits, "inf" and "nan", which strtof() accepts.
    const bool digits = value.find_first_not_of("0123456789.eE+-") == std::string::npos;
    char* end = nullptr;
    const float wanted = std::strtof(value.c_str(), &end);
    if (value.empty() || !digits || *end != '\0' || !(wanted >= 0) || wanted > number.most) {
      return name + " is a number from 0 to " + Written(number.most);
    }
    sampling->*number.value = wanted;
    return "";
  }
  for (const WholeNumber& number : kWholeNumbers) {
    if (name != number.name) continue;
    uint64_t wanted = 0;
    const char* const end = value.data() + value.size();
    const auto [rest, error] = std::from_chars(value.data(), end, wanted);
    if (error != std::errc() || rest != end || wanted > number.most) {
      return name + " is a whole number from 0 to " + std::to_string(number.most);
    }
    number.set(sampling, wanted);
    return "";
  }
  return "there is no setting " + name + "; /set lists them";
}
