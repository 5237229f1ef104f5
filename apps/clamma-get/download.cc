// SPDX-License-Identifier: MIT
#include "download.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <optional>

#include "failure.h"
#include "models.h"
#include "progress.h"
#include "retries.h"

namespace get {
namespace {

void Say(const Manner& manner, const std::string& what) {
  if (!manner.quiet) std::fprintf(stderr, "clamma-get: %s\n", what.c_str());
}

std::string NameOf(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}

// The validator of a reply for If-Range: a strong ETag, else a date.
std::string Validator(const Reply& reply) {
  const std::string& tag = reply.Header("etag");
  return tag.starts_with('"') ? tag : reply.Header("last-modified");
}

// Downloads a file: each Run() is an attempt.
class Attempt {
 public:
  Attempt(Client& client, PartFile& part, const Wanted& wanted, const Manner& manner)
      : client_(client), part_(part), wanted_(wanted), manner_(manner) {}

  // Throws Interruption if another attempt may succeed.
  void Run() {
    Request request;
    request.url = wanted_.url;
    if (part_.size() > 0 && CanGoOn(&request.if_range)) request.offset = part_.size();
    head_.clear();
    head_checked_ = request.offset > 0;
    const Reply reply = client_.Get(
        request, [&](const Reply& answer) { Begin(request, answer); },
        [&](std::string_view bytes) { Take(bytes); });
    if (progress_) progress_->End();
    if (reply.status == 416) return;  // the file is complete: Begin() has checked it
    if (!head_checked_) CheckStart();
    if (total_ > 0 && part_.size() < total_) {
      throw Interruption(NameOf(wanted_.path) + " ends after " + std::to_string(part_.size()) +
                         " of " + std::to_string(total_) + " bytes");
    }
  }

  void EndProgress() {
    if (progress_) progress_->End();
  }

 private:
  // Whether the existing bytes belong to the wanted file, or the server can check it.
  bool CanGoOn(std::string* if_range) const {
    const Origin origin = part_.origin();
    if (!wanted_.sha256.empty() && origin.sha256 == wanted_.sha256) return true;
    if (origin.url != wanted_.url || origin.sha256 != wanted_.sha256 || origin.validator.empty()) {
      Say(manner_, NameOf(wanted_.path) + ": the partial file cannot be resumed: starting again");
      return false;
    }
    *if_range = origin.validator;
    return true;
  }

  void Begin(const Request& request, const Reply& reply) {
    const uint64_t whole = reply.whole();
    if (reply.status == 416 && request.offset > 0) {
      if (wanted_.bytes > 0 ? part_.size() == wanted_.bytes : WholeOf416(reply) == part_.size()) {
        return;
      }
      part_.Discard();
      throw Interruption(NameOf(wanted_.path) + " has another size now");
    }
    if (reply.status != 200 && reply.status != 206) {
      ThrowStatus(reply, wanted_.url, manner_.has_token);
    }
    CheckAnswer(request, reply, whole);
    total_ = wanted_.bytes > 0 ? wanted_.bytes : whole;
    going_on_ = reply.status == 206 && request.offset > 0;
    if (going_on_) {
      Say(manner_,
          "resuming " + NameOf(wanted_.path) + " at " + models::ReadableSize(part_.size()));
    } else {
      if (request.offset > 0) {
        Say(manner_, NameOf(wanted_.path) +
                         ": the server cannot resume, or its file has changed: "
                         "starting again");
      }
      // The first bytes are checked before they replace the existing ones.
      origin_ = {wanted_.url, Validator(reply), wanted_.sha256};
      head_checked_ = false;
    }
    const uint64_t there = going_on_ ? part_.size() : 0;
    part_.NeedRoom(total_ - std::min(total_, part_.size()));  // existing bytes are kept or replaced
    progress_.emplace(NameOf(wanted_.path), total_, there, manner_.quiet);
  }

  static uint64_t WholeOf416(const Reply& reply) {
    const std::string& range = reply.Header("content-range");  // bytes */10
    return range.starts_with("bytes */") ? std::strtoull(range.c_str() + 8, nullptr, 10) : 0;
  }

  void CheckAnswer(const Request& request, const Reply& reply, uint64_t whole) const {
    const std::string& type = reply.Header("content-type");
    if (type.starts_with("text/html")) {
      throw Failure(kExitWrongFile,
                    Shown(reply.url) + " is a web page and not the file (a login, or an error)");
    }
    const std::string& coding = reply.Header("content-encoding");
    if (!coding.empty() && coding != "identity") {
      throw Failure(kExitNetwork,
                    wanted_.url + ": the server sends it compressed as " + Shown(coding));
    }
    if (reply.status == 206 && reply.first() != request.offset) {
      throw Failure(kExitNetwork, wanted_.url + ": the server sends another part than asked for");
    }
    if (wanted_.bytes > 0 && whole > 0 && whole != wanted_.bytes) {
      throw Failure(kExitWrongFile, wanted_.url + ": the server has " + std::to_string(whole) +
                                        " bytes, and the file should have " +
                                        std::to_string(wanted_.bytes));
    }
    if (wanted_.bytes == 0 && whole == 0 && !reply.framed &&
        reply.Header("content-length").empty()) {
      throw Failure(kExitNetwork, wanted_.url +
                                      ": the server does not report the length of the file, so a "
                                      "truncated file could not be detected");
    }
  }

