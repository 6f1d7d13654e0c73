# bash's completion of `qarax`, said by the program that was just installed. Where that doesn't run (it is for another
# machine) there is none, and the installation is whole without.
set(qarax "${CMAKE_INSTALL_PREFIX}/bin/qarax")
set(to "${CMAKE_INSTALL_PREFIX}/share/bash-completion/completions/qarax")
execute_process(COMMAND "$ENV{DESTDIR}${qarax}" completion bash OUTPUT_VARIABLE script RESULT_VARIABLE failed ERROR_QUIET)
if(failed)
  message(STATUS "Not installed: $ENV{DESTDIR}${to} (`qarax completion bash` ended with ${failed})")
else()
  message(STATUS "Installing: $ENV{DESTDIR}${to}")
  file(WRITE "$ENV{DESTDIR}${to}" "${script}")
  file(CHMOD "$ENV{DESTDIR}${to}" PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
  list(APPEND CMAKE_INSTALL_MANIFEST_FILES "${to}")
endif()
