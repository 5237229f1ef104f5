// SPDX-License-Identifier: MIT
#include "conversation.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <system_error>
#include <utility>

#include "json.h"
#include "story.h"

namespace {

// A saved chat is a line of JSON, which says who said what, and the session's state behind it.
constexpr char kFormat[] = "clamma-chat 1";
constexpr char kBegin[] = R"({"format":"clamma-chat 1")";
// What is said takes a few bytes a token; a damaged or foreign file may go on for gigabytes.
constexpr size_t kMostLineBytes = size_t{1} << 24;
constexpr uint64_t kMostId = std::numeric_limits<tok_id_t>::max();

int WriteTo(void* opaque, const void* bytes, size_t size) {
  return std::fwrite(bytes, 1, size, static_cast<std::FILE*>(opaque)) == size ? 0 : 1;
}

int ReadFrom(void* opaque, void* bytes, size_t size) {
  auto& file = *static_cast<std::ifstream*>(opaque);
  return file.read(static_cast<char*>(bytes), static_cast<std::streamsize>(size)) ? 0 : 1;
}

std::string Reason(const std::string& path) {
  return path + ": " + (errno == 0 ? "cannot be written" : std::strerror(errno));
}

// What is to be replaced by a file that is saved at `path`: of a symbolic link, what it points to.
// "" if that is something else than a file, as a device.
std::string Target(const std::string& path) {
  std::error_code error;
  const std::filesystem::file_status there = std::filesystem::status(path, error);
  if (!std::filesystem::exists(there)) return path;
  if (!std::filesystem::is_regular_file(there)) return "";
  const std::filesystem::path target = std::filesystem::canonical(path, error);
  return error ? path : target.string();
}

bool IsChat(std::istream& file) {
  char begin[sizeof(kBegin)] = "";
  file.read(begin, sizeof(kBegin) - 1);
  return std::strcmp(begin, kBegin) == 0;
}

// Whether something that is no saved chat would be lost by saving one there.
bool HoldsSomethingElse(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return file && file.peek() != std::ifstream::traits_type::eof() && !IsChat(file);
}

}  // namespace

Conversation::Conversation(txf* model, options::Model model_options,
                           const options::Sampling& sampling, std::string system)
    : model_(model),
      model_options_(std::move(model_options)),
      sampling_(sampling),
      system_(std::move(system)),
      session_(clamma_session_construct(model), &clamma_session_destroy) {
  clamma_txf_facts_t facts = {};
  clamma_txf_facts(model, &facts);
  context_ = facts.context;
}

// What a turn's prompt adds to a conversation that it opens, or whose last turn has ended. Empty if
// it is too long for any context.
Conversation::Tokens Conversation::EncodeTurn(const std::string& prompt, bool first) const {
  const char* system = first && !system_.empty() ? system_.c_str() : nullptr;
  size_t count = 0;
  if (clamma_encode_query(model_, system, prompt.c_str(), first ? 1 : 0, nullptr, 0, &count) != 0) {
    return {};
  }
  Tokens tokens(count);
  clamma_encode_query(model_, system, prompt.c_str(), first ? 1 : 0, tokens.data(), count, &count);
  return tokens;
}

// The tokens of these turns, as a session that had them from the start would hold them; nothing if
// one is too long for any context.
std::optional<Conversation::Tokens> Conversation::Encode(const std::vector<Turn>& turns) const {
  Tokens tokens;
  for (size_t i = 0; i < turns.size(); ++i) {
    const Tokens prompt = EncodeTurn(turns[i].prompt, i == 0);
    if (prompt.empty()) return std::nullopt;
    if (i > 0 && tokens.back() != TOK_EOS) tokens.push_back(TOK_EOS);
    tokens.insert(tokens.end(), prompt.begin(), prompt.end());
    tokens.insert(tokens.end(), turns[i].answer.begin(), turns[i].answer.end());
  }
  return tokens;
}

Conversation::Tokens Conversation::SessionTokens() const {
  size_t count = 0;
  clamma_session_get_tokens(session_.get(), nullptr, 0, &count);
  Tokens tokens(count);
  clamma_session_get_tokens(session_.get(), tokens.data(), count, &count);
  return tokens;
}