  void Take(std::string_view bytes) {
    if (!head_checked_) {
      head_ += bytes;
      if (head_.size() < 512) return;
      CheckStart();
    } else {
      Put(bytes);
    }
  }

  // Checks the first bytes, or all bytes if there are fewer.
  void CheckStart() {
    CheckHead(head_, wanted_.path);
    part_.Begin(origin_);
    head_checked_ = true;
    Put(head_);
  }

  void Put(std::string_view bytes) {
    if (total_ > 0 && bytes.size() > total_ - std::min(total_, part_.size())) {
      part_.Discard();
      throw Failure(kExitWrongFile, wanted_.url + " is longer than the " + std::to_string(total_) +
                                        " bytes that it should have");
    }
    part_.Append(bytes);
    progress_->Show(part_.size());
  }

  Client& client_;
  PartFile& part_;
  const Wanted& wanted_;
  const Manner& manner_;
  std::optional<Progress> progress_;
  Origin origin_;
  std::string head_;
  bool head_checked_ = false;
  bool going_on_ = false;
  uint64_t total_ = 0;
};

// The end of a message: what is kept after a failure, and how to continue.
std::string HowToGoOn(const PartFile& part) {
  if (part.size() == 0) return "";
  return "; " + models::ReadableSize(part.size()) +
         " are kept; run the same command again to resume";
}

}  // namespace

void CheckHead(std::string_view head, const std::string& path) {
  const std::string name = NameOf(path);
  const auto wrong = [&](const std::string& what) {
    throw Failure(kExitWrongFile, "the data received for " + name + " is " + what);
  };
  // Text files that belong to models cannot be checked any further.
  for (const char* ending : {".jinja", ".json", ".md", ".txt"}) {
    if (path.ends_with(ending)) return;
  }
  std::string lower = path.substr(path.size() - std::min<size_t>(path.size(), 5));
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (head.empty()) wrong("an empty file");
  if (head.starts_with("version https://git-lfs")) {
    wrong("a pointer of Git LFS, which only names the file");
  }
  const size_t start = head.find_first_not_of(" \t\r\n\xef\xbb\xbf");
  const char first = start == std::string_view::npos ? ' ' : head[start];
  // Models have bytes near their beginning that do not occur in texts.
  const bool is_text = std::none_of(head.begin(), head.end(), [](unsigned char c) {
    return c < 0x20 && c != '\t' && c != '\n' && c != '\r' && c != '\f' && c != '\x1b';
  });
  const std::string excerpt = ": " + Shown(head.substr(0, 60));
  if (is_text && first == '<') wrong("a web page (a login, or an error)" + excerpt);
  if (is_text && (first == '{' || first == '[')) wrong("a message in JSON" + excerpt);
  if (lower.ends_with(".gguf") && !head.starts_with("GGUF")) wrong("not a GGUF file" + excerpt);
  if (lower.ends_with(".bin") && is_text) wrong("a text" + excerpt);
}

void Accept(PartFile& part, const std::string& sha256) {
  if (!sha256.empty()) {
    const std::string sum = part.Sha256();
    if (sum != sha256) {
      part.Discard();
      throw Failure(kExitWrongFile, NameOf(part.path()) +
                                        " is not the published file: its sha256 is " + sum +
                                        " and should be " + sha256 + "; it is removed");
    }
  }
  part.Finish();
}

bool Download(Client& client, const Wanted& wanted, const Manner& manner) {
  PartFile part(wanted.path);
  if (part.whole_is_there()) return true;
  Attempt attempt(client, part, wanted, manner);
  Retries retries(manner.tries, manner.quiet);
  for (bool whole = false; !whole;) {
    const uint64_t before = part.size();
    try {
      attempt.Run();
      whole = true;
    } catch (const Interruption& e) {
      attempt.EndProgress();
      retries.Await(e, part.size() > before, HowToGoOn(part));
    } catch (const Failure& e) {
      attempt.EndProgress();
      if (e.code() != kExitInterrupted) throw;
      throw Failure(e.code(), e.what() + HowToGoOn(part));
    }
  }
  Accept(part, wanted.sha256);
  return false;
}

}  // namespace get
