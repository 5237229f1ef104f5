// SPDX-License-Identifier: MIT
#include "engine/session_state.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "engine/transformer.h"
#include "model/utf8.h"
#include "platform/checksum.h"
#include "platform/endian.h"

namespace clamma {
namespace {

constexpr char kMagic[8] = {'C', 'L', 'A', 'M', 'M', 'A', 'S', 'T'};
constexpr uint32_t kVersion = 2;
constexpr size_t kHeaderBytes = 56;
constexpr size_t kTokensAtOnce = 256;

uint32_t NumberOf(KvType type) { return static_cast<uint32_t>(type); }

// A flag beside the number of the type: keys are rotated as in long sequences.
constexpr uint32_t kIsLong = 0x100;
uint32_t AllowedFlags(const Transformer& transformer) {
  return transformer.config().short_context > 0 ? kIsLong : 0;
}

// Writes bytes and computes their checksum.
class Writer {
 public:
  explicit Writer(const StateSink& sink) : sink_(sink) {}
  Status Write(const void* bytes, size_t size) {
    checksum_.Add(bytes, size);
    if (sink_.write(sink_.opaque, bytes, size) == 0) return Status();
    return Status::Error(StatusCode::kIo,
                         "the session could not be saved: its bytes were not taken");
  }
  // Writes the checksum of all bytes before.
  Status WriteChecksum() {
    uint8_t bytes[8];
    WriteLe64(bytes, checksum_.Value());
    return Write(bytes, sizeof(bytes));
  }

 private:
  const StateSink& sink_;
  Checksum checksum_;
};

class Reader {
 public:
  explicit Reader(const StateSource& source) : source_(source) {}
  Status Read(void* bytes, size_t size) {
    if (source_.read(source_.opaque, bytes, size) != 0) {
      return Status::Error(StatusCode::kIo, "the saved session ends early, or cannot be read");
    }
    checksum_.Add(bytes, size);
    return Status();
  }
  // Reads a checksum; sets *right to whether it is that of all bytes before.
  Status ReadChecksum(bool* right) {
    const uint64_t expected = checksum_.Value();
    uint8_t bytes[8];
    CLAMMA_RETURN_IF_ERROR(Read(bytes, sizeof(bytes)));
    *right = ReadLe64(bytes) == expected;
    return Status();
  }

