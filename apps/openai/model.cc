// SPDX-License-Identifier: MIT
#include "openai/model.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <exception>
#include <new>
#include <optional>
#include <utility>

#include "models.h"

namespace openai {
namespace {

constexpr size_t kMaxRemembered = 64;

thread_local std::string last_reason;

void KeepReason(void* /*opaque*/, const char* message) {
  try {
    last_reason = message;
  } catch (const std::exception&) {
    last_reason.clear();
  }
}

class Fnv {
 public:
  void Add(std::string_view bytes) {
    for (const char c : bytes) hash_ = (hash_ ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    hash_ = (hash_ ^ 0xffu) * 0x100000001b3u;  // ends a text: no UTF-8 has this byte
  }
  uint64_t hash() const { return hash_; }

 private:
  uint64_t hash_ = 0xcbf29ce484222325u;
};

// The head and the tail of a file; of all of it, where it is small. A change of weights that
// changes neither these nor the size is not seen.
std::string Sample(const std::string& path) {
  constexpr size_t kPart = size_t{1} << 20;
  std::string bytes;
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (file == nullptr) return bytes;
  bytes.resize(2 * kPart);
  size_t size = std::fread(bytes.data(), 1, kPart, file.get());
  struct stat facts = {};
  if (fstat(fileno(file.get()), &facts) != 0) return {};
  const off_t tail = std::max<off_t>(facts.st_size - off_t{kPart}, static_cast<off_t>(size));
  if (fseeko(file.get(), tail, SEEK_SET) == 0) {
    size += std::fread(bytes.data() + size, 1, kPart, file.get());
  }
  bytes.resize(size);
  return bytes;
}

// A value of the metadata, of any length; no value if there is no such key.
std::optional<std::string> Metadata(const txf* model, const char* key) {
  size_t size = 0;
  if (clamma_txf_metadata(model, key, nullptr, 0, &size) != 0) return std::nullopt;
  std::string text(size, '\0');
  clamma_txf_metadata(model, key, text.data(), text.size(), &size);
  return text;
}

}  // namespace

std::string TakeReason() { return std::exchange(last_reason, ""); }

std::unique_ptr<Model> Model::Open(const Service::Model& model, const Service::Options& options,
                                   std::string* reason) {
  std::string checkpoint = model.path;
  std::string tokenizer = model.vocabulary;
  *reason = models::Resolve(&checkpoint, &tokenizer);
  if (!reason->empty()) return nullptr;

  std::unique_ptr<Model> opened(new Model());
  std::array<char, 512> desc = {};
  clamma_txf_info_t info = {};
  info.clamma_api_version = CLAMMA_API_VERSION;
  info.checkpoint_path = checkpoint.c_str();
  info.tokenizer_path = tokenizer.empty() ? nullptr : tokenizer.c_str();
  info.threads = options.threads;
  info.context = options.context;
  info.kv_type = options.kv_type;
  info.prefix_cache_bytes = options.prefix_cache_bytes;
  info.max_sessions = options.sessions;
  info.log_cb = KeepReason;
  info.desc = desc.data();
  info.desc_max = desc.size();
  opened->handle_.reset(clamma_txf_construct(&info));
  if (opened->handle_ == nullptr || clamma_txf_facts(opened->handle(), &opened->facts_) != 0) {
    *reason = desc.data();
    return nullptr;
  }
  opened->id_ = model.id;
  opened->template_ = Metadata(opened->handle(), "tokenizer.chat_template").value_or("");
  const std::string path = models::Found(checkpoint);
  struct stat status = {};
  opened->created_ = ::stat(path.c_str(), &status) == 0 ? static_cast<int64_t>(status.st_mtime)
                                                        : static_cast<int64_t>(std::time(nullptr));
  opened->date_ = options.date;
  if (!options.shared_prefix.empty()) {
    *reason = opened->SharePrefix(options.shared_prefix);
    if (!reason->empty()) return nullptr;
  }
  opened->ReadTokens();
  opened->MakeFingerprint(path);
  return opened;
}

// Encodes a chat of a system prompt and a message. Returns false if the template refuses it.
bool Model::EncodeAfter(const std::string& system, const char* user,
                        std::vector<tok_id_t>* tokens) const {
  clamma_txf_info_t info = {};
  info.clamma_api_version = CLAMMA_API_VERSION;
  Apply(&info);
  std::array<clamma_message_t, 2> messages = {};
  messages[0].role = "system";
  messages[0].content = system.c_str();
  messages[1].role = "user";
  messages[1].content = user;
  size_t count = 0;
  do {
    tokens->resize(count);
    if (clamma_chat_encode(handle(), &info, messages.data(), messages.size(), 1, tokens->data(),
                           tokens->size(), &count) != 0) {
      return false;
    }
  } while (count != tokens->size());
  return true;
}

// Finds the tokens with which prompts begin that begin with the text. Returns "" or the reason why
// there are none.
std::string Model::SharePrefix(const std::string& text) {
  std::vector<tok_id_t> other;
  TakeReason();
  if (EncodeAfter(text, "a", &open_chat_) && EncodeAfter(text, "b", &other)) {
    const auto parted =
        std::mismatch(open_chat_.begin(), open_chat_.end(), other.begin(), other.end()).first;
    open_chat_.erase(parted, open_chat_.end());
  } else {
    open_chat_.clear();  // this model has no chats, or none with a system prompt
  }
  open_text_.resize(text.size() + 3);
  size_t count = 0;
  TakeReason();
  if (clamma_encode_query(handle(), nullptr, text.c_str(), 1, open_text_.data(), open_text_.size(),
                          &count) != 0 ||
      count > open_text_.size()) {
    return "the shared prefix: " + TakeReason();
  }
  open_text_.resize(count);
  if (std::max(open_text_.size(), open_chat_.size()) < facts_.context) return "";
  return "the shared prefix has " + std::to_string(std::max(open_text_.size(), open_chat_.size())) +
         " tokens, and the context " + std::to_string(facts_.context) + " positions";
}

void Model::ReadTokens() {
  token_ends_.reserve(facts_.vocab_size);
  for (unsigned i = 0; i < facts_.vocab_size; ++i) {
    const auto token = static_cast<tok_id_t>(i);
    size_t size = 0;
    std::array<char, 512> bytes = {};
    if (clamma_token_text(handle(), token, bytes.data(), bytes.size(), &size) != 0) size = 0;
    if (size <= bytes.size()) {
      token_bytes_.append(bytes.data(), size);
    } else {
      std::string text(size, '\0');
      clamma_token_text(handle(), token, text.data(), text.size(), &size);
      token_bytes_ += text;
    }
    token_ends_.push_back(static_cast<uint32_t>(token_bytes_.size()));
    const bool failed = clamma_decode(handle(), &token, 1, nullptr, 0, &size) != 0;
    is_control_.push_back(failed || size == 0);
    if (is_control_.back()) controls_.try_emplace(std::string(TokenBytes(token)), token);
  }
}

void Model::MakeFingerprint(const std::string& checkpoint) {
  Fnv hash;
  hash.Add(std::to_string(clamma_sum_order_version()));
  hash.Add(std::to_string(facts_.model_bytes));
  hash.Add(std::to_string(static_cast<int>(facts_.kv_type)));
  hash.Add(std::to_string(facts_.context));
  hash.Add(facts_.chat_format == nullptr ? "" : facts_.chat_format);
  hash.Add(template_);
  hash.Add(token_bytes_);
  for (const std::string& part : models::PartsOf(checkpoint)) hash.Add(Sample(part));
  std::array<char, 32> text = {};
  std::snprintf(text.data(), text.size(), "fp_%016llx",
                static_cast<unsigned long long>(hash.hash()));
  fingerprint_ = text.data();
}

std::string_view Model::TokenBytes(tok_id_t token) const {
  if (!HasToken(token)) return {};
  const auto i = static_cast<size_t>(token);
  const size_t begin = i == 0 ? 0 : token_ends_[i - 1];
  return std::string_view{token_bytes_}.substr(begin, token_ends_[i] - begin);
}

tok_id_t Model::FindControl(std::string_view name) const {
  const auto found = controls_.find(name);
  return found == controls_.end() ? -1 : found->second;
}

bool Model::BeginsInReasoning(const std::string& arguments) {
  // Templates that never write the mark need not be rendered.
  if (template_.find("<think>") == std::string::npos &&
      (!template_.empty() || facts_.chat_format == nullptr)) {
    return false;
  }
  {
    const std::lock_guard lock(mutex_);
    const auto known = begins_in_reasoning_.find(arguments);
    if (known != begins_in_reasoning_.end()) return known->second;
  }
  const bool begins = RendersReasoning(arguments);
  const std::lock_guard lock(mutex_);
  if (begins_in_reasoning_.size() >= kMaxRemembered) begins_in_reasoning_.clear();
  begins_in_reasoning_[arguments] = begins;
  return begins;
}

bool Model::RendersReasoning(const std::string& arguments) const {
  clamma_txf_info_t info = {};
  info.clamma_api_version = CLAMMA_API_VERSION;
  info.chat_arguments = arguments.empty() ? nullptr : arguments.c_str();
  Apply(&info);
  clamma_message_t message = {};
  message.role = "user";
  message.content = "x";
  std::string text;
  size_t size = 0;
  do {
    text.resize(size);
    if (clamma_chat_render(handle(), &info, &message, 1, 1, text.data(), text.size(), &size) != 0) {
      return false;  // the request's messages may be refused, too, with the reason
    }
  } while (size != text.size());
  const size_t last = text.find_last_not_of(" \n");
  return last != std::string::npos && text.substr(0, last + 1).ends_with("<think>");
}

}  // namespace openai
