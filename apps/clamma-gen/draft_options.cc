// SPDX-License-Identifier: MIT
#include "draft_options.h"

#include "models.h"

namespace {

// Each draft of a model costs a pass of it.
constexpr unsigned kDraftsOfModel = 5;

}  // namespace

void Declare(options::CommandLine& line, DraftOptions& o) {
  line.Add("--draft-tokens", o.most,
           "Guess up to this many tokens ahead, 0 .. 15, and check them together; changes only "
           "the speed");
  line.Add(
      "--draft-model", o.model,
      "A smaller model with the same vocabulary that guesses; without it, guesses are looked up "
      "in the text");
}

bool OpenDraftModel(const DraftOptions& o, const options::Model& model, clamma_log_cb_t log,
                    options::ModelPtr* draft) {
  if (o.model.empty()) return true;
  options::Model opened = model;
  opened.checkpoint = o.model;
  const std::string wrong = models::Resolve(&opened.checkpoint, &opened.tokenizer);
  if (!wrong.empty()) {
    log(nullptr, wrong.c_str());
    return false;
  }
  std::string desc;
  *draft = options::Open(opened, log, &desc);
  return *draft != nullptr;
}

void Apply(const DraftOptions& o, const txf* draft, clamma_txf_info_t& info) {
  info.draft_txf = draft;
  info.draft_tokens = o.most == 0 && draft != nullptr ? kDraftsOfModel : o.most;
}
