# What is installed where, and the .deb packages: scripts/package.sh makes them.
# One component a package: rendercar-backend, rendercar-sidecar, rendercar-shim, rendercar-node, rendercar-operator, rendercarctl.
include(GNUInstallDirs)
set(packaging "${CMAKE_SOURCE_DIR}/deploy/packaging")

# rendercar_packaged_program(NAME SECTION): the program and its man page, made of its --help, in the package of that name.
function(rendercar_packaged_program name section)
  set(page "${CMAKE_BINARY_DIR}/man/${name}.${section}")
  set(text "${packaging}/man/${name}.txt")
  add_custom_command(OUTPUT "${page}"
    COMMAND ${CMAKE_COMMAND} -E make_directory "${CMAKE_BINARY_DIR}/man"
    COMMAND "${CMAKE_SOURCE_DIR}/scripts/make-man.py" $<TARGET_FILE:${name}> ${section} ${PROJECT_VERSION} > "${page}"
    DEPENDS ${name} "${text}" "${CMAKE_SOURCE_DIR}/scripts/make-man.py" VERBATIM)
  add_custom_target(man_${name} DEPENDS "${page}")
  add_dependencies(rendercar_man man_${name})
  install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT ${name})
  install(FILES "${page}" DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section} COMPONENT ${name} OPTIONAL)
  install(FILES "${CMAKE_SOURCE_DIR}/LICENSE" DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${name} RENAME copyright COMPONENT ${name})
endfunction()

# Man pages run the programs, so that they are made for packages only: target rendercar_man.
add_custom_target(rendercar_man)
rendercar_packaged_program(rendercar-node 8)
rendercar_packaged_program(rendercar-operator 8)
rendercar_packaged_program(rendercar-sidecar 1)
rendercar_packaged_program(rendercar-shim 1)
rendercar_packaged_program(rendercar-backend 1)
rendercar_packaged_program(rendercarctl 1)
# Not for people, so beside no other programs; the backend looks there.
install(TARGETS rendercar-renderer RUNTIME DESTINATION libexec/rendercar COMPONENT rendercar-backend)
# Image and unit start the sidecar through it.
install(TARGETS rendercar-launcher RUNTIME DESTINATION libexec/rendercar COMPONENT rendercar-sidecar)

# Distributions look for units in lib, whatever the library directory is.
install(FILES "${packaging}/systemd/rendercar-node.service" DESTINATION lib/systemd/system COMPONENT rendercar-node)
install(FILES "${packaging}/systemd/rendercar-sidecar@.service" DESTINATION lib/systemd/user COMPONENT rendercar-sidecar)
# Packages only (cpack stages it); `cmake --install` touches nothing outside its prefix.
install(FILES "${packaging}/etc/node.yaml" DESTINATION /etc/rendercar COMPONENT rendercar-node EXCLUDE_FROM_ALL)
install(FILES "${CMAKE_SOURCE_DIR}/node/config.schema.json" DESTINATION ${CMAKE_INSTALL_DATADIR}/rendercar COMPONENT rendercar-node)
install(FILES "${CMAKE_SOURCE_DIR}/operator-api/crds/rendercar.dev_gpusessions.yaml"
  "${CMAKE_SOURCE_DIR}/operator-api/crds/rendercar.dev_renderpools.yaml"
  DESTINATION ${CMAKE_INSTALL_DATADIR}/rendercar/crds COMPONENT rendercar-operator)
install(FILES "${packaging}/etc/40-rendercar-gpu.json" DESTINATION ${CMAKE_INSTALL_DATADIR}/qemu/vhost-user COMPONENT rendercar-backend)
install(FILES "${packaging}/etc/45-rendercar-shim.json" DESTINATION ${CMAKE_INSTALL_DATADIR}/qemu/vhost-user COMPONENT rendercar-shim)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME rendercar)
set(CPACK_PACKAGE_VENDOR "Rendercar")
set(CPACK_PACKAGE_CONTACT "The Rendercar maintainers <maintainers@rendercar.dev>")
set(CPACK_PACKAGE_VERSION "${PROJECT_VERSION}")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_PACKAGE_DIRECTORY "${CMAKE_BINARY_DIR}/packages")
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL rendercar-backend rendercar-sidecar rendercar-shim rendercar-node rendercar-operator rendercarctl)
set(CPACK_COMPONENTS_GROUPING ONE_PER_GROUP)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)

