// SPDX-License-Identifier: MIT
// What clamma-quantize may write to.
#ifndef CLAMMA_QUANTIZE_TARGETS_H_
#define CLAMMA_QUANTIZE_TARGETS_H_

#include <string>

#include "arguments.h"
#include "model/model_files.h"

namespace quantize_app {

// The file beside a checkpoint that has its vocabulary, named as export.py names it.
std::string VocabularyBeside(const std::string& checkpoint);

// What speaks against writing `target`: that it is read, that it is there already ...; "": nothing.
std::string CheckTarget(const Arguments& o, const clamma::ModelFiles& files,
                        const std::string& target);

}  // namespace quantize_app

#endif  // CLAMMA_QUANTIZE_TARGETS_H_
