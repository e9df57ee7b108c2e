// KubeVirt's lossy model of a domain, for the stand-in of virt-launcher: what it does not know is
// gone when XML has been through it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "common/status.h"

namespace rendercar::testing {

// `xml` read into KubeVirt's DomainSpec and written again: only elements and attributes of
// domain_spec.txt, in its order, without comments.
absl::StatusOr<std::string> ThroughDomainSpec(const std::string& xml);

}  // namespace rendercar::testing