 private:
  const StateSource& source_;
  Checksum checksum_;
};

Status Damaged(const char* what) {
  return Status::Error(StatusCode::kCorrupt, "the saved session is damaged: %s", what);
}

// Calls body(layer, position) for each saved key and value, in the order of the format. Layers with
// a window save only the positions that are needed to continue.
template <typename Body>
Status ForEachRow(const Transformer& transformer, size_t n_positions, const Body& body) {
  const ModelConfig& config = transformer.config();
  const size_t first_in_window = KvCache::FirstInWindow(config, n_positions);
  for (size_t position = 0; position < n_positions; ++position) {
    for (uint32_t layer = 0; layer < config.n_layers; ++layer) {
      if (position < first_in_window && config.layer(layer).has_window()) continue;
      CLAMMA_RETURN_IF_ERROR(body(layer, position));
    }
  }
  return Status();
}

Status CheckBelongsHere(const Transformer& transformer, const uint8_t* header, bool sound) {
  if (std::memcmp(header, kMagic, sizeof(kMagic)) != 0) {
    return Status::Error(StatusCode::kCorrupt, "this is no saved session");
  }
  if (ReadLe32(header + 8) != kVersion) {
    return Status::Error(StatusCode::kCorrupt,
                         "the saved session is of version %u, and this library reads version %u",
                         static_cast<unsigned>(ReadLe32(header + 8)),
                         static_cast<unsigned>(kVersion));
  }
  if (!sound) return Damaged("the checksum of its header is wrong");
  uint64_t fingerprint = 0;
  CLAMMA_RETURN_IF_ERROR(transformer.Fingerprint(&fingerprint));
  if (ReadLe64(header + 16) != fingerprint) {
    return Status::Error(StatusCode::kInvalidArgument,
                         "the saved session is of another model or vocabulary");
  }
  if ((ReadLe32(header + 12) & ~AllowedFlags(transformer)) != NumberOf(transformer.kv_type)) {
    return Status::Error(StatusCode::kInvalidArgument,
                         "the saved session has keys and values of another kv_type");
  }
  return Status();
}

// Checks every value, as a header with a correct checksum may still be forged.
Status ReadHeader(const Transformer& transformer, Reader& reader, Conversation* c) {
  uint8_t header[kHeaderBytes];
  CLAMMA_RETURN_IF_ERROR(reader.Read(header, sizeof(header)));
  bool sound = false;
  CLAMMA_RETURN_IF_ERROR(reader.ReadChecksum(&sound));
  CLAMMA_RETURN_IF_ERROR(CheckBelongsHere(transformer, header, sound));
  if (AllowedFlags(transformer) != 0) c->kv.SetLong((ReadLe32(header + 12) & kIsLong) != 0);
  c->seed = ReadLe64(header + 24);
  c->random = RandomGenerator(ReadLe64(header + 32));
  c->n_tokens = ReadLe32(header + 40);
  c->position = ReadLe32(header + 44);
  c->n_held = ReadLe32(header + 48);
  const size_t seq_len = transformer.config().seq_len;
  if (c->n_tokens > seq_len + 1 || c->position > seq_len ||
      c->position + (c->n_tokens > 0 ? 1 : 0) > c->n_tokens) {
    return Damaged("its lengths do not fit the context");
  }
  if (c->random.state() == 0) return Damaged("its random generator's state is 0");
  if (c->n_held > sizeof(c->held)) return Damaged("it holds back more bytes than a character has");
  std::memcpy(c->held, header + 52, sizeof(c->held));
  const std::string_view held(c->held, c->n_held);
  if (!held.empty() &&
      (ScanUtf8(held).prefix != Utf8Prefix::kIncomplete || ScanUtf8(held).length != held.size())) {
    return Damaged("the bytes that it holds back begin no character");
  }
  return Status();
}

Status ReadTokens(const Tokenizer& tokenizer, Memory& memory, Reader& reader, Conversation* c) {
  CLAMMA_RETURN_IF_ERROR(c->tokens.Resize(memory, c->n_tokens));
  uint8_t bytes[4 * kTokensAtOnce];
  for (size_t done = 0; done < c->n_tokens;) {
    const size_t n = std::min(kTokensAtOnce, c->n_tokens - done);
    CLAMMA_RETURN_IF_ERROR(reader.Read(bytes, 4 * n));
    for (size_t i = 0; i < n; ++i) {
      const TokenId token = ReadLe32Signed(bytes + 4 * i);
      if (!tokenizer.IsValid(token)) return Damaged("it has a token that the vocabulary has not");
      c->tokens[done + i] = token;
    }
    done += n;
  }
  return Status();
}

Status WriteHeader(const Transformer& transformer, const Conversation& c, Writer& writer) {
  uint8_t header[kHeaderBytes] = {};
  uint64_t fingerprint = 0;
  CLAMMA_RETURN_IF_ERROR(transformer.Fingerprint(&fingerprint));
  std::memcpy(header, kMagic, sizeof(kMagic));
  WriteLe32(header + 8, kVersion);
  const uint32_t flags = kHasGguf && c.kv.is_long() ? kIsLong : 0;
  WriteLe32(header + 12, NumberOf(transformer.kv_type) | flags);
  WriteLe64(header + 16, fingerprint);
  WriteLe64(header + 24, c.seed);
  WriteLe64(header + 32, c.random.state());
  WriteLe32(header + 40, static_cast<uint32_t>(c.n_tokens));
  WriteLe32(header + 44, static_cast<uint32_t>(c.position));
  WriteLe32(header + 48, static_cast<uint32_t>(c.n_held));
  std::memcpy(header + 52, c.held, c.n_held);
  CLAMMA_RETURN_IF_ERROR(writer.Write(header, sizeof(header)));
  return writer.WriteChecksum();
}

Status WriteTokens(const Conversation& c, Writer& writer) {
  uint8_t bytes[4 * kTokensAtOnce];
  for (size_t done = 0; done < c.n_tokens;) {
    const size_t n = std::min(kTokensAtOnce, c.n_tokens - done);
    for (size_t i = 0; i < n; ++i) {
      WriteLe32(bytes + 4 * i, static_cast<uint32_t>(c.tokens[done + i]));
    }
    CLAMMA_RETURN_IF_ERROR(writer.Write(bytes, 4 * n));
    done += n;
  }
  return Status();
}

}  // namespace

Status WriteState(const Transformer& transformer, const Conversation& c, const StateSink& sink) {
  Writer writer(sink);
  CLAMMA_RETURN_IF_ERROR(WriteHeader(transformer, c, writer));
  CLAMMA_RETURN_IF_ERROR(WriteTokens(c, writer));
  Memory memory(transformer.memory.arena());
  Array<uint8_t> rows;
  CLAMMA_RETURN_IF_ERROR(rows.Resize(memory, 2 * uint64_t{c.kv.MaxRowBytes()}));
  const auto write_rows = [&](uint32_t layer, size_t position) {
    const size_t row = c.kv.RowBytes(layer);
    c.kv.GetRows(layer, position, rows.data(), rows.data() + row);
    return writer.Write(rows.data(), 2 * row);
  };
  CLAMMA_RETURN_IF_ERROR(ForEachRow(transformer, c.position, write_rows));
  return writer.WriteChecksum();
}

Status ReadState(const Transformer& transformer, Memory& memory, const StateSource& source,
                 Conversation* c) {
  Reader reader(source);
  CLAMMA_RETURN_IF_ERROR(ReadHeader(transformer, reader, c));
  CLAMMA_RETURN_IF_ERROR(ReadTokens(transformer.tokenizer, memory, reader, c));
  if constexpr (kHasGguf) c->kv.Restart(c->position);
  Array<uint8_t> rows;
  CLAMMA_RETURN_IF_ERROR(rows.Resize(memory, 2 * uint64_t{c->kv.MaxRowBytes()}));
  const auto read_rows = [&](uint32_t layer, size_t position) {
    const size_t row = c->kv.RowBytes(layer);
    CLAMMA_RETURN_IF_ERROR(c->kv.Reserve(position + 1));  // as needed: the data may end early
    CLAMMA_RETURN_IF_ERROR(reader.Read(rows.data(), 2 * row));
    c->kv.SetRows(layer, position, rows.data(), rows.data() + row);
    return Status();
  };
  CLAMMA_RETURN_IF_ERROR(ForEachRow(transformer, c->position, read_rows));
  bool sound = false;
  CLAMMA_RETURN_IF_ERROR(reader.ReadChecksum(&sound));
  return sound ? Status() : Damaged("its checksum is wrong");
}

}  // namespace clamma
