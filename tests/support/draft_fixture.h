// SPDX-License-Identifier: MIT
// What a query lets its caller see, as text: to compare queries with drafts and without.
#ifndef CLAMMA_TESTS_SUPPORT_DRAFT_FIXTURE_H_
#define CLAMMA_TESTS_SUPPORT_DRAFT_FIXTURE_H_

#include <gtest/gtest.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "api/handles.h"
#include "api_fixture.h"
#include "clamma-extra.h"
#include "engine/transformer.h"

namespace clamma_test {

// Makes drafts seem so cheap that nearly all that are found are taken.
inline void MakeDraftsCheap(const TxfPtr& model) {
  clamma::PassCosts& costs = clamma::FromHandle(model.get())->pass_costs;
  for (size_t rows = 1; rows <= 64; ++rows) costs.Learn(rows, uint64_t{1} << 40);
  costs.Fix();
}

inline std::string FactsText(const txf_session* session) {
  clamma_session_facts_t facts = {};
  EXPECT_EQ(clamma_session_facts(session, &facts), 0);
  size_t count = 0;
  EXPECT_EQ(clamma_session_get_tokens(session, nullptr, 0, &count), 0);
  return " position " + std::to_string(facts.position) + " generated " +
         std::to_string(facts.generated_tokens) + " random " + std::to_string(facts.rng_state) +
         " tokens " + std::to_string(count);
}

// Notes all that the callbacks of a query receive, and what the facts are then.
class Witness {
 public:
  // The query is cancelled at the piece of this number, from 1; 0: never.
  Witness(txf_session* session, size_t cancels_at = 0)
      : session_(session), cancels_at_(cancels_at) {}

  // Adds the callbacks to a query.
  void Watch(clamma_txf_info_t* info) {
    info->clamma_api_version = CLAMMA_API_VERSION;
    info->opaque_user_pointer = this;
    info->top_logprobs = 3;
    info->logprobs_cb = [](void* self, tok_id_t token, float logprob, size_t n, const tok_id_t* top,
                           const float* logprobs) {
      std::string line = "token " + std::to_string(token) + Bits(logprob);
      for (size_t i = 0; i < n; ++i) line += " " + std::to_string(top[i]) + Bits(logprobs[i]);
      static_cast<Witness*>(self)->Note(line);
    };
    info->logit_hash_cb = [](void* self, tok_id_t token, uint64_t hash) {
      static_cast<Witness*>(self)->Note("hash " + std::to_string(token) + " " +
                                        std::to_string(hash));
    };
    info->issue_cb = [](void* self, const char* text) {
      auto& witness = *static_cast<Witness*>(self);
      witness.Note(std::string("text ") + text);
      return ++witness.n_pieces_ == witness.cancels_at_ ? 1 : 0;
    };
    info->done_cb = [](void* self, clamma_done_t why) {
      auto& witness = *static_cast<Witness*>(self);
      witness.Note("done " + std::to_string(static_cast<int>(why)));
      witness.ended_ = true;
    };
  }

  bool ended() const { return ended_; }
  const std::vector<std::string>& lines() const { return lines_; }
  void Note(const std::string& line) { lines_.push_back(line + FactsText(session_)); }

 private:
  static std::string Bits(float value) {
    return " " + std::to_string(std::bit_cast<uint32_t>(value));
  }

  txf_session* session_;
  size_t cancels_at_;
  size_t n_pieces_ = 0;
  bool ended_ = false;
  std::vector<std::string> lines_;
};

inline clamma_query_facts_t QueryFactsOf(const txf_session* session) {
  clamma_query_facts_t facts = {};
  EXPECT_EQ(clamma_query_facts(session, &facts), 0);
  return facts;
}

}  // namespace clamma_test

#endif  // CLAMMA_TESTS_SUPPORT_DRAFT_FIXTURE_H_
