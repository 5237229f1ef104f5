// SPDX-License-Identifier: MIT
// conversations MODEL KV THREADS LIMIT PROMPTS IDS LOGITS: holds the conversations in the file
// PROMPTS, greedily, with at most LIMIT tokens per answer. Each line of PROMPTS is a conversation:
// the user's turns, separated by tabs. KV is f32, f16 or q8. Writes the token ids of each
// conversation to a line of IDS, with a "+" in front of those that were generated. For each of
// these it writes a row to LOGITS: float32 (vocab_size), the log-probabilities that the model gave.
// If PROMPTS is
// "-", it reads IDS instead and writes the same rows for its tokens. A helper of conversations.py.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "clamma-extra.h"
#include "clamma.h"
#include "kv_type.h"

namespace {

[[noreturn]] void Fail(const std::string& what) { throw std::runtime_error(what); }

struct Conversation {
  std::vector<tok_id_t> tokens;
  std::vector<bool> is_generated;  // (tokens)
};

// A model with one session.
class Model {
 public:
  Model(const char* path, clamma_kv_type_t kv_type, unsigned threads, const char* logits_path)
      : logits_(logits_path, std::ios::binary) {
    if (!logits_) Fail(std::string(logits_path) + " cannot be written");
    clamma_txf_info_t info = {};
    info.clamma_api_version = CLAMMA_API_VERSION;
    info.checkpoint_path = path;
    info.kv_type = kv_type;
    info.threads = threads;
    txf_ = clamma_txf_construct(&info);
    if (txf_ == nullptr) Fail("the model cannot be used");
    session_ = clamma_session_construct(txf_);
    clamma_txf_facts_t facts;
    if (session_ == nullptr || clamma_txf_facts(txf_, &facts) != 0) Fail("no session");
    row_.resize(facts.vocab_size);
  }
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;
  ~Model() { clamma_txf_destroy(txf_); }

  Conversation Hold(const std::vector<std::string>& turns, size_t limit) {
    std::vector<clamma_message_t> messages;
    std::vector<std::string> answers(turns.size());
    Conversation held;
    Check(clamma_session_set_tokens(session_, nullptr, 0), "emptying the session");
    for (size_t i = 0; i < turns.size(); ++i) {
      messages.push_back(Message("user", turns[i]));
      clamma_txf_info_t info = Query(limit);
      Check(clamma_chat_query(session_, &info, messages.data(), messages.size()), "a query");
      Step();
      answers[i] = text_;
      messages.push_back(Message("assistant", answers[i]));
      Append(&held);
    }
    return held;
  }

  // Writes a row for each generated token of the conversation.
  void Score(const Conversation& held) {
    for (size_t i = 0; i < held.tokens.size(); ++i) {
      if (!held.is_generated[i]) continue;
      Check(clamma_session_set_tokens(session_, held.tokens.data(), i), "setting tokens");
      clamma_txf_info_t info = Query(1);
      Check(clamma_session_query(session_, &info), "a query");
      Step();
    }
  }

  void Close() {
    logits_.close();
    if (!logits_) Fail("the logits cannot be written");
  }

 private:
  static void Check(int failed, const char* what) {
    if (failed != 0) Fail(std::string(what) + " failed");
  }

  static clamma_message_t Message(const char* role, const std::string& content) {
    clamma_message_t message = {};
    message.role = role;
    message.content = content.c_str();
    return message;
  }

  clamma_txf_info_t Query(size_t limit) {
    clamma_txf_info_t info = {};
    info.clamma_api_version = CLAMMA_API_VERSION;
    info.opaque_user_pointer = this;
    info.limit = limit;
    info.top_logprobs = static_cast<unsigned>(row_.size());
    info.logprobs_cb = [](void* self, tok_id_t, float, size_t n, const tok_id_t* tokens,
                          const float* logprobs) {
      static_cast<Model*>(self)->AddRow(n, tokens, logprobs);
    };
    info.issue_cb = [](void* self, const char* text) {
      static_cast<Model*>(self)->text_ += text;
      return 0;
    };
    info.done_cb = [](void* self, clamma_done_t why) { static_cast<Model*>(self)->done_ = why; };
    return info;
  }

