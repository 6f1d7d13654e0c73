# cmake -DSOURCE=FOLDER -DOUT=FILE -P revision.cmake: writes FILE, which defines qarax::build_revision() for the git repository
# whose root is FOLDER. Leaves FILE untouched where it would stay the same. Without git, or outside of a repository (an unpacked
# release, also inside of somebody else's repository), the revision is empty.
cmake_minimum_required(VERSION 3.25)
find_program(git git)
set(revision "")

function(ask result)
  set(${result} "" PARENT_SCOPE)
  if(NOT git)
    return()
  endif()
  # Without optional locks a look at the repository writes nothing into it, and so disturbs no other git.
  execute_process(COMMAND ${git} --no-optional-locks -C ${SOURCE} ${ARGN}
    OUTPUT_VARIABLE said OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
  if(NOT failed)
    set(${result} "${said}" PARENT_SCOPE)
  endif()
endfunction()

file(REAL_PATH ${SOURCE} root)
ask(top rev-parse --show-toplevel)
if(top STREQUAL root)
  ask(commit rev-parse --short=7 HEAD)
  if(commit)
    set(revision g${commit})
    ask(changed status --porcelain --untracked-files=no)
    if(changed)
      string(APPEND revision .dirty)
    endif()
  endif()
endif()

file(CONFIGURE OUTPUT ${OUT} @ONLY CONTENT [=[
// Made by cmake/revision/revision.cmake.
#include "build_revision.hpp"

namespace qarax {

std::string_view build_revision() { return "@revision@"; }

}  // namespace qarax
]=])