// Drops the oldest turns, but not the last one, until half of the context is free. False, and all
// stays, if there is none to drop or the last one alone is too long.
bool Conversation::Forget() {
  std::vector<Turn> kept = turns_;
  std::optional<Tokens> tokens;
  do {
    if (kept.size() < 2) return false;
    kept.erase(kept.begin());
    tokens = Encode(kept);
  } while (!tokens || tokens->size() > (kept.size() > 1 ? context_ / 2 : context_));
  if (clamma_session_set_tokens(session_.get(), tokens->data(), tokens->size()) != 0) return false;
  const size_t gone = turns_.size() - kept.size();
  turns_.swap(kept);
  std::fprintf(stderr, "clamma-chat: the context is full: the oldest %s forgotten\n",
               gone == 1 ? "turn is" : (std::to_string(gone) + " turns are").c_str());
  return true;
}

// Sees to it that a turn, and the first token of its answer, fit if they can. False: the text
// cannot be encoded, and the log has the reason.
bool Conversation::MakeRoom(const std::string& prompt) {
  const Tokens tokens = EncodeTurn(prompt, turns_.empty());
  if (tokens.empty()) return false;
  if (SessionTokens().size() + 1 + tokens.size() <= context_) return true;
  turns_.push_back({prompt, {}});
  const bool room = Forget();
  turns_.pop_back();
  if (!room) return true;                      // the query tells
  const Tokens rest = Encode(turns_).value();  // it was part of what fits
  clamma_session_set_tokens(session_.get(), rest.data(), rest.size());
  return true;
}

// Runs one query, and adds its tokens to the last turn's answer.
bool Conversation::Query(const char* prompt, size_t limit, Answer* answer) {
  clamma_txf_info_t info = options::MakeInfo(model_options_);
  options::Apply(sampling_, info);
  info.limit = limit;
  info.prompt = prompt;
  info.system = system_.empty() ? nullptr : system_.c_str();
  Story story;
  story.output.emplace(stdout);
  const size_t held = SessionTokens().size();
  if (seeded_) {
    clamma_session_facts_t facts = {};
    clamma_session_facts(session_.get(), &facts);
    info.rng_seed = facts.rng_state;
  }
  if (!story.Start(session_.get(), info)) return false;
  seeded_ = true;
  answer->started = true;
  while (clamma_sessions_step_next() != 0) {
    if (interrupted != 0) clamma_sessions_query_cancel(session_.get());
    story.Watch();
  }
  const clamma_session_facts_t facts = story.Facts();
  answer->why = story.why();
  answer->speed = story.Speed(facts.generated_tokens);
  answer->tokens += facts.generated_tokens;
  const Tokens tokens = SessionTokens();
  const size_t from = std::min(tokens.size(), held + facts.prompt_tokens);
  Turn& turn = turns_.back();
  turn.answer.insert(turn.answer.end(), tokens.begin() + static_cast<ptrdiff_t>(from),
                     tokens.end());
  return true;
}

Answer Conversation::Say(const std::string& prompt) {
  Answer answer;
  interrupted = 0;
  if (!MakeRoom(prompt)) return answer;
  turns_.push_back({prompt, {}});
  // An answer that never ends is cut where it has filled the context once.
  const size_t limit = sampling_.steps == 0 ? context_ : sampling_.steps;
  bool ran = Query(prompt.c_str(), limit, &answer);
  while (ran && answer.why == CLAMMA_DONE_CONTEXT_FULL && answer.tokens < limit && Forget()) {
    ran = Query(nullptr, limit - answer.tokens, &answer);
  }
  if (turns_.back().answer.empty()) turns_.pop_back();  // the session has not kept it, either
  return answer;
}

void Conversation::Reset() {
  turns_.clear();
  clamma_session_set_tokens(session_.get(), nullptr, 0);
}

