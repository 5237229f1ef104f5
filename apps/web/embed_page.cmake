# SPDX-License-Identifier: MIT
# If you copy an app, copy this folder too.
set(embed_script ${CMAKE_CURRENT_LIST_DIR}/embed.cmake)

# Embeds files of a program's page into it (page.h), and makes them anew when one of them or of the
# files after PARTS, which they include, changes.
function(embed_page target)
  cmake_parse_arguments(PARSE_ARGV 1 page "" "" "FILES;PARTS")
  set(page_source ${CMAKE_CURRENT_BINARY_DIR}/${target}_page_files.cc)
  add_custom_command(
      OUTPUT ${page_source}
      COMMAND ${CMAKE_COMMAND} -D "OUTPUT=${page_source}" -D "FILES=${page_FILES}"
              -D "FOLDER=${CMAKE_CURRENT_SOURCE_DIR}" -P ${embed_script}
      DEPENDS ${page_FILES} ${page_PARTS} ${embed_script}
      COMMENT "Embedding the page"
      VERBATIM)
  target_sources(${target} PRIVATE ${page_source})
endfunction()
