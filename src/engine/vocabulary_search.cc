// SPDX-License-Identifier: MIT
#include "engine/vocabulary_search.h"

#include <algorithm>
#include <initializer_list>
#include <string_view>

#include "platform/format.h"
#include "tokenizer/llama2c_vocabulary.h"

namespace clamma {
namespace {

constexpr char kName[] = "tokenizer.bin";

// Returns how many bytes of a path come before its last part.
size_t FolderBytes(std::string_view path) {
#ifdef _WIN32
  const size_t at = path.find_last_of("/\\:");
#else
  const size_t at = path.rfind('/');
#endif
  return at == std::string_view::npos ? 0 : at + 1;
}

class Search {
 public:
  Search(const VocabularySearch& search, File* file, char* path)
      : search_(search), file_(*file), path_(path) {}

  // Returns whether a vocabulary of the right size was found, and sets the file and its path.
  bool Run() { return TryBesideCheckpoint() || TryFolders(); }

  Status Failure() const {
    const bool beside = search_.checkpoint_path != nullptr;
    const char* const asked = File::FolderOf(File::Place::kEnvironmentFolder, search_.model_dir);
    return Status::Error(
        StatusCode::kNotFound,
        "no vocabulary of %u tokens: %stokenizer.bin is looked for %shere%s%s and in %s%s",
        static_cast<unsigned>(search_.vocab_size), beside ? "NAME.tokenizer.bin or " : "",
        beside ? "beside the checkpoint, " : "", asked == nullptr ? "" : ", in ",
        asked == nullptr ? "" : asked, search_.model_dir, seen_);
  }

 private:
  bool TryBesideCheckpoint() {
    if (search_.checkpoint_path == nullptr) return false;
    const std::string_view checkpoint(search_.checkpoint_path);
    const size_t folder = FolderBytes(checkpoint);
    size_t stem = checkpoint.rfind('.');
    // A name such as ".bin" has no extension.
    if (stem == std::string_view::npos || stem <= folder) stem = checkpoint.size();
    const char* const path = checkpoint.data();
    return Try(search_.checkpoint_place, {path, stem}, ".tokenizer.bin") ||
           Try(search_.checkpoint_place, {path, folder}, kName);
  }

  bool TryFolders() {
    return Try(File::Place::kAsNamed, "", kName) ||
           Try(File::Place::kEnvironmentFolder, "", kName) ||
           Try(File::Place::kModelFolder, "", kName);
  }

  // Joins the parts. Returns false if the path is too long.
  bool SetPath(std::initializer_list<std::string_view> parts) {
    size_t size = 0;
    for (const std::string_view part : parts) {
      if (part.size() >= kMaxPathBytes - size) return false;
      std::copy(part.begin(), part.end(), path_ + size);
      size += part.size();
    }
    path_[size] = '\0';
    return true;
  }

  bool Try(File::Place place, std::string_view start, const char* end) {
    const char* const folder = File::FolderOf(place, search_.model_dir);
    if (folder == nullptr && place != File::Place::kAsNamed) return false;
    if (!SetPath({folder == nullptr ? "" : folder, folder == nullptr ? "" : "/", start, end})) {
      return false;
    }
    const Status opened = file_.Open(path_, "");
    if (opened.code() == StatusCode::kNotFound) return false;
    const uint32_t tokens = opened.ok() ? CountLlama2cTokens(file_) : 0;
    if (opened.ok() && tokens == search_.vocab_size) return true;
    if (seen_[0] != '\0') return false;  // the first one found is most likely the one meant
    if (!opened.ok()) {
      Format(seen_, sizeof(seen_), "; %s", opened.message());
    } else if (tokens == 0) {
      Format(seen_, sizeof(seen_), "; %s is no vocabulary, or damaged", path_);
    } else {
      Format(seen_, sizeof(seen_), "; %s has %u tokens", path_, static_cast<unsigned>(tokens));
    }
    return false;
  }

  const VocabularySearch& search_;
  File& file_;
  char* path_;
  char seen_[Status::kMaxMessage] = "";  // the first file found, and why it is not used
};

}  // namespace

Status OpenVocabulary(const VocabularySearch& search, File* file, char* path) {
  Search run(search, file, path);
  if (run.Run()) return Status();
  file->Close();
  return run.Failure();
}

}  // namespace clamma
