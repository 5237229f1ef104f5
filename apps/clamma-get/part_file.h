// SPDX-License-Identifier: MIT
// A file during its download: NAME.part, which is locked, and facts about it in NAME.part.json.
#ifndef CLAMMA_APPS_CLAMMA_GET_PART_FILE_H_
#define CLAMMA_APPS_CLAMMA_GET_PART_FILE_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace get {

// The file of which the downloaded bytes are a part.
struct Origin {
  std::string url;
  std::string validator;  // an ETag or a date for If-Range; "": the server sent none
  std::string sha256;     // "": unknown
};

class PartFile {
 public:
  // Creates the folder and opens NAME.part, which may have bytes of an earlier attempt. Throws
  // Failure if that is not possible, or if another process uses the file.
  explicit PartFile(std::string path);
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;
  ~PartFile();

  const std::string& path() const { return path_; }  // of the complete file
  bool whole_is_there() const;
  uint64_t size() const { return size_ + pending_.size(); }
  Origin origin() const;  // all "" if unknown

  void Begin(const Origin& origin);  // starts again with the first byte of another file
  void Append(std::string_view bytes);
  std::string Head();    // up to 512 bytes
  std::string Sha256();  // of the bytes so far
  void Finish();         // syncs the file and renames it
  void Discard();        // removes the file

  // Throws Failure if the disk has no room for this many more bytes.
  void NeedRoom(uint64_t bytes) const;

 private:
  // The file is written in pieces of this size, which Linux keeps in huge pages; they are read
  // faster.
  static constexpr size_t kPiece = size_t{2} << 20;

  void Open();
  int Write();  // the pending bytes; returns an errno
  void Flush();
  [[noreturn]] void Throw(const std::string& what, int error) const;

  std::string path_, part_, sidecar_;
  int fd_ = -1;
  uint64_t size_ = 0;    // bytes in the file
  std::string pending_;  // bytes that follow them, less than a piece
};

}  // namespace get

#endif  // CLAMMA_APPS_CLAMMA_GET_PART_FILE_H_
