// SPDX-License-Identifier: MIT
// Files on Windows. Paths are UTF-8, as everywhere in the library.
#include <fcntl.h>
#include <io.h>
#include <share.h>
#include <windows.h>

#include <cerrno>
#include <cstdlib>

#include "platform/file.h"

namespace clamma {
namespace {

constexpr int kMaxPathUnits = 4096;

HANDLE HandleOf(int descriptor) { return reinterpret_cast<HANDLE>(_get_osfhandle(descriptor)); }

Status LastError(const char* what) {
  return Status::Error(StatusCode::kIo, "cannot %s: Windows error %u", what,
                       static_cast<unsigned>(GetLastError()));
}

}  // namespace

int File::OpenReadOnly(const char* path) {
  wchar_t wide[kMaxPathUnits];
  if (MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, wide, kMaxPathUnits) == 0) {
    errno = GetLastError() == ERROR_INSUFFICIENT_BUFFER ? ENAMETOOLONG : EILSEQ;
    return -1;
  }
  int descriptor = -1;
  const int error =
      _wsopen_s(&descriptor, wide, _O_RDONLY | _O_BINARY | _O_NOINHERIT, _SH_DENYNO, 0);
  if (error == 0) return descriptor;
  errno = error;
  return -1;
}

int File::Duplicate(int descriptor) { return _dup(descriptor); }

// Absolute paths begin at a root, or with a drive.
bool File::IsAbsolute(const char* path) {
  return path[0] == '/' || path[0] == '\\' || (path[0] != '\0' && path[1] == ':');
}

const char* File::EnvironmentFolder() { return std::getenv("CLAMMA_MODEL_DIR"); }

Status File::Examine(const char* path) {
  const HANDLE handle = HandleOf(descriptor_);
  LARGE_INTEGER size = {};
  if (GetFileType(handle) != FILE_TYPE_DISK) {
    return Status::Error(StatusCode::kIo, "'%s' is not a regular file", path);
  }
  if (!GetFileSizeEx(handle, &size)) return LastError("tell the file's size");
  file_size_ = static_cast<uint64_t>(size.QuadPart);
  return Status();
}

Status File::ReadSome(uint64_t offset, void* destination, size_t n, size_t* got) const {
  // The position is an argument, not the handle's, so any number of threads may read.
  OVERLAPPED place = {};
  place.Offset = static_cast<DWORD>(offset);
  place.OffsetHigh = static_cast<DWORD>(offset >> 32);
  DWORD size = 0;
  if (!ReadFile(HandleOf(descriptor_), destination, static_cast<DWORD>(n), &size, &place) &&
      GetLastError() != ERROR_HANDLE_EOF) {
    return LastError("read the file");
  }
  *got = size;
  return Status();
}

Status File::MapAll() {
  const HANDLE section =
      CreateFileMappingW(HandleOf(descriptor_), nullptr, PAGE_READONLY, 0, 0, nullptr);
  if (section == nullptr) return LastError("map the file");
  mapping_ = MapViewOfFile(section, FILE_MAP_READ, 0, 0, 0);
  const Status status = mapping_ == nullptr ? LastError("map the file") : Status();
  CloseHandle(section);  // the view does not need it
  return status;
}

void File::CloseDescriptor() {
  if (descriptor_ >= 0) _close(descriptor_);
  descriptor_ = -1;
}

void File::Close() {
  if (mapping_ != nullptr) UnmapViewOfFile(mapping_);
  CloseDescriptor();
  mapping_ = nullptr;
  file_size_ = begin_ = size_ = 0;
}

}  // namespace clamma
