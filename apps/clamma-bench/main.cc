// SPDX-License-Identifier: MIT
// clamma-bench: how fast a model runs here, and how fast it could. The table or the JSON object
// goes to stdout, all else to stderr.
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
#include <string>
#include <vector>

#include "benchmark.h"
#include "model_file.h"
#include "options.h"
#include "temporary_file.h"

namespace {

using bench::Options;

bool CannotWrite(const std::string& path, int error, uint64_t bytes) {
  std::fprintf(stderr, "clamma-bench: cannot write a model of %.1f MB to %s: %s%s\n",
               static_cast<double>(bytes) / 1e6, path.c_str(), std::strerror(error),
               error == ENOSPC ? " (TMPDIR or --keep may name another place)" : "");
  return false;
}

// Makes the model that the options ask for. Tells why on stderr if it cannot.
bool MakeModel(const Options& options, bench::TemporaryFile& file, bench::Progress& progress,
               bench::Source* source) {
  bench::Shape shape = bench::FindShape(options.shape, options.type == "q80");
  if (options.context != 0) shape.context = options.context;
  const uint64_t bytes = bench::ModelFileBytes(shape);
  const int fd = file.Create(options.keep);
  if (fd < 0) return CannotWrite(options.keep.empty() ? "TMPDIR" : options.keep, errno, bytes);
  source->checkpoint = file.path();
  source->dictionary = bench::MakeDictionary(shape.vocab_size);
  const std::string what = "writing a model of random weights to " + file.path();
  struct statvfs disk = {};
  int error = 0;
  if (fstatvfs(fd, &disk) == 0 && bytes / disk.f_frsize > disk.f_bavail) error = ENOSPC;
  if (error == 0) {
    error = bench::WriteModel(shape, fd, [&](double share) { progress.Show(share, what); });
  }
  // On the disk before anything is measured, so that no measurement shares the machine with that.
  progress.Show(1, "waiting for the disk");
  if (error == 0 && fsync(fd) != 0) error = errno;
  close(fd);
  progress.Clear();
  if (error != 0) return CannotWrite(source->checkpoint, error, bytes);
  if (options.keep.empty()) return true;
  file.Keep();
  const std::string tokenizer = options.keep + ".tok";
  std::ofstream out(tokenizer, std::ios::binary);
  out.write(source->dictionary.data(), static_cast<std::streamsize>(source->dictionary.size()));
  out.close();
  if (!out) std::fprintf(stderr, "clamma-bench: cannot write %s\n", tokenizer.c_str());
  return !out.fail();
}

// Brings a checkpoint into the page cache. What is wrong with it is the library's to tell.
void ReadThrough(const std::string& path, bench::Progress& progress) {
  progress.Show(0, "reading " + path);
  std::ifstream in(path, std::ios::binary);
  std::vector<char> buffer(size_t{4} << 20);
  while (in.read(buffer.data(), static_cast<std::streamsize>(buffer.size()))) continue;
  progress.Clear();
}

uint64_t FileBytes(const std::string& path) {
  struct stat facts = {};
  return stat(path.c_str(), &facts) == 0 ? static_cast<uint64_t>(facts.st_size) : 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (const int code = bench::ParseOptions(argc, argv, &options); code >= 0) return code;
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error of writing, not the end of us
  bench::HandleSignals();

  bench::Probe probe;
  if (!probe.Start()) {
    std::fprintf(stderr, "clamma-bench: cannot start a process: %s\n", std::strerror(errno));
    return bench::kExitSetup;
  }
  bench::Progress progress(options.quiet);
  bench::TemporaryFile file;
  bench::Source source;
  source.threads = options.threads;
  source.kv_type = options.kv == "f16" ? CLAMMA_KV_F16 : CLAMMA_KV_F32;
  bench::Report report;
  if (options.checkpoint.empty()) {
    if (!MakeModel(options, file, progress, &source)) return bench::kExitSetup;
    report.model = options.shape;
  } else {
    source.checkpoint = options.checkpoint;
    source.tokenizer = options.tokenizer;
    report.model = options.checkpoint.substr(options.checkpoint.rfind('/') + 1);
    ReadThrough(options.checkpoint, progress);
  }
  report.file_bytes = FileBytes(source.checkpoint);
  const int code = bench::RunBenchmark(options, source, probe, progress, &report);
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
