// SPDX-License-Identifier: MIT
// Opens the files of a model: one, or the files of a split GGUF model, which are found beside the
// one that is named. They are mapped, read, or in memory already.
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

  // Opens `path`, which is searched for as by File::Open(), and maps it if `map` is set. Parses the
  // header of a GGUF file. Errors begin with the file's name.
  Status Open(Memory& memory, const char* path, const char* model_dir, bool map);

  // Opens a part of an open file, see File::OpenPart(). It must not be one of several files of a
  // split model.
  Status OpenPartOf(Memory& memory, int descriptor, uint64_t offset, uint64_t length, bool map);

  // Opens the `size` bytes at `base`, which must outlive this. Other bytes may follow the model.
  Status OpenAt(Memory& memory, const uint8_t* base, uint64_t size);

  // Where Open() found the file.
  File::Place place() const { return named_.file.place(); }

  // Reads the model's numbers and the places of its tensors. For a file of another kind, the error
  // says what it is.
  Status ReadModel(ModelFile* model) const;

  // The files, in the order of TensorPlace::file.
  const ByteSource* sources() const {
    return sources_.size() == 0 ? &named_.source : sources_.data();
  }
  size_t count() const { return sources_.size() == 0 ? 1 : sources_.size(); }

  // The metadata of a GGUF model, or nullptr.
  const Gguf* gguf() const { return gguf(0); }
  // The metadata of file i alone, in the order of sources().
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
  GgufRoom room_;  // what the files so far leave of the limits
  bool allow_trailing_ = false;
  // Only for a split model:
  Array<Part*> others_;  // nullptr in place of the file that was named
  Array<ByteSource> sources_;
  Array<const Gguf*> ggufs_;
};

}  // namespace clamma

#endif  // CLAMMA_MODEL_MODEL_FILES_H_
