# SPDX-License-Identifier: MIT
# If you copy an app, copy this folder too.
include(GNUInstallDirs)

set(man_parts_dir ${CMAKE_CURRENT_LIST_DIR}/man)

# Installs the manual page of an app, which is NAME.1.in. @MODEL_OPTIONS@ and the like are replaced
# by the texts that several apps share (man/model_options.mdoc and so on), and @DEFAULT_TEMPERATURE@
# by the second argument, or 1 without one.
function(install_man_page name)
  set(DEFAULT_TEMPERATURE 1)
  if(ARGC GREATER 1)
    set(DEFAULT_TEMPERATURE ${ARGV1})
  endif()
  foreach(part model_names model_options prompt_options sampling_options chat_format environment
               model_files)
    string(TOUPPER ${part} variable)
    file(READ ${man_parts_dir}/${part}.mdoc ${variable})
    string(STRIP "${${variable}}" ${variable})
    string(CONFIGURE "${${variable}}" ${variable} @ONLY)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${man_parts_dir}/${part}.mdoc)
  endforeach()
  configure_file(${name}.1.in ${name}.1 @ONLY)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${name}.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1
          COMPONENT man)
endfunction()
