# Installs the bash completion of `qarax`, which the program just installed prints. If it can't run here (e.g. it is built
# for another machine), there is no completion, and the installation succeeds without it.
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
