// SPDX-License-Identifier: MIT
// A model that is served, and what answers need of it.
#ifndef CLAMMA_APPS_OPENAI_MODEL_H_
#define CLAMMA_APPS_OPENAI_MODEL_H_

#include <clamma-extra.h>
#include <clamma.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "openai/service.h"

namespace openai {

class Model {
 public:
  // Opens a model. Returns nullptr and the reason if that fails.
  static std::unique_ptr<Model> Open(const Service::Model& model, const Service::Options& options,
                                     std::string* reason);

  const std::string& id() const { return id_; }
  txf* handle() const { return handle_.get(); }
  const clamma_txf_facts_t& facts() const { return facts_; }  // those that do not change
  int64_t created() const { return created_; }                // seconds since 1970
  // Covers model, template and order of sums.
  const std::string& fingerprint() const { return fingerprint_; }
  const std::string& chat_template() const { return template_; }  // "": the file has none

  // Sets what queries and renderings need of the options: the date.
  void Apply(clamma_txf_info_t* info) const { info->chat_time = date_; }
  // With what chats, or texts, that begin with the shared prefix begin. It is no secret.
  const std::vector<tok_id_t>& open_chat() const { return open_chat_; }
  const std::vector<tok_id_t>& open_text() const { return open_text_; }

  // The bytes that a token stands for; of a control token, its name. "" if there is no such token.
  std::string_view TokenBytes(tok_id_t token) const;
  // Whether a token stands for no bytes of a text.
  bool IsControl(tok_id_t token) const {
    return HasToken(token) && is_control_[static_cast<size_t>(token)];
  }
  // The control token of a name; -1: there is none.
  tok_id_t FindControl(std::string_view name) const;
  bool HasToken(int64_t token) const {
    return token >= 0 && token < static_cast<int64_t>(facts_.vocab_size);
  }

  // Whether answers begin inside the model's reasoning, as the template opens it. `arguments` are
  // those of the template. Remembers the last answers.
  bool BeginsInReasoning(const std::string& arguments);

 private:
  struct Destroy {
    void operator()(txf* handle) const { clamma_txf_destroy(handle); }
  };

  Model() = default;
  void ReadTokens();
  void MakeFingerprint(const std::string& checkpoint);
  bool RendersReasoning(const std::string& arguments) const;
  std::string SharePrefix(const std::string& text);
  bool EncodeAfter(const std::string& system, const char* user,
                   std::vector<tok_id_t>* tokens) const;

  std::string id_;
  std::unique_ptr<txf, Destroy> handle_;
  clamma_txf_facts_t facts_ = {};
  int64_t created_ = 0;
  std::string fingerprint_;
  std::string template_;
  int64_t date_ = 0;
  std::vector<tok_id_t> open_chat_, open_text_;
  std::string token_bytes_;           // of all tokens, one after the other
  std::vector<uint32_t> token_ends_;  // the end of each token's bytes there
  std::vector<bool> is_control_;
  std::map<std::string, tok_id_t, std::less<>> controls_;  // by name

  std::mutex mutex_;
  std::map<std::string, bool> begins_in_reasoning_;  // by arguments; needs the lock
};

// The reason for which the library's last call on this thread failed, "" if there was none.
std::string TakeReason();

}  // namespace openai

#endif  // CLAMMA_APPS_OPENAI_MODEL_H_
