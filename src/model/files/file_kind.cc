// SPDX-License-Identifier: MIT
#include "model/files/file_kind.h"

#include <algorithm>
#include <string_view>

#include "model/utf8.h"
#include "platform/endian.h"
#include "platform/quoted.h"
#include "platform/text.h"

namespace clamma {
namespace {

constexpr std::string_view kLfsFirstLine = "version https://git-lfs.github.com/spec/";
constexpr uint64_t kMaxSafetensorsHeader = 100'000'000;  // the safetensors library's limit

// The text after its first n bytes, which must exist.
std::string_view Behind(size_t n, std::string_view text) {
  text.remove_prefix(n);
  return text;
}

// Ignores case. `start` must be in lower case.
bool StartsWithLetters(std::string_view text, std::string_view start) {
  if (text.size() < start.size()) return false;
  for (size_t i = 0; i < start.size(); ++i) {
    const char c = text[i];
    if ((c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c) != start[i]) return false;
  }
  return true;
}

// The text without a byte-order mark and white space at its beginning.
std::string_view TextOf(std::string_view bytes) {
  if (StartsWith(bytes, "\xef\xbb\xbf")) bytes.remove_prefix(3);
  while (!bytes.empty() && (bytes[0] == ' ' || (bytes[0] >= '\t' && bytes[0] <= '\r'))) {
    bytes.remove_prefix(1);
  }
  return bytes;
}

bool IsWebPage(std::string_view text) {
  return StartsWithLetters(text, "<!doctype html") || StartsWithLetters(text, "<html") ||
         StartsWithLetters(text, "<head") || StartsWithLetters(text, "<body");
}

// Whether the text is an object or a list; the character after the bracket distinguishes them from
// binary numbers.
bool IsJson(std::string_view text) {
  if (text.empty() || (text[0] != '{' && text[0] != '[')) return false;
  const bool is_object = text[0] == '{';
  text = TextOf(Behind(1, text));
  if (text.empty()) return true;
  const std::string_view begins = is_object ? "\"}" : "\"]{[-0123456789tfn";
  return begins.find(text[0]) != std::string_view::npos;
}

// A safetensors file begins with the uint64 length of a JSON object, then that object.
bool IsSafetensors(std::string_view bytes, uint64_t file_size) {
  if (bytes.size() < 10 || bytes[8] != '{') return false;
  const uint64_t header = ReadLe64(reinterpret_cast<const uint8_t*>(bytes.data()));
  return header >= 2 && header <= kMaxSafetensorsHeader && header < file_size &&
         IsJson(Behind(8, bytes));
}

// A protocol buffer: field 1 is the format's version, and the next field a string or message. The
// numbers of a checkpoint do not look like this.
bool IsOnnx(std::string_view bytes) {
  if (bytes.size() < 4 || bytes[0] != 0x08 || bytes[1] < 1 || bytes[1] > 32) return false;
  if (bytes[2] != 0x12) return bytes[2] == 0x3a || bytes[2] == 0x42;  // graph, operator versions
  const auto length = static_cast<uint8_t>(bytes[3]);  // of the producing program's name
  if (length == 0 || length > 127 || bytes.size() < size_t{4} + length) return false;
  const std::string_view name = Front(Behind(4, bytes), length);
  return std::all_of(name.begin(), name.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

// Protocols 2 to 5, with one of the operations that can come first.
bool IsPickle(std::string_view bytes) {
  if (bytes.size() < 3 || bytes[0] != '\x80' || bytes[1] < 2 || bytes[1] > 5) return false;
  return std::string_view("\x8a\x95}](cX").find(bytes[2]) != std::string_view::npos;
}

bool IsOldGgml(std::string_view bytes) {
  return StartsWith(bytes, "lmgg") || StartsWith(bytes, "fmgg") || StartsWith(bytes, "tjgg") ||
         StartsWith(bytes, "algg");
}

FileKind KindOfArchive(std::string_view bytes) {
  if (StartsWith(bytes, "PK\x03\x04")) {
    // PyTorch's archives begin with NAME/data.pkl; the name of a zip entry is at byte 30.
    const bool is_torch = Front(bytes, 512).find("data.pkl") != std::string_view::npos;
    return is_torch ? FileKind::kPytorch : FileKind::kZip;
  }
  if (StartsWith(bytes, "PK\x05\x06")) return FileKind::kZip;  // an empty archive
  if (StartsWith(bytes, "\x1f\x8b\x08")) return FileKind::kGzip;
  if (StartsWith(bytes, "\xfd\x37zXZ") || StartsWith(bytes, "\x28\xb5\x2f\xfd") ||
      StartsWith(bytes, "7z\xbc\xaf\x27\x1c") || StartsWith(bytes, "BZh91AY&SY")) {
    return FileKind::kCompressed;  // xz, zstd, 7z, bzip2
  }
  return FileKind::kUnknown;
}

// Programs and libraries of Linux, macOS, Windows and WebAssembly.
bool IsProgram(std::string_view bytes) {
  using std::string_view_literals::operator""sv;
  for (const std::string_view start :
       {"\x7f"
        "ELF"sv,
        "\0asm"sv, "\xcf\xfa\xed\xfe"sv, "\xce\xfa\xed\xfe"sv, "\xca\xfe\xba\xbe"sv}) {
    if (StartsWith(bytes, start)) return true;
  }
  constexpr size_t kPlaceOfOffset = 60;
  if (!StartsWith(bytes, "MZ") || bytes.size() < kPlaceOfOffset + 4) return false;
  const uint32_t offset = ReadLe32(reinterpret_cast<const uint8_t*>(bytes.data()) + kPlaceOfOffset);
  return offset < bytes.size() && StartsWith(Behind(offset, bytes), "PE"sv);
}

// Whether the bytes, which may end within a character, are UTF-8 without control characters other
// than white space and escape sequences.
bool IsText(std::string_view bytes) {
  while (!bytes.empty()) {
    const Utf8Scan scan = ScanUtf8(bytes);
    if (scan.prefix == Utf8Prefix::kInvalid) return false;
    const auto first = static_cast<uint8_t>(bytes[0]);
    const bool is_control = first < ' ' || first == 0x7f;
    if (is_control && (first < '\b' || first > '\r') && first != 0x1b) return false;
    bytes.remove_prefix(scan.length);
  }
  return true;
}

// The number after "size " in a Git LFS pointer; 0: none.
uint64_t LfsSize(std::string_view text) {
  const size_t at = text.find("\nsize ");
  if (at == std::string_view::npos) return 0;
  uint64_t size = 0;
  for (const char c : Front(Behind(at + 6, text), 18)) {
    if (c < '0' || c > '9') break;
    size = size * 10 + static_cast<uint64_t>(c - '0');
  }
  return size;
}

}  // namespace

FileKind FileKindOf(const uint8_t* bytes, size_t n, uint64_t file_size) {
  if (file_size == 0) return FileKind::kEmpty;
  if (n > kFileKindBytes) n = kFileKindBytes;
  const std::string_view head(reinterpret_cast<const char*>(bytes), n);
  if (Gguf::HasMagic(bytes, n)) return FileKind::kGguf;
  if (StartsWith(head, "24ka")) return FileKind::kCheckpoint;
  if (IsOldGgml(head)) return FileKind::kOldGgml;
  if (const FileKind archive = KindOfArchive(head); archive != FileKind::kUnknown) return archive;
  if (IsSafetensors(head, file_size)) return FileKind::kSafetensors;
  if (StartsWith(head, kLfsFirstLine)) return FileKind::kLfsPointer;
  if (IsPickle(head)) return FileKind::kPickle;
  if (IsOnnx(head)) return FileKind::kOnnx;
  if (IsProgram(head)) return FileKind::kProgram;
  const std::string_view text = TextOf(head);
  if (text.find('\0') != std::string_view::npos) return FileKind::kUnknown;  // not text
  if (IsWebPage(text)) return FileKind::kWebPage;
  if (StartsWithLetters(text, "<?xml")) return FileKind::kXml;
  if (IsJson(text)) return FileKind::kJson;
  return IsText(head) ? FileKind::kText : FileKind::kUnknown;
}

Status ExplainForeign(const uint8_t* bytes, size_t n, uint64_t file_size) {
  const char* reason = "";
  switch (FileKindOf(bytes, n, file_size)) {
    case FileKind::kUnknown:
    case FileKind::kGguf:
    case FileKind::kCheckpoint:
      return Status();
    case FileKind::kLfsPointer: {
      const std::string_view text(reinterpret_cast<const char*>(bytes), n);
      return Status::Error(
          StatusCode::kCorrupt,
          "a Git LFS pointer, which stands for a file of %llu bytes that was not "
          "fetched: run \"git lfs pull\" in its folder, or download the file itself",
          Ull{LfsSize(Front(text, kFileKindBytes))});
    }
    case FileKind::kEmpty:
      reason = "an empty file: download or write it again";
      break;
    case FileKind::kSafetensors:
      reason =
          "a safetensors file: get the model as GGUF, or convert its folder with "
          "export.py OUT --hf FOLDER";
      break;
    case FileKind::kJson:
      reason =
          "a JSON file, which describes a model but is none: name the file with its weights, a "
          ".gguf or .bin";
      break;
    case FileKind::kPytorch:
      reason =
          "a PyTorch file: get the model as GGUF, or convert its folder with export.py OUT --hf "
          "FOLDER (or --meta-llama FOLDER, or --checkpoint FILE)";
      break;
    case FileKind::kZip:
      reason = "a zip archive: unpack it, and name the model's file in it";
      break;
    case FileKind::kPickle:
      reason =
          "a Python pickle, perhaps of an old PyTorch: get the model as GGUF, or save it with "
          "PyTorch 1.6 or later and convert it with export.py";
      break;
    case FileKind::kOnnx:
      reason = "an ONNX file, which is not read: get the model as GGUF";
      break;
    case FileKind::kWebPage:
      reason =
          "a web page, saved in the model's place: download the file itself (of Hugging Face, by "
          "the address with /resolve/ in place of /blob/; some ask to log in first)";
      break;
    case FileKind::kXml:
      reason =
          "an XML file, often a server's message that the download failed: look into it, and "
          "download the model again";
      break;
    case FileKind::kText:
      reason = "a text file: name the model's file, a .gguf or .bin";
      break;
    case FileKind::kProgram:
      reason = "a program or a library: name the model's file, a .gguf or .bin";
      break;
    case FileKind::kGzip:
      reason = "a gzip file: unpack it with gunzip first";
      break;
    case FileKind::kCompressed:
      reason = "a compressed file: unpack it first";
      break;
    case FileKind::kOldGgml:
      reason = "a ggml file from before GGUF, which is not read: get the model as GGUF";
      break;
  }
  return Status::Error(StatusCode::kCorrupt, "not a model, but %s", reason);
}

namespace {

// Models that turn a text into one vector and do not generate text.
constexpr std::string_view kEmbeddingArchitectures[] = {
    "bert",         "modern-bert", "nomic-bert", "nomic-bert-moe",  "neo-bert",    "jina-bert-v2",
    "jina-bert-v3", "eurobert",    "t5encoder",  "gemma-embedding", "llama-embed",
};

Status NoModel(const char* what) {
  return Status::Error(StatusCode::kCorrupt, "not a model that writes text, but %s", what);
}

Status CheckGeneralType(std::string_view type) {
  if (type == "model" || type.empty()) return Status();
  if (type == "adapter") {
    return NoModel(
        "an adapter (LoRA), which changes one: name the model, or one that it was merged "
        "into");
  }
  if (type == "imatrix") {
    return NoModel("an importance matrix, which serves to quantise one: name the model");
  }
  if (type == "mmproj") {
    return NoModel("the part of one that reads images or sound: name the file of its text part");
  }
  if (type == "vocab") return NoModel("its vocabulary alone: name the file with the weights");
  return Status::Error(StatusCode::kCorrupt,
                       "not a model that writes text: the GGUF file says that it is of type %s",
                       Quoted(type).c_str());
}

Status CheckArchitecture(const Gguf& gguf, std::string_view architecture) {
  if (architecture == "clip") {
    return NoModel("the part of one that reads images or sound: name the file of its text part");
  }
  if (architecture == "controlvector") {
    return NoModel("a control vector, which steers one: name the model");
  }
  bool embeds = false;
  for (const std::string_view name : kEmbeddingArchitectures) embeds |= architecture == name;
  if (embeds) {
    return Status::Error(
        StatusCode::kCorrupt,
        "not a model that writes text, but an embedding model (of architecture %s), "
        "which turns texts into vectors: name one that writes",
        Quoted(architecture).c_str());
  }
  // Other models become embedding models by the way in which their states are pooled.
  constexpr uint64_t kLast = 3;
  GgufValue value;
  uint64_t pooling = 0;
  if (!gguf.Find(GgufKey(architecture, "pooling_type").view(), &value)) return Status();
  if (!value.Uint(0, &pooling) || pooling <= kLast) return Status();
  return Status::Error(StatusCode::kCorrupt,
                       "not a model that writes text, but one that rates it: its pooling_type is "
                       "%llu",
                       Ull{pooling});
}

}  // namespace

Status CheckGgufIsModel(const Gguf& gguf) {
  std::string_view type;
  CLAMMA_RETURN_IF_ERROR(gguf.GetString("general.type", Gguf::Presence::kOptional, &type));
  CLAMMA_RETURN_IF_ERROR(CheckGeneralType(type));
  GgufValue value;
  if (gguf.Find("adapter.type", &value)) return CheckGeneralType("adapter");
  std::string_view architecture;
  CLAMMA_RETURN_IF_ERROR(
      gguf.GetString("general.architecture", Gguf::Presence::kOptional, &architecture));
  CLAMMA_RETURN_IF_ERROR(CheckArchitecture(gguf, architecture));
  // The first file of a split model may have no tensors.
  if (gguf.n_tensors() == 0 && !gguf.Find("split.count", &value)) return CheckGeneralType("vocab");
  return gguf.CheckTensorTypes();
}

}  // namespace clamma