  void AddRow(size_t n, const tok_id_t* tokens, const float* logprobs) {
    for (size_t i = 0; i < n; ++i) row_[static_cast<size_t>(tokens[i])] = logprobs[i];
    logits_.write(reinterpret_cast<const char*>(row_.data()),
                  static_cast<std::streamsize>(row_.size() * sizeof(float)));
    ++n_generated_;
  }

  // Steps until the query ends.
  void Step() {
    text_.clear();
    n_generated_ = 0;
    done_ = CLAMMA_DONE_ERROR;
    while (clamma_sessions_step_next() != 0) {
    }
    if (done_ != CLAMMA_DONE_END_OF_TEXT && done_ != CLAMMA_DONE_LIMIT) Fail("a query broke off");
  }

  // Appends the session's tokens after those of the conversation so far, with which they must
  // begin.
  void Append(Conversation* held) const {
    size_t count = 0;
    Check(clamma_session_get_tokens(session_, nullptr, 0, &count), "getting tokens");
    std::vector<tok_id_t> tokens(count);
    Check(clamma_session_get_tokens(session_, tokens.data(), count, &count), "getting tokens");
    for (size_t i = 0; i < held->tokens.size(); ++i) {
      if (i >= count || tokens[i] != held->tokens[i]) Fail("an answer lost its tokens");
    }
    held->is_generated.resize(count - n_generated_, false);
    held->is_generated.resize(count, true);
    held->tokens = tokens;
  }

  std::ofstream logits_;
  struct txf* txf_ = nullptr;
  struct txf_session* session_ = nullptr;
  std::vector<float> row_;  // (vocab_size)
  std::string text_;        // text of the answer
  size_t n_generated_ = 0;  // tokens of the answer
  clamma_done_t done_ = CLAMMA_DONE_ERROR;
};

void HoldAll(Model* model, const char* prompts, size_t limit, const char* ids) {
  std::ifstream in(prompts);
  std::ofstream out(ids);
  for (std::string line; std::getline(in, line);) {
    std::istringstream parts(line);
    std::vector<std::string> turns;
    for (std::string turn; std::getline(parts, turn, '\t');) turns.push_back(turn);
    const Conversation held = model->Hold(turns, limit);
    for (size_t i = 0; i < held.tokens.size(); ++i) {
      out << (i == 0 ? "" : " ") << (held.is_generated[i] ? "+" : "") << held.tokens[i];
    }
    out << '\n';
  }
  out.close();
  if (!in.eof() || !out) Fail("the prompts cannot be read, or the ids not be written");
}

void ScoreAll(Model* model, const char* ids) {
  std::ifstream in(ids);
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    Conversation held;
    for (std::string word; words >> word;) {
      held.is_generated.push_back(word[0] == '+');
      held.tokens.push_back(std::stoi(word));
    }
    model->Score(held);
  }
  if (!in.eof()) Fail(std::string(ids) + " cannot be read");
}

}  // namespace

int main(int argc, char** argv) {
  const clamma_kv_type_t kv_type = argc == 8 ? options::KvTypeOf(argv[2]) : CLAMMA_KV_AUTO;
  if (kv_type == CLAMMA_KV_AUTO) {
    fprintf(stderr, "usage: conversations MODEL f32|f16|q8 THREADS LIMIT PROMPTS|- IDS LOGITS\n");
    return 2;
  }
  try {
    Model model(argv[1], kv_type, static_cast<unsigned>(atoi(argv[3])), argv[7]);
    if (std::string(argv[5]) == "-") {
      ScoreAll(&model, argv[6]);
    } else {
      HoldAll(&model, argv[5], static_cast<size_t>(atoi(argv[4])), argv[6]);
    }
    model.Close();
  } catch (const std::exception& error) {
    fprintf(stderr, "conversations: %s\n", error.what());
    return 1;
  }
  return 0;
}
