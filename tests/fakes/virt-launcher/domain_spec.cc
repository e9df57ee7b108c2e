// KubeVirt's lossy model of a domain, for the stand-in of virt-launcher.
// SPDX-License-Identifier: Apache-2.0
#include "tests/fakes/virt-launcher/domain_spec.h"

#include <absl/strings/str_split.h>

#include <algorithm>
#include <fstream>
#include <pugixml.hpp>
#include <sstream>
#include <vector>

namespace rendercar::testing {
namespace {

struct Element {
  std::string name;
  std::vector<std::string> attributes;
  bool text = false;
  bool always = false;
  std::vector<Element> children;
};

Element ParseLine(const std::string& line) {
  Element element;
  for (const auto& word : absl::StrSplit(line, ' ', absl::SkipEmpty())) {
    const std::string text(word);
    if (element.name.empty()) {
      element.name = text;
    } else if (text == "#") {
      element.text = true;
    } else if (text == "!") {
      element.always = true;
    } else {
      element.attributes.push_back(text);
    }
  }
  return element;
}

Element Load() {
  Element root;
  std::ifstream file(RENDERCAR_DOMAIN_SPEC);
  RC_CHECK(file.good(), "domain_spec.txt stands beside the sources");
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    Element* parent = &root;
    for (size_t depth = line.find_first_not_of(' ') / 2; depth > 0; --depth)
      parent = &parent->children.back();
    parent->children.push_back(ParseLine(line));
  }
  return root.children.front();
}

void Write(const Element& model, pugi::xml_node from, pugi::xml_node to);

void WriteChildren(const Element& model, pugi::xml_node from, pugi::xml_node to) {
  bool any = false;
  for (const pugi::xml_node child : from.children(model.name.c_str())) {
    Write(model, child, to.append_child(model.name.c_str()));
    any = true;
  }
  if (!any && model.always) Write(model, {}, to.append_child(model.name.c_str()));
}

void Write(const Element& model, pugi::xml_node from, pugi::xml_node to) {
  for (const std::string& name : model.attributes) {
    const pugi::xml_attribute attribute = from.attribute(name.c_str());
    if (attribute) to.append_attribute(name.c_str()).set_value(attribute.value());
  }
  const std::string text = from.child_value();
  if (model.text && !text.empty()) to.append_child(pugi::node_pcdata).set_value(text.c_str());
  for (const Element& child : model.children) WriteChildren(child, from, to);
}

}  // namespace

absl::StatusOr<std::string> ThroughDomainSpec(const std::string& xml) {
  static const Element model = Load();
  pugi::xml_document in;
  if (const pugi::xml_parse_result parsed = in.load_buffer(xml.data(), xml.size()); !parsed)
    return absl::InvalidArgumentError(
        absl::StrCat("the domain cannot be unmarshalled: ", parsed.description()));
  pugi::xml_document out;
  Write(model, in.document_element(), out.append_child("domain"));
  std::ostringstream text;
  out.save(text, "\t", pugi::format_indent | pugi::format_no_declaration);
  return text.str();
}

}  // namespace rendercar::testing
