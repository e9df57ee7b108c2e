// XML namespaces over pugixml, which knows names with prefixes only.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <pugixml.hpp>
#include <string>

namespace rendercar::sidecar {

// The part of the name behind the prefix.
std::string LocalName(pugi::xml_node node);

// The namespace that the node's prefix (or its absence) is bound to; empty for none.
std::string NamespaceOf(pugi::xml_node node);

// The first child element of that namespace and local name; null when there is none.
pugi::xml_node FindChild(pugi::xml_node parent, const std::string& uri, const std::string& local);

// A name "prefix:local" in namespace `uri` that is right anywhere below `root`: takes a prefix that
// root binds to it, or binds a new one, `wanted` when that is free.
std::string QualifiedName(pugi::xml_node root, const std::string& uri, const std::string& wanted,
                          const std::string& local);

}  // namespace rendercar::sidecar
