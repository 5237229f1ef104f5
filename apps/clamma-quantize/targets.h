// SPDX-License-Identifier: MIT
// Checks the files that clamma-quantize writes.
#ifndef CLAMMA_QUANTIZE_TARGETS_H_
#define CLAMMA_QUANTIZE_TARGETS_H_

#include <string>

#include "arguments.h"
#include "model/model_files.h"

namespace quantize_app {

// The vocabulary file beside a checkpoint, with the same name as export.py uses.
std::string VocabularyBeside(const std::string& checkpoint);

// The reason not to write `target`, such as that it is an input or exists already; "": none.
std::string CheckTarget(const Arguments& o, const clamma::ModelFiles& files,
                        const std::string& target);

}  // namespace quantize_app

#endif  // CLAMMA_QUANTIZE_TARGETS_H_
