// SPDX-License-Identifier: MIT
#include "chat/template/bump.h"

namespace clamma {
namespace {

constexpr size_t kUnit = 16;
constexpr size_t kFirstChunk = size_t{8} << 10;
constexpr size_t kMaxChunk = size_t{1} << 20;  // unless one allocation is larger
constexpr size_t kHeader = 64;                 // of a chunk, so that the rest is aligned

}  // namespace

void Bump::Reset() {
  while (chunks_ != nullptr) {
    Chunk* const next = chunks_->next;
    memory_.Free(chunks_, chunks_->bytes);
    chunks_ = next;
  }
  free_ = nullptr;
  left_ = bytes_ = 0;
}

void* Bump::Refuse() {
  status_ = Status::Error(StatusCode::kLimit, "it takes more than %zu bytes of memory, the limit",
                          limit_);
  return nullptr;
}

bool Bump::AddChunk(size_t least) {
  static_assert(sizeof(Chunk) <= kHeader);
  size_t size = bytes_ < kFirstChunk ? kFirstChunk : bytes_ < kMaxChunk ? bytes_ : kMaxChunk;
  if (size < least + kHeader) size = least + kHeader;
  if (size > limit_ - bytes_) size = limit_ - bytes_;
  if (size < least + kHeader) return Refuse() != nullptr;
  void* place = nullptr;
  const Status status = memory_.Allocate(size, &place);
  if (!status.ok()) {
    status_ = status;
    return false;
  }
  chunks_ = new (place) Chunk{chunks_, size};
  free_ = static_cast<char*>(place) + kHeader;
  left_ = size - kHeader;
  bytes_ += size;
  return true;
}

void* Bump::Allocate(uint64_t bytes) {
  if (bytes > limit_) return Refuse();
  const size_t size = (static_cast<size_t>(bytes) + kUnit) / kUnit * kUnit;
  if (size > left_ && !AddChunk(size)) return nullptr;
  char* const place = free_;
  free_ += size;
  left_ -= size;
  return place;
}

}  // namespace clamma
