// SPDX-License-Identifier: MIT
#include "targets.h"

#include <sys/stat.h>

#include <filesystem>
#include <vector>

#include "model/files/split.h"
#include "models.h"
#include "output_file.h"

namespace quantize_app {
namespace {

bool IsSameFile(const std::string& a, const std::string& b) {
  struct stat x = {};
  struct stat y = {};
  return stat(a.c_str(), &x) == 0 && stat(b.c_str(), &y) == 0 && x.st_dev == y.st_dev &&
         x.st_ino == y.st_ino;
}

// All input files.
std::vector<std::string> InputsOf(const Arguments& o, const clamma::ModelFiles& files) {
  std::vector<std::string> inputs;
  for (const std::string& path : {o.in, o.tokenizer, o.imatrix, o.eval}) {
    if (path.empty()) continue;
    inputs.push_back(path);
    for (std::string place : models::ModelFolders())
      inputs.push_back(place.append("/").append(path));
  }
  for (size_t i = 0; files.count() > 1 && i < files.count(); ++i) {
    clamma::SplitInfo info;
    if (!clamma::ReadSplitInfo(*files.gguf(i), &info).ok()) continue;
    for (uint32_t named = 0; named < info.count; ++named) {
      std::vector<char> path(o.in.size() + 1);
      info.index = named;  // the path belongs to the file with this index
      if (clamma::SplitPath(o.in, info, static_cast<uint32_t>(i), path.data(), path.size()).ok()) {
        inputs.emplace_back(path.data());
      }
    }
  }
  return inputs;
}

}  // namespace

std::string VocabularyBeside(const std::string& checkpoint) {
  return std::filesystem::path(checkpoint).replace_extension(".tokenizer.bin").string();
}

std::string CheckTarget(const Arguments& o, const clamma::ModelFiles& files,
                        const std::string& target) {
  if (target.empty()) return "the name of the file to write is empty";
  for (const std::string& input : InputsOf(o, files)) {
    if (IsSameFile(input, target)) return target + " is an input: name another file to write";
    if (IsSameFile(input, OutputFile::PartOf(target))) {
      return OutputFile::PartOf(target) + " is an input, and would be written: name another file";
    }
  }
  struct stat facts = {};
  if (stat(target.c_str(), &facts) != 0) return "";
  if (S_ISDIR(facts.st_mode)) return target + " is a folder: name a file";
  if (!S_ISREG(facts.st_mode)) return target + " is not a regular file";
  return o.force ? "" : target + " exists already: --force overwrites it";
}

}  // namespace quantize_app
