# SPDX-License-Identifier: MIT
# Writes the C++ source OUTPUT with the bytes of FILES, which are below FOLDER; see page.h. A line
# <!-- include NAME --> in a file is replaced by the file NAME beside it.
set(arrays "")
set(table "")
set(number 0)
foreach(file ${FILES})
  file(READ ${FOLDER}/${file} bytes HEX)
  get_filename_component(beside ${FOLDER}/${file} DIRECTORY)
  file(STRINGS ${FOLDER}/${file} lines REGEX "^<!-- include [a-z.]+ -->$")
  foreach(line ${lines})
    string(REGEX REPLACE "^<!-- include (.*) -->$" "\\1" name "${line}")
    file(READ ${beside}/${name} part HEX)
    string(HEX "${line}\n" line)
    string(REPLACE "${line}" "${part}" bytes "${bytes}")
  endforeach()
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
  # Lines of 16 bytes, because very long lines are a problem for some tools.
  string(REPEAT "0x..," 16 line)
  string(REGEX REPLACE "(${line})" "\\1\n    " bytes "${bytes}")
  get_filename_component(name ${file} NAME)
  string(APPEND arrays "constexpr unsigned char kFile${number}[] = {\n    ${bytes}};\n")
  string(APPEND table "    {\"${name}\", {kFile${number}, sizeof(kFile${number})}},\n")
  math(EXPR number "${number} + 1")
endforeach()
file(WRITE ${OUTPUT} "// SPDX-License-Identifier: MIT
// Made by embed.cmake.
#include \"page.h\"

namespace web {
namespace {

${arrays}
constexpr PageFile kFiles[] = {
${table}};

}  // namespace

std::span<const PageFile> PageFiles() { return kFiles; }

}  // namespace web
")
