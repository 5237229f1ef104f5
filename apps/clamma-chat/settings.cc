// SPDX-License-Identifier: MIT
#include "settings.h"

#include <cstdio>
#include <cstdlib>

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
  void (*set)(Sampling* sampling, unsigned value);
  uint64_t (*get)(const Sampling& sampling);
};
constexpr WholeNumber kWholeNumbers[] = {
    {"top-k", [](Sampling* s, unsigned v) { s->top_k = v; },
     [](const Sampling& s) -> uint64_t { return s.top_k; }},
    {"steps", [](Sampling* s, unsigned v) { s->steps = v; },
     [](const Sampling& s) -> uint64_t { return s.steps; }},
    {"seed", [](Sampling* s, unsigned v) { s->seed = v; },
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
    if (value.empty() || value.size() > 9 ||
        value.find_first_not_of("0123456789") != std::string::npos) {
      return name + " is a whole number of at most 9 digits";
    }
    number.set(sampling, static_cast<unsigned>(std::strtoul(value.c_str(), nullptr, 10)));
    return "";
  }
  return "there is no setting " + name + "; /set lists them";
}
