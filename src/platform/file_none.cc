// SPDX-License-Identifier: MIT
// A build without files: models and vocabularies are given by their addresses.
#include "platform/file.h"

namespace clamma {

Status File::Open(const char* path, const char* /*model_dir*/) {
  return Status::Error(StatusCode::kNotFound,
                       "cannot open '%s': this build reads no files, so give the address of the "
                       "model (model_base, CLAMMA_MODEL_ACCESS_ABSOLUTE_ADDRESS) and of the "
                       "vocabulary (tokenizer_base)",
                       path);
}

Status File::OpenPart(int /*descriptor*/, uint64_t /*offset*/, uint64_t /*length*/) {
  return Status::Error(StatusCode::kIo, "this build reads no files");
}

Status File::Read(uint64_t /*offset*/, void* /*destination*/, size_t /*n*/) const {
  return Status::Error(StatusCode::kIo, "this build reads no files");
}

Status File::Map(const uint8_t** /*data*/) {
  return Status::Error(StatusCode::kIo, "this build maps no files");
}

void File::Close() {}

}  // namespace clamma
