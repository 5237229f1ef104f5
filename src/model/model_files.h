// SPDX-License-Identifier: MIT
// The files that make a model, opened: one, or those of a split GGUF model, found beside the one
// that is named. They are mapped, read, or in memory already.
#ifndef CLAMMA_MODEL_MODEL_FILES_H_
#define CLAMMA_MODEL_MODEL_FILES_H_

#include <cstddef>
#include <cstdint>

#include "model/byte_source.h"
#include "model/files/gguf.h"
#include "model/files/split.h"
#include "model/model_file.h"
#include "platform/file.h"
#include "platform/memory.h"
#include "platform/status.h"

namespace clamma {

class ModelFiles {
 public:
  ModelFiles() = default;
  ~ModelFiles();
  ModelFiles(const ModelFiles&) = delete;
  ModelFiles& operator=(const ModelFiles&) = delete;

  // Opens `path`, looked for as File::Open() does, and maps it if `map`; the header of a GGUF file
  // is parsed. Reasons of failures begin with the file's name.
  Status Open(Memory& memory, const char* path, const char* model_dir, bool map);

  // The same for a part of an open file, see File::OpenPart(), which may not be one of several
  // files of a split model.
  Status OpenPartOf(Memory& memory, int descriptor, uint64_t offset, uint64_t length, bool map);

  // The same for `size` bytes at `base`, which must outlive this. More may stand behind the model.
  Status OpenAt(Memory& memory, const uint8_t* base, uint64_t size);

  // Where the file was found that Open() was given.
  File::Place place() const { return named_.file.place(); }

  // Reads the numbers and the places of tensors. A file of another kind says what it is.
  Status ReadModel(ModelFile* model) const;

  // In the order in which TensorPlace::file counts them.
  const ByteSource* sources() const {
    return sources_.size() == 0 ? &named_.source : sources_.data();
  }
  size_t count() const { return sources_.size() == 0 ? 1 : sources_.size(); }

  // The metadata of a GGUF model; nullptr of any other.
  const Gguf* gguf() const { return gguf(0); }
  // ... of file i alone, in the order of sources().
  const Gguf* gguf(size_t i) const {
    return !named_.IsGguf() ? nullptr : ggufs_.size() == 0 ? &named_.gguf : ggufs_[i];
  }

 private:
  struct Part {
    File file;
    ByteSource source;
    bool has_magic = false;
    Gguf gguf;
    Array<uint8_t> header;  // of a GGUF file that is not in memory

    bool IsGguf() const { return kHasGguf && has_magic; }
  };

  Status OpenPart(const char* path, const char* model_dir, bool map, Part* part);
  Status ParsePart(Part* part);
  Status RefuseSplit(const char* where) const;
  Status OpenOthers(const char* path, const char* model_dir, bool map, const SplitInfo& info);
  Status OpenOther(const char* path, const char* model_dir, bool map, const SplitInfo& info,
                   uint32_t index);

  Memory* memory_ = nullptr;
  Part named_;
  GgufRoom room_;  // that the files so far leave
  bool allow_trailing_ = false;
  // Of a split model alone:
  Array<Part*> others_;  // nullptr in the place of the one that was named
  Array<ByteSource> sources_;
  Array<const Gguf*> ggufs_;
};

}  // namespace clamma

#endif  // CLAMMA_MODEL_MODEL_FILES_H_
