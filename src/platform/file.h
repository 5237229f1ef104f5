// SPDX-License-Identifier: MIT
// Read-only files: whole-file mappings and positioned reads. What a system must provide of it is in
// file_posix.cc and file_win32.cc, what they share in file.cc; file_none.cc does without files.
#ifndef CLAMMA_PLATFORM_FILE_H_
#define CLAMMA_PLATFORM_FILE_H_

#include <cstddef>
#include <cstdint>

#include "platform/status.h"

namespace clamma {

#ifdef LIBCLAMMA_BARE_METAL
inline constexpr bool kHasFiles = false;
#else
inline constexpr bool kHasFiles = true;
#endif

inline constexpr size_t kMaxPathBytes = 4096;  // with the NUL

class File {
 public:
  File() = default;
  ~File() { Close(); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  // Where a path leads.
  enum class Place : uint8_t {
    kAsNamed,
    kEnvironmentFolder,  // the one that CLAMMA_MODEL_DIR names
    kModelFolder         // the caller's
  };

  // Opens a regular file: first `path` as it is, then, if it is relative and `model_dir` is not "",
  // in the folder that the environment names, and in `model_dir`.
  Status Open(const char* path, const char* model_dir);
  Place place() const { return place_; }  // where that was

  // The folder that relative paths continue in a place; nullptr: there is none.
  static const char* FolderOf(Place place, const char* model_dir);

  // Opens a part of a file that is open already, by a descriptor of its own: `length` bytes from
  // `offset` on, or all that follows for length 0. What `descriptor` refers to stays as it is.
  Status OpenPart(int descriptor, uint64_t offset, uint64_t length);

  // Reads exactly n bytes at `offset`; less is an error. Any thread.
  Status Read(uint64_t offset, void* destination, size_t n) const;

  // Maps the file, shared with every other process that maps it. Valid until Close().
  Status Map(const uint8_t** data);

  void Close();
  bool is_open() const { return descriptor_ >= 0; }
  uint64_t size() const { return size_; }

 private:
  // Of the system. A descriptor, or -1 and errno.
  static int OpenReadOnly(const char* path);
  static int OpenIn(const char* folder, const char* path);
  static int Duplicate(int descriptor);
  static bool IsAbsolute(const char* path);
  // nullptr also in a process with more rights than the user who set its environment.
  static const char* EnvironmentFolder();
  // Refuses what is no regular file, and finds out file_size_.
  Status Examine(const char* path);
  // Reads 1 .. n bytes at an offset of the whole file, or none behind its end; n is at most 2^30.
  Status ReadSome(uint64_t offset, void* destination, size_t n, size_t* got) const;
  // Sets mapping_; the descriptor is not needed any more.
  Status MapAll();
  void CloseDescriptor();

  int descriptor_ = -1;
  Place place_ = Place::kAsNamed;
  uint64_t file_size_ = 0;
  uint64_t begin_ = 0;  // of the part that is used
  uint64_t size_ = 0;   // ... and its size
  void* mapping_ = nullptr;
};

}  // namespace clamma

#endif  // CLAMMA_PLATFORM_FILE_H_
