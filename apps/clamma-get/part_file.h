// SPDX-License-Identifier: MIT
// A file while it is being got: NAME.part, locked, with what is known of it in NAME.part.json.
#ifndef CLAMMA_APPS_CLAMMA_GET_PART_FILE_H_
#define CLAMMA_APPS_CLAMMA_GET_PART_FILE_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace get {

// What the bytes that are there are a part of.
struct Origin {
  std::string url;
  std::string validator;  // an ETag or a date that If-Range takes; "": the server gave none
  std::string sha256;     // "": not known
};

class PartFile {
 public:
  // Makes the folder and opens NAME.part, which may have bytes of an earlier attempt. Throws
  // Failure where that cannot be, or another process has it.
  explicit PartFile(std::string path);
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;
  ~PartFile();

  const std::string& path() const { return path_; }  // of the whole file
  bool whole_is_there() const;
  uint64_t size() const { return size_; }
  Origin origin() const;  // all "" where it is not known

  void Begin(const Origin& origin);  // from now on a part of this, from its first byte
  void Append(std::string_view bytes);
  std::string Head() const;    // up to 512 bytes
  std::string Sha256() const;  // of what is there
  void Finish();               // on the disk, and then under its name
  void Discard();              // what is there is of no use

  // Throws Failure if so many more bytes have no room on the disk.
  void NeedRoom(uint64_t bytes) const;

 private:
  void Open();
  [[noreturn]] void Throw(const std::string& what, int error) const;

  std::string path_, part_, sidecar_;
  int fd_ = -1;
  uint64_t size_ = 0;
};

}  // namespace get

#endif  // CLAMMA_APPS_CLAMMA_GET_PART_FILE_H_
