// SPDX-License-Identifier: MIT
// clamma-bench: measures how fast a model runs on this machine, and how fast it could run. The
// table or the JSON object goes to stdout, all other output to stderr.
//
// Exit codes: 0 done; 1 the model could not be set up; 2 the command line is wrong; 3 a measurement
// failed; 130 interrupted.
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "benchmark.h"
#include "first_token.h"
#include "gguf_model.h"
#include "llama2c_model.h"
#include "options.h"
#include "removed_on_signal.h"
#include "temporary_file.h"

namespace {

using bench::Options;

bool CannotWrite(const std::string& path, int error, uint64_t bytes) {
  std::fprintf(stderr, "clamma-bench: cannot write a model of %.1f MB to %s: %s%s\n",
               static_cast<double>(bytes) / 1e6, path.c_str(), std::strerror(error),
               error == ENOSPC ? " (TMPDIR or --keep may name another place)" : "");
  return false;
}

bool WriteVocabulary(const std::string& path, const std::vector<char>& vocabulary) {
  std::ofstream out(path, std::ios::binary);
  out.write(vocabulary.data(), static_cast<std::streamsize>(vocabulary.size()));
  out.close();
  if (!out) std::fprintf(stderr, "clamma-bench: cannot write %s\n", path.c_str());
  return !out.fail();
}

// How to make a model.
struct Recipe {
  uint64_t bytes = 0;
  std::function<int(int fd, const std::function<void(double)>& progress)>
      write;  // returns an errno
};

Recipe MakeRecipe(const Options& options, bench::Source* source) {
  bench::Shape shape = bench::FindShape(options.shape);
  if (options.context != 0) shape.context = options.context;
  if (const bench::GgufKind* kind = bench::FindGgufKind(options.type); kind != nullptr) {
    const auto model = std::make_shared<bench::GgufModel>(shape, options.shape, *kind);
    source->type = options.type;
    source->gguf_bytes = model->bytes_per_token();
    source->gguf_int8 = kind->int8;
    source->gguf_weights = shape.layer_weights();
    return {model->file_bytes(),
            [model](int fd, const auto& progress) { return model->Write(fd, progress); }};
  }
  if (!shape.is_llama()) return {};
  if (options.type == "q80") shape.group_size = bench::Int8GroupSize(shape);
  source->vocabulary = bench::MakeVocabulary(shape.vocab_size);
  return {bench::Llama2cModelBytes(shape), [shape](int fd, const auto& progress) {
            return bench::WriteLlama2cModel(shape, fd, progress);
          }};
}

// Makes the model that the options describe. Prints the reason to stderr on failure.
bool MakeModel(const Options& options, bench::TemporaryFile& file, bench::Progress& progress,
               bench::Source* source) {
  const Recipe recipe = MakeRecipe(options, source);
  if (recipe.write == nullptr) {
    std::fprintf(stderr, "clamma-bench: a model of the shape %s must be of a type of GGUF files\n",
                 options.shape.c_str());
    return false;
  }
  const int fd = file.Create(options.keep);
  if (fd < 0) {
    return CannotWrite(options.keep.empty() ? "TMPDIR" : options.keep, errno, recipe.bytes);
  }
  source->checkpoint = file.path();
  const std::string what = "writing a model of random weights to " + file.path();
  struct statvfs disk = {};
  int error = 0;
  if (fstatvfs(fd, &disk) == 0 && recipe.bytes / disk.f_frsize > disk.f_bavail) error = ENOSPC;
  if (error == 0) error = recipe.write(fd, [&](double share) { progress.Show(share, what); });
  // Sync to the disk before measuring, so that the writes do not disturb the measurements.
  progress.Show(1, "waiting for the disk");
  if (error == 0 && fsync(fd) != 0) error = errno;
  close(fd);
  progress.Clear();
  if (error != 0) return CannotWrite(source->checkpoint, error, recipe.bytes);
  if (options.keep.empty()) return true;
  file.Keep();
  return source->vocabulary.empty() || WriteVocabulary(options.keep + ".tok", source->vocabulary);
}

// Reads a checkpoint into the page cache. The library will report errors.
void ReadThrough(const std::string& path, bench::Progress& progress) {
  progress.Show(0, "reading " + path);
  std::ifstream in(path, std::ios::binary);
  std::vector<char> buffer(size_t{4} << 20);
  while (in.read(buffer.data(), static_cast<std::streamsize>(buffer.size()))) continue;
  progress.Clear();
}

bool IsGguf(const std::string& path) {
  char magic[4] = {};
  std::ifstream(path, std::ios::binary).read(magic, sizeof(magic));
  return std::memcmp(magic, "GGUF", sizeof(magic)) == 0;
}

uint64_t FileBytes(const std::string& path) {
  struct stat facts = {};
  return stat(path.c_str(), &facts) == 0 ? static_cast<uint64_t>(facts.st_size) : 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (int code = 0; bench::RunFirstToken(argc, argv, &code)) return code;
  if (const int code = bench::ParseOptions(argc, argv, &options); code >= 0) return code;
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe makes writing fail
  removed_on_signal::HandleSignals();

  bench::Probe probe;
  if (!probe.Start()) {
    std::fprintf(stderr, "clamma-bench: cannot start a process: %s\n", std::strerror(errno));
    return bench::kExitSetup;
  }
  bench::Progress progress(options.quiet);
  bench::TemporaryFile file;
  bench::Source source;
  source.threads = options.threads;
  bench::Report report;
  if (options.checkpoint.empty()) {
    if (!MakeModel(options, file, progress, &source)) return bench::kExitSetup;
    if (options.make_only) return 0;
    report.model = options.shape;
  } else {
    source.checkpoint = options.checkpoint;
    source.tokenizer = options.tokenizer;
    report.model = options.checkpoint.substr(options.checkpoint.rfind('/') + 1);
    ReadThrough(options.checkpoint, progress);
  }
  report.file_bytes = FileBytes(source.checkpoint);
  source.gguf = IsGguf(source.checkpoint);
  source.kv = options.kv != "auto" ? options.kv : source.gguf ? "f16" : "f32";
  const int code = bench::RunBenchmark(argv[0], options, source, probe, progress, &report);
  if (code != 0) return code;
  if (options.json) {
    bench::PrintJson(report);
  } else {
    bench::PrintTable(report);
  }
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    std::fprintf(stderr, "clamma-bench: cannot write to stdout\n");
    return bench::kExitMeasurement;
  }
  return 0;
}
