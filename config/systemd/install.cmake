# Units name files by absolute paths. They are written for /usr; installed they have the prefix of that installation, which
# `cmake --install --prefix` may say otherwise than the configuration did.
get_filename_component(prefix "${CMAKE_INSTALL_PREFIX}" ABSOLUTE)
file(GLOB units ${CMAKE_CURRENT_LIST_DIR}/*.service)
foreach(unit IN LISTS units)
  get_filename_component(name ${unit} NAME)
  file(READ ${unit} text)
  string(REPLACE "/usr/" "${prefix}/" text "${text}")
  set(to "${CMAKE_INSTALL_PREFIX}/lib/systemd/system/${name}")
  message(STATUS "Installing: $ENV{DESTDIR}${to}")
  file(WRITE "$ENV{DESTDIR}${to}" "${text}")
  file(CHMOD "$ENV{DESTDIR}${to}" PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
  list(APPEND CMAKE_INSTALL_MANIFEST_FILES "${to}")
endforeach()
