// SPDX-License-Identifier: MIT
#include "platform/file.h"

#include <cerrno>
#include <cstring>
#include <initializer_list>

#include "platform/format.h"

namespace clamma {
namespace {

constexpr size_t kMaxAtOnce = size_t{1} << 30;

}  // namespace

const char* File::FolderOf(Place place, const char* model_dir) {
  const char* folder = nullptr;
  if (place == Place::kEnvironmentFolder) folder = EnvironmentFolder();
  if (place == Place::kModelFolder) folder = model_dir;
  return folder == nullptr || folder[0] == '\0' ? nullptr : folder;
}

// Returns a descriptor, or -1 and sets errno.
int File::OpenIn(const char* folder, const char* path) {
  char candidate[kMaxPathBytes];
  if (Format(candidate, sizeof(candidate), "%s/%s", folder, path) < sizeof(candidate)) {
    return OpenReadOnly(candidate);
  }
  errno = ENAMETOOLONG;
  return -1;
}

Status File::Open(const char* path, const char* model_dir) {
  Close();
  place_ = Place::kAsNamed;
  descriptor_ = OpenReadOnly(path);
  const bool search = model_dir[0] != '\0' && descriptor_ < 0 && errno == ENOENT &&
                      path[0] != '\0' && !IsAbsolute(path);
  const char* const asked = search ? EnvironmentFolder() : nullptr;
  for (const Place place : {Place::kEnvironmentFolder, Place::kModelFolder}) {
    const char* const folder = FolderOf(place, model_dir);
    if (!search || folder == nullptr || descriptor_ >= 0 || errno != ENOENT) continue;
    descriptor_ = OpenIn(folder, path);
    place_ = place;
  }
  if (descriptor_ < 0) {
    const int error = errno;
    const bool two = asked != nullptr && asked[0] != '\0';
    return Status::Error(error == ENOENT ? StatusCode::kNotFound : StatusCode::kIo,
                         "cannot open '%s': %s%s%s%s%s", path, std::strerror(error),
                         search ? ", neither here nor in " : "", two ? asked : "",
                         two ? " or " : "", search ? model_dir : "");
  }
  Status status = Examine(path);
  if (!status.ok()) Close();
  size_ = file_size_;
  return status;
}

Status File::OpenPart(int descriptor, uint64_t offset, uint64_t length) {
  Close();
  descriptor_ = Duplicate(descriptor);
  if (descriptor_ < 0) {
    return Status::Error(StatusCode::kIo, "cannot use descriptor %d: %s", descriptor,
                         std::strerror(errno));
  }
  Status status = Examine("the descriptor's file");
  if (status.ok() && (offset > file_size_ || length > file_size_ - offset)) {
    status = Status::Error(StatusCode::kInvalidArgument,
                           "%llu bytes at byte %llu are asked for, and the file has %llu",
                           Ull{length}, Ull{offset}, Ull{file_size_});
  }
  if (!status.ok()) {
    Close();
    return status;
  }
  begin_ = offset;
  size_ = length == 0 ? file_size_ - offset : length;
  return Status();
}

Status File::Read(uint64_t offset, void* destination, size_t n) const {
  auto* out = static_cast<uint8_t*>(destination);
  if (offset > size_ || n > size_ - offset) {
    return Status::Error(StatusCode::kIo, "the file ends before byte %llu: was it cut short?",
                         Ull{offset} + n);
  }
  while (n > 0) {
    // Linux reads at most 2 GiB per call, and some systems refuse more.
    size_t got = 0;
    CLAMMA_RETURN_IF_ERROR(ReadSome(begin_ + offset, out, n < kMaxAtOnce ? n : kMaxAtOnce, &got));
    if (got == 0) {
      return Status::Error(StatusCode::kIo, "the file ends before byte %llu: was it cut short?",
                           static_cast<unsigned long long>(offset) + n);
    }
    out += got;
    offset += got;
    n -= got;
  }
  return Status();
}

Status File::Map(const uint8_t** data) {
  if (size_ == 0) return Status::Error(StatusCode::kCorrupt, "the file is empty");
  if (file_size_ > SIZE_MAX) {
    return Status::Error(StatusCode::kLimit, "the file is too large to map on this machine");
  }
  if (mapping_ == nullptr) {
    CLAMMA_RETURN_IF_ERROR(MapAll());
    CloseDescriptor();
  }
  *data = static_cast<const uint8_t*>(mapping_) + begin_;
  return Status();
}

}  // namespace clamma