std::string Conversation::Save(const std::string& path) const {
  Json turns = Json::Array();
  for (const Turn& turn : turns_) {
    Json answer = Json::Array();
    for (const tok_id_t token : turn.answer) answer.Add(static_cast<unsigned>(token));
    turns.Add(Json::Object({{"answer", std::move(answer)}, {"prompt", turn.prompt}}));
  }
  const Json header =
      Json::Object({{"format", kFormat}, {"system", system_}, {"turns", std::move(turns)}});
  const std::optional<std::string> text = header.Exact();
  if (!text) return path + ": not saved, as a prompt of this chat is not UTF-8";
  const std::string line = *text + "\n";
  if (line.size() > kMostLineBytes) return path + ": not saved, as this chat is too long";
  const std::string target = Target(path);
  if (target.empty()) return path + ": is no file";
  if (HoldsSomethingElse(target)) return path + ": is there, and no saved chat: not written over";
  std::string temporary = target + ".XXXXXX";
  const int fd = mkstemp(temporary.data());
  if (fd < 0) return Reason(path);
  std::FILE* file = fdopen(fd, "wb");
  if (file == nullptr) {
    std::string wrong = Reason(path);
    close(fd);
    std::remove(temporary.c_str());
    return wrong;
  }
  errno = 0;
  bool good = WriteTo(file, line.data(), line.size()) == 0 &&
              clamma_session_save(session_.get(), WriteTo, file) == 0 && std::fflush(file) == 0;
  std::string wrong = good ? "" : Reason(path);
  if (std::fclose(file) != 0 && good) wrong = Reason(path);
  if (wrong.empty() && std::rename(temporary.c_str(), target.c_str()) != 0) wrong = Reason(path);
  if (!wrong.empty()) std::remove(temporary.c_str());
  return wrong;
}

bool Conversation::ParseHeader(const std::string& line, std::string& system,
                               std::vector<Turn>& turns) {
  const std::optional<Json> header = Json::Parse(line);
  if (!header) return false;
  const Json* said = header->Find("system");
  const Json* list = header->Find("turns");
  if (said == nullptr || !said->is_text() || list == nullptr || !list->is_array()) return false;
  system = said->text();
  for (const Json& turn : list->items()) {
    const Json* prompt = turn.Find("prompt");
    const Json* answer = turn.Find("answer");
    if (prompt == nullptr || !prompt->is_text()) return false;
    if (answer == nullptr || !answer->is_array()) return false;
    turns.push_back({prompt->text(), {}});
    for (const Json& token : answer->items()) {
      if (!token.is_whole() || token.whole() > kMostId) return false;
      turns.back().answer.push_back(static_cast<tok_id_t>(token.whole()));
    }
  }
  return true;
}

std::string Conversation::Load(const std::string& path) {
  errno = 0;
  struct stat status = {};
  if (stat(path.c_str(), &status) != 0) return Reason(path);
  if (!S_ISREG(status.st_mode)) return path + ": is no file";
  std::ifstream file(path, std::ios::binary);
  if (!file) return Reason(path);
  if (!IsChat(file)) return path + ": is no saved chat";
  file.seekg(0);
  std::string line(kMostLineBytes + 1, '\0');
  file.getline(line.data(), static_cast<std::streamsize>(line.size()));
  if (!file || file.eof()) return path + ": is no saved chat";
  line.resize(static_cast<size_t>(file.gcount()) - 1);
  std::string system;
  std::vector<Turn> turns;
  if (!ParseHeader(line, system, turns)) return path + ": is no saved chat";
  // Into a session of its own first: what is said and what the state holds must be the same.
  decltype(session_) fresh(clamma_session_construct(model_), &clamma_session_destroy);
  if (fresh == nullptr) return path + ": there is no further session for it";
  if (clamma_session_restore(fresh.get(), ReadFrom, &file) != 0) return path + ": not loaded";
  session_.swap(fresh);
  system_.swap(system);
  turns_.swap(turns);
  if (Encode(turns_) == SessionTokens()) {
    seeded_ = true;
    return "";
  }
  session_.swap(fresh);
  system_.swap(system);
  turns_.swap(turns);
  return path + ": its turns are not those of its state";
}