# rendercar_deb(NAME SECTION SUMMARY TEXT [DEPENDS ...] [RECOMMENDS ...] [EXTRA control files])
function(rendercar_deb name section summary text)
  cmake_parse_arguments(ARG "" "DEPENDS;RECOMMENDS" "EXTRA" ${ARGN})
  string(TOUPPER "${name}" key)
  foreach(pair "PACKAGE_NAME=${name}" "PACKAGE_SECTION=${section}" "PACKAGE_DEPENDS=${ARG_DEPENDS}" "PACKAGE_RECOMMENDS=${ARG_RECOMMENDS}"
          "DESCRIPTION=${summary}\n${text}")
    string(REGEX MATCH "^[A-Z_]+" what "${pair}")
    string(REGEX REPLACE "^[A-Z_]+=" "" value "${pair}")
    set(CPACK_DEBIAN_${key}_${what} "${value}" PARENT_SCOPE)
  endforeach()
  set(CPACK_DEBIAN_${key}_PACKAGE_CONTROL_EXTRA "${ARG_EXTRA}" PARENT_SCOPE)
endfunction()

# What cpack asks of control files: their installed names, and /etc/rendercar/node.yaml as a file that upgrades keep.
file(WRITE "${CMAKE_BINARY_DIR}/debian/node/conffiles" "/etc/rendercar/node.yaml\n")
foreach(script postinst prerm postrm)
  configure_file("${packaging}/debian/node.${script}" "${CMAKE_BINARY_DIR}/debian/node/${script}" COPYONLY)
endforeach()
set(node_extra "${CMAKE_BINARY_DIR}/debian/node/conffiles" "${CMAKE_BINARY_DIR}/debian/node/postinst"
  "${CMAKE_BINARY_DIR}/debian/node/prerm" "${CMAKE_BINARY_DIR}/debian/node/postrm")

# libepoxy opens the GL libraries by name while the program runs, so that no tool finds these dependencies.
rendercar_deb(rendercar-backend misc "virtio-GPU for virtual machines, in processes of its own"
  "A vhost-user-gpu backend for QEMU: the device in one process, Mesa and the GPU\nin another that may die without harm to the virtual machine. libvirt finds it by\nits vhost-user JSON."
  DEPENDS "libegl1, libegl-mesa0, libgl1, libgl1-mesa-dri, libgles2" RECOMMENDS "rendercarctl")
rendercar_deb(rendercar-sidecar misc "runs and supervises GPU backends beside virtual machines"
  "Starts a backend for each session and starts it again when it ends; control API,\nmetrics. In a VM's pod, or on a plain host as a user service."
  DEPENDS "rendercar-backend (= ${PROJECT_VERSION})" RECOMMENDS "rendercarctl")
rendercar_deb(rendercar-shim misc "gives libvirt's QEMU a GPU of a sidecar in another container"
  "What libvirt starts where QEMU runs, as if it were the GPU backend: a static program\nthat passes QEMU's socket to a rendercar-sidecar. libvirt finds it by its vhost-user\nJSON.")
rendercar_deb(rendercar-node admin "offers shares of GPUs to the kubelet"
  "The node agent of Rendercar: finds render nodes, cuts them into shares, and\noffers these to the kubelet through its device-plugin API." EXTRA ${node_extra})
rendercar_deb(rendercar-operator admin "makes RenderPools and GpuSessions of a node"
  "Beside a node agent: what RenderPools say becomes the agent's configuration, its\nsessions become GpuSession objects of the Kubernetes API."
  RECOMMENDS "rendercar-node")
rendercar_deb(rendercarctl admin "shows and changes GPU sessions of virtual machines"
  "The command line of Rendercar: GPU sessions of a sidecar, and how QEMU or libvirt\nis told of one.")
include(CPack)
