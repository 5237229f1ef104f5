// SPDX-License-Identifier: MIT
#include "saved_chat.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <system_error>
#include <utility>

#include "json.h"

namespace {

constexpr char kFormat[] = "clamma-chat 2";
constexpr char kBegin[] = R"({"format":"clamma-chat )";
// Messages take a few bytes per token, but a line of a damaged or foreign file may have gigabytes.
constexpr size_t kMaxLineBytes = size_t{1} << 24;

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

// The file to replace when saving at `path`: the target of a symbolic link. "" if it is not a
// regular file, but a device, for example.
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

// Whether saving a chat there would overwrite something else than a saved chat.
bool HoldsSomethingElse(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return file && file.peek() != std::ifstream::traits_type::eof() && !IsChat(file);
}

std::optional<std::string> HeaderOf(const SavedChat& chat) {
  Json messages = Json::Array();
  for (const Message& message : chat.messages) {
    messages.Add(Json::Object({{"content", message.content}, {"role", message.role}}));
  }
  return Json::Object(
             {{"format", kFormat}, {"messages", std::move(messages)}, {"system", chat.system}})
      .Exact();
}

bool ParseHeader(const std::string& line, SavedChat* chat) {
  const std::optional<Json> header = Json::Parse(line);
  if (!header) return false;
  const Json* format = header->Find("format");
  const Json* system = header->Find("system");
  const Json* messages = header->Find("messages");
  if (format == nullptr || format->text() != kFormat) return false;
  if (system == nullptr || !system->is_text()) return false;
  if (messages == nullptr || !messages->is_array()) return false;
  chat->system = system->text();
  for (const Json& message : messages->items()) {
    const Json* role = message.Find("role");
    const Json* content = message.Find("content");
    // Prompts and answers alternate.
    const char* expected = chat->messages.size() % 2 == 0 ? "user" : "assistant";
    if (role == nullptr || role->text() != expected) return false;
    if (content == nullptr || !content->is_text()) return false;
    if (content->text().find('\0') != std::string::npos) return false;
    chat->messages.push_back({expected, content->text()});
  }
  return chat->messages.size() % 2 == 0 && chat->system.find('\0') == std::string::npos;
}

}  // namespace

std::string SaveChat(const std::string& path, const SavedChat& chat, const txf_session* session) {
  const std::optional<std::string> header = HeaderOf(chat);
  if (!header) return path + ": not saved, as a message of this chat is not UTF-8";
  const std::string line = *header + "\n";
  if (line.size() > kMaxLineBytes) return path + ": not saved, as this chat is too long";
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
  const bool good = WriteTo(file, line.data(), line.size()) == 0 &&
                    clamma_session_save(session, WriteTo, file) == 0 && std::fflush(file) == 0;
  std::string wrong = good ? "" : Reason(path);
  if (std::fclose(file) != 0 && good) wrong = Reason(path);
  if (wrong.empty() && std::rename(temporary.c_str(), target.c_str()) != 0) wrong = Reason(path);
  if (!wrong.empty()) std::remove(temporary.c_str());
  return wrong;
}

std::string LoadChat(const std::string& path, SavedChat* chat, txf_session* session) {
  errno = 0;
  struct stat status = {};
  if (stat(path.c_str(), &status) != 0) return Reason(path);
  if (!S_ISREG(status.st_mode)) return path + ": is no file";
  std::ifstream file(path, std::ios::binary);
  if (!file) return Reason(path);
  if (!IsChat(file)) return path + ": is no saved chat";
  file.seekg(0);
  std::string line(kMaxLineBytes + 1, '\0');
  file.getline(line.data(), static_cast<std::streamsize>(line.size()));
  if (!file || file.eof()) return path + ": is no saved chat";
  line.resize(static_cast<size_t>(file.gcount()) - 1);
  SavedChat loaded;
  if (!ParseHeader(line, &loaded)) return path + ": is no saved chat of this version";
  if (clamma_session_restore(session, ReadFrom, &file) != 0) return path + ": not loaded";
  *chat = std::move(loaded);
  return "";
}
