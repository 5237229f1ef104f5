// SPDX-License-Identifier: MIT
// Read-only files: mappings of whole files and reads at a position. file_posix.cc and file_win32.cc
// implement what depends on the system, file.cc what they share; file_none.cc is for builds without
// files.
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

inline constexpr size_t kMaxPathBytes = 4096;  // including the NUL

class File {
 public:
  File() = default;
  ~File() { Close(); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  // Where a path was found.
  enum class Place : uint8_t {
    kAsNamed,
    kEnvironmentFolder,  // in the folder that CLAMMA_MODEL_DIR names
    kModelFolder         // in the caller's folder
  };

  // Opens a regular file. Tries `path` as it is. If it is relative and `model_dir` is not "", also
  // tries the folder that the environment names, then `model_dir`.
  Status Open(const char* path, const char* model_dir);
  Place place() const { return place_; }  // where Open() found the file

  // The folder to which paths in a place are relative; nullptr: there is none.
  static const char* FolderOf(Place place, const char* model_dir);

  // Opens a part of a file that is open already: `length` bytes from `offset` on, or everything
  // from there if `length` is 0. It duplicates `descriptor`, whose state does not change.
  Status OpenPart(int descriptor, uint64_t offset, uint64_t length);

  // Reads exactly n bytes at `offset`; fewer are an error. Any thread may call it.
  Status Read(uint64_t offset, void* destination, size_t n) const;

  // Maps the file, sharing memory with all processes that map it. Valid until Close().
  Status Map(const uint8_t** data);

  void Close();
  bool is_open() const { return descriptor_ >= 0; }
  uint64_t size() const { return size_; }

 private:
  // The functions below depend on the system. These three return a descriptor, or -1 and set errno.
  static int OpenReadOnly(const char* path);
  static int OpenIn(const char* folder, const char* path);
  static int Duplicate(int descriptor);
  static bool IsAbsolute(const char* path);
  // Returns nullptr also in a process with more rights than the user who set its environment.
  static const char* EnvironmentFolder();
  // Sets file_size_. Refuses anything but a regular file.
  Status Examine(const char* path);
  // Reads 1 .. n bytes at an offset of the whole file, or none beyond its end. n is at most 2^30.
  Status ReadSome(uint64_t offset, void* destination, size_t n, size_t* got) const;
  // Sets mapping_. The descriptor is not needed afterwards.
  Status MapAll();
  void CloseDescriptor();

  int descriptor_ = -1;
  Place place_ = Place::kAsNamed;
  uint64_t file_size_ = 0;
  uint64_t begin_ = 0;  // offset of the part that is used
  uint64_t size_ = 0;   // size of that part
  void* mapping_ = nullptr;
};

}  // namespace clamma

#endif  // CLAMMA_PLATFORM_FILE_H_
