// SPDX-License-Identifier: MIT
// The options for drafts: how many tokens are guessed ahead, and by whom.
#ifndef CLAMMA_GEN_DRAFT_OPTIONS_H_
#define CLAMMA_GEN_DRAFT_OPTIONS_H_

#include <clamma-extra.h>
#include <clamma.h>

#include <string>

#include "command_line.h"
#include "options.h"

struct DraftOptions {
  unsigned most = 0;
  std::string model;  // "": drafts are looked up in the text
};

void Declare(options::CommandLine& line, DraftOptions& o);

// Sets *draft to the draft model, if there is one, which is opened like `model`. Returns false if
// that fails, with the reason in the log.
bool OpenDraftModel(const DraftOptions& o, const options::Model& model, clamma_log_cb_t log,
                    options::ModelPtr* draft);

// Sets the fields of `info`, which are valid as long as *draft.
void Apply(const DraftOptions& o, const txf* draft, clamma_txf_info_t& info);

#endif  // CLAMMA_GEN_DRAFT_OPTIONS_H_
