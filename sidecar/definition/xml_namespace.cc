// XML namespaces over pugixml, which knows names with prefixes only.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/definition/xml_namespace.h"

namespace rendercar::sidecar {
namespace {

constexpr char kDeclaration[] = "xmlns";

std::string PrefixOf(const std::string& name) {
  const size_t colon = name.find(':');
  return colon == std::string::npos ? "" : name.substr(0, colon);
}

// The attribute that binds `prefix`.
std::string DeclarationOf(const std::string& prefix) {
  return prefix.empty() ? kDeclaration : std::string(kDeclaration) + ":" + prefix;
}

}  // namespace

std::string LocalName(pugi::xml_node node) {
  const std::string name = node.name();
  const size_t colon = name.find(':');
  return colon == std::string::npos ? name : name.substr(colon + 1);
}

std::string NamespaceOf(pugi::xml_node node) {
  const std::string declaration = DeclarationOf(PrefixOf(node.name()));
  for (pugi::xml_node at = node; at; at = at.parent()) {
    if (const pugi::xml_attribute bound = at.attribute(declaration.c_str())) return bound.value();
  }
  return "";
}

pugi::xml_node FindChild(pugi::xml_node parent, const std::string& uri, const std::string& local) {
  for (const pugi::xml_node child : parent.children()) {
    if (child.type() == pugi::node_element && LocalName(child) == local &&
        NamespaceOf(child) == uri)
      return child;
  }
  return {};
}

std::string QualifiedName(pugi::xml_node root, const std::string& uri, const std::string& wanted,
                          const std::string& local) {
  const std::string marker = std::string(kDeclaration) + ":";
  for (const pugi::xml_attribute attribute : root.attributes()) {
    const std::string name = attribute.name();
    if (name.rfind(marker, 0) == 0 && attribute.value() == uri)
      return name.substr(marker.size()) + ":" + local;
  }
  std::string prefix = wanted;
  while (root.attribute(DeclarationOf(prefix).c_str())) prefix += "x";
  root.append_attribute(DeclarationOf(prefix).c_str()).set_value(uri.c_str());
  return prefix + ":" + local;
}

}  // namespace rendercar::sidecar
