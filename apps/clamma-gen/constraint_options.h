// SPDX-License-Identifier: MIT
// The options that constrain the text: a grammar, a regular expression, or a JSON schema.
#ifndef CLAMMA_GEN_CONSTRAINT_OPTIONS_H_
#define CLAMMA_GEN_CONSTRAINT_OPTIONS_H_

#include <clamma.h>

#include <string>

#include "command_line.h"

struct ConstraintOptions {
  std::string grammar;  // a file, until ReadConstraint(); then its text
  std::string regex;
  std::string schema;  // likewise a file
  std::string trigger;
};

// At most one of these can be given.
inline constexpr const char* kConstraintOptions[] = {"--grammar", "--regex", "--json-schema"};

void Declare(options::CommandLine& line, ConstraintOptions& o);

// Reads the files. Returns "" or the reason of a failure.
std::string ReadConstraint(ConstraintOptions* o);

// Sets the fields of `info`, which are valid as long as `o`.
void Apply(const options::CommandLine& line, const ConstraintOptions& o, clamma_txf_info_t& info);

#endif  // CLAMMA_GEN_CONSTRAINT_OPTIONS_H_
